//! Undoes changes, newest first, from what the journal kept. It goes on past a change that cannot be undone, and says
//! what is left.

pub mod access;
mod decide;
mod groups;
pub mod log;
mod proof;

use super::batch::Touched;
use super::confirm;
use super::diff::Texts;
use super::entry::{Entry, Reversal};
use super::host_reader::HostReader;
use super::journal::Journal;
use super::link::Assets;
use super::perform;
use super::state_dir::StateDir;
use super::summary::{Changes, Diffs};
use crate::model::attributes::Modified;
use crate::model::job::RunId;
use crate::model::op::{Asset, Command, Op, Run, Undo};
use crate::model::outcome::StepOutcome;
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::System;
use decide::{Decision, Work};
pub use groups::{Group, groups};
use log::{OwnLog, UndoLog};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::Duration;

/// So many changes are undone together at most.
const BATCH: usize = 1000;

/// A command that undoes something may take so long, as a step may.
const COMMAND_TIME: Duration = Duration::from_secs(30 * 60);

/// A run's changes follow their entries in its journal within so many seconds. A directory that was modified later than that
/// after the last entry was modified by something else.
const ENTRY_LEAD: i64 = 2;

/// A change that is still in force.
#[derive(Clone, Debug)]
pub struct OpenChange {
    /// Its number in the journal.
    pub change: u32,
    /// The step that made it.
    pub step: u32,
    /// What it did: `write /etc/motd`.
    pub what: String,
    /// How it is undone.
    pub reversal: Reversal,
    /// Below which directory no link may be followed meanwhile.
    pub within: Option<HostPath>,
    /// The command that made it, where undoing it may have to be rolled back.
    pub forward: Option<Command>,
    /// What is not as before even when it is undone.
    pub leaves: Option<String>,
    /// It is a command that failed after it had started.
    pub broke: bool,
}

/// What came of undoing changes.
#[derive(Debug, Default)]
pub struct Undone {
    /// The changes that are undone now, or needed nothing, by their number in the journal.
    pub changes: Vec<u32>,
    /// What was done, as a step reports it.
    pub done: Changes,
    /// How files changed.
    pub diffs: Diffs,
    /// What was done, a line each.
    pub lines: Vec<String>,
    /// What is not undone, and why.
    pub left: Vec<Left>,
}

/// A change that is not undone, or only in part.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// Its number in the journal.
    pub change: u32,
    /// Whether nothing is known that undoes it.
    pub impossible: bool,
    /// What it did.
    pub what: String,
    /// Why it could not be undone.
    pub why: String,
    /// Whether the rest of it is undone.
    pub in_part: bool,
    /// Whether it is a command that failed after it had started, so that what it changed is not known.
    pub broke: bool,
}

/// Undoes changes on a host.
pub struct Undoer<'a> {
    /// The host, or what pretends to be it.
    pub host: &'a dyn System,
    /// The directory with the bytes that the run replaced.
    pub saved: HostPath,
    /// When the run's last entry was written ([`last_entry`]), when the run is over, so that something else may have changed
    /// the host since.
    pub over: Option<Modified>,
    /// Whether diffs are wanted.
    pub diff: bool,
    /// Whether nothing is really changed.
    pub pretends: bool,
}

/// Undoes the changes of the current run after the first `after`, newest first. Those who restart a daemon do it again once
/// what it reads is restored.
pub fn undo_current(journal: &mut Journal<'_>, after: u32) -> Result<Undone> {
    let open = open_changes(journal.entries(), after);
    undo_open(journal, &open)
}

/// Undoes the changes of one step of the current run after the first `after`. Others may run beside it.
pub fn undo_step(journal: &mut Journal<'_>, step: u32, after: u32) -> Result<Undone> {
    let mut open = open_changes(journal.entries(), after);
    open.retain(|one| one.step == step);
    undo_open(journal, &open)
}

fn undo_open(journal: &mut Journal<'_>, open: &[OpenChange]) -> Result<Undone> {
    let saved = journal.state().saved(journal.run());
    let undoer = Undoer { host: journal.host(), saved, over: None, diff: false, pretends: false };
    undoer.undo_all(open, &mut OwnLog(journal))
}

/// When the last entry in the journal of the run `of` was written. An undo asks before it adds its own. Where the host does
/// not say, long ago: then everything may have been changed since.
pub fn last_entry(host: &dyn System, state: &StateDir, of: &RunId) -> Modified {
    modified(host, &state.journal(of)).unwrap_or(Modified(i64::MIN, 0))
}

fn modified(host: &dyn System, path: &HostPath) -> Option<Modified> {
    host.details(path).ok()?.modified
}

