//! Tests (`x is …`) that Ansible's users expect and MiniJinja lacks.

use super::filters::regex;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind};
use std::cmp::Ordering;

/// Adds them all.
pub fn add(environment: &mut Environment<'static>) {
    environment.add_test("match", matches);
    environment.add_test("search", search);
    environment.add_test("regex", search);
    environment.add_test("contains", contains);
    environment.add_test("subset", subset);
    environment.add_test("superset", |value: Value, of: Value| subset(of, value));
    environment.add_test("truthy", |value: Value| value.is_true());
    environment.add_test("falsy", |value: Value| !value.is_true());
    environment.add_test("version", version);
    environment.add_test("changed", |result: Value| says(&result, "changed"));
    environment.add_test("failed", |result: Value| says(&result, "failed"));
    environment.add_test("skipped", |result: Value| says(&result, "skipped"));
    environment.add_test("succeeded", |result: Value| says(&result, "failed").map(|failed| !failed));
    environment.add_test("success", |result: Value| says(&result, "failed").map(|failed| !failed));
}

/// A match at the beginning, as in Python.
fn matches(text: &str, pattern: &str, options: Kwargs) -> Result<bool, Error> {
    let found = regex(pattern, &options)?.find(text).is_some_and(|found| found.start() == 0);
    options.assert_all_used().map(|()| found)
}

fn search(text: &str, pattern: &str, options: Kwargs) -> Result<bool, Error> {
    let found = regex(pattern, &options)?.is_match(text);
    options.assert_all_used().map(|()| found)
}

fn contains(value: Value, wanted: Value) -> Result<bool, Error> {
    match (value.as_str(), wanted.as_str()) {
        (Some(text), Some(part)) => Ok(text.contains(part)),
        _ => Ok(value.try_iter()?.any(|item| item == wanted)),
    }
}

fn subset(value: Value, of: Value) -> Result<bool, Error> {
    let all: Vec<Value> = of.try_iter()?.collect();
    Ok(value.try_iter()?.all(|item| all.contains(&item)))
}

/// What a registered result says of itself.
fn says(result: &Value, key: &str) -> Result<bool, Error> {
    match result.is_undefined() {
        true => Err(Error::from(ErrorKind::UndefinedError)),
        false => Ok(result.get_attr(key)?.is_true()),
    }
}

/// Compares versions by their numbers: 1.10 is newer than 1.9.
fn version(value: Value, other: Value, operator: Option<&str>) -> Result<bool, Error> {
    let order = parts(&value.to_string()).cmp(&parts(&other.to_string()));
    match operator.unwrap_or("==") {
        "==" | "=" | "eq" => Ok(order == Ordering::Equal),
        "!=" | "ne" => Ok(order != Ordering::Equal),
        "<" | "lt" => Ok(order == Ordering::Less),
        "<=" | "le" => Ok(order != Ordering::Greater),
        ">" | "gt" => Ok(order == Ordering::Greater),
        ">=" | "ge" => Ok(order != Ordering::Less),
        other => Err(Error::new(ErrorKind::InvalidOperation, format!("{other} compares no versions"))),
    }
}

/// The pieces of a version; those without a number sort before those with one, and zeros at the end do not count.
fn parts(version: &str) -> Vec<(u64, String)> {
    let pieces = version.trim_start_matches('v').split(['.', '-', '+', '~', ':']);
    let mut parts: Vec<_> = pieces.map(part).collect();
    while parts.last().is_some_and(|(number, rest)| *number == 0 && rest.is_empty()) {
        parts.pop();
    }
    parts
}

fn part(piece: &str) -> (u64, String) {
    let digits = piece.len() - piece.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    (piece[..digits].parse().unwrap_or(0), piece[digits..].to_string())
}
