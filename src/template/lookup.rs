//! `lookup` and `query`: values that are found here, on the controller.

use super::arithmetic::fitting;
use super::call::Arguments;
use super::fault::{Fault, Result};
use super::machine::{Machine, undefined, unknown};
use super::value::{Datum, Map};
use std::fmt;

/// What templates may look at outside of themselves. The controller has all of it, hosts none.
pub trait Outside: fmt::Debug + Send + Sync {
    /// The text of a file, found below `files/` or by its path.
    fn file(&self, name: &str) -> Result<String>;

    /// A variable of the environment.
    fn variable(&self, name: &str) -> Result<Option<String>>;

    /// What a command prints.
    fn pipe(&self, command: &str) -> Result<String>;

    /// The password in a file, which is made when it is not there.
    fn password(&self, path: &str, make: &dyn Fn() -> String) -> Result<String>;

    /// What is true of a path: `exists`, `file`, `directory`, `link`, `link_exists`, `mount`.
    fn path_is(&self, path: &str, what: &str) -> Result<bool>;

    /// A path without links in it.
    fn real_path(&self, path: &str) -> Result<String>;

    /// The files that a pattern with `*`, `?` and `[…]` names.
    fn glob(&self, pattern: &str) -> Result<Vec<String>>;

    /// A moment of UTC on the clock of this place.
    fn local(&self, moment: super::moment::Moment) -> super::moment::Moment;
}

/// A variable of this process's environment.
pub fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(_) => Err(Fault::new(format!("the variable {name} of the environment is no UTF-8 text"))),
    }
}

/// A place that has nothing to look at: a host's agent.
#[derive(Debug)]
pub struct Nowhere;

fn elsewhere<T>() -> Result<T> {
    Err(Fault::new(
        "files, environment and commands are looked up on the controller, before a host is contacted",
    )
    .hint("its arguments cannot depend on facts, registered results or the item of an unknown loop"))
}

impl Outside for Nowhere {
    fn file(&self, _: &str) -> Result<String> {
        elsewhere()
    }

    fn variable(&self, _: &str) -> Result<Option<String>> {
        elsewhere()
    }

    fn pipe(&self, _: &str) -> Result<String> {
        elsewhere()
    }

    fn password(&self, _: &str, _: &dyn Fn() -> String) -> Result<String> {
        elsewhere()
    }

    fn path_is(&self, _: &str, _: &str) -> Result<bool> {
        elsewhere()
    }

    fn real_path(&self, _: &str) -> Result<String> {
        elsewhere()
    }

    fn glob(&self, _: &str) -> Result<Vec<String>> {
        elsewhere()
    }

    fn local(&self, moment: super::moment::Moment) -> super::moment::Moment {
        moment
    }
}

/// The kinds of lookups.
pub const KINDS: &[&str] = &[
    "dict",
    "env",
    "file",
    "fileglob",
    "first_found",
    "flattened",
    "indexed_items",
    "items",
    "lines",
    "list",
    "nested",
    "password",
    "pipe",
    "random_choice",
    "sequence",
    "subelements",
    "template",
    "together",
    "vars",
    "varnames",
];

