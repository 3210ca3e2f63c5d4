//! What a step's templates can refer to: variables, facts, registered results, what steps have set. Facts are read from
//! the host when an expression first asks for them; what check mode cannot know marks every expression that looks at it.

use super::facts;
use super::others::OtherHosts;
use super::unknown::{Blank, Mark, lock};
use crate::model::arg::Arg;
use crate::model::job::Job;
use crate::model::play::Given;
use crate::model::{Failure, Result, Value, Values};
use crate::system::Probe;
use crate::template::{Datum, Names, OMITTED, Object, Templates};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

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

/// What a name stands for since a step gave it a value.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    /// A step's result.
    Result(Registered),
    /// What `set` gave it; none when only applying shows that.
    Set(Option<Value>),
}

/// Everything templates on this host can refer to.
pub struct Context {
    templates: Templates,
    vars: Values,
    held: BTreeMap<String, Held>,
    facts: Arc<Facts>,
    /// What other hosts have given in earlier plays.
    others: Arc<BTreeMap<String, Given>>,
    mark: Mark,
}

impl Context {
    /// The context of a job before its first step.
    pub fn new(job: &Job) -> Self {
        Context {
            templates: Templates::new(&job.work.templates),
            vars: job.work.vars.clone(),
            held: BTreeMap::new(),
            facts: Arc::default(),
            others: Arc::new(job.work.others.clone()),
            mark: Mark::default(),
        }
    }

    /// Keeps a step's result under a name.
    pub fn register(&mut self, name: &str, result: Registered) {
        self.held.insert(name.to_string(), Held::Result(result));
    }

    /// Gives a variable a value; none when only applying shows which.
    pub fn set(&mut self, name: &str, value: Option<Value>) {
        self.held.insert(name.to_string(), Held::Set(value));
    }

    /// Whether a step has given the name a value, which is stronger than the variable of that name.
    pub fn holds(&self, name: &str) -> bool {
        self.held.contains_key(name)
    }

    /// The results that are kept under names.
    pub fn registered(&self) -> BTreeMap<String, Values> {
        let result = |held: &Held| match held {
            Held::Result(result) => Some(result.known.clone()),
            Held::Set(_) => None,
        };
        self.held.iter().filter_map(|(name, held)| Some((name.clone(), result(held)?))).collect()
    }

    /// The variables that steps have set, as far as their values are known.
    pub fn variables(&self) -> BTreeMap<String, Value> {
        let value = |held: &Held| match held {
            Held::Set(value) => value.clone(),
            Held::Result(_) => None,
        };
        self.held.iter().filter_map(|(name, held)| Some((name.clone(), value(held)?))).collect()
    }

    /// What other hosts look at: the value of a name that a step gave; none inside where only applying shows it.
    pub fn held_as(&self, name: &str) -> Option<Option<Value>> {
        Some(match self.held.get(name)? {
            Held::Result(result) => (!result.partial).then(|| Value::Object(result.known.clone())),
            Held::Set(value) => value.clone(),
        })
    }

    /// The values that steps have given the names which are in this text; none inside where only applying shows one.
    pub fn held_in(&self, text: &str) -> Given {
        let names = self.held.keys().filter(|name| text.contains(name.as_str()));
        names.filter_map(|name| Some((name.clone(), self.held_as(name)?))).collect()
    }

    /// Other hosts have given these.
    pub fn hear(&mut self, others: BTreeMap<String, Given>) {
        self.others = Arc::new(others);
    }

    /// What other hosts have given.
    pub fn others(&self) -> BTreeMap<String, Given> {
        BTreeMap::clone(&self.others)
    }

