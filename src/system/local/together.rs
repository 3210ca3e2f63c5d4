//! Many changes of files, made durable with few syncs: written files wait beside their places until all of them are on
//! the disk, then they are renamed one after the other, then the directories are synced.

use super::root::{DirectoryEntry, Reachable, Root, Ruler, missing_is_none};
use super::write::New;
use super::{Local, details, refused};
use crate::model::Result;
use crate::model::attributes::{Attributes, Modified};
use crate::system::walk::Last;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

/// So many files wait at most, and so many directories are held open: both cost descriptors, of which a process has
/// 1,024.
const WAITING: usize = 256;

/// Up to so many files or directories are synced one by one. Beyond, one sync of their whole file system is quicker,
/// though it also waits for what others have written there.
const FEW: usize = 8;

/// Changes that are gathered.
#[derive(Debug, Default)]
pub struct Gathering {
    within: Option<PathBuf>,
    folders: BTreeMap<PathBuf, Arc<OwnedFd>>,
    waiting: Vec<(PathBuf, New)>,
    /// Directories whose entries are not durable yet, by the address of their descriptor.
    unsynced: BTreeMap<usize, Arc<OwnedFd>>,
    /// Times of last modification, set when no more names change.
    times: BTreeMap<PathBuf, Modified>,
}

impl Local {
    /// Does what [`System::together`](crate::system::System::together) says.
    pub(super) fn gather(
        &self,
        within: Option<&Path>,
        changes: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        *self.gathering() = Some(Gathering { within: within.map(Path::to_path_buf), ..Gathering::default() });
        let done = changes().and_then(|()| self.commit());
        // What waits is removed when the changes failed, by being dropped.
        drop(self.gathering().take());
        done
    }

    fn commit(&self) -> Result<()> {
        let Some(times) = self.gathering().as_mut().map(Gathering::commit).transpose()? else {
            return Ok(());
        };
        times.into_iter().try_for_each(|(path, modified)| self.modify(&path, modified))
    }

    /// Sets when something was modified last; while changes are gathered, once they are made.
    pub(super) fn set_time(&self, path: &Path, modified: Modified) -> Result<()> {
        if let Some(gathering) = self.gathering().as_mut() {
            // A file that waits gets it before it takes its place, so that no one sees it without.
            let set = gathering.waits(path).map(|new| details::set_modified(&new.file, modified));
            if set.is_none() {
                gathering.times.insert(path.to_path_buf(), modified);
            }
            return set.unwrap_or(Ok(())).map_err(|errno| refused(time_of(path), errno));
        }
        self.modify(path, modified)
    }

    fn modify(&self, path: &Path, modified: Modified) -> Result<()> {
        let set = || -> Reachable<()> {
            match missing_is_none(self.find(path, Last::Kept))? {
                Some(entry) => Ok(details::set_modified_at(&entry, modified)?),
                None => Ok(()),
            }
        };
        set().map_err(|refusal| refusal.while_doing(time_of(path)))
    }

    pub(super) fn gathering(&self) -> MutexGuard<'_, Option<Gathering>> {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry that `path` names. No link is followed below the directory that must not be left now.
    pub(super) fn find(&self, path: &Path, last: Last) -> Reachable<DirectoryEntry> {
        match self.gathering().as_mut() {
            Some(gathering) if last == Last::Kept || gathering.holds(path) => {
                gathering.entry(&self.root, path)
            }
            _ => self.root.reach(path, last),
        }
    }

    /// Gives a file that waits beside its place these attributes; `None` when none waits for that place.
    pub(super) fn set_waiting(&self, path: &Path, attributes: &Attributes) -> Option<rustix::io::Result<()>> {
        let gathering = self.gathering();
        let new = gathering.as_ref()?.waits(path)?;
        Some(details::set(&new.file, attributes))
    }

    /// The directory's entries are made durable, now or with everything else that is gathered.
    pub(super) fn settle_folder(&self, place: &DirectoryEntry) -> rustix::io::Result<()> {
        match self.gathering().as_mut() {
            Some(gathering) => gathering.note(place),
            None => place.sync_folder(),
        }
    }

    /// Puts a new file in its place once it is durable, now or with everything else that is gathered.
    pub(super) fn settle(&self, path: &Path, new: New, doing: &str) -> Result<()> {
        match self.gathering().as_mut() {
            Some(gathering) => gathering.take(path, new),
            None => new
                .sync()
                .and_then(|()| new.put())
                .and_then(|place| place.sync_folder())
                .map_err(|errno| refused(doing, errno)),
        }
    }
}

