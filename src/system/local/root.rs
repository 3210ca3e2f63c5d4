//! Where paths begin: at the host's own root, or at a directory that cannot be left. Every change is made through the
//! descriptor of the directory it happens in, so that no user can exchange that directory for a link in between.

use crate::model::Failure;
use crate::system::reason::refused;
use crate::system::walk::{self, Ground, Last, Node, Stop};
use crate::system::{FileKind, READ_LIMIT};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// openat2 gives up with EAGAIN when a process renames directories meanwhile; tried this often.
const RACES: usize = 32;

/// The directory at which paths begin.
#[derive(Debug)]
pub enum Root {
    /// The host's own.
    Host,
    /// A directory; `..` and absolute links in it do not lead out.
    Folder(OwnedFd, PathBuf),
}

/// An entry of a directory that is held open.
#[derive(Debug)]
pub struct DirectoryEntry {
    /// The directory; only good for `*at` calls.
    pub folder: Arc<OwnedFd>,
    /// The entry's name; `.` for the directory itself.
    pub name: OsString,
    /// Who controls the way there.
    pub ruler: Ruler,
}

/// Who controls a directory on the way to an entry, when that is an unprivileged user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruler {
    /// Nobody has looked yet: there was no link on the way.
    NotAsked,
    /// Only root and we do, when it is `None`.
    Known(Option<u32>),
}

impl Root {
    /// Paths begin at `folder`.
    pub fn below(folder: &Path) -> Result<Self> {
        let open =
            fs::openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let real = real_path(&open)?;
        let root = Root::Folder(open, real);
        root.open(Path::new("/"), OFlags::PATH)?;
        Ok(root)
    }

    /// Opens what is at `path` as the kernel does: links are followed wherever they point, in its last part too. Only
    /// for programs and the directories in which they run.
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        match self {
            Root::Host => fs::openat(CWD, path, flags, Mode::empty()),
            Root::Folder(folder, _) => open_in(folder, path, flags),
        }
    }

    /// The entry that `path` names, in its directory. Links are followed as [`walk`](crate::system::walk) says.
    pub fn reach(&self, path: &Path, last: Last) -> Reachable<DirectoryEntry> {
        match self.directly(path, last) {
            Some(entry) => Ok(entry),
            None => self.walk(path, last),
        }
    }

    /// The entry in one system call, when there is no link on the way. Who controls the way is not known then.
    fn directly(&self, path: &Path, last: Last) -> Option<DirectoryEntry> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        if path.components().any(|part| part == Component::ParentDir) {
            return None;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_SYMLINKS;
        let folder = match self {
            Root::Host => fs::openat2(CWD, parent, flags, Mode::empty(), resolve),
            Root::Folder(top, _) => {
                fs::openat2(top, parent, flags, Mode::empty(), resolve | ResolveFlags::IN_ROOT)
            }
        };
        let entry =
            DirectoryEntry { folder: Arc::new(folder.ok()?), name: name.to_owned(), ruler: Ruler::NotAsked };
        let is_link = || entry.stat().ok().flatten().is_none_or(|stat| is_link(&stat));
        (last == Last::Kept || !is_link()).then_some(entry)
    }

    fn walk(&self, path: &Path, last: Last) -> Reachable<DirectoryEntry> {
        let reached = walk::reach(self, path, last)?;
        if reached.is_cut_off {
            return Err(Errno::NOENT.into());
        }
        Ok(DirectoryEntry {
            folder: reached.directory,
            name: reached.name,
            ruler: Ruler::Known(reached.ruler),
        })
    }

    /// Who controls the way to `path`, which must hold no link in its last part.
    pub fn ruler(&self, path: &Path) -> Reachable<Option<u32>> {
        Ok(walk::reach(self, path, Last::Followed)?.ruler)
    }
}

impl Ground for Root {
    type Directory = Arc<OwnedFd>;
    type Error = Refusal;

    fn runs_as(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn top(&self) -> Reachable<(Arc<OwnedFd>, u32)> {
        let open = self.open(Path::new("/"), OFlags::PATH | OFlags::DIRECTORY)?;
        let owner = fs::fstat(&open)?.st_uid;
        Ok((Arc::new(open), owner))
    }

    fn look(&self, directory: &Arc<OwnedFd>, name: &OsStr) -> Reachable<Option<Node>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Some(open) = absent_is_none(fs::openat(directory, name, flags, Mode::empty()))? else {
            return Ok(None);
        };
        let stat = fs::fstat(&open)?;
        // Owner and target are of one and the same link, whatever becomes of its name.
        let target = is_link(&stat).then(|| target_of(&open, "")).transpose()?;
        Ok(Some(Node { kind: kind_of(&stat), owner: stat.st_uid, target }))
    }

