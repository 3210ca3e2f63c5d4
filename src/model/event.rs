//! What a host's agent reports while it works, and what the controller answers. One stream, many readers.

use super::backup::{Answered, Said};
use super::delegation::{DelegatedStep, PlayPlace};
use super::digest::Digest;
use super::failure::Failure;
use super::finding::Finding;
use super::job::{Job, Resume, RunId};
use super::once::OnceEnded;
use super::outcome::{HostOutcome, StepOutcome};
use super::play::{Given, PlayStart};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Said by the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "most events are ends of steps, so that boxing them saves nothing"
)]
pub enum Event {
    /// First: who answers.
    Hello(Hello),
    /// What the journal says of an earlier run whose verdict did not arrive; `None`: it knows nothing of that run.
    Settled { run: RunId, outcome: Option<HostOutcome>, steps: Vec<StepEnded> },
    /// A step begins. `item` counts from 0 in a loop; `name` is rendered.
    StepStarted { step: u32, item: Option<u32>, name: String },
    /// A step runs in the background from now on. It begins once more when it is waited for.
    StepBackground { step: u32, name: String },
    /// A step goes on: what it waits for, how far it is.
    Progress { step: u32, text: String },
    /// A command of a step has printed this. `left_out`: so many bytes that came before it are not shown.
    Printed(Printed),
    /// A step has ended. A loop reports each item, then the step as a whole with `item: None`.
    StepEnded(StepEnded),
    /// The agent needs these assets, in this order, one right behind the other. It takes no more of what it asked for
    /// before: `request` grows each time, and an empty list only ends that.
    Need { request: u32, digests: Vec<Digest> },
    /// A piece of a host's file for the controller; `last` ends it. The file had `size` bytes when it was looked at.
    Fetched {
        to: String,
        size: u64,
        #[serde(with = "serde_bytes")]
        chunk: Vec<u8>,
        last: bool,
    },
    /// Something about a backup of this step. `request` grows with each that is begun.
    Backup { request: u32, step: u32, said: Said },
    /// The controller must log in again, from scratch, within this time, and answer with [`Order::Confirmed`]. `ports`:
    /// where sshd listens now, when that has changed.
    Confirm { request: u32, ports: Vec<u16>, within: Duration },
    /// The step has ended that this host runs for all hosts of the run.
    RanOnce { step: u32, ended: Box<OnceEnded> },
    /// The host waits for the end of this step, which another host runs for all, and for [`Order::RanOnce`].
    AwaitsOnce { step: u32 },
    /// The host has come to a step that another one runs for it, and waits for [`Order::RanOnce`].
    Delegates { step: u32, item: Option<u32>, given: Given },
    /// The host has run a step for another one.
    RanDelegated { number: u32, ended: Box<OnceEnded> },
    /// The host is so far. It says so where other hosts may wait until it is past a step.
    At(PlayPlace),
    /// The host has run this step for others of its play, and waits until they are past it, for [`Order::Passed`].
    AwaitsOthers { step: u32 },
    /// The host has come to a step, and waits for [`Order::Consent`].
    AwaitsConsent { step: u32, name: String },
    /// The host has done its plays before this one, and waits for [`Order::Play`].
    AwaitsPlay { play: u32, given: Given },
    /// What the host has given that other hosts look at, once its last play has ended.
    Gave(Given),
    /// The agent lives, though it has nothing else to say: a step takes its time.
    Alive,
    /// The host is about to boot, and this process ends without a verdict: the job goes on from there afterwards.
    Booting(Box<Resume>),
    /// Something the reader should know that belongs to no step.
    Note(String),
    /// Last: the verdict.
    Finished { nonce: String, outcome: HostOutcome, failure: Option<Failure> },
}

/// What a command of a step has printed, while it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Printed {
    /// As in [`super::job::JobStep::index`].
    pub step: u32,
    /// Which of both outputs.
    pub stream: Stream,
    /// So many bytes before these were left out.
    pub left_out: u64,
    /// The next bytes.
    #[serde(with = "serde_bytes")]
    pub chunk: Vec<u8>,
}

