//! Requests and answers over the two ends of a pipe. The script `begin.sh` says how they look.

use super::encode;
use crate::model::{Failure, Result};
use crate::system::READ_LIMIT;
use std::io::{ErrorKind, Read, Write};
use std::process::ChildStdout;
use std::time::{Duration, Instant};

/// The one line that is sent before anything else. A shell may read ahead of the line it executes, so nothing follows
/// until it has answered.
const START: &str = include_str!("start.sh");

/// What the shell does from then on.
const SCRIPT: &str = concat!(
    include_str!("begin.sh"),
    include_str!("look.sh"),
    include_str!("change.sh"),
    include_str!("details.sh"),
    include_str!("lock.sh"),
    include_str!("run.sh"),
    include_str!("loop.sh"),
);

/// What the first line answers.
const READY: &[u8] = b"\nwindlass-ready\n";

/// More noise than this before the first answer is taken for a login that never becomes a shell, in bytes.
const NOISE_LIMIT: usize = 256 * 1024;

/// An answer longer than this is not a shell of ours, in bytes.
const ANSWER_LIMIT: usize = READ_LIMIT as usize + 4 * 1024 * 1024;

/// What follows a mark is a dot or a status, in bytes.
const WORD_LIMIT: usize = 64 * 1024;

/// An answer has no more parts than this: what a command says comes in five.
const PARTS: usize = 8;

/// How long a host may say nothing before its answer to a question about files, which may have to write a whole disk cache.
const SILENCE: Duration = Duration::from_secs(300);

/// A shell has said that it listens by then, on a loaded host too; one that failed while it started may never say anything.
const START_WITHIN: Duration = Duration::from_secs(60);

/// A command gets so much longer than its own time limit: ending it and what it leaves behind take their time.
const MARGIN: Duration = Duration::from_secs(60);

/// Where answers come from.
pub trait Answers: Read + Send {
    /// The next read waits at most so long, then fails as timed out.
    fn wait_at_most(&mut self, time: Duration);
}

/// A process of this machine. Whoever starts it ends it.
impl Answers for ChildStdout {
    fn wait_at_most(&mut self, _: Duration) {}
}

/// A shell that listens.
pub struct Wire {
    writer: Box<dyn Write + Send>,
    reader: Box<dyn Answers>,
    until: Instant,
    nonce: String,
    number: u64,
    bytes: Vec<u8>,
    lost: bool,
}

/// What a verb answered.
pub struct Reply {
    /// The verb's own status.
    pub status: i32,
    /// What it printed, in the parts that its script function marks; there is at least one.
    pub parts: Vec<Vec<u8>>,
    /// What it and its programs said on standard error.
    pub errors: String,
}

/// A request's line: a verb and its words.
pub struct Request {
    line: Vec<u8>,
    within: Option<Duration>,
}

impl Request {
    /// A request without words yet.
    pub fn new(verb: &str) -> Self {
        Request { line: verb.as_bytes().to_vec(), within: None }
    }

    /// What it asks for may take so long.
    pub fn within(self, within: Duration) -> Self {
        Request { within: Some(within), ..self }
    }

    /// Adds a word.
    pub fn word(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.push(encode::word(bytes.as_ref()));
        self
    }

    /// Adds a number.
    pub fn number(self, number: impl std::fmt::Display) -> Self {
        self.word(number.to_string())
    }

    /// Adds a number that may be left out.
    pub fn optional(self, number: Option<impl std::fmt::Display>) -> Self {
        self.word(number.map(|number| number.to_string()).unwrap_or_default())
    }

    /// Adds a word that may hold NULs; see [`encode::later`].
    pub fn later(mut self, bytes: &[u8]) -> Self {
        self.push(encode::later(bytes));
        self
    }

    fn push(&mut self, word: Vec<u8>) {
        self.line.push(b' ');
        self.line.extend(word);
    }
}

impl Wire {
    /// Teaches the shell at the other end its verbs. What a login printed before it is skipped.
    pub fn start(writer: Box<dyn Write + Send>, reader: Box<dyn Answers>) -> Result<Self> {
        let nonce = format!("{:032x}", rand::random::<u128>());
        let until = Instant::now() + START_WITHIN;
        let mut wire = Wire { writer, reader, until, nonce, number: 0, bytes: Vec::new(), lost: false };
        let doing = "start a shell on the host";
        wire.send(START.as_bytes(), doing)?;
        let end = wire.until(READY, NOISE_LIMIT, doing)?;
        wire.bytes.drain(..end);
        let script = [wire.nonce.as_bytes(), b"\n", SCRIPT.as_bytes(), wire.nonce.as_bytes(), b"\n"].concat();
        wire.send(&script, doing)?;
        Ok(wire)
    }

