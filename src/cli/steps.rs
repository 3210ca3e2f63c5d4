//! `windlass steps [KIND]`: the reference of step kinds, from the code itself.

use super::{Done, Global, Stop, answer, answer_json, facts};
use crate::model::nearest::did_you_mean;
use crate::model::{Failure, Value};
use crate::report::{Format, style};
use crate::step::{ANY_FIELD, KINDS, OF_ALL, Row};
use serde_json::json;

/// Show the step kinds, or the keys and an example of one
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind, for example `file`; `facts` for what `facts.*` holds
    kind: Option<String>,
    /// Only kinds that mention this word in their name, text or keys
    #[arg(short, long, value_name = "WORD", conflicts_with = "kind")]
    search: Option<String>,
}

/// A key of a step kind.
struct Key<'a> {
    name: &'a str,
    required: bool,
    kind: String,
    about: String,
}

/// Prints the reference.
pub fn run(args: Args, global: &Global) -> Done {
    let rows = match &args.kind {
        Some(name) if name == "facts" => return facts::list(global),
        None => {
            KINDS.iter().filter(|row| args.search.as_ref().is_none_or(|word| speaks_of(row, word))).collect()
        }
        Some(name) => vec![crate::step::kind(name).ok_or_else(|| unknown(name))?],
    };
    match (global.format(), &args.kind) {
        (Format::Human, None) if rows.is_empty() => Err(unknown_word(&args.search.unwrap_or_default())),
        (Format::Human, None) => answer(&list(&rows)),
        (Format::Human, Some(_)) => answer(&rows.iter().map(|row| page(row)).collect::<String>()),
        _ => {
            let described: Vec<Value> = rows.iter().map(|row| described(row)).collect();
            answer_json(&Value::Array(described))
        }
    }
}

fn unknown(name: &str) -> Stop {
    let failure = Failure::new(format!("describe step kind {name}"), "there is no such kind");
    let names = KINDS.iter().map(|row| row.name);
    let hint = did_you_mean(name, names).unwrap_or_else(|| "windlass steps lists them".to_string());
    Stop::misused(failure.hint(hint))
}

/// Whether a kind's name, text or keys hold the word, in whatever case.
fn speaks_of(row: &Row, word: &str) -> bool {
    let schema = schema(row);
    let keys = keys(&schema).into_iter().map(|key| format!("{} {}", key.name, key.about));
    let text = [row.name.to_string(), about(&schema)].into_iter().chain(keys).collect::<Vec<_>>().join("\n");
    text.to_lowercase().contains(&word.to_lowercase())
}

fn unknown_word(word: &str) -> Stop {
    let failure = Failure::new(format!("search the step kinds for {word}"), "none speaks of it");
    Stop::misused(failure.hint("`windlass steps` lists all"))
}

fn list(rows: &[&Row]) -> String {
    let width = style::widest(rows.iter().map(|row| row.name));
    let mut groups: Vec<&str> = Vec::new();
    let mut text = String::new();
    for row in rows {
        if !groups.contains(&row.group) {
            groups.push(row.group);
            text += &format!("{}{}:\n", if text.is_empty() { "" } else { "\n" }, row.group);
        }
        text += &format!("  {}  {}\n", style::padded(row.name, width), in_short(row));
    }
    text + "\nwindlass steps KIND shows its keys and an example\n"
}

/// The kinds, and what each is for.
pub fn names() -> impl Iterator<Item = (&'static str, String)> {
    KINDS.iter().map(|row| (row.name, in_short(row)))
}

/// The keys of a kind, and what each is for; none where there is no such kind.
pub fn key_names(kind: &str) -> Vec<(String, String)> {
    let schema = crate::step::kind(kind).map(schema).unwrap_or_default();
    keys(&schema).into_iter().map(|key| (key.name.to_string(), key.about)).collect()
}

/// The first sentence about a kind.
fn in_short(row: &Row) -> String {
    let about = about(&schema(row));
    let first = about.split_inclusive(". ").next().unwrap_or_default().trim_end_matches(". ");
    first.trim_end_matches('.').to_string()
}

fn page(row: &Row) -> String {
    let schema = schema(row);
    let keys = keys(&schema);
    let name_width = style::widest(keys.iter().map(|key| key.name));
    let kind_width = style::widest(keys.iter().map(|key| key.kind.as_str()));
    let mut text = format!("{} ({})\n\n{}\n", row.name, row.group, about(&schema));
    if !keys.is_empty() {
        text += "\nkeys (* required):\n";
    }
    for key in keys {
        let mark = if key.required { "*" } else { " " };
        let (name, kind) = (style::padded(key.name, name_width), style::padded(&key.kind, kind_width));
        text += &format!("{mark} {name}  {kind}  {}\n", key.about);
    }
    // What it waits for is registered by its own step.
    let registers = if row.waits { String::new() } else { format!("\nregister gets: {}\n", results(row)) };
    text + &format!("{registers}\nexample:\n{}", row.example)
}

