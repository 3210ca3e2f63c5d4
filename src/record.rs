//! The record of runs: what was intended, and how every step on every host ended. A record is a fold over the run's
//! events; a [`RunStore`] keeps it.

use crate::model::Failure;
use crate::model::event::{Event, StepEnded, UndoScope};
use crate::model::job::RunId;
use crate::model::outcome::{HostOutcome, StepOutcome};
use crate::model::run::{HostEvent, RunEvent, RunEventKind, RunIntent, RunKind};
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

mod change;
mod clean;
mod findings;
mod folder;
pub mod id;
mod journal_key;
mod lines;
mod open;
mod rows;
mod schema;
mod sqlite;
mod store;
mod whole;
mod writer;

pub use clean::Clean;
pub use folder::make as make_folder;
pub use journal_key::JournalKey;
pub use lines::Lines;
pub use sqlite::{Opened, Sqlite};
pub use store::{RunLine, RunList, RunState, RunStore};
pub use writer::Writer;

/// Steps that are kept of one host. A loop over more elements than this is shown, but not kept.
const STEPS_KEPT: usize = 20_000;

/// Everything that is known of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// What was intended.
    pub intent: RunIntent,
    /// Its place in the order of this project's runs; hosts refuse a lower one than they have seen.
    pub epoch: u64,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub exit: Option<u8>,
    /// Whether Ctrl-C was pressed.
    pub interrupted: bool,
    hosts: Vec<HostRecord>,
    /// Where in `hosts` each is, because events of thousands arrive in any order.
    places: HashMap<String, usize>,
}

/// Everything that is known of a run on one host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostRecord {
    /// Its name in the inventory.
    pub host: String,
    /// How the run ended there; `None` while it goes on, or when its controller died.
    pub outcome: Option<HostOutcome>,
    /// Why it failed, or could not be reached.
    pub failure: Option<Failure>,
    /// How many times a connection was tried.
    pub attempt: u32,
    /// When it was first contacted.
    pub started: Option<Timestamp>,
    /// When it had ended.
    pub ended: Option<Timestamp>,
    /// The later run that settled the outcome from the host's journal.
    pub settled_by: Option<RunId>,
    /// As they ended.
    pub steps: Vec<StepEnded>,
}

/// How many steps of a host ended in which way. The elements of a loop count as the one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Counts {
    /// Already as wanted.
    pub ok: u32,
    /// Changed, or would be.
    pub changed: u32,
    /// Left out.
    pub skipped: u32,
    /// Failed.
    pub failed: u32,
    /// Failed, and the playbook ignores it.
    pub ignored: u32,
    /// Is only known once it is applied.
    pub unknown: u32,
}

impl RunRecord {
    /// A run that is about to start.
    pub fn new(intent: RunIntent, epoch: u64) -> Self {
        let hosts = intent.hosts.iter().map(|host| HostRecord::new(host)).collect();
        let mut record = RunRecord {
            intent,
            epoch,
            ended: None,
            exit: None,
            interrupted: false,
            hosts: Vec::new(),
            places: HashMap::new(),
        };
        record.set_hosts(hosts);
        record
    }

    /// In the order of the intent.
    pub fn hosts(&self) -> &[HostRecord] {
        &self.hosts
    }

    fn set_hosts(&mut self, hosts: Vec<HostRecord>) {
        self.intent.hosts = hosts.iter().map(|host| host.host.clone()).collect();
        self.places = self.intent.hosts.iter().cloned().zip(0..).collect();
        self.hosts = hosts;
    }

    /// The part of it with these hosts, and of them these steps.
    pub fn narrowed(
        mut self,
        has_host: &dyn Fn(&HostRecord) -> bool,
        has_step: &dyn Fn(&StepEnded) -> bool,
    ) -> RunRecord {
        let mut hosts = std::mem::take(&mut self.hosts);
        hosts.iter_mut().for_each(|host| host.steps.retain(has_step));
        hosts.retain(has_host);
        self.set_hosts(hosts);
        self
    }

    /// Takes in what happened next.
    pub fn fold(&mut self, event: &RunEvent) {
        match &event.what {
            RunEventKind::Host { host, event: of_host } => {
                if let Some(place) = self.places.get(host) {
                    self.hosts[*place].fold(event.at, of_host);
                }
            }
            RunEventKind::Interrupted => self.interrupted = true,
            RunEventKind::Ended { exit } => {
                self.ended = Some(event.at);
                self.exit = Some(*exit);
            }
            RunEventKind::Started { .. } | RunEventKind::Note(_) => {}
        }
    }

    /// How many changes an undo of it could undo; `None` when it changed nothing, or is an undo itself.
    pub fn undo_scope(&self) -> Option<UndoScope> {
        if !self.intent.kind.journaled() || self.intent.kind == RunKind::Undo {
            return None;
        }
        let mut scope = UndoScope::default();
        let in_force = self.hosts.iter().filter(|host| !host.is_undone());
        in_force.flat_map(|host| &host.steps).for_each(|step| scope.add(&step.undo));
        (scope.changes > 0).then_some(scope)
    }
}

impl HostRecord {
    /// A host that has not been contacted.
    pub fn new(host: &str) -> Self {
        HostRecord { host: host.to_string(), ..HostRecord::default() }
    }

    /// Takes in what happened to this host next.
    pub fn fold(&mut self, at: Timestamp, event: &HostEvent) {
        match event {
            HostEvent::Connecting { attempt } => {
                self.attempt = *attempt;
                self.started.get_or_insert(at);
            }
            HostEvent::Said(Event::StepEnded(step)) => self.keep(step),
            HostEvent::Ended { outcome, failure } => {
                self.outcome = Some(*outcome);
                self.failure = failure.clone();
                self.ended = Some(at);
            }
            HostEvent::Retrying { .. }
            | HostEvent::Connected
            | HostEvent::Uploading { .. }
            | HostEvent::Sent
            | HostEvent::Said(_) => {}
        }
    }

    /// How many steps ended in which way.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.steps.iter().filter(|step| step.item.is_none()).for_each(|step| counts.add(step));
        counts
    }

    /// Whether what it changed is undone again, as far as that is possible.
    pub fn is_undone(&self) -> bool {
        matches!(self.outcome, Some(HostOutcome::Undone | HostOutcome::PartlyUndone))
    }

    /// From the first contact to the end.
    pub fn took(&self) -> Option<Duration> {
        Duration::try_from(self.ended?.duration_since(self.started?)).ok()
    }

    fn keep(&mut self, step: &StepEnded) {
        if self.steps.len() < STEPS_KEPT {
            self.steps.push(step.clone());
        }
    }
}

impl Counts {
    fn add(&mut self, step: &StepEnded) {
        match step.outcome {
            StepOutcome::Failed if step.ignored => self.ignored += 1,
            StepOutcome::Ok => self.ok += 1,
            StepOutcome::Changed | StepOutcome::WouldChange => self.changed += 1,
            StepOutcome::Skipped => self.skipped += 1,
            StepOutcome::Failed => self.failed += 1,
            StepOutcome::Unknown => self.unknown += 1,
        }
    }
}

#[cfg(test)]
pub mod examples;
#[cfg(test)]
mod tests;
