//! How a host is looked at and changed. Three systems do it: `Local` inside the agent,
//! `Shell` through a POSIX sh at the other end of an SSH channel, and
//! `Pretend`, which keeps writes in memory. One conformance suite runs against all of them.

use crate::model::attributes::{Attributes, Modified};
use crate::model::digest::Digest;
use crate::model::event::Stream;
use crate::model::job::RunId;
use crate::model::op::{Answer, Command, Condition, Meta, Observed};
use crate::model::path::HostPath;
use crate::model::tree::Tree;
use crate::model::{Failure, Result};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[cfg(all(test, feature = "controller"))]
mod conformance;
pub mod dressed;
pub mod http;
pub mod local;
mod observe;
pub mod output;
pub mod pretend;
pub mod reason;
#[cfg(feature = "controller")]
pub mod shell;
mod user;
pub mod walk;

/// The most that [`Probe::read`] gives, in bytes. Larger files are worked by digest, in pieces.
pub const READ_LIMIT: u64 = 16 * 1024 * 1024;

/// Head and tail of a process's output that are kept, in bytes, for each of both ends of each stream.
pub const OUTPUT_KEPT: usize = 512 * 1024;

/// So much of a file's name is kept in its temporary's, in bytes.
const NAME_KEPT: usize = 200;

/// Why a system refuses what it never found.
const NO_DETAILS: &str = "this host is one in memory, where nothing has hard links or extended attributes";

/// Looks at a host and changes nothing. A failure names the path or command and what the system said.
pub trait Probe {
    /// What stands at `path`, not following a link in its last part; `None` when there is nothing.
    fn stat(&self, path: &Path) -> Result<Option<Stat>>;

    /// The bytes of a regular file, links followed; `None` when there is nothing. More than [`READ_LIMIT`] is a
    /// failure.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>>;

    /// Up to `length` bytes from `offset` of a regular file; empty at its end.
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>>;

    /// All that an undo needs to know of what stands at `path`. A host in memory has neither extended attributes nor times.
    fn details(&self, path: &Path) -> Result<Details> {
        Ok(Details { stat: self.stat(path)?, ..Details::default() })
    }

    /// The names in a directory, sorted, without `.` and `..`.
    fn list(&self, path: &Path) -> Result<Vec<OsString>>;

    /// The digest of a regular file's bytes, links followed; `None` when there is nothing.
    fn digest(&self, path: &Path) -> Result<Option<Digest>>;

    /// Runs a command that only looks. A program that is not there is answered with status 127.
    fn ask(&self, question: &Command) -> Result<Answer>;

    /// Looks once whether a condition holds.
    fn observe(&self, condition: &Condition) -> Result<Observed>;

    /// Whether changes were only pretended so far, so that what programs and daemons answer now may not be what they
    /// will answer once the changes are made.
    fn pretends(&self) -> bool {
        false
    }

    /// Whether the answer to a question was predicted by a pretended change, so that it is not about the past.
    fn foretells(&self, _question: &Command) -> bool {
        false
    }

    /// Where `path` ends when links are followed, as a path without links. The rule of [`walk`] holds: a link that a user
    /// controls must not point to what another owns. What stands there may be missing.
    /// A host without links has every path where it is named.
    fn follow(&self, path: &Path) -> Result<PathBuf> {
        Ok(path.to_path_buf())
    }

    /// Whether a file at `one` could get one more name at `other`, where nothing need be yet.
    fn same_file_system(&self, one: &Path, other: &Path) -> Result<bool> {
        let _in_one_memory = (one, other);
        Ok(true)
    }

    /// The number of the user whom windlass runs as there.
    fn runs_as(&self) -> u32 {
        0
    }

    /// Fails where mode and owner of `path` must not be changed, because a user may have given a file of another owner
    /// that name.
    fn refuse_change(&self, path: &Path) -> Result<()> {
        let _no_other_users = path;
        Ok(())
    }

    /// Fails where what stands at `path` could not be changed as the user who runs windlass there, or, where it `replaces`
    /// what is there, not be made. A host that cannot say fails only when it is changed.
    fn refuse_write(&self, path: &Path, replaces: bool) -> Result<()> {
        let _not_known = (path, replaces);
        Ok(())
    }

    /// What the job in hand has brought to the host; `None` outside of a job.
    fn brought(&self) -> Option<&Brought> {
        None
    }
}

/// What a job brings along to its host, for steps that need more than their keys.
#[derive(Clone, Debug)]
pub struct Brought {
    /// The run.
    pub run: RunId,
    /// The folder in which windlass keeps what it must remember on this host. It is there, and nobody else's.
    pub memory: HostPath,
    /// The trees that steps name.
    pub trees: BTreeMap<Digest, Arc<Tree>>,
}

/// Changes a host. Only the engine calls these.
pub trait System: Probe {
    /// Makes or replaces a regular file so that a reader, or a host that loses power, sees the old bytes or the new
    /// ones and nothing between. Links in `path` are followed, so that a linked file is replaced where it really is.
    fn write(&self, path: &Path, content: &mut dyn Read, meta: &Meta) -> Result<()>;

