//! Filters over numbers, and those that make numbers and booleans of other values.

use super::super::arithmetic::{apply, fitting, too_large};
use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::tree::Operator;
use super::super::value::Datum;
use super::wrong;

pub const FILTERS: &[(&str, Function)] = &[
    ("int", int),
    ("float", float),
    ("bool", boolean),
    ("abs", absolute),
    ("round", round),
    ("log", log),
    ("pow", pow),
    ("root", root),
];

fn int(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let other = arguments.take("default").unwrap_or(Datum::Int(0));
    let base = arguments.int("base")?.unwrap_or(10);
    arguments.finish()?;
    let number = match &value {
        Datum::Text(text) => match integer(text, base)? {
            Some(number) => Some(number),
            None => text.trim().parse().map_or(Ok(None), whole)?,
        },
        Datum::Float(number) => whole(*number)?,
        other => other.as_int(),
    };
    Ok(number.map_or(other, Datum::Int))
}

fn whole(number: f64) -> Result<Option<i128>> {
    match number.abs() < i128::MAX as f64 {
        true => Ok(Some(number as i128)),
        false if number.is_finite() => Err(too_large()),
        false => Ok(None),
    }
}

/// A whole number as Python reads it: with underscores, and with `0x` where the base is 16 or 0. Fails where it has too many
/// digits.
fn integer(text: &str, base: i128) -> Result<Option<i128>> {
    let text = text.trim();
    let (sign, digits) =
        text.strip_prefix('-').map_or((1, text.strip_prefix('+').unwrap_or(text)), |rest| (-1, rest));
    let lower = digits.to_lowercase();
    let prefixed =
        [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find(|(prefix, _)| lower.starts_with(prefix));
    let (digits, base) = match prefixed {
        Some((_, own)) if base == own || base == 0 => (&digits[2..], own),
        _ => (digits, if base == 0 { 10 } else { base }),
    };
    if digits.is_empty()
        || digits.starts_with('_')
        || digits.ends_with('_')
        || digits.contains("__")
        || digits.starts_with(['+', '-'])
    {
        return Ok(None);
    }
    let Some(base) = u32::try_from(base).ok().filter(|base| (2..=36).contains(base)) else { return Ok(None) };
    let digits = digits.replace('_', "");
    if !digits.chars().all(|digit| digit.is_digit(base)) {
        return Ok(None);
    }
    fitting(i128::from_str_radix(&digits, base).ok()).map(|number| Some(sign * number))
}

fn float(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let other = arguments.take("default").unwrap_or(Datum::Float(0.0));
    arguments.finish()?;
    let number = match &value {
        Datum::Text(text) => text.trim().replace('_', "").parse().ok(),
        other => other.as_float(),
    };
    Ok(number.map_or(other, Datum::Float))
}

/// Words count as what they say; whatever else there is counts as false, as in Ansible.
fn boolean(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    let holds = match &value {
        Datum::Text(text) => matches!(text.to_lowercase().as_str(), "yes" | "true" | "on" | "1"),
        other => other.as_float() == Some(1.0),
    };
    Ok(Datum::Bool(holds))
}

fn number(value: &Datum) -> Result<f64> {
    let number = value.as_float();
    number.ok_or_else(|| match value.as_text() {
        Some(_) => wrong(value, "a number").hint("make a number of the text first with `| int` or `| float`"),
        None => wrong(value, "a number"),
    })
}

fn absolute(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    match value.as_int() {
        Some(whole) => fitting(whole.checked_abs()).map(Datum::Int),
        None => number(&value).map(|number| Datum::Float(number.abs())),
    }
}

/// Halves go to the even number, as in Python.
fn round(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let precision = arguments.int("precision")?.unwrap_or(0).clamp(-300, 300) as i32;
    let method = arguments.text("method")?.unwrap_or_else(|| "common".to_string());
    arguments.finish()?;
    if let (Some(whole), "common", true) = (value.as_int(), method.as_str(), precision < 0) {
        return rounded_to(whole, precision.unsigned_abs()).map(Datum::Int);
    }
    let exact = number(&value)?;
    let factor = 10f64.powi(precision);
    let rounded = match method.as_str() {
        "common" if value.as_int().is_some() && precision >= 0 => return Ok(value),
        "common" if precision >= 0 => format!("{exact:.*}", precision as usize).parse().unwrap_or(exact),
        "common" => (exact * factor).round_ties_even() / factor,
        "ceil" => (exact * factor).ceil() / factor,
        "floor" => (exact * factor).floor() / factor,
        other => {
            return Err(
                Fault::new(format!("there is no method `{other}`")).hint("it is common, ceil or floor")
            );
        }
    };
    Ok(Datum::Float(rounded))
}

/// A whole number rounded to tens, hundreds …: halves go to the even one.
fn rounded_to(whole: i128, zeros: u32) -> Result<i128> {
    let Some(unit) = 10i128.checked_pow(zeros) else { return Ok(0) };
    let (below, rest) = (whole.div_euclid(unit), whole.rem_euclid(unit));
    let is_up = match rest.cmp(&(unit - rest)) {
        std::cmp::Ordering::Equal => below.rem_euclid(2) == 1,
        order => order.is_gt(),
    };
    fitting((below + i128::from(is_up)).checked_mul(unit))
}

fn log(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = number(&arguments.value()?)?;
    let base = arguments.take("base");
    arguments.finish()?;
    if value <= 0.0 {
        return Err(Fault::new("it needs a number above 0"));
    }
    Ok(Datum::Float(match base {
        None => value.ln(),
        Some(base) => match number(&base)? {
            10.0 => value.log10(),
            base => value.ln() / base.ln(),
        },
    }))
}

fn pow(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = number(&arguments.value()?)?;
    let exponent = number(&arguments.required("exponent")?)?;
    arguments.finish()?;
    apply(Operator::Power, &Datum::Float(value), &Datum::Float(exponent))
}

fn root(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = number(&arguments.value()?)?;
    let base = arguments.take("base").map_or(Ok(2.0), |base| number(&base))?;
    arguments.finish()?;
    let root = if base == 2.0 { value.sqrt() } else { value.powf(1.0 / base) };
    match root.is_nan() {
        true => Err(Fault::new("a negative number has no root")),
        false => Ok(Datum::Float(root)),
    }
}
