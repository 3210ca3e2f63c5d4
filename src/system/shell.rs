//! A host without an agent, through a POSIX sh at the other end of a pipe. `shell/host.sh` is what it runs there.

use super::output::join;
use super::reason::{because, lowered};
use super::user::Identity;
use super::{FileKind, Lock, OUTPUT_KEPT, Probe, READ_LIMIT, Stat, System, http, observe};
use crate::model::digest::Digest;
use crate::model::op::{Answer, Command, Condition, HttpCheck, Meta, Observed};
use crate::model::{Failure, Result};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use wire::{Reply, Request, Wire};

mod encode;
mod listing;
mod port;
mod wire;

/// A file travels in pieces of this size, in bytes; a smaller one in a single round trip.
const PIECE: usize = 1024 * 1024;

/// A new file's and a new directory's mode when nothing is asked for, whatever the umask.
const NEW_FILE_MODE: u32 = 0o644;
const NEW_DIR_MODE: u32 = 0o755;

/// The script's own statuses, named at its beginning.
const WRONG_KIND: i32 = 90;
const TOO_LARGE: i32 = 91;
const NO_MEANS: i32 = 92;
const HELD: i32 = 93;

/// A host reached through `sh`. It does what the agent's `Local` does, with the host's own programs: ls, cat, cp, mv,
/// chmod, chown, dd, head, tail, tee, mkfifo, and where they are there setsid, flock, sync with a path, sha256sum.
///
/// It is weaker in three ways. Folders are named by path and not held open. Where `mv` has no `-T`, replacing a link
/// to a directory is not atomic. Without setsid, a time limit ends the process but not what it started.
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

    /// Where a path really ends, which must be nothing or of this kind.
    fn place(&self, path: &Path, kind: FileKind, doing: &str) -> Result<(Place, Option<Stat>)> {
        let (path, stat) = super::followed(self, path)?;
        match &stat {
            Some(stat) if stat.kind != kind => Err(Failure::new(
                doing,
                format!("a {} is there, not a {}", stat.kind.as_str(), kind.as_str()),
            )),
            _ => Ok((Place::of(&path, doing)?, stat)),
        }
    }

    fn execute(&self, command: &Command, kept: usize) -> Result<Answer> {
        let doing = format!("run {}", command.shown());
        let request = self.run_request(command, kept, &doing)?;
        let reply = self.ask_script(&request, b"", &doing)?;
        if reply.status != 0 {
            return Err(refused(&doing, &reply));
        }
        answer(reply, kept)
            .ok_or_else(|| Failure::new(doing, "the shell on the host answered something else"))
    }

    fn run_request(&self, command: &Command, kept: usize, doing: &str) -> Result<Request> {
        if command.argv.is_empty() {
            return Err(Failure::new("run a command", "it is empty"));
        }
        let user = command.user.as_deref().map(|user| Identity::of(self, user)).transpose()?;
        let variables = variables(command, user.as_ref(), doing)?;
        let su_words: Vec<_> = command.argv.iter().map(|word| encode::word(word.as_bytes())).collect();
        let limit = command.timeout.map_or(0, |timeout| timeout.as_secs_f64().ceil().max(1.0) as u64);
        let mut request = Request::new("run")
            .number(kept)
            .number(limit)
            .word(user.as_ref().map_or("", |user| &user.name))
            .optional(user.as_ref().map(|user| user.uid))
            .word(if user.is_some() { su_words.join(&b' ') } else { Vec::new() })
            .word(command.directory.as_deref().unwrap_or(Path::new("/")).as_os_str().as_bytes())
            .later(&command.stdin)
            .number(variables.len());
        for word in variables.iter().chain(&command.argv) {
            refuse_nul(word.as_bytes(), doing)?;
            request = request.word(word);
        }
        Ok(request)
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
        let temporary = place.temporary();
        let mut sent = 0;
        let mut piece = next_piece(content);
        loop {
            let bytes = piece.map_err(|error| self.give_up(&place, &temporary, &doing, &error))?;
            let is_first = sent == 0;
            sent += bytes.len() as u64;
            piece = next_piece(content);
            let is_last = piece.as_ref().is_ok_and(Vec::is_empty);
            let request = Request::new("write")
                .word(place.folder.as_os_str().as_bytes())
                .word(&temporary)
                .word(&place.name)
                .word(meta.mode.map(octal).unwrap_or_default())
                .optional(meta.owner)
                .optional(meta.group)
                .word(if is_first { "first" } else { "more" })
                .word(if is_last { "last" } else { "more" })
                .number(sent)
                .number(bytes.len());
            self.change(request, &bytes, &doing)?;
            if is_last {
                return Ok(());
            }
        }
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
            HELD => Ok(Lock::Theirs(String::from_utf8_lossy(&reply.parts[0]).trim().to_string())),
            _ => Err(refused(&doing, &reply)),
        }
    }
}