    fn enter(&self, directory: &Arc<OwnedFd>, name: &OsStr) -> Reachable<Option<(Arc<OwnedFd>, u32)>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Some(open) = absent_is_none(fs::openat(directory, name, flags, Mode::empty()))? else {
            return Ok(None);
        };
        let owner = fs::fstat(&open)?.st_uid;
        Ok(Some((Arc::new(open), owner)))
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        let mut text = String::new();
        let open = self.open(Path::new("/etc/passwd"), OFlags::RDONLY | OFlags::NONBLOCK).ok()?;
        std::fs::File::from(open).take(READ_LIMIT).read_to_string(&mut text).ok()?;
        walk::name_in(&text, uid)
    }
}

/// Why a path cannot be used.
#[derive(Debug)]
pub enum Refusal {
    /// The operating system refused.
    System(Errno),
    /// A user controls what is on the way.
    Stopped(Stop),
}

/// What may be refused.
pub type Reachable<T> = std::result::Result<T, Refusal>;

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Refusal::System(errno)
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        Refusal::Stopped(stop)
    }
}

impl Refusal {
    /// As a failure to do something.
    pub fn while_doing(self, doing: impl std::fmt::Display) -> Failure {
        match self {
            Refusal::System(errno) => refused(doing, errno),
            Refusal::Stopped(stop) => stop.while_doing(doing),
        }
    }
}

/// The same as [`absent_is_none`] for what may be refused.
pub fn missing_is_none<T>(result: Reachable<T>) -> Reachable<Option<T>> {
    match result {
        Err(Refusal::System(errno)) => Ok(absent_is_none(Err(errno))?),
        other => other.map(Some),
    }
}

impl DirectoryEntry {
    /// What stands there, if anything; a link is not followed.
    pub fn stat(&self) -> Result<Option<fs::Stat>> {
        absent_is_none(fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Where the link there points.
    pub fn target(&self) -> Result<PathBuf> {
        target_of(&self.folder, &self.name)
    }

    /// Opens it; a link there is an error.
    pub fn open(&self, flags: OFlags) -> Result<OwnedFd> {
        fs::openat(&self.folder, &self.name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    }

    /// Makes the directory's entries durable.
    pub fn sync_folder(&self) -> Result<()> {
        sync_folder(&self.folder)
    }

    /// Renames an entry of the same directory to this one, replacing it.
    pub fn replace_with(&self, name: &OsStr) -> Result<()> {
        fs::renameat(&self.folder, name, &self.folder, &self.name)
    }

    /// Lets two entries change places at one moment.
    pub fn exchange_with(&self, other: &DirectoryEntry) -> Result<()> {
        let flags = fs::RenameFlags::EXCHANGE;
        fs::renameat_with(&self.folder, &self.name, &other.folder, &other.name, flags)?;
        self.sync_folder()?;
        other.sync_folder()
    }
}

fn target_of(directory: &OwnedFd, name: impl rustix::path::Arg) -> Result<PathBuf> {
    let target = fs::readlinkat(directory, name, Vec::new())?;
    Ok(OsString::from_vec(target.into_bytes()).into())
}

/// What sort of thing this is.
pub fn kind_of(stat: &fs::Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Dir,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    }
}

fn is_link(stat: &fs::Stat) -> bool {
    kind_of(stat) == FileKind::Link
}

/// Makes the entries of a directory durable.
pub fn sync_folder(folder: &OwnedFd) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match fs::openat(folder, ".", flags, Mode::empty()) {
        Ok(folder) => settled(fs::fsync(folder)),
        // A folder may be writable and not readable. Its file system can still be synced as one of all.
        Err(Errno::ACCESS) => {
            fs::sync();
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// No such entry is an answer and not an error.
pub fn absent_is_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The path of something open, without links.
pub fn real_path(open: &impl AsFd) -> Result<PathBuf> {
    let path = fs::readlinkat(CWD, proc_path(open), Vec::new())?;
    Ok(OsString::from_vec(path.into_bytes()).into())
}

/// A path that names something open, whatever has become of its name.
pub fn proc_path(open: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", open.as_fd().as_raw_fd())
}

fn open_in(folder: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut result = Err(Errno::AGAIN);
    for _ in 0..RACES {
        result = fs::openat2(folder, path, flags, Mode::empty(), resolve);
        if !matches!(result, Err(Errno::AGAIN)) {
            break;
        }
    }
    result
}

/// File systems that cannot sync a directory say EINVAL; they keep its entries some other way.
fn settled(result: Result<()>) -> Result<()> {
    match result {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }
}
