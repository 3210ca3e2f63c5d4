//! A host without an agent, through a POSIX sh at the other end of a pipe. The `.sh` files in `shell/` are what it runs there.

use super::reason::because;
use super::walk::Last;
use super::{
    Details, FileKind, Flow, Lock, OUTPUT_KEPT, Probe, READ_LIMIT, Stat, System, http, no_stream, observe,
};
use crate::model::attributes::{Attributes, Modified};
use crate::model::digest::Digest;
use crate::model::event::Stream;
use crate::model::op::{Answer, Command, Condition, HttpCheck, Meta, Observed};
use crate::model::{Failure, Result};
use location::{HAS_LINKS, Location, UNKNOWN_LISTING, refuse_nul, whole};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use told::{HELD, NO_MEANS, is_absent, refused};
pub use wire::Answers;
use wire::{Reply, Request, Wire};

mod details;
mod encode;
pub(crate) mod listing;
mod location;
mod port;
mod run;
#[cfg(test)]
mod tests;
mod told;
pub(crate) mod wire;
mod write;

/// A new file's and a new directory's mode when nothing is asked for, whatever the umask.
const NEW_FILE_MODE: u32 = 0o644;
const NEW_DIR_MODE: u32 = 0o755;

/// A host reached through `sh`. It does what the agent's `Local` does, with the host's own programs: ls, cat, cp, mv,
/// chmod, chown, dd, head, tail, tee, mkfifo, and where they are there setsid, flock, sync with a path, sha256sum.
///
/// It is weaker in four ways. Extended attributes and ACLs take perl, or getfattr and setfattr. Where `mv` has no `-T`, replacing a link
/// to a directory is not atomic. Where neither `mv` has `--exchange` nor perl is there to make the system call, two
/// paths change places with three renames, between which the first is missing. Without setsid, a time limit ends the
/// process but not what it started.
pub struct Shell {
    wire: Mutex<Wire>,
    runs_as: OnceLock<u32>,
}

impl Shell {
    /// Takes over an `sh` that reads its commands from `writer` and answers on `reader`. What a login printed before
    /// is skipped. Reads block: the maker of the pipe must end it when the host is gone.
    pub fn new(writer: Box<dyn Write + Send>, reader: Box<dyn Answers>) -> Result<Self> {
        Ok(Shell { wire: Mutex::new(Wire::start(writer, reader)?), runs_as: OnceLock::new() })
    }

    /// Whether the pipe has broken: the host may or may not have done what was asked last.
    pub fn is_lost(&self) -> bool {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner).is_lost()
    }

    fn ask_script(&self, request: &Request, content: &[u8], doing: &str) -> Result<Reply> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner).ask(request, content, doing)
    }

    /// The first part of the answer about a regular file; `None` when there is nothing at the path.
    fn look(
        &self,
        path: &Path,
        doing: &str,
        request: &dyn Fn(&Location, &str) -> Request,
    ) -> Result<Option<Vec<u8>>> {
        let reply = self.at(path, Last::Followed, doing, b"", request)?;
        match reply.status {
            0 => Ok(Some(first(reply.parts))),
            _ if is_absent(&reply) => Ok(None),
            _ => Err(refused(doing, &reply)),
        }
    }

    fn change(
        &self,
        path: &Path,
        last: Last,
        content: &[u8],
        doing: &str,
        request: &dyn Fn(&Location, &str) -> Request,
    ) -> Result<()> {
        done(&self.at(path, last, doing, content, request)?, doing)
    }

    /// Where the host has no program for it, the bytes are brought here.
    fn digest_here(&self, path: &Path) -> Result<Digest> {
        let mut bytes = Pieces { host: self, path, offset: 0 };
        let (digest, _) = Digest::of_reader(&mut bytes)
            .map_err(|error| Failure::new(format!("read {}", path.display()), error))?;
        Ok(digest)
    }
}

