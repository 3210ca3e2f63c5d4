//! What a step's templates can refer to: variables, facts, registered results. Facts are read from the host when an
//! expression first asks for them; what check mode cannot know marks every expression that looks at it.

use super::facts;
use crate::model::arg::Arg;
use crate::model::job::Job;
use crate::model::{Result, Value, Values};
use crate::system::Probe;
use crate::template::Templates;
use minijinja::Value as Shown;
use minijinja::value::{Enumerator, Object, Serde};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The result of evaluating something that may refer to what is not known yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Known<T> {
    /// The value.
    Yes(T),
    /// It depends on this, which is unknown until applied.
    No(String),
}

/// A registered result: what is known of it, and whether the rest is unknown until applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registered {
    /// The fields that are known.
    pub known: Values,
    /// The other fields exist, but only applying will tell them.
    pub partial: bool,
}

/// Everything templates on this host can refer to.
pub struct Context {
    templates: Templates,
    vars: Values,
    registered: BTreeMap<String, Registered>,
    facts: Arc<Facts>,
    mark: Mark,
}

/// Set by whoever looks at something unknown: what that was.
#[derive(Clone, Debug, Default)]
struct Mark(Arc<Mutex<Option<String>>>);

impl Context {
    /// The context of a job before its first step.
    pub fn new(job: &Job) -> Self {
        Context {
            templates: Templates::new(&job.work.templates),
            vars: job.work.vars.clone(),
            registered: BTreeMap::new(),
            facts: Arc::default(),
            mark: Mark::default(),
        }
    }

    /// Keeps a step's result under a name.
    pub fn register(&mut self, name: &str, result: Registered) {
        self.registered.insert(name.to_string(), result);
    }

    /// What is kept under names.
    pub fn registered(&self) -> BTreeMap<String, Values> {
        self.registered.iter().map(|(name, result)| (name.clone(), result.known.clone())).collect()
    }

    /// Drops a registered result.
    pub fn forget(&mut self, name: &str) {
        self.registered.remove(name);
    }

    /// Facts that were read may no longer be true after a change.
    pub fn forget_facts(&self) {
        lock(&self.facts.known).clear();
    }

    /// An argument with everything rendered that waited for the host.
    pub fn resolve(&self, host: &dyn Probe, locals: &Values, arg: &Arg) -> Result<Known<Value>> {
        Ok(match arg {
            Arg::Value(value) => Known::Yes(value.clone()),
            Arg::Template(source) => {
                self.evaluate(host, locals, |names| self.templates.value(source, names))?
            }
            Arg::Expression(source) => self
                .evaluate(host, locals, |names| self.templates.expression(source, names))?
                .map(|value| serde_json::json!({ "expression": source, "value": value })),
            Arg::List(list) => self.resolve_all(host, locals, list.iter())?.map(Value::Array),
            Arg::Map(map) => {
                let values = self.resolve_all(host, locals, map.iter().map(|(_, arg)| arg))?;
                values.map(|values| map.iter().map(|(key, _)| key.clone()).zip(values).collect())
            }
        })
    }

    /// Whether an expression is true.
    pub fn truth(&self, host: &dyn Probe, locals: &Values, source: &str) -> Result<Known<bool>> {
        self.evaluate(host, locals, |names| self.templates.truth(source, names))
    }

    fn resolve_all<'a>(
        &self,
        host: &dyn Probe,
        locals: &Values,
        args: impl Iterator<Item = &'a Arg>,
    ) -> Result<Known<Vec<Value>>> {
        let mut values = Vec::new();
        for arg in args {
            match self.resolve(host, locals, arg)? {
                Known::Yes(value) => values.push(value),
                Known::No(why) => return Ok(Known::No(why)),
            }
        }
        Ok(Known::Yes(values))
    }

    /// Evaluates again and again while it asks for facts that have not been read, of which there are few.
    fn evaluate<T>(
        &self,
        host: &dyn Probe,
        locals: &Values,
        evaluate: impl Fn(&Shown) -> Result<T>,
    ) -> Result<Known<T>> {
        let names = self.names(locals);
        loop {
            self.mark.take();
            let result = evaluate(&names);
            let wanted = std::mem::take(&mut *lock(&self.facts.wanted));
            if wanted.is_empty() {
                return match self.mark.take() {
                    Some(unknown) => Ok(Known::No(unknown)),
                    None => result.map(Known::Yes),
                };
            }
            for name in wanted {
                let value = facts::read(&name, host).transpose()?.unwrap_or(Value::Null);
                lock(&self.facts.known).insert(name, value);
            }
        }
    }

    fn names(&self, locals: &Values) -> Shown {
        let mut names: BTreeMap<String, Shown> = BTreeMap::new();
        names.insert("facts".to_string(), Shown::from_dyn_object(self.facts.clone()));
        names.extend(self.vars.iter().map(|(name, value)| (name.clone(), Shown::from(Serde(value)))));
        for (name, result) in &self.registered {
            let partial = Partial { name: name.clone(), result: result.clone(), mark: self.mark.clone() };
            names.insert(name.clone(), Shown::from_object(partial));
        }
        names.extend(locals.iter().map(|(name, value)| (name.clone(), Shown::from(Serde(value)))));
        Shown::from_pairs(names)
    }
}

impl<T> Known<T> {
    /// The same knowledge of something made from it.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Known::Yes(value) => Known::Yes(make(value)),
            Known::No(why) => Known::No(why),
        }
    }
}

impl Mark {
    fn set(&self, what: String) {
        lock(&self.0).get_or_insert(what);
    }

    fn take(&self) -> Option<String> {
        lock(&self.0).take()
    }
}

/// `facts`: read when asked for.
#[derive(Debug, Default)]
struct Facts {
    known: Mutex<BTreeMap<String, Value>>,
    wanted: Mutex<BTreeSet<String>>,
}

impl Object for Facts {
    fn get_value(self: &Arc<Self>, key: &Shown) -> Option<Shown> {
        let name = key.as_str()?;
        if let Some(value) = lock(&self.known).get(name) {
            return Some(Shown::from(Serde(value)));
        }
        if !facts::names().contains(&name) {
            return None;
        }
        lock(&self.wanted).insert(name.to_string());
        Some(Shown::from_object(Blank))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(facts::names().iter().map(|name| Shown::from(*name)).collect())
    }
}

/// Stands for a value while it is not known: whatever is asked of it is as unknown as it is. What comes of the
/// expression is thrown away.
#[derive(Debug)]
struct Blank;

impl Object for Blank {
    fn get_value(self: &Arc<Self>, _: &Shown) -> Option<Shown> {
        Some(Shown::from_object(Blank))
    }
}

/// A registered result in a template. Its unknown fields mark whoever looks at them.
#[derive(Debug)]
struct Partial {
    name: String,
    result: Registered,
    mark: Mark,
}

impl Object for Partial {
    fn get_value(self: &Arc<Self>, key: &Shown) -> Option<Shown> {
        let key = key.as_str()?;
        match self.result.known.get(key) {
            Some(value) => Some(Shown::from(Serde(value))),
            None if self.result.partial => {
                self.mark.set(format!("{}.{key}", self.name));
                Some(Shown::from_object(Blank))
            }
            None => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        if self.result.partial {
            self.mark.set(self.name.clone());
        }
        Enumerator::Values(self.result.known.keys().map(|key| Shown::from(key.as_str())).collect())
    }

    fn render(self: &Arc<Self>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.result.partial {
            self.mark.set(self.name.clone());
        }
        write!(out, "{}", Value::Object(self.result.known.clone()))
    }
}

/// These locks guard plain data that is never left half changed, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
