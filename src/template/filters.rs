//! Filters: those of Jinja and of Ansible, under their names and with their meaning.

mod choose;
mod combine;
mod dates;
pub mod encode;
mod hardware;
mod hash;
pub mod json;
mod lists;
mod maps;
mod network;
mod numbers;
mod paths;
mod random;
mod regex;
mod sets;
mod sizes;
mod subnets;
mod text;
mod urls;
mod wrap;
mod yaml;

use super::arithmetic::order;
use super::call::{Arguments, Function};
use super::fault::{Fault, Result};
use super::machine::{Machine, unknown};
use super::value::Datum;
use std::cmp::Ordering;

pub use choose::attribute_of;
#[cfg(feature = "controller")]
pub use hash::check_password_hash;
pub use random::word as random_word;
pub use regex::pattern;
pub use yaml::{plain as plain_yaml, read as read_yaml, resolved as resolved_yaml};

/// One table of filters for each file.
const TABLES: &[&[(&str, Function)]] = &[
    choose::FILTERS,
    combine::FILTERS,
    dates::FILTERS,
    encode::FILTERS,
    hardware::FILTERS,
    hash::FILTERS,
    lists::FILTERS,
    maps::FILTERS,
    network::FILTERS,
    numbers::FILTERS,
    paths::FILTERS,
    random::FILTERS,
    regex::FILTERS,
    sets::FILTERS,
    sizes::FILTERS,
    subnets::FILTERS,
    text::FILTERS,
    urls::FILTERS,
    wrap::FILTERS,
    yaml::FILTERS,
];

/// Filters that have a meaning for values that are not there.
pub const ACCEPT_UNDEFINED: &[&str] = &["default", "d", "mandatory", "type_debug"];

/// Filters that look at files here, so that the controller applies them.
pub const LOOKUPS: &[&str] = &["fileglob", "realpath", "expanduser", "expandvars"];

/// The names of all filters.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().flat_map(|table| table.iter()).map(|(name, _)| *name)
}

/// Applies a filter to the first argument.
pub fn apply(machine: &mut Machine, name: &str, mut arguments: Arguments) -> Result<Datum> {
    machine.step()?;
    let found = TABLES.iter().flat_map(|table| table.iter()).find(|(known, _)| *known == name);
    let (_, function) = found.ok_or_else(|| unknown("filter", name, names()))?;
    if !ACCEPT_UNDEFINED.contains(&name) {
        if let Some(blank) = arguments.blank() {
            return Ok(blank);
        }
        arguments.check_defined(name == "ternary")?;
    }
    function(machine, &mut arguments)
}

/// Values in order; texts as if they were lower case, unless `case_sensitive`.
pub fn sorted(items: &[Datum], reverse: bool, case_sensitive: bool) -> Result<Vec<Datum>> {
    let keyed = items.iter().map(|item| (folded(item, case_sensitive), item.clone())).collect();
    sorted_by(keyed, reverse)
}

/// Values in the order of their keys; those with equal keys stay as they are.
pub fn sorted_by(mut keyed: Vec<(Datum, Datum)>, reverse: bool) -> Result<Vec<Datum>> {
    let mut wrong = None;
    keyed.sort_by(|(one, _), (other, _)| {
        let order = order(one, other).unwrap_or_else(|fault| {
            wrong.get_or_insert(fault);
            Some(Ordering::Equal)
        });
        let order = order.unwrap_or(Ordering::Equal);
        if reverse { order.reverse() } else { order }
    });
    match wrong {
        Some(fault) => Err(fault),
        None => Ok(keyed.into_iter().map(|(_, value)| value).collect()),
    }
}

/// Text in lower case, unless case matters.
pub fn folded(value: &Datum, case_sensitive: bool) -> Datum {
    match value {
        Datum::Text(text) if !case_sensitive => Datum::text(text.to_lowercase()),
        Datum::List(items) | Datum::Tuple(items) if !case_sensitive => {
            Datum::list(items.iter().map(|item| folded(item, false)).collect())
        }
        other => other.clone(),
    }
}

/// The error for a value of the wrong type.
pub fn wrong(value: &Datum, wanted: &str) -> Fault {
    Fault::wrong_type(format!("it needs {wanted}, not {}", value.what()))
}
