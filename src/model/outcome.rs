//! How a step and a host end.

use super::failure::Failure;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a run ended on one host, and why when it did not go well.
#[derive(Clone, Debug, PartialEq)]
pub struct HostEnd {
    /// The outcome.
    pub outcome: HostOutcome,
    /// Why.
    pub failure: Option<Failure>,
}

/// How one step ended on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// The host already was as the step wants it.
    Ok,
    /// The step changed something.
    Changed,
    /// `when`, a tag or an earlier result left it out.
    Skipped,
    /// The step failed; what it had changed was undone.
    Failed,
    /// Under `--check`: applying it would change something.
    WouldChange,
    /// Under `--check`: is only known once it is applied.
    Unknown,
}

/// How a run ended on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostOutcome {
    /// Every step was fine and nothing changed (under `--check`: nothing would).
    Ok,
    /// Every step was fine and something changed (under `--check`: would change).
    Changed,
    /// A step failed.
    Failed,
    /// A step failed or the run was undone, and everything it had changed is as before.
    Undone,
    /// The run was undone as far as that is possible; the failure lists what is not as before.
    PartlyUndone,
    /// Nothing was started there.
    Unreachable,
    /// Something was started there and the verdict did not arrive.
    Unknown,
    /// The run was stopped before the host was finished.
    Cancelled,
}

impl StepOutcome {
    /// Every one.
    pub const ALL: [StepOutcome; 6] = [
        StepOutcome::Ok,
        StepOutcome::Changed,
        StepOutcome::Skipped,
        StepOutcome::Failed,
        StepOutcome::WouldChange,
        StepOutcome::Unknown,
    ];

    /// The word that people and programs read.
    pub fn as_str(self) -> &'static str {
        match self {
            StepOutcome::Ok => "ok",
            StepOutcome::Changed => "changed",
            StepOutcome::Skipped => "skipped",
            StepOutcome::Failed => "failed",
            StepOutcome::WouldChange => "would_change",
            StepOutcome::Unknown => "unknown",
        }
    }
}

impl HostEnd {
    /// An end that needs no reason.
    pub fn of(outcome: HostOutcome) -> Self {
        HostEnd { outcome, failure: None }
    }

    /// An end with its reason.
    pub fn because(outcome: HostOutcome, failure: Failure) -> Self {
        HostEnd { outcome, failure: Some(failure) }
    }

    /// The same end; its reason, if it has one, gets this hint.
    pub fn hint(self, hint: &str) -> Self {
        HostEnd { failure: self.failure.map(|failure| failure.hint(hint)), ..self }
    }
}

impl HostOutcome {
    /// Every one.
    pub const ALL: [HostOutcome; 8] = [
        HostOutcome::Ok,
        HostOutcome::Changed,
        HostOutcome::Failed,
        HostOutcome::Undone,
        HostOutcome::PartlyUndone,
        HostOutcome::Unreachable,
        HostOutcome::Unknown,
        HostOutcome::Cancelled,
    ];

    /// The word that people and programs read.
    pub fn as_str(self) -> &'static str {
        match self {
            HostOutcome::Ok => "ok",
            HostOutcome::Changed => "changed",
            HostOutcome::Failed => "failed",
            HostOutcome::Undone => "undone",
            HostOutcome::PartlyUndone => "partly_undone",
            HostOutcome::Unreachable => "unreachable",
            HostOutcome::Unknown => "unknown",
            HostOutcome::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl fmt::Display for HostOutcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}
