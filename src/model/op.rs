//! Operations as data: what a step wants done to a host, before anything is done.
//!
//! A step returns a [`Plan`]; the engine alone performs it. So check mode, diff, journal and undo exist once.

use super::Values;
use super::attributes::{Attributes, Modified};
use super::backup::Backup;
use super::digest::Digest;
use super::finding::Finding;
use super::guard::Guard;
use super::path::HostPath;
use super::reason::reason;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What one step would do now. Empty when the host is already as the step wants it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order in which they are performed.
    pub ops: Vec<Op>,
    /// True when performing the ops once settles the step, because looking again cannot tell (`command`).
    pub once: bool,
    /// What `register` gets beside the common fields.
    pub result: Values,
    /// Told to the reader with the step's outcome, for example what `debug` prints.
    pub notes: Vec<String>,
    /// A directory that may belong to another: below it, no link is followed while the ops are performed. Anyone who
    /// puts one there in the meantime makes the op fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<HostPath>,
    /// What it looked at and how that is. A step whose last plan has one that fails, or that could not be seen, fails;
    /// `failed_when` overrules.
    pub findings: Vec<Finding>,
    /// What helps a reader when one of its waits was in vain.
    pub advice: Advice,
    /// Set when its ops boot the host: how long it may take until it is up again, and the run goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Duration>,
    /// Set when its changes can cut windlass off from the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
}

/// One change to a host, or one wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Makes or replaces a regular file, atomically. Fields of `meta` that are `None` stay as they are; a new file
    /// is 0644 and owned by the user that runs.
    Write { path: HostPath, content: Content, meta: Meta },
    /// Makes a directory whose parent exists. A new one is 0755.
    Dir { path: HostPath, meta: Meta },
    /// Makes or replaces a symbolic link, atomically.
    Link { path: HostPath, target: HostPath },
    /// Sets mode, owner or group of something that exists.
    Meta { path: HostPath, meta: Meta },
    /// Gives something that exists these extended attributes and no others. Only an undo does.
    Attributes { path: HostPath, attributes: Attributes },
    /// Gives something that exists its time of last modification back. Only an undo does.
    Modified { path: HostPath, modified: Modified },
    /// Moves a file that was kept for an undo to its place: it is the same file again, with its hard links.
    PutBack { path: HostPath, kept: HostPath },
    /// Removes a file, a link or a whole directory.
    Remove { path: HostPath },
    /// Lets two paths of one file system change places at one moment, so that neither is ever missing: a directory that is
    /// in use becomes a link. They must be of different kinds, which shows afterwards whether it was done.
    Exchange { one: HostPath, other: HostPath },
    /// Removes a directory if nothing is in it by then.
    RemoveEmpty { path: HostPath },
    /// Runs a command.
    Run(Box<Run>),
    /// Waits until something holds.
    Await { condition: Condition, within: Duration, every: Duration },
    /// Brings a host's file to the controller, which keeps it below the run's project as `to`.
    Fetch { path: HostPath, to: String, size: u64 },
    /// Streams what commands write to the controller's store, which keeps all of it or nothing.
    Backup(Box<Backup>),
}

/// The bytes of a file to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Small enough to travel in the job, or made on the host.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Held by the controller, which sends it when it is needed.
    Asset(Asset),
}

/// A file of the controller's, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "controller", schemars(with = "String"))]
pub struct Asset {
    /// Names the bytes.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
}

/// Mode, owner and group; `None` leaves what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Permission bits, at most 0o7777.
    pub mode: Option<u32>,
    /// User id.
    pub owner: Option<u32>,
    /// Group id.
    pub group: Option<u32>,
}

/// A command that changes something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What is run.
    pub command: Command,
    /// Follows the command's own standard input, as it arrives. When it breaks off, the command is killed before that ends.
    pub input: Option<Asset>,
    /// Exit statuses that are fine.
    pub accept: Accept,
    /// An exit status that says that there was nothing left to do: fine, and no change.
    pub idle: Option<i32>,
    /// What undoes it.
    pub undo: Undo,
    /// What is not as before even then: `an undo leaves the volume shop_data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<String>,
    /// What later questions will be answered once it has run: how check mode knows.
    pub predicts: Vec<Prediction>,
    /// A question that must be answered with status 0 after it has run, where its own exit status proves too little.
    pub confirm: Option<Command>,
    /// What must hold soon afterwards. A run that is only supposed is supposed to bring it about.
    pub waits: Vec<Wait>,
    /// What helps a reader when it fails.
    pub advice: Advice,
    /// What its success shows; noted then and not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proves: Option<String>,
    /// What it does to files, in this order: how check mode knows.
    pub effects: Vec<Effect>,
    /// Everything at and below these paths is its own work: its `undo` covers what later changes of the run do there.
    pub covers: Vec<HostPath>,
}

