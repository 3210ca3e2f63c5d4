//! A host without an agent, through a POSIX sh at the other end of a pipe. The `.sh` files in `shell/` are what it runs there.

use super::reason::because;
use super::{FileKind, Lock, OUTPUT_KEPT, Probe, READ_LIMIT, Stat, System, http, observe};
use crate::model::digest::Digest;
use crate::model::op::{Answer, Command, Condition, HttpCheck, Meta, Observed};
use crate::model::{Failure, Result};
use place::{Place, refuse_nul, whole};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use told::{HELD, NO_MEANS, is_absent, refused};
use wire::{Reply, Request, Wire};

mod encode;
mod listing;
mod place;
mod port;
mod run;
#[cfg(test)]
mod tests;
mod told;
mod wire;
mod write;

/// A new file's and a new directory's mode when nothing is asked for, whatever the umask.
const NEW_FILE_MODE: u32 = 0o644;
const NEW_DIR_MODE: u32 = 0o755;

/// A host reached through `sh`. It does what the agent's `Local` does, with the host's own programs: ls, cat, cp, mv,
/// chmod, chown, dd, head, tail, tee, mkfifo, and where they are there setsid, flock, sync with a path, sha256sum.
///
/// It is weaker in four ways. Folders are named by path and not held open. Where `mv` has no `-T`, replacing a link
/// to a directory is not atomic. Where neither `mv` has `--exchange` nor perl is there to make the system call, two
/// paths change places with three renames, between which the first is missing. Without setsid, a time limit ends the
/// process but not what it started.
pub struct Shell {
    wire: Mutex<Wire>,
}

impl Shell {
    /// Takes over an `sh` that reads its commands from `writer` and answers on `reader`. What a login printed before
    /// is skipped. Reads block: whoever makes the pipe must end it when the host is gone.
    pub fn new(writer: Box<dyn Write + Send>, reader: Box<dyn Read + Send>) -> Result<Self> {
        Ok(Shell { wire: Mutex::new(Wire::start(writer, reader)?) })
    }

