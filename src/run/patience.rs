//! How long a host may say nothing, and how long a step may take as the controller sees it, whatever the host says.

use crate::model::arg::Arg;
use crate::model::event::Event;
use crate::model::job::{HostWork, JobStep, OnFailure, Planning};
use crate::model::once::Once;
use crate::model::{Failure, Result, Value};
use crate::step;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// An agent says every 20 seconds that it lives, as does a shell that runs something. Four and a half of these may be lost.
pub const SILENCE: Duration = Duration::from_secs(90);

/// A step gets so much longer than its own time limit before the controller gives the host up: ending what runs, undoing
/// what it did and the way back take their time.
pub const MARGIN: Duration = Duration::from_secs(60);

/// A step without a time limit. Its commands have one on the host; copying a large tree may take hours.
const LONGEST_STEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Without a step under way a host settles earlier runs, waits for its lock, and starts and ends its journal.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// An agent lets its lock go and ends after its verdict.
const ENDING: Duration = Duration::from_secs(30);

/// A loop whose elements only the host knows has time for so many.
const ELEMENTS: u32 = 1_000;

/// Elements without a time limit: a loop has time for so many of them.
const UNLIMITED_ELEMENTS: u32 = 7;

/// When one host has to have said something.
pub struct Patience {
    limits: HashMap<u32, Limit>,
    /// Since when the host works, and how long it may: however often it starts the same step.
    whole: (Instant, Duration),
    heard: Instant,
    step: Option<(u32, Instant)>,
    /// Since when no step has been under way, and how long that may be.
    idle: (Instant, Duration),
    /// How long that may be as long as it waits for no other host.
    idles: Duration,
}

struct Limit {
    time: Duration,
    /// Each element of a loop has the whole time.
    is_loop: bool,
}

impl Patience {
    /// From now on, with the time limits of the job's steps.
    pub fn with(work: &HostWork, now: Instant) -> Self {
        // The time limit of a step is not for the wait for the host that runs it.
        let waits = |step: &JobStep| step.on.is_some() || step.once.as_ref().is_some_and(Once::is_elsewhere);
        let limit = |step: &JobStep| Limit {
            time: step.background.or(step.timeout).filter(|_| !waits(step)).unwrap_or(LONGEST_STEP),
            is_loop: step.items.is_some(),
        };
        let idles = if is_silent(work) { LONGEST_STEP } else { IDLE };
        Patience {
            limits: work.all_steps().map(|step| (step.index, limit(step))).collect(),
            whole: (now, whole(work, &limit).saturating_add(idles)),
            heard: now,
            step: None,
            idle: (now, idles),
            idles,
        }
    }

    /// The host said this.
    pub fn hear(&mut self, event: &Event, now: Instant) {
        match event {
            Event::StepStarted { step, .. } => {
                let is_loop = self.limits.get(step).is_some_and(|limit| limit.is_loop);
                if is_loop || self.step.is_none_or(|(at, _)| at != *step) {
                    self.step = Some((*step, now));
                }
            }
            Event::StepEnded(ended) if ended.item.is_none() && self.step.take().is_some() => {
                self.idle = (now, self.idles);
            }
            Event::StepBackground { .. } if self.step.take().is_some() => self.idle = (now, self.idles),
            // It is the controller that takes its time.
            Event::Need { .. } => self.idle.0 = now,
            Event::AwaitsPlay { .. } | Event::AwaitsOthers { .. } | Event::RanDelegated { .. } => {
                self.idle = (now, LONGEST_STEP);
            }
            _ => {}
        }
    }

    /// The host has said how it ended: what is left is the end of the channel.
    pub fn ends(&mut self, now: Instant) {
        self.whole = (now, ENDING);
    }

    /// The host said anything at all.
    pub fn hear_anything(&mut self, now: Instant) {
        self.heard = now;
    }

    /// What `next` gives, unless the host is given up before.
    pub async fn wait_for<T>(&self, next: impl Future<Output = T>) -> Result<T> {
        let (until, why) = self.until();
        tokio::time::timeout_at(until, next).await.map_err(|_| Failure::new("wait for the host", why))
    }

    /// When it is given up if nothing more comes, and why.
    fn until(&self) -> (Instant, String) {
        let silent = (self.heard + SILENCE, format!("it has said nothing for {} s", SILENCE.as_secs()));
        let others = [self.late(), self.late_as_a_whole()].into_iter().flatten();
        others.chain([silent.clone()]).min_by_key(|(until, _)| *until).unwrap_or(silent)
    }

    /// However often the host says that it lives.
    fn late(&self) -> Option<(Instant, String)> {
        let Some((step, started)) = self.step else {
            let (since, longest) = self.idle;
            let hours = longest.as_secs() / 3600;
            return Some((
                since.checked_add(longest)?,
                format!("it has neither started a step nor ended for {hours} hours"),
            ));
        };
        // A step that its job does not have is one of an earlier run.
        let time = self.limits.get(&step).map_or(LONGEST_STEP, |limit| limit.time);
        let until = started.checked_add(time)?.checked_add(MARGIN)?;
        Some((
            until,
            format!("its step goes on {} s after its timeout of {} s", MARGIN.as_secs(), time.as_secs()),
        ))
    }

    /// However often it starts a step again.
    fn late_as_a_whole(&self) -> Option<(Instant, String)> {
        let (since, longest) = self.whole;
        let why = format!("all its steps together may take {} s", longest.as_secs());
        Some((since.checked_add(longest)?, why))
    }
}

