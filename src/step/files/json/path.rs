//! The path of a value in a JSON document: `log-opts.max-size`, or the JSON pointer `/log-opts/max-size` (RFC 6901).

use crate::model::{Value, Values};
use serde::Deserialize;
use std::fmt;

/// Deeper documents than this are nobody's configuration; the parser takes a few more.
const DEPTH_LIMIT: usize = 100;

/// Keys and indices from the top level down, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ValuePath {
    parts: Vec<String>,
    written: String,
}

impl ValuePath {
    /// Puts a value there. Objects on the way that are missing are made; nothing else on the way is replaced.
    pub fn set(&self, document: &mut Value, value: &Value) -> Result<(), String> {
        let mut at = document;
        for (depth, part) in self.parts.iter().enumerate() {
            at = match at {
                Value::Object(map) => map.entry(part.clone()).or_insert(Value::Object(Values::new())),
                Value::Array(list) => self.element(list, depth)?,
                other => return Err(self.no_container(depth, other)),
            };
        }
        *at = value.clone();
        Ok(())
    }

    /// Takes the key there out. Nothing there is fine. An element of a list has no name of its own: taking one out
    /// would take out the next one the next time.
    pub fn remove(&self, document: &mut Value) -> Result<(), String> {
        let (last, above) = self.parts.split_last().expect("a path has a part");
        let mut at = document;
        for (depth, part) in above.iter().enumerate() {
            let next = match at {
                Value::Object(map) => map.get_mut(part),
                Value::Array(list) => Some(self.element(list, depth)?),
                other => return Err(self.no_container(depth, other)),
            };
            match next {
                Some(next) => at = next,
                None => return Ok(()),
            }
        }
        match at {
            Value::Object(map) => drop(map.shift_remove(last)),
            Value::Array(_) => {
                return Err("an element of a list cannot be removed: set the whole list".to_string());
            }
            other => return Err(self.no_container(above.len(), other)),
        }
        Ok(())
    }

    /// Whether `value` has something at this path.
    pub fn is_in(&self, value: &Value) -> bool {
        has(value, &self.parts)
    }

    /// Whether setting `value` at this path makes something at `other`.
    pub fn makes(&self, value: &Value, other: &ValuePath) -> bool {
        match other.parts.strip_prefix(&self.parts[..]) {
            Some(rest) => has(value, rest),
            None => self.parts.starts_with(&other.parts),
        }
    }

    fn element<'a>(&self, list: &'a mut [Value], depth: usize) -> Result<&'a mut Value, String> {
        let length = list.len();
        let index = self.parts[depth].parse().ok().filter(|index: &usize| *index < length);
        index.and_then(|index| list.get_mut(index)).ok_or_else(|| {
            let list = self.above(depth);
            format!("{list} is a list of {length} elements, counted from 0; merge with lists = \"append\" adds to it")
        })
    }

    fn no_container(&self, depth: usize, there: &Value) -> String {
        let there = match there {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            _ => "a string",
        };
        format!("{} is {there}, which has no keys", self.above(depth))
    }

    /// The path down to `depth` parts, as a JSON pointer.
    fn above(&self, depth: usize) -> String {
        match depth {
            0 => "the top level".to_string(),
            _ => self.parts[..depth].iter().map(|part| format!("/{}", escaped(part))).collect(),
        }
    }
}

fn has(value: &Value, parts: &[String]) -> bool {
    let Some((first, rest)) = parts.split_first() else { return true };
    let inner = match value {
        Value::Object(map) => map.get(first),
        Value::Array(list) => first.parse().ok().and_then(|index: usize| list.get(index)),
        _ => None,
    };
    inner.is_some_and(|inner| has(inner, rest))
}

fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

impl TryFrom<String> for ValuePath {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let parts: Vec<_> = match written.strip_prefix('/') {
            Some(pointer) => {
                pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
            }
            None if written.split('.').any(str::is_empty) => {
                return Err(format!("{written:?} has an empty part; write a.b.c, or a JSON pointer /a/b/c"));
            }
            None => written.split('.').map(str::to_string).collect(),
        };
        if parts.len() > DEPTH_LIMIT {
            return Err(format!("a path of {} parts is too deep: {DEPTH_LIMIT} is the most", parts.len()));
        }
        Ok(ValuePath { parts, written })
    }
}

impl fmt::Display for ValuePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.written)
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for ValuePath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "value_path".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "`a.b.c` or a JSON pointer `/a/b/c`" })
    }

    fn inline_schema() -> bool {
        true
    }
}
