//! What one host may say in a run. Each event is cut to its bounds; what is over a host's or the run's share is left out,
//! and a host that goes on without end is no longer listened to.

use crate::model::bounds;
use crate::model::event::{Event, StepEnded};
use crate::model::{Failure, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All that is kept of one host's steps, in bytes: an audit with thousands of findings has an eighth of it.
const OF_HOST: usize = 8 * 1024 * 1024;

/// All that is kept of the steps of all hosts, in bytes.
const OF_RUN: usize = 1024 * 1024 * 1024;

/// A host says no more in a run than so many events; a loop over a hundred thousand elements has a third of it.
const EVENTS: usize = 1_000_000;

/// Notes of a host that belong to no step.
const NOTES: usize = 1_000;

/// Says why only the verdict of a step is kept.
const OVER: &str = "what this step said is left out: its host said more than is kept of one host in a run";

/// The share of all hosts of a run that is used up.
#[derive(Clone, Debug, Default)]
pub struct Used(Arc<AtomicUsize>);

/// The share of one host.
#[derive(Debug)]
pub struct Allowance {
    run: Used,
    bytes: usize,
    events: usize,
    notes: usize,
}

impl Allowance {
    /// Nothing is used up yet.
    pub fn new(run: Used) -> Self {
        Allowance { run, bytes: 0, events: 0, notes: 0 }
    }

    /// The event as far as it may be taken; `None` when it is left out.
    pub fn admit(&mut self, event: Event) -> Result<Option<Event>> {
        self.events += 1;
        if self.events > EVENTS {
            return Err(Failure::new("listen to the host", format!("it says more than {EVENTS} things"))
                .hint("something on the host pretends to be windlass's agent"));
        }
        Ok(match bounds::fitted(event) {
            Event::StepEnded(step) => Some(Event::StepEnded(self.step(step))),
            Event::Settled { run, outcome, steps } => {
                let steps = steps.into_iter().map(|step| self.step(step)).collect();
                Some(Event::Settled { run, outcome, steps })
            }
            Event::Note(note) => self.note(note),
            event => Some(event),
        })
    }

    fn step(&mut self, step: StepEnded) -> StepEnded {
        let size = bounds::size(&step);
        self.bytes = self.bytes.saturating_add(size);
        let of_run = self.run.0.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        if self.bytes <= OF_HOST && of_run <= OF_RUN { step } else { bounds::bare(step, OVER) }
    }

    fn note(&mut self, note: String) -> Option<Event> {
        self.notes += 1;
        match self.notes {
            ..NOTES => Some(Event::Note(note)),
            NOTES => Some(Event::Note("its other notes are left out: there are too many".to_string())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::StepOutcome;

    fn step(diff: usize) -> Event {
        Event::StepEnded(StepEnded {
            diff: Some("x".repeat(diff)),
            ..StepEnded::new(0, "n".into(), StepOutcome::Changed)
        })
    }

    #[test]
    fn a_host_that_says_too_much_is_cut_and_its_verdicts_stay() {
        let (mut allowance, mut kept) = (Allowance::new(Used::default()), 0);
        for _ in 0..300 {
            let Some(Event::StepEnded(step)) = allowance.admit(step(8 << 20)).unwrap() else {
                panic!("a step")
            };
            assert_eq!(step.outcome, StepOutcome::Changed);
            kept += bounds::size(&step);
        }
        assert!(kept < OF_HOST + (1 << 20), "{kept}");
    }

    #[test]
    fn notes_and_events_end_somewhere() {
        let mut allowance = Allowance::new(Used::default());
        let notes = (0..5_000).filter_map(|_| allowance.admit(Event::Note("n".into())).unwrap());
        assert_eq!(notes.count(), NOTES);
        let progress = || Event::Progress { step: 0, text: String::new() };
        assert!((0..EVENTS).any(|_| allowance.admit(progress()).is_err()));
    }
}
