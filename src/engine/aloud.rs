//! Runs a command of a step while the controller hears what it prints.

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

/// Passes on what a command prints.
pub struct Aloud<'a> {
    link: &'a dyn Link,
    wanted: OutputWanted,
    pace: Pace,
}

impl<'a> Aloud<'a> {
    /// For a command of this step that starts now.
    pub fn new(link: &'a dyn Link, step: u32, wanted: OutputWanted) -> Self {
        Aloud { link, wanted, pace: Pace::new(step, wanted, Instant::now()) }
    }

    /// Runs it. `started` becomes true once it may have changed something.
    pub fn run(mut self, host: &dyn System, run: &Run, started: &Cell<bool>) -> Result<Answer> {
        // What is registered is not cut by a lower limit of the record.
        let (link, kept) = (self.link, OUTPUT_KEPT.max(self.wanted.kept_of_each_end()));
        let flow =
            Flow { listener: Some(&mut self), kept: Some(kept), started: Some(started), ..Flow::default() };
        let answer = perform::run_it(host, run, link, flow);
        let rest = self.pace.rest();
        self.send(rest);
        answer
    }

    fn send(&self, events: Vec<Event>) {
        events.into_iter().for_each(|event| self.link.send(event));
    }
}

impl Listener for Aloud<'_> {
    fn hear(&mut self, stream: Stream, bytes: &[u8]) {
        let events = self.pace.hear(stream, bytes);
        self.send(events);
    }

    fn tick(&mut self) {
        let events = self.pace.due(Instant::now());
        self.send(events);
    }
}
