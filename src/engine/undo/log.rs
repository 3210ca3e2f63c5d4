//! Where an undo writes down what it is about to do, durably, before it does it: a process that is killed in between leaves
//! enough to be swept and continued.

use crate::engine::entry::Entry;
use crate::engine::journal::{self, Journal};
use crate::engine::state_dir::StateDir;
use crate::model::Result;
use crate::model::event::StepEnded;
use crate::model::job::RunId;
use crate::model::op::Op;
use crate::model::path::HostPath;
use crate::system::System;

/// Where an undo writes down what it does.
pub trait UndoLog {
    /// These ops of that step are about to be performed.
    fn about_to(&mut self, step: u32, ops: &[Op], within: Option<&HostPath>) -> Result<()>;

    /// These changes are undone.
    fn undone(&mut self, changes: &[u32]) -> Result<()>;

    /// A step of the undo ended.
    fn step_ended(&mut self, ended: &StepEnded) -> Result<()>;
}

/// The journal of the run whose changes are undone while it still runs.
pub struct OwnLog<'a, 'j>(pub &'a mut Journal<'j>);

/// The journal of a run that is over, when no run is there to undo it.
pub struct LaterLog<'a> {
    /// The host.
    pub host: &'a dyn System,
    /// Its state.
    pub state: &'a StateDir,
    /// The run whose changes are undone.
    pub run: &'a RunId,
}

/// The journal of a run that undoes another one: its changes can be undone in turn.
pub struct RunLog<'a, 'j> {
    /// The journal of the undo.
    pub journal: &'a mut Journal<'j>,
    /// The run whose changes are undone.
    pub of: &'a RunId,
    /// Changes that count as undone only once they are confirmed.
    pub unconfirmed: Option<Vec<u32>>,
}

/// Check mode writes nothing down.
pub struct NoLog;

impl UndoLog for OwnLog<'_, '_> {
    fn about_to(&mut self, _: u32, ops: &[Op], within: Option<&HostPath>) -> Result<()> {
        match self.0.is_open() {
            true => undoing(ops, within).map_or(Ok(()), |entry| self.0.note(entry)),
            false => Ok(()),
        }
    }

    fn undone(&mut self, changes: &[u32]) -> Result<()> {
        self.0.undone(changes)
    }

    fn step_ended(&mut self, ended: &StepEnded) -> Result<()> {
        self.0.step_ended(ended)
    }
}

impl UndoLog for LaterLog<'_> {
    fn about_to(&mut self, _: u32, ops: &[Op], within: Option<&HostPath>) -> Result<()> {
        let entry = undoing(ops, within);
        entry.map_or(Ok(()), |entry| journal::append(self.host, self.state, self.run, &[entry]))
    }

    fn undone(&mut self, changes: &[u32]) -> Result<()> {
        mark_undone(self.host, self.state, self.run, changes)
    }

    fn step_ended(&mut self, ended: &StepEnded) -> Result<()> {
        let ended = Entry::Step(StepEnded { diff: None, output: None, ..ended.clone() });
        journal::append(self.host, self.state, self.run, &[ended])
    }
}

impl UndoLog for RunLog<'_, '_> {
    fn about_to(&mut self, step: u32, ops: &[Op], within: Option<&HostPath>) -> Result<()> {
        // What undoes the ops before them restores times too.
        let ops: Vec<Op> = ops.iter().filter(|op| !matches!(op, Op::Modified { .. })).cloned().collect();
        self.journal.intend(step, &ops, Vec::new(), within)
    }

    fn undone(&mut self, changes: &[u32]) -> Result<()> {
        match &mut self.unconfirmed {
            Some(waiting) => waiting.extend_from_slice(changes),
            None => mark_undone(self.journal.host(), self.journal.state(), self.of, changes)?,
        }
        Ok(())
    }

    fn step_ended(&mut self, ended: &StepEnded) -> Result<()> {
        self.journal.step_ended(ended)
    }
}

impl RunLog<'_, '_> {
    /// What was done until now is confirmed, and counts as undone.
    pub fn confirm(&mut self) -> Result<()> {
        let waiting = self.unconfirmed.take().unwrap_or_default();
        self.undone(&waiting)
    }
}

impl UndoLog for NoLog {
    fn about_to(&mut self, _: u32, _: &[Op], _: Option<&HostPath>) -> Result<()> {
        Ok(())
    }

    fn undone(&mut self, _: &[u32]) -> Result<()> {
        Ok(())
    }

    fn step_ended(&mut self, _: &StepEnded) -> Result<()> {
        Ok(())
    }
}

fn mark_undone(host: &dyn System, state: &StateDir, run: &RunId, changes: &[u32]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let marks: Vec<Entry> = changes.iter().map(|change| Entry::Undone { change: *change }).collect();
    journal::append(host, state, run, &marks)
}

/// The files that are about to be written; `None` when there are none, so that nothing can be left beside them.
fn undoing(ops: &[Op], within: Option<&HostPath>) -> Option<Entry> {
    let written = ops.iter().filter(|op| matches!(op, Op::Write { .. } | Op::Link { .. }));
    let writes: Vec<HostPath> = written.filter_map(|op| op.path().cloned()).collect();
    (!writes.is_empty()).then(|| Entry::Undoing { writes, within: within.cloned() })
}