fn time_of(path: &Path) -> String {
    format!("set time of {}", path.display())
}

impl Gathering {
    /// The file that waits to take this place.
    fn waits(&self, path: &Path) -> Option<&New> {
        self.waiting.iter().rev().find(|(place, _)| place == path).map(|(_, new)| new)
    }

    fn holds(&self, path: &Path) -> bool {
        self.within.as_ref().is_some_and(|within| path != within && path.starts_with(within))
    }

    fn entry(&mut self, root: &Root, path: &Path) -> Reachable<DirectoryEntry> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(DirectoryEntry {
                folder: self.folder(root, parent)?,
                name: name.to_owned(),
                ruler: Ruler::NotAsked,
            }),
            _ => root.reach(path, Last::Kept),
        }
    }

    /// A directory, held open while changes are gathered. Below `within` it is reached name by name.
    fn folder(&mut self, root: &Root, path: &Path) -> Reachable<Arc<OwnedFd>> {
        if let Some(open) = self.folders.get(path) {
            return Ok(open.clone());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = match (self.holds(path), path.parent(), path.file_name()) {
            (false, ..) => root.reach(path, Last::Followed)?.open(flags)?,
            (true, Some(parent), Some(name)) => {
                fs::openat(&self.folder(root, parent)?, name, flags | OFlags::NOFOLLOW, Mode::empty())?
            }
            // A path that ends in `..` could lead anywhere.
            (true, ..) => return Err(Errno::LOOP.into()),
        };
        if self.folders.len() >= WAITING {
            self.folders.clear();
        }
        let open = Arc::new(open);
        self.folders.insert(path.to_path_buf(), open.clone());
        Ok(open)
    }

    /// A directory that is removed may come back as another one.
    pub(super) fn forget(&mut self, path: &Path) {
        self.folders.retain(|folder, _| !folder.starts_with(path));
    }

    fn note(&mut self, place: &DirectoryEntry) -> rustix::io::Result<()> {
        self.unsynced.insert(Arc::as_ptr(&place.folder) as usize, place.folder.clone());
        if self.unsynced.len() < WAITING { Ok(()) } else { self.sync_folders() }
    }

    fn take(&mut self, path: &Path, new: New) -> Result<()> {
        self.waiting.push((path.to_path_buf(), new));
        if self.waiting.len() + self.unsynced.len() >= WAITING { self.put() } else { Ok(()) }
    }

    /// Makes everything durable, and gives the times that are to be set then.
    fn commit(&mut self) -> Result<BTreeMap<PathBuf, Modified>> {
        self.put()?;
        Ok(std::mem::take(&mut self.times))
    }

    /// Bytes first, then names, then directories.
    fn put(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let doing = || format!("make {} files durable", waiting.len());
        let synced = match waiting.len() {
            0..=FEW => waiting.iter().try_for_each(|(_, new)| new.sync()),
            _ => sync_file_systems(waiting.iter().map(|(_, new)| new.file.as_fd())),
        };
        synced.map_err(|errno| refused(doing(), errno))?;
        for (path, new) in waiting {
            let placed = new.put().and_then(|place| self.note(&place));
            placed.map_err(|errno| refused(format!("write {}", path.display()), errno))?;
        }
        self.sync_folders().map_err(|errno| refused("make changed directories durable", errno))
    }

    fn sync_folders(&mut self) -> rustix::io::Result<()> {
        sync_folders(&std::mem::take(&mut self.unsynced))
    }
}

fn sync_folders(folders: &BTreeMap<usize, Arc<OwnedFd>>) -> rustix::io::Result<()> {
    if folders.len() <= FEW {
        return folders.values().try_for_each(|folder| super::root::sync_folder(folder));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut devices = BTreeMap::new();
    for folder in folders.values() {
        devices.entry(fs::fstat(folder)?.st_dev).or_insert(folder);
    }
    for folder in devices.into_values() {
        match fs::openat(folder, ".", flags, Mode::empty()) {
            Ok(open) => fs::syncfs(open)?,
            // A folder may be writable and not readable.
            Err(Errno::ACCESS) => fs::sync(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Each file system that one of these is on is synced once.
fn sync_file_systems<'a>(files: impl Iterator<Item = std::os::fd::BorrowedFd<'a>>) -> rustix::io::Result<()> {
    let mut devices = BTreeMap::new();
    for file in files {
        devices.entry(fs::fstat(file)?.st_dev).or_insert(file);
    }
    devices.into_values().try_for_each(fs::syncfs)
}
