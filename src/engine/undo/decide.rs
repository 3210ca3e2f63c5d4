//! Decides by looking at the host what undoes one change: nothing, ops, or nothing that windlass knows.

use super::{OpenChange, timed};
use crate::engine::entry::{Around, FileState, Left, Reversal, Saved, SavedKind};
use crate::engine::inspect::{ATTRIBUTES_UNSEEN, LINKS_LOST};
use crate::model::attributes::Attributes;
use crate::model::op::{Asset, Command, Content, Meta, Op, Run, Undo};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::{self, FileKind, Probe, Stat};
use std::path::Path;

/// Saved files up to this size, in bytes, are put back by their bytes, so that a diff of them can be shown.
const SHOWN: u64 = 256 * 1024;

/// Why it is not known what a command changed.
const BROKE: &str = "it failed, and may have changed something before that";

/// Ops that undo a change.
#[derive(Debug, Default, PartialEq)]
pub struct Work {
    /// In this order.
    pub ops: Vec<Op>,
    /// Why something is not as before even then.
    pub in_part: Option<String>,
}

/// What undoes a change.
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// It is as before, or needs nothing.
    AsBefore,
    /// This.
    Perform(Work),
    /// Nothing that windlass knows.
    Impossible(String),
}

impl Decision {
    fn perform(ops: Vec<Op>) -> Self {
        Decision::Perform(Work { ops, in_part: None })
    }
}

/// Looks what undoes `open`. An error says why it cannot be undone now.
pub fn decide(host: &dyn Probe, saved: &HostPath, open: &OpenChange) -> Result<Decision> {
    let mut decision = without_losses(host, saved, open)?;
    if let Decision::Perform(work) = &mut decision {
        let lost = lost(host, saved, &open.reversal)?.map(str::to_string);
        work.in_part = lost.or_else(|| left_behind(host, open));
    }
    Ok(decision)
}

/// What is not as before even when the change is undone: as the host says now where it can be asked, else as it was known
/// when the change was made.
fn left_behind(host: &dyn Probe, open: &OpenChange) -> Option<String> {
    let Reversal::Asked { question, .. } = &open.reversal else { return open.leaves.clone() };
    match host.ask(&timed(question.clone())) {
        Ok(answer) if answer.ok() => Some(answer.text().trim().to_string()).filter(|left| !left.is_empty()),
        _ => open.leaves.clone(),
    }
}

/// The directories whose times a change has changed.
pub fn around(reversal: &Reversal) -> &[Around] {
    match reversal {
        Reversal::Restore { around, .. } | Reversal::Exchange { around, .. } => around,
        _ => &[],
    }
}

/// Why a change is undone only in part although everything that is known of it is restored.
fn lost(host: &dyn Probe, blobs: &HostPath, reversal: &Reversal) -> Result<Option<&'static str>> {
    let before = match reversal {
        Reversal::Restore { before, left, .. } if *left != Left::Dir => before,
        Reversal::Meta { attributes: None, meta: Meta { mode: Some(_), .. }, .. } => {
            return Ok(Some(ATTRIBUTES_UNSEEN));
        }
        _ => return Ok(None),
    };
    let is_link = |saved: &Saved| matches!(saved.what, SavedKind::Link { .. });
    if before.iter().any(|saved| saved.attributes.is_none() && !is_link(saved)) {
        return Ok(Some(ATTRIBUTES_UNSEEN));
    }
    for saved in before.iter().filter(|saved| saved.is_shared) {
        if kept_file(host, blobs, saved)?.is_none() {
            return Ok(Some(LINKS_LOST));
        }
    }
    Ok(None)
}

fn without_losses(host: &dyn Probe, saved: &HostPath, open: &OpenChange) -> Result<Decision> {
    match &open.reversal {
        Reversal::Nothing | Reversal::Again(_) | Reversal::Repeat(_) => Ok(Decision::AsBefore),
        Reversal::Sealed(_) => Err(sealed(open)),
        Reversal::Impossible { why } => Ok(Decision::Impossible(reason(open, why))),
        Reversal::Command(command) | Reversal::Asked { command, .. } => {
            Ok(Decision::perform(vec![run(command, open)]))
        }
        Reversal::CommandOver { command, before } => match all_as_before(host, before)? {
            true => Ok(Decision::AsBefore),
            false => Ok(Decision::perform(vec![run(command, open)])),
        },
        Reversal::Exchange { one, other, .. } => exchange(host, one, other),
        Reversal::Meta { path, meta, attributes } => set_again(host, path, meta, attributes.as_ref()),
        Reversal::Restore { path, before, left, .. } => restore(host, saved, path, before, left),
    }
}

