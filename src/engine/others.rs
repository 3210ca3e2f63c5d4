//! `hosts` on a host: what was known of other hosts before the run, and what these have given in earlier plays.

use super::unknown::{Blank, Mark};
use crate::model::Value;
use crate::model::play::Given;
use crate::template::{Datum, Object};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All other hosts.
#[derive(Debug)]
pub struct OtherHosts {
    /// What was known before the run.
    pub known: Value,
    /// What was given since, by host.
    pub given: Arc<BTreeMap<String, Given>>,
    /// Set where only applying shows it.
    pub mark: Mark,
}

/// One of them.
#[derive(Debug)]
struct OtherHost {
    name: String,
    known: Value,
    given: Given,
    mark: Mark,
}

/// Its variables.
#[derive(Debug)]
struct OtherVars(OtherHost);

/// The key of a host's variables.
const VARS: &str = "vars";

impl Object for OtherHosts {
    fn get(&self, key: &str) -> Option<Datum> {
        let known = self.known.get(key)?.clone();
        let Some(given) = self.given.get(key).cloned() else { return Some(Datum::of(&known)) };
        let (name, mark) = (key.to_string(), self.mark.clone());
        Some(Datum::Object(Arc::new(OtherHost { name, known, given, mark })))
    }

    fn keys(&self) -> Vec<String> {
        keys(&self.known)
    }
}

impl Object for OtherHost {
    fn get(&self, key: &str) -> Option<Datum> {
        if key != VARS {
            return self.known.get(key).map(Datum::of);
        }
        let known = self.known.get(VARS).cloned().unwrap_or_default();
        let (name, given, mark) = (self.name.clone(), self.given.clone(), self.mark.clone());
        Some(Datum::Object(Arc::new(OtherVars(OtherHost { name, known, given, mark }))))
    }

    fn keys(&self) -> Vec<String> {
        keys(&self.known)
    }
}

impl Object for OtherVars {
    fn get(&self, key: &str) -> Option<Datum> {
        let OtherHost { name, known, given, mark } = &self.0;
        match given.get(key) {
            Some(Some(value)) => Some(Datum::of(value)),
            Some(None) => {
                mark.set(format!("hosts['{name}'].vars.{key}"));
                Some(Datum::Object(Arc::new(Blank)))
            }
            None => known.get(key).map(Datum::of),
        }
    }

    fn keys(&self) -> Vec<String> {
        let mut all = keys(&self.0.known);
        all.extend(self.0.given.keys().cloned());
        all
    }
}

fn keys(value: &Value) -> Vec<String> {
    value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
}
