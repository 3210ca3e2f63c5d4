//! Decides from a schedule, its state and the time what is to be done now. Pure: it looks at no clock and no file.

use super::outcome::Trigger;
use super::state::{Claim, State};
use super::{Overlap, Schedule};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A time that is found no later than this is on time: the controller was busy, not away.
pub const ON_TIME: SignedDuration = SignedDuration::from_secs(90);

/// Times that were missed are counted so far.
pub const COUNTED: u64 = 1000;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing before this moment; never when there is none.
    Nothing { until: Option<Timestamp> },
    /// The run of this time. `missed` times before it are made up for by it.
    Run { slot: Timestamp, trigger: Trigger, missed: u64 },
    /// `many` times up to this one are settled without a run.
    LeaveOut { slot: Timestamp, many: u64, why: &'static str },
    /// A run that was killed is to be brought to its end.
    Resume(Claim),
}

/// The moment at which it is decided, and what else must be known of it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// How much later than its times the schedule runs.
    pub delay: Duration,
    /// Whether a run of it is going on.
    pub busy: bool,
}

/// What is to be done.
pub fn decide(schedule: &Schedule, state: &State, moment: Moment) -> Decision {
    match &state.running {
        // What comes due meanwhile is settled when it has ended: see `overlapped`.
        _ if moment.busy => return Decision::Nothing { until: None },
        Some(claim) => return Decision::Resume(claim.clone()),
        None => {}
    }
    let delay = SignedDuration::try_from(moment.delay).unwrap_or_default();
    let shifted = moment.now.checked_sub(delay).unwrap_or(Timestamp::MIN);
    let newest = schedule.slots.at_or_before(shifted).filter(|slot| *slot > state.settled);
    let Some(slot) = newest else {
        let next = schedule.slots.after(shifted.max(state.settled));
        return Decision::Nothing { until: next.and_then(|next| next.checked_add(delay).ok()) };
    };
    let missed = schedule.slots.between(state.settled, slot, COUNTED);
    let run = |trigger| Decision::Run { slot, trigger, missed };
    let jitter = SignedDuration::try_from(schedule.jitter).unwrap_or_default();
    if shifted.duration_since(slot) <= ON_TIME + jitter {
        run(Trigger::Time)
    } else if has_waited(schedule, state, slot, moment.now) {
        run(Trigger::Waited)
    } else if schedule.catch_up {
        run(Trigger::CatchUp)
    } else {
        let why = "no scheduler ran at its time, and catch_up is not set";
        Decision::LeaveOut { slot, many: missed + 1, why }
    }
}

/// The last time that came between these moments, while a run was going on, and how many did. With `overlap = "skip"`
/// they are left out.
pub fn overlapped(
    schedule: &Schedule,
    state: &State,
    (began, ended): (Timestamp, Timestamp),
    delay: Duration,
) -> Option<(Timestamp, u64)> {
    let delay = SignedDuration::try_from(delay).ok()?;
    let from = began.checked_sub(delay).ok()?.max(state.settled);
    let slot = schedule.slots.at_or_before(ended.checked_sub(delay).ok()?).filter(|slot| *slot > from)?;
    // With those that passed before it began, when it was begun late.
    let many = schedule.slots.between(state.settled, slot, COUNTED) + 1;
    (schedule.overlap == Overlap::Skip).then_some((slot, many))
}

/// Whether the time came while the run before was going on, which has just ended.
fn has_waited(schedule: &Schedule, state: &State, slot: Timestamp, now: Timestamp) -> bool {
    let came_within = state.last.as_ref().is_some_and(|last| {
        last.started <= slot && slot <= last.ended && now.duration_since(last.ended) <= ON_TIME
    });
    schedule.overlap == Overlap::Wait && came_within
}

/// The time that is late: the first one that no success covers, when it is long enough ago.
pub fn late(schedule: &Schedule, state: &State, now: Timestamp, delay: Duration) -> Option<Timestamp> {
    let slot = schedule.slots.after(state.covered())?;
    let allowed = SignedDuration::try_from(delay.checked_add(schedule.late_after)?).ok()?;
    (slot.checked_add(allowed).ok()? <= now).then_some(slot)
}

#[cfg(test)]
mod tests;