    /// Whether the pipe has broken: the host may or may not have done what was asked last.
    pub fn is_lost(&self) -> bool {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner).is_lost()
    }

    fn ask_script(&self, request: &Request, content: &[u8], doing: &str) -> Result<Reply> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner).ask(request, content, doing)
    }

    /// The first part of the answer; `None` when there is nothing at the path.
    fn look(&self, request: Request, doing: &str) -> Result<Option<Vec<Vec<u8>>>> {
        let reply = self.ask_script(&request, b"", doing)?;
        match reply.status {
            0 => Ok(Some(reply.parts)),
            _ if is_absent(&reply) => Ok(None),
            _ => Err(refused(doing, &reply)),
        }
    }

    fn change(&self, request: Request, content: &[u8], doing: &str) -> Result<()> {
        let reply = self.ask_script(&request, content, doing)?;
        if reply.status == 0 { Ok(()) } else { Err(refused(doing, &reply)) }
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
        let doing = format!("look at {}", path.display());
        let Some(parts) = self.look(Request::new("stat").word(whole(path, &doing)?), &doing)? else {
            return Ok(None);
        };
        let target = parts.get(1).map(Vec::as_slice).unwrap_or_default();
        let stat = listing::parse(&parts[0], target);
        stat.map(Some).ok_or_else(|| Failure::new(doing, "its ls prints something else than POSIX says"))
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let doing = format!("read {}", path.display());
        let request = Request::new("read").word(whole(path, &doing)?).number(READ_LIMIT);
        Ok(self.look(request, &doing)?.map(first))
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
        let doing = format!("read {}", path.display());
        // The script reads whole blocks of 4096 bytes, which dd can seek to.
        let (first_block, end) = (offset / 4096, (offset + length as u64).div_ceil(4096));
        let request =
            Request::new("read_at").word(whole(path, &doing)?).number(first_block).number(end - first_block);
        let blocks = self.look(request, &doing)?.map(first);
        let blocks = blocks.ok_or_else(|| because(&doing, "no such file or directory"))?;
        let part = blocks.get((offset % 4096) as usize..).unwrap_or_default();
        Ok(part[..part.len().min(length)].to_vec())
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        let doing = format!("list {}", path.display());
        let reply = self.ask_script(&Request::new("list").word(whole(path, &doing)?), b"", &doing)?;
        if reply.status != 0 {
            return Err(refused(&doing, &reply));
        }
        let names = reply.parts[0].split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let mut names: Vec<_> = names.map(|name| OsString::from_vec(name.to_vec())).collect();
        names.sort();
        Ok(names)
    }

    fn digest(&self, path: &Path) -> Result<Option<Digest>> {
        let doing = format!("read {}", path.display());
        let reply = self.ask_script(&Request::new("digest").word(whole(path, &doing)?), b"", &doing)?;
        match reply.status {
            0 => digest_in(&reply.parts[0])
                .map(Some)
                .ok_or_else(|| Failure::new(doing, "its sha256sum or openssl printed no SHA-256")),
            NO_MEANS => self.digest_here(path).map(Some),
            _ if is_absent(&reply) => Ok(None),
            _ => Err(refused(&doing, &reply)),
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
        let (place, old) = self.place(path, FileKind::File, &doing)?;
        let meta = Meta {
            mode: meta.mode.or(old.as_ref().map(|old| old.mode)).or(Some(NEW_FILE_MODE)),
            owner: meta.owner.or(old.as_ref().map(|old| old.owner)),
            group: meta.group.or(old.as_ref().map(|old| old.group)),
        };
        self.send_file(&place, &meta, content, &doing)
    }

    fn make_dir(&self, path: &Path, meta: &Meta) -> Result<()> {
        let doing = format!("make directory {}", path.display());
        let (place, old) = self.place(path, FileKind::Dir, &doing)?;
        let mode = if old.is_some() { meta.mode } else { meta.mode.or(Some(NEW_DIR_MODE)) };
        let request = Request::new("make_dir")
            .word(place.folder.as_os_str().as_bytes())
            .word(&place.name)
            .word(mode.map(octal).unwrap_or_default())
            .optional(meta.owner)
            .optional(meta.group)
            .word(if old.is_some() { "old" } else { "new" });
        self.change(request, b"", &doing)
    }

    fn link(&self, path: &Path, target: &Path) -> Result<()> {
        let doing = format!("link {} to {}", path.display(), target.display());
        let place = Place::of(path, &doing)?;
        let target = target.as_os_str().as_bytes();
        refuse_nul(target, &doing)?;
        let request = Request::new("link").word(place.folder.as_os_str().as_bytes()).word(place.temporary());
        self.change(request.word(&place.name).word(target), b"", &doing)
    }

    fn set_meta(&self, path: &Path, meta: &Meta) -> Result<()> {
        let doing = format!("set mode and owner of {}", path.display());
        let request = Request::new("set_meta")
            .word(whole(path, &doing)?)
            .word(meta.mode.map(octal).unwrap_or_default());
        self.change(request.optional(meta.owner).optional(meta.group), b"", &doing)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let doing = format!("remove {}", path.display());
        self.look(Request::new("remove").word(whole(path, &doing)?), &doing).map(drop)
    }

    fn exchange(&self, one: &Path, other: &Path) -> Result<()> {
        let doing = format!("exchange {} and {}", one.display(), other.display());
        let request = Request::new("exchange").word(whole(one, &doing)?).word(whole(other, &doing)?);
        self.change(request, b"", &doing)
    }

    fn run(&self, command: &Command) -> Result<Answer> {
        self.execute(command, OUTPUT_KEPT)
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let doing = format!("copy {} to {}", from.display(), to.display());
        let (place, _) = self.place(to, FileKind::File, &doing)?;
        let request =
            Request::new("copy").word(whole(from, &doing)?).word(place.folder.as_os_str().as_bytes());
        self.change(request.word(place.temporary()).word(&place.name), b"", &doing)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let doing = format!("append to {}", path.display());
        let request = Request::new("append").word(whole(path, &doing)?).number(bytes.len());
        self.change(request, bytes, &doing)
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Lock> {
        let doing = format!("lock {}", path.display());
        let reply =
            self.ask_script(&Request::new("lock").word(whole(path, &doing)?).word(holder), b"", &doing)?;
        match reply.status {
            0 => Ok(Lock::Ours),
            HELD => Ok(Lock::theirs(reply.parts.first().map_or(&[], |part| &part[..]))),
            _ => Err(refused(&doing, &reply)),
        }
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

fn first(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.swap_remove(0)
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

fn digest_in(output: &[u8]) -> Option<Digest> {
    let text = String::from_utf8_lossy(output).into_owned();
    text.split_ascii_whitespace().find_map(|word| Digest::try_from(word.to_string()).ok())
}
