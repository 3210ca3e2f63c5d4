//! What holds for every row of the table: its example is complete and read, its keys are described.

use super::{KINDS, KeyUse, Row};
use crate::audit::needs::Needs;
use crate::model::digest::Digest;
use crate::model::job::JobStep;
use crate::model::{Value, Values};
use serde_json::json;

/// Keys that any step may have beside its kind's table.
const COMMON: &[&str] = &[
    "name",
    "when",
    "loop",
    "loop_var",
    "label",
    "register",
    "notify",
    "listen",
    "tags",
    "vars",
    "become",
    "become_user",
    "environment",
    "retries",
    "delay",
    "until",
    "timeout",
    "async",
    "changed_when",
    "failed_when",
    "ignore_errors",
    "run_once",
    "no_log",
];

#[test]
fn every_name_is_there_once() {
    for row in KINDS {
        assert_eq!(KINDS.iter().filter(|other| other.name == row.name).count(), 1, "{}", row.name);
    }
}

#[test]
fn every_example_is_read_by_its_kind() {
    for row in KINDS {
        for step in steps(row) {
            let keys = match step[row.name].as_object() {
                Some(_) => substituted(row, &table(row, &step)),
                None => step[row.name].clone(),
            };
            if let Err(wrong) = (row.parse)(&keys) {
                panic!("the example of {} is not read: {}: {}", row.name, wrong.path, wrong.why);
            }
        }
    }
}

#[test]
fn every_key_is_described_and_in_the_example() {
    for row in KINDS {
        for (key, schema) in properties(row) {
            let described = schema["description"].as_str().is_some_and(|text| !text.trim().is_empty());
            assert!(described, "{}.{key} has no description", row.name);
            assert!(is_shown(row.example, &key), "{}.{key} is not in its example", row.name);
        }
    }
}

#[test]
fn every_key_of_the_controller_is_a_key() {
    for row in KINDS {
        for (key, _) in row.keys {
            assert!(properties(row).contains_key(*key), "{} has no key {key}", row.name);
        }
    }
}

/// The steps of a kind's example that are of that kind. What a step waits for is there too.
fn steps(row: &Row) -> Vec<Values> {
    let example: Value =
        toml::from_str(row.example).unwrap_or_else(|error| panic!("the example of {}: {error}", row.name));
    let steps =
        example["steps"].as_array().unwrap_or_else(|| panic!("the example of {} has no steps", row.name));
    let mut own: Vec<Values> = steps.iter().map(|step| step.as_object().expect("a table").clone()).collect();
    own.retain(|step| !row.waits || step.contains_key(row.name));
    assert!(!own.is_empty(), "the example of {} has no steps", row.name);
    own
}

/// The one table of a step that is named after its kind.
fn table(row: &Row, step: &Values) -> Values {
    let kinds: Vec<_> = step.keys().filter(|key| !COMMON.contains(&key.as_str())).collect();
    assert_eq!(kinds, [row.name], "a step of the example of {} has exactly its table", row.name);
    step[row.name].as_object().unwrap_or_else(|| panic!("{} is a table", row.name)).clone()
}

/// The keys as the step gets them after the controller has read files, rendered templates and evaluated expressions.
fn substituted(row: &Row, keys: &Values) -> Value {
    let mut keys = keys.clone();
    for (key, value) in &mut keys {
        match row.keys.iter().find(|(name, _)| name == key).map(|(_, key_use)| key_use) {
            None | Some(KeyUse::Known | KeyUse::Javascript | KeyUse::Group | KeyUse::Parents) => {}
            Some(KeyUse::Asset) => *value = json!({ "digest": Digest::of(b""), "size": 0 }),
            Some(KeyUse::Image) => {
                *value = json!({ "digest": Digest::of(b""), "size": 0, "images": [{ "id": "sha256:0", "tags": [] }] });
            }
            Some(KeyUse::Tree) => *value = json!({ "source": value, "tree": Digest::of(b"") }),
            Some(KeyUse::Text | KeyUse::Template) => *value = json!("text\n"),
            Some(KeyUse::Backup) => {
                *value = json!({ "id": "20261121T084500Z-web-nightly-kxqz", "host": "web", "name": "nightly", "parts": [] });
            }
            Some(KeyUse::Imports) => *value = json!({ "findings": [] }),
            Some(KeyUse::Variables) => *value = json!({ "needs": Needs::default() }),
            Some(KeyUse::Texts) => *value = json!([{ "name": "001_first.sql", "text": "select 1;\n" }]),
            Some(KeyUse::Expression) => *value = evaluated(value),
        }
    }
    Value::Object(keys)
}

fn evaluated(expression: &Value) -> Value {
    match expression {
        Value::Array(list) => list.iter().map(evaluated).collect(),
        one => json!({ "expression": one, "value": true }),
    }
}

fn properties(row: &Row) -> Values {
    let schema = (row.schema)();
    schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Whether an example gives a key: `key = …`, in a comment too, or a table of that name.
fn is_shown(example: &str, key: &str) -> bool {
    let key = regex_lite::escape(key);
    let shown = format!(r"(?m)(^|[^\w.-]){key} *=|\.{key}(\.|\])");
    regex_lite::Regex::new(&shown).expect("a pattern").is_match(example)
}

#[test]
fn only_imports_of_a_directory_on_the_host_are_parsed_there() {
    let parses = |kind: &str, keys: Value, skip: Option<&str>| {
        let skip = skip.map(str::to_string);
        let args = Some(crate::model::arg::Arg::Value(keys));
        super::parses_javascript(&JobStep { kind: kind.to_string(), args, skip, ..JobStep::default() })
    };
    assert!(parses("imports_audit", json!({ "dest": "/srv/app" }), None));
    assert!(!parses("imports_audit", json!({ "dest": "/srv/app" }), Some("when is false")));
    assert!(!parses("imports_audit", json!({ "source": { "findings": [] } }), None));
    assert!(!parses("file", json!({ "dest": "/a" }), None));
}
