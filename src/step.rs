//! Step kinds: each one file of a domain below, with its keys, a documented example, what it plans, and its tests. The
//! domain's file lists them in the table that `KINDS` joins; parser, reference, JSON Schema and lint all walk that table.

use crate::model::arg::Arg;
use crate::model::backup::Request;
use crate::model::job::{JobStep, Streaming};
use crate::model::op::{Answer, Plan, Run};
use crate::model::{Failure, Result, Value};
use crate::system::Probe;
use serde::de::DeserializeOwned;

/// A step whose keys have been read. It can look at a host and say what it would do; only the engine acts.
pub trait Step: Send + Sync {
    /// What would make the host as this step wants it. Called again after its ops were performed, until it is empty.
    fn plan(&self, host: &dyn Probe) -> Result<Plan>;

    /// What is to be done once this step has failed and what it had changed is rolled back: to note why, to clear away.
    fn after_failure(&self, _host: &dyn Probe, _failure: &Failure) -> Result<Plan> {
        Ok(Plan::nothing())
    }

    /// What a refused command of this step's plan means, where its last line of output says too little.
    fn explain(&self, _run: &Run, _answer: &Answer) -> Option<Failure> {
        None
    }

    /// What of the output of its commands people want to see while they run, at most.
    fn streams(&self) -> Streaming {
        Streaming::Nothing
    }

    /// Whether its plan may reboot the host, so that its run has to resume afterwards.
    fn boots(&self) -> bool {
        false
    }

    /// Whether the handlers that were notified so far run once it has ended.
    fn flushes(&self) -> bool {
        false
    }

    /// The backup that its host will send, for the controller to prepare for.
    fn backup(&self) -> Option<Request> {
        None
    }

    /// The file that its host will send, for the controller to compare with what it has.
    fn fetches(&self) -> Option<Fetches> {
        None
    }

    /// Refuses keys that fit one by one but not together, so that a playbook is refused before anything is contacted.
    fn check(&self) -> Result<(), WrongKey> {
        Ok(())
    }
}

/// A file that a host sends to the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetches {
    /// Its path below the host's directory on the controller.
    pub kept_as: String,
    /// The key in which the step gets the digest of what the controller has there from an earlier run, so that only a
    /// file that differs travels.
    pub have: &'static str,
}

/// A step kind. Its struct's fields are the keys of its TOML table, their doc comments the reference.
pub trait Kind: Step + DeserializeOwned + Described + 'static {
    /// The table's name: `[steps.NAME]`.
    const NAME: &'static str;
    /// A playbook's `[[steps]]` that uses every key. It is documentation and test.
    const EXAMPLE: &'static str;
    /// What `register` gets of such a step beside [`OF_ALL`].
    const RESULT: &'static [&'static str] = &[];
    /// Keys that mean something on the controller before the job is sent.
    const KEYS: &'static [(&'static str, KeyUse)] = &[];
    /// Whether its keys are names of variables, to which the step gives these values.
    const SETS: bool = false;
    /// Whether such a step can run in the background (`async`): all that it does is one command.
    const BACKGROUND: bool = false;
    /// Whether it waits for such steps: its keys are their names.
    const WAITS: bool = false;
    /// Why such a step cannot be run on another host (`on`): what it does belongs to its own.
    const STAYS: Option<&'static str> = None;
}

/// What every result has.
pub const OF_ALL: &[&str] = &["changed", "failed", "skipped", "findings"];

/// What the result of a command has.
pub const OF_COMMANDS: &[&str] = &["status", "stdout", "stdout_lines", "stderr", "stderr_lines"];

/// In [`Kind::RESULT`]: the step's own keys name more fields.
pub const ANY_FIELD: &str = "*";

/// Keys with a JSON Schema. Only the controller describes keys.
#[cfg(feature = "controller")]
pub use schemars::JsonSchema as Described;

/// Keys with a JSON Schema. Only the controller describes keys, so that on a host every type will do.
#[cfg(not(feature = "controller"))]
pub trait Described {}
#[cfg(not(feature = "controller"))]
impl<Keys> Described for Keys {}

