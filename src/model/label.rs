//! How an element of a loop is named in output.

use super::{Value, Values};

/// An element is named by so many characters.
const WIDTH: usize = 60;

/// The keys by which a map is named, the first one that it has.
const NAMING: &[&str] = &["name", "key", "path", "dest", "host", "item", "id"];

/// An element in a few words: a text itself, a map by what names it.
pub fn label(item: &Value) -> String {
    let naming =
        |map: &Values| NAMING.iter().find_map(|key| map.get(*key)).filter(|one| !one.is_object()).cloned();
    let text = match item {
        Value::String(text) => text.lines().next().unwrap_or_default().to_string(),
        Value::Object(map) => naming(map).map_or_else(|| item.to_string(), |value| label(&value)),
        other => other.to_string(),
    };
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
