//! What stands below a directory of a host. No link is followed on the way: what is behind one is not in the directory.

use crate::model::Result;
use crate::model::path::HostPath;
use crate::model::tree::{Inside, TreeNode};
use crate::system::{FileKind, Probe, Stat};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Deeper than this no tree is that Linux can name.
const DEPTH: usize = 1024;

/// A directory that is looked into; what was seen of its directories is remembered.
pub struct There<'a> {
    host: &'a dyn Probe,
    folder: &'a HostPath,
    dirs: BTreeMap<PathBuf, bool>,
}

impl<'a> There<'a> {
    /// Nothing was looked at yet.
    pub fn new(host: &'a dyn Probe, folder: &'a HostPath) -> Self {
        There { host, folder, dirs: BTreeMap::new() }
    }

    /// What stands at a path; nothing, when something above it is no directory.
    pub fn stat(&mut self, path: &Inside) -> Result<Option<Stat>> {
        if !self.is_dir(path.parents().next())? {
            return Ok(None);
        }
        let stat = self.host.stat(&self.folder.join(path))?;
        let is_dir = stat.as_ref().is_some_and(|stat| stat.kind == FileKind::Dir);
        self.dirs.insert(path.as_path().to_path_buf(), is_dir);
        Ok(stat)
    }

    fn is_dir(&mut self, path: Option<Inside>) -> Result<bool> {
        let key = path.as_ref().map(|path| path.as_path().to_path_buf()).unwrap_or_default();
        if let Some(known) = self.dirs.get(&key) {
            return Ok(*known);
        }
        let stat = match &path {
            Some(path) => self.stat(path)?,
            None => self.host.stat(self.folder)?,
        };
        let is_dir = stat.is_some_and(|stat| stat.kind == FileKind::Dir);
        self.dirs.insert(key, is_dir);
        Ok(is_dir)
    }

    /// Whether what stands at a path, as `stat` says, holds the same.
    pub fn is(&self, path: &Inside, stat: &Stat, what: &TreeNode) -> Result<bool> {
        Ok(match what {
            TreeNode::Dir => stat.kind == FileKind::Dir,
            TreeNode::Link(target) => stat.target.as_deref() == Some(target.as_path()),
            TreeNode::File(asset) => {
                stat.kind == FileKind::File
                    && stat.size == asset.size
                    && self.host.digest(&self.folder.join(path))?.as_ref() == Some(&asset.digest)
            }
        })
    }

    /// What is in a directory.
    pub fn names(&self, path: &Inside) -> Result<Vec<Inside>> {
        let names = self.host.list(&self.folder.join(path))?;
        // A name that no tree can hold is another's, as the directory itself is for a user that asks.
        let inside = |name| Inside::new(path.as_path().join(name)).unwrap_or_else(|_| path.clone());
        Ok(names.into_iter().map(inside).collect())
    }

    /// Everything below the directory, a directory before what is in it. `enter` says which directories are looked
    /// into.
    pub fn all(&mut self, enter: &dyn Fn(&Inside) -> bool) -> Result<Vec<(Inside, Stat)>> {
        let mut found = Vec::new();
        if self.is_dir(None)? {
            self.below(None, enter, &mut found)?;
        }
        Ok(found)
    }

    fn below(
        &mut self,
        dir: Option<&Inside>,
        enter: &dyn Fn(&Inside) -> bool,
        found: &mut Vec<(Inside, Stat)>,
    ) -> Result<()> {
        let path = dir.map_or_else(|| self.folder.clone(), |dir| self.folder.join(dir));
        for name in self.host.list(&path)? {
            let inside = dir.map_or_else(|| PathBuf::from(&name), |dir| dir.as_path().join(&name));
            // A path that cannot be named as one of a tree cannot have come from one.
            let Ok(inside) = Inside::new(inside) else { continue };
            let Some(stat) = self.stat(&inside)? else { continue };
            let is_dir = stat.kind == FileKind::Dir;
            found.push((inside.clone(), stat));
            if is_dir && inside.parts().count() < DEPTH && enter(&inside) {
                self.below(Some(&inside), enter, found)?;
            }
        }
        Ok(())
    }
}
