//! The host itself, as the agent sees it: files through descriptors, processes in groups of their own. Also a host that
//! is only a directory, for `windlass demo` and tests.

use super::reason::{self, refused};
use super::walk::{self, Ground, Last};
use super::{
    Background, Details, FileKind, Flow, Listener, Lock, Probe, READ_LIMIT, Stat, System, http, observe,
};
use crate::model::attributes::{Attributes, Modified};
use crate::model::digest::Digest;
use crate::model::op::{Answer, Command, Condition, HttpCheck, Meta, Observed};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use keeper::Keeper;
use process::Running;
use root::{DirectoryEntry, Reachable, Root, absent_is_none, kind_of, missing_is_none};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

mod access;
mod background;
mod connect;
mod details;
mod flow;
mod keeper;
mod process;
mod program;
mod remove;
mod root;
#[cfg(all(test, feature = "controller"))]
mod tests;
mod together;
mod write;

use process::Kept;
pub use process::Stopper;

/// A new directory's mode when nothing is asked for, whatever the umask.
const NEW_DIR_MODE: u32 = 0o755;

/// More than this of what another holder wrote into a lock is not read, in bytes.
const HOLDER_LIMIT: u64 = 4096;

/// Where in `/proc/PID/stat` the start of a process is, counted from 0 behind its name.
const STARTED: usize = 19;

/// The host that this process runs on, or a directory of it.
#[derive(Debug)]
pub struct Local {
    root: Root,
    running: Running,
    locks: Mutex<Vec<OwnedFd>>,
    keeper: Mutex<Option<Keeper>>,
    gathering: Mutex<Option<together::Gathering>>,
}

impl Local {
    /// The whole host.
    pub fn new() -> Self {
        Local::at(Root::Host)
    }

    /// A host whose every path is below `root`, which must exist and cannot be left: not by `..`, and absolute links
    /// count from it. Programs are those found in its `bin` directories. Fails where the kernel has no openat2 (before
    /// 5.6).
    pub fn below(root: &HostPath) -> Result<Self> {
        Root::below(root).map(Local::at).map_err(|errno| refused(format!("use {root} as a host"), errno))
    }

    /// Kills the process group that is running, from any thread.
    pub fn stopper(&self) -> Stopper {
        self.running.stopper()
    }

    fn at(root: Root) -> Self {
        Local {
            root,
            running: Running::default(),
            locks: Mutex::default(),
            keeper: Mutex::default(),
            gathering: Mutex::default(),
        }
    }

    fn entry(&self, path: &Path, last: Last, doing: &str) -> Result<DirectoryEntry> {
        if !path.is_absolute() {
            return Err(Failure::new(doing, "a path on a host must begin with /"));
        }
        self.find(path, last).map_err(|refusal| refusal.while_doing(doing))
    }

    /// A regular file opened for reading; `None` when there is nothing.
    fn file(&self, path: &Path, doing: &str) -> Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = || -> Reachable<_> {
            let Some(entry) = missing_is_none(self.find(path, Last::Followed))? else { return Ok(None) };
            let Some(open) = absent_is_none(entry.open(flags))? else { return Ok(None) };
            let stat = fs::fstat(&open)?;
            self.refuse_hard_link(path, &entry, &stat)?;
            Ok(Some((open, kind_of(&stat))))
        };
        match opened().map_err(|refusal| refusal.while_doing(doing))? {
            None => Ok(None),
            Some((open, FileKind::File)) => Ok(Some(File::from(open))),
            Some((_, other)) => Err(wrong_kind(doing, other, FileKind::File)),
        }
    }

    /// The file system of the nearest directory above a path that is there.
    fn device(&self, path: &Path) -> Result<Option<u64>> {
        let device = |path: &Path| -> Reachable<Option<u64>> {
            let Some(entry) = missing_is_none(self.find(path, Last::Followed))? else { return Ok(None) };
            Ok(entry.stat()?.map(|stat| stat.st_dev))
        };
        for above in path.ancestors().skip(1) {
            let doing = format!("look at {}", above.display());
            if let Some(device) = device(above).map_err(|refusal| refusal.while_doing(doing))? {
                return Ok(Some(device));
            }
        }
        Ok(None)
    }

    fn expect_file(&self, path: &Path, doing: &str) -> Result<File> {
        self.file(path, doing)?.ok_or_else(|| refused(doing, Errno::NOENT))
    }

    fn write_from(&self, path: &Path, content: write::Content<'_>, meta: &Meta, doing: &str) -> Result<()> {
        let place = self.entry(path, Last::Followed, doing)?;
        let old = place.stat().map_err(|errno| refused(doing, errno))?;
        expect_kind(doing, old.as_ref(), FileKind::File)?;
        let checked = old.as_ref().map_or(Ok(()), |old| self.refuse_hard_link(path, &place, old));
        checked.map_err(|refusal| refusal.while_doing(doing))?;
        let new = write::file(place, old.as_ref(), content, meta).map_err(|trouble| match trouble {
            write::Trouble::System(errno) => refused(doing, errno),
            write::Trouble::Content(error) => {
                Failure::new(doing, format!("its new content cannot be read: {error}"))
            }
        })?;
        self.settle(path, new, doing)
    }
}

