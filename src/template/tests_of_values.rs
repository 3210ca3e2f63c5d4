//! Tests (`x is …`): those of Jinja and of Ansible.

use super::arithmetic::{compare, contains};
use super::call::Arguments;
use super::fault::{Fault, Result};
use super::filters::pattern;
use super::machine::{Machine, unknown};
use super::tree::Comparison;
use super::value::Datum;
use super::versions;

/// A test of the first argument.
type Test = fn(&mut Machine, &mut Arguments) -> Result<bool>;

const TESTS: &[(&str, Test)] = &[
    ("defined", |_, arguments| Ok(!is_undefined(&arguments.value()?))),
    ("undefined", |_, arguments| Ok(is_undefined(&arguments.value()?))),
    ("none", |_, arguments| Ok(matches!(arguments.value()?, Datum::None))),
    ("boolean", |_, arguments| Ok(matches!(arguments.value()?, Datum::Bool(_)))),
    ("true", |_, arguments| Ok(matches!(arguments.value()?, Datum::Bool(true)))),
    ("false", |_, arguments| Ok(matches!(arguments.value()?, Datum::Bool(false)))),
    ("integer", |_, arguments| Ok(matches!(arguments.value()?, Datum::Int(_)))),
    ("float", |_, arguments| Ok(matches!(arguments.value()?, Datum::Float(_)))),
    ("number", |_, arguments| Ok(arguments.value()?.as_float().is_some())),
    ("string", |_, arguments| Ok(matches!(arguments.value()?, Datum::Text(_)))),
    ("mapping", |_, arguments| Ok(matches!(arguments.value()?, Datum::Map(_) | Datum::Object(_)))),
    ("sequence", |_, arguments| Ok(is_iterable(&arguments.value()?))),
    ("iterable", |_, arguments| Ok(is_iterable(&arguments.value()?))),
    ("callable", |_, arguments| Ok(matches!(arguments.value()?, Datum::Callable(_)))),
    ("lower", |_, arguments| cased(arguments, false)),
    ("upper", |_, arguments| cased(arguments, true)),
    ("odd", |_, arguments| Ok(int(arguments)?.rem_euclid(2) == 1)),
    ("even", |_, arguments| Ok(int(arguments)?.rem_euclid(2) == 0)),
    ("divisibleby", divisibleby),
    ("sameas", sameas),
    ("escaped", |_, arguments| arguments.value().map(|_| false)),
    ("filter", |_, arguments| is_one_of(arguments, super::filters::names())),
    ("test", |_, arguments| is_one_of(arguments, names())),
    ("in", |_, arguments| {
        let item = arguments.value()?;
        contains(&arguments.required("seq")?, &item)
    }),
    ("contains", |_, arguments| {
        let value = arguments.value()?;
        contains(&value, &arguments.required("item")?)
    }),
    ("==", |_, arguments| compared(arguments, Comparison::Equal)),
    ("eq", |_, arguments| compared(arguments, Comparison::Equal)),
    ("equalto", |_, arguments| compared(arguments, Comparison::Equal)),
    ("!=", |_, arguments| compared(arguments, Comparison::Unequal)),
    ("ne", |_, arguments| compared(arguments, Comparison::Unequal)),
    (">", |_, arguments| compared(arguments, Comparison::Greater)),
    ("gt", |_, arguments| compared(arguments, Comparison::Greater)),
    ("greaterthan", |_, arguments| compared(arguments, Comparison::Greater)),
    (">=", |_, arguments| compared(arguments, Comparison::GreaterOrEqual)),
    ("ge", |_, arguments| compared(arguments, Comparison::GreaterOrEqual)),
    ("<", |_, arguments| compared(arguments, Comparison::Less)),
    ("lt", |_, arguments| compared(arguments, Comparison::Less)),
    ("lessthan", |_, arguments| compared(arguments, Comparison::Less)),
    ("<=", |_, arguments| compared(arguments, Comparison::LessOrEqual)),
    ("le", |_, arguments| compared(arguments, Comparison::LessOrEqual)),
    ("match", |_, arguments| matched(arguments, true)),
    ("search", |_, arguments| matched(arguments, false)),
    ("regex", regex),
    ("subset", |_, arguments| subset(arguments, false)),
    ("issubset", |_, arguments| subset(arguments, false)),
    ("superset", |_, arguments| subset(arguments, true)),
    ("issuperset", |_, arguments| subset(arguments, true)),
    ("all", |_, arguments| each(arguments, true)),
    ("any", |_, arguments| each(arguments, false)),
    ("truthy", |_, arguments| truthy(arguments)),
    ("falsy", |_, arguments| truthy(arguments).map(|truthy| !truthy)),
    ("nan", |_, arguments| not_a_number(arguments)),
    ("isnan", |_, arguments| not_a_number(arguments)),
    ("version", versions::version),
    ("version_compare", versions::version),
    ("url", |_, arguments| url(arguments)),
    ("uri", |_, arguments| uri(arguments)),
    ("urn", |_, arguments| Ok(arguments.value_text()?.starts_with("urn:"))),
    ("changed", |_, arguments| changed(arguments)),
    ("change", |_, arguments| changed(arguments)),
    ("failed", |_, arguments| says(arguments, "failed")),
    ("failure", |_, arguments| says(arguments, "failed")),
    ("succeeded", |_, arguments| says(arguments, "failed").map(|failed| !failed)),
    ("success", |_, arguments| says(arguments, "failed").map(|failed| !failed)),
    ("successful", |_, arguments| says(arguments, "failed").map(|failed| !failed)),
    ("skipped", |_, arguments| says(arguments, "skipped")),
    ("skip", |_, arguments| says(arguments, "skipped")),
    ("unreachable", |_, arguments| says(arguments, "unreachable")),
    ("reachable", |_, arguments| says(arguments, "unreachable").map(|is| !is)),
    ("timedout", |_, arguments| says(arguments, "timedout")),
    ("started", |_, arguments| says_unless(arguments, "started")),
    ("finished", |_, arguments| says_unless(arguments, "finished")),
    ("abs", |_, arguments| Ok(arguments.value_text()?.starts_with('/'))),
    ("is_abs", |_, arguments| Ok(arguments.value_text()?.starts_with('/'))),
    ("exists", |machine, arguments| path(machine, arguments, "exists")),
    ("file", |machine, arguments| path(machine, arguments, "file")),
    ("is_file", |machine, arguments| path(machine, arguments, "file")),
    ("directory", |machine, arguments| path(machine, arguments, "directory")),
    ("is_dir", |machine, arguments| path(machine, arguments, "directory")),
    ("link", |machine, arguments| path(machine, arguments, "link")),
    ("is_link", |machine, arguments| path(machine, arguments, "link")),
    ("link_exists", |machine, arguments| path(machine, arguments, "link_exists")),
    ("mount", |machine, arguments| path(machine, arguments, "mount")),
    ("is_mount", |machine, arguments| path(machine, arguments, "mount")),
    ("same_file", same_file),
    ("is_same_file", same_file),
];

