//! Takes changes back, newest first, from what the journal kept.

use super::batch::Touched;
use super::entry::{Entry, Left, Reversal, Saved, SavedKind};
use super::host_reader::HostReader;
use super::journal::Journal;
use crate::model::op::{Command, Meta};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::{FileKind, Probe, System};
use std::collections::BTreeSet;
use std::path::Path;

/// So many changes are taken back together at most.
const BATCH: usize = 1000;

/// What came of taking changes back.
pub struct Taken {
    /// The changes that are taken back now, by their number in the journal.
    pub changes: Vec<u32>,
    /// What was done, a line each.
    pub told: Vec<String>,
    /// Why it could not go on. What is in `changes` is done in either case.
    pub result: Result<()>,
}

/// Undoes the changes of the current run after the first `after`, newest first. Returns what it did, a line each.
pub fn undo_current(journal: &mut Journal<'_>, after: u32) -> Result<Vec<String>> {
    let saved = journal.state().saved(journal.run());
    let taken = take_back(journal.host(), &saved, journal.entries(), after);
    journal.undone(&taken.changes)?;
    taken.result.map(|()| taken.told)
}

/// Takes back the changes with a number above `after` that were not taken back before.
pub fn take_back(host: &dyn System, blobs: &HostPath, entries: &[Entry], after: u32) -> Taken {
    let mut taken = Taken { changes: Vec::new(), told: Vec::new(), result: Ok(()) };
    let mut again: Vec<(u32, &Command)> = Vec::new();
    let open = open_changes(entries, after);
    let mut left = &open[..];
    while let Some(first) = left.first() {
        if let Reversal::Again(command) = first.reversal {
            again.push((first.change, command));
            left = &left[1..];
            continue;
        }
        let (now, later) = left.split_at(batch_length(left).max(1));
        match take_batch_back(host, blobs, now) {
            Ok(told) => taken.told.extend(told),
            Err(failure) => {
                taken.result = Err(failure);
                return taken;
            }
        }
        taken.changes.extend(now.iter().map(|one| one.change));
        left = later;
    }
    // A daemon is only told to read its files again when some were restored. Until then its restart is not taken back:
    // a restart that failed is alone in its step, and the files that broke it are taken back later, with the run.
    if taken.told.is_empty() {
        return taken;
    }
    taken.changes.extend(again.iter().map(|(change, _)| *change));
    match run_again(host, again.into_iter().map(|(_, command)| command).collect()) {
        Ok(lines) => taken.told.extend(lines),
        Err(failure) => taken.result = Err(failure),
    }
    taken
}

/// A change that is still in force.
struct Open<'a> {
    change: u32,
    what: &'a str,
    reversal: &'a Reversal,
    within: Option<&'a HostPath>,
}

/// How many changes from the beginning can be taken back together: of files, none of which depends on another.
fn batch_length(open: &[Open]) -> usize {
    let mut touched = Touched::default();
    let within = open.first().and_then(|first| first.within);
    let fits = |one: &&Open| match one.reversal {
        // What is put back becomes visible last of all; what is removed is gone at once.
        Reversal::Restore { path, before, .. } => {
            one.within == within && touched.add(path, before.is_empty())
        }
        Reversal::Meta { path, .. } => one.within == within && touched.add(path, true),
        Reversal::Nothing | Reversal::Command(_) | Reversal::Exchange { .. } | Reversal::Again(_) => false,
    };
    open.iter().take(BATCH).take_while(fits).count()
}

/// Takes back changes that do not depend on each other; a single one may be anything. Once more is no harm when some of
/// them were taken back before.
fn take_batch_back(host: &dyn System, blobs: &HostPath, open: &[Open]) -> Result<Vec<String>> {
    let mut told = Vec::new();
    let within = open.first().and_then(|first| first.within);
    host.together(within.map(HostPath::as_path), &mut || {
        for one in open {
            if take_one_back(host, blobs, one.reversal)? {
                told.push(format!("took back: {}", one.what));
            }
        }
        Ok(())
    })?;
    Ok(told)
}

/// The changes that are still in force, newest first.
fn open_changes(entries: &[Entry], after: u32) -> Vec<Open<'_>> {
    let taken: BTreeSet<u32> = entries
        .iter()
        .filter_map(|entry| if let Entry::Undone { change } = entry { Some(*change) } else { None })
        .collect();
    let intents = entries.iter().rev().filter_map(|entry| match entry {
        Entry::Intent { change, what, reversal, within, .. } if *change > after => {
            Some(Open { change: *change, what, reversal, within: within.as_ref() })
        }
        _ => None,
    });
    intents.filter(|one| !taken.contains(&one.change)).collect()
}

