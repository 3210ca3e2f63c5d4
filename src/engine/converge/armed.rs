//! A step whose changes can cut windlass off: armed before the first of them, confirmed after the last.

use super::StepTry;
use crate::engine::entry::Entry;
use crate::engine::guard::{self, Armed, Watch};
use crate::engine::progress::StepProgress;
use crate::engine::target::Target;
use crate::model::event::Event;
use crate::model::op::Plan;
use crate::model::{Failure, Result};
use std::time::Instant;

impl StepTry<'_, '_, '_> {
    /// Arms the host before the first change of a plan that is guarded. Nothing is changed when that fails.
    pub(super) fn arm(&mut self, plan: &Plan, done: &mut StepProgress) -> Result<()> {
        let Some(guard) = &plan.guard else { return Ok(()) };
        if let Some(armed) = &mut self.armed {
            armed.guard.ports.clone_from(&guard.ports);
            return Ok(());
        }
        match self.target {
            Target::Pretended(_) => {
                let note = format!(
                    "would be armed: undone after {} s unless a new connection confirms it",
                    guard.within.as_secs()
                );
                if !done.notes.contains(&note) {
                    done.notes.push(note);
                }
            }
            Target::Real(host, journal) => {
                let program = self.link.guard()?;
                let watch = Watch { run: self.run.clone(), change: self.before };
                guard::arm(*host, journal, &watch, self.index, self.step_name, &program, guard)?;
                self.armed = Some(Armed { watch, guard: guard.clone(), since: Instant::now() });
            }
        }
        Ok(())
    }

    /// Has the controller log in again, when the step was armed. Its changes may stay only then.
    pub(super) fn confirm(&mut self, done: &mut StepProgress) -> Result<()> {
        let Some(armed) = &self.armed else { return Ok(()) };
        let text = "waits for a new connection to confirm the change".to_string();
        self.link.send(Event::Progress { step: self.index, text });
        let until = armed.since + armed.guard.patience();
        self.link.confirm(&armed.guard.ports, until).map_err(|why| {
            Failure::new(guard::CONFIRM, why)
                .hint("the change would have locked windlass out, so it was not kept")
        })?;
        self.disarm(true)?;
        done.notes.push("a new connection confirmed it".to_string());
        Ok(())
    }

    /// Ends the watch over the step's changes, if there is one.
    pub(super) fn disarm(&mut self, confirmed: bool) -> Result<()> {
        let (Some(armed), Target::Real(host, journal)) = (self.armed.take(), &mut self.target) else {
            return Ok(());
        };
        journal.note(Entry::Disarmed { change: armed.watch.change, confirmed })?;
        guard::forget(*host, journal.state(), &armed.watch)
    }
}
