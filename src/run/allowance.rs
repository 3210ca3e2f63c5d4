//! What one host may say in a run. Each event is cut to its bounds; what is over a host's or the run's share is left out,
//! and a host that goes on without end is no longer listened to.

use super::printed::Flood;
use crate::model::bounds;
use crate::model::event::{Event, Output, StepEnded};
use crate::model::job::Streaming;
use crate::model::{Failure, Result};
use crate::system::output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// All that is kept of one host's steps, in bytes: an audit with thousands of findings has an eighth of it. Once half of it
/// is used up, only the ends of outputs are kept.
const OF_HOST: usize = 16 * 1024 * 1024;

/// So much of each end of an output is kept of a host that has printed much already, in bytes.
const END_KEPT: usize = 16 * 1024;

/// All that is kept of the steps of all hosts, in bytes.
const OF_RUN: usize = 1024 * 1024 * 1024;

/// A host says no more in a run than so many events; a loop over a hundred thousand elements has a third of it.
const EVENTS: usize = 1_000_000;

/// Notes of a host that belong to no step.
const NOTES: usize = 1_000;

/// So often a host says something that other hosts wait for, or waits for them: each time all of them are woken.
const TO_OTHERS: usize = 10_000;

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
    to_others: usize,
    notes: usize,
    flood: Flood,
}

impl Allowance {
    /// Nothing is used up yet. `streaming`: what was asked for of the output of commands.
    pub fn new(run: Used, streaming: Streaming) -> Self {
        Allowance {
            run,
            bytes: 0,
            events: 0,
            to_others: 0,
            notes: 0,
            flood: Flood::new(streaming, Instant::now()),
        }
    }

    /// The event as far as it may be taken; `None` when it is left out.
    pub fn admit(&mut self, event: Event) -> Result<Option<Event>> {
        // What is printed has a measure of its own, since a command may print for days.
        if let Event::Printed(printed) = event {
            let printed = bounds::fitted_printed(printed);
            return Ok(self.flood.admit(printed, Instant::now()).map(Event::Printed));
        }
        self.events += 1;
        self.to_others += usize::from(is_for_others(&event));
        if self.events > EVENTS || self.to_others > TO_OTHERS {
            let most = if self.events > EVENTS { EVENTS } else { TO_OTHERS };
            return Err(Failure::new("listen to the host", format!("it says more than {most} things"))
                .hint("another program on the host acts as windlass's agent"));
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
        let step = if self.bytes > OF_HOST / 2 { with_ends_of_output(step) } else { step };
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

fn is_for_others(event: &Event) -> bool {
    matches!(
        event,
        Event::RanOnce { .. }
            | Event::AwaitsOnce { .. }
            | Event::Delegates { .. }
            | Event::RanDelegated { .. }
            | Event::AwaitsPlay { .. }
            | Event::AwaitsOthers { .. }
            | Event::At(_)
            | Event::AwaitsConsent { .. }
            | Event::Gave(_)
    )
}

/// A step of whose output only both ends are kept.
fn with_ends_of_output(step: StepEnded) -> StepEnded {
    let ends = |bytes: Vec<u8>| output::shortened(&bytes, END_KEPT, END_KEPT);
    let output = step.output.map(|output| Output {
        stdout: ends(output.stdout),
        stderr: ends(output.stderr),
        ..output
    });
    StepEnded { output, ..step }
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
        let (mut allowance, mut kept) = (Allowance::new(Used::default(), Streaming::Nothing), 0);
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
    fn of_a_host_that_prints_much_the_ends_are_kept() {
        let mut allowance = Allowance::new(Used::default(), Streaming::Nothing);
        let long = || {
            let output = Output { stdout: vec![b'x'; 2 << 20], total: 2 << 20, ..Output::default() };
            let output = Some(output);
            Event::StepEnded(StepEnded { output, ..StepEnded::new(0, "n".into(), StepOutcome::Changed) })
        };
        let mut lengths = Vec::new();
        for _ in 0..20 {
            let Some(Event::StepEnded(step)) = allowance.admit(long()).unwrap() else { panic!("a step") };
            lengths.push(step.output.map_or(0, |output| output.stdout.len()));
        }
        assert_eq!(lengths[..4], [2 << 20; 4]);
        assert!(lengths[4..].iter().all(|length| (1..64 * 1024).contains(length)), "{lengths:?}");
    }

    #[test]
    fn notes_and_events_end_somewhere() {
        let mut allowance = Allowance::new(Used::default(), Streaming::Nothing);
        let notes = (0..5_000).filter_map(|_| allowance.admit(Event::Note("n".into())).unwrap());
        assert_eq!(notes.count(), NOTES);
        let progress = || Event::Progress { step: 0, text: String::new() };
        assert!((0..EVENTS).any(|_| allowance.admit(progress()).is_err()));
        let mut allowance = Allowance::new(Used::default(), Streaming::Nothing);
        assert!((0..=TO_OTHERS).any(|_| allowance.admit(Event::AwaitsOnce { step: 0 }).is_err()));
    }
}