/// What a command does to files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// `to` becomes a copy of `from`, with all that is in it.
    Copies { from: HostPath, to: HostPath },
    /// A file holds this.
    Writes { path: HostPath, bytes: Vec<u8> },
    /// Nothing is there any more.
    Removes { path: HostPath },
}

/// Something that must hold before a time is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// What must hold.
    pub condition: Condition,
    /// How long it may take.
    pub within: Duration,
    /// How long to wait between two looks.
    pub every: Duration,
}

/// What helps a reader when a command has failed, or a wait was in vain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// What to try when its output, or what the question answers, holds a text: pairs of that text and the hint.
    pub hints: Vec<(String, String)>,
    /// Asked then; its answer, for example the last lines of a log, is reported with the failure.
    pub question: Option<Command>,
}

/// How a command is undone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Nothing is known that undoes it.
    #[default]
    Nothing,
    /// Nothing undoes it, for this reason.
    Impossible(String),
    /// It changes nothing that would have to be undone: a cache, a failed unit's mark.
    NotNeeded,
    /// This command undoes it.
    Command(Command),
    /// This command undoes it. The read-only question is asked first: what it prints is not as before even then; nothing when
    /// all is. When it fails, [`Run::leaves`] is what is known.
    Asked { command: Command, question: Command },
    /// The same command once more, after everything before it was restored: a daemon reads its old files again.
    Again,
}

/// Which exit statuses count as success.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// Only 0.
    #[default]
    Zero,
    /// Only these.
    Of(Vec<i32>),
    /// Every status: the step judges for itself, as `failed_when` does.
    Any,
}

/// A process to start. Values are arguments, environment or stdin; nothing is pasted into shell text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments; a program without `/` is looked up in PATH.
    pub argv: Vec<String>,
    /// Added to the environment, in which the locale is C.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Written to its standard input, which is empty otherwise.
    #[serde(default, with = "serde_bytes")]
    pub stdin: Vec<u8>,
    /// Where it runs; `/` when `None`, the home directory with `login`.
    #[serde(default)]
    pub directory: Option<HostPath>,
    /// As whom, when not as the one who runs windlass there.
    #[serde(default)]
    pub user: Option<String>,
    /// Its process group is killed after this time.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// The program that counts, where a shell comes first that does something before it: without it, the command is never
    /// started.
    #[serde(default)]
    pub program: Option<String>,
    /// What it is called in messages, where its words would not say it: `migration 003_users.sql on app`.
    #[serde(default)]
    pub title: Option<String>,
    /// It is the user's own program, so that it finds what a login by ssh gives: the home directory to run in, and the
    /// login's locale. windlass's own commands run in `/`, and in the locale C, in which their output is read.
    #[serde(default)]
    pub login: bool,
}

/// How a process ended, with as much of its output as is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Exit status; 128 + signal when a signal ended it; 124 when the timeout did; 127 when there is no such program.
    pub status: i32,
    /// Standard output, bounded: head and tail are kept.
    #[serde(with = "serde_bytes")]
    pub stdout: Vec<u8>,
    /// Standard error, bounded likewise.
    #[serde(with = "serde_bytes")]
    pub stderr: Vec<u8>,
    /// Bytes that both streams had in all, kept or not.
    pub total: u64,
}

/// The answer that a question will get after a command has run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// The question's `argv`.
    pub argv: Vec<String>,
    /// Its answer from then on.
    pub answer: Answer,
}

/// Something that a host can be asked to look at, again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Something accepts TCP connections there, as seen from the host.
    Port { host: String, port: u16, open: bool },
    /// A path exists, or does not.
    Path { path: HostPath, exists: bool },
    /// A file holds a match of a regular expression.
    Matches { path: HostPath, pattern: String },
    /// A read-only command exits 0.
    Succeeds { command: Command },
    /// A URL answers as wanted, as seen from the host.
    Http(Box<HttpCheck>),
}

/// An HTTP request and the answer that is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// `http://` or `https://`.
    pub url: String,
    /// GET, POST …
    pub method: String,
    /// Sent with the request.
    pub headers: BTreeMap<String, String>,
    /// Sent with the request.
    pub body: Option<String>,
    /// Any of these is fine.
    pub status: Vec<u16>,
    /// The body must hold a match of this regular expression.
    pub matches: Option<String>,
    /// For the whole request.
    pub timeout: Duration,
}

/// What looking at a condition showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Whether the condition holds.
    pub holds: bool,
    /// What was seen, for people: `127.0.0.1:80 refused the connection`.
    pub seen: String,
    /// What was seen, for `register`: status and body of an HTTP answer, for example.
    pub details: Values,
}

impl Plan {
    /// Nothing to do, and this is what was seen.
    pub fn found(findings: Vec<Finding>) -> Self {
        Plan { findings, ..Plan::default() }
    }

    /// Nothing to do.
    pub fn nothing() -> Self {
        Plan::default()
    }

