//! Sizes as people write them: `1.5 KB`, `10M`.

use super::super::arithmetic::whole_part;
use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::show::float;
use super::super::value::Datum;
use super::wrong;

pub const FILTERS: &[(&str, Function)] = &[
    ("human_readable", human_readable),
    ("human_to_bytes", human_to_bytes),
    ("filesizeformat", filesizeformat),
];

/// Letters and what they multiply by, in powers of 1024.
const UNITS: &[(&str, i32)] =
    &[("Y", 8), ("Z", 7), ("E", 6), ("P", 5), ("T", 4), ("G", 3), ("M", 2), ("K", 1), ("B", 0)];

fn human_readable(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let bits = arguments.flag("isbits")?;
    let unit = arguments.text("unit")?;
    arguments.finish()?;
    let size = value
        .as_float()
        .ok_or_else(|| wrong(&value, "a number").hint("make a number of text with `| int`"))?;
    let base = if bits { "bits" } else { "Bytes" };
    let (letter, power) = match &unit {
        Some(unit) => {
            *UNITS.iter().find(|(letter, _)| unit.to_uppercase().starts_with(letter)).unwrap_or(&("B", 0))
        }
        None => *UNITS.iter().find(|(_, power)| size >= 1024f64.powi(*power)).unwrap_or(&("B", 0)),
    };
    let suffix = match letter {
        "B" => base.to_string(),
        letter => format!("{letter}{}", if bits { "b" } else { "B" }),
    };
    Ok(Datum::text(format!("{:.2} {suffix}", size / 1024f64.powi(power))))
}

fn human_to_bytes(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let usual = arguments.text("default_unit")?;
    let bits = arguments.flag("isbits")?;
    arguments.finish()?;
    let text = value.to_text()?;
    let text = text.trim();
    let length = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let number: f64 = text[..length]
        .parse()
        .map_err(|_| Fault::new(format!("`{text}` is no size")).hint("write it as `10M` or `1.5 GB`"))?;
    let unit = match (text[length..].trim(), usual) {
        ("", Some(usual)) => usual,
        ("", None) => return whole_part(number.round_ties_even()).map(Datum::Int),
        (unit, _) => unit.to_string(),
    };
    let power = power_of(&unit, bits).ok_or_else(|| {
        let example = if bits { "`10Mb`" } else { "`10MB`" };
        Fault::new(format!("`{unit}` is no unit")).hint(format!("write it as {example}"))
    })?;
    whole_part((number * 1024f64.powi(power)).round_ties_even()).map(Datum::Int)
}

fn power_of(unit: &str, bits: bool) -> Option<i32> {
    let first = unit.get(..1)?.to_uppercase();
    let (_, power) = UNITS.iter().find(|(letter, _)| *letter == first)?;
    let whole = if bits { "bits" } else { "bytes" };
    let fits = match unit.get(1..)? {
        "" => true,
        "B" => !bits && first != "B",
        "b" => bits && first != "B",
        rest if first == "B" => whole[1..].starts_with(&rest.to_lowercase()),
        rest => {
            let rest = rest.to_lowercase();
            rest.len() > 1 && whole.starts_with(rest.trim_end_matches('s'))
        }
    };
    fits.then_some(*power)
}

fn filesizeformat(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let binary = arguments.flag("binary")?;
    arguments.finish()?;
    let size = value
        .as_text()
        .and_then(|text| text.trim().parse().ok())
        .or(value.as_float())
        .ok_or_else(|| wrong(&value, "a number"))?;
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    let names = match binary {
        true => ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"],
        false => ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"],
    };
    if size == 1.0 {
        return Ok(Datum::text("1 Byte"));
    }
    if size < base {
        return Ok(Datum::text(format!("{} Bytes", float(size.trunc()).trim_end_matches(".0"))));
    }
    let power = (1..=8).find(|power| size < base.powi(power + 1)).unwrap_or(8);
    Ok(Datum::text(format!("{:.1} {}", size / base.powi(power), names[power as usize - 1])))
}
