//! A host among the other hosts of its play: it runs steps for them between its own and while it waits, says how far it is
//! where they may wait for that, and waits until they are past a step that they had it run.
//!
//! No host waits for ever: one that waits runs what is due at its own place or before it, so the host that is furthest back
//! can always continue.

use super::{LONGEST, Worker};
use crate::model::delegation::{Awaited, PlayPart, PlayPlace, Reply};
use crate::model::event::Event;
use crate::model::job::JobStep;
use crate::model::once::OnceEnded;
use crate::model::{Failure, Result};
use crate::step;
use std::time::Instant;

impl Worker<'_, '_, '_> {
    /// Comes to a step, or without one to the handlers: a host that has come to it is past those before. `is_well`: nothing has
    /// failed. Else it neither waits for others nor runs their steps: it may end.
    pub(super) fn arrive(
        &mut self,
        part: PlayPart,
        step: Option<&JobStep>,
        is_well: bool,
    ) -> Option<Failure> {
        let place = PlayPlace { play: self.play, part, step: step.map_or(0, |step| step.index) };
        let before = std::mem::replace(&mut self.place, place);
        self.say_place(before, step);
        if !is_well {
            return None;
        }
        if let Err(failure) = self.await_others(before) {
            return Some(failure);
        }
        if self.job.work.serves {
            while !self.link.stopping()
                && let Some(step) = self.link.due(self.place)
            {
                self.serve(*step);
            }
        }
        None
    }

    /// Others need to know it at steps that they run, behind them, and where the host has left out some of them.
    fn say_place(&mut self, before: PlayPlace, step: Option<&JobStep>) {
        let may_ask = step.is_none_or(|step| step.on.is_some() || step::flushes(step));
        let may_have_asked = std::mem::replace(&mut self.may_have_asked, may_ask);
        let asks = || self.job.work.all_steps().any(|step| step.on.is_some());
        if (may_ask || may_have_asked || before.part != self.place.part) && asks() {
            self.link.send(Event::At(self.place));
        }
    }

    /// Waits for the hosts that have had this one run steps between that place and this one.
    fn await_others(&mut self, before: PlayPlace) -> Result<()> {
        let job = self.job;
        let is_between = |step: &&u32| {
            let place = PlayPlace::of(&job.work, **step);
            place.is_some_and(|place| before <= place && place < self.place)
        };
        let steps: Vec<u32> = job.work.awaits.iter().filter(is_between).copied().collect();
        for step in steps {
            self.link.send(Event::AwaitsOthers { step });
            let _passed_or_stopped = self.hear(Awaited::Passed(step))?;
        }
        Ok(())
    }

    /// How the step ends that another host runs, whose name is `host`; `None` when the job should stop before that.
    pub(super) fn hear_end(&mut self, step: u32, host: &str) -> Result<Option<OnceEnded>> {
        let text = format!("waits for {host}, which runs it");
        self.link.send(Event::Progress { step, text });
        match self.hear(Awaited::End(step))? {
            Some(Reply::Ended(ended)) => Ok(Some(*ended)),
            _ => Ok(None),
        }
    }

    /// What the host waits for, which runs steps of others meanwhile; `None` when the job should stop before that.
    pub(super) fn hear(&mut self, awaited: Awaited) -> Result<Option<Reply>> {
        let until = Instant::now() + LONGEST;
        loop {
            match self.link.hear(awaited, self.place, until)? {
                Some(Reply::Step(step)) => self.serve(*step),
                heard => return Ok(heard),
            }
        }
    }
}