/// Daemons that were restarted read their restored files, each once, in the order in which they were restarted first.
fn run_again(host: &dyn System, newest_first: Vec<&Command>) -> Result<Vec<String>> {
    let mut commands: Vec<&Command> = Vec::new();
    for command in newest_first.into_iter().rev() {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    commands.into_iter().map(|command| run(host, command)).collect()
}

fn run(host: &dyn System, command: &Command) -> Result<String> {
    let answer = host.run(command)?;
    if answer.ok() { Ok(format!("ran {}", command.shown())) } else { Err(refused(command, &answer)) }
}

/// Whether there was anything to take back.
fn take_one_back(host: &dyn System, blobs: &HostPath, reversal: &Reversal) -> Result<bool> {
    match reversal {
        Reversal::Nothing | Reversal::Again(_) => Ok(false),
        Reversal::Command(command) => run(host, command).map(|_| true),
        Reversal::Exchange { one, other } => exchange_back(host, one, other),
        Reversal::Meta { path, meta } => match host.stat(path)? {
            Some(stat) if differs(meta, &stat.meta()) => host.set_meta(path, meta).map(|()| true),
            _ => Ok(false),
        },
        Reversal::Restore { path, before, left } => restore(host, blobs, path, before, left),
    }
}

/// Files may have changed in a directory since; it is the same one.
fn exchange_back(host: &dyn System, one: &Saved, other: &Saved) -> Result<bool> {
    let (first, second) = (&one.path, &other.path);
    if is_still(host, first, &one.what)? && is_still(host, second, &other.what)? {
        return Ok(false);
    }
    if !is_still(host, first, &other.what)? || !is_still(host, second, &one.what)? {
        return Err(changed_since(&format!("exchange {first} and {second} again")));
    }
    host.exchange(first, second).map(|()| true)
}

fn is_still(host: &dyn Probe, path: &Path, what: &SavedKind) -> Result<bool> {
    let Some(stat) = host.stat(path)? else { return Ok(false) };
    Ok(match what {
        SavedKind::Dir => stat.kind == FileKind::Dir,
        SavedKind::Link { target } => stat.target.as_deref() == Some(target.as_path()),
        SavedKind::File { .. } => stat.kind == FileKind::File,
    })
}

fn changed_since(doing: &str) -> Failure {
    Failure::new(doing, "it was changed by somebody else since")
        .hint("look at what it holds now; what it held before is kept with the run on the host")
}

fn restore(
    host: &dyn System,
    blobs: &HostPath,
    path: &HostPath,
    before: &[Saved],
    left: &Left,
) -> Result<bool> {
    if stands_as_before(host, path, before)? {
        return Ok(false);
    }
    if !stands_as_left(host, path, before, left)? {
        return Err(changed_since(&format!("take back {path}")));
    }
    match (before, left) {
        // Somebody else's files are in it by now.
        ([], Left::Dir) if !host.list(path)?.is_empty() => return Ok(false),
        ([], _) => host.remove(path)?,
        _ => before.iter().try_for_each(|saved| put_back(host, blobs, saved))?,
    }
    Ok(true)
}

/// Whether something that is known of it is otherwise.
fn differs(meta: &Meta, now: &Meta) -> bool {
    let known = |before: Option<u32>, now: Option<u32>| before.is_some() && before != now;
    known(meta.mode, now.mode) || known(meta.owner, now.owner) || known(meta.group, now.group)
}

fn put_back(host: &dyn System, blobs: &HostPath, saved: &Saved) -> Result<()> {
    match &saved.what {
        SavedKind::Dir => host.make_dir(&saved.path, &saved.meta),
        SavedKind::Link { target } => {
            host.link(&saved.path, target)?;
            host.set_meta(&saved.path, &Meta { mode: None, ..saved.meta.clone() })
        }
        SavedKind::File { blob, .. } => {
            // A link stands where the file was: writing would follow it.
            if kind_at(host, &saved.path)? == Some(FileKind::Link) {
                host.remove(&saved.path)?;
            }
            host.write(&saved.path, &mut HostReader::new(host, &blobs.join(blob)), &saved.meta)
        }
    }
}

fn stands_as_before(host: &dyn System, path: &Path, before: &[Saved]) -> Result<bool> {
    if before.is_empty() {
        return Ok(host.stat(path)?.is_none());
    }
    for saved in before {
        let Some(stat) = host.stat(&saved.path)? else { return Ok(false) };
        let same = match &saved.what {
            SavedKind::Dir => stat.kind == FileKind::Dir,
            SavedKind::Link { target } => stat.target.as_deref() == Some(target.as_path()),
            SavedKind::File { digest, .. } => {
                stat.kind == FileKind::File && host.digest(&saved.path)?.as_ref() == Some(digest)
            }
        };
        if !same || (stat.kind != FileKind::Link && stat.meta() != saved.meta) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn stands_as_left(host: &dyn Probe, path: &Path, before: &[Saved], left: &Left) -> Result<bool> {
    let stat = host.stat(path)?;
    Ok(match left {
        Left::Absent => match stat {
            None => true,
            // A removal that stopped half way leaves some of the tree: what is missing is put back.
            Some(stat) => {
                let was_dir = before.first().is_some_and(|saved| saved.what == SavedKind::Dir);
                stat.kind == FileKind::Dir && was_dir && only_what_was(host, before, path)?
            }
        },
        Left::Dir => stat.is_none_or(|stat| stat.kind == FileKind::Dir),
        Left::Link(target) => stat.is_none_or(|stat| stat.target.as_deref() == Some(target.as_path())),
        Left::File(digest) => match stat {
            None => true,
            Some(stat) => stat.kind == FileKind::File && host.digest(path)?.as_ref() == Some(digest),
        },
    })
}

/// Whether nothing stands below `path` that was not there before.
fn only_what_was(host: &dyn Probe, before: &[Saved], path: &Path) -> Result<bool> {
    for name in host.list(path)? {
        let child = path.join(name);
        let Some(saved) = before.iter().find(|saved| saved.path.as_path() == child) else { return Ok(false) };
        if saved.what == SavedKind::Dir && !only_what_was(host, before, &child)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn kind_at(host: &dyn Probe, path: &Path) -> Result<Option<FileKind>> {
    Ok(host.stat(path)?.map(|stat| stat.kind))
}
