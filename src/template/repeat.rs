//! `loop` inside a `{% for %}`: where in the loop one is.

use super::fault::{Fault, Result};
use super::value::{Datum, Object, locked};
use std::sync::{Arc, Mutex};

const KEYS: &[&str] = &[
    "index",
    "index0",
    "revindex",
    "revindex0",
    "first",
    "last",
    "length",
    "depth",
    "depth0",
    "previtem",
    "nextitem",
];

/// The state of a loop at one of its items.
#[derive(Clone, Debug)]
pub struct Repeat {
    items: Arc<Vec<Datum>>,
    at: usize,
    depth: usize,
    /// What `loop.changed()` got last.
    last: Arc<Mutex<Option<Vec<Datum>>>>,
}

impl Repeat {
    /// Before the first item; `depth` counts the loops around it that it repeats.
    pub fn new(items: Arc<Vec<Datum>>, depth: usize) -> Repeat {
        Repeat { items, at: 0, depth, last: Arc::default() }
    }

    /// At an item.
    pub fn at(&self, at: usize) -> Repeat {
        Repeat { at, ..self.clone() }
    }

    fn item(&self, at: Option<usize>, key: &str) -> Datum {
        let item = at.and_then(|at| self.items.get(at)).cloned();
        item.unwrap_or_else(|| super::machine::undefined(format!("loop.{key}"), Vec::new()))
    }
}

impl Object for Repeat {
    fn get(&self, key: &str) -> Option<Datum> {
        let length = self.items.len();
        Some(match key {
            "index" => Datum::count(self.at + 1),
            "index0" => Datum::count(self.at),
            "revindex" => Datum::count(length - self.at),
            "revindex0" => Datum::count(length - self.at - 1),
            "first" => Datum::Bool(self.at == 0),
            "last" => Datum::Bool(self.at + 1 == length),
            "length" => Datum::count(length),
            "depth" => Datum::count(self.depth + 1),
            "depth0" => Datum::count(self.depth),
            "previtem" => self.item(self.at.checked_sub(1), key),
            "nextitem" => self.item(Some(self.at + 1), key),
            _ => return None,
        })
    }

    fn keys(&self) -> Vec<String> {
        KEYS.iter().map(|key| key.to_string()).collect()
    }

    fn call(&self, name: &str, arguments: &[Datum]) -> Option<Result<Datum>> {
        match name {
            "cycle" if arguments.is_empty() => Some(Err(Fault::new("`loop.cycle` needs values"))),
            "cycle" => Some(Ok(arguments[self.at % arguments.len()].clone())),
            "changed" => {
                let mut last = locked(&self.last);
                let changed = last.as_deref() != Some(arguments);
                *last = Some(arguments.to_vec());
                Some(Ok(Datum::Bool(changed)))
            }
            _ => None,
        }
    }
}
