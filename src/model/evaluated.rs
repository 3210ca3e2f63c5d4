//! An expression with what it came to: what keys that take expressions hold once a step reaches its host.

use super::Value;
use serde::{Deserialize, Deserializer};

/// An expression and its value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// As it was written.
    pub expression: String,
    /// What it came to.
    pub value: Value,
}

impl Evaluated {
    /// Whether it counts as true: everything does but false, null, 0, what is empty, and text that says no.
    pub fn is_true(&self) -> bool {
        match &self.value {
            Value::Null => false,
            Value::Bool(yes) => *yes,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty() && !says_no(text),
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
        }
    }
}

/// Whether a text is a word for false, which counts as true in Jinja.
pub fn says_no(text: &str) -> bool {
    ["false", "no", "off", "n", "f", "0"].contains(&text.to_lowercase().as_str())
}

/// Reads one expression, or a list of them.
pub fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Evaluated>, D::Error> {
    let value = match Value::deserialize(deserializer)? {
        Value::Array(list) => Value::Array(list),
        one => Value::Array(vec![one]),
    };
    serde_json::from_value(value).map_err(serde::de::Error::custom)
}

/// The schema of a key that takes an expression or a list of them.
#[cfg(feature = "controller")]
pub fn expressions(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let one = generator.subschema_for::<Evaluated>();
    schemars::json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for Evaluated {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "expression".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "boolean"], "description": "an expression" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_as_true_what_an_expression_does() {
        let is_true = |value| Evaluated { expression: String::new(), value }.is_true();
        for value in [json!(true), json!(1), json!("x"), json!([0]), json!({ "a": 0 })] {
            assert!(is_true(value.clone()), "{value}");
        }
        for value in
            [json!(false), json!(null), json!(0), json!(0.0), json!(""), json!("No"), json!([]), json!({})]
        {
            assert!(!is_true(value.clone()), "{value}");
        }
    }
}
