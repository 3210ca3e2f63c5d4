//! A setting's value as people write it in TOML, and as sshd reads it.

use crate::model::Value;
use crate::step::WrongKey;
use serde::{Deserialize, Deserializer, de};

/// Keywords whose list is one value, joined by commas.
const JOINED: &[&str] = &[
    "ciphers",
    "macs",
    "kexalgorithms",
    "hostkeyalgorithms",
    "pubkeyacceptedalgorithms",
    "pubkeyacceptedkeytypes",
    "casignaturealgorithms",
    "hostbasedacceptedalgorithms",
];

/// Keywords whose list is one value, joined by spaces: only their first line counts.
const SPACED: &[&str] = &["authenticationmethods", "ipqos", "authorizedkeysfile", "persourcepenalties"];

/// A value of a keyword, or several.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// One.
    One(String),
    /// A list of them.
    Many(Vec<String>),
}

impl Setting {
    /// Refuses what would be no setting, or more than one.
    pub fn check(&self, keyword: &str) -> Result<(), WrongKey> {
        let at = format!("options.{keyword}");
        if keyword.is_empty() || !keyword.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(WrongKey::new(&at, format!("{keyword:?} is no keyword of sshd")));
        }
        if ["match", "include"].contains(&keyword.to_ascii_lowercase().as_str()) {
            return Err(WrongKey::new(&at, "it is no setting; write such a file with a step of kind file"));
        }
        let odd =
            |value: &String| value.trim().is_empty() || value.contains(|c: char| c.is_control() || c == '#');
        match self.list().iter().any(odd) || self.list().is_empty() {
            true => Err(WrongKey::new(&at, "a value is one line of text, and not empty")),
            false => Ok(()),
        }
    }

    /// What stands behind the keyword, a line each.
    pub fn values(&self, keyword: &str) -> Vec<String> {
        let keyword = keyword.to_ascii_lowercase();
        match self {
            Setting::Many(list) if JOINED.contains(&keyword.as_str()) => vec![list.join(",")],
            Setting::Many(list) if SPACED.contains(&keyword.as_str()) => vec![list.join(" ")],
            other => other.list().to_vec(),
        }
    }

    fn list(&self) -> &[String] {
        match self {
            Setting::One(one) => std::slice::from_ref(one),
            Setting::Many(many) => many,
        }
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Array(list) => list.iter().map(word).collect::<Result<_, _>>().map(Setting::Many),
            one => word(&one).map(Setting::One),
        }
        .map_err(de::Error::custom)
    }
}

fn word(value: &Value) -> Result<String, String> {
    match value {
        Value::Bool(true) => Ok("yes".to_string()),
        Value::Bool(false) => Ok("no".to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.trim().to_string()),
        other => {
            Err(format!("{other} is no value of a setting; give a string, a number, a boolean or a list"))
        }
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for Setting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "setting".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "a string, a number, a boolean (yes or no), or a list of them",
            "type": ["string", "integer", "boolean", "array"],
        })
    }

    fn inline_schema() -> bool {
        true
    }
}
