//! Permission bits as people write them: `"0644"`, or TOML's `0o644`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Permission bits, at most 0o7777.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mode(u32);

impl Mode {
    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// From octal digits, with or without a leading `0` or `0o`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let fits = (3..=5).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        let bits = if fits { u32::from_str_radix(digits, 8).ok() } else { None };
        bits.filter(|bits| *bits <= 0o7777)
            .map(Mode)
            .ok_or_else(|| format!("{text:?} is not a mode; write it in octal, for example \"0644\""))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04o}", self.0)
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Mode::parse(&text).map_err(de::Error::custom),
            serde_json::Value::Number(number) => from_number(&number).map_err(de::Error::custom),
            other => Err(de::Error::custom(format!(
                "{other} is not a mode; write it in octal, for example \"0644\""
            ))),
        }
    }
}

/// An integer counts as bits. 644 (decimal) is what someone writes who means 0o644, so what looks like it is refused.
fn from_number(number: &serde_json::Number) -> Result<Mode, String> {
    let bits = number.as_u64().filter(|bits| *bits <= 0o7777).map(|bits| bits as u32);
    let looks_octal = number.to_string().bytes().all(|digit| digit < b'8') && number.as_u64() >= Some(400);
    match bits {
        Some(bits) if !looks_octal || bits & 0o400 != 0 => Ok(Mode(bits)),
        _ => Err(format!("the mode {number} is a decimal number; write it as \"0{number}\" or 0o{number}")),
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for Mode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "mode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer"], "description": "permission bits in octal: \"0644\"" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<String, String> {
        serde_json::from_str::<Mode>(json).map(|mode| mode.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_octal_text_and_toml_octal() {
        assert_eq!(read("\"0644\"").unwrap(), "0644");
        assert_eq!(read("\"755\"").unwrap(), "0755");
        assert_eq!(read(&0o640.to_string()).unwrap(), "0640");
        assert_eq!(read(&0o4755.to_string()).unwrap(), "4755");
    }

    #[test]
    fn refuses_what_is_probably_not_meant() {
        assert_eq!(
            read("644").unwrap_err(),
            "the mode 644 is a decimal number; write it as \"0644\" or 0o644"
        );
        assert!(read("\"0999\"").is_err());
        assert!(read("\"u+x\"").is_err());
        assert!(read("true").is_err());
    }
}
