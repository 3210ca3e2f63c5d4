//! Extended attributes, hard links and times, through descriptors: what an undo must restore besides bytes, mode and owner.

use super::root::{DirectoryEntry, kind_of, proc_path};
use super::stat_of;
use super::write::grown;
use crate::model::attributes::{Attributes, BOUND_TO_BYTES, Modified};
use crate::system::{Details, FileKind};
use rustix::fs::{
    self, AtFlags, OFlags, Stat, StatxAttributes, StatxFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags,
};
use rustix::io::{Errno, Result};
use std::os::fd::{AsFd, OwnedFd};

/// What an undo needs of what stands there. A symbolic link has no attributes that users can set.
pub fn of(entry: &DirectoryEntry) -> Result<Details> {
    let around = Some(modified(&fs::fstat(&entry.folder)?));
    let Some(stat) = entry.stat()? else { return Ok(Details { around, ..Details::default() }) };
    let kind = kind_of(&stat);
    let target = (kind == FileKind::Link).then(|| entry.target()).transpose()?;
    let modified = Some(modified(&stat));
    let details = Details { stat: Some(stat_of(&stat, target)), around, modified, ..Details::default() };
    if !matches!(kind, FileKind::File | FileKind::Dir) {
        return Ok(details);
    }
    let attributes = Some(read(&entry.open(OFlags::PATH)?)?);
    let is_mount_point = is_mount_point(entry);
    let is_shared = kind == FileKind::File && stat.st_nlink > 1;
    Ok(Details { attributes, is_shared, is_mount_point, ..details })
}

fn modified(stat: &Stat) -> Modified {
    Modified(stat.st_mtime, stat.st_mtime_nsec as u32)
}

/// Sets when a file that is open was modified last.
pub fn set_modified(open: &impl AsFd, modified: Modified) -> Result<()> {
    permitted(fs::futimens(open, &times(modified)))
}

/// The same of what has a name; a link is not followed.
pub fn set_modified_at(entry: &DirectoryEntry, modified: Modified) -> Result<()> {
    match fs::utimensat(&entry.folder, &entry.name, &times(modified), AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(()),
        other => permitted(other),
    }
}

fn times(Modified(seconds, nanos): Modified) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanos.into() },
    }
}

/// Linux before 5.8 does not say; then the kernel refuses the change itself.
fn is_mount_point(entry: &DirectoryEntry) -> bool {
    let (flags, asked) = (AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE);
    let stat = fs::statx(&entry.folder, &entry.name, flags, asked);
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Gives something open, with O_PATH too, these attributes and no others. What only root may set is left as it is for others.
pub fn set(open: &impl AsFd, attributes: &Attributes) -> Result<()> {
    let path = proc_path(open);
    for name in names(&path)?.iter().filter(|name| !attributes.has(name)) {
        permitted(fs::removexattr(&path, name.as_str()))?;
    }
    for (name, value) in attributes.iter() {
        permitted(fs::setxattr(&path, name, &value, XattrFlags::empty()))?;
    }
    Ok(())
}

/// Gives a file one more name; false on another file system, or one without hard links.
pub fn keep(entry: &DirectoryEntry, kept: &DirectoryEntry) -> Result<bool> {
    match fs::linkat(&entry.folder, &entry.name, &kept.folder, &kept.name, AtFlags::empty()) {
        Ok(()) => kept.sync_folder().map(|()| true),
        Err(Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Moves a kept file to its place.
pub fn put_back(place: &DirectoryEntry, kept: &DirectoryEntry) -> Result<()> {
    fs::renameat(&kept.folder, &kept.name, &place.folder, &place.name)?;
    // Nothing is moved where both are the same file already.
    match fs::unlinkat(&kept.folder, &kept.name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn read(open: &OwnedFd) -> Result<Attributes> {
    let path = proc_path(open);
    let mut attributes = Attributes::default();
    for name in names(&path)? {
        let (length, name) = (|| fs::getxattr_query(&path, name.as_str()), name.as_str());
        match grown(|buffer| fs::getxattr(&path, name, buffer), length) {
            Ok(value) => attributes.add(name, &value),
            // Gone meanwhile, or not for this user to read.
            Err(Errno::NODATA | Errno::ACCESS | Errno::PERM) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(attributes)
}

/// The names of attributes; one that is no text is no attribute that a program sets.
fn names(path: &str) -> Result<Vec<String>> {
    let list = match grown(|buffer| fs::listxattr(path, buffer), || fs::listxattr_query(path)) {
        Err(Errno::OPNOTSUPP | Errno::ACCESS) => return Ok(Vec::new()),
        other => other?,
    };
    let names = list.split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty() && !BOUND_TO_BYTES.contains(name));
    Ok(names.filter_map(|name| String::from_utf8(name.to_vec()).ok()).collect())
}

fn permitted(result: Result<()>) -> Result<()> {
    match result {
        Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::NODATA) => Ok(()),
        other => other,
    }
}
