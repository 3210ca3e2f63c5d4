//! The controller hears what a command of a step prints while it runs.

use super::link::Link;
use super::pace::Pace;
use super::perform;
use crate::model::Result;
use crate::model::event::{Event, Stream};
use crate::model::job::OutputWanted;
use crate::model::op::{Answer, Run};
use crate::system::{Flow, Listener, OUTPUT_KEPT, System};
use std::cell::Cell;
use std::time::Instant;

/// Passes on what a command prints; what is left of it when it is dropped.
pub struct Aloud<S: Fn(Event)> {
    send: S,
    pace: Pace,
}

impl<S: Fn(Event)> Aloud<S> {
    /// For a command of this step that starts now.
    pub fn new(send: S, step: u32, wanted: OutputWanted) -> Self {
        Aloud { send, pace: Pace::new(step, wanted, Instant::now()) }
    }

    fn send(&self, events: Vec<Event>) {
        events.into_iter().for_each(|event| (self.send)(event));
    }
}

/// Runs a command of this step. `started` becomes true once it may have changed something.
pub fn run(
    link: &dyn Link,
    step: u32,
    wanted: OutputWanted,
    host: &dyn System,
    run: &Run,
    started: &Cell<bool>,
) -> Result<Answer> {
    let mut aloud = Aloud::new(|event| link.send(event), step, wanted);
    let flow = Flow {
        listener: Some(&mut aloud),
        kept: Some(kept(wanted)),
        started: Some(started),
        ..Flow::default()
    };
    perform::run_it(host, run, link, flow)
}

/// So many bytes of each end are kept of an output: what is registered is not cut by a lower limit of the record.
pub fn kept(wanted: OutputWanted) -> usize {
    OUTPUT_KEPT.max(wanted.kept_of_each_end())
}

impl<S: Fn(Event)> Listener for Aloud<S> {
    fn hear(&mut self, stream: Stream, bytes: &[u8]) {
        let events = self.pace.hear(stream, bytes);
        self.send(events);
    }

    fn tick(&mut self) {
        let events = self.pace.due(Instant::now());
        self.send(events);
    }
}

impl<S: Fn(Event)> Drop for Aloud<S> {
    fn drop(&mut self) {
        let rest = self.pace.rest();
        self.send(rest);
    }
}
