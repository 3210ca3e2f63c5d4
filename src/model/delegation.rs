//! A step that one host has run on another one: what that host is given, and what a host hears that waits between its plays.

use super::job::HostWork;
use super::play::{Given, PlayStart};
use serde::{Deserialize, Serialize};

/// The play that a host waits for which serves others, once it has done its own: the end of the run.
pub const LAST: u32 = u32::MAX - 1;

/// Steps that a host runs for others are numbered from here on in what it says, behind those of its own playbook.
pub const FIRST: u32 = 1 << 20;

/// Under this name a host hands on its facts to the one that runs a step for it.
pub const FACTS: &str = "facts";

/// A step that a host runs for another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DelegatedStep {
    /// Names it among those that the host is given.
    pub number: u32,
    /// The other host, whose variables, results and facts its templates see.
    pub of: String,
    /// What that host was to do, with this step alone, whose index is [`FIRST`] and the number.
    pub work: HostWork,
    /// What steps there have given names that it looks at, and under [`FACTS`] facts; none where only applying shows it.
    pub given: Given,
}

/// What a host hears that waits between its plays.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Its next play starts, or not.
    Play(PlayStart),
    /// It runs a step for another host, and waits again.
    Step(Box<DelegatedStep>),
}
