//! Lays a tree over a directory of a host: writes what differs, leaves alone what is only there, and takes away what an
//! earlier run put there, that has left the source and that nobody has changed since.

use super::manifest::{self, Manifest, Put};
use super::there::There;
use crate::model::counted::counted;
use crate::model::mode::Mode;
use crate::model::op::{Content, Meta, Op, Plan};
use crate::model::path::HostPath;
use crate::model::tree::pattern::Pattern;
use crate::model::tree::{Entry, Inside, Named, Tree, TreeNode};
use crate::model::{Failure, Result};
use crate::system::{Brought, FileKind, Probe, Stat};
use crate::wanted;
use dress::Dress;
use edited::{Copies, Edited};
use removal::Removals;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

mod dress;
pub mod edited;
mod removal;
#[cfg(all(test, feature = "controller"))]
mod tests;

/// So many paths are named in an error or a note; the others are counted.
const NAMED: usize = 10;

/// What is wanted of an overlay.
pub struct Wish<'a> {
    /// What is copied over the directory.
    pub source: &'a Named,
    /// The overlay's name: what it put there in earlier runs, it did under the same one.
    pub layer: &'a str,
    /// The directory.
    pub dest: &'a HostPath,
    /// Paths that are none of its business, here and there.
    pub exclude: &'a [Pattern],
    /// Of every file, in place of the source's.
    pub file_mode: Option<Mode>,
    /// Of every directory, in place of the source's.
    pub dir_mode: Option<Mode>,
    /// Of everything in the source.
    pub owner: Option<&'a str>,
    /// Of everything in the source.
    pub group: Option<&'a str>,
    /// What becomes of files that were edited since; `None` replaces them like any other.
    pub edited: Option<Edited>,
}

/// What an overlay comes to on a host.
pub struct Laid {
    /// What is to be done.
    pub plan: Plan,
    /// The directory as it really is called, links followed.
    pub dest: HostPath,
    /// What is in the source.
    pub tree: Arc<Tree>,
    /// What windlass will have put there.
    pub manifest: Manifest,
}

/// Looks at the directory and says what would be done.
pub fn lay(host: &dyn Probe, wish: &Wish) -> Result<Laid> {
    let brought =
        host.brought().ok_or_else(|| Failure::new("lay out a tree", "there is no job that brings it"))?;
    let tree = brought.trees.get(&wish.source.tree);
    let tree = tree
        .ok_or_else(|| Failure::new(format!("lay out {}", wish.source.source), "its job did not bring it"))?;
    // However it is written, one folder has one manifest.
    let dest = HostPath::from(wanted::followed(host, wish.dest)?.components().collect::<PathBuf>());
    let top = host.stat(&dest)?;
    wanted::expect_kind(&dest, top.as_ref(), FileKind::Dir)?;
    let (old, old_bytes) = Manifest::read(host, brought, &dest)?;
    let mut work = Work {
        wish,
        brought,
        dress: Dress::of(host, wish, top.as_ref())?,
        there: There::new(host, &dest),
        old: &old,
        new: Manifest::default(),
        ops: Ops::default(),
        conflicts: Vec::new(),
        copies: Copies::default(),
        kept: Vec::new(),
        host,
        dest: &dest,
    };
    for entry in tree.entries() {
        work.entry(entry)?;
    }
    work.refuse_conflicts()?;
    let removals = Removals::look(&mut work.there, wish, tree, &old)?;
    let (mut ops, new) = (work.ops, work.new);
    ops.copies = work.copies.ops;
    let edited = some_of(&[work.copies.notes, work.kept].concat());
    if top.is_none() {
        ops.first = wanted::parents(host, &dest)?;
        ops.first.push(Op::Dir { path: dest.clone(), meta: work.dress.new_dir(0o755) });
    }
    let mut plan = Plan { within: Some(dest.clone()), ..Plan::nothing() };
    plan.notes = ops.notes(tree).into_iter().chain(edited).chain(removals.notes(&dest)).collect();
    let manifest = removals.manifest(new, &old, wish);
    plan.ops = in_order(host, brought, &dest, ops, removals, &manifest, &old, &old_bytes)?;
    Ok(Laid { plan, dest, tree: tree.clone(), manifest })
}

/// Changes of different kinds, each list in the order of the tree.
#[derive(Default)]
struct Ops {
    /// The directory itself, and those above it.
    first: Vec<Op>,
    /// Copies of what was edited and is replaced.
    copies: Vec<Op>,
    /// What windlass put there and is of another type now.
    replaced: Vec<Op>,
    dirs: Vec<Op>,
    writes: Vec<Op>,
    links: Vec<Op>,
    metas: Vec<Op>,
}

