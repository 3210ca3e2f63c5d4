//! A playbook: params, variables and steps, read strictly. Everything that can be known without a host is checked here.

mod ansible;
pub mod background;
mod block;
pub mod catalogue;
pub mod check;
pub mod grouping;
mod kind_hints;
pub mod params;
mod play_node;
pub mod plays;
mod read;
pub mod role;
pub mod rounds;
pub mod shipped;
mod step;

use crate::diagnostic::Diagnostics;
use crate::keys::Share;
use crate::model::job::{InBlock, OnFailure};
use crate::project::Project;
use crate::setting::{Origin, Setting};
use crate::source::{Data, Entry, Node, Place, Source};
use crate::step::Row;
use crate::template::is_plain;
use background::Background;
use params::Param;
use plays::Play;
use rounds::Within;
use std::sync::Arc;
use std::time::Duration;

/// A whole playbook, included ones put in.
#[derive(Clone, Debug)]
pub struct Playbook {
    /// Its file's name without extension.
    pub name: String,
    /// Its own file, then those it includes.
    pub files: Vec<Arc<Source>>,
    /// For people.
    pub description: Option<String>,
    /// In order; those of included playbooks after its own.
    pub params: Vec<Param>,
    /// `vars`.
    pub vars: Vec<Setting>,
    /// The hosts it is meant for, when the command line names none.
    pub hosts: Option<Written>,
    /// Whether its steps run as another user; what the inventory says when it does not say.
    pub becomes: Option<bool>,
    /// How many hosts each batch has, the last number again and again. Empty: all at once.
    pub serial: Vec<Share>,
    /// No further host is started once so many have failed, or such a share of all, rounded up.
    pub max_failures: Option<Share>,
    /// What becomes of a host whose step failed.
    pub on_failure: OnFailure,
    /// `[[plays]]`, in order; none where the file is one play.
    pub plays: Vec<Play>,
    /// In order, those of all plays.
    pub steps: Vec<Step>,
    /// Run at the end when notified.
    pub handlers: Vec<Step>,
    /// Run after a failure.
    pub rescue: Vec<Step>,
    /// Run in any case.
    pub always: Vec<Step>,
}

/// One step as it is written.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it begins.
    pub place: Place,
    /// A template.
    pub name: Option<Written>,
    /// Its kind.
    pub kind: &'static Row,
    /// The kind's own keys.
    pub keys: Node,
    /// An expression.
    pub when: Option<Written>,
    /// `loop`: a list, or an expression that gives one.
    pub items: Option<Node>,
    /// What an element is called.
    pub loop_var: String,
    /// How an element is named in output: a template. The element itself when not given.
    pub label: Option<Written>,
    /// The name of its result.
    pub register: Option<Written>,
    /// Names of handlers, and topics that handlers listen to.
    pub notify: Vec<Written>,
    /// Of a handler: the topics that it listens to.
    pub listen: Vec<Written>,
    /// Its own tags and those of what includes it.
    pub tags: Vec<String>,
    /// Values for this step only: those of what includes it, then its own.
    pub vars: Vec<Setting>,
    /// The params of the included playbooks that it is of, the innermost last.
    pub params: Vec<Param>,
    /// Values that everything else is stronger than: those of the role that it is of.
    pub defaults: Vec<Setting>,
    /// The user whom its commands run as.
    pub become_user: Option<Written>,
    /// Added to the environment of its commands.
    pub environment: Option<Node>,
    /// How many times more it is tried.
    pub retries: u32,
    /// Between tries.
    pub delay: Duration,
    /// An expression over the result.
    pub until: Option<Written>,
    /// For the whole step.
    pub timeout: Option<Duration>,
    /// An expression over the result.
    pub changed_when: Option<Written>,
    /// An expression over the result.
    pub failed_when: Option<Written>,
    /// Its failure does not end the host's run.
    pub ignore_errors: bool,
    /// Only the first host of the run does it.
    pub run_once: bool,
    /// The host that runs it for each host: a template.
    pub on: Option<Written>,
    /// How long it may run in the background: `async`.
    pub background: Option<Background>,
    /// Nothing of its arguments, diff or output is reported.
    pub no_log: bool,
    /// The blocks with `rescue` or `always` that it is in, the outermost first.
    pub blocks: Vec<InBlock>,
    /// The play that it is of, counted from 0.
    pub play: u32,
    /// The includes, roles and blocks that it is in, the outermost first.
    pub within: Vec<Within>,
}

