//! The journal that a host keeps of each run: what is about to be changed, with what undo will need, durable before the
//! change is made. It is what settles a run whose verdict never arrived, and what takes a run back.
//!
//! A run's folder holds `journal`, a JSON value a line, and `undo/`, the bytes that were replaced. Files here are 0600
//! and folders 0700: replaced files may hold secrets. A run that changes nothing writes nothing.

use super::entry::{Back, Entry, Left, Saved, SavedKind};
use super::perform;
use crate::model::digest::Digest;
use crate::model::event::StepEnded;
use crate::model::job::{Job, RunId};
use crate::model::op::{Meta, Op, Undo};
use crate::model::outcome::HostOutcome;
use crate::model::path::HostPath;
use crate::model::{Doing, Failure, Result};
use crate::system::{FileKind, Lock, Probe, READ_LIMIT, Stat, System};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Runs whose undo is kept on a host; older ones are dropped when a new one begins.
const RUNS_KEPT: usize = 50;

/// Between who holds the lock and the run it is for.
pub(super) const HOLDS: &str = ", run ";

/// The longest journal that is read, in bytes: a million changes have less.
const JOURNAL_LIMIT: u64 = 512 << 20;

/// The journal of the run in hand.
pub struct Journal<'a> {
    host: &'a dyn System,
    store: Store,
    job: &'a Job,
    entries: Vec<Entry>,
    unwritten: Vec<u8>,
    began: bool,
    changes: u32,
    /// Paths of which an earlier command of this run takes back what happens there.
    covered: Vec<HostPath>,
    /// Whether nothing takes back what is done now: it is about a failure.
    pub for_good: bool,
    /// Bytes that are in the run's `undo` folder already, or will be with the batch in hand.
    saved: BTreeSet<Digest>,
    /// What was found to be taken back when the host's lock became ours, a line each.
    pub found: Vec<String>,
}

/// Where a host keeps what windlass must remember there.
#[derive(Clone, Debug)]
pub struct Store {
    folder: HostPath,
}

/// The handlers that a playbook still owes to a host, by playbook.
type Owed = BTreeMap<String, Vec<String>>;