    /// Makes a directory, or only sets `meta` when it is there.
    fn make_dir(&self, path: &Path, meta: &Meta) -> Result<()>;

    /// Makes a symbolic link, atomically replacing a file or a link.
    fn link(&self, path: &Path, target: &Path) -> Result<()>;

    /// Sets mode and owner of a file or directory (not of a link's target).
    fn set_meta(&self, path: &Path, meta: &Meta) -> Result<()>;

    /// Gives a file or directory these extended attributes and no others. Only what [`Probe::details`] found is asked for.
    fn set_attributes(&self, path: &Path, attributes: &Attributes) -> Result<()> {
        let _found_nowhere_here = attributes;
        Err(Failure::new(format!("set extended attributes of {}", path.display()), NO_DETAILS))
    }

    /// Gives something, a link too, its time of last modification back. What this user may not set stays as it is.
    fn set_modified(&self, path: &Path, modified: Modified) -> Result<()> {
        let _no_times_are_kept = (path, modified);
        Ok(())
    }

    /// Gives the file at `path` one more name, `kept`. False when that is on another file system.
    fn keep_file(&self, path: &Path, kept: &Path) -> Result<bool> {
        let _no_links_were_found = (path, kept);
        Ok(false)
    }

    /// Moves the file `kept` to `path`, replacing what stands there.
    fn put_back(&self, path: &Path, kept: &Path) -> Result<()> {
        Err(Failure::new(format!("move {} to {}", kept.display(), path.display()), NO_DETAILS))
    }

    /// Removes a file, a link or an empty directory. Nothing there is fine.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Removes what is there, a directory with all that is in it, and nothing outside of it whatever another user
    /// exchanges meanwhile. Nothing there is fine.
    fn remove_all(&self, path: &Path) -> Result<()> {
        if self.stat(path)?.is_some_and(|stat| stat.kind == FileKind::Dir) {
            for name in self.list(path)? {
                self.remove_all(&path.join(name))?;
            }
        }
        self.remove(path)
    }

    /// Lets two paths of one file system change places. Links are not followed. Neither path is ever missing, except as
    /// [`Shell`](shell::Shell) says.
    fn exchange(&self, one: &Path, other: &Path) -> Result<()>;

    /// Runs a command that may change something, and waits for its end or its timeout.
    fn run(&self, command: &Command) -> Result<Answer>;

    /// The same with more input and with output that goes elsewhere, both of them streams of any length.
    fn stream(&self, command: &Command, flow: Flow) -> Result<Answer> {
        if flow.input.is_none() && flow.output.is_none() {
            flow.starts();
            return self.run(command);
        }
        Err(no_stream(command))
    }

    /// Starts a command that may change something, and does not wait for its end. `listener` hears from another thread what
    /// it prints; so many bytes of each end of each output are kept. The host's lock is held until it has ended.
    fn start(
        &self,
        command: &Command,
        kept: usize,
        listener: Box<dyn Listener + Send>,
    ) -> Result<Box<dyn Background>> {
        let _never_heard = (kept, listener);
        Err(no_background(format!("run {}", command.shown())))
    }

    /// Fails where [`System::start`] always does.
    fn refuse_background(&self) -> Result<()> {
        Err(no_background("run steps in the background"))
    }

    /// Copies a regular file's bytes to a new file, 0600 and durable.
    fn copy(&self, from: &Path, to: &Path) -> Result<()>;

    /// Makes or replaces a file as [`System::write`] does, with the bytes of the regular file `from` on the same host. Where that
    /// can be seen, holes stay holes.
    fn write_copy(&self, path: &Path, from: &Path, meta: &Meta) -> Result<()>;

    /// Adds bytes to the end of a file (made 0600 when missing) and returns once they are durable.
    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()>;

    /// Does what `changes` does to this system, and returns once all of it is durable: many changes of files then cost
    /// few syncs. In between, a written file may still show its old bytes, and removals and directories are not durable;
    /// nothing of the files is half done at any time. When `changes` fails, what it wrote last may not have happened.
    /// Below `within`, no link is followed meanwhile.
    fn together(&self, within: Option<&Path>, changes: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let _nothing_to_gather = within;
        changes()
    }

    /// Takes the lock at `path` for as long as this system lives. `holder` is kept in it for the others to read.
    fn lock(&self, path: &Path, holder: &str) -> Result<Lock>;
}

/// Where a command's streams come from and go to.
#[derive(Default)]
pub struct Flow<'a> {
    /// Follows the command's own standard input, read as the command takes it. When reading fails the command is killed
    /// before its input ends.
    pub input: Option<&'a mut dyn Read>,
    /// Gets its standard output as it comes; the answer then has none of it. When writing fails the command is killed.
    pub output: Option<&'a mut dyn Write>,
    /// Gets all that is kept as it comes, beside the answer.
    pub listener: Option<&'a mut dyn Listener>,
    /// So many bytes of each end of each output are kept; [`OUTPUT_KEPT`] when not given.
    pub kept: Option<usize>,
    /// Becomes true once the program may have run. Where it stays false nothing was started: there is no such program, or
    /// it may not be run.
    pub started: Option<&'a Cell<bool>>,
}

