//! JSON as Python reads it: whole numbers keep all their digits, and other numbers are the nearest that there are.

use super::super::arithmetic::too_large;
use super::super::fault::{Fault, Result};
use super::super::value::Datum;
use indexmap::IndexMap;
use serde_json::value::RawValue;

/// Lists and maps may be nested this deep.
const DEPTH_LIMIT: usize = 128;

/// What the error for a text that is not JSON begins with.
pub const NOT_JSON: &str = "this is not JSON: ";

fn not_json(error: serde_json::Error) -> Fault {
    Fault::new(format!("{NOT_JSON}{error}"))
}

/// The value of a JSON text. Fails for what is not JSON, and for numbers that would become others.
pub fn read(text: &str) -> Result<Datum> {
    value(serde_json::from_str(text).map_err(not_json)?, 0)
}

fn value(raw: &RawValue, depth: usize) -> Result<Datum> {
    if depth > DEPTH_LIMIT {
        return Err(Fault::new("it is nested too deeply"));
    }
    let text = raw.get();
    Ok(match text {
        "null" => Datum::None,
        "true" => Datum::Bool(true),
        "false" => Datum::Bool(false),
        _ if text.starts_with('"') => Datum::text(parsed::<String>(text)?),
        _ if text.starts_with('[') => {
            let items = parsed::<Vec<&RawValue>>(text)?.into_iter().map(|item| value(item, depth + 1));
            Datum::list(items.collect::<Result<_>>()?)
        }
        _ if text.starts_with('{') => {
            let entries = parsed::<IndexMap<String, &RawValue>>(text)?.into_iter();
            let entries = entries.map(|(key, item)| Ok((Datum::text(key), value(item, depth + 1)?)));
            Datum::map(entries.collect::<Result<_>>()?)
        }
        _ => number(text)?,
    })
}

fn parsed<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(not_json)
}

fn number(text: &str) -> Result<Datum> {
    if !text.contains(['.', 'e', 'E']) {
        return text.parse().map(Datum::Int).map_err(|_| too_large());
    }
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.map(Datum::Float).ok_or_else(|| Fault::new(format!("{text} is too large a number")))
}