impl Default for Local {
    fn default() -> Self {
        Local::new()
    }
}

impl Probe for Local {
    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let doing = format!("look at {}", path.display());
        let stat = || -> Reachable<_> {
            let Some(place) = missing_is_none(self.find(path, Last::Kept))? else { return Ok(None) };
            let Some(stat) = place.stat()? else { return Ok(None) };
            let target = (kind_of(&stat) == FileKind::Link).then(|| place.target()).transpose()?;
            Ok(Some(stat_of(&stat, target)))
        };
        stat().map_err(|refusal| refusal.while_doing(doing))
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let doing = format!("read {}", path.display());
        let Some(file) = self.file(path, &doing)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(READ_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| failed(&doing, &error))?;
        if bytes.len() as u64 > READ_LIMIT { Err(super::too_large(&doing)) } else { Ok(Some(bytes)) }
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
        let doing = format!("read {}", path.display());
        let mut file = self.expect_file(path, &doing)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(length as u64).read_to_end(&mut bytes))
            .map_err(|error| failed(&doing, &error))?;
        Ok(bytes)
    }

    fn details(&self, path: &Path) -> Result<Details> {
        let doing = format!("look at {}", path.display());
        let details = || -> Reachable<_> {
            let entry = missing_is_none(self.find(path, Last::Kept))?;
            Ok(entry.map(|entry| details::of(&entry)).transpose()?.unwrap_or_default())
        };
        details().map_err(|refusal| refusal.while_doing(doing))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        let doing = format!("list {}", path.display());
        let names = || -> Reachable<Vec<OsString>> {
            let entry = self.find(path, Last::Followed)?;
            Ok(remove::names(&entry.open(OFlags::RDONLY | OFlags::DIRECTORY)?)?)
        };
        let mut names = names().map_err(|refusal| refusal.while_doing(doing))?;
        names.sort();
        Ok(names)
    }

    fn digest(&self, path: &Path) -> Result<Option<Digest>> {
        let doing = format!("read {}", path.display());
        let Some(mut file) = self.file(path, &doing)? else { return Ok(None) };
        let (digest, _) = Digest::of_reader(&mut file).map_err(|error| failed(&doing, &error))?;
        Ok(Some(digest))
    }

    fn follow(&self, path: &Path) -> Result<PathBuf> {
        let reached = walk::reach(&self.root, path, Last::Followed);
        let reached = reached.map_err(|refusal| refusal.while_doing(format!("follow {}", path.display())))?;
        Ok(reached.path)
    }

    fn same_file_system(&self, one: &Path, other: &Path) -> Result<bool> {
        Ok(self.device(one)? == self.device(other)?)
    }

    fn runs_as(&self) -> u32 {
        self.root.runs_as()
    }

    fn refuse_change(&self, path: &Path) -> Result<()> {
        let checked = self.check_change(path);
        checked.map_err(|refusal| refusal.while_doing(format!("set mode and owner of {}", path.display())))
    }

    fn refuse_write(&self, path: &Path, replaces: bool) -> Result<()> {
        access::refuse(&self.root, path, replaces)
    }

    fn ask(&self, question: &Command) -> Result<Answer> {
        self.execute(question, Flow::default(), &mut Kept::Alone)
    }

    fn observe(&self, condition: &Condition) -> Result<Observed> {
        observe::observe(self, self, condition)
    }
}

impl System for Local {
    fn write(&self, path: &Path, content: &mut dyn Read, meta: &Meta) -> Result<()> {
        self.write_from(path, write::Content::Read(content), meta, &format!("write {}", path.display()))
    }