impl Shell {
    /// The temporary of a file whose rest cannot be had is removed; why it cannot be had is the failure.
    fn give_up(&self, place: &Place, temporary: &[u8], doing: &str, error: &io::Error) -> Failure {
        let path = place.folder.join(OsString::from_vec(temporary.to_vec()));
        let _removed_or_lost = self.remove(&path);
        Failure::new(doing, format!("its new content cannot be read: {error}"))
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

/// A folder and a name in it.
struct Place {
    folder: PathBuf,
    name: Vec<u8>,
}

impl Place {
    fn of(path: &Path, doing: &str) -> Result<Self> {
        whole(path, doing)?;
        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => Ok(Place { folder: folder.into(), name: name.as_bytes().to_vec() }),
            _ => Ok(Place { folder: path.into(), name: b".".to_vec() }),
        }
    }

    /// `.NAME.windlass-XXXXXXXX`, hidden and next to the file it becomes. Names end at 255 bytes.
    fn temporary(&self) -> Vec<u8> {
        let kept = &self.name[..self.name.len().min(200)];
        [b".", kept, b".windlass-", format!("{:08x}", rand::random::<u32>()).as_bytes()].concat()
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

fn next_piece(content: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    content.take(PIECE as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

fn first(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.swap_remove(0)
}

/// The path's bytes without a slash or dot at their end, which would follow a link.
fn whole(path: &Path, doing: &str) -> Result<Vec<u8>> {
    if !path.is_absolute() {
        return Err(Failure::new(doing, "a path on a host must begin with /"));
    }
    let path: PathBuf = path.components().collect();
    let bytes = path.into_os_string().into_vec();
    refuse_nul(&bytes, doing)?;
    Ok(bytes)
}

fn refuse_nul(bytes: &[u8], doing: &str) -> Result<()> {
    if bytes.contains(&0) {
        return Err(Failure::new(doing, "a path or word holds a NUL byte"));
    }
    Ok(())
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

/// `NAME=VALUE` for each variable: the user's own first, so that the command's may replace them.
fn variables(command: &Command, user: Option<&Identity>, doing: &str) -> Result<Vec<String>> {
    let personal = user.into_iter().flat_map(|user| {
        [("HOME", &user.home), ("SHELL", &user.shell), ("USER", &user.name), ("LOGNAME", &user.name)]
    });
    let mut variables: Vec<_> = personal.map(|(name, value)| format!("{name}={value}")).collect();
    for (name, value) in &command.environment {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !name.bytes().all(fits) || name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
            return Err(Failure::new(doing, format!("sh cannot set an environment variable named {name:?}")));
        }
        variables.push(format!("{name}={value}"));
    }
    Ok(variables)
}

fn answer(mut reply: Reply, kept: usize) -> Option<Answer> {
    let numbers = String::from_utf8(reply.parts.pop()?).ok()?;
    let mut numbers = numbers.split_ascii_whitespace().map(str::parse::<u64>);
    let mut number = || numbers.next()?.ok();
    let (status, out, err) = (number()?, number()?, number()?);
    let [out_head, out_tail, err_head, err_tail] = <[Vec<u8>; 4]>::try_from(reply.parts).ok()?;
    Some(Answer {
        status: status as i32,
        stdout: bounded(out_head, &out_tail, out, kept),
        stderr: bounded(err_head, &err_tail, err, kept),
        total: out + err,
    })
}

/// Head and tail overlap when the stream was short.
fn bounded(head: Vec<u8>, tail: &[u8], total: u64, kept: usize) -> Vec<u8> {
    let rest = total.saturating_sub(head.len() as u64).min(kept as u64) as usize;
    let tail = &tail[tail.len().saturating_sub(rest)..];
    join(head, tail, total)
}

fn digest_in(output: &[u8]) -> Option<Digest> {
    let text = String::from_utf8_lossy(output).into_owned();
    text.split_ascii_whitespace().find_map(|word| Digest::try_from(word.to_string()).ok())
}

fn is_absent(reply: &Reply) -> bool {
    matches!(words(&reply.errors).as_str(), "no such file or directory" | "not a directory")
}

fn refused(doing: &str, reply: &Reply) -> Failure {
    match reply.status {
        WRONG_KIND => Failure::new(doing, "something else than a file is there"),
        TOO_LARGE => super::too_large(doing),
        status if reply.errors.trim().is_empty() => {
            Failure::new(doing, format!("the shell there gave status {status} and no reason"))
        }
        _ => because(doing, &words(&reply.errors)),
    }
}

/// The system's own words at the end of what programs print: `mv: cannot move 'a' to 'b': No space left on device`.
fn words(errors: &str) -> String {
    let last = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    match last_part(last).as_str() {
        // How dash and busybox put it when a redirection fails.
        "no such file" | "directory nonexistent" | "nonexistent directory" => {
            "no such file or directory".into()
        }
        other => other.to_string(),
    }
}

fn last_part(line: &str) -> String {
    lowered(line.rsplit(": ").next().unwrap_or(line).trim())
}