/// Tests that look at files here, so that the controller applies them.
pub const LOOKUPS: &[&str] = &[
    "exists",
    "file",
    "is_file",
    "directory",
    "is_dir",
    "link",
    "is_link",
    "link_exists",
    "mount",
    "is_mount",
    "same_file",
    "is_same_file",
];

/// Tests that have a meaning for values that are not there.
pub const ACCEPT_UNDEFINED: &[&str] = &["defined", "undefined"];

/// The names of all tests.
pub fn names() -> impl Iterator<Item = &'static str> {
    TESTS.iter().map(|(name, _)| *name)
}

/// Whether the first argument passes a test.
pub fn apply(machine: &mut Machine, name: &str, mut arguments: Arguments) -> Result<bool> {
    let found = TESTS.iter().find(|(known, _)| *known == name);
    let Some((_, test)) = found else {
        return super::addresses::test(name, &mut arguments)
            .unwrap_or_else(|| Err(unknown("test", name, names())));
    };
    if !matches!(name, "defined" | "undefined") && arguments.blank().is_some() {
        return Ok(true);
    }
    // A param that nothing sets is undefined, and so it is not none.
    if name == "none" && matches!(arguments.first(), Some(Datum::Omitted)) {
        return Ok(false);
    }
    if !ACCEPT_UNDEFINED.contains(&name) {
        arguments.check_defined(false)?;
    }
    let holds = test(machine, &mut arguments)?;
    arguments.finish()?;
    Ok(holds)
}