/// Why nothing undoes a command.
pub fn reason(open: &OpenChange, why: &str) -> String {
    if open.broke { format!("{BROKE}; {why}") } else { why.to_string() }
}

fn sealed(open: &OpenChange) -> Failure {
    let why = "the command that undoes it may hold a secret, and is sealed with a key that is not here";
    Failure::new(open.what.clone(), why)
        .hint("the key is journal-key in the directory .windlass of the project that ran it")
}

fn run(command: &Command, open: &OpenChange) -> Op {
    let undo = open.forward.clone().map_or(Undo::Nothing, Undo::Command);
    Op::from(Run { undo, ..Run::from(timed(command.clone())) })
}

/// Whether a command that was cut off, or failed, changed none of the files that it is about.
fn all_as_before(host: &dyn Probe, before: &[FileState]) -> Result<bool> {
    for file in before {
        if host.digest(&file.path)? != file.digest {
            return Ok(false);
        }
    }
    Ok(!before.is_empty())
}

/// Owner and mode come first: a change of owner clears capabilities, and the mode is the mask of an ACL.
fn set_again(
    host: &dyn Probe,
    path: &HostPath,
    meta: &Meta,
    attributes: Option<&Attributes>,
) -> Result<Decision> {
    let Some(stat) = host.stat(path)? else { return Ok(Decision::AsBefore) };
    let mut ops = Vec::new();
    if differs(meta, &stat.meta()) {
        ops.push(Op::Meta { path: path.clone(), meta: meta.clone() });
    }
    add_attributes(host, path, attributes, &mut ops)?;
    Ok(if ops.is_empty() { Decision::AsBefore } else { Decision::perform(ops) })
}

/// Restores extended attributes where they are not as they were.
fn add_attributes(
    host: &dyn Probe,
    path: &HostPath,
    attributes: Option<&Attributes>,
    ops: &mut Vec<Op>,
) -> Result<()> {
    if let Some(attributes) = attributes
        && host.details(path)?.attributes.as_ref() != Some(attributes)
    {
        ops.push(Op::Attributes { path: path.clone(), attributes: attributes.clone() });
    }
    Ok(())
}

/// Files may have changed in a directory since; it is the same one.
fn exchange(host: &dyn Probe, one: &Saved, other: &Saved) -> Result<Decision> {
    let (first, second) = (&one.path, &other.path);
    if is_still(host, first, &one.what)? && is_still(host, second, &other.what)? {
        return Ok(Decision::AsBefore);
    }
    if !is_still(host, first, &other.what)? || !is_still(host, second, &one.what)? {
        return Err(changed_since(&format!("exchange {first} and {second} again")));
    }
    Ok(Decision::perform(vec![Op::Exchange { one: first.clone(), other: second.clone() }]))
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
    Failure::new(doing, "it was changed by something else since")
        .hint("look at what it holds now; what it held before is kept with the run on the host")
}

fn restore(
    host: &dyn Probe,
    blobs: &HostPath,
    path: &HostPath,
    before: &[Saved],
    left: &Left,
) -> Result<Decision> {
    if stands_as_before(host, path, before)? {
        return Ok(Decision::AsBefore);
    }
    if !stands_as_left(host, path, before, left)? {
        return Err(changed_since(&format!("restore {path}")));
    }
    match (before, left) {
        ([], Left::Dir) if !host.list(path)?.is_empty() => {
            Err(Failure::new(format!("remove directory {path}"), "it holds files that were added since"))
        }
        ([], Left::Dir) => Ok(Decision::perform(vec![Op::RemoveEmpty { path: path.clone() }])),
        ([], _) => Ok(Decision::perform(vec![Op::Remove { path: path.clone() }])),
        _ => {
            let mut ops = Vec::new();
            before.iter().try_for_each(|saved| put_back(host, blobs, saved, &mut ops))?;
            ops.extend(times(before, left));
            Ok(Decision::perform(ops))
        }
    }
}

/// Times come last, those of directories after those of what is in them. A directory that stayed is as old as its last
/// change is.
fn times(before: &[Saved], left: &Left) -> Vec<Op> {
    let stayed = |saved: &Saved| saved.what == SavedKind::Dir && *left == Left::Dir;
    let restored = before.iter().rev().filter(|saved| !stayed(saved));
    let time = |saved: &Saved| Some(Op::Modified { path: saved.path.clone(), modified: saved.modified? });
    restored.filter_map(time).collect()
}