/// One of the two outputs of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Both.
    pub const BOTH: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

    /// The name that programs read.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// Who answers on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Of the protocol; both sides must have the same.
    pub version: u32,
    /// How the host is worked: `agent` or `sh`.
    pub system: String,
    /// The process there.
    pub pid: u32,
    /// Changes when the host is booted.
    pub boot_id: String,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepEnded {
    /// As in [`super::job::JobStep::index`].
    pub step: u32,
    /// Which element of a loop, counted from 0.
    pub item: Option<u32>,
    /// The rendered name.
    pub name: String,
    /// The verdict.
    pub outcome: StepOutcome,
    /// How long it took.
    pub took: Duration,
    /// How many times it was tried.
    pub tries: u32,
    /// What was or would be done, a line each: `write /etc/motd`.
    pub changes: Vec<String>,
    /// Unified diffs, when wanted.
    pub diff: Option<String>,
    /// Bounded output of its commands, raw.
    pub output: Option<Output>,
    /// Notes and reasons: why it was skipped, what could not be known.
    pub notes: Vec<String>,
    /// What it looked at and how that is. Those of a loop are with its elements.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The failure was expected (`ignore_errors`).
    pub ignored: bool,
    /// How many of its changes can be undone. Those of a loop are with its elements.
    #[serde(default)]
    pub undo: UndoScope,
    /// Of what it would change, when a plan is made or followed.
    #[serde(default)]
    pub fingerprint: Option<Digest>,
    /// The run that this one retries, when the step ended well in it and so was not run again.
    #[serde(default)]
    pub done_in: Option<RunId>,
}

impl StepEnded {
    /// A step that was tried once, in no time, and has nothing to say.
    pub fn new(step: u32, name: String, outcome: StepOutcome) -> Self {
        StepEnded {
            step,
            item: None,
            name,
            outcome,
            took: Duration::ZERO,
            tries: 1,
            changes: Vec::new(),
            diff: None,
            output: None,
            notes: Vec::new(),
            findings: Vec::new(),
            failure: None,
            ignored: false,
            undo: UndoScope::default(),
            fingerprint: None,
            done_in: None,
        }
    }
}

/// How many changes can be undone, and which cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoScope {
    /// Changes that were or would be made.
    pub changes: u32,
    /// Those that can be undone.
    pub undoable: u32,
    /// Of those that cannot: commands that failed after they had started, so that what they changed is not known.
    #[serde(default)]
    pub unknown: u32,
    /// The first of the others, each with the reason: `run make deploy: its step gives no undo`.
    pub not: Vec<String>,
}

impl UndoScope {
    /// So many changes that cannot be undone are named.
    const NAMED: usize = 20;

    /// Counts a change. `no_undo`: what it is and why it cannot be undone.
    pub fn count(&mut self, no_undo: Option<String>) {
        self.changes += 1;
        match no_undo {
            None => self.undoable += 1,
            Some(why) if self.not.len() < Self::NAMED && !self.not.contains(&why) => self.not.push(why),
            Some(_) => {}
        }
    }

    /// Counts a command that failed after it had started. `what` says which, and why nothing undoes it.
    pub fn count_unknown(&mut self, what: String) {
        self.count(Some(what));
        self.unknown += 1;
    }

    /// Leaves out what cannot be undone: the playbook says that the step changed nothing (`changed_when`).
    pub fn keep_undoable(&mut self) {
        self.changes = self.undoable;
        self.unknown = 0;
        self.not.clear();
    }

    /// Adds what another part of the run did.
    pub fn add(&mut self, other: &UndoScope) {
        self.changes = self.changes.saturating_add(other.changes);
        self.undoable = self.undoable.saturating_add(other.undoable);
        self.unknown = self.unknown.saturating_add(other.unknown);
        let new = other.not.iter().filter(|why| !self.not.contains(why)).cloned().collect::<Vec<_>>();
        self.not.extend(new.into_iter().take(Self::NAMED.saturating_sub(self.not.len())));
    }
}

/// What the commands of a step said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Exit status of the last command.
    pub status: i32,
    /// Head and tail.
    #[serde(with = "serde_bytes")]
    pub stdout: Vec<u8>,
    /// Head and tail.
    #[serde(with = "serde_bytes")]
    pub stderr: Vec<u8>,
    /// Bytes in all, kept or not.
    pub total: u64,
}

/// Said by the controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// First: what to do.
    Job(Box<Job>),
    /// A piece of an asset of that request; `last` ends it.
    Asset {
        request: u32,
        digest: Digest,
        #[serde(with = "serde_bytes")]
        chunk: Vec<u8>,
        last: bool,
    },
    /// An asset of that request cannot be had, and why.
    NoAsset { request: u32, digest: Digest, why: String },
    /// The backup of that request is in the store; or why it will not be, which may come at any time.
    Kept { request: u32, answer: Answered },
    /// How the step ended that another host runs, for all or for this one.
    RanOnce { step: u32, ended: Box<OnceEnded> },
    /// A step of another host.
    Step(Box<DelegatedStep>),
    /// The hosts that had the host run this step are past it.
    Passed { step: u32 },
    /// Whether the person wants the step to run.
    Consent { step: u32, runs: bool },
    /// The play may start, or not.
    Play { play: u32, start: Box<PlayStart> },
    /// What came of logging in again: why it was refused, when it was.
    Confirmed { request: u32, refusal: Option<String> },
    /// Finish the step in hand, then stop.
    Stop,
    /// Stop now, for this reason: the running process group is killed.
    Kill { why: String },
}
