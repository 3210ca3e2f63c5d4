//! What a change needs to be undone, saved before it is made: the bytes that it replaces, modes and owners, commands.

use super::entry::{Around, FileState, Left, Reversal, Saved, SavedKind};
use crate::model::attributes::Modified;
use crate::model::digest::Digest;
use crate::model::op::{Effect, Meta, NO_UNDO, Op, Run, Undo};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::{Details, FileKind, Stat, System};
use std::collections::BTreeSet;

/// Saves what the changes of one run replace.
pub struct Saver<'a> {
    host: &'a dyn System,
    /// The run's directory of replaced bytes.
    directory: HostPath,
    /// Bytes that are in the directory already, or will be with the current batch.
    saved: BTreeSet<Digest>,
    /// Paths at which the undo of an earlier command of this run covers all changes.
    covered: Vec<HostPath>,
    /// Directories of this batch whose times are saved.
    around: BTreeSet<HostPath>,
    /// How many files with hard links were kept.
    kept: u32,
    /// Whether nothing undoes the current changes: they are about a failure.
    pub for_good: bool,
}

impl<'a> Saver<'a> {
    /// Saves into `directory`.
    pub fn new(host: &'a dyn System, directory: HostPath) -> Self {
        let (saved, around) = (BTreeSet::new(), BTreeSet::new());
        Saver { host, directory, saved, covered: Vec::new(), around, kept: 0, for_good: false }
    }

    /// How each of `ops` is undone, none of which depends on another. `inspected`: what was seen of their paths already.
    pub fn save_all(
        &mut self,
        ops: &[Op],
        inspected: Vec<Option<Details>>,
        within: Option<&HostPath>,
    ) -> Result<Vec<Reversal>> {
        let mut inspected = inspected.into_iter();
        let host = self.host;
        let mut reversals = Vec::new();
        self.around.clear();
        let saved = host.together(within.map(HostPath::as_path), &mut || {
            ops.iter().try_for_each(|op| {
                let details = inspected.next().flatten();
                self.unless_covered(op, details).map(|reversal| reversals.push(reversal))
            })
        });
        if saved.is_err() {
            self.saved.clear();
        }
        saved.map(|()| reversals)
    }

    fn unless_covered(&mut self, op: &Op, details: Option<Details>) -> Result<Reversal> {
        if let Op::Run(run) = op {
            self.covered.extend(run.covers.iter().cloned());
        }
        if self.for_good || self.is_covered(op) { Ok(Reversal::Nothing) } else { self.of(op, details) }
    }

    /// Whether the undo of an earlier command of this run covers what happens there.
    fn is_covered(&self, op: &Op) -> bool {
        let Some(path) = op.path() else { return false };
        self.covered.iter().any(|covered| path.starts_with(covered))
    }

    fn of(&mut self, op: &Op, details: Option<Details>) -> Result<Reversal> {
        match op {
            Op::Write { path, content, .. } => self.restore(path, details, Left::File(content.digest())),
            Op::Dir { path, .. } => self.restore(path, details, Left::Dir),
            Op::Link { path, target } => self.restore(path, details, Left::Link(target.clone())),
            Op::PutBack { path, kept } => {
                let digest = self.host.digest(kept)?.unwrap_or_else(|| Digest::of(b""));
                self.restore(path, details, Left::File(digest))
            }
            Op::Remove { path } => self.restore(path, details, Left::Absent),
            Op::Exchange { one, other } => self.of_exchange(one, other),
            Op::RemoveEmpty { path } => self.restore_empty(path),
            Op::Meta { path, .. } | Op::Attributes { path, .. } => self.of_meta(path, details),
            Op::Run(run) => self.of_run(run),
            Op::Modified { .. } | Op::Await { .. } | Op::Fetch { .. } | Op::Backup(_) => {
                Ok(Reversal::Nothing)
            }
        }
    }

    fn of_run(&self, run: &Run) -> Result<Reversal> {
        Ok(match &run.undo {
            Undo::NotNeeded => Reversal::Nothing,
            Undo::Nothing => Reversal::Impossible { why: NO_UNDO.to_string() },
            Undo::Impossible(why) => Reversal::Impossible { why: why.clone() },
            Undo::Command(command) => {
                let (command, before) = (command.clone(), self.states(run)?);
                if before.is_empty() {
                    Reversal::Command(command)
                } else {
                    Reversal::CommandOver { command, before }
                }
            }
            Undo::Asked { command, question } => {
                Reversal::Asked { command: command.clone(), question: question.clone() }
            }
            Undo::Again => Reversal::Repeat(Box::new(Run {
                command: run.command.clone(),
                accept: run.accept.clone(),
                idle: run.idle,
                confirm: run.confirm.clone(),
                waits: run.waits.clone(),
                advice: run.advice.clone(),
                ..Run::default()
            })),
        })
    }

    /// The files that a command writes, as they are before it.
    fn states(&self, run: &Run) -> Result<Vec<FileState>> {
        let written = run.effects.iter().filter_map(|effect| match effect {
            Effect::Writes { path, .. } => Some(path),
            Effect::Copies { .. } | Effect::Removes { .. } => None,
        });
        let state = |path: &HostPath| Ok(FileState { path: path.clone(), digest: self.host.digest(path)? });
        written.map(state).collect()
    }

