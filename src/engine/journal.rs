//! The journal that a host keeps of each run: what is about to be changed, with what undo will need, durable before the
//! change is made. It resolves a run whose verdict never arrived, and undoes a run. A run's directory holds `journal`, a
//! JSON value a line, and `undo/`, the bytes that were replaced.

use super::entry::{Entry, Reversal};
use super::perform;
use super::save::Saver;
use super::seal::{JournalSecrets, Seal};
use super::state_dir::{self, StateDir};
use crate::model::event::StepEnded;
use crate::model::job::{Envelope, Job, RunId};
use crate::model::op::{Command, Op};
use crate::model::outcome::HostOutcome;
use crate::model::path::HostPath;
use crate::model::{Doing, Failure, Result};
use crate::system::{Details, Probe, READ_LIMIT, System};
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// The longest journal that is read, in bytes: a million changes have less.
const JOURNAL_LIMIT: u64 = 512 << 20;

/// The journal of the current run.
pub struct Journal<'a> {
    host: &'a dyn System,
    state: StateDir,
    job: &'a Job,
    entries: Vec<Entry>,
    unwritten: Vec<u8>,
    open: bool,
    changes: u32,
    saver: Saver<'a>,
    secrets: JournalSecrets,
    earlier: OnceCell<Vec<Entry>>,
}

impl<'a> Journal<'a> {
    /// A journal for `job`. Nothing is written before it is opened.
    pub fn new(host: &'a dyn System, state: StateDir, job: &'a Job) -> Self {
        let saver = Saver::new(host, state.saved(&job.envelope.run));
        Journal {
            host,
            state,
            job,
            entries: Vec::new(),
            unwritten: Vec::new(),
            open: false,
            changes: 0,
            saver,
            secrets: JournalSecrets::of(job),
            earlier: OnceCell::new(),
        }
    }

    /// What `run`, which this run retries, wrote down: none when it changed nothing here. It is read once. The host's
    /// lock must be ours, so that it writes no more.
    pub fn earlier(&self, run: &RunId) -> Result<&[Entry]> {
        if let Some(entries) = self.earlier.get() {
            return Ok(entries);
        }
        let entries = read(self.host, &self.state, run)?.unwrap_or_default();
        Ok(self.earlier.get_or_init(|| entries))
    }

    /// Whether the host's lock is ours and the run's changes are written down.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Writes down which run this is. The host's lock must be ours.
    pub fn open(&mut self) -> Result<()> {
        self.open = true;
        let envelope = self.envelope();
        self.push(&Entry::Start {
            run: envelope.run.clone(),
            host: envelope.host.clone(),
            who: envelope.who.clone(),
            epoch: envelope.epoch,
            playbook: self.job.work.playbook.clone(),
            boot_id: state_dir::boot_id(self.host),
        })?;
        self.secrets.entry()?.map_or(Ok(()), |entry| self.push(&entry))
    }

    /// Hides these secrets as well, from now on: those of a run that is undone.
    pub fn hide(&mut self, secrets: Vec<String>) {
        self.secrets.add(secrets);
    }

    /// Hides these secrets too, and keeps them for an undo.
    pub fn learn(&mut self, secrets: Vec<String>) -> Result<()> {
        self.secrets.add(secrets);
        let entry = if self.open { self.secrets.entry()? } else { None };
        entry.map_or(Ok(()), |entry| self.push(&entry))
    }

    /// What it hides.
    pub fn secrets(&self) -> &JournalSecrets {
        &self.secrets
    }

    /// After a reboot in the middle of a run its journal is continued.
    pub fn resume(&mut self) -> Result<()> {
        self.entries =
            read_opened(self.host, &self.state, self.run(), self.secrets.seal())?.unwrap_or_default();
        let change = |entry: &Entry| match entry {
            Entry::Intent { change, .. } => *change,
            _ => 0,
        };
        self.changes = self.entries.iter().map(change).max().unwrap_or(0);
        Ok(())
    }

    /// Writes down, durably, that `ops` are about to be performed and how they are undone, which for none of them
    /// depends on another. `inspected`: what was seen of their paths already; it may be empty.
    pub fn intend(
        &mut self,
        step: u32,
        ops: &[Op],
        inspected: Vec<Option<Details>>,
        within: Option<&HostPath>,
    ) -> Result<()> {
        let reversals = self.saver.save_all(ops, inspected, within)?;
        for (op, reversal) in ops.iter().zip(reversals) {
            self.changes += 1;
            let (change, what) = (self.changes, perform::describe(op));
            let forward = self.forward(step, op, &reversal);
            let (within, leaves) = (within.cloned(), leaves(op));
            self.push(&Entry::Intent { change, step, what, reversal, within, forward, leaves })?;
        }
        self.flush()
    }

    /// Writes down that the next change of this step goes on beside those of other steps. Durable with that change.
    pub fn background(&mut self, step: u32) -> Result<()> {
        self.push(&Entry::Background { step })
    }

    /// Only of armed changes, whose undo may have to be rolled back: others may hold what no host should keep.
    fn forward(&self, step: u32, op: &Op, reversal: &Reversal) -> Option<Command> {
        let is_armed = |entry: &Entry| matches!(entry, Entry::Armed { step: armed, .. } if *armed == step);
        match (op, reversal) {
            (Op::Run(run), Reversal::Command(_) | Reversal::Asked { .. } | Reversal::CommandOver { .. })
                if self.entries.iter().any(is_armed) =>
            {
                Some(run.command.clone())
            }
            _ => None,
        }
    }

    /// From now on changes are for good: nothing undoes them. They are about a failure.
    pub fn keep_for_good(&mut self, for_good: bool) {
        self.saver.for_good = for_good;
    }

