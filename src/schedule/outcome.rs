//! How a run of a schedule ended.

use crate::model::job::RunId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedRun {
    /// The time it was for; of a run by hand, when it began.
    pub slot: Timestamp,
    /// What started it.
    pub trigger: Trigger,
    /// When it began. All times up to then are covered by it.
    pub started: Timestamp,
    /// When it had ended.
    pub ended: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// The exit code of the run; none when it was killed.
    pub exit: Option<u8>,
    /// Its name in the record; none when it never got so far.
    pub run: Option<RunId>,
    /// How many hosts ended how.
    pub hosts: BTreeMap<String, usize>,
    /// The hosts on which it did not end well, at most [`NAMED`] of them.
    pub bad_hosts: Vec<String>,
    /// Why it did not succeed.
    pub why: Option<String>,
}

/// More hosts than this are counted, not named.
pub const NAMED: usize = 20;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every host is fine.
    Succeeded,
    /// A host is not, or windlass could not do it.
    Failed,
    /// It took too long and was ended.
    TimedOut,
    /// Somebody ended it.
    Interrupted,
    /// It was killed again and again.
    Lost,
}

/// What started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Its time had come.
    Time,
    /// Its time had passed while nobody was there.
    CatchUp,
    /// Its time had come while the run before still went on.
    Waited,
    /// Somebody typed `schedule run`.
    Hand,
}

impl FinishedRun {
    /// From its beginning to its end; nothing when the clock was put back meanwhile.
    pub fn took(&self) -> Duration {
        Duration::try_from(self.ended.duration_since(self.started)).unwrap_or_default()
    }

    /// Hosts that did not end well.
    pub fn hosts_failed(&self) -> usize {
        let fine = |outcome: &str| outcome == "ok" || outcome == "changed";
        self.hosts.iter().filter(|(outcome, _)| !fine(outcome)).map(|(_, many)| many).sum()
    }
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 5] =
        [Outcome::Succeeded, Outcome::Failed, Outcome::TimedOut, Outcome::Interrupted, Outcome::Lost];

    /// The word in state files, notices and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed_out",
            Outcome::Interrupted => "interrupted",
            Outcome::Lost => "lost",
        }
    }

    /// As people read it.
    pub fn shown(self) -> &'static str {
        match self {
            Outcome::TimedOut => "timed out",
            other => other.as_str(),
        }
    }
}

impl Trigger {
    /// As people read it.
    pub fn shown(self) -> &'static str {
        match self {
            Trigger::Time => "its time has come",
            Trigger::CatchUp => "its time passed while no scheduler ran",
            Trigger::Waited => "its time came while the run before went on",
            Trigger::Hand => "by hand",
        }
    }
}