/// What the controller makes of a key's value, since hosts have neither the project's files nor its store.
///
/// A variant is here for what is read, and not for a kind that reads it. `Asset`, `Text`, `Texts`, `Template` and `Tree` are
/// the ways in which a file travels. `Expression` and `Known` say when a value must be known. `Image`, `Backup`, `Imports`
/// and `Variables` stay because reading an archive of images, a store or source code takes libraries that the agent does not
/// have, so that a kind, which the agent has, cannot read them itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// The path of a file below `files/`; the step gets an [`Asset`](crate::model::op::Asset).
    Asset,
    /// The path of an archive of `docker save` below `files/`; the step gets digest, size, and the images in it.
    Image,
    /// The path of a file below `files/`; the step gets its text.
    Text,
    /// The path of a directory below `files/`; the step gets the [`NamedText`]s in it and below it, sorted by name.
    Texts,
    /// The path of a template below `templates/`; the step gets the rendered text.
    Template,
    /// A directory or archive of the controller: below `files/`, else in the project, else `/…` or `~/…`. The step gets a
    /// [`Named`](crate::model::tree::Named) tree; its keys `exclude` and `strip` choose what is read.
    Tree,
    /// A backup in a store of the controller's: an id, or `HOST/NAME` for the newest. The step gets what is in it; its keys
    /// `store`, `identity`, `parts` and `test` choose what is read.
    Backup,
    /// An expression or a list of them; the step gets each with its value.
    Expression,
    /// Any value that must be known before the host is contacted: the controller acts on it too.
    Known,
    /// A directory here; the step gets what its imports lead to.
    Imports,
    /// A directory here; the step gets the environment variables that it reads.
    Variables,
    /// Any value. A host whose step gives it gets the agent that parses JavaScript.
    Javascript,
    /// The name of a group, which the host joins before the jobs are made. It may depend on facts.
    Group,
    /// The names of the groups above that one.
    Parents,
}

/// A text file of a directory on the controller.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "controller", derive(serde::Serialize))]
pub struct NamedText {
    /// The file's path in the directory.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A row of the table: a step kind without its type.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As in [`Kind::NAME`].
    pub name: &'static str,
    /// The group of the reference that it is in: its domain's, for example `run and check`.
    pub group: &'static str,
    /// As in [`Kind::EXAMPLE`]. Hosts have no use for it, and all of them together would be 15 KB of each upload.
    #[cfg(feature = "controller")]
    pub example: &'static str,
    /// As in [`Kind::RESULT`].
    #[cfg(feature = "controller")]
    pub result: &'static [&'static str],
    /// As in [`Kind::KEYS`].
    pub keys: &'static [(&'static str, KeyUse)],
    /// As in [`Kind::SETS`].
    pub sets: bool,
    /// As in [`Kind::BACKGROUND`].
    #[cfg(feature = "controller")]
    pub background: bool,
    /// As in [`Kind::WAITS`].
    #[cfg(feature = "controller")]
    pub waits: bool,
    /// As in [`Kind::STAYS`].
    #[cfg(feature = "controller")]
    pub stays: Option<&'static str>,
    /// Reads a step's rendered keys.
    pub parse: fn(&Value) -> Result<Box<dyn Step>, WrongKey>,
    /// Describes its keys.
    #[cfg(feature = "controller")]
    pub schema: fn() -> schemars::Schema,
}

/// A key whose value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongKey {
    /// Where in the step's table: `merge.dns[0]`; empty for the table itself.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
}

impl WrongKey {
    /// The failure of a step of kind `kind` whose key it is.
    pub fn in_step(self, kind: &str) -> Failure {
        match self.path.as_str() {
            "" => Failure::new(format!("read the keys of {kind}"), self.why),
            path => Failure::new(format!("read {kind}.{path}"), self.why),
        }
    }

    /// What is wrong with the key at `path`; an empty path is the step's table.
    pub fn new(path: &str, why: impl Into<String>) -> Self {
        WrongKey { path: path.to_string(), why: why.into() }
    }
}

/// The row of the kind called `name`.
pub fn kind(name: &str) -> Option<&'static Row> {
    KINDS.iter().find(|row| row.name == name)
}

/// Whether a step runs the handlers that were notified so far.
pub fn flushes(step: &JobStep) -> bool {
    step.kind == checks::flush_handlers::FlushHandlers::NAME
}

/// Whether a step makes its host parse JavaScript.
#[cfg(feature = "controller")]
pub fn parses_javascript(step: &JobStep) -> bool {
    let keys = kind(&step.kind).map_or(&[][..], |row| row.keys);
    let has = |key| step.args.as_ref().is_some_and(|args| args.has(key));
    step.skip.is_none() && keys.iter().any(|(key, key_use)| *key_use == KeyUse::Javascript && has(key))
}