/// The changes after number `after` that are still in force, newest first. A command that no one can undo is left out where
/// the playbook says that its step changed nothing.
pub fn open_changes(entries: &[Entry], after: u32) -> Vec<OpenChange> {
    let mut undone = BTreeSet::new();
    let (mut unchanged, mut broken) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        match entry {
            Entry::Broke { change } => drop(broken.insert(*change)),
            Entry::Undone { change } | Entry::NoChange { change } => drop(undone.insert(*change)),
            Entry::Redone { change } => drop(undone.remove(change)),
            Entry::Step(ended) if ended.item.is_none() && ended.outcome == StepOutcome::Ok => {
                unchanged.insert(ended.step);
            }
            _ => {}
        }
    }
    let intents = entries.iter().rev().filter_map(|entry| match entry {
        Entry::Intent { change, step, what, reversal, within, forward, leaves } if *change > after => {
            Some(OpenChange {
                change: *change,
                step: *step,
                what: what.clone(),
                reversal: reversal.clone(),
                within: within.clone(),
                forward: forward.clone(),
                leaves: leaves.clone(),
                broke: broken.contains(change),
            })
        }
        _ => None,
    });
    let needs_none = |open: &OpenChange| {
        unchanged.contains(&open.step) && matches!(open.reversal, Reversal::Impossible { .. })
    };
    intents.filter(|open| !undone.contains(&open.change) && !needs_none(open)).collect()
}

/// What commands that nothing undoes have changed after number `after`.
pub fn left_by_commands(entries: &[Entry], after: u32) -> Vec<Left> {
    let left = |one: &OpenChange| match &one.reversal {
        Reversal::Impossible { why } => Some(Left {
            change: one.change,
            impossible: true,
            what: one.what.clone(),
            why: decide::reason(one, why),
            in_part: false,
            broke: one.broke,
        }),
        _ => None,
    };
    open_changes(entries, after).iter().filter_map(left).collect()
}

