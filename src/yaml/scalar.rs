//! What a plain word is in YAML 1.1, by the rules of PyYAML, which Ansible uses: `yes` is true, `0644` is octal,
//! `1:30` counts in sixties.

use crate::model::Value;
use regex_lite::Regex;
use std::sync::LazyLock;

/// The value of a word that stands in no quotes and has no tag. What JSON cannot hold (`.inf`, huge numbers) stays text.
pub fn resolve(word: &str) -> Value {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        _ => boolean(word)
            .map(Value::Bool)
            .or_else(|| integer(word))
            .or_else(|| float(word))
            .or_else(|| time(word))
            .unwrap_or_else(|| word.into()),
    }
}

/// The value of a word with a tag of YAML's own, or nothing when it does not fit.
pub fn tagged(tag: &str, word: &str) -> Option<Value> {
    match tag {
        "str" => Some(word.into()),
        "int" => integer(word),
        "float" => float(word).or_else(|| Some(integer(word)?.as_f64()?.into())),
        "bool" => boolean(word).map(Value::Bool),
        "null" => Some(Value::Null),
        "timestamp" => time(word),
        _ => None,
    }
}

fn boolean(word: &str) -> Option<bool> {
    match word {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

static INTEGER: LazyLock<Regex> = LazyLock::new(|| {
    pattern("^[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(:[0-5]?[0-9])+)$")
});

static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^([-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*)$",
    )
});

static TIME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})([Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(\.([0-9]*))?([ \t]*(Z|([-+])([0-9]{1,2})(:([0-9]{2}))?))?$",
    )
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a literal")
}

fn integer(word: &str) -> Option<Value> {
    if !INTEGER.is_match(word) {
        return None;
    }
    let digits = word.trim_start_matches(['-', '+']).replace('_', "");
    let magnitude = match digits.as_str() {
        "0" => 0,
        _ if digits.contains(':') => sixties(&digits)?,
        _ if digits.starts_with("0b") => u128::from_str_radix(&digits[2..], 2).ok()?,
        _ if digits.starts_with("0x") => u128::from_str_radix(&digits[2..], 16).ok()?,
        _ if digits.starts_with('0') => u128::from_str_radix(&digits[1..], 8).ok()?,
        _ => digits.parse().ok()?,
    };
    match word.starts_with('-') {
        true => i64::try_from(-i128::try_from(magnitude).ok()?).ok().map(Value::from),
        false => u64::try_from(magnitude).ok().map(Value::from),
    }
}

fn sixties(digits: &str) -> Option<u128> {
    digits.split(':').try_fold(0u128, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))
}

fn float(word: &str) -> Option<Value> {
    if !FLOAT.is_match(word) {
        return None;
    }
    let digits = word.trim_start_matches(['-', '+']).replace('_', "");
    let magnitude = match digits.rsplit_once(':') {
        Some((before, last)) => sixties(before)? as f64 * 60.0 + last.parse::<f64>().ok()?,
        None => digits.parse::<f64>().ok()?,
    };
    let value = if word.starts_with('-') { -magnitude } else { magnitude };
    serde_json::Number::from_f64(value).map(Value::Number)
}

/// A time as Python writes it in JSON. A date alone stays as it is.
fn time(word: &str) -> Option<Value> {
    let found = TIME.captures(word)?;
    let part = |index| found.get(index).map_or("", |part| part.as_str());
    let mut text =
        format!("{}-{:0>2}-{:0>2}T{:0>2}:{}:{}", part(1), part(2), part(3), part(5), part(6), part(7));
    let fraction: String = part(9).chars().chain("000000".chars()).take(6).collect();
    if fraction != "000000" {
        text += &format!(".{fraction}");
    }
    match part(11) {
        "" => {}
        "Z" => text += "+00:00",
        _ => text += &format!("{}{:0>2}:{:0>2}", part(12), part(13), part(15)),
    }
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_pyyaml_makes_of_them() {
        // From `yaml.safe_load` of PyYAML 6.0.
        let table = [
            ("yes", "true"),
            ("Off", "false"),
            ("y", "\"y\""),
            ("oN", "\"oN\""),
            ("~", "null"),
            ("None", "\"None\""),
            ("0644", "420"),
            ("0o644", "\"0o644\""),
            ("08", "\"08\""),
            ("0", "0"),
            ("-0x1F", "-31"),
            ("0b11", "3"),
            ("1_000", "1000"),
            ("1:30", "90"),
            ("12:30:45", "45045"),
            ("01:30", "\"01:30\""),
            ("1:60", "\"1:60\""),
            ("1.10", "1.1"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("-.5", "\"-.5\""),
            ("1e3", "\"1e3\""),
            ("1.0e3", "\"1.0e3\""),
            ("1.0e+3", "1000.0"),
            ("1:30.5", "90.5"),
            ("1.2.3", "\"1.2.3\""),
            ("10.0.0.1", "\"10.0.0.1\""),
            ("2024-01-01", "\"2024-01-01\""),
            ("2024-1-1 2:30:00", "\"2024-01-01T02:30:00\""),
            ("2001-12-14t21:59:43.10-05:00", "\"2001-12-14T21:59:43.100000-05:00\""),
            ("12345678901234567890", "12345678901234567890"),
            ("+5", "5"),
            (".inf", "\".inf\""),
        ];
        for (word, expected) in table {
            assert_eq!(resolve(word).to_string(), expected, "{word}");
        }
    }
}