fn is_undefined(value: &Datum) -> bool {
    matches!(value, Datum::Undefined(_) | Datum::Omitted)
}

fn is_iterable(value: &Datum) -> bool {
    matches!(value, Datum::Text(_) | Datum::List(_) | Datum::Tuple(_) | Datum::Map(_) | Datum::Object(_))
}

fn is_one_of(arguments: &mut Arguments, mut names: impl Iterator<Item = &'static str>) -> Result<bool> {
    let name = arguments.value_text()?;
    Ok(names.any(|known| known == name))
}

fn cased(arguments: &mut Arguments, upper: bool) -> Result<bool> {
    let text = arguments.value_text()?;
    let letters = || text.chars().filter(|letter| letter.is_alphabetic());
    let fits = |letter: char| if upper { !letter.is_lowercase() } else { !letter.is_uppercase() };
    Ok(letters().next().is_some() && letters().all(fits))
}

fn int(arguments: &mut Arguments) -> Result<i128> {
    let value = arguments.value()?;
    value.as_int().ok_or_else(|| super::filters::wrong(&value, "a whole number"))
}

fn divisibleby(_: &mut Machine, arguments: &mut Arguments) -> Result<bool> {
    let number = int(arguments)?;
    let by = arguments
        .int("num")?
        .filter(|by| *by != 0)
        .ok_or_else(|| Fault::new("it needs a number other than 0"))?;
    Ok(number % by == 0)
}

/// Whether both are one and the same: as nothing can be changed here, equal values of one type are.
fn sameas(_: &mut Machine, arguments: &mut Arguments) -> Result<bool> {
    let value = arguments.value()?;
    let other = arguments.take("other").ok_or_else(|| Fault::wrong_arguments("it needs another value"))?;
    Ok(value.type_name() == other.type_name() && value == other)
}

fn compared(arguments: &mut Arguments, comparison: Comparison) -> Result<bool> {
    let value = arguments.value()?;
    compare(comparison, &value, &arguments.required("other")?)
}

fn matched(arguments: &mut Arguments, at_start: bool) -> Result<bool> {
    let text = arguments.value_text()?;
    let found = arguments.text("pattern")?.unwrap_or_default();
    let (ignore_case, multi_line) = (arguments.flag("ignorecase")?, arguments.flag("multiline")?);
    let pattern = pattern(&found, ignore_case, multi_line)?;
    let letters: Vec<char> = text.chars().collect();
    let found = if at_start { pattern.match_start(&letters)? } else { pattern.search(&letters)? };
    Ok(found.is_some())
}

fn regex(_: &mut Machine, arguments: &mut Arguments) -> Result<bool> {
    let text = arguments.value_text()?;
    let found = arguments.text("pattern")?.unwrap_or_default();
    let (ignore_case, multi_line) = (arguments.flag("ignorecase")?, arguments.flag("multiline")?);
    let kind = arguments.text("match_type")?.unwrap_or_else(|| "search".to_string());
    let found = if kind == "fullmatch" { format!("(?:{found})\\Z") } else { found };
    let pattern = pattern(&found, ignore_case, multi_line)?;
    let letters: Vec<char> = text.chars().collect();
    let found = if kind == "search" { pattern.search(&letters)? } else { pattern.match_start(&letters)? };
    Ok(found.is_some())
}

fn subset(arguments: &mut Arguments, turned: bool) -> Result<bool> {
    let (value, other) = (arguments.value()?.items()?, arguments.required("other")?.items()?);
    let (inner, outer) = if turned { (other, value) } else { (value, other) };
    Ok(inner.iter().all(|item| outer.contains(item)))
}