impl Ops {
    fn all(self) -> impl Iterator<Item = Op> {
        let lists = [self.first, self.copies, self.replaced, self.dirs, self.writes, self.links, self.metas];
        lists.into_iter().flatten()
    }

    /// How much travels.
    fn notes(&self, tree: &Tree) -> Option<String> {
        let mut different = BTreeSet::new();
        let mut bytes = 0;
        for op in &self.writes {
            let Op::Write { content: Content::Asset(asset), .. } = op else { continue };
            bytes += if different.insert(&asset.digest) { asset.size } else { 0 };
        }
        let is_file = |entry: &&Entry| matches!(entry.what, TreeNode::File(_));
        let files = tree.entries().iter().filter(is_file).count();
        (!self.writes.is_empty()).then(|| {
            format!(
                "{} of {} differ; {} of them travel",
                self.writes.len(),
                counted(files, "file"),
                counted(bytes as usize, "byte")
            )
        })
    }
}

/// The manifest comes first, so that a run that is cut off leaves nothing there that is not in it; with it what is about
/// to be removed. When that is gone, it leaves the manifest.
#[expect(clippy::too_many_arguments, reason = "the last step of one function, which has all of it at hand")]
fn in_order(
    host: &dyn Probe,
    brought: &Brought,
    dest: &HostPath,
    ops: Ops,
    removals: Removals,
    new: &Manifest,
    old: &Manifest,
    old_bytes: &[u8],
) -> Result<Vec<Op>> {
    let path = manifest::place(brought, dest);
    let write = |bytes: Vec<u8>| Op::Write {
        path: path.clone(),
        content: Content::Bytes(bytes),
        meta: Meta { mode: Some(0o600), ..Meta::default() },
    };
    let bytes = new.bytes(dest)?;
    let before = removals.still_there(new, old).bytes(dest)?;
    let folder = manifest::folder(brought);
    let mut all = Vec::new();
    if before != old_bytes && host.stat(&folder)?.is_none() {
        all.push(Op::Dir { path: folder, meta: Meta { mode: Some(0o700), ..Meta::default() } });
    }
    if before != old_bytes {
        all.push(write(before.clone()));
    }
    all.extend(ops.all());
    all.extend(removals.ops(dest));
    if bytes != before {
        all.push(write(bytes));
    }
    Ok(all)
}

/// An overlay in the making.
struct Work<'a> {
    wish: &'a Wish<'a>,
    brought: &'a Brought,
    dress: Dress,
    there: There<'a>,
    old: &'a Manifest,
    new: Manifest,
    ops: Ops,
    conflicts: Vec<String>,
    copies: Copies,
    /// Notes of edited files that stay.
    kept: Vec<String>,
    host: &'a dyn Probe,
    dest: &'a HostPath,
}