/// What a lookup of a kind finds for its terms.
pub fn find(machine: &mut Machine, kind: &str, terms: Vec<Datum>, mut options: Map) -> Result<Vec<Datum>> {
    let found = match kind {
        "file" => each(&terms, |name| {
            let text = machine.templates.outside().file(name)?;
            let strip =
                |name: &str, usual: bool| options.get(&Datum::text(name)).map_or(Ok(usual), Datum::truth);
            let text = if strip("rstrip", true)? { text.trim_end() } else { &text };
            Ok(Datum::text(if strip("lstrip", false)? { text.trim_start() } else { text }))
        }),
        "env" => {
            let other = options.shift_remove(&Datum::text("default"));
            each(&terms, |name| {
                let value = machine.templates.outside().variable(name)?;
                Ok(value.map(Datum::text).or_else(|| other.clone()).unwrap_or_else(|| Datum::text("")))
            })
        }
        "pipe" => each(&terms, |command| {
            machine.templates.outside().pipe(command).map(|text| Datum::text(text.trim_end()))
        }),
        "lines" => {
            let mut lines = Vec::new();
            for command in &terms {
                let text = machine.templates.outside().pipe(&command.to_text()?)?;
                lines.extend(text.lines().map(Datum::text));
            }
            Ok(lines)
        }
        "template" => {
            let given = options.shift_remove(&Datum::text("template_vars"));
            let variables = given.and_then(|given| given.as_map()).unwrap_or_default();
            each(&terms, |name| machine.rendered(name, &variables).map(Datum::text))
        }
        "password" => each(&terms, |term| password(machine, term, &options)),
        "fileglob" => {
            let mut found = Vec::new();
            for pattern in &terms {
                found.extend(machine.templates.outside().glob(&pattern.to_text()?)?.iter().map(Datum::text));
            }
            Ok(found)
        }
        "first_found" => first_found(machine, terms, &options),
        "vars" => {
            let other = options.shift_remove(&Datum::text("default"));
            each(&terms, |name| match (machine.name(name), &other) {
                (Datum::Undefined(_), Some(other)) => Ok(other.clone()),
                (value, _) => value.defined(),
            })
        }
        "varnames" => varnames(machine, &terms),
        "dict" => {
            let pairs = |term: &Datum| {
                let map = term.as_map().ok_or_else(|| super::filters::wrong(term, "a map"))?;
                Ok(map
                    .into_iter()
                    .map(|(key, value)| Datum::record([("key", key), ("value", value)]))
                    .collect::<Vec<_>>())
            };
            terms.iter().map(pairs).collect::<Result<Vec<_>>>().map(|lists| lists.concat())
        }
        "list" => Ok(terms),
        "items" => terms.iter().map(listed).collect::<Result<Vec<_>>>().map(|lists| lists.concat()),
        "flattened" => {
            machine.apply_filter("flatten", Arguments::new(vec![Datum::list(terms)], Vec::new()))?.items()
        }
        "indexed_items" => {
            let items = terms.iter().map(listed).collect::<Result<Vec<_>>>()?.concat();
            Ok(items
                .into_iter()
                .enumerate()
                .map(|(at, item)| Datum::tuple(vec![Datum::count(at), item]))
                .collect())
        }
        "nested" => lists_of(machine, "product", terms),
        "together" => lists_of(machine, "zip_longest", terms),
        "subelements" => machine.apply_filter("subelements", Arguments::new(terms, Vec::new()))?.items(),
        "random_choice" => {
            let chosen =
                machine.apply_filter("random", Arguments::new(vec![Datum::list(terms)], Vec::new()))?;
            Ok(vec![chosen])
        }
        "sequence" => sequence(&terms, &options),
        other => Err(unknown("lookup", other, KINDS.iter().copied())),
    };
    found.map_err(|fault| match fault.why.starts_with("there is no") {
        true => fault,
        false => Fault { why: format!("the lookup `{kind}`: {}", fault.why), ..fault },
    })
}

fn listed(term: &Datum) -> Result<Vec<Datum>> {
    Ok(term.as_list().map_or_else(|| vec![term.clone()], <[Datum]>::to_vec))
}

/// The terms one by one; a list among them stands for its items.
fn each(terms: &[Datum], mut find: impl FnMut(&str) -> Result<Datum>) -> Result<Vec<Datum>> {
    let mut found = Vec::new();
    for term in terms {
        for term in listed(term)? {
            found.push(find(&term.to_text()?)?);
        }
    }
    Ok(found)
}

fn lists_of(machine: &mut Machine, filter: &str, terms: Vec<Datum>) -> Result<Vec<Datum>> {
    let rows = machine.apply_filter(filter, Arguments::new(terms, Vec::new()))?.items()?;
    rows.iter().map(|row| row.items().map(Datum::list)).collect()
}

/// `'path length=20 chars=ascii_letters,digits'`.
fn password(machine: &Machine, term: &str, options: &Map) -> Result<Datum> {
    let mut words = term.split_whitespace();
    let path = words.next().unwrap_or_default().to_string();
    let given: Vec<(String, String)> = words
        .filter_map(|word| word.split_once('='))
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    let option = |name: &str| {
        let own = options.get(&Datum::text(name)).cloned();
        own.or_else(|| given.iter().find(|(key, _)| key == name).map(|(_, value)| Datum::text(value)))
    };
    let length = option("length")
        .and_then(|length| length.as_int().or_else(|| length.as_text()?.parse().ok()))
        .unwrap_or(20);
    let length = usize::try_from(length).ok().filter(|length| (1..=4096).contains(length));
    let length = length.ok_or_else(|| Fault::new("a password has 1 to 4096 letters"))?;
    let sets = match option("chars") {
        None => vec!["ascii_letters".to_string(), "digits".to_string(), ".,:-_".to_string()],
        Some(chars) => match chars.as_list() {
            Some(list) => list.iter().map(Datum::to_text).collect::<Result<Vec<_>>>()?,
            None => chars.to_text()?.split(',').map(str::to_string).collect(),
        },
    };
    let seed = option("seed");
    let letters: String = sets.iter().map(|set| letters_of(set)).collect();
    let make = || super::filters::random_word(&letters, length, seed.as_ref());
    machine.templates.outside().password(&path, &make).map(Datum::text)
}