    /// A wait that check mode cannot see the end of: what is wanted depends on whether this will hold by then.
    pub fn awaiting(condition: Condition) -> Self {
        Plan::of(vec![Op::Await { condition, within: Duration::ZERO, every: Duration::ZERO }])
    }

    /// These ops, after which the step looks again.
    pub fn of(ops: Vec<Op>) -> Self {
        Plan { ops, ..Plan::default() }
    }

    /// Whether the host is already as wanted.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}

/// Why a command without an undo cannot be undone.
pub const NO_UNDO: &str = "nothing is known that undoes it";

impl Op {
    /// Whether it changes something on the host. Waits, and transfers to the controller, do not.
    pub fn changes_host(&self) -> bool {
        !matches!(self, Op::Await { .. } | Op::Fetch { .. } | Op::Backup(_))
    }

    /// Why it cannot be undone; `None` when it can, or needs no undo.
    pub fn no_undo(&self) -> Option<&str> {
        let Op::Run(run) = self else { return None };
        match &run.undo {
            Undo::Nothing => Some(NO_UNDO),
            Undo::Impossible(why) => Some(why),
            Undo::NotNeeded | Undo::Command(_) | Undo::Asked { .. } | Undo::Again => run.leaves.as_deref(),
        }
    }

    /// The path that it makes, changes or removes; `None` when it is no change of a file.
    pub fn path(&self) -> Option<&HostPath> {
        match self {
            Op::Write { path, .. }
            | Op::Dir { path, .. }
            | Op::Link { path, .. }
            | Op::Meta { path, .. }
            | Op::Attributes { path, .. }
            | Op::Modified { path, .. }
            | Op::PutBack { path, .. }
            | Op::Remove { path }
            | Op::RemoveEmpty { path } => Some(path),
            Op::Exchange { .. } | Op::Run(_) | Op::Await { .. } | Op::Fetch { .. } | Op::Backup(_) => None,
        }
    }
}

impl Accept {
    /// Whether a command that ended with `status` succeeded.
    pub fn accepts(&self, status: i32) -> bool {
        match self {
            Accept::Zero => status == 0,
            Accept::Of(statuses) => statuses.contains(&status),
            Accept::Any => true,
        }
    }
}

impl Content {
    /// Names the bytes.
    pub fn digest(&self) -> Digest {
        match self {
            Content::Bytes(bytes) => Digest::of(bytes),
            Content::Asset(asset) => asset.digest.clone(),
        }
    }
}

impl Meta {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Meta::default()
    }
}

impl Command {
    /// A program with its arguments and nothing else.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Command { argv: argv.into_iter().map(Into::into).collect(), ..Command::default() }
    }

    /// Its title, else the command as a person would type it.
    pub fn shown(&self) -> String {
        self.title.clone().unwrap_or_else(|| self.typed())
    }

    fn typed(&self) -> String {
        self.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

impl Answer {
    /// The exit status where there is no such program.
    pub const NO_PROGRAM: i32 = 127;

    /// An answer with this status and standard output.
    pub fn said(status: i32, stdout: impl Into<Vec<u8>>) -> Self {
        let stdout = stdout.into();
        let total = stdout.len() as u64;
        Answer { status, stdout, stderr: Vec::new(), total }
    }

    /// Whether it exited 0.
    pub fn ok(&self) -> bool {
        self.status == 0
    }

    /// Standard output as text, without white space around it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_string()
    }

    /// The last non-empty line of standard error, else of standard output: usually why it failed.
    pub fn last_words(&self) -> Option<String> {
        [&self.stderr, &self.stdout].into_iter().find_map(|stream| reason(stream))
    }
}

impl From<Wait> for Op {
    fn from(wait: Wait) -> Self {
        Op::Await { condition: wait.condition, within: wait.within, every: wait.every }
    }
}

impl Undo {
    /// Nothing undoes it, for this reason.
    pub fn impossible(why: &str) -> Self {
        Undo::Impossible(why.to_string())
    }
}

impl From<Command> for Run {
    fn from(command: Command) -> Self {
        Run { command, ..Run::default() }
    }
}

impl From<Run> for Op {
    fn from(run: Run) -> Self {
        Op::Run(Box::new(run))
    }
}

impl From<Command> for Op {
    fn from(command: Command) -> Self {
        Run::from(command).into()
    }
}

/// What `register` gets of a command: `status`, `stdout` and `stderr` without the line end they close with, and both
/// as lists of lines.
pub fn registered(status: i32, stdout: &[u8], stderr: &[u8]) -> Values {
    let mut values = Values::new();
    values.insert("status".to_string(), status.into());
    for (name, bytes) in [("stdout", stdout), ("stderr", stderr)] {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        values.insert(name.to_string(), text.into());
        values.insert(format!("{name}_lines"), text.lines().collect::<Vec<_>>().into());
    }
    values
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=/.,:@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