impl Probe for Shell {
    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        Ok(self.look_at(path)?.1)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let doing = format!("read {}", path.display());
        self.look(path, &doing, &|at, suffix| at.request(&format!("read{suffix}")).number(READ_LIMIT))
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
        let doing = format!("read {}", path.display());
        // The script reads whole blocks of 4096 bytes, which dd can seek to.
        let (first_block, end) = (offset / 4096, (offset + length as u64).div_ceil(4096));
        let blocks = self.look(path, &doing, &|at, suffix| {
            at.request(&format!("read_at{suffix}")).number(first_block).number(end - first_block)
        })?;
        let blocks = blocks.ok_or_else(|| because(&doing, "no such file or directory"))?;
        let part = blocks.get((offset % 4096) as usize..).unwrap_or_default();
        Ok(part[..part.len().min(length)].to_vec())
    }

    fn details(&self, path: &Path) -> Result<Details> {
        let doing = format!("look at {}", path.display());
        let reply = self.at(path, Last::Kept, &doing, b"", &|at, _| at.request("details"))?;
        match reply.status {
            0 => details::read(&reply).ok_or_else(|| Failure::new(doing, UNKNOWN_LISTING)),
            _ if is_absent(&reply) => Ok(details::of_nothing(&reply)),
            _ => Err(refused(&doing, &reply)),
        }
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        let doing = format!("list {}", path.display());
        let mut reply = self.ask_script(&Request::new("list").word(whole(path, &doing)?), b"", &doing)?;
        if reply.status == HAS_LINKS {
            let path = self.reach(path, Last::Followed)?.path;
            reply = self.ask_script(&Request::new("list").word(whole(&path, &doing)?), b"", &doing)?;
        }
        done(&reply, &doing)?;
        let all = first(reply.parts);
        let names = all.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let mut names: Vec<_> = names.map(|name| OsString::from_vec(name.to_vec())).collect();
        names.sort();
        Ok(names)
    }

    fn digest(&self, path: &Path) -> Result<Option<Digest>> {
        let doing = format!("read {}", path.display());
        let request = |at: &Location, suffix: &str| at.request(&format!("digest{suffix}"));
        let reply = self.at(path, Last::Followed, &doing, b"", &request)?;
        match reply.status {
            0 => digest_in(&first(reply.parts))
                .map(Some)
                .ok_or_else(|| Failure::new(doing, "its sha256sum or openssl printed no SHA-256")),
            NO_MEANS => self.digest_here(path).map(Some),
            _ if is_absent(&reply) => Ok(None),
            _ => Err(refused(&doing, &reply)),
        }
    }

    fn follow(&self, path: &Path) -> Result<PathBuf> {
        let (path, stat) = self.look_at(path)?;
        match stat {
            Some(stat) if stat.kind == FileKind::Link => Ok(self.reach(&path, Last::Followed)?.path),
            _ => Ok(path),
        }
    }

    fn same_file_system(&self, one: &Path, other: &Path) -> Result<bool> {
        let doing = format!("look at {}", one.display());
        let request = Request::new("same_disk").word(whole(one, &doing)?).word(whole(other, &doing)?);
        let reply = self.ask_script(&request, b"", &doing)?;
        done(&reply, &doing)?;
        Ok(!first(reply.parts).is_empty())
    }

    fn runs_as(&self) -> u32 {
        *self.runs_as.get_or_init(|| {
            let reply = self.ask_script(&Request::new("runs_as"), b"", "ask who windlass is there");
            let text = reply.map(|reply| String::from_utf8_lossy(&first(reply.parts)).into_owned());
            // Whoever it is then, only root's links are trusted.
            text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
        })
    }

    fn refuse_change(&self, path: &Path) -> Result<()> {
        let doing = format!("set mode and owner of {}", path.display());
        match self.look_at(path)?.1 {
            Some(stat) if stat.kind == FileKind::File => self.refuse_hard_link_there(path, &doing),
            _ => Ok(()),
        }
    }

    fn ask(&self, question: &Command) -> Result<Answer> {
        self.run(question)
    }

    fn observe(&self, condition: &Condition) -> Result<Observed> {
        observe::observe(self, self, condition)
    }
}

