//! What earlier runs put there and has left the source since.

use super::{Wish, called, some_of};
use crate::model::Result;
use crate::model::op::Op;
use crate::model::path::HostPath;
use crate::model::tree::{Inside, Tree, TreeNode};
use crate::system::{FileKind, Stat};
use crate::tree::manifest::{Manifest, Put};
use crate::tree::there::There;
use std::collections::BTreeSet;

/// What is to be done with it.
#[derive(Default)]
pub struct Removals {
    /// Files and links that are as they were put there.
    unchanged: BTreeSet<Inside>,
    /// Directories in which nothing is left then.
    empty: BTreeSet<Inside>,
    /// What someone has changed since: it stays, and is reported each time.
    edited: BTreeSet<Inside>,
}

impl Removals {
    /// Looks at what the manifest knows of this overlay and the source does not.
    pub fn look(there: &mut There, wish: &Wish, tree: &Tree, old: &Manifest) -> Result<Removals> {
        let mut removals = Removals::default();
        let left = |path: &Inside, put: &Put| {
            put.layer == wish.layer
                && put.made
                && tree.find(path).is_none()
                && !wish.exclude.iter().any(|pattern| pattern.matches(path))
        };
        // Backwards, so that what is in a directory is decided before the directory.
        for (path, put) in old.entries.iter().rev().filter(|(path, put)| left(path, put)) {
            if let Some(stat) = there.stat(path)? {
                removals.add(there, path, put, &stat)?;
            }
        }
        Ok(removals)
    }

    fn add(&mut self, there: &There, path: &Inside, put: &Put, stat: &Stat) -> Result<()> {
        if put.what == TreeNode::Dir && stat.kind == FileKind::Dir {
            let names = there.names(path)?;
            let goes = |path: &Inside| self.unchanged.contains(path) || self.empty.contains(path);
            if names.iter().all(goes) {
                self.empty.insert(path.clone());
            }
        } else if put.what != TreeNode::Dir && there.is(path, stat, &put.what)? {
            self.unchanged.insert(path.clone());
        } else {
            self.edited.insert(path.clone());
        }
        Ok(())
    }

    /// The removals; a directory only after all that is in it, and only when it is empty by then.
    pub fn ops(&self, dest: &HostPath) -> Vec<Op> {
        let files = self.unchanged.iter().map(|path| Op::Remove { path: dest.join(path) });
        let dirs = self.empty.iter().rev().map(|path| Op::RemoveEmpty { path: dest.join(path) });
        files.chain(dirs).collect()
    }

    /// What stays although it has left the source.
    pub fn notes(&self, dest: &HostPath) -> Vec<String> {
        let told: Vec<String> = self.edited.iter().map(|path| called(dest, path)).collect();
        match told.is_empty() {
            true => Vec::new(),
            false => {
                let told = some_of(&told).join(", ");
                vec![format!("left the source, but stays because it was changed there since: {told}")]
            }
        }
    }

    /// What will be there when all is done: what this overlay puts there, what it leaves, what others put there.
    pub fn manifest(&self, mut new: Manifest, old: &Manifest, wish: &Wish) -> Manifest {
        for (path, put) in &old.entries {
            let excluded = wish.exclude.iter().any(|pattern| pattern.matches(path));
            if put.layer != wish.layer || self.edited.contains(path) || excluded {
                new.entries.entry(path.clone()).or_insert_with(|| put.clone());
            }
        }
        new
    }

    /// The same, with what is about to be removed.
    pub fn still_there(&self, new: &Manifest, old: &Manifest) -> Manifest {
        let mut all = new.clone();
        for path in self.unchanged.iter().chain(&self.empty) {
            if let Some(put) = old.entries.get(path) {
                all.entries.entry(path.clone()).or_insert_with(|| put.clone());
            }
        }
        all
    }
}
