//! Makes or replaces a file so that nothing between old and new can ever be seen.

use super::root::{DirectoryEntry, proc_path};
use crate::model::attributes::BOUND_TO_BYTES;
use crate::model::op::Meta;
use crate::system::temporary_stem;
use rustix::fs::{self, AtFlags, CWD, Gid, Mode, OFlags, SeekFrom, Stat, Uid, XattrFlags};
use rustix::io::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;

/// A new file's mode when nothing is asked for. The umask does not matter: the same playbook gives the same file.
const NEW_FILE_MODE: u32 = 0o644;

/// Temporary names are random; another one is tried this often.
const NAME_TRIES: usize = 16;

/// A new entry beside the one it will replace. Dropped before that, it is removed.
#[derive(Debug)]
struct Temporary {
    place: Option<DirectoryEntry>,
    name: OsString,
}

/// A new file, whole but not durable yet, beside the one it will replace. Dropped before that, it is removed.
#[derive(Debug)]
pub struct New {
    temporary: Temporary,
    /// Its bytes.
    pub file: File,
}

/// Where a new file's bytes come from.
pub enum Content<'a> {
    /// A stream.
    Read(&'a mut dyn Read),
    /// Another file of the host, whose holes stay holes.
    Copied(&'a File),
}

/// Why a file was not written.
pub enum Trouble {
    /// The operating system refused.
    System(Errno),
    /// The new bytes could not be had.
    Content(std::io::Error),
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Trouble::System(errno)
    }
}

/// Makes a file that is to replace the one at `place`, or to be the first there. One fsync comes after bytes and
/// metadata, so that it covers both; the rename follows, then the directory is synced: that is the caller's.
pub fn file(
    place: DirectoryEntry,
    old: Option<&Stat>,
    content: Content<'_>,
    meta: &Meta,
) -> std::result::Result<New, Trouble> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let make = |place: &DirectoryEntry, name: &OsStr| {
        fs::openat(&place.folder, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
    };
    let (temporary, file) = Temporary::make(place, make)?;
    let mut new = New { temporary, file };
    match content {
        Content::Read(content) => pour(content, &mut new.file)?,
        Content::Copied(from) => copy(from, &new.file)?,
    }
    if let Some(place) = &new.temporary.place {
        dress(&new.file, place, old, meta)?;
    }
    Ok(new)
}

/// Makes or replaces a symbolic link. Its directory is the caller's to sync.
pub fn link(place: DirectoryEntry, target: &OsStr) -> Result<DirectoryEntry> {
    let make = |place: &DirectoryEntry, name: &OsStr| fs::symlinkat(target, &place.folder, name);
    Temporary::make(place, make)?.0.put()
}

impl New {
    /// Makes bytes and metadata durable.
    pub fn sync(&self) -> Result<()> {
        fs::fsync(&self.file)
    }

    /// Takes the place that it was made for. The directory is the caller's to sync.
    pub fn put(self) -> Result<DirectoryEntry> {
        self.temporary.put()
    }
}

/// Sets what `meta` asks for on something opened with O_PATH. The owner comes first, because changing it clears the
/// set-user-id bit.
pub fn set_meta(open: &OwnedFd, meta: &Meta) -> Result<()> {
    set_owner(open, meta, &fs::fstat(open)?)?;
    match meta.mode {
        // A descriptor that only names something takes no fchmod; its name under /proc cannot be swapped.
        Some(mode) => fs::chmodat(CWD, proc_path(open), Mode::from_raw_mode(mode), AtFlags::empty()),
        None => Ok(()),
    }
}

/// Changes owner and group where they differ: who is not root may only ask for what is already so.
fn set_owner(open: &impl AsFd, meta: &Meta, stat: &Stat) -> Result<()> {
    let owner = meta.owner.filter(|owner| *owner != stat.st_uid).map(Uid::from_raw);
    let group = meta.group.filter(|group| *group != stat.st_gid).map(Gid::from_raw);
    if owner.is_none() && group.is_none() {
        return Ok(());
    }
    fs::chownat(open, "", owner, group, AtFlags::EMPTY_PATH)
}

impl Temporary {
    fn make<T>(
        place: DirectoryEntry,
        make: impl Fn(&DirectoryEntry, &OsStr) -> Result<T>,
    ) -> Result<(Self, T)> {
        for _ in 0..NAME_TRIES {
            let name = temporary_name(&place.name);
            match make(&place, &name) {
                Err(Errno::EXIST) => {}
                made => return made.map(|made| (Temporary { place: Some(place), name }, made)),
            }
        }
        Err(Errno::EXIST)
    }

    fn put(mut self) -> Result<DirectoryEntry> {
        let Some(place) = &self.place else { return Err(Errno::NOENT) };
        place.replace_with(&self.name)?;
        self.place.take().ok_or(Errno::NOENT)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            // The error that brought us here is the one worth telling.
            let _removed = fs::unlinkat(&place.folder, &self.name, AtFlags::empty());
        }
    }
}

/// `.NAME.windlass-XXXXXXXX`, hidden and next to the file it becomes.
fn temporary_name(name: &OsStr) -> OsString {
    let random = RandomState::new().hash_one(std::process::id());
    let mut bytes = temporary_stem(name);
    bytes.extend_from_slice(format!("{:08x}", random as u32).as_bytes());
    OsString::from_vec(bytes)
}

