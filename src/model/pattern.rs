//! A regular expression in a key: compiled when the key is read, so that a wrong one is reported there.

use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// A regular expression in the syntax of the `regex` crates, without look-around and back references.
#[derive(Clone)]
pub struct Pattern(regex_lite::Regex);

impl Pattern {
    /// Compiles `text`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pattern = regex_lite::Regex::new(text);
        pattern.map(Pattern).map_err(|error| format!("{text:?} is not a regular expression: {error}"))
    }

    /// Whether some part of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Pattern::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "pattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "regex", "description": "a regular expression" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_one_is_refused_when_it_is_read() {
        assert!(serde_json::from_str::<Pattern>(r#""^Port \\d+$""#).unwrap().matches("Port 22"));
        let error = serde_json::from_str::<Pattern>(r#""(Port""#).unwrap_err();
        assert!(error.to_string().starts_with(r#""(Port" is not a regular expression: "#), "{error}");
    }
}