impl Undoer<'_> {
    /// Undoes all of these, then has daemons read their restored files again. An error is one of writing the journal.
    pub fn undo_all(&self, open: &[OpenChange], log: &mut dyn UndoLog) -> Result<Undone> {
        let mut undone = Undone::default();
        self.undo(open, log, &mut undone)?;
        // A daemon only reads its files again when some were restored. Until then its restart is not undone: a restart
        // that failed is alone in its step, and the files that broke it are restored later, with the run.
        if !undone.lines.is_empty() {
            self.repeat(open, log, &mut undone)?;
        }
        Ok(undone)
    }

    /// Undoes changes but for what is repeated afterwards.
    pub fn undo(&self, open: &[OpenChange], log: &mut dyn UndoLog, undone: &mut Undone) -> Result<()> {
        let open: Vec<&OpenChange> = open.iter().filter(|one| !one.reversal.is_repeated()).collect();
        let unchanged = self.unchanged(&open);
        let mut left = &open[..];
        while !left.is_empty() {
            let (now, later) = left.split_at(batch_length(left).max(1));
            self.undo_batch(now, log, undone)?;
            left = later;
        }
        self.restore_times(&open, &unchanged, undone);
        Ok(())
    }

    /// Directories get the times that they had before the oldest of the changes in them that are undone now.
    fn restore_times(&self, open: &[&OpenChange], unchanged: &BTreeSet<HostPath>, undone: &mut Undone) {
        let around = open
            .iter()
            .flat_map(|one| decide::around(&one.reversal).iter().map(|around| (one.change, around)));
        let ours = around.filter(|(change, around)| unchanged.contains(&around.path) && undone.has(*change));
        let times: BTreeMap<&HostPath, Modified> =
            ours.map(|(_, around)| (&around.path, around.modified)).collect();
        let restored = self.host.together(None, &mut || {
            times.iter().try_for_each(|(path, modified)| self.host.set_modified(path, *modified))
        });
        undone.lines.extend(restored.err().map(|failure| failure.to_string()));
    }

    /// Directories that nothing else has changed since the run, or that are gone: their times are restored. Looked at before
    /// the undo changes them itself.
    fn unchanged(&self, open: &[&OpenChange]) -> BTreeSet<HostPath> {
        let folders =
            open.iter().flat_map(|one| decide::around(&one.reversal)).map(|around| around.path.clone());
        let folders: BTreeSet<HostPath> = folders.collect();
        let Some(Modified(seconds, nanos)) = self.over else { return folders };
        let last = Modified(seconds.saturating_add(ENTRY_LEAD), nanos);
        folders.into_iter().filter(|folder| modified(self.host, folder).is_none_or(|at| at <= last)).collect()
    }

    /// Runs what daemons were restarted with once more, each once, in the order in which it was run first.
    pub fn repeat(&self, open: &[OpenChange], log: &mut dyn UndoLog, undone: &mut Undone) -> Result<()> {
        let mut runs: Vec<(&OpenChange, Run)> = Vec::new();
        for one in open.iter().rev() {
            let Some(run) = one.reversal.repeated() else { continue };
            match runs.iter().any(|(_, known)| known.command == run.command) {
                true => undone.changes.push(one.change),
                false => runs.push((one, run)),
            }
        }
        for (one, run) in runs {
            // What was waited for was asked of the change, and need not hold without it; that the daemon runs and has read its
            // files (`confirm`) is proved as before.
            let (command, waits) = (timed(run.command.clone()), Vec::new());
            let op = Op::from(Run { command, waits, undo: Undo::Again, ..run });
            self.perform_one(one, &Work { ops: vec![op], in_part: one.leaves.clone() }, log, undone)?;
        }
        Ok(())
    }

    /// Undoes changes that do not depend on each other. When they cannot be undone together, each is tried alone, so that
    /// one of them stops no other.
    fn undo_batch(&self, open: &[&OpenChange], log: &mut dyn UndoLog, undone: &mut Undone) -> Result<()> {
        let decided: Vec<Result<Decision>> =
            open.iter().map(|one| decide::decide(self.host, &self.saved, one)).collect();
        let (mut as_before, mut together) = (Vec::new(), Vec::<(&OpenChange, Work)>::new());
        let mut afterwards = Vec::new();
        for (one, decision) in open.iter().zip(decided) {
            match decision {
                Ok(Decision::AsBefore) => as_before.push(one.change),
                Ok(Decision::Perform(work)) => together.push((one, work)),
                Ok(Decision::Impossible(why)) => undone.leave(one, why),
                Err(_) => afterwards.push(*one),
            }
        }
        log.undone(&as_before)?;
        undone.changes.extend(as_before);
        match &together[..] {
            [] => {}
            [(one, work)] => self.perform_one(one, work, log, undone)?,
            many => self.perform_together(many, log, undone)?,
        }
        // A directory can be removed once what was made in it is gone.
        afterwards.into_iter().try_for_each(|one| self.try_alone(one, log, undone))
    }

    fn perform_together(
        &self,
        all: &[(&OpenChange, Work)],
        log: &mut dyn UndoLog,
        undone: &mut Undone,
    ) -> Result<()> {
        let Some((first, _)) = all.first() else { return Ok(()) };
        let ops: Vec<Op> = all.iter().flat_map(|(_, work)| work.ops.iter().cloned()).collect();
        self.add_diffs(&ops, undone);
        log.about_to(first.step, &ops, first.within.as_ref())?;
        let assets = SavedBytes { host: self.host, directory: &self.saved };
        let within = first.within.as_ref().map(HostPath::as_path);
        let performed = self.host.together(within, &mut || {
            ops.iter().try_for_each(|op| perform::change(self.host, op, &assets).map(drop))
        });
        if performed.is_err() {
            return all.iter().try_for_each(|(one, _)| self.try_alone(one, log, undone));
        }
        let changes: Vec<u32> = all.iter().map(|(one, _)| one.change).collect();
        log.undone(&changes)?;
        all.iter().for_each(|(one, work)| undone.add(one, work));
        Ok(())
    }

    /// Looks again: some of it may have been done.
    fn try_alone(&self, one: &OpenChange, log: &mut dyn UndoLog, undone: &mut Undone) -> Result<()> {
        match decide::decide(self.host, &self.saved, one) {
            Ok(Decision::AsBefore) => {
                undone.add(one, &Work::default());
                log.undone(&[one.change])
            }
            Ok(Decision::Perform(work)) => self.perform_one(one, &work, log, undone),
            Ok(Decision::Impossible(why)) => {
                undone.leave(one, why);
                Ok(())
            }
            Err(failure) => {
                undone.leave(one, said(&failure));
                Ok(())
            }
        }
    }

    fn perform_one(
        &self,
        one: &OpenChange,
        work: &Work,
        log: &mut dyn UndoLog,
        undone: &mut Undone,
    ) -> Result<()> {
        let ops = &work.ops;
        self.add_diffs(ops, undone);
        log.about_to(one.step, ops, one.within.as_ref())?;
        let within = one.within.as_ref().map(HostPath::as_path);
        let performed = self.host.together(within, &mut || ops.iter().try_for_each(|op| self.perform(op)));
        match performed {
            Ok(()) => {
                undone.add(one, work);
                log.undone(&[one.change])
            }
            Err(failure) => {
                undone.leave(one, said(&failure));
                Ok(())
            }
        }
    }

    fn perform(&self, op: &Op) -> Result<()> {
        if self.pretends && matches!(op, Op::Run(_)) {
            return Ok(());
        }
        let assets = SavedBytes { host: self.host, directory: &self.saved };
        let answer = perform::change(self.host, op, &assets)?;
        confirm::accept(self.host, op, answer.as_ref())?;
        match (op, answer) {
            (Op::Run(run), Some(answer)) => proof::await_effects(self.host, run, &answer),
            _ => Ok(()),
        }
    }

    fn add_diffs(&self, ops: &[Op], undone: &mut Undone) {
        if self.diff {
            ops.iter().for_each(|op| undone.diffs.add(|| super::diff::of(self.host, op, &Texts::new())));
        }
    }
}

