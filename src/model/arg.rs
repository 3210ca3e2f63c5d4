//! A step's argument before the host has been seen: rendered where that is possible, a template where it is not.

use super::{Value, Values};
use serde::{Deserialize, Serialize};

/// A value that may still wait for facts, registered results or a loop's item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arg {
    /// Final. It is never looked at for `{{` again, so a host's output cannot become a template.
    Value(Value),
    /// A template that the host's agent renders. One that is a single `{{ expression }}` keeps the value's type.
    Template(String),
    /// An expression, evaluated to `{ "expression": source, "value": result }` (what `assert` gets).
    Expression(String),
    /// Elements of which at least one waits.
    List(Vec<Arg>),
    /// Keys of which at least one waits, in the order in which they were written.
    Map(Vec<(String, Arg)>),
}

impl Arg {
    /// Whether it is a table with this key.
    pub fn has(&self, key: &str) -> bool {
        match self {
            Arg::Value(Value::Object(values)) => values.contains_key(key),
            Arg::Map(map) => map.iter().any(|(name, _)| name == key),
            _ => false,
        }
    }

    /// A text with more behind it; other values stay as they are.
    pub fn followed_by(self, more: &str) -> Arg {
        match self {
            Arg::Value(Value::String(text)) => Arg::Value((text + more).into()),
            Arg::Template(text) => Arg::Template(text + more),
            other => other,
        }
    }

    /// The value, when nothing in it waits.
    pub fn known(&self) -> Option<Value> {
        match self {
            Arg::Value(value) => Some(value.clone()),
            Arg::Template(_) | Arg::Expression(_) => None,
            Arg::List(list) => list.iter().map(Arg::known).collect::<Option<Vec<_>>>().map(Value::Array),
            Arg::Map(map) => map
                .iter()
                .map(|(key, arg)| Some((key.clone(), arg.known()?)))
                .collect::<Option<Values>>()
                .map(Value::Object),
        }
    }
}