impl System for Shell {
    fn write(&self, path: &Path, content: &mut dyn Read, meta: &Meta) -> Result<()> {
        let doing = format!("write {}", path.display());
        let (place, old) = self.location(path, FileKind::File, &doing)?;
        let meta = Meta {
            mode: meta.mode.or(old.as_ref().map(|old| old.mode)).or(Some(NEW_FILE_MODE)),
            owner: meta.owner.or(old.as_ref().map(|old| old.owner)),
            group: meta.group.or(old.as_ref().map(|old| old.group)),
        };
        self.send_file(&place, &meta, content, &doing)
    }

    fn make_dir(&self, path: &Path, meta: &Meta) -> Result<()> {
        let doing = format!("make directory {}", path.display());
        let (location, old) = self.location(path, FileKind::Dir, &doing)?;
        let mode = if old.is_some() { meta.mode } else { meta.mode.or(Some(NEW_DIR_MODE)) };
        let request = location
            .request("make_dir")
            .word(mode.map(octal).unwrap_or_default())
            .optional(meta.owner)
            .optional(meta.group)
            .word(if old.is_some() { "old" } else { "new" });
        done(&self.ask_script(&request, b"", &doing)?, &doing)
    }

    fn link(&self, path: &Path, target: &Path) -> Result<()> {
        let doing = format!("link {} to {}", path.display(), target.display());
        let target = target.as_os_str().as_bytes();
        refuse_nul(target, &doing)?;
        self.change(path, Last::Kept, b"", &doing, &|at, _| {
            let request = Request::new("link").word(at.folder.as_os_str().as_bytes()).word(at.temporary());
            request.word(&at.name).word(target)
        })
    }

    fn set_meta(&self, path: &Path, meta: &Meta) -> Result<()> {
        let doing = format!("set mode and owner of {}", path.display());
        self.change(path, Last::Kept, b"", &doing, &|at, suffix| {
            let request = at.request(&format!("set_meta{suffix}"));
            let request = request.word(meta.mode.map(octal).unwrap_or_default());
            request.optional(meta.owner).optional(meta.group)
        })
    }

    fn set_attributes(&self, path: &Path, attributes: &Attributes) -> Result<()> {
        let doing = format!("set extended attributes of {}", path.display());
        let words = details::words(attributes);
        self.change(path, Last::Kept, b"", &doing, &|at, suffix| {
            let request = at.request(&format!("set_attributes{suffix}"));
            words.iter().fold(request, Request::word)
        })
    }

    fn set_modified(&self, path: &Path, Modified(seconds, nanos): Modified) -> Result<()> {
        let doing = format!("set time of {}", path.display());
        let reply = self.at(path, Last::Kept, &doing, b"", &|at, suffix| {
            at.request(&format!("set_modified{suffix}")).number(seconds).word(format!("{nanos:09}"))
        })?;
        if is_absent(&reply) { Ok(()) } else { done(&reply, &doing) }
    }

    fn keep_file(&self, path: &Path, kept: &Path) -> Result<bool> {
        let doing = format!("keep {} for undo", path.display());
        let reply = self.at_with(path, kept, "keep", &doing)?;
        if reply.status == NO_MEANS { Ok(false) } else { done(&reply, &doing).map(|()| true) }
    }

    fn put_back(&self, path: &Path, kept: &Path) -> Result<()> {
        let doing = format!("put back {}", path.display());
        done(&self.at_with(path, kept, "put_back", &doing)?, &doing)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.remove_by("remove", path)
    }

    fn remove_all(&self, path: &Path) -> Result<()> {
        self.remove_by("remove_all", path)
    }

    fn exchange(&self, one: &Path, other: &Path) -> Result<()> {
        let doing = format!("exchange {} and {}", one.display(), other.display());
        let other = Location::of(&self.look_at(other)?.0, &doing)?;
        self.change(one, Last::Kept, b"", &doing, &|at, _| {
            at.request("exchange").word(other.folder.as_os_str().as_bytes()).word(&other.name)
        })
    }