    fn of_meta(&self, path: &HostPath, details: Option<Details>) -> Result<Reversal> {
        let Details { stat, attributes, .. } = self.details(path, details)?;
        Ok(match stat {
            // A link has no mode of its own.
            Some(Stat { kind: FileKind::Link, owner, group, .. }) => {
                let meta = Meta { mode: None, owner: Some(owner), group: Some(group) };
                Reversal::Meta { path: path.clone(), meta, attributes: None }
            }
            Some(stat) => Reversal::Meta { path: path.clone(), meta: stat.meta(), attributes },
            None => Reversal::Nothing,
        })
    }

    fn details(&self, path: &HostPath, known: Option<Details>) -> Result<Details> {
        known.map_or_else(|| self.host.details(path), Ok)
    }

    fn of_exchange(&mut self, one: &HostPath, other: &HostPath) -> Result<Reversal> {
        let (one, other) = (self.expect_there(one)?, self.expect_there(other)?);
        let mut around = Vec::new();
        for saved in [&one, &other] {
            around.extend(self.around(&saved.path, self.host.details(&saved.path)?.around));
        }
        match one.what == other.what {
            true => {
                let why = format!(
                    "{} is of the same kind, so windlass could not see whether it was done",
                    other.path
                );
                Err(Failure::new(format!("exchange {}", one.path), why))
            }
            false => Ok(Reversal::Exchange { one: one.into(), other: other.into(), around }),
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
        Ok(Saved {
            path: path.clone(),
            what,
            meta: stat.meta(),
            attributes: None,
            modified: None,
            is_shared: false,
            kept: None,
        })
    }

    fn restore(&mut self, path: &HostPath, details: Option<Details>, left: Left) -> Result<Reversal> {
        // A directory that is there stays there; only a removal needs what is inside it.
        let deep = left == Left::Absent;
        self.restore_to(path, details, deep, left)
    }

    /// A directory that may stay, when it is not empty by then.
    fn restore_empty(&mut self, path: &HostPath) -> Result<Reversal> {
        self.restore_to(path, None, false, Left::Absent)
    }

    fn restore_to(
        &mut self,
        path: &HostPath,
        details: Option<Details>,
        deep: bool,
        left: Left,
    ) -> Result<Reversal> {
        let mut before = Vec::new();
        let details = self.details(path, details)?;
        let around = self.around(path, details.around).into_iter().collect();
        self.save(path, details, deep, &mut before)?;
        Ok(Reversal::Restore { path: path.clone(), before, left, around })
    }

    /// When the directory of `path` was modified last, once for all changes that are made together.
    fn around(&mut self, path: &HostPath, modified: Option<Modified>) -> Option<Around> {
        let (folder, modified) = (path.parent()?, modified?);
        if !self.around.insert(HostPath::from(folder)) {
            return None;
        }
        // Its own name may be a link; it is the directory that has the time.
        let path = HostPath::from(self.host.follow(folder).ok()?);
        Some(Around { path, modified })
    }

    fn save(&mut self, path: &HostPath, details: Details, deep: bool, saved: &mut Vec<Saved>) -> Result<()> {
        let Details { stat, attributes, is_shared, modified, .. } = details;
        let Some(stat) = stat else { return Ok(()) };
        let what = match stat.kind {
            FileKind::File => self.save_file(path)?,
            FileKind::Dir => SavedKind::Dir,
            FileKind::Link => SavedKind::Link { target: stat.target.clone().unwrap_or_default().into() },
            FileKind::Other => {
                let why = "it is a device, socket or pipe, which cannot be restored";
                return Err(Failure::new(format!("save {path} for undo"), why));
            }
        };
        let descend = what == SavedKind::Dir && deep;
        let kept = if is_shared { self.keep_file(path)? } else { None };
        saved.push(Saved {
            path: path.clone(),
            what,
            meta: stat.meta(),
            attributes,
            modified,
            is_shared,
            kept,
        });
        if descend {
            for name in self.host.list(path)? {
                let inside = path.join(name);
                self.save(&inside, self.host.details(&inside)?, deep, saved)?;
            }
        }
        Ok(())
    }

    /// Gives a file with hard links one more name among what is saved, so that undo can put back the file itself. Not where
    /// that is on another file system: then undo restores its bytes in a file of its own.
    fn keep_file(&mut self, path: &HostPath) -> Result<Option<String>> {
        let name = format!("{}-{}", Digest::of(path.as_os_str().as_encoded_bytes()), self.kept);
        self.kept += 1;
        let is_kept = self.host.keep_file(path, &self.directory.join(&name))?;
        Ok(is_kept.then_some(name))
    }

    fn save_file(&mut self, path: &HostPath) -> Result<SavedKind> {
        let digest = self.host.digest(path)?.unwrap_or_else(|| Digest::of(b""));
        // Named by its bytes, so that saving the same file twice keeps one copy.
        let blob = digest.to_string();
        let to = self.directory.join(&blob);
        if self.saved.insert(digest.clone()) && self.host.stat(&to)?.is_none() {
            self.host.copy(path, &to)?;
        }
        Ok(SavedKind::File { blob, digest })
    }
}
