//! How long a host may say nothing, and how long a step may take as the controller sees it, whatever the host says.

use crate::model::event::Event;
use crate::model::job::{HostWork, JobStep};
use crate::model::once::Once;
use crate::model::{Failure, Result};
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

/// When one host has to have said something.
pub struct Patience {
    limits: HashMap<u32, Limit>,
    heard: Instant,
    step: Option<(u32, Instant)>,
    /// Since when no step has been under way.
    idle: Instant,
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
        let waits = |step: &JobStep| step.once.as_ref().is_some_and(Once::is_elsewhere);
        let limit = |step: &JobStep| Limit {
            time: step.timeout.filter(|_| !waits(step)).unwrap_or(LONGEST_STEP),
            is_loop: step.items.is_some(),
        };
        Patience {
            limits: work.all_steps().map(|step| (step.index, limit(step))).collect(),
            heard: now,
            step: None,
            idle: now,
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
            Event::StepEnded(ended) if ended.item.is_none() && self.step.take().is_some() => self.idle = now,
            _ => {}
        }
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
        let late = self.late();
        match late {
            Some(late) if late.0 < silent.0 => late,
            _ => silent,
        }
    }

    /// However often the host says that it lives.
    fn late(&self) -> Option<(Instant, String)> {
        let Some((step, started)) = self.step else {
            let hours = LONGEST_STEP.as_secs() / 3600;
            return Some((
                self.idle.checked_add(LONGEST_STEP)?,
                format!("it has neither started a step nor ended for {hours} hours"),
            ));
        };
        let time = self.limits.get(&step)?.time;
        let until = started.checked_add(time)?.checked_add(MARGIN)?;
        Some((
            until,
            format!("its step goes on {} s after its timeout of {} s", MARGIN.as_secs(), time.as_secs()),
        ))
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
        assert_eq!(given_up(None, lives).0, 24 * 60 * 60);
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
