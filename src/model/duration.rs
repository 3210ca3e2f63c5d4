//! A length of time as people write it in TOML: `30` (seconds), `"30s"`, `"5m"`, `"1h30m"`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::time::Duration;

/// A length of time of at most a hundred years, written as a number of seconds or as numbers with units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(Duration);

/// Units and their milliseconds, longest first; `ms` stands before `m` and `s` so that it is not read as one of them.
const UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];

/// What is longer is a mistake, and deadlines far away overflow clocks.
const LONGEST_MILLIS: u64 = 100 * 366 * 86_400_000;

impl TimeSpan {
    /// This many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        TimeSpan(Duration::from_secs(seconds))
    }

    /// The time as the standard library knows it.
    pub fn get(self) -> Duration {
        self.0
    }

    /// From text: digits alone are seconds, else numbers each with one of the units `ms s m h d`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let millis = match text.parse::<u64>() {
            Ok(seconds) => seconds.checked_mul(1000),
            Err(_) => sum_of_parts(text),
        };
        millis
            .filter(|millis| *millis <= LONGEST_MILLIS)
            .map(|millis| TimeSpan(Duration::from_millis(millis)))
            .ok_or_else(|| match TimeSpan::meant(text) {
                Some(meant) => format!("{text:?} is not a length of time; write {meant:?}"),
                None => wrong(format_args!("{text:?}")),
            })
    }

    /// How a time in words is written here: `10m` for `10 minutes`.
    pub fn meant(text: &str) -> Option<String> {
        let lower = text.trim().to_ascii_lowercase();
        let (mut rest, mut meant) = (lower.as_str(), String::new());
        while !rest.is_empty() {
            let (number, after) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit())?);
            number.parse::<u64>().ok()?;
            let after = after.trim_start();
            let end = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
            let (word, others) = after.split_at(end);
            let (unit, _) = WORDS.iter().find(|(_, words)| words.contains(&word))?;
            meant += &format!("{number}{unit}");
            rest = others.trim_start();
        }
        Some(meant).filter(|meant| !meant.is_empty())
    }
}

/// Units as people write them in words.
const WORDS: &[(&str, &[&str])] = &[
    ("d", &["d", "day", "days"]),
    ("h", &["h", "hr", "hrs", "hour", "hours"]),
    ("m", &["m", "min", "mins", "minute", "minutes"]),
    ("s", &["s", "sec", "secs", "second", "seconds"]),
    ("ms", &["ms", "millisecond", "milliseconds"]),
];

fn sum_of_parts(mut text: &str) -> Option<u64> {
    let mut sum = 0u64;
    loop {
        let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = text[..digits].parse().ok()?;
        let (unit, millis) = UNITS.iter().find(|(unit, _)| text[digits..].starts_with(unit))?;
        sum = sum.checked_add(number.checked_mul(*millis)?)?;
        text = text[digits + unit.len()..].trim_start();
        if text.is_empty() {
            return Some(sum);
        }
    }
}

fn wrong(what: fmt::Arguments<'_>) -> String {
    format!("{what} is not a length of time; write seconds, or for example \"30s\", \"5m\" or \"1h30m\"")
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis() as u64;
        if rest == 0 {
            return out.write_str("0s");
        }
        for (unit, millis) in [UNITS[0], UNITS[1], UNITS[3], UNITS[4], UNITS[2]] {
            if rest >= millis {
                write!(out, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

impl From<TimeSpan> for Duration {
    fn from(span: TimeSpan) -> Duration {
        span.0
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => TimeSpan::parse(&text),
            serde_json::Value::Number(number) => from_number(&number),
            other => Err(wrong(format_args!("{other}"))),
        };
        read.map_err(de::Error::custom)
    }
}

fn from_number(number: &serde_json::Number) -> Result<TimeSpan, String> {
    match number.as_f64().map(|seconds| seconds * 1000.0) {
        Some(millis) if (0.0..=LONGEST_MILLIS as f64).contains(&millis) => {
            Ok(TimeSpan(Duration::from_millis(millis as u64)))
        }
        _ => Err(wrong(format_args!("{number}"))),
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for TimeSpan {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "time span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "number"],
            "description": "seconds, or a text such as \"30s\", \"5m\" or \"1h30m\"",
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<String, String> {
        serde_json::from_str::<TimeSpan>(json).map(|span| span.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_seconds_and_units() {
        for (json, told) in [
            ("30", "30s"),
            ("0", "0s"),
            ("0.25", "250ms"),
            ("\"90\"", "1m30s"),
            ("\"0s\"", "0s"),
            ("\"500ms\"", "500ms"),
            ("\"5m\"", "5m"),
            ("\"1h30m\"", "1h30m"),
            ("\"1h 30m\"", "1h30m"),
            ("\"48h\"", "2d"),
        ] {
            assert_eq!(read(json).as_deref(), Ok(told), "{json}");
        }
    }

    #[test]
    fn refuses_what_is_no_length_of_time() {
        assert_eq!(
            read("\"soon\"").unwrap_err(),
            "\"soon\" is not a length of time; write seconds, or for example \"30s\", \"5m\" or \"1h30m\""
        );
        for (json, meant) in [("\"5 sec\"", "5s"), ("\"10 minutes\"", "10m"), ("\"1 hour 30 min\"", "1h30m")]
        {
            let why = read(json).unwrap_err();
            assert!(why.ends_with(&format!("is not a length of time; write {meant:?}")), "{why}");
        }
        for json in
            ["-1", "true", "\"\"", "\"5\u{b5}s\"", "\"m\"", "\"1h30\"", "\"99999999999999999999d\"", "1e300"]
        {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
