//! Where paths begin: at the host's own root, or at a folder that cannot be left. Every change is made through the
//! descriptor of the folder it happens in, so that nobody can swap that folder for a link in between.

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// openat2 gives up with EAGAIN when somebody renames folders meanwhile; tried this often.
const RACES: usize = 32;

/// The folder at which paths begin.
#[derive(Debug)]
pub enum Root {
    /// The host's own.
    Host,
    /// A folder; `..` and absolute links in it do not lead out.
    Folder(OwnedFd, PathBuf),
}

/// An entry of a folder that is held open.
#[derive(Debug)]
pub struct Place {
    /// The folder; only good for `*at` calls.
    pub folder: Arc<OwnedFd>,
    /// The entry's name; `.` for the folder itself.
    pub name: OsString,
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

    /// Opens what is at `path`. Links are followed, in its last part too unless `flags` says otherwise.
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        match self {
            Root::Host => fs::openat(CWD, path, flags, Mode::empty()),
            Root::Folder(folder, _) => open_in(folder, path, flags),
        }
    }

    /// The entry that `path` names, in its folder.
    pub fn place(&self, path: &Path) -> Result<Place> {
        let folder = |path: &Path| self.open(path, OFlags::PATH | OFlags::DIRECTORY).map(Arc::new);
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(Place { folder: folder(parent)?, name: name.to_owned() }),
            _ => Ok(Place { folder: folder(path)?, name: OsString::from(".") }),
        }
    }
}

impl Place {
    /// What stands there, if anything; a link is not followed.
    pub fn stat(&self) -> Result<Option<fs::Stat>> {
        absent_is_none(fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Where the link there points.
    pub fn target(&self) -> Result<PathBuf> {
        let target = fs::readlinkat(&self.folder, &self.name, Vec::new())?;
        Ok(OsString::from_vec(target.into_bytes()).into())
    }

    /// Opens it; a link there is an error.
    pub fn open(&self, flags: OFlags) -> Result<OwnedFd> {
        fs::openat(&self.folder, &self.name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    }

    /// Makes the folder's entries durable.
    pub fn sync_folder(&self) -> Result<()> {
        sync_folder(&self.folder)
    }

    /// Renames an entry of the same folder to this one, replacing it.
    pub fn replace_with(&self, name: &OsStr) -> Result<()> {
        fs::renameat(&self.folder, name, &self.folder, &self.name)
    }

    /// Lets two entries change places at one moment.
    pub fn exchange_with(&self, other: &Place) -> Result<()> {
        let flags = fs::RenameFlags::EXCHANGE;
        fs::renameat_with(&self.folder, &self.name, &other.folder, &other.name, flags)?;
        self.sync_folder()?;
        other.sync_folder()
    }
}

/// Makes the entries of a folder durable.
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

/// File systems that cannot sync a folder say EINVAL; they keep its entries some other way.
fn settled(result: Result<()>) -> Result<()> {
    match result {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }
}
