//! What operators do with two values, as in Python. What Python refuses is refused here: text is never compared with a
//! number in silence.

use super::fault::{Fault, Result};
use super::format::percent;
use super::moment::{Length, Moment};
use super::tree::{Comparison, Operator};
use super::value::Datum;
use std::cmp::Ordering;
use std::sync::Arc;

/// A text that an operator makes has at most this many bytes, and a list this many items: more is a mistake.
pub const SIZE_LIMIT: usize = 16 << 20;

/// A list that is made by repeating has at most this many items.
pub const ITEMS_LIMIT: usize = 1_000_000;

/// The result of an operator.
pub fn apply(operator: Operator, left: &Datum, right: &Datum) -> Result<Datum> {
    if left.is_blank() || right.is_blank() {
        return Ok(if left.is_blank() { left.clone() } else { right.clone() });
    }
    for side in [left, right] {
        if let Datum::Undefined(missing) = side {
            return Err(Fault::undefined(missing));
        }
    }
    let value = match operator {
        Operator::Add => add(left, right)?,
        Operator::Subtract => subtract(left, right)?,
        Operator::Multiply => multiply(left, right)?,
        Operator::Divide => divide(left, right)?,
        Operator::FloorDivide => floor_divide(left, right)?,
        Operator::Modulo => match left {
            Datum::Text(text) => return percent(text, right),
            _ => modulo(left, right)?,
        },
        Operator::Power => power(left, right)?,
    };
    value.ok_or_else(|| refused(operator, left, right))
}

fn refused(operator: Operator, left: &Datum, right: &Datum) -> Fault {
    let (verb, between) = match operator {
        Operator::Add => ("add", "and"),
        Operator::Subtract => ("subtract", "and"),
        Operator::Multiply => ("multiply", "by"),
        Operator::Divide | Operator::FloorDivide | Operator::Modulo => ("divide", "by"),
        Operator::Power => ("raise", "to the power of"),
    };
    let fault = Fault::wrong_type(format!("cannot {verb} {} {between} {}", left.what(), right.what()));
    match (left, right) {
        (Datum::Text(_), other) | (other, Datum::Text(_)) if other.as_float().is_some() => {
            let join = if operator == Operator::Add { ", or join texts with `~`" } else { "" };
            fault.hint(format!("make a number of text with `| int`{join}"))
        }
        _ => fault,
    }
}

/// Python's whole numbers have no end; these do, and nothing is rounded in silence.
pub fn too_large() -> Fault {
    Fault::new("the result is too large a number").hint("whole numbers have at most 38 digits")
}

fn ints(left: &Datum, right: &Datum) -> Option<(i128, i128)> {
    Some((left.as_int()?, right.as_int()?))
}

fn floats(left: &Datum, right: &Datum) -> Option<(f64, f64)> {
    Some((left.as_float()?, right.as_float()?))
}

fn add(left: &Datum, right: &Datum) -> Result<Option<Datum>> {
    let joined = |one: &[Datum], other: &[Datum]| [one, other].concat();
    Ok(Some(match (left, right) {
        (Datum::Text(one), Datum::Text(other)) => Datum::text(format!("{one}{other}")),
        (Datum::List(one), Datum::List(other)) => Datum::list(joined(one, other)),
        (Datum::Tuple(one), Datum::Tuple(other)) => Datum::tuple(joined(one, other)),
        (Datum::Moment(moment), Datum::Length(length)) | (Datum::Length(length), Datum::Moment(moment)) => {
            self::moment(moment.0.checked_add(length.0))?
        }
        (Datum::Length(one), Datum::Length(other)) => {
            Datum::Length(Length(fitting(one.0.checked_add(other.0))?))
        }
        _ => return number(left, right, i128::checked_add, |one, other| one + other),
    }))
}

fn subtract(left: &Datum, right: &Datum) -> Result<Option<Datum>> {
    let difference = |one: i128, other: i128| fitting(one.checked_sub(other));
    Ok(Some(match (left, right) {
        (Datum::Moment(one), Datum::Moment(other)) => Datum::Length(Length(difference(one.0, other.0)?)),
        (Datum::Moment(moment), Datum::Length(length)) => self::moment(moment.0.checked_sub(length.0))?,
        (Datum::Length(one), Datum::Length(other)) => Datum::Length(Length(difference(one.0, other.0)?)),
        _ => return number(left, right, i128::checked_sub, |one, other| one - other),
    }))
}

