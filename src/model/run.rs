//! A run as the controller sees it: what is intended, and the one stream of events that progress, record and every
//! output format read.

use super::Values;
use super::event::Event;
use super::failure::Failure;
use super::job::RunId;
use super::outcome::HostOutcome;
use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvent {
    /// By the controller's clock. A host's clock is never asked.
    pub at: Timestamp,
    /// What happened.
    pub what: RunEventKind,
}

/// What happened in a run.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all events are of hosts, so that boxing them saves nothing"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum RunEventKind {
    /// First: the intent has been recorded; hosts are contacted from here on.
    Started { intent: Box<RunIntent>, epoch: u64 },
    /// Something about one host.
    Host { host: String, event: HostEvent },
    /// Ctrl-C: hosts finish the step in hand. The second time they are killed.
    Interrupted,
    /// Something the reader should know that belongs to no host.
    Note(String),
    /// Last: the exit code.
    Ended { exit: u8 },
}

/// What happened to one host.
#[expect(clippy::large_enum_variant, reason = "nearly all events are what a host says")]
#[derive(Clone, Debug, PartialEq)]
pub enum HostEvent {
    /// A connection is being made, for the `attempt`th time, counted from 1.
    Connecting { attempt: u32 },
    /// It did not work out, and will be tried again after `wait`.
    Retrying { attempt: u32, failure: Failure, wait: Duration },
    /// The host is logged in to.
    Connected,
    /// The agent is uploaded, because the host does not have it.
    Uploading { bytes: u64 },
    /// The job is on its way: from here on, no verdict means `unknown`.
    Sent,
    /// The host's agent says something.
    Said(Event),
    /// Last for this host: how it ended.
    Ended { outcome: HostOutcome, failure: Option<Failure> },
}

/// What a run is going to do, written down before any host is contacted.
#[derive(Clone, Debug, PartialEq)]
pub struct RunIntent {
    /// Its name.
    pub run: RunId,
    /// What sort of run.
    pub kind: RunKind,
    /// The playbook's name, or the command as it was typed.
    pub name: String,
    /// The run that is retried or undone.
    pub of: Option<RunId>,
    /// Who started it: `alice@laptop`.
    pub who: String,
    /// When.
    pub started: Timestamp,
    /// The host pattern as it was typed.
    pub pattern: String,
    /// Whether it is a dry run.
    pub check: bool,
    /// The playbook's params and their values.
    pub params: Values,
    /// The playbook and what it includes, as they were.
    pub playbook: Vec<Source>,
    /// The inventory files as they were.
    pub inventory: Vec<Source>,
    /// Every host of the run, in order.
    pub hosts: Vec<String>,
    /// The schedule that started it.
    pub scheduled: Option<Scheduled>,
}

/// A schedule's name and the time it had come to: `nightly@2026-11-21T02:00:00Z`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The schedule.
    pub name: String,
    /// The time.
    pub slot: Timestamp,
}

/// A file as it was when the run started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Relative to the project where it is in it.
    pub path: String,
    /// What it held.
    pub text: String,
}

/// What sort of run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// `run playbook`.
    Playbook,
    /// `run command`.
    Command,
    /// `run script`.
    Script,
    /// `run step`.
    Step,
    /// `runs undo`.
    Undo,
    /// `runs unlock`.
    Unlock,
}

impl fmt::Display for Scheduled {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}@{}", self.name, self.slot)
    }
}

impl FromStr for Scheduled {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.rsplit_once('@').and_then(|(name, slot)| Some((name, slot.parse().ok()?)));
        let (name, slot) = split.ok_or_else(|| "write it as NAME@TIME".to_string())?;
        Ok(Scheduled { name: name.to_string(), slot })
    }
}

impl RunEvent {
    /// Something that happened now.
    pub fn now(what: RunEventKind) -> Self {
        RunEvent { at: now(), what }
    }

    /// Something that happened to `host` now.
    pub fn of_host(host: impl Into<String>, event: HostEvent) -> Self {
        RunEvent::now(RunEventKind::Host { host: host.into(), event })
    }
}

impl RunKind {
    /// The word that people and programs read.
    pub fn as_str(self) -> &'static str {
        match self {
            RunKind::Playbook => "playbook",
            RunKind::Command => "command",
            RunKind::Script => "script",
            RunKind::Step => "step",
            RunKind::Undo => "undo",
            RunKind::Unlock => "unlock",
        }
    }

    /// Whether hosts keep a journal of it, from which a lost verdict can be settled.
    pub fn journaled(self) -> bool {
        !matches!(self, RunKind::Command | RunKind::Unlock)
    }
}

/// The time, to the millisecond: what records and programs are shown.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now)
}