fn letters_of(set: &str) -> String {
    let lower = "abcdefghijklmnopqrstuvwxyz";
    let upper = lower.to_uppercase();
    match set {
        "ascii_letters" => format!("{lower}{upper}"),
        "ascii_lowercase" => lower.to_string(),
        "ascii_uppercase" => upper,
        "digits" => "0123456789".to_string(),
        "hexdigits" => "0123456789abcdefABCDEF".to_string(),
        "octdigits" => "01234567".to_string(),
        "punctuation" => "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".to_string(),
        other => other.to_string(),
    }
}

fn first_found(machine: &Machine, terms: Vec<Datum>, options: &Map) -> Result<Vec<Datum>> {
    let mut names = Vec::new();
    let mut paths: Vec<Datum> = options.get(&Datum::text("paths")).map_or(Ok(Vec::new()), listed)?;
    let mut skips = options.get(&Datum::text("skip")).map_or(Ok(false), Datum::truth)?;
    let mut terms: Vec<Datum> = terms.iter().map(listed).collect::<Result<Vec<_>>>()?.concat();
    terms.extend(options.get(&Datum::text("files")).map_or(Ok(Vec::new()), listed)?);
    for term in terms {
        match term.as_map() {
            Some(map) => {
                names.extend(map.get(&Datum::text("files")).map_or(Ok(Vec::new()), listed)?);
                paths.extend(map.get(&Datum::text("paths")).map_or(Ok(Vec::new()), listed)?);
                skips |= map.get(&Datum::text("skip")).map_or(Ok(false), Datum::truth)?;
            }
            None => names.push(term),
        }
    }
    if paths.is_empty() {
        paths.push(Datum::text(""));
    }
    for path in &paths {
        for name in &names {
            let (path, name) = (path.to_text()?, name.to_text()?);
            let whole = if path.is_empty() { name } else { format!("{}/{name}", path.trim_end_matches('/')) };
            if machine.templates.outside().path_is(&whole, "exists")? {
                return Ok(vec![Datum::text(whole)]);
            }
        }
    }
    match skips {
        true => Ok(vec![undefined("", Vec::new())]),
        false => Err(Fault::new("none of the files exists").hint("add skip=true when that is right")),
    }
}

fn varnames(machine: &Machine, terms: &[Datum]) -> Result<Vec<Datum>> {
    let mut found = Vec::new();
    for term in terms {
        let pattern = super::filters::pattern(&term.to_text()?, false, false)?;
        for name in machine.names.names() {
            if pattern.search(&name.chars().collect::<Vec<_>>())?.is_some() {
                found.push(Datum::text(name));
            }
        }
    }
    Ok(found)
}

/// `start=1 end=4 stride=1 format=web%02d`, or `4`, `2-10/2`.
fn sequence(terms: &[Datum], options: &Map) -> Result<Vec<Datum>> {
    let (mut start, mut end, mut stride, mut count) = (1i128, None, None, None);
    let mut format = "%d".to_string();
    let mut words: Vec<(String, String)> = Vec::new();
    for term in terms {
        for word in term.to_text()?.split_whitespace() {
            let range = || {
                let (range, step) = word.split_once('/').unwrap_or((word, ""));
                let (from, to) = range.split_once('-').unwrap_or(("1", range));
                [("start", from), ("end", to), ("stride", step)]
                    .map(|(key, value)| (key.to_string(), value.to_string()))
            };
            match word.split_once('=') {
                Some((key, value)) => words.push((key.to_string(), value.to_string())),
                None => words.extend(range().into_iter().filter(|(_, value)| !value.is_empty())),
            }
        }
    }
    for (key, value) in options {
        words.push((key.to_text()?, value.to_text()?));
    }
    for (key, value) in words {
        let number = value.parse::<i128>();
        match (key.as_str(), number) {
            ("format", _) => format = value,
            ("start", Ok(number)) => start = number,
            ("end", Ok(number)) => end = Some(number),
            ("stride", Ok(number)) => stride = Some(number),
            ("count", Ok(number)) => count = Some(number),
            _ => return Err(Fault::new(format!("`{key}={value}` is no part of a sequence"))),
        }
    }
    let stride = stride.unwrap_or(if end.is_some_and(|end| end < start) { -1 } else { 1 });
    let count = match (count, end) {
        (Some(count), _) => count,
        (None, Some(end)) if stride != 0 => fitting(end.checked_sub(start))? / stride + 1,
        _ => return Err(Fault::new("it needs `end` or `count`")),
    };
    if count > super::arithmetic::ITEMS_LIMIT as i128 {
        return Err(Fault::new("it gives too many numbers"));
    }
    let number = |at: i128| {
        let number = at.checked_mul(stride).and_then(|further| start.checked_add(further));
        super::format::percent(&format, &Datum::Int(fitting(number)?))
    };
    (0..count.max(0)).map(number).collect()
}