    fn run(&self, command: &Command) -> Result<Answer> {
        self.execute(command, OUTPUT_KEPT)
    }

    /// The answers of the shell come one after the other, so that what a command prints is heard once it has ended.
    fn stream(&self, command: &Command, flow: Flow) -> Result<Answer> {
        if flow.input.is_some() || flow.output.is_some() {
            return Err(no_stream(command));
        }
        let answer = self.execute_noted(command, &flow)?;
        if let Some(listener) = flow.listener {
            listener.hear(Stream::Stdout, &answer.stdout);
            listener.hear(Stream::Stderr, &answer.stderr);
        }
        Ok(answer)
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let doing = format!("copy {} to {}", from.display(), to.display());
        let (to, _) = self.location(to, FileKind::File, &doing)?;
        self.change(from, Last::Followed, b"", &doing, &|at, suffix| {
            let request = at.request(&format!("copy{suffix}")).word(to.folder.as_os_str().as_bytes());
            request.word(to.temporary()).word(&to.name)
        })
    }

    fn write_copy(&self, path: &Path, from: &Path, meta: &Meta) -> Result<()> {
        self.write(path, &mut Pieces { host: self, path: from, offset: 0 }, meta)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let doing = format!("append to {}", path.display());
        self.change(path, Last::Followed, bytes, &doing, &|at, suffix| {
            at.request(&format!("append{suffix}")).number(bytes.len())
        })
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Lock> {
        let doing = format!("lock {}", path.display());
        let reply =
            self.ask_script(&Request::new("lock").word(whole(path, &doing)?).word(holder), b"", &doing)?;
        match reply.status {
            0 => Ok(Lock::Ours),
            HELD => Ok(Lock::theirs(&first(reply.parts))),
            _ => Err(refused(&doing, &reply)),
        }
    }
}

impl Shell {
    /// Asks for something about a path and one in the state directory, where no link is.
    fn at_with(&self, path: &Path, kept: &Path, verb: &str, doing: &str) -> Result<Reply> {
        let kept = Location::of(kept, doing)?;
        self.at(path, Last::Kept, doing, b"", &|at, _| {
            at.request(verb).word(kept.folder.as_os_str().as_bytes()).word(&kept.name)
        })
    }

    fn remove_by(&self, verb: &str, path: &Path) -> Result<()> {
        let doing = format!("remove {}", path.display());
        let reply = self.at(path, Last::Kept, &doing, b"", &|at, _| at.request(verb))?;
        if is_absent(&reply) { Ok(()) } else { done(&reply, &doing) }
    }
}

impl observe::Network for Shell {
    fn port(&self, host: &str, port: u16) -> Result<Result<(), String>> {
        port::look(self, host, port)
    }

    fn http(&self, check: &HttpCheck, _: &http::Url) -> Result<Result<http::Response, String>> {
        http::through_programs(&|command, kept| self.execute(command, kept), check)
    }
}

/// A host's file, a piece at a time.
struct Pieces<'a> {
    host: &'a Shell,
    path: &'a Path,
    offset: u64,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.host.read_at(self.path, self.offset, buffer.len()).map_err(io::Error::other)?;
        buffer[..piece.len()].copy_from_slice(&piece);
        self.offset += piece.len() as u64;
        Ok(piece.len())
    }
}

/// A host that answers with fewer parts than it should has said nothing.
fn first(parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.into_iter().next().unwrap_or_default()
}

fn done(reply: &Reply, doing: &str) -> Result<()> {
    if reply.status == 0 { Ok(()) } else { Err(refused(doing, reply)) }
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

fn digest_in(output: &[u8]) -> Option<Digest> {
    let text = String::from_utf8_lossy(output).into_owned();
    text.split_ascii_whitespace().find_map(|word| Digest::try_from(word.to_string()).ok())
}
