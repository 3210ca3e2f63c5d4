//! The highest load that is fine, as a playbook writes it: `4`, or for hosts of all sizes `"1.5 per cpu"`.

use crate::model::Value;
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Of the whole host.
    Whole(f64),
    /// For each of its processors.
    PerProcessor(f64),
}

impl Load {
    /// What it comes to on a host.
    pub fn of(self, processors: usize) -> f64 {
        match self {
            Load::Whole(load) => load,
            Load::PerProcessor(load) => load * processors as f64,
        }
    }
}

impl<'de> Deserialize<'de> for Load {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
        let number = |text: &str| text.trim().parse().ok().filter(|load: &f64| *load >= 0.0);
        let load = match text.strip_suffix("per cpu") {
            Some(each) => number(each).map(Load::PerProcessor),
            None => number(&text).map(Load::Whole),
        };
        load.ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is not a load such as 4 or \"1.5 per cpu\""))
        })
    }
}

impl fmt::Display for Load {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::Whole(load) => write!(out, "{load}"),
            Load::PerProcessor(load) => write!(out, "{load} per processor"),
        }
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for Load {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "load".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["number", "string"], "description": "4, or \"1.5 per cpu\"" })
    }

    fn inline_schema() -> bool {
        true
    }
}