    /// Writes down how a step ended. Durable with the next intent or the end.
    pub fn step_ended(&mut self, ended: &StepEnded) -> Result<()> {
        if !self.open {
            return Ok(());
        }
        self.push(&Entry::Step(StepEnded { diff: None, output: None, ..ended.clone() }))
    }

    /// Closes the journal.
    pub fn end(&mut self, outcome: HostOutcome) -> Result<()> {
        if !self.open {
            return Ok(());
        }
        self.note(Entry::End { outcome })
    }

    /// Writes something down, durably.
    pub fn note(&mut self, entry: Entry) -> Result<()> {
        self.push(&entry)?;
        self.flush()
    }

    /// Writes down, durably where the journal is open, which changes are undone now.
    pub fn undone(&mut self, changes: &[u32]) -> Result<()> {
        changes.iter().try_for_each(|change| self.push(&Entry::Undone { change: *change }))?;
        if self.open { self.flush() } else { Ok(()) }
    }

    /// Writes down that nothing undoes the changes of a step after number `after` because there is nothing to undo: the
    /// playbook says that it changes nothing. Durable with the next intent or the end.
    pub fn declare_unchanged(&mut self, of: u32, after: u32) -> Result<()> {
        let impossible = |entry: &Entry| match entry {
            Entry::Intent { change, step, reversal: Reversal::Impossible { .. }, .. } if *step == of => {
                Some(*change)
            }
            _ => None,
        };
        let changes: Vec<u32> =
            self.entries.iter().filter_map(impossible).filter(|change| *change > after).collect();
        changes.into_iter().try_for_each(|change| self.push(&Entry::NoChange { change }))
    }

    /// All that was written down so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The host.
    pub fn host(&self) -> &'a dyn System {
        self.host
    }

    /// Where the host's state is.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// Who runs what here.
    pub fn envelope(&self) -> &'a Envelope {
        &self.job.envelope
    }

    /// The run.
    pub fn run(&self) -> &'a RunId {
        &self.job.envelope.run
    }

    /// The playbook's name.
    pub fn playbook(&self) -> &'a str {
        &self.job.work.playbook
    }

    /// How many changes were intended so far.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    fn push(&mut self, entry: &Entry) -> Result<()> {
        serde_json::to_writer(&mut self.unwritten, &self.secrets.hide(entry)?)
            .doing("encode a journal entry")?;
        self.unwritten.push(b'\n');
        self.entries.push(entry.clone());
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.host.append(&self.state.journal(self.run()), &self.unwritten)?;
        self.unwritten.clear();
        Ok(())
    }
}

fn leaves(op: &Op) -> Option<String> {
    match op {
        Op::Run(run) => run.leaves.clone(),
        _ => None,
    }
}

/// Everything a run wrote down, with what it sealed; `None` when it changed nothing here.
pub fn read_opened(
    host: &dyn Probe,
    state: &StateDir,
    run: &RunId,
    seal: &Seal,
) -> Result<Option<Vec<Entry>>> {
    Ok(read(host, state, run)?.map(|entries| seal.open_all(entries)))
}

/// Everything a run wrote down, but for what it sealed; `None` when it changed nothing here.
pub fn read(host: &dyn Probe, state: &StateDir, run: &RunId) -> Result<Option<Vec<Entry>>> {
    let Some(bytes) = read_whole(host, &state.journal(run))? else { return Ok(None) };
    let lines = String::from_utf8_lossy(&bytes).into_owned();
    // A line that a power cut tore was not durable, so its change was not made.
    Ok(Some(lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()))
}

/// What a run was doing when it was cut off within a step: what ran in the background, and the last change that it had
/// started. Nothing: nothing was half done.
pub fn under_way(entries: &[Entry]) -> Vec<&str> {
    let (mut beside, mut doing) = (BTreeMap::new(), None);
    for entry in entries {
        match entry {
            Entry::Background { step } => drop(beside.insert(*step, None)),
            Entry::Intent { step, what, .. } => match beside.get_mut(step) {
                Some(known) => *known = Some(what.as_str()),
                None => doing = Some(what.as_str()),
            },
            Entry::Step(ended) => {
                beside.remove(&ended.step);
                doing = None;
            }
            Entry::End { .. } => (beside, doing) = (BTreeMap::new(), None),
            _ => {}
        }
    }
    beside.into_values().flatten().chain(doing).collect()
}

/// Adds entries to the journal of a run that is over.
pub fn append(host: &dyn System, state: &StateDir, run: &RunId, entries: &[Entry]) -> Result<()> {
    // The last line may be torn; what follows must not become part of it.
    let mut bytes = vec![b'\n'];
    for entry in entries {
        serde_json::to_writer(&mut bytes, entry).doing("encode a journal entry")?;
        bytes.push(b'\n');
    }
    host.append(&state.journal(run), &bytes)
}

/// A journal of many changes is longer than what is read at once.
fn read_whole(host: &dyn Probe, path: &HostPath) -> Result<Option<Vec<u8>>> {
    let Some(stat) = host.stat(path)? else { return Ok(None) };
    if stat.size > JOURNAL_LIMIT {
        let why = format!("it has {} bytes, and {JOURNAL_LIMIT} is the limit", stat.size);
        return Err(Failure::new(format!("read {path}"), why));
    }
    let mut bytes = Vec::new();
    loop {
        let piece = host.read_at(path, bytes.len() as u64, READ_LIMIT as usize)?;
        if piece.is_empty() {
            return Ok(Some(bytes));
        }
        bytes.extend(piece);
    }
}
