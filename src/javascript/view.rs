//! A tree on a host, remembered while it is looked at. A resolver asks for many paths that do not exist; one listing of
//! a directory answers them all, which matters where each look is a round trip.

use crate::model::{Failure, Result};
use crate::system::walk::LINK_LIMIT;
use crate::system::{FileKind, Probe, Stat};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// The names in a directory; `None` when there is no such directory, or it cannot be listed.
type Names = Option<Rc<BTreeSet<OsString>>>;

/// What was seen so far below `root`. Nothing is looked at twice, so that one audit speaks of one moment.
pub struct View<'a> {
    host: &'a dyn Probe,
    root: PathBuf,
    names: RefCell<HashMap<PathBuf, Names>>,
    stats: RefCell<HashMap<PathBuf, Option<Stat>>>,
}

impl<'a> View<'a> {
    /// A view of the directory that `root` is, links followed.
    pub fn of(host: &'a dyn Probe, root: &Path) -> Result<View<'a>> {
        let looking = || format!("look at {}", root.display());
        let mut view =
            View { host, root: PathBuf::from("/"), names: RefCell::default(), stats: RefCell::default() };
        view.root = view.real(root)?.ok_or_else(|| Failure::new(looking(), "there is no such directory"))?;
        match view.kind(&view.root)? {
            Some(FileKind::Dir) => Ok(view),
            _ => Err(Failure::new(looking(), "it is not a directory")),
        }
    }

    /// The directory that is looked at, without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path as findings name it: below the directory that is looked at.
    pub fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// What stands at a path, not following a link in its last part.
    pub fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => match self.real(folder)? {
                Some(real) => self.look(&real.join(name)),
                None => Ok(None),
            },
            _ => self.look(path),
        }
    }

    /// What stands at a path whose directories are no links.
    fn look(&self, path: &Path) -> Result<Option<Stat>> {
        if let Some(known) = self.stats.borrow().get(path) {
            return Ok(known.clone());
        }
        let stat = match self.is_listed(path)? {
            true => self.host.stat(path)?,
            false => None,
        };
        self.stats.borrow_mut().insert(path.to_path_buf(), stat.clone());
        Ok(stat)
    }

    /// What stands at a path, links followed.
    pub fn kind(&self, path: &Path) -> Result<Option<FileKind>> {
        let Some(real) = self.real(path)? else { return Ok(None) };
        Ok(self.look(&real)?.map(|stat| stat.kind))
    }

    /// The path without links; `None` when nothing is there.
    pub fn real(&self, path: &Path) -> Result<Option<PathBuf>> {
        let mut rest: Vec<OsString> = parts_backwards(path);
        let mut real = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                real.pop();
                continue;
            }
            let next = real.join(part);
            let Some(stat) = self.look(&next)? else { return Ok(None) };
            match stat.target {
                None => real = next,
                Some(_) if links == LINK_LIMIT => return Ok(None),
                Some(target) => {
                    links += 1;
                    if target.is_absolute() {
                        real = PathBuf::from("/");
                    }
                    rest.extend(parts_backwards(&target));
                }
            }
        }
        Ok(Some(real))
    }

    /// The names in a directory, sorted; none when there is no such directory.
    pub fn names(&self, folder: &Path) -> Result<Names> {
        if let Some(known) = self.names.borrow().get(folder) {
            return Ok(known.clone());
        }
        let real = self.real(folder)?.unwrap_or_default();
        let names = match self.look(&real)?.map(|stat| stat.kind) {
            Some(FileKind::Dir) => {
                self.host.list(&real).ok().map(|names| Rc::new(names.into_iter().collect()))
            }
            _ => None,
        };
        self.names.borrow_mut().insert(folder.to_path_buf(), names.clone());
        Ok(names)
    }

    /// The bytes of a regular file; `None` when there is none.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let Some(real) = self.real(path)? else { return Ok(None) };
        match self.look(&real)?.map(|stat| stat.kind) {
            Some(FileKind::File) => self.host.read(&real),
            _ => Ok(None),
        }
    }

    /// Whether the directory above names it. Above the tree, and where a directory may be entered and not listed, only
    /// asking shows.
    fn is_listed(&self, path: &Path) -> Result<bool> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(true) };
        if self.root == Path::new("/") || !folder.starts_with(&self.root) {
            return Ok(true);
        }
        if self.kind(folder)? != Some(FileKind::Dir) {
            return Ok(false);
        }
        Ok(self.names(folder)?.is_none_or(|names| names.contains(name)))
    }
}

/// The parts of a path, the last one first; `.` and the root are left out.
fn parts_backwards(path: &Path) -> Vec<OsString> {
    let kept = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().rev().filter(kept).map(|part| part.as_os_str().to_os_string()).collect()
}