fn pour(content: &mut dyn Read, file: &mut File) -> std::result::Result<(), Trouble> {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match content.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => file.write_all(&chunk[..n]).map_err(errno_of)?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Trouble::Content(error)),
        }
    }
}

/// Copies what is data, and leaves holes where the file has some. A file system that does not say where they are has none.
fn copy(from: &File, to: &File) -> std::result::Result<(), Trouble> {
    let size = fs::fstat(from)?.st_size as u64;
    let mut at = 0;
    while at < size {
        let data = match fs::seek(from, SeekFrom::Data(at)) {
            Ok(data) => data,
            // Nothing but a hole follows.
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
            Err(errno) => return Err(errno.into()),
        };
        let end = fs::seek(from, SeekFrom::Hole(data)).unwrap_or(size).min(size);
        copy_range(from, to, data, end)?;
        at = end.max(data + 1);
    }
    Ok(fs::ftruncate(to, size)?)
}

fn copy_range(from: &File, to: &File, mut at: u64, end: u64) -> std::result::Result<(), Trouble> {
    let mut chunk = vec![0; 64 * 1024];
    while at < end {
        let wanted = chunk.len().min((end - at) as usize);
        match from.read_at(&mut chunk[..wanted], at) {
            // It became shorter meanwhile.
            Ok(0) => return Ok(()),
            Ok(n) => {
                to.write_all_at(&chunk[..n], at).map_err(errno_of)?;
                at += n as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Trouble::Content(error)),
        }
    }
    Ok(())
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// Gives the new file the owner, extended attributes and mode it is to have. ACLs are extended attributes and come
/// before the mode, whose group bits are their mask.
fn dress(open: &File, place: &DirectoryEntry, old: Option<&Stat>, meta: &Meta) -> Result<()> {
    let meta = Meta {
        mode: meta.mode.or(old.map(|old| old.st_mode & 0o7777)).or(Some(NEW_FILE_MODE)),
        owner: meta.owner.or(old.map(|old| old.st_uid)),
        group: meta.group.or(old.map(|old| old.st_gid)),
    };
    set_owner(open, &meta, &fs::fstat(open)?)?;
    if old.is_some() {
        copy_attributes(place, open)?;
    }
    let mode = meta.mode.unwrap_or(NEW_FILE_MODE);
    fs::fchmod(open, Mode::from_raw_mode(mode))
}

fn copy_attributes(place: &DirectoryEntry, to: &File) -> Result<()> {
    let from = match place.open(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
        Ok(from) => from,
        // Who may not read a file may not read its attributes either.
        Err(Errno::ACCESS) => return Ok(()),
        Err(error) => return Err(error),
    };
    for name in attribute_names(&from)? {
        copy_attribute(&from, to, &name)?;
    }
    Ok(())
}

fn attribute_names(open: &OwnedFd) -> Result<Vec<Vec<u8>>> {
    let list = match grown(|buffer| fs::flistxattr(open, buffer), || fs::flistxattr_query(open)) {
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        other => other?,
    };
    let names =
        list.split(|byte| *byte == 0).filter(|name| !name.is_empty() && !BOUND_TO_BYTES.contains(name));
    Ok(names.map(<[u8]>::to_vec).collect())
}

fn copy_attribute(from: &OwnedFd, to: &File, name: &[u8]) -> Result<()> {
    let name = OsStr::from_bytes(name);
    let value = match grown(|buffer| fs::fgetxattr(from, name, buffer), || fs::fgetxattr_query(from, name)) {
        Err(Errno::NODATA) => return Ok(()),
        other => other?,
    };
    match fs::fsetxattr(to, name, &value, XattrFlags::empty()) {
        // Only root may set labels and capabilities; for others the system has chosen what a new file gets.
        Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => Ok(()),
        other => other,
    }
}

/// Reads something whose length must be asked for first and may change in between.
pub fn grown(
    read: impl Fn(&mut [u8]) -> Result<usize>,
    length: impl Fn() -> Result<usize>,
) -> Result<Vec<u8>> {
    for _ in 0..NAME_TRIES {
        let mut buffer = vec![0; length()?];
        match read(&mut buffer) {
            Err(Errno::RANGE) => {}
            other => {
                buffer.truncate(other?);
                return Ok(buffer);
            }
        }
    }
    Err(Errno::RANGE)
}

/// A write that fails half-way is rolled back, so that the next one does not begin in the middle of a line.
pub fn append(place: &DirectoryEntry, bytes: &[u8]) -> std::io::Result<()> {
    let (mut file, new) = open_to_append(place)?;
    let length = file.metadata()?.len();
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        file.set_len(length)?;
        return Err(error);
    }
    if new { Ok(place.sync_folder()?) } else { Ok(()) }
}

fn open_to_append(place: &DirectoryEntry) -> Result<(File, bool)> {
    let flags = OFlags::WRONLY | OFlags::APPEND;
    match place.open(flags) {
        Ok(open) => Ok((File::from(open), false)),
        Err(Errno::NOENT) => {
            let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let open = fs::openat(&place.folder, &place.name, flags, Mode::RUSR | Mode::WUSR)?;
            fs::fchmod(&open, Mode::RUSR | Mode::WUSR)?;
            Ok((File::from(open), true))
        }
        Err(errno) => Err(errno),
    }
}