impl Undone {
    fn has(&self, change: u32) -> bool {
        self.changes.contains(&change) || self.left.iter().any(|left| left.in_part && left.change == change)
    }

    fn add(&mut self, one: &OpenChange, work: &Work) {
        match &work.in_part {
            Some(why) => self.leave_part(one, why.clone(), true),
            None => self.changes.push(one.change),
        }
        match one.reversal.repeated() {
            Some(run) => self.lines.push(format!("ran {}", run.command.shown())),
            None => self.lines.push(format!("undone: {}", one.what)),
        }
        let shown = work.ops.iter().filter(|op| !matches!(op, Op::Modified { .. }));
        shown.for_each(|op| self.done.push(op, None));
    }

    fn leave(&mut self, one: &OpenChange, why: String) {
        self.leave_part(one, why, false);
    }

    fn leave_part(&mut self, one: &OpenChange, why: String, in_part: bool) {
        let impossible = matches!(one.reversal, Reversal::Impossible { .. });
        let why = why.strip_prefix(&format!("{}: ", one.what)).map(str::to_string).unwrap_or(why);
        let (what, broke) = (one.what.clone(), one.broke);
        self.left.push(Left { change: one.change, impossible, what, why, in_part, broke });
    }

    /// What is left as one failure; `None` when all is undone.
    pub fn failure(&self, doing: &str) -> Option<Failure> {
        failure_of(&self.left, self.changes.len(), doing)
    }
}

/// So many changes that are left have a line each in a failure.
const LEFT_SHOWN: usize = 20;

/// What is left as one failure that lists it; `None` when nothing is.
pub fn failure_of(left: &[Left], undone: usize, doing: &str) -> Option<Failure> {
    if left.is_empty() {
        return None;
    }
    let shown = left.iter().take(LEFT_SHOWN).map(|left| format!("\n    {}: {}", left.what, left.why));
    let more = left.len().saturating_sub(LEFT_SHOWN);
    let more = if more > 0 { format!("\n    … and {more} more") } else { String::new() };
    let in_part = if left.iter().any(|left| left.in_part) { ", or only in part" } else { "" };
    let why = format!(
        "{} of {} changes could not be undone{in_part}:{}{more}",
        left.len(),
        left.len() + undone,
        shown.collect::<String>()
    );
    Some(Failure::new(doing, why))
}

/// How many changes from the start can be undone together: of files, none of which depends on another.
fn batch_length(open: &[&OpenChange]) -> usize {
    let mut touched = Touched::default();
    let within = open.first().and_then(|first| first.within.as_ref());
    let fits = |one: &&&OpenChange| match &one.reversal {
        // What is put back becomes visible last of all; what is removed is gone at once.
        Reversal::Restore { path, before, .. } => {
            one.within.as_ref() == within && touched.add(path, before.is_empty())
        }
        Reversal::Meta { path, .. } => one.within.as_ref() == within && touched.add(path, true),
        _ => false,
    };
    open.iter().take(BATCH).take_while(fits).count()
}

/// A command of an undo has a deadline.
fn timed(command: Command) -> Command {
    Command { timeout: command.timeout.or(Some(COMMAND_TIME)), ..command }
}

fn said(failure: &Failure) -> String {
    format!("{}: {}", failure.doing, failure.why)
}

/// The bytes that a run replaced, as assets.
struct SavedBytes<'a> {
    host: &'a dyn System,
    directory: &'a HostPath,
}

impl Assets for SavedBytes<'_> {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        Ok(Box::new(HostReader::new(self.host, &self.directory.join(asset.digest.to_string()))))
    }

    fn on_host(&self, asset: &Asset) -> Option<HostPath> {
        Some(self.directory.join(asset.digest.to_string()))
    }
}
