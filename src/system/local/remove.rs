//! Removes files and whole directories through descriptors: whatever another user exchanges meanwhile, nothing outside of
//! the directory is reached.

use super::root::{DirectoryEntry, kind_of};
use crate::system::FileKind;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;

/// Directories deeper than this in one another are not removed: each is held open, and a process has 1,024 descriptors.
const DEPTH_LIMIT: usize = 512;

/// A directory into which others go on putting files is listed again so many times.
const LISTINGS: usize = 16;

/// Removes a file, a link or an empty directory; whether there was anything.
pub fn one(entry: &DirectoryEntry) -> Result<bool> {
    let Some(stat) = entry.stat()? else { return Ok(false) };
    let flags = if kind_of(&stat) == FileKind::Dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    gone(fs::unlinkat(&entry.folder, &entry.name, flags))
}

/// Removes what is there, a directory with all that is in it; whether there was anything.
pub fn all(entry: &DirectoryEntry) -> Result<bool> {
    remove(&entry.folder, &entry.name, 0)
}

/// The names in an open directory, without `.` and `..`.
pub fn names(directory: &OwnedFd) -> Result<Vec<OsString>> {
    let entries = fs::Dir::read_from(directory)?.map(|entry| Ok(entry?.file_name().to_bytes().to_vec()));
    let names = entries.collect::<Result<Vec<_>>>()?;
    Ok(names.into_iter().filter(|name| name != b"." && name != b"..").map(OsString::from_vec).collect())
}

fn remove(above: &OwnedFd, name: &OsStr, depth: usize) -> Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match fs::openat(above, name, flags, Mode::empty()) {
        Ok(_) if depth >= DEPTH_LIMIT => Err(Errno::NAMETOOLONG),
        Ok(directory) => empty_and_remove(above, name, &directory, depth),
        Err(Errno::NOENT) => Ok(false),
        // A directory that may not be read may be empty all the same.
        Err(Errno::ACCESS) => gone(fs::unlinkat(above, name, AtFlags::REMOVEDIR)),
        Err(_no_directory) => gone(fs::unlinkat(above, name, AtFlags::empty())),
    }
}

fn empty_and_remove(above: &OwnedFd, name: &OsStr, directory: &OwnedFd, depth: usize) -> Result<bool> {
    for _ in 0..LISTINGS {
        for inner in names(directory)? {
            remove(directory, &inner, depth + 1)?;
        }
        match fs::unlinkat(above, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            // Another thing has this name by now.
            Err(Errno::NOTDIR) => return gone(fs::unlinkat(above, name, AtFlags::empty())),
            ended => return gone(ended),
        }
    }
    Err(Errno::NOTEMPTY)
}

/// Another process may have been quicker.
fn gone(removed: Result<()>) -> Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}
