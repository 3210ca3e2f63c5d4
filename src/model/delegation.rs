//! A step that one host has run on another one: what that host is given, how far the hosts of a play are, and what a host
//! hears that waits for others.

use super::job::HostWork;
use super::once::OnceEnded;
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
    /// It is not run before the host itself has come to this place: both do the same play.
    pub not_before: Option<PlayPlace>,
}

/// How far a host is in its plays. The hosts of a play have the same steps, so that they can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlayPlace {
    /// The play, counted from 0.
    pub play: u32,
    /// Which part of it.
    pub part: PlayPart,
    /// The index of the step that comes next; 0 for the start and the handlers, which are one place each.
    pub step: u32,
}

/// The parts of a play, in the order in which they are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlayPart {
    /// Before its first step.
    #[default]
    Start,
    /// The steps.
    Steps,
    /// After one of them has failed.
    Rescue,
    /// In any case.
    Always,
    /// What was notified.
    Handlers,
}

/// What a host waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The end of the step with this index, which another host runs, for all or for this one.
    End(u32),
    /// This play.
    Play(u32),
    /// That the hosts of its play that have it run the step with this index are past that step.
    Passed(u32),
}

/// What a host hears that waits.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// How the step ended.
    Ended(Box<OnceEnded>),
    /// The play starts, or not.
    Play(Box<PlayStart>),
    /// The others are past the step.
    Passed,
    /// It runs a step for another host, and waits again.
    Step(Box<DelegatedStep>),
}

impl PlayPlace {
    /// Before the first step of a play, and behind all plays before it.
    pub fn start_of(play: u32) -> Self {
        PlayPlace { play, ..PlayPlace::default() }
    }

    /// Where a host is that comes to this step; `None` when the work has no such step.
    pub fn of(work: &HostWork, step: u32) -> Option<Self> {
        let parts = [
            (PlayPart::Steps, &work.steps),
            (PlayPart::Rescue, &work.rescue),
            (PlayPart::Always, &work.always),
            (PlayPart::Handlers, &work.handlers),
        ];
        parts.into_iter().find_map(|(part, steps)| {
            let found = steps.iter().find(|own| own.index == step)?;
            let step = if part == PlayPart::Handlers { 0 } else { step };
            Some(PlayPlace { play: found.play, part, step })
        })
    }
}

/// Of the steps that wait for a host, the one that it runs first once it has come to this place.
pub fn due(steps: &[DelegatedStep], place: PlayPlace) -> Option<usize> {
    let is_due = |step: &&DelegatedStep| step.not_before.is_none_or(|from| from <= place);
    let first = steps.iter().filter(is_due).min_by_key(|step| (step.not_before, step.number))?;
    steps.iter().position(|step| step.number == first.number)
}