impl Work<'_> {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        let there = self.there.stat(&entry.path)?;
        let old = self.old.entries.get(&entry.path).filter(|put| put.layer == self.wish.layer);
        let Some(stat) = &there else {
            return self.add(entry, old);
        };
        if stat.kind == kind_of(&entry.what) {
            return self.adjust(entry, stat, old);
        }
        match old {
            Some(put)
                if put.made
                    && stat.kind != FileKind::Dir
                    && self.there.is(&entry.path, stat, &put.what)? =>
            {
                self.ops.replaced.push(Op::Remove { path: self.dest.join(&entry.path) });
                self.add(entry, old)
            }
            _ => {
                let (path, kind) = (self.dest.join(&entry.path), stat.kind.as_str());
                self.conflicts
                    .push(format!("{path} is a {kind} there and a {} in the source", entry.what.as_str()));
                Ok(())
            }
        }
    }

    /// Nothing stands there.
    fn add(&mut self, entry: &Entry, old: Option<&Put>) -> Result<()> {
        let path = self.dest.join(&entry.path);
        let meta = self.dress.new_meta(entry);
        match &entry.what {
            TreeNode::Dir => self.ops.dirs.push(Op::Dir { path, meta: meta.clone() }),
            TreeNode::File(asset) => {
                let content = Content::Asset(asset.clone());
                self.ops.writes.push(Op::Write { path, content, meta: meta.clone() });
            }
            TreeNode::Link(target) => {
                self.ops.links.push(Op::Link { path: path.clone(), target: target.clone() });
                self.own_link(path, &meta);
            }
        }
        let made = old.is_none_or(|put| put.made);
        self.remember(entry, &meta, made, Some(self.brought.run.clone()));
        Ok(())
    }

    /// Something of the same type stands there.
    fn adjust(&mut self, entry: &Entry, stat: &Stat, old: Option<&Put>) -> Result<()> {
        let path = self.dest.join(&entry.path);
        let meta = self.dress.meta_of(entry, old.is_some_and(|put| put.made));
        let same = self.there.is(&entry.path, stat, &entry.what)?;
        if let (false, Some(put), Some(edited)) = (same, old, self.wish.edited)
            && matches!(entry.what, TreeNode::File(_))
            && !self.there.is(&entry.path, stat, &put.what)?
            && !self.replaces(edited, entry, stat, put)?
        {
            return Ok(());
        }
        match &entry.what {
            TreeNode::File(asset) if !same => {
                let content = Content::Asset(asset.clone());
                self.ops.writes.push(Op::Write { path, content, meta: meta.clone() });
            }
            TreeNode::Link(target) if !same => {
                self.ops.links.push(Op::Link { path: path.clone(), target: target.clone() });
                // A new link belongs to the user that makes it.
                self.own_link(path, &Meta { mode: None, ..over(&meta, stat) });
            }
            _ => self.ops.metas.extend(wanted::meta_op(path, stat, &meta)),
        }
        let made = old.is_some_and(|put| put.made);
        match old.filter(|_| same) {
            Some(put) => {
                let owner = meta.owner.or(put.owner);
                let known =
                    Meta { mode: meta.mode.or(Some(put.mode)), owner, group: meta.group.or(put.group) };
                self.remember(entry, &known, made, put.run.clone());
            }
            None => {
                let run = (!same).then(|| self.brought.run.clone());
                self.remember(entry, &over(&meta, stat), made, run);
            }
        }
        Ok(())
    }

    /// Whether a file that was edited since is replaced all the same; else it stays known as it was written.
    fn replaces(&mut self, edited: Edited, entry: &Entry, stat: &Stat, put: &Put) -> Result<bool> {
        let path = self.dest.join(&entry.path);
        match edited {
            Edited::Replace => self.copies.add(self.host, self.brought, &path, stat).map(|()| true),
            Edited::Keep => {
                self.kept.push(edited::kept(self.dest, &entry.path));
                self.new.entries.insert(entry.path.clone(), put.clone());
                Ok(false)
            }
            Edited::Fail => {
                self.conflicts.push(edited::refused(&path));
                Ok(false)
            }
        }
    }

    fn own_link(&mut self, path: HostPath, meta: &Meta) {
        let meta = Meta { mode: None, ..meta.clone() };
        if !meta.is_empty() && self.dress.may_give_away() {
            self.ops.metas.push(Op::Meta { path, meta });
        }
    }

    fn remember(&mut self, entry: &Entry, meta: &Meta, made: bool, run: Option<crate::model::job::RunId>) {
        let put = Put {
            what: entry.what.clone(),
            mode: meta.mode.unwrap_or(entry.mode),
            owner: meta.owner,
            group: meta.group,
            layer: self.wish.layer.to_string(),
            made,
            run,
        };
        self.new.entries.insert(entry.path.clone(), put);
    }

    fn refuse_conflicts(&self) -> Result<()> {
        if self.conflicts.is_empty() {
            return Ok(());
        }
        let doing = format!("copy {} over {}", self.wish.source.source, self.dest);
        Err(Failure::new(doing, some_of(&self.conflicts).join("; "))
            .hint("nothing was written; move it away there if it may go, or leave it out with exclude"))
    }
}

/// What is asked for, and else what is there.
fn over(meta: &Meta, stat: &Stat) -> Meta {
    Meta {
        mode: meta.mode.or(Some(stat.mode)),
        owner: meta.owner.or(Some(stat.owner)),
        group: meta.group.or(Some(stat.group)),
    }
}

fn kind_of(what: &TreeNode) -> FileKind {
    match what {
        TreeNode::File(_) => FileKind::File,
        TreeNode::Dir => FileKind::Dir,
        TreeNode::Link(_) => FileKind::Link,
    }
}

/// The first of many, and how many more there are.
pub fn some_of(lines: &[String]) -> Vec<String> {
    let more = lines.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    lines.iter().take(NAMED).cloned().chain(more).collect()
}

/// Where a path of the tree is on the host, for people.
fn called(dest: &HostPath, path: &Inside) -> String {
    dest.join(path).to_string()
}
