//! What to write where the keys of a step kind are wrong.

use super::ansible;
use crate::diagnostic::Diagnostic;
use crate::model::Value;
use crate::source::Node;
use crate::step::Row;

/// Every problem with a kind's keys says what to write, or where that is said.
pub fn with_hint(kind: &Row, problem: &Diagnostic) -> Diagnostic {
    let key = problem.message.strip_prefix("unknown key `").and_then(|rest| rest.strip_suffix('`'));
    let of_module = key.and_then(|key| ansible::of_kind(kind.name, key)).map(str::to_string);
    let all = || format!("`windlass steps {}` shows its keys", kind.name);
    let hint = of_module.or_else(|| problem.hint.clone()).unwrap_or_else(all);
    Diagnostic { hint: Some(hint), ..problem.clone() }
}

/// The keys that are meant where a kind has a text instead of a table; elsewhere it is the only key that it requires.
const ALONE: &[(&str, &str)] = &[("command", "shell"), ("debug", "message"), ("package", "name")];

/// The table that is meant where a kind has a text.
pub fn as_table(kind: &Row, node: &Node, schema: &Value) -> Option<String> {
    let text = Value::from(node.as_str()?);
    let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let alone = ALONE.iter().find(|(name, _)| *name == kind.name).map(|(_, key)| *key);
    let key = match required {
        _ if alone.is_some() => alone,
        [only] => only.as_str(),
        _ => None,
    };
    Some(format!("write a table: {} = {{ {} = {text} }}", kind.name, key?))
}
