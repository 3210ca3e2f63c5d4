//! A command that goes on while other steps do: started here, judged when its step is waited for.

use super::StepTry;
use crate::engine::aloud::{self, Aloud};
use crate::engine::entry::Entry;
use crate::engine::inspect::{Inspected, inspect};
use crate::engine::perform;
use crate::engine::progress::StepProgress;
use crate::engine::target::Target;
use crate::model::event::Event;
use crate::model::op::Op;
use crate::model::{Failure, Result, refusal};
use crate::system::{Background, Ran};
use std::time::Duration;

/// A command that has been started.
pub struct Started {
    op: Op,
    change: u32,
    in_part: Option<&'static str>,
    command: Box<dyn Background>,
}

impl StepTry<'_, '_, '_> {
    /// Starts the command of the step; `None` when there is nothing to be done.
    pub fn start(&mut self, done: &mut StepProgress) -> Result<Option<Started>> {
        let mut plan = self.look(done)?;
        if plan.ops.iter().any(Op::changes_host) && self.take_lock_first()? {
            plan = self.look(done)?;
        }
        if plan.is_empty() || self.was_done(&plan, done)? {
            return self.judge_findings(done).map(|()| None);
        }
        match &plan.ops[..] {
            [op @ Op::Run(run)] if run.input.is_none() => self.start_command(op).map(Some),
            _ => Err(Failure::new("start it in the background", "only one command can run there")),
        }
    }

    fn start_command(&mut self, op: &Op) -> Result<Started> {
        let op = self.dress(op)?;
        let Inspected { details, in_part } = inspect(self.dressed, &op, self.memory())?;
        let (Target::Real(host, journal), Op::Run(run)) = (&mut self.target, &op) else {
            return Err(Failure::new("start it in the background", "nothing is changed here"));
        };
        journal.owe(self.owes.clone())?;
        journal.background(self.index)?;
        journal.intend(self.index, std::slice::from_ref(&op), vec![details], None)?;
        let change = journal.changes();
        // Before the first of what it prints.
        self.link.send(Event::StepBackground { step: self.index, name: self.step_name.to_string() });
        let listener = Aloud::new(self.link.sender(), self.index, self.output);
        match perform::start(*host, run, aloud::kept(self.output), Box::new(listener)) {
            Ok(command) => Ok(Started { op, change, in_part, command }),
            Err(failure) => {
                journal.note(Entry::NoChange { change })?;
                Err(failure)
            }
        }
    }

    /// Waits for the command, and judges how it ended. How long it ran is known unless it was lost.
    pub fn finish(&mut self, started: Started, done: &mut StepProgress) -> (Option<Duration>, Result<()>) {
        let Started { op, change, in_part, command } = started;
        match command.wait() {
            Ok(ran) => (Some(ran.took), self.end_command(&op, change, in_part, ran, done)),
            Err(failure) => {
                let noted = self.note(Entry::Broke { change });
                (None, noted.and(Err(failure)))
            }
        }
    }

    fn end_command(
        &mut self,
        op: &Op,
        change: u32,
        in_part: Option<&'static str>,
        ran: Ran,
        done: &mut StepProgress,
    ) -> Result<()> {
        let Op::Run(run) = op else { return Ok(()) };
        let out_of_time = ran.answer.status == refusal::OUT_OF_TIME;
        let changed = self.accept(op, run, &ran.answer).map_err(|failure| match out_of_time {
            true => Failure { hint: Some(LONGER.to_string()), ..failure },
            false => failure,
        });
        done.output = Some(super::change::output_of(ran.answer));
        if let Ok(true) = changed {
            done.changes.push(op, in_part);
        }
        self.note_end(change, &changed, ran.started)?;
        changed.map(drop)
    }
}

const LONGER: &str = "give the step a longer `async`, or find out why it hangs";