/// The fields of its result.
fn results(row: &Row) -> String {
    let fields = OF_ALL.iter().chain(row.result);
    fields
        .map(|field| if *field == ANY_FIELD { "what its keys name" } else { field })
        .collect::<Vec<_>>()
        .join(", ")
}

fn described(row: &Row) -> Value {
    let result: Vec<&&str> = OF_ALL.iter().chain(row.result).filter(|_| !row.waits).collect();
    json!({
        "kind": row.name, "group": row.group, "result": result,
        "example": row.example.trim(), "schema": schema(row),
    })
}

fn schema(row: &Row) -> Value {
    (row.schema)().to_value()
}

fn keys(schema: &Value) -> Vec<Key<'_>> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let is_required = |name: &str| {
        let required = schema["required"].as_array().into_iter().flatten();
        required.into_iter().any(|known| known == name)
    };
    properties
        .map(|(name, property)| Key {
            name,
            required: is_required(name),
            kind: kind_of(property, schema),
            about: about_key(property, schema),
        })
        .collect()
}

fn about(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn about_key(property: &Value, root: &Value) -> String {
    let about = about(property);
    let default = &property["default"];
    let default = if default.is_null() || default == "" { None } else { Some(format!(" [{default}]")) };
    let about = if about.is_empty() { self::about(resolved(property, root)) } else { about };
    about.trim_end_matches('.').to_string() + &default.unwrap_or_default()
}

/// The type in the words of a person: `string`, `list of string`, `"a" or "b"`.
fn kind_of(property: &Value, root: &Value) -> String {
    let property = resolved(property, root);
    if let Some(alternatives) = property["anyOf"].as_array().or(property["oneOf"].as_array()) {
        let words = alternatives.iter().filter(|one| one["type"] != "null").map(|one| kind_of(one, root));
        return joined(words);
    }
    if let Some(values) = property["enum"].as_array() {
        return joined(values.iter().filter(|value| !value.is_null()).map(Value::to_string));
    }
    if !property["const"].is_null() {
        return property["const"].to_string();
    }
    match &property["type"] {
        Value::String(kind) => word(kind, property, root),
        Value::Array(kinds) => {
            let kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            joined(kinds.map(|kind| word(kind, property, root)))
        }
        _ => "any value".to_string(),
    }
}

fn word(kind: &str, property: &Value, root: &Value) -> String {
    match kind {
        "array" if property["items"].is_object() => format!("list of {}", kind_of(&property["items"], root)),
        "array" => "list".to_string(),
        "object" => "table".to_string(),
        kind => kind.to_string(),
    }
}

/// Each word once.
fn joined(words: impl Iterator<Item = String>) -> String {
    let mut once: Vec<String> = Vec::new();
    words.for_each(|word| {
        if !once.contains(&word) {
            once.push(word)
        }
    });
    once.join(" or ")
}

fn resolved<'a>(property: &'a Value, root: &'a Value) -> &'a Value {
    let path = property["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| root.pointer(path)).unwrap_or(property)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_page_has_keys_and_example() {
        let row = crate::step::kind("file").unwrap();
        expect![[r#"
            file (files)

            Creates a regular file. With neither `content` nor `source`, sets only mode and owner of a file that exists. Missing parent directories are created.

            keys (* required):
            * path     string             Where it is on the host
              content  string             What it holds
              source   string             A file below `files/` of the project whose bytes it gets
              mode     string or integer  Permission bits: `"0644"`
              owner    string             User name or id
              group    string             Group name or id

            register gets: changed, failed, skipped, findings

            example:

            [[steps]]
            name = "a message for those who log in"
            [steps.file]
            path = "/etc/motd"
            content = "operated by windlass\n"      # or source = "motd", a file below files/
            mode = "0644"
            owner = "root"
            group = "root"
        "#]].assert_eq(&page(row));
    }

    #[test]
    fn every_kind_says_what_it_does_and_what_each_key_means() {
        for row in KINDS {
            let schema = schema(row);
            assert!(!about(&schema).is_empty(), "{}", row.name);
            for key in keys(&schema) {
                assert!(!key.about.is_empty(), "{}.{}", row.name, key.name);
            }
        }
    }

    #[test]
    fn types_are_told_in_words() {
        for (property, words) in [
            (json!({ "type": ["string", "null"] }), "string"),
            (json!({ "type": "array", "items": { "type": "string" } }), "list of string"),
            (json!({ "enum": ["started", "stopped"] }), r#""started" or "stopped""#),
            (json!({ "anyOf": [{ "type": "boolean" }, { "type": "null" }] }), "boolean"),
            (json!({ "$ref": "#/$defs/Mode" }), "string"),
            (json!(true), "any value"),
        ] {
            let root = json!({ "$defs": { "Mode": { "type": "string" } } });
            assert_eq!(kind_of(&property, &root), words);
        }
    }
}
