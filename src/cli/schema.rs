//! `windlass schema playbook|inventory|config|output`: JSON Schemas of the files that people write, for editors, and of what
//! programs read.

use super::{Done, answer_json};
use crate::model::Value;
use serde_json::{Map, json};

mod config;
mod inventory;
mod output;
mod playbook;

/// Print the JSON Schema of a file, for editors and checkers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind of file
    file: File,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum File {
    /// A file in `playbooks/`
    Playbook,
    /// A TOML file in `inventories/`
    Inventory,
    /// `windlass.toml`
    Config,
    /// What `--output json` and `--output jsonl` print, by command
    Output,
}

/// Prints the schema.
pub fn run(args: Args) -> Done {
    let document = match args.file {
        File::Playbook => playbook::document(),
        File::Inventory => inventory::document(),
        File::Config => config::document(),
        File::Output => output::document(),
    };
    answer_json(&document)
}

/// The schemas of the files of a project, each with its name.
pub(super) fn of_files() -> [(&'static str, Value); 3] {
    [("playbook", playbook::document()), ("inventory", inventory::document()), ("config", config::document())]
}

/// A whole document: a table with `properties`, and what they refer to.
fn document(title: &str, table: Value, definitions: Map<String, Value>) -> Value {
    let mut document = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": title });
    if let (Some(document), Value::Object(table)) = (document.as_object_mut(), table) {
        document.extend(table);
        if !definitions.is_empty() {
            document.insert("$defs".to_string(), Value::Object(definitions));
        }
    }
    document
}

/// A table that has these keys and no others. Each key has its schema and what it means.
fn table(keys: &[(&str, Value, &str)]) -> Value {
    let described = |(key, schema, about): &(&str, Value, &str)| {
        let mut schema = schema.clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_string(), json!(about));
        }
        (key.to_string(), schema)
    };
    let properties: Map<String, Value> = keys.iter().map(described).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The same, where these keys are required.
fn table_with(required: &[&str], keys: &[(&str, Value, &str)]) -> Value {
    let mut table = table(keys);
    table["required"] = json!(required);
    table
}

/// A table with names of the user's choice.
fn named(schema: Value) -> Value {
    json!({ "type": "object", "additionalProperties": schema })
}

fn anything() -> Value {
    json!({})
}

/// Said aloud that it has names of the user's choice: Tombi warns of them otherwise.
fn vars() -> Value {
    json!({ "type": "object", "additionalProperties": true })
}

/// Names of variables, each with where its value is.
fn secrets() -> Value {
    named(json!({ "type": ["string", "object"] }))
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn texts() -> Value {
    json!({ "type": ["string", "array"], "items": { "type": "string" } })
}

fn count(least: u32) -> Value {
    json!({ "type": "integer", "minimum": least })
}

fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// Seconds, or text with units.
fn duration() -> Value {
    json!({ "type": ["integer", "string"] })
}

/// A number of hosts, or a percentage.
fn share() -> Value {
    json!({ "type": ["integer", "string"] })
}

/// The schema of a struct, with what it refers to moved to `definitions` under `name`.
fn moved(name: &str, mut schema: Value, definitions: &mut Map<String, Value>) -> Value {
    let Some(fields) = schema.as_object_mut() else { return schema };
    fields.remove("$schema");
    fields.remove("title");
    let own = fields.remove("$defs");
    for (key, mut definition) in own.as_ref().and_then(Value::as_object).cloned().into_iter().flatten() {
        renamed(&mut definition, name);
        definitions.insert(format!("{name}.{key}"), definition);
    }
    renamed(&mut schema, name);
    schema
}

/// Makes `#/$defs/KEY` to `#/$defs/NAME.KEY`, wherever it stands.
fn renamed(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value.as_str().and_then(|path| path.strip_prefix("#/$defs/"))) {
                    ("$ref", Some(rest)) => *value = json!(format!("#/$defs/{name}.{rest}")),
                    _ => renamed(value, name),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| renamed(value, name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