impl<'a> Journal<'a> {
    /// A journal for `job`. Nothing is written before [`Journal::begin`].
    pub fn new(host: &'a dyn System, store: Store, job: &'a Job) -> Self {
        Journal {
            host,
            store,
            job,
            entries: Vec::new(),
            unwritten: Vec::new(),
            began: false,
            changes: 0,
            covered: Vec::new(),
            for_good: false,
            saved: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    /// Whether the host's lock is ours and the journal is open.
    pub fn began(&self) -> bool {
        self.began
    }

    /// Takes the host's lock, refuses a job older than one seen, opens the journal. Called before the first change.
    pub fn begin(&mut self) -> Result<()> {
        let run_folder = self.store.run(&self.job.run);
        for folder in [&self.store.folder, &self.store.runs(), &run_folder, &run_folder.join("undo")] {
            self.store.make_folder(self.host, folder)?;
        }
        let last = self.last_holder()?;
        self.take_lock()?;
        self.check_epoch()?;
        if self.job.resume.is_some() {
            self.go_on()?;
        }
        self.found = super::guard::take_back_pending(self.host, &self.store)?;
        if let Some(last) = last.filter(|last| *last != self.job.run) {
            super::sweep::sweep(self.host, &self.store, &last)?;
        }
        self.store.drop_old_runs(self.host, &self.job.run)?;
        self.began = true;
        self.push(&Entry::Begin {
            run: self.job.run.clone(),
            host: self.job.host.clone(),
            who: self.job.who.clone(),
            epoch: self.job.epoch,
            playbook: self.job.playbook.clone(),
            boot_id: boot_id(self.host),
        })
    }

    /// After a boot in the midst of a run its journal goes on.
    fn go_on(&mut self) -> Result<()> {
        self.entries = self.store.read(self.host, &self.job.run)?.unwrap_or_default();
        let change = |entry: &Entry| match entry {
            Entry::Intent { change, .. } => *change,
            _ => 0,
        };
        self.changes = self.entries.iter().map(change).max().unwrap_or(0);
        Ok(())
    }

    /// Writes down, durably, that `ops` are about to be performed and how they are taken back, which for none of them
    /// depends on another.
    pub fn intend(&mut self, step: u32, ops: &[Op], within: Option<&HostPath>) -> Result<()> {
        let host = self.host;
        let mut backs = Vec::new();
        let saved = host.together(within.map(HostPath::as_path), &mut || {
            ops.iter().try_for_each(|op| self.back_unless_covered(op).map(|back| backs.push(back)))
        });
        if saved.is_err() {
            self.saved.clear();
        }
        saved?;
        for (op, back) in ops.iter().zip(backs) {
            self.changes += 1;
            let (change, what) = (self.changes, perform::describe(op));
            self.push(&Entry::Intent { change, step, what, back, within: within.cloned() })?;
        }
        self.flush()
    }

    fn back_unless_covered(&mut self, op: &Op) -> Result<Back> {
        if let Op::Run(run) = op {
            self.covered.extend(run.covers.iter().cloned());
        }
        if self.for_good || self.is_covered(op) { Ok(Back::Nothing) } else { self.back_of(op) }
    }

    /// Whether an earlier command of this run takes back what happens there.
    fn is_covered(&self, op: &Op) -> bool {
        let Some(path) = op.path() else { return false };
        self.covered.iter().any(|covered| path.starts_with(covered))
    }

    /// Writes down how a step ended. Durable with the next intent or the end.
    pub fn step_ended(&mut self, ended: &StepEnded) -> Result<()> {
        if !self.began {
            return Ok(());
        }
        self.push(&Entry::Step(StepEnded { diff: None, output: None, ..ended.clone() }))
    }

    /// Closes the journal.
    pub fn end(&mut self, outcome: HostOutcome) -> Result<()> {
        if !self.began {
            return Ok(());
        }
        self.push(&Entry::End { outcome })?;
        self.flush()
    }

    /// Writes something down, durably.
    pub fn note(&mut self, entry: Entry) -> Result<()> {
        self.push(&entry)?;
        self.flush()
    }

    /// All that was written down so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where this host's memory is.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How many changes were intended so far.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// Takes back this run's changes after the first `after`, newest first. Tells what it did, a line each.
    pub fn take_back(&mut self, after: u32) -> Result<Vec<String>> {
        let entries = std::mem::take(&mut self.entries);
        let blobs = self.store.run(&self.job.run).join("undo");
        let taken = super::undo::take_back(self.host, &blobs, &entries, after);
        self.entries = entries;
        for change in &taken.changes {
            self.push(&Entry::TakenBack { change: *change })?;
        }
        if self.began {
            self.flush()?;
        }
        taken.result.map(|()| taken.told)
    }

    /// The handlers that earlier runs of this playbook notified and did not finish.
    pub fn owed(&self) -> Result<Vec<String>> {
        Ok(self.store.owed(self.host)?.remove(&self.job.playbook).unwrap_or_default())
    }

    /// Remembers, durably, which handlers this playbook owes to the host.
    pub fn owe(&mut self, handlers: Vec<String>) -> Result<()> {
        let mut owed = self.store.owed(self.host)?;
        let before = owed.remove(&self.job.playbook).unwrap_or_default();
        if before == handlers {
            return Ok(());
        }
        if !handlers.is_empty() {
            owed.insert(self.job.playbook.clone(), handlers);
        }
        let text = serde_json::to_vec(&owed).doing("encode the handlers that are owed")?;
        self.host.write(&self.store.owed_path(), &mut &text[..], &private_file())
    }

    fn push(&mut self, entry: &Entry) -> Result<()> {
        serde_json::to_writer(&mut self.unwritten, entry).doing("encode a journal entry")?;
        self.unwritten.push(b'\n');
        self.entries.push(entry.clone());
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.host.append(&self.store.journal(&self.job.run), &self.unwritten)?;
        self.unwritten.clear();
        Ok(())
    }

    /// The run that had the lock last: who was killed left its name there.
    fn last_holder(&self) -> Result<Option<RunId>> {
        let holder = self.host.read(&self.store.lock())?.unwrap_or_default();
        let holder = String::from_utf8_lossy(&holder).into_owned();
        Ok(holder.rsplit_once(HOLDS).and_then(|(_, run)| RunId::try_from(run.trim().to_string()).ok()))
    }

    fn take_lock(&self) -> Result<()> {
        let holder = format!("{}{HOLDS}{}", self.job.who, self.job.run);
        match self.host.lock(&self.store.lock(), &holder)? {
            Lock::Ours => Ok(()),
            Lock::Theirs(other) => {
                Err(Failure::new("lock the host", format!("it is being changed by {other}"))
                    .hint("wait until that run has ended; the lock goes when its process does"))
            }
        }
    }

    /// A controller that was asleep while another of its own runs went by must not act on what it knew then.
    fn check_epoch(&self) -> Result<()> {
        let path = self.store.folder.join("epochs");
        let bytes = self.host.read(&path)?.unwrap_or_default();
        let mut epochs: BTreeMap<String, u64> = serde_json::from_slice(&bytes).unwrap_or_default();
        let seen = epochs.get(&self.job.controller).copied().unwrap_or(0);
        if self.job.epoch < seen {
            let why = format!("this run's epoch is {} and the host has seen {seen}", self.job.epoch);
            return Err(
                Failure::new("begin the run", why).hint("a newer run was here; start this one afresh")
            );
        }
        epochs.insert(self.job.controller.clone(), self.job.epoch);
        let text = serde_json::to_vec(&epochs).doing("encode the epochs")?;
        self.host.write(&path, &mut &text[..], &private_file())
    }

    fn back_of(&mut self, op: &Op) -> Result<Back> {
        match op {
            Op::Write { path, content, .. } => self.restore(path, Left::File(content.digest())),
            Op::Dir { path, .. } => self.restore(path, Left::Dir),
            Op::Link { path, target } => self.restore(path, Left::Link(target.clone())),
            Op::Remove { path } => self.restore(path, Left::Absent),
            Op::Exchange { one, other } => self.back_of_exchange(one, other),
            Op::RemoveEmpty { path } => self.restore_empty(path),
            Op::Meta { path, .. } => self.back_of_meta(path),
            Op::Run(run) => Ok(match &run.undo {
                Undo::Nothing => Back::Nothing,
                Undo::Command(command) => Back::Command(command.clone()),
                Undo::Again => Back::Again(run.command.clone()),
            }),
            Op::Await { .. } | Op::Fetch { .. } => Ok(Back::Nothing),
        }
    }

    fn back_of_meta(&self, path: &HostPath) -> Result<Back> {
        Ok(match self.host.stat(path)? {
            // A link has no mode of its own.
            Some(Stat { kind: FileKind::Link, owner, group, .. }) => {
                let meta = Meta { mode: None, owner: Some(owner), group: Some(group) };
                Back::Meta { path: path.clone(), meta }
            }
            Some(stat) => Back::Meta { path: path.clone(), meta: stat.meta() },
            None => Back::Nothing,
        })
    }

    fn back_of_exchange(&self, one: &HostPath, other: &HostPath) -> Result<Back> {
        let (one, other) = (self.expect_there(one)?, self.expect_there(other)?);
        match one.what == other.what {
            true => {
                let why =
                    format!("{} is of the same kind, so nobody could tell whether it was done", other.path);
                Err(Failure::new(format!("exchange {}", one.path), why))
            }
            false => Ok(Back::Exchange { one, other }),
        }
    }

    /// What stands at a path; a directory's content stays where it is.
    fn expect_there(&self, path: &HostPath) -> Result<Saved> {
        let stat = self.host.stat(path)?;
        let stat = stat.ok_or_else(|| Failure::new(format!("exchange {path}"), "there is nothing"))?;
        let what = match stat.kind {
            FileKind::Dir => SavedKind::Dir,
            FileKind::Link => SavedKind::Link { target: stat.target.clone().unwrap_or_default().into() },
            FileKind::File => {
                let digest = self.host.digest(path)?.unwrap_or_else(|| Digest::of(b""));
                SavedKind::File { blob: String::new(), digest }
            }
            FileKind::Other => {
                return Err(Failure::new(format!("exchange {path}"), "a device, socket or pipe is there"));
            }
        };
        Ok(Saved { path: path.clone(), what, meta: stat.meta() })
    }

    fn restore(&mut self, path: &HostPath, left: Left) -> Result<Back> {
        let mut before = Vec::new();
        // A directory that is there stays there; only a removal needs what is inside it.
        let deep = left == Left::Absent;
        self.save(path, deep, &mut before)?;
        Ok(Back::Restore { path: path.clone(), before, left })
    }

    /// A directory that may stay, when it is not empty by then.
    fn restore_empty(&mut self, path: &HostPath) -> Result<Back> {
        let mut before = Vec::new();
        self.save(path, false, &mut before)?;
        Ok(Back::Restore { path: path.clone(), before, left: Left::Absent })
    }

    fn save(&mut self, path: &HostPath, deep: bool, saved: &mut Vec<Saved>) -> Result<()> {
        let Some(stat) = self.host.stat(path)? else { return Ok(()) };
        let what = match stat.kind {
            FileKind::File => self.save_file(path)?,
            FileKind::Dir => SavedKind::Dir,
            FileKind::Link => SavedKind::Link { target: stat.target.clone().unwrap_or_default().into() },
            FileKind::Other => {
                let why = "it is a device, socket or pipe, which cannot be brought back";
                return Err(Failure::new(format!("save {path} for undo"), why));
            }
        };
        let folder = what == SavedKind::Dir && deep;
        saved.push(Saved { path: path.clone(), what, meta: stat.meta() });
        if folder {
            for name in self.host.list(path)? {
                self.save(&path.join(name), deep, saved)?;
            }
        }
        Ok(())
    }

    fn save_file(&mut self, path: &HostPath) -> Result<SavedKind> {
        let digest = self.host.digest(path)?.unwrap_or_else(|| Digest::of(b""));
        // Named by its bytes, so that saving the same file twice keeps one copy.
        let blob = digest.to_string();
        let to = self.store.run(&self.job.run).join("undo").join(&blob);
        if self.saved.insert(digest.clone()) && self.host.stat(&to)?.is_none() {
            self.host.copy(path, &to)?;
        }
        Ok(SavedKind::File { blob, digest })
    }
}

impl Store {
    /// A store in `folder`, which is made when it is first needed.
    pub fn at(folder: HostPath) -> Self {
        Store { folder }
    }

    /// Everything a run wrote down here; `None` when it changed nothing here.
    pub fn read(&self, host: &dyn Probe, run: &RunId) -> Result<Option<Vec<Entry>>> {
        let Some(bytes) = read_whole(host, &self.journal(run))? else { return Ok(None) };
        let lines = String::from_utf8_lossy(&bytes).into_owned();
        // A line that a power cut tore was not durable, so its change was not made.
        Ok(Some(lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()))
    }

    /// The folder with the bytes that a run replaced.
    pub fn blobs(&self, run: &RunId) -> HostPath {
        self.run(run).join("undo")
    }

    /// Adds entries to the journal of a run that is over.
    pub fn append(&self, host: &dyn System, run: &RunId, entries: &[Entry]) -> Result<()> {
        // The last line may be torn; what follows must not become part of it.
        let mut bytes = vec![b'\n'];
        for entry in entries {
            serde_json::to_writer(&mut bytes, entry).doing("encode a journal entry")?;
            bytes.push(b'\n');
        }
        host.append(&self.journal(run), &bytes)
    }

    fn owed(&self, host: &dyn Probe) -> Result<Owed> {
        let bytes = host.read(&self.owed_path())?.unwrap_or_default();
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// The folder itself.
    pub fn folder(&self) -> &HostPath {
        &self.folder
    }

    /// Whoever has it may change the host.
    pub fn lock(&self) -> HostPath {
        self.folder.join("lock")
    }

    fn owed_path(&self) -> HostPath {
        self.folder.join("handlers")
    }

    fn runs(&self) -> HostPath {
        self.folder.join("runs")
    }

    fn run(&self, run: &RunId) -> HostPath {
        self.runs().join(run.as_str())
    }

    /// A run's journal.
    pub fn journal(&self, run: &RunId) -> HostPath {
        self.run(run).join("journal")
    }

    fn make_folder(&self, host: &dyn System, folder: &HostPath) -> Result<()> {
        for parent in folder.ancestors().collect::<Vec<_>>().into_iter().rev() {
            if host.stat(parent)?.is_none() {
                host.make_dir(parent, &Meta { mode: Some(0o700), ..Meta::default() })?;
            }
        }
        Ok(())
    }

    fn drop_old_runs(&self, host: &dyn System, current: &RunId) -> Result<()> {
        let names = host.list(&self.runs())?;
        let old = names.len().saturating_sub(RUNS_KEPT);
        for name in names.iter().take(old).filter(|name| *name != current.as_str()) {
            perform::remove(host, &self.runs().join(Path::new(name)))?;
        }
        Ok(())
    }
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

/// Changes when the host is booted; empty where the kernel does not tell.
pub fn boot_id(host: &dyn Probe) -> String {
    let bytes = host.read(Path::new("/proc/sys/kernel/random/boot_id")).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_string()
}

fn private_file() -> Meta {
    Meta { mode: Some(0o600), ..Meta::default() }
}