/// A whole number that fits.
pub fn fitting(number: Option<i128>) -> Result<i128> {
    number.ok_or_else(too_large)
}

/// A number without its fraction. Fails where that is too large, or no number.
pub fn whole_part(number: f64) -> Result<i128> {
    fitting((number.abs() < i128::MAX as f64).then_some(number as i128))
}

fn moment(micros: Option<i128>) -> Result<Datum> {
    in_calendar(micros.map(Moment)).map(Datum::Moment)
}

/// A moment that a calendar has: in the years 1 to 9999, as in Python.
pub fn in_calendar(moment: Option<Moment>) -> Result<Moment> {
    let moment = moment.filter(|moment| moment.is_in_calendar());
    moment.ok_or_else(|| Fault::new("the date is not in the years 1 to 9999"))
}

fn number(
    left: &Datum,
    right: &Datum,
    whole: fn(i128, i128) -> Option<i128>,
    float: fn(f64, f64) -> f64,
) -> Result<Option<Datum>> {
    if let Some((one, other)) = ints(left, right) {
        return fitting(whole(one, other)).map(|result| Some(Datum::Int(result)));
    }
    Ok(floats(left, right).map(|(one, other)| Datum::Float(float(one, other))))
}

fn multiply(left: &Datum, right: &Datum) -> Result<Option<Datum>> {
    let (value, times) = match (left, right) {
        (Datum::Text(_) | Datum::List(_) | Datum::Tuple(_), Datum::Int(times)) => (left, *times),
        (Datum::Int(times), Datum::Text(_) | Datum::List(_) | Datum::Tuple(_)) => (right, *times),
        (Datum::Length(length), other) | (other, Datum::Length(length)) if other.as_int().is_some() => {
            let product = other.as_int().and_then(|times| length.0.checked_mul(times));
            return fitting(product).map(|product| Some(Datum::Length(Length(product))));
        }
        _ => return number(left, right, i128::checked_mul, |one, other| one * other),
    };
    let times = usize::try_from(times.max(0)).map_err(|_| too_large())?;
    let too_long = || Fault::new("the result is too long");
    Ok(Some(match value {
        Datum::Text(text) => {
            text.len().checked_mul(times).filter(|size| *size <= SIZE_LIMIT).ok_or_else(too_long)?;
            Datum::text(text.repeat(times))
        }
        Datum::List(items) | Datum::Tuple(items) => {
            items.len().checked_mul(times).filter(|size| *size <= ITEMS_LIMIT).ok_or_else(too_long)?;
            let repeated = std::iter::repeat_n(items.iter(), times).flatten().cloned().collect();
            if matches!(value, Datum::List(_)) { Datum::list(repeated) } else { Datum::tuple(repeated) }
        }
        _ => return Ok(None),
    }))
}

fn by_zero() -> Fault {
    Fault::new("division by zero")
}

fn divide(left: &Datum, right: &Datum) -> Result<Option<Datum>> {
    if let (Datum::Length(one), Datum::Length(other)) = (left, right) {
        return match other.0 {
            0 => Err(by_zero()),
            _ => Ok(Some(Datum::Float(one.0 as f64 / other.0 as f64))),
        };
    }
    match floats(left, right) {
        Some((_, 0.0)) => Err(by_zero()),
        Some((one, other)) => Ok(Some(Datum::Float(one / other))),
        None => Ok(None),
    }
}

fn floor_divide(left: &Datum, right: &Datum) -> Result<Option<Datum>> {
    if let Some((one, other)) = ints(left, right) {
        let (quotient, rest) = (one.checked_div(other), one.checked_rem(other));
        let (Some(quotient), Some(rest)) = (quotient, rest) else {
            return Err(if other == 0 { by_zero() } else { too_large() });
        };
        return Ok(Some(Datum::Int(quotient - i128::from(rest != 0 && (rest < 0) != (other < 0)))));
    }
    match floats(left, right) {
        Some((_, 0.0)) => Err(by_zero()),
        Some((one, other)) => Ok(Some(Datum::Float((one / other).floor()))),
        None => Ok(None),
    }
}

fn modulo(left: &Datum, right: &Datum) -> Result<Option<Datum>> {
    if let Some((one, other)) = ints(left, right) {
        // The smallest number by -1 leaves no rest, and has no quotient that fits.
        let rest = if other == -1 { 0 } else { one.checked_rem(other).ok_or_else(by_zero)? };
        let rest = if rest != 0 && (rest < 0) != (other < 0) { rest + other } else { rest };
        return Ok(Some(Datum::Int(rest)));
    }
    match floats(left, right) {
        Some((_, 0.0)) => Err(by_zero()),
        Some((one, other)) => Ok(Some(Datum::Float(one - other * (one / other).floor()))),
        None => Ok(None),
    }
}