/// Whether the host may work for long without a step under way: it undoes something, or first looks whether a plan still fits.
fn is_silent(work: &HostWork) -> bool {
    let undoes = work.undo.is_some() || matches!(work.on_failure, OnFailure::Undo | OnFailure::UndoHost);
    undoes || work.planning != Planning::No
}

/// How long all steps may take together, handlers as often as they are run, with the waits for other hosts.
fn whole(work: &HostWork, limit: &dyn Fn(&JobStep) -> Limit) -> Duration {
    let flushes = work.all_steps().filter(|step| step::flushes(step)).count() as u32;
    let of_step = |step: &JobStep, times: u32| {
        let Limit { time, is_loop } = limit(step);
        let elements = if is_loop { elements(step) } else { 1 };
        let most = if time >= LONGEST_STEP { UNLIMITED_ELEMENTS } else { u32::MAX };
        time.saturating_add(MARGIN).saturating_mul(elements.clamp(1, most)).saturating_mul(times)
    };
    let handlers = work.handlers.iter().map(|step| of_step(step, flushes.saturating_add(1)));
    let others = [&work.steps, &work.rescue, &work.always].into_iter().flatten().map(|step| of_step(step, 1));
    let served = if work.serves { UNLIMITED_ELEMENTS } else { 0 };
    let between = work.plays().len().saturating_sub(1) as u32;
    let waits = LONGEST_STEP.saturating_mul(between + served);
    handlers.chain(others).fold(waits, Duration::saturating_add)
}

fn elements(step: &JobStep) -> u32 {
    match &step.items {
        Some(Arg::Value(Value::Array(list))) => list.len() as u32,
        Some(Arg::List(list)) => list.len() as u32,
        _ => ELEMENTS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After so many seconds it is given up, and why.
    fn given_up(timeout: Option<u64>, hear: impl Fn(&mut Patience, Instant)) -> (u64, String) {
        let timeout = timeout.map(Duration::from_secs);
        let work = HostWork {
            steps: vec![JobStep { index: 3, timeout, ..JobStep::default() }],
            ..HostWork::default()
        };
        let start = Instant::now();
        let mut patience = Patience::with(&work, start);
        hear(&mut patience, start);
        let (until, why) = patience.until();
        ((until - start).as_secs(), why)
    }

    fn started(step: u32) -> Event {
        Event::StepStarted { step, item: None, name: "n".into() }
    }

    #[test]
    fn a_silent_host_is_given_up() {
        assert_eq!(given_up(None, |_, _| {}), (90, "it has said nothing for 90 s".into()));
        let later = |patience: &mut Patience, start| patience.hear_anything(start + Duration::from_secs(100));
        assert_eq!(given_up(None, later).0, 190);
    }

    #[test]
    fn a_host_that_begins_nothing_is_given_up_however_often_it_says_that_it_lives() {
        let lives = |patience: &mut Patience, start| patience.hear_anything(start + 2 * LONGEST_STEP);
        assert_eq!(given_up(None, lives).0, 60 * 60);
        let waits = |patience: &mut Patience, start| {
            patience.hear(&Event::AwaitsPlay { play: 1, given: Default::default() }, start);
            patience.hear_anything(start + 2 * LONGEST_STEP);
        };
        assert_eq!(given_up(None, waits).0, 24 * 60 * 60);
    }

    #[test]
    fn a_host_that_has_ended_is_not_waited_for() {
        let (at, _) = given_up(None, |patience, start| {
            patience.ends(start);
            patience.hear_anything(start + LONGEST_STEP);
        });
        assert_eq!(at, 30);
    }

    #[test]
    fn a_host_that_begins_a_step_that_its_job_does_not_have_is_given_up() {
        let (at, _) = given_up(Some(2), |patience, start| {
            patience.hear(&started(99), start);
            patience.hear_anything(start + 2 * LONGEST_STEP);
        });
        assert_eq!(at, 60 * 60 + 62);
    }

    #[test]
    fn a_host_that_begins_its_steps_anew_without_end_is_given_up() {
        let (at, why) = given_up(Some(2), |patience, start| {
            for second in 0..100_000u32 {
                patience.hear(&started(second % 2 + 3), start + Duration::from_secs(second.into()));
                patience.hear_anything(start + Duration::from_secs(second.into()));
            }
        });
        assert_eq!((at, why.as_str()), (3662, "all its steps together may take 3662 s"));
    }

    #[test]
    fn a_host_that_only_says_that_it_lives_is_given_up_when_its_step_is_late() {
        let (at, why) = given_up(Some(2), |patience, start| {
            for second in 0..100 {
                patience.hear(&started(3), start + Duration::from_secs(second));
                patience.hear_anything(start + Duration::from_secs(second));
            }
        });
        assert_eq!((at, why.as_str()), (62, "its step goes on 60 s after its timeout of 2 s"));
    }

    #[test]
    fn a_step_that_has_time_and_lives_is_waited_for() {
        let lives = |patience: &mut Patience, start| {
            patience.hear(&started(3), start);
            patience.hear_anything(start + Duration::from_secs(1000));
        };
        assert_eq!(given_up(None, lives).0, 1090);
        let ended = |patience: &mut Patience, start: Instant| {
            patience.hear(&started(3), start);
            patience.hear(&started(4), start);
        };
        assert_eq!(given_up(Some(2), ended).0, 90);
    }
}
