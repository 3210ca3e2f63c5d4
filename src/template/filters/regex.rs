//! Regular expressions, in Python's syntax.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::regular::{Options, Pattern};
use super::super::value::Datum;

pub const FILTERS: &[(&str, Function)] = &[
    ("regex_replace", regex_replace),
    ("regex_search", regex_search),
    ("regex_findall", regex_findall),
    ("regex_escape", regex_escape),
];

/// A pattern with the options that Ansible passes.
pub fn pattern(text: &str, ignore_case: bool, multi_line: bool) -> Result<Pattern> {
    Pattern::new(text, Options { ignore_case, multi_line, dot_all: false })
}

fn regex_replace(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let found = arguments.text("pattern")?.unwrap_or_default();
    let with = arguments.text("replacement")?.unwrap_or_default();
    let (ignore_case, multi_line) = (arguments.flag("ignorecase")?, arguments.flag("multiline")?);
    let count = arguments.count("count")?.filter(|count| *count > 0).unwrap_or(usize::MAX);
    let wanted = arguments.count("mandatory_count")?.filter(|count| *count > 0);
    arguments.finish()?;
    let (replaced, times) = pattern(&found, ignore_case, multi_line)?.replace(&text, &with, count)?;
    match wanted.filter(|wanted| *wanted != times) {
        Some(wanted) => Err(Fault::new(format!("`{found}` should match {wanted} times and matches {times}"))),
        None => Ok(Datum::text(replaced)),
    }
}

/// The match, or the groups that are named (`'\\1'`, `'\\g<name>'`); none without a match.
fn regex_search(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let found = arguments.required_text("pattern")?;
    let flag = |value: Option<Datum>| value.map_or(Ok(false), |value| value.truth());
    let (ignore_case, multi_line) =
        (flag(arguments.named("ignorecase"))?, flag(arguments.named("multiline"))?);
    let groups = arguments.rest().iter().map(named_group).collect::<Result<Vec<_>>>()?;
    arguments.finish()?;
    let pattern = pattern(&found, ignore_case, multi_line)?;
    let letters: Vec<char> = text.chars().collect();
    let Some(found) = pattern.search(&letters)? else { return Ok(Datum::None) };
    if groups.is_empty() {
        return Ok(found.text(0, &letters).map_or(Datum::None, Datum::text));
    }
    let group = |name: &String| {
        let number =
            pattern.group(name).ok_or_else(|| Fault::new(format!("the pattern has no group `{name}`")))?;
        Ok(found.text(number, &letters).map_or(Datum::None, Datum::text))
    };
    groups.iter().map(group).collect::<Result<Vec<_>>>().map(Datum::list)
}

/// The number or name of a group that is written as `\1` or `\g<name>`.
fn named_group(argument: &Datum) -> Result<String> {
    let argument = argument.to_text()?;
    let name = argument.strip_prefix("\\g<").and_then(|rest| rest.strip_suffix('>'));
    let number =
        argument.strip_prefix('\\').filter(|rest| rest.starts_with(|one: char| one.is_ascii_digit()));
    name.or(number).map(str::to_string).ok_or_else(|| {
        Fault::new(format!("`{argument}` names no group"))
            .hint("write it as '\\1' or '\\g<name>', with one backslash")
    })
}

fn regex_findall(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let found = arguments.required_text("regex")?;
    let (multi_line, ignore_case) = (arguments.flag("multiline")?, arguments.flag("ignorecase")?);
    arguments.finish()?;
    let pattern = pattern(&found, ignore_case, multi_line)?;
    let letters: Vec<char> = text.chars().collect();
    let part = |found: &super::super::regular::Found, group: usize| {
        Datum::text(found.text(group, &letters).unwrap_or_default())
    };
    let each = |found: super::super::regular::Found| match pattern.groups() {
        1 => part(&found, 0),
        2 => part(&found, 1),
        count => Datum::tuple((1..count).map(|group| part(&found, group)).collect()),
    };
    Ok(Datum::list(pattern.find_all(&letters, usize::MAX)?.into_iter().map(each).collect()))
}

fn regex_escape(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let kind = arguments.text("re_type")?.unwrap_or_else(|| "python".to_string());
    arguments.finish()?;
    let special = match kind.as_str() {
        "python" => "()[]{}?*+-|^$\\.&~# \t\n\r\x0b\x0c",
        "posix_basic" => "].[^$*\\",
        other => {
            return Err(Fault::new(format!("there is no type `{other}`")).hint("it is python or posix_basic"));
        }
    };
    let mut out = String::new();
    for letter in text.chars() {
        if special.contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    Ok(Datum::text(out))
}