fn each(arguments: &mut Arguments, all: bool) -> Result<bool> {
    let truths = arguments.value()?.items()?.iter().map(Datum::truth).collect::<Result<Vec<_>>>()?;
    Ok(if all { truths.iter().all(|truth| *truth) } else { truths.iter().any(|truth| *truth) })
}

/// Whether a value counts as true; with `convert_bool`, words count as what they say.
fn truthy(arguments: &mut Arguments) -> Result<bool> {
    let value = arguments.value()?;
    if !arguments.flag("convert_bool")? {
        return value.truth();
    }
    let word = match &value {
        Datum::Text(text) => text.to_lowercase(),
        other => return other.truth(),
    };
    match word.as_str() {
        "y" | "yes" | "on" | "1" | "true" | "t" => Ok(true),
        "n" | "no" | "off" | "0" | "false" | "f" => Ok(false),
        _ => value.truth(),
    }
}

fn not_a_number(arguments: &mut Arguments) -> Result<bool> {
    let value = arguments.value()?;
    let number = value.as_float().ok_or_else(|| super::filters::wrong(&value, "a number"))?;
    Ok(number.is_nan())
}

/// As Ansible has it: any text, unless schemes are named.
fn uri(arguments: &mut Arguments) -> Result<bool> {
    let text = arguments.value_text()?;
    let Some(schemes) = arguments.take("schemes") else { return Ok(true) };
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme).to_lowercase();
    Ok(schemes.items()?.iter().any(|known| known.as_text() == Some(&scheme)))
}

fn url(arguments: &mut Arguments) -> Result<bool> {
    let text = arguments.value_text()?;
    let schemes = arguments.take("schemes").map(|list| list.items()).transpose()?;
    let (found, rest) = text.split_once("://").unwrap_or(("", ""));
    let allowed = schemes.is_none_or(|list| list.iter().any(|known| known.as_text() == Some(found)));
    Ok(!found.is_empty()
        && found.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
        && !rest.is_empty()
        && allowed)
}

/// What a registered result says of itself.
fn field(result: &Datum, key: &str) -> Result<Option<Datum>> {
    match result {
        Datum::Map(map) => Ok(map.get(&Datum::text(key)).cloned()),
        Datum::Object(object) => Ok(object.get(key)),
        other => Err(Fault::wrong_type(format!("it needs a registered result, not {}", other.what()))),
    }
}

fn says(arguments: &mut Arguments, key: &str) -> Result<bool> {
    field(&arguments.value()?, key)?.map_or(Ok(false), |value| value.truth())
}

/// A result that does not say is one that is over.
fn says_unless(arguments: &mut Arguments, key: &str) -> Result<bool> {
    field(&arguments.value()?, key)?.map_or(Ok(true), |value| value.truth())
}

fn changed(arguments: &mut Arguments) -> Result<bool> {
    let result = arguments.value()?;
    if let Some(changed) = field(&result, "changed")? {
        return changed.truth();
    }
    let results = field(&result, "results")?.map_or(Ok(Vec::new()), |results| results.items())?;
    let changed = |result: &Datum| field(result, "changed")?.map_or(Ok(false), |changed| changed.truth());
    Ok(results.iter().map(changed).collect::<Result<Vec<_>>>()?.contains(&true))
}

fn path(machine: &mut Machine, arguments: &mut Arguments, what: &str) -> Result<bool> {
    machine.templates.outside().path_is(&arguments.value_text()?, what)
}

fn same_file(machine: &mut Machine, arguments: &mut Arguments) -> Result<bool> {
    let (one, other) = (arguments.value_text()?, arguments.required_text("other")?);
    let outside = machine.templates.outside();
    Ok(outside.real_path(&one)? == outside.real_path(&other)?)
}

/// Whether there is a test of this name.
pub fn is_test(name: &str) -> bool {
    names().any(|known| known == name) || super::addresses::TESTS.contains(&name)
}