    fn make_dir(&self, path: &Path, meta: &Meta) -> Result<()> {
        let doing = format!("make directory {}", path.display());
        let place = self.entry(path, Last::Followed, &doing)?;
        let old = place.stat().map_err(|errno| refused(&doing, errno))?;
        expect_kind(&doing, old.as_ref(), FileKind::Dir)?;
        let made = make_dir(&place, old.is_none(), meta);
        let settled = made.and_then(|()| if old.is_none() { self.settle_folder(&place) } else { Ok(()) });
        settled.map_err(|errno| refused(&doing, errno))
    }

    fn link(&self, path: &Path, target: &Path) -> Result<()> {
        let doing = format!("link {} to {}", path.display(), target.display());
        let place = self.entry(path, Last::Kept, &doing)?;
        let linked = write::link(place, target.as_os_str()).and_then(|place| self.settle_folder(&place));
        linked.map_err(|errno| refused(&doing, errno))
    }

    fn set_meta(&self, path: &Path, meta: &Meta) -> Result<()> {
        let doing = format!("set mode and owner of {}", path.display());
        let entry = self.entry(path, Last::Kept, &doing)?;
        let set = || -> Reachable<()> {
            let open = entry.open(OFlags::PATH)?;
            self.refuse_hard_link(path, &entry, &fs::fstat(&open)?)?;
            Ok(write::set_meta(&open, meta)?)
        };
        set().map_err(|refusal| refusal.while_doing(doing))
    }

    fn set_attributes(&self, path: &Path, attributes: &Attributes) -> Result<()> {
        let doing = format!("set extended attributes of {}", path.display());
        if let Some(set) = self.set_waiting(path, attributes) {
            return set.map_err(|errno| refused(doing, errno));
        }
        let entry = self.entry(path, Last::Kept, &doing)?;
        let set = || -> Reachable<()> {
            let open = entry.open(OFlags::PATH)?;
            self.refuse_hard_link(path, &entry, &fs::fstat(&open)?)?;
            Ok(details::set(&open, attributes)?)
        };
        set().map_err(|refusal| refusal.while_doing(doing))
    }

    fn set_modified(&self, path: &Path, modified: Modified) -> Result<()> {
        self.set_time(path, modified)
    }

    fn keep_file(&self, path: &Path, kept: &Path) -> Result<bool> {
        let doing = format!("keep {} for undo", path.display());
        let (entry, kept) = (self.entry(path, Last::Kept, &doing)?, self.entry(kept, Last::Kept, &doing)?);
        details::keep(&entry, &kept).map_err(|errno| refused(&doing, errno))
    }

    fn put_back(&self, path: &Path, kept: &Path) -> Result<()> {
        let doing = format!("put back {}", path.display());
        let (place, kept) = (self.entry(path, Last::Kept, &doing)?, self.entry(kept, Last::Kept, &doing)?);
        let put = details::put_back(&place, &kept).and_then(|()| self.settle_folder(&place));
        put.map_err(|errno| refused(&doing, errno))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let doing = format!("remove {}", path.display());
        self.remove_by(path, remove::one).map_err(|refusal| refusal.while_doing(doing))
    }

    fn remove_all(&self, path: &Path) -> Result<()> {
        let doing = format!("remove {}", path.display());
        self.remove_by(path, remove::all).map_err(|refusal| refusal.while_doing(doing))
    }

    fn exchange(&self, one: &Path, other: &Path) -> Result<()> {
        let doing = format!("exchange {} and {}", one.display(), other.display());
        let (one, other) = (self.entry(one, Last::Kept, &doing)?, self.entry(other, Last::Kept, &doing)?);
        one.exchange_with(&other).map_err(|errno| refused(&doing, errno))
    }

    fn run(&self, command: &Command) -> Result<Answer> {
        self.stream(command, Flow::default())
    }

    fn stream(&self, command: &Command, flow: Flow) -> Result<Answer> {
        self.execute_kept(command, flow)
    }

    fn start(
        &self,
        command: &Command,
        kept: usize,
        listener: Box<dyn Listener + Send>,
    ) -> Result<Box<dyn Background>> {
        self.start_kept(command, kept, listener)
    }

    fn refuse_background(&self) -> Result<()> {
        Ok(())
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let doing = format!("copy {} to {}", from.display(), to.display());
        let content = self.expect_file(from, &doing)?;
        let meta = Meta { mode: Some(0o600), ..Meta::default() };
        self.write_from(to, write::Content::Copied(&content), &meta, &doing)
    }

