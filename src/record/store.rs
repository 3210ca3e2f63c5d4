//! What a store of runs can do. SQLite is one; a database shared by several controllers would be another.

use super::{Clean, RunRecord};
use crate::model::Result;
use crate::model::event::StepEnded;
use crate::model::job::RunId;
use crate::model::outcome::HostOutcome;
use crate::model::run::{RunEvent, RunIntent, RunKind, Scheduled};
use jiff::Timestamp;

/// Keeps the record of runs.
pub trait RunStore: Send {
    /// Writes down what is about to be done, with a row for every host, and returns the run's epoch. Once it returns,
    /// that survives a power cut; before, no host may be contacted.
    fn begin(&mut self, intent: &Clean<RunIntent>) -> Result<u64>;

    /// Writes down what happened in a run that was begun, in one transaction. Once it returns, it is durable.
    fn events(&mut self, run: &RunId, events: &[Clean<RunEvent>]) -> Result<()>;

    /// Earlier runs whose verdict never arrived from `host`, oldest first: a job's `settle`.
    fn unsettled(&self, host: &str) -> Result<Vec<RunId>>;

    /// Writes down what `host`'s journal says of an earlier run. `None` means that nothing had been started there.
    fn settle(
        &mut self,
        run: &RunId,
        host: &str,
        by: &RunId,
        outcome: Option<HostOutcome>,
        steps: &[StepEnded],
    ) -> Result<()>;

    /// The newest runs, newest first.
    fn list(&self, limit: usize) -> Result<RunList>;

    /// The run that a person means: its name, the beginning or the end of it, or `last`.
    fn find(&self, text: &str) -> Result<RunId>;

    /// All that is known of a run.
    fn load(&self, run: &RunId) -> Result<RunRecord>;
}

/// Runs, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunList {
    /// Those that can be read.
    pub lines: Vec<RunLine>,
    /// The names of those whose record is damaged.
    pub unreadable: Vec<String>,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunLine {
    /// Its name.
    pub run: RunId,
    /// What sort of run.
    pub kind: RunKind,
    /// The playbook's name, or the command.
    pub name: String,
    /// Who started it.
    pub who: String,
    /// The host pattern as it was typed.
    pub pattern: String,
    /// Whether it was a dry run.
    pub check: bool,
    /// When.
    pub started: Timestamp,
    /// The schedule that started it.
    pub scheduled: Option<Scheduled>,
    /// How far it is.
    pub state: RunState,
    /// How many hosts ended how, most first. Hosts without an outcome are not among them.
    pub outcomes: Vec<(HostOutcome, usize)>,
    /// On how many hosts a later run has taken it back.
    pub undone: usize,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Its controller is at work.
    Running,
    /// It has ended with this exit code.
    Ended(u8),
    /// Its controller died before it had ended.
    Died,
}
