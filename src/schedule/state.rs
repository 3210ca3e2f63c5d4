//! What is known of a schedule between two looks at it: which times are settled, what runs, how the last run ended, who
//! got which notice. Pure data and its transitions; [`super::files`] keeps it.

use super::Schedule;
use super::notice::{Event, Letter, Notice};
use super::notify::Channel;
use super::outcome::{FinishedRun, Outcome, Trigger};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the state's form.
const VERSION: u32 = 1;

/// Letters that wait to be delivered; beyond it the oldest is given up.
const LETTERS_MOST: usize = 64;

/// A settled time so far ahead means that the clock was wrong when it was settled. Within it, a clock that was put back
/// does not make anything run twice.
const CLOCK_BACK: SignedDuration = SignedDuration::from_hours(25);

/// The state of one schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Of this form.
    pub version: u32,
    /// What its times follow from.
    pub definition: String,
    /// Since when they do.
    pub since: Timestamp,
    /// Every time up to this one has been run or left out, or is being run.
    pub settled: Timestamp,
    /// The run that was begun and has not been seen to end.
    pub running: Option<Claim>,
    /// How the last run ended.
    pub last: Option<FinishedRun>,
    /// The last run that succeeded.
    pub success: Option<FinishedRun>,
    /// The last time that was left out.
    pub left_out: Option<LeftOut>,
    /// How many runs ended how, and how many times were left out (`left_out`).
    pub counts: BTreeMap<String, u64>,
    /// What has been reported and is still so.
    pub told: Reported,
    /// What is still to be reported.
    pub letters: Vec<Letter>,
}

/// A run that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The time it is for.
    pub slot: Timestamp,
    /// What started it.
    pub trigger: Trigger,
    /// When it was begun.
    pub claimed: Timestamp,
    /// How many times it was begun: more than once when it was killed.
    pub attempt: u32,
    /// When it was last begun.
    pub began: Timestamp,
}

/// Times that were left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The last of them.
    pub slot: Timestamp,
    /// How many they were.
    pub many: u64,
    /// Why.
    pub why: String,
}

/// What has been reported once and is not reported again until it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The time whose run failed.
    pub failed: Option<Timestamp>,
    /// The time that is late.
    pub late: Option<Timestamp>,
}

impl State {
    /// Of a schedule that is seen for the first time: what was before `now` does not concern it.
    pub fn new(schedule: &Schedule, now: Timestamp) -> State {
        State {
            version: VERSION,
            definition: schedule.definition(),
            since: now,
            settled: now,
            running: None,
            last: None,
            success: None,
            left_out: None,
            counts: BTreeMap::new(),
            told: Reported::default(),
            letters: Vec::new(),
        }
    }

    /// Takes in what may have changed since the last look: the schedule's times, the clock. Says what it did.
    pub fn refresh(&mut self, schedule: &Schedule, now: Timestamp) -> Option<String> {
        if self.definition != schedule.definition() {
            let told = format!("its times were changed from \"{}\", they count from now on", self.definition);
            self.definition = schedule.definition();
            (self.since, self.settled) = (now, now);
            return Some(told);
        }
        if self.settled.duration_since(now) > CLOCK_BACK {
            let told =
                format!("the clock was put back from {} or later, its times count from now on", self.settled);
            (self.since, self.settled) = (now, now);
            return Some(told);
        }
        None
    }

    /// A run begins: nobody will begin it again.
    pub fn claim(&mut self, slot: Timestamp, trigger: Trigger, now: Timestamp) -> Claim {
        let claim = Claim { slot, trigger, claimed: now, attempt: 1, began: now };
        self.settled = self.settled.max(slot);
        self.running = Some(claim.clone());
        claim
    }

    /// A run that was killed begins again.
    pub fn resume(&mut self, claim: &Claim, now: Timestamp) -> Claim {
        let claim = Claim { attempt: claim.attempt + 1, began: now, ..claim.clone() };
        self.running = Some(claim.clone());
        claim
    }

    /// Times are left out.
    pub fn leave_out(&mut self, slot: Timestamp, many: u64, why: &str) {
        self.settled = self.settled.max(slot);
        *self.counts.entry("left_out".into()).or_default() += many;
        self.left_out = Some(LeftOut { slot, many, why: why.into() });
    }

    /// A run has ended.
    pub fn end(&mut self, ended: FinishedRun, schedule: &Schedule, channels: &[Channel], project: &str) {
        self.running = None;
        *self.counts.entry(ended.outcome.as_str().into()).or_default() += 1;
        let notice = |event| Notice::of_end(event, schedule, &ended, project);
        if ended.outcome == Outcome::Succeeded {
            let told = std::mem::take(&mut self.told);
            self.write(notice(Event::Succeeded), schedule, channels);
            if told != Reported::default() {
                self.write(notice(Event::Recovered), schedule, channels);
            }
            self.success = Some(ended.clone());
        } else if self.told.failed.is_none() {
            self.told.failed = Some(ended.slot);
            self.write(notice(Event::Failed), schedule, channels);
        }
        self.last = Some(ended);
    }

    /// The time `slot` is late, which is reported once until a run succeeds.
    pub fn late(
        &mut self,
        slot: Timestamp,
        now: Timestamp,
        schedule: &Schedule,
        channels: &[Channel],
        project: &str,
    ) {
        if self.told.late.is_none() {
            self.told.late = Some(slot);
            self.write(Notice::of_late(schedule, slot, now, self, project), schedule, channels);
        }
    }

    /// Everything up to this moment is covered by a run that succeeded, or was before the schedule's times.
    pub fn covered(&self) -> Timestamp {
        self.success.as_ref().map_or(self.since, |success| success.started.max(success.slot).max(self.since))
    }

    fn write(&mut self, notice: Notice, schedule: &Schedule, channels: &[Channel]) {
        let wanted = |channel: &&Channel| {
            schedule.notify.contains(&channel.name) && channel.on.contains(&notice.event)
        };
        let letters =
            channels.iter().filter(wanted).map(|channel| Letter::new(&channel.name, notice.clone()));
        self.letters.extend(letters);
        let too_many = self.letters.len().saturating_sub(LETTERS_MOST);
        self.letters.drain(..too_many);
    }
}

#[cfg(test)]
mod tests;
