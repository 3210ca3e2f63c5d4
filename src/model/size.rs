//! Sizes as people write and read them: `500 MiB`, `2GB`, `10%`.

use serde::{Deserialize, Deserializer};
use std::fmt;

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A part of something: a size, or so many of a hundred.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// Of a hundred.
    Percent(f64),
    /// In bytes.
    Bytes(Size),
}

const UNITS: &[(&str, u64)] = &[
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("b", 1),
];

impl Size {
    /// Reads `500 MiB`, `2GB`, `1.5G` or a number of bytes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size such as \"500 MiB\" or \"2 GB\"");
        let lower = text.trim().to_ascii_lowercase();
        let unit = UNITS.iter().find(|(unit, _)| lower.ends_with(unit));
        let (number, factor) = match unit {
            Some((unit, factor)) => (lower.trim_end_matches(unit).trim(), *factor),
            None => (lower.as_str(), 1),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let bytes = number * factor as f64;
        if (0.0..u64::MAX as f64).contains(&bytes) { Ok(Size(bytes as u64)) } else { Err(wrong()) }
    }
}

/// A number of bytes in powers of 1000, as Docker and du write it: `12.3 MB`.
pub fn decimal(count: u64) -> String {
    const UNITS: &[&str] = &["kB", "MB", "GB", "TB"];
    let mut number = count as f64;
    let mut unit = "B";
    for larger in UNITS {
        if number < 1000.0 {
            break;
        }
        (number, unit) = (number / 1000.0, larger);
    }
    if unit == "B" { format!("{count} B") } else { format!("{number:.1} {unit}") }
}

/// A part without a unit is a number of bytes; fewer than these can only be a mistake.
const PLAIN_LEAST: u64 = 1 << 20;

impl Part {
    /// Reads `10%` or a size.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(number) = text.trim().strip_suffix('%') else {
            let size = Size::parse(text)?;
            return match text.trim().parse::<f64>() {
                Ok(_) if (1..PLAIN_LEAST).contains(&size.0) => {
                    Err(format!("{text} has no unit: write \"{text}%\" or a size such as \"{text} GiB\""))
                }
                _ => Ok(Part::Bytes(size)),
            };
        };
        match number.trim().parse() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Part::Percent(percent)),
            _ => Err(format!("{text:?} is not a share such as \"10%\"")),
        }
    }

    /// Whether `part` of `whole` bytes is at least this.
    pub fn holds(self, part: u64, whole: u64) -> bool {
        match self {
            Part::Bytes(least) => part >= least.0,
            Part::Percent(least) => part as f64 * 100.0 >= least * whole as f64,
        }
    }
}

/// `0 B`, `512 B`, `1.5 GiB`.
impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        match units.iter().find(|(_, bits)| self.0 >> bits > 0) {
            Some((unit, bits)) => write!(out, "{:.1} {unit}", self.0 as f64 / (1_u64 << bits) as f64),
            None => write!(out, "{} B", self.0),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Percent(percent) => write!(out, "{percent}%"),
            Part::Bytes(size) => size.fmt(out),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Size::parse(&text(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Part::parse(&text(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = super::Value::deserialize(deserializer)?;
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_string))
}

#[cfg(feature = "controller")]
mod described {
    use super::{Part, Size};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    impl JsonSchema for Size {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "size".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": ["string", "integer"], "description": "500 MiB, 2 GB, or a number of bytes" })
        }

        fn inline_schema() -> bool {
            true
        }
    }

    impl JsonSchema for Part {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "share or size".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": ["string", "integer"], "description": "10%, 2 GiB, or a number of bytes" })
        }

        fn inline_schema() -> bool {
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_told() {
        for (text, bytes, told) in [
            ("512", 512, "512 B"),
            ("1.5 GiB", 3 << 29, "1.5 GiB"),
            ("2GB", 2_000_000_000, "1.9 GiB"),
            ("10k", 10_240, "10.0 KiB"),
            ("3 TB", 3_000_000_000_000, "2.7 TiB"),
        ] {
            assert_eq!(
                Size::parse(text).map(|size| (size.0, size.to_string())),
                Ok((bytes, told.to_string()))
            );
        }
        assert!(Size::parse("many").is_err() && Size::parse("-1").is_err() && Size::parse("").is_err());
    }

    #[test]
    fn sizes_in_powers_of_1000_are_shown() {
        assert_eq!([0, 999, 1000, 12_345_678].map(decimal), ["0 B", "999 B", "1.0 kB", "12.3 MB"]);
    }

    #[test]
    fn a_part_holds_from_its_own_value_on() {
        let tenth = Part::parse("10%").unwrap();
        assert!(tenth.holds(10, 100) && !tenth.holds(9, 100) && tenth.holds(0, 0));
        assert!(Part::parse("1 KiB").unwrap().holds(1024, 1) && Part::parse("101%").is_err());
        assert_eq!(tenth.to_string(), "10%");
    }
}