fn power(left: &Datum, right: &Datum) -> Result<Option<Datum>> {
    if let Some((base, exponent)) = ints(left, right)
        && exponent >= 0
    {
        let exponent = u32::try_from(exponent).map_err(|_| too_large())?;
        return base.checked_pow(exponent).map(|result| Some(Datum::Int(result))).ok_or_else(too_large);
    }
    Ok(floats(left, right).map(|(base, exponent)| Datum::Float(base.powf(exponent))))
}

/// Whether a comparison holds.
pub fn compare(comparison: Comparison, left: &Datum, right: &Datum) -> Result<bool> {
    if left.is_blank() || right.is_blank() {
        return Ok(true);
    }
    for side in [left, right] {
        if let Datum::Undefined(missing) = side {
            return Err(Fault::undefined(missing));
        }
    }
    Ok(match comparison {
        Comparison::Equal => left == right,
        Comparison::Unequal => left != right,
        Comparison::Less => order(left, right)? == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order(left, right)?, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order(left, right)? == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => {
            matches!(order(left, right)?, Some(Ordering::Greater | Ordering::Equal))
        }
        Comparison::In => contains(right, left)?,
        Comparison::NotIn => !contains(right, left)?,
    })
}

/// Which of two values comes first; `None` for numbers that are none.
pub fn order(left: &Datum, right: &Datum) -> Result<Option<Ordering>> {
    match (left, right) {
        (Datum::Text(one), Datum::Text(other)) => Ok(Some(one.as_ref().cmp(other.as_ref()))),
        (Datum::List(one), Datum::List(other)) | (Datum::Tuple(one), Datum::Tuple(other)) => {
            order_of_items(one, other)
        }
        (Datum::Moment(one), Datum::Moment(other)) => Ok(Some(one.0.cmp(&other.0))),
        (Datum::Length(one), Datum::Length(other)) => Ok(Some(one.0.cmp(&other.0))),
        _ => {
            if let Some((one, other)) = ints(left, right) {
                return Ok(Some(one.cmp(&other)));
            }
            match floats(left, right) {
                Some((one, other)) => Ok(one.partial_cmp(&other)),
                None => Err(not_comparable(left, right)),
            }
        }
    }
}

fn not_comparable(left: &Datum, right: &Datum) -> Fault {
    let fault = Fault::wrong_type(format!("{} is compared with {}", left.what(), right.what()));
    match (left, right) {
        (Datum::Text(_), other) | (other, Datum::Text(_)) if other.as_float().is_some() => {
            fault.hint("make a number of the text with `| int` or `| float`")
        }
        (Datum::None, _) | (_, Datum::None) => {
            fault.hint("say what it is without a value: `| default(0, true)`")
        }
        _ => fault,
    }
}

fn order_of_items(one: &Arc<Vec<Datum>>, other: &Arc<Vec<Datum>>) -> Result<Option<Ordering>> {
    for (left, right) in one.iter().zip(other.iter()) {
        if left != right {
            return order(left, right);
        }
    }
    Ok(Some(one.len().cmp(&other.len())))
}

/// Whether something is in a list, among the keys of a map, or a part of a text.
pub fn contains(container: &Datum, item: &Datum) -> Result<bool> {
    match (container, item) {
        (Datum::Undefined(missing), _) | (_, Datum::Undefined(missing)) => Err(Fault::undefined(missing)),
        (Datum::Text(text), Datum::Text(part)) => Ok(text.contains(part.as_ref())),
        (Datum::Text(_), other) => {
            let fault = Fault::wrong_type(format!("{} is looked for in text", other.what()));
            Err(fault.hint("make text of it with `| string`"))
        }
        (Datum::List(items) | Datum::Tuple(items), _) => Ok(items.contains(item)),
        (Datum::Map(map), _) => Ok(map.contains_key(item)),
        (Datum::Object(object), Datum::Text(key)) => Ok(object.get(key).is_some()),
        (Datum::Object(_) | Datum::Namespace(_), _) => Ok(false),
        (other, _) => Err(Fault::wrong_type(format!("{} holds nothing", other.what()))),
    }
}
