//! What is to be run on the chosen hosts, whatever command asked for it: one value, from which jobs, options and the
//! record's intent are made.

use crate::keys::Share;
use crate::model::job::{BreakLock, OnFailure, RunId};
use crate::model::run::{RunKind, Source};
use crate::playbook::Playbook;
use crate::playbook::plays::Stage;
use crate::render::Selection;
use crate::saved_plan::{HostPart, SavedPlan};
use std::collections::BTreeMap;

/// What is to be run.
pub struct Request {
    /// What sort of run.
    pub kind: RunKind,
    /// The run that is retried or undone.
    pub of: Option<RunId>,
    /// The playbook's name, or the command as it was typed.
    pub name: String,
    /// What the playbook says of becoming another user.
    pub becomes: Option<bool>,
    /// The playbook and what it includes, for the record.
    pub sources: Vec<Source>,
    /// How it is spread over hosts.
    pub spread: Spread,
    /// The person is asked before each step.
    pub asks: bool,
    /// What each host does.
    pub assignment: Assignment,
}

/// How a run is spread over hosts.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    /// How many hosts each batch has.
    pub serial: Vec<Share>,
    /// How many failures end the run.
    pub max_failures: Option<Share>,
    /// What becomes of the hosts that are fine when another failed.
    pub on_failure: OnFailure,
    /// The plays, where they are known already: those of a saved plan, and of a run that is undone.
    pub stages: Vec<Stage>,
    /// On which hosts these plays become another user.
    pub becomes: BTreeMap<String, bool>,
}

/// What each host does.
pub enum Assignment {
    /// Steps of a playbook, or a step or script that was made one.
    Playbook(Box<Playbook>, Selection),
    /// One line of shell text.
    Command(String),
    /// What a saved plan says.
    Plan(Vec<HostPart>),
    /// Undoes a run.
    Undo(RunId),
    /// Looks who holds the host's lock, and breaks it.
    Unlock(BreakLock),
}

impl Request {
    /// A playbook, or a step or script that was made one.
    pub fn playbook(kind: RunKind, playbook: Playbook, selection: Selection) -> Self {
        let source =
            |source: &crate::source::Source| Source { path: source.name.clone(), text: source.text.clone() };
        Request {
            kind,
            of: None,
            name: playbook.name.clone(),
            becomes: playbook.becomes,
            sources: playbook.sources().map(|of| source(of)).collect(),
            spread: Spread {
                serial: playbook.serial.clone(),
                // Each play says that for itself.
                max_failures: playbook.max_failures.filter(|_| playbook.plays.is_empty()),
                on_failure: playbook.on_failure,
                ..Spread::default()
            },
            asks: false,
            assignment: Assignment::Playbook(Box::new(playbook), selection),
        }
    }

    /// The person is asked before each step.
    pub fn asking(self, asks: bool) -> Self {
        Request { asks, ..self }
    }

    /// One line of shell text.
    pub fn command(line: String) -> Self {
        Request {
            kind: RunKind::Command,
            of: None,
            name: line.clone(),
            becomes: None,
            sources: Vec::new(),
            spread: Spread::default(),
            asks: false,
            assignment: Assignment::Command(line),
        }
    }

    /// What a saved plan says; the record names the dry run it was made of.
    pub fn plan(plan: &SavedPlan, spread: Spread, parts: Vec<HostPart>) -> Self {
        Request {
            kind: RunKind::Playbook,
            of: Some(plan.run.clone()),
            name: plan.name.clone(),
            becomes: plan.becomes,
            sources: plan.sources.clone(),
            spread,
            asks: false,
            assignment: Assignment::Plan(parts),
        }
    }

    /// Undoes the run `of`, which had this name, host by host as `spread` says. `becomes`: what its playbook says of becoming
    /// another user.
    pub fn undo(of: RunId, name: String, becomes: Option<bool>, spread: Spread) -> Self {
        Request {
            kind: RunKind::Undo,
            of: Some(of.clone()),
            name,
            becomes,
            sources: Vec::new(),
            spread,
            asks: false,
            assignment: Assignment::Undo(of),
        }
    }

    /// Looks who holds the locks of hosts, and breaks them.
    pub fn unlock(what: BreakLock) -> Self {
        Request {
            kind: RunKind::Unlock,
            name: "the host's lock".to_string(),
            asks: false,
            assignment: Assignment::Unlock(what),
            ..Request::command(String::new())
        }
    }

    /// The same as a retry of the run `of`.
    pub fn retrying(self, of: RunId) -> Self {
        Request { of: Some(of), ..self }
    }

    /// The same in other batches, when the command line says so.
    pub fn in_batches(mut self, serial: Option<Share>, max_failures: Option<Share>) -> Self {
        if serial.is_some() {
            self.spread.serial = serial.into_iter().collect();
        }
        self.spread.max_failures = max_failures.or(self.spread.max_failures);
        self
    }
}