/// Whether something that is known of it is otherwise.
fn differs(meta: &Meta, now: &Meta) -> bool {
    let known = |before: Option<u32>, now: Option<u32>| before.is_some() && before != now;
    known(meta.mode, now.mode) || known(meta.owner, now.owner) || known(meta.group, now.group)
}

fn put_back(host: &dyn Probe, blobs: &HostPath, saved: &Saved, ops: &mut Vec<Op>) -> Result<()> {
    let (path, meta) = (saved.path.clone(), saved.meta.clone());
    if let Some(kept) = kept_file(host, blobs, saved)? {
        ops.push(Op::PutBack { path, kept });
        return Ok(());
    }
    match &saved.what {
        SavedKind::Dir => {
            ops.push(Op::Dir { path: path.clone(), meta });
            add_attributes(host, &path, saved.attributes.as_ref(), ops)?;
        }
        SavedKind::Link { target } => {
            ops.push(Op::Link { path: path.clone(), target: target.clone() });
            ops.push(Op::Meta { path, meta: Meta { mode: None, ..meta } });
        }
        SavedKind::File { blob, digest } => {
            // A link stands where the file was: writing would follow it.
            if host.stat(&path)?.is_some_and(|stat| stat.kind == FileKind::Link) {
                ops.push(Op::Remove { path: path.clone() });
            }
            let kept = blobs.join(blob);
            let size = host.stat(&kept)?.map(|stat| stat.size);
            let size =
                size.ok_or_else(|| Failure::new(format!("restore {path}"), "its saved bytes are gone"))?;
            let content = match size <= SHOWN {
                true => Content::Bytes(host.read(&kept)?.unwrap_or_default()),
                false => Content::Asset(Asset { digest: digest.clone(), size }),
            };
            ops.push(Op::Write { path: path.clone(), content, meta });
            add_attributes(host, &path, saved.attributes.as_ref(), ops)?;
        }
    }
    Ok(())
}

/// The file itself, when it was kept and nothing has written to it under another of its names since.
fn kept_file(host: &dyn Probe, blobs: &HostPath, saved: &Saved) -> Result<Option<HostPath>> {
    let (Some(name), SavedKind::File { digest, .. }) = (&saved.kept, &saved.what) else { return Ok(None) };
    let kept = blobs.join(name);
    Ok((host.digest(&kept)?.as_ref() == Some(digest)).then_some(kept))
}

fn stands_as_before(host: &dyn Probe, path: &Path, before: &[Saved]) -> Result<bool> {
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
        if !same || (stat.kind != FileKind::Link && !is_dressed_as(host, &stat, saved)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_dressed_as(host: &dyn Probe, stat: &Stat, saved: &Saved) -> Result<bool> {
    Ok(match &saved.attributes {
        _ if stat.meta() != saved.meta => false,
        None => true,
        Some(known) => host.details(&saved.path)?.attributes.as_ref() == Some(known),
    })
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

/// Whether nothing stands below `path` that was not there before. What windlass itself left beside a file that it was
/// putting back is no change of others.
fn only_what_was(host: &dyn Probe, before: &[Saved], path: &Path) -> Result<bool> {
    for name in host.list(path)? {
        let child = path.join(&name);
        let Some(saved) = before.iter().find(|saved| saved.path.as_path() == child) else {
            let names = before.iter().filter_map(|saved| saved.path.file_name());
            match names.into_iter().any(|of| system::is_temporary_of(&name, of)) {
                true => continue,
                false => return Ok(false),
            }
        };
        if saved.what == SavedKind::Dir && !only_what_was(host, before, &child)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn what_cannot_be_restored_is_asked_again_before_the_undo() {
        let host = testing::host(&[]);
        let [command, question] =
            ["restore lighttpd", "offered lighttpd"].map(|line| Command::new(line.split(' ')));
        let open = OpenChange {
            change: 1,
            step: 0,
            what: "run apt-get remove lighttpd".to_string(),
            reversal: Reversal::Asked { command, question },
            within: None,
            forward: None,
            leaves: Some("as it was known".to_string()),
            broke: false,
        };
        let in_part = || match decide(&host, &HostPath::from("/saved"), &open).unwrap() {
            Decision::Perform(work) => work.in_part,
            other => panic!("{other:?}"),
        };
        for (status, said, left) in [
            (0, "lighttpd is lost\n", Some("lighttpd is lost")),
            (0, "", None),
            (1, "", Some("as it was known")),
        ] {
            testing::answer(&host, "offered lighttpd", status, said);
            assert_eq!(in_part().as_deref(), left);
        }
    }
}