/// A text and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl Playbook {
    /// Finds and reads a playbook: the project's of this name, a shipped one, or the file at this path.
    pub fn find(project: &Project, name: &str) -> Result<Playbook, Diagnostics> {
        let source = catalogue::source(project, name)?;
        Playbook::read(project, &source)
    }

    /// Reads a playbook and those it includes.
    pub fn read(project: &Project, source: &Arc<Source>) -> Result<Playbook, Diagnostics> {
        read::playbook(project, source)
    }

    /// Steps, handlers, rescue and always, in the order in which they are counted.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(&self.handlers).chain(&self.rescue).chain(&self.always)
    }

    /// The indices of [`Playbook::all_steps`] in the order in which the steps run: play by play, handlers last.
    pub fn running_order(&self) -> impl Iterator<Item = usize> + use<> {
        let (steps, handlers) = (self.steps.len(), self.handlers.len());
        let all = steps + handlers + self.rescue.len() + self.always.len();
        let plays: Vec<u32> = self.all_steps().map(|step| step.play).collect();
        let mut order: Vec<usize> =
            (0..steps).chain(steps + handlers..all).chain(steps..steps + handlers).collect();
        order.sort_by_key(|index| plays[*index]);
        order.into_iter()
    }

    /// The files it is read from: its own first.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.files.iter()
    }

    /// What its steps set: their `vars`, and the results they register.
    pub fn settings_of_steps(&self) -> Vec<Setting> {
        let registered = |step: &Step| {
            let name = step.register.as_ref()?;
            let value = "(its result)".into();
            Some(Setting::new(&name.text, value, &name.place, Origin::Registered(step.title())))
        };
        let set = |step: &Step| -> Vec<Setting> {
            let origin = Origin::Set(step.title());
            let setting =
                |entry: &Entry| Setting::new(&entry.key, entry.node.value(), &entry.place, origin.clone());
            step.sets().map(setting).collect()
        };
        let mut settings: Vec<Setting> = Vec::new();
        for default in self.all_steps().flat_map(Step::weakest) {
            if settings.iter().all(|known| known.place != default.place) {
                settings.push(default);
            }
        }
        // Those of a play or an include are there once, however many steps have them.
        let own = self
            .all_steps()
            .flat_map(|step| step.vars.iter().cloned().chain(registered(step)).chain(set(step)));
        for setting in own {
            let known = |known: &Setting| (&known.place, &known.name) == (&setting.place, &setting.name);
            if !settings.iter().any(known) {
                settings.push(setting);
            }
        }
        settings
    }
}

impl Step {
    /// Its name as it is written, or its kind and what it is about: `file /etc/motd`.
    pub fn title(&self) -> String {
        self.name.as_ref().map_or_else(|| self.subject(), |name| name.text.clone())
    }

    /// What it has from the role and the playbooks that include it, when nothing else sets that.
    pub fn weakest(&self) -> impl Iterator<Item = Setting> {
        self.defaults.iter().cloned().chain(self.params.iter().filter_map(Param::setting))
    }

    /// The variables that it gives values: those of `set`.
    pub fn sets(&self) -> impl Iterator<Item = &Entry> {
        self.keys.entries().unwrap_or_default().iter().filter(|_| self.kind.sets)
    }

    /// The names that mean something else once it has run: that of its result, and the variables that it sets.
    pub fn gives(&self) -> impl Iterator<Item = &str> {
        let register = self.register.iter().map(|name| name.text.as_str());
        register.chain(self.sets().map(|entry| entry.key.as_str()))
    }

    /// Its kind, and what it is about where that is short and may be shown.
    fn subject(&self) -> String {
        if self.kind.sets {
            let names: Vec<&str> = self.sets().map(|entry| entry.key.as_str()).collect();
            return format!("{} {}", self.kind.name, names.join(", "));
        }
        if self.kind.waits {
            let names: Vec<String> = self.waits().into_iter().map(|name| name.text).collect();
            return format!("{} {}", self.kind.name, names.join(", "));
        }
        let about = SUBJECTS
            .iter()
            .filter(|(kind, _)| kind.is_none_or(|kind| kind == self.kind.name))
            .find_map(|(_, key)| self.keys.get(key).and_then(short))
            // The elements of a loop are named one by one.
            .filter(|about| !self.no_log && (self.items.is_none() || is_plain(about)));
        about.map_or_else(|| self.kind.name.to_string(), |about| format!("{} {about}", self.kind.name))
    }
}

/// The keys that say what a step is about, the first one that it has; some of them only for one kind.
const SUBJECTS: &[(Option<&str>, &str)] = &[
    (None, "path"),
    (None, "paths"),
    (None, "dest"),
    (None, "name"),
    (None, "shell"),
    (None, "argv"),
    (None, "file"),
    (None, "user"),
    (None, "port"),
    (None, "ports"),
    (None, "dir"),
    // The URLs of databases may hold passwords.
    (Some("http"), "url"),
];

/// What a step is about is shown up to so many characters; longer texts are left out.
const SUBJECT_WIDTH: usize = 60;

/// A value in a few words.
fn short(node: &Node) -> Option<String> {
    let text = match &node.data {
        Data::Scalar(value) => value.as_str().map_or_else(|| value.to_string(), str::to_string),
        Data::List(list) => list.iter().map(short).collect::<Option<Vec<_>>>()?.join(" "),
        Data::Table(_) => return None,
    };
    let fits = !text.is_empty() && !text.contains('\n') && text.chars().count() <= SUBJECT_WIDTH;
    fits.then_some(text)
}

/// What the name of a shipped playbook's file begins with in messages.
const SHIPPED: &str = "windlass:playbooks/";

#[cfg(test)]
mod tests;