impl Flow<'_> {
    /// From now on the program may run.
    pub fn starts(&self) {
        if let Some(started) = self.started {
            started.set(true);
        }
    }
}

/// A command that was started and not waited for.
pub trait Background {
    /// Waits for its end or its timeout.
    fn wait(self: Box<Self>) -> Result<Ran>;
}

/// How a command ended that was not waited for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ran {
    /// What it answered.
    pub answer: Answer,
    /// How long it ran.
    pub took: Duration,
    /// Whether the program may have run. It is false where there is no such program.
    pub started: bool,
}

impl Background for Ran {
    fn wait(self: Box<Self>) -> Result<Ran> {
        Ok(*self)
    }
}

/// Hears what a command prints while it runs.
pub trait Listener {
    /// The next bytes.
    fn hear(&mut self, stream: Stream, bytes: &[u8]);

    /// Some time has passed, with or without anything to hear.
    fn tick(&mut self) {}
}

/// What came of trying to take a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// It is ours until this system ends.
    Ours,
    /// Another process holds it; what that wrote into it.
    Theirs(String),
}

impl Lock {
    /// Held by another process, whose name is the first line of the lock's file.
    pub fn theirs(file: &[u8]) -> Lock {
        let line = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Lock::Theirs(String::from_utf8_lossy(line).trim().to_string())
    }
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File, directory, link or something else.
    pub kind: FileKind,
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// User id.
    pub owner: u32,
    /// Group id.
    pub group: u32,
    /// In bytes.
    pub size: u64,
    /// Where a link points, as written.
    pub target: Option<PathBuf>,
}

/// What stands at a path, with all that an undo must restore but its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// What [`Probe::stat`] says.
    pub stat: Option<Stat>,
    /// Its extended attributes; `None` where the host has no program that shows them.
    pub attributes: Option<Attributes>,
    /// Whether it is a file that has more names than this one (hard links).
    pub is_shared: bool,
    /// Whether something is mounted there, so that it can be written to but not replaced or removed.
    pub is_mount_point: bool,
    /// When it was modified last; `None` when nothing is there, or when that is not known.
    pub modified: Option<Modified>,
    /// When the directory that it is in was modified last, which every change of a name in there changes.
    pub around: Option<Modified>,
}

impl Default for Details {
    fn default() -> Self {
        let attributes = Some(Attributes::default());
        Details {
            stat: None,
            attributes,
            is_shared: false,
            is_mount_point: false,
            modified: None,
            around: None,
        }
    }
}

/// What sort of thing stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A device, socket or pipe.
    Other,
}

impl FileKind {
    /// What a person calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            FileKind::File => "file",
            FileKind::Dir => "directory",
            FileKind::Link => "symbolic link",
            FileKind::Other => "device, socket or pipe",
        }
    }
}

impl Stat {
    /// Whether more users than the owner may put something into it, when it is a directory.
    pub fn is_shared(&self) -> bool {
        self.mode & 0o002 != 0 || (self.mode & 0o020 != 0 && self.group != 0)
    }

    /// The part of it that [`System::set_meta`] can set.
    pub fn meta(&self) -> Meta {
        Meta { mode: Some(self.mode), owner: Some(self.owner), group: Some(self.group) }
    }
}

/// Whether `candidate` names what a write of `name` leaves beside it when it is cut off: `.NAME.windlass-XXXXXXXX`.
pub fn is_temporary_of(candidate: &OsStr, name: &OsStr) -> bool {
    let random = |end: &[u8]| end.len() == 8 && end.iter().all(u8::is_ascii_hexdigit);
    let stem = temporary_stem(name);
    candidate.as_bytes().strip_prefix(&stem[..]).is_some_and(random)
}

/// How the name of a temporary begins that will become `name`; eight random digits follow. Names end at 255 bytes.
pub fn temporary_stem(name: &OsStr) -> Vec<u8> {
    let kept = &name.as_bytes()[..name.len().min(NAME_KEPT)];
    [b".", kept, b".windlass-"].concat()
}

fn no_stream(command: &Command) -> Failure {
    let why = "this host is worked through its own sh, which cannot carry a stream of any length";
    Failure::new(format!("run {}", command.shown()), why)
        .hint("windlass's agent can: it needs Linux and a directory there in which programs may be run")
}

fn no_background(doing: impl std::fmt::Display) -> Failure {
    let why = "this host is worked through its own sh, which runs one command at a time";
    Failure::new(doing, why).hint(
        "leave `async` out for this host (`timeout` limits its time), or let windlass's agent run there: it needs Linux and \
         a directory in which programs may be run",
    )
}

fn too_large(doing: &str) -> Failure {
    Failure::new(doing, format!("it is larger than the {} MiB that are read at once", READ_LIMIT >> 20))
}