/// The variables that a step sets, with what is known of their values before its host is seen.
pub fn variables(step: &JobStep) -> Vec<(String, Arg)> {
    match &step.args {
        _ if !kind(&step.kind).is_some_and(|row| row.sets) => Vec::new(),
        Some(Arg::Map(map)) => map.clone(),
        Some(Arg::Value(Value::Object(values))) => {
            values.iter().map(|(name, value)| (name.clone(), Arg::Value(value.clone()))).collect()
        }
        _ => Vec::new(),
    }
}

/// Reads the rendered keys of a step of kind `name`.
pub fn parse(name: &str, keys: &Value) -> Result<Box<dyn Step>> {
    let row =
        kind(name).ok_or_else(|| Failure::new(format!("read step kind {name}"), "there is no such kind"))?;
    (row.parse)(keys).map_err(|wrong| wrong.in_step(name))
}

const fn row<K: Kind>(group: &'static str) -> Row {
    Row {
        name: K::NAME,
        group,
        #[cfg(feature = "controller")]
        example: K::EXAMPLE,
        #[cfg(feature = "controller")]
        result: K::RESULT,
        keys: K::KEYS,
        sets: K::SETS,
        #[cfg(feature = "controller")]
        background: K::BACKGROUND,
        #[cfg(feature = "controller")]
        waits: K::WAITS,
        #[cfg(feature = "controller")]
        stays: K::STAYS,
        parse: parse_as::<K>,
        #[cfg(feature = "controller")]
        schema: || schemars::schema_for!(K),
    }
}

fn parse_as<K: Kind>(keys: &Value) -> Result<Box<dyn Step>, WrongKey> {
    match serde_path_to_error::deserialize::<_, K>(keys) {
        Ok(step) => step.check().map(|()| Box::new(step) as Box<dyn Step>),
        Err(error) => Err(WrongKey { path: path_of(error.path()), why: error.inner().to_string() }),
    }
}

fn path_of(path: &serde_path_to_error::Path) -> String {
    match path.to_string().as_str() {
        "." => String::new(),
        text => text.to_string(),
    }
}

/// Declares the kinds of one domain: the group's name in the reference, then a row for each kind's file.
macro_rules! kinds {
    ($group:literal: $($file:ident::$kind:ident),* $(,)?) => {
        $(pub mod $file;)*
        /// The kinds of this domain, in the order of the reference.
        pub const KINDS: &[$crate::step::Row] = &[$($crate::step::row::<$file::$kind>($group)),*];
    };
}

/// Reads what a kind reads of hosts' files, for the tests that feed it anything.
#[cfg(any(test, fuzzing))]
pub fn read_any_compose(text: &str) {
    containers::compose_port::read_any(text);
}

/// Reads what a host says of its ports, for the same tests.
#[cfg(any(test, fuzzing))]
pub fn read_any_ports(text: &str) {
    checks::port::read_any(text);
}

pub mod checks;
pub mod containers;
pub mod data;
pub mod deploy;
pub mod files;
pub mod system;
pub mod web;

/// The kinds of each domain, in the order of the reference.
const DOMAINS: [&[Row]; 7] =
    [files::KINDS, system::KINDS, checks::KINDS, web::KINDS, containers::KINDS, data::KINDS, deploy::KINDS];

/// Every step kind, in the order of the reference.
pub static KINDS: &[Row] = &joined::<{ count(&DOMAINS) }>(&DOMAINS);

/// How many rows the tables have together.
const fn count(domains: &[&[Row]]) -> usize {
    match domains {
        [first, others @ ..] => first.len() + count(others),
        [] => 0,
    }
}

/// The rows of all tables in one; loops, because a constant cannot use iterators.
const fn joined<const COUNT: usize>(domains: &[&[Row]]) -> [Row; COUNT] {
    let mut all = [domains[0][0]; COUNT];
    let (mut at, mut domain, mut row) = (0, 0, 0);
    while at < COUNT {
        if row < domains[domain].len() {
            all[at] = domains[domain][row];
            (at, row) = (at + 1, row + 1);
        } else {
            (domain, row) = (domain + 1, 0);
        }
    }
    all
}

#[cfg(all(test, feature = "controller"))]
mod tests;