    /// Drops a registered result.
    pub fn forget(&mut self, name: &str) {
        self.held.remove(name);
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
            Arg::List(list) => self
                .resolve_all(host, locals, list.iter())?
                .map(|values| values.into_iter().filter(is_there).collect()),
            Arg::Map(map) => {
                let values = self.resolve_all(host, locals, map.iter().map(|(_, arg)| arg))?;
                let keys = map.iter().map(|(key, _)| key.clone());
                values.map(|values| keys.zip(values).filter(|(_, value)| is_there(value)).collect())
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
        evaluate: impl Fn(&dyn Names) -> Result<T>,
    ) -> Result<Known<T>> {
        let names = Visible { context: self, locals };
        loop {
            self.mark.take();
            let result = evaluate(&names);
            let wanted = std::mem::take(&mut *lock(&self.facts.wanted));
            if wanted.is_empty() {
                return match self.mark.take() {
                    Some(unknown) => Ok(Known::No(unknown)),
                    None => result.map(Known::Yes).map_err(|failure| self.with_skipped(failure)),
                };
            }
            for name in wanted {
                let value = facts::read(&name, host).transpose()?.unwrap_or(Value::Null);
                lock(&self.facts.known).insert(name, value);
            }
        }
    }
}

impl Context {
    /// What a result lacks whose step was skipped gets a hint.
    fn with_skipped(&self, failure: Failure) -> Failure {
        let path = failure.why.strip_suffix("` is undefined").and_then(|why| why.rsplit('`').next());
        let name = path.and_then(|path| path.split(['.', '[']).next()).unwrap_or_default();
        match self.held.get(name) {
            Some(Held::Result(result)) if result.known.get("skipped") == Some(&Value::Bool(true)) => {
                let hint = format!(
                    "the step that gives `{name}` was skipped: ask with `{name} is not skipped`, or write `| default(…)`"
                );
                failure.hint(hint)
            }
            _ => failure,
        }
    }
}

/// What one expression can refer to. A result, or what `set` gave, is stronger than the variable of the same name, a step's
/// own names are stronger than both.
struct Visible<'a> {
    context: &'a Context,
    locals: &'a Values,
}

impl Names for Visible<'_> {
    fn get(&self, name: &str) -> Option<Datum> {
        if name == HOSTS
            && !self.context.others.is_empty()
            && let Some(known) = self.locals.get(name)
        {
            let (given, mark) = (self.context.others.clone(), self.context.mark.clone());
            return Some(Datum::Object(Arc::new(OtherHosts { known: known.clone(), given, mark })));
        }
        if let Some(value) = self.locals.get(name) {
            return Some(Datum::of(value));
        }
        if let Some(held) = self.context.held.get(name) {
            return Some(self.held(name, held));
        }
        let facts = || (name == FACTS).then(|| Datum::Object(self.context.facts.clone()));
        self.context.vars.get(name).map(Datum::of).or_else(facts)
    }

    fn names(&self) -> Vec<String> {
        let held = self.context.held.keys();
        let names = self.locals.keys().chain(held).chain(self.context.vars.keys());
        names.cloned().chain([FACTS.to_string()]).collect()
    }
}

impl Visible<'_> {
    fn held(&self, name: &str, held: &Held) -> Datum {
        let mark = self.context.mark.clone();
        match held {
            Held::Result(result) => {
                Datum::Object(Arc::new(Partial { name: name.to_string(), result: result.clone(), mark }))
            }
            Held::Set(Some(value)) => Datum::of(value),
            Held::Set(None) => {
                mark.set(name.to_string());
                Datum::Object(Arc::new(Blank))
            }
        }
    }
}

/// Other hosts.
const HOSTS: &str = "hosts";

/// Everything that is read from the host.
const FACTS: &str = "facts";

/// Whether a value was not left out with `omit`.
fn is_there(value: &Value) -> bool {
    value.as_str() != Some(OMITTED)
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

/// `facts`: read when asked for.
#[derive(Debug, Default)]
struct Facts {
    known: Mutex<BTreeMap<String, Value>>,
    wanted: Mutex<BTreeSet<String>>,
}

impl Object for Facts {
    fn get(&self, key: &str) -> Option<Datum> {
        if let Some(value) = lock(&self.known).get(key) {
            return Some(Datum::of(value));
        }
        if !facts::names().contains(&key) {
            return None;
        }
        lock(&self.wanted).insert(key.to_string());
        Some(Datum::Object(Arc::new(Blank)))
    }

    fn keys(&self) -> Vec<String> {
        facts::names().iter().map(|name| name.to_string()).collect()
    }
}

/// A registered result in a template. Its unknown fields mark the expression that looks at them.
#[derive(Debug)]
struct Partial {
    name: String,
    result: Registered,
    mark: Mark,
}

impl Object for Partial {
    fn get(&self, key: &str) -> Option<Datum> {
        match self.result.known.get(key) {
            Some(value) => Some(Datum::of(value)),
            None if self.result.partial => {
                self.mark.set(format!("{}.{key}", self.name));
                Some(Datum::Object(Arc::new(Blank)))
            }
            None => None,
        }
    }

    fn keys(&self) -> Vec<String> {
        if self.result.partial {
            self.mark.set(self.name.clone());
        }
        self.result.known.keys().cloned().collect()
    }
}