    fn write_copy(&self, path: &Path, from: &Path, meta: &Meta) -> Result<()> {
        let doing = format!("write {}", path.display());
        let content = self.expect_file(from, &doing)?;
        self.write_from(path, write::Content::Copied(&content), meta, &doing)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let doing = format!("append to {}", path.display());
        let place = self.entry(path, Last::Followed, &doing)?;
        let old = place.stat().map_err(|errno| refused(&doing, errno))?;
        let checked = old.map_or(Ok(()), |old| self.refuse_hard_link(path, &place, &old));
        checked.map_err(|refusal| refusal.while_doing(&doing))?;
        write::append(&place, bytes).map_err(|error| failed(&doing, &error))
    }

    fn together(&self, within: Option<&Path>, changes: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.gather(within, changes)
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Lock> {
        let doing = format!("lock {}", path.display());
        let place = self.entry(path, Last::Kept, &doing)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = fs::openat(&place.folder, &place.name, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(opened.map_err(|errno| refused(&doing, errno))?);
        match fs::flock(&file, fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => self.keep_lock(file, holder).map_err(|error| failed(&doing, &error)),
            Err(Errno::WOULDBLOCK) => read_holder(&mut file).map_err(|error| failed(&doing, &error)),
            Err(errno) => Err(refused(&doing, errno)),
        }
    }
}

impl Local {
    fn remove_by(
        &self,
        path: &Path,
        remove: impl Fn(&DirectoryEntry) -> rustix::io::Result<bool>,
    ) -> Reachable<()> {
        let removed = missing_is_none(self.find(path, Last::Kept)).and_then(|entry| match entry {
            Some(entry) if remove(&entry)? => Ok(self.settle_folder(&entry)?),
            _ => Ok(()),
        });
        if let Some(gathering) = self.gathering().as_mut() {
            gathering.forget(path);
        }
        removed
    }

    fn keep_lock(&self, mut file: File, holder: &str) -> std::io::Result<Lock> {
        // Written over what is there and cut afterwards, so that its readers find a name in the first line.
        let lines = format!("{}\n{}\n", holder.replace('\n', " "), own_process());
        file.write_all(lines.as_bytes())?;
        file.set_len(lines.len() as u64)?;
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).push(file.into());
        Ok(Lock::Ours)
    }
}

impl observe::Network for Local {
    fn port(&self, host: &str, port: u16) -> Result<Result<(), String>> {
        connect::port(self, host, port)
    }

    fn http(&self, check: &HttpCheck, url: &http::Url) -> Result<Result<http::Response, String>> {
        if url.tls {
            http::through_programs(
                &|command, kept| {
                    self.execute(command, Flow { kept: Some(kept), ..Flow::default() }, &mut Kept::Alone)
                },
                check,
            )
        } else {
            connect::http(self, check, url)
        }
    }
}

fn stat_of(stat: &fs::Stat, target: Option<PathBuf>) -> Stat {
    Stat {
        kind: kind_of(stat),
        mode: stat.st_mode & 0o7777,
        owner: stat.st_uid,
        group: stat.st_gid,
        size: stat.st_size as u64,
        target,
    }
}

fn expect_kind(doing: &str, there: Option<&fs::Stat>, kind: FileKind) -> Result<()> {
    match there.map(kind_of) {
        Some(other) if other != kind => Err(wrong_kind(doing, other, kind)),
        _ => Ok(()),
    }
}

fn wrong_kind(doing: &str, there: FileKind, wanted: FileKind) -> Failure {
    Failure::new(doing, format!("a {} is there, not a {}", there.as_str(), wanted.as_str()))
}

fn failed(doing: &str, error: &std::io::Error) -> Failure {
    reason::because(doing, &reason::plain(error))
}

fn make_dir(place: &DirectoryEntry, new: bool, meta: &Meta) -> rustix::io::Result<()> {
    let mut meta = meta.clone();
    if new {
        fs::mkdirat(&place.folder, &place.name, Mode::RWXU)?;
        meta.mode = meta.mode.or(Some(NEW_DIR_MODE));
    }
    let open = place.open(OFlags::PATH | OFlags::DIRECTORY)?;
    write::set_meta(&open, &meta)
}

/// This process's number, and when it started in the clock ticks of its host: no other process ever has both.
fn own_process() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let started = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(STARTED));
    format!("{} {}", std::process::id(), started.unwrap_or_default())
}

fn read_holder(file: &mut File) -> std::io::Result<Lock> {
    let mut bytes = Vec::new();
    file.take(HOLDER_LIMIT).read_to_end(&mut bytes)?;
    Ok(Lock::theirs(&bytes))
}
