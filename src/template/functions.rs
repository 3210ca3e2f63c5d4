//! Functions that every template can call.

use super::arithmetic::{ITEMS_LIMIT, fitting};
use super::call::{Arguments, Callable, Function};
use super::fault::{Fault, Result};
use super::machine::{Machine, undefined};
use super::moment::Moment;
use super::value::{Datum, Map, Object, locked};
use std::sync::{Arc, Mutex};

const FUNCTIONS: &[(&str, Function)] = &[
    ("range", range),
    ("dict", dict),
    ("namespace", namespace),
    ("now", now),
    ("undef", undef),
    ("vaulted", vaulted),
    ("cycler", cycler),
    ("joiner", joiner),
    ("lookup", lookup),
    ("query", query),
    ("q", query),
    ("file", file),
    ("env", env),
];

/// Functions that look at something here, so that the controller calls them.
pub const LOOKUPS: &[&str] = &["lookup", "query", "q", "file", "env"];

/// The function of this name, or the value `omit`.
pub fn find(name: &str) -> Option<Datum> {
    if name == "omit" {
        return Some(Datum::Omitted);
    }
    let (_, function) = FUNCTIONS.iter().find(|(known, _)| *known == name)?;
    Some(Datum::Callable(Arc::new(Callable::Function(*function))))
}

/// The names of all functions, without the one that no one writes.
pub fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, _)| *name).filter(|name| *name != "vaulted").chain(["super"])
}

fn range(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let first = arguments.int("start")?.ok_or_else(|| Fault::wrong_arguments("it needs a number"))?;
    let second = arguments.int("stop")?;
    let step = arguments.int("step")?.unwrap_or(1);
    arguments.finish()?;
    let (start, stop) = second.map_or((0, first), |stop| (first, stop));
    if step == 0 {
        return Err(Fault::new("the step cannot be 0"));
    }
    let (from, to) = if step > 0 { (start, stop) } else { (stop, start) };
    let wide = to.checked_sub(from).and_then(|wide| wide.checked_add(step.checked_abs()? - 1));
    let count = fitting(wide)? / fitting(step.checked_abs())?;
    if count > ITEMS_LIMIT as i128 {
        return Err(Fault::new(format!("it gives more than {ITEMS_LIMIT} numbers")));
    }
    Ok(Datum::list((0..count.max(0)).map(|at| Datum::Int(start + at * step)).collect()))
}

fn entries(arguments: &mut Arguments) -> Result<Map> {
    let mut map = Map::new();
    if let Some(given) = arguments.take("entries") {
        match given.as_map() {
            Some(given) => map.extend(given),
            None => {
                for pair in given.items()? {
                    match pair.items()?.as_slice() {
                        [key, value] => drop(map.insert(key.clone(), value.clone())),
                        _ => return Err(Fault::new("each entry needs a key and a value")),
                    }
                }
            }
        }
    }
    map.extend(arguments.rest_named().into_iter().map(|(name, value)| (Datum::text(name), value)));
    arguments.finish()?;
    Ok(map)
}

fn dict(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    entries(arguments).map(Datum::map)
}

fn namespace(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    Ok(Datum::Namespace(Arc::new(Mutex::new(entries(arguments)?))))
}

/// `now()`, `now(utc=true)`, `now(utc, '%Y-%m-%d')`.
fn now(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let utc = arguments.flag("utc")?;
    let format = arguments.text("fmt")?;
    arguments.finish()?;
    let moment = Moment::now();
    let moment = if utc { moment } else { machine.templates.outside().local(moment) };
    Ok(format
        .filter(|format| !format.is_empty())
        .map_or(Datum::Moment(moment), |format| moment.format(&format).into()))
}

fn undef(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    arguments.take("hint");
    arguments.finish()?;
    Ok(undefined("", Vec::new()))
}