    /// Whether the other end is gone.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Sends a request with the bytes that follow it, and waits for its answer.
    pub fn ask(&mut self, request: &Request, content: &[u8], doing: &str) -> Result<Reply> {
        if self.lost {
            return Err(lost(doing));
        }
        self.until = Instant::now() + request.within.map_or(SILENCE, |within| within.saturating_add(MARGIN));
        self.number += 1;
        let line = [self.number.to_string().as_bytes(), b" ", &request.line, b"\n"].concat();
        self.send(&line, doing)?;
        self.send(content, doing)?;
        self.reply(doing)
    }

    /// Sends less than a request announces, as a connection does that breaks meanwhile.
    #[cfg(test)]
    pub fn send_in_part(&mut self, request: &Request, content: &[u8]) {
        self.send(&[b"1 ", &request.line[..], b"\n", content].concat(), "break off").unwrap();
    }

    /// What the shell marks its answers with, and names its directory by.
    #[cfg(test)]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    fn send(&mut self, bytes: &[u8], doing: &str) -> Result<()> {
        let sent = self.writer.write_all(bytes).and_then(|()| self.writer.flush());
        self.or_lost(sent, doing)
    }

    fn reply(&mut self, doing: &str) -> Result<Reply> {
        let mark = format!("\n{} {} ", self.nonce, self.number);
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut room = ANSWER_LIMIT;
        loop {
            if parts.len() > PARTS {
                self.lost = true;
                return Err(Failure::new(doing, format!("the host answered in more than {PARTS} parts")));
            }
            let end = self.until(mark.as_bytes(), room, doing)?;
            room = room.saturating_sub(end);
            let mut part: Vec<u8> = self.bytes.drain(..end).collect();
            part.truncate(end - mark.len());
            parts.push(part);
            let end = self.until(b"\n", WORD_LIMIT, doing)?;
            let word: Vec<u8> = self.bytes.drain(..end).collect();
            if let Ok(status) = String::from_utf8_lossy(&word).trim().parse() {
                let errors = parts.pop().unwrap_or_default();
                return Ok(Reply { status, parts, errors: String::from_utf8_lossy(&errors).into_owned() });
            }
        }
    }

    /// Reads until `mark` has come; where it ends.
    fn until(&mut self, mark: &[u8], limit: usize, doing: &str) -> Result<usize> {
        let mut searched = 0;
        loop {
            let found = self.bytes[searched..].windows(mark.len()).position(|window| window == mark);
            if let Some(at) = found {
                return Ok(searched + at + mark.len());
            }
            searched = self.bytes.len().saturating_sub(mark.len() - 1);
            if searched > limit {
                self.lost = true;
                return Err(Failure::new(
                    doing,
                    format!("the host sent more than {limit} bytes in one answer"),
                ));
            }
            self.receive(doing)?;
        }
    }

    fn receive(&mut self, doing: &str) -> Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.lost = true;
            return Err(Failure::new(doing, TOO_LATE));
        }
        self.reader.wait_at_most(left);
        let mut chunk = [0; 64 * 1024];
        let received = self.reader.read(&mut chunk);
        match self.or_lost(received, doing)? {
            0 => {
                self.lost = true;
                Err(lost(doing))
            }
            n => {
                self.bytes.extend_from_slice(&chunk[..n]);
                Ok(())
            }
        }
    }

    fn or_lost<T>(&mut self, result: std::io::Result<T>, doing: &str) -> Result<T> {
        result.map_err(|error| {
            self.lost = true;
            match error.kind() {
                ErrorKind::TimedOut => Failure::new(doing, TOO_LATE),
                _ => lost(doing),
            }
        })
    }
}

/// Reads an answer that may be anything, for the tests that feed it. In it `@` stands for what marks answers.
#[cfg(any(test, fuzzing))]
pub fn answer_any(bytes: &[u8]) {
    struct Fed(std::io::Cursor<Vec<u8>>);
    impl Read for Fed {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Answers for Fed {
        fn wait_at_most(&mut self, _: Duration) {}
    }
    let marked = bytes.iter().flat_map(|byte| if *byte == b'@' { b"\nn 1 ".to_vec() } else { vec![*byte] });
    let reader = Box::new(Fed(std::io::Cursor::new(marked.collect())));
    let (writer, until) = (Box::new(std::io::sink()), Instant::now() + SILENCE);
    let mut wire =
        Wire { writer, reader, until, nonce: "n".into(), number: 0, bytes: Vec::new(), lost: false };
    drop(wire.ask(&Request::new("look"), b"", "ask"));
}

const TOO_LATE: &str = "the host gave no whole answer in time";

fn lost(doing: &str) -> Failure {
    Failure::new(doing, "lost the connection")
        .hint("what was started may have been done; run it again to see what is missing")
}