/// What stands for a value that ansible-vault encrypted: an error where it is used, and nowhere else.
fn vaulted(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    arguments.finish()?;
    Err(Fault::new("ansible-vault encrypted this value, and windlass does not decrypt it")
        .hint("show it with `ansible-vault view`, and give it as a secret: age:NAME, env:NAME, file:PATH or a command"))
}

/// `cycler('a', 'b')`: `.next()` gives one after the other.
#[derive(Debug)]
struct Cycler(Vec<Datum>, Mutex<usize>);

impl Object for Cycler {
    fn get(&self, key: &str) -> Option<Datum> {
        (key == "current").then(|| self.0[*locked(&self.1) % self.0.len()].clone())
    }

    fn keys(&self) -> Vec<String> {
        vec!["current".to_string()]
    }

    fn call(&self, name: &str, _: &[Datum]) -> Option<Result<Datum>> {
        let mut at = locked(&self.1);
        match name {
            "next" => {
                let item = self.0[*at % self.0.len()].clone();
                *at += 1;
                Some(Ok(item))
            }
            "reset" => {
                *at = 0;
                Some(Ok(Datum::None))
            }
            _ => None,
        }
    }
}

fn cycler(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.rest();
    match items.is_empty() {
        true => Err(Fault::new("it needs values")),
        false => Ok(Datum::Object(Arc::new(Cycler(items, Mutex::new(0))))),
    }
}

/// `joiner(', ')`: nothing the first time it is called, then the separator.
fn joiner(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let _ = machine;
    let separator = arguments.text("sep")?.unwrap_or_else(|| ", ".to_string());
    arguments.finish()?;
    Ok(Datum::Callable(Arc::new(Callable::Joiner(separator, Mutex::new(false)))))
}

/// `lookup('file', 'name')`: what several names give is joined with commas, as in Ansible.
fn lookup(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let list = arguments.named("wantlist").map_or(Ok(false), |flag| flag.truth())?;
    let Some(mut found) = looked_up(machine, arguments)? else {
        return Ok(if list { Datum::list(Vec::new()) } else { Datum::None });
    };
    if list {
        return Ok(Datum::list(found));
    }
    let texts: Option<Vec<&str>> = found.iter().map(Datum::as_text).collect();
    match (found.len(), texts) {
        (1, _) => Ok(found.swap_remove(0)),
        (_, Some(texts)) => Ok(Datum::text(texts.join(","))),
        (_, None) => Ok(Datum::list(found)),
    }
}

fn query(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    looked_up(machine, arguments).map(|found| Datum::list(found.unwrap_or_default()))
}

/// What is found; `None` where a failure is to be ignored.
fn looked_up(machine: &mut Machine, arguments: &mut Arguments) -> Result<Option<Vec<Datum>>> {
    let errors = arguments.text_named("errors")?.unwrap_or_else(|| "strict".to_string());
    if !["strict", "ignore", "warn"].contains(&errors.as_str()) {
        let fault = Fault::new(format!("`errors` cannot be `{errors}`"));
        return Err(fault.hint("it is strict, warn or ignore"));
    }
    let kind = arguments.required_text("kind")?;
    let kind = kind.rsplit('.').next().unwrap_or(&kind).to_string();
    let terms = arguments.rest();
    let options: Map =
        arguments.rest_named().into_iter().map(|(name, value)| (Datum::text(name), value)).collect();
    let is_known = super::lookup::KINDS.contains(&kind.as_str());
    match super::lookup::find(machine, &kind, terms, options) {
        Err(_) if is_known && errors != "strict" => Ok(None),
        found => found.map(Some),
    }
}

fn file(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let name = arguments.required_text("name")?;
    arguments.finish()?;
    machine.templates.outside().file(&name).map(Datum::text)
}

fn env(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let name = arguments.required_text("name")?;
    let other = arguments.take("default");
    arguments.finish()?;
    match (machine.templates.outside().variable(&name)?, other) {
        (Some(value), _) => Ok(Datum::text(value)),
        (None, Some(other)) => Ok(other),
        (None, None) => Ok(Datum::text("")),
    }
}
