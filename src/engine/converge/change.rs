//! Makes one change of a step, really or pretended, and judges the command that made it.

use super::StepTry;
use crate::engine::backup::Sender;
use crate::engine::entry::Entry;
use crate::engine::link::Assets;
use crate::engine::progress::StepProgress;
use crate::engine::target::Target;
use crate::engine::{aloud, confirm, fetch, perform};
use crate::model::event::Output;
use crate::model::op::{Answer, Asset, Content, Op, Run, Wait};
use crate::model::{Failure, Result};
use crate::system::pretend::Pretend;
use crate::system::{Details, System};
use std::cell::Cell;
use std::io::Read;

impl StepTry<'_, '_, '_> {
    /// Whether it changed something: a command may find that there was nothing left to do.
    pub(super) fn make_change(
        &mut self,
        op: &Op,
        details: Option<Details>,
        done: &mut StepProgress,
    ) -> Result<bool> {
        match self.target {
            Target::Pretended(_) => self.pretend(op, done)?,
            Target::Real(host, _) if matches!(op, Op::Fetch { .. }) => fetch::fetch(*host, self.link, op)?,
            Target::Real(host, _) if let Op::Backup(backup) = op => {
                let sender =
                    Sender { host: *host, link: self.link, step: self.index, deadline: self.deadline };
                sender.send(backup, done)?;
            }
            Target::Real(host, journal) => {
                journal.owe(self.owes.clone())?;
                journal.intend(self.index, std::slice::from_ref(op), vec![details], None)?;
                let host = *host;
                match op {
                    Op::Run(run) => return self.run_command(host, op, run, done),
                    _ => drop(perform::change(host, op, self.link)?),
                }
            }
        }
        Ok(true)
    }

    /// Runs a command and says whether it changed something. Where it fails, its journal says whether it was started.
    fn run_command(
        &mut self,
        host: &dyn System,
        op: &Op,
        run: &Run,
        done: &mut StepProgress,
    ) -> Result<bool> {
        self.replace_left(op)?;
        let started = Cell::new(false);
        let answer = aloud::run(self.link, self.index, self.output, host, run, &started);
        done.output = answer.as_ref().ok().cloned().map(output_of).or(done.output.take());
        let changed = answer.and_then(|answer| self.accept(op, run, &answer));
        if changed.is_ok() {
            done.notes.extend(run.proves.clone());
        }
        self.note_end(self.target.changes(), &changed, started.get())?;
        changed
    }

    /// Writes down what became of a command's change: there is nothing to undo of one that found nothing to do, or that was
    /// never started.
    pub(super) fn note_end(&mut self, change: u32, changed: &Result<bool>, started: bool) -> Result<()> {
        match changed {
            Ok(true) => Ok(()),
            Err(_) if started => self.note(Entry::Broke { change }),
            Ok(false) | Err(_) => self.note(Entry::NoChange { change }),
        }
    }

    /// A command that nothing undoes counts once, however often the step tries it.
    fn replace_left(&mut self, op: &Op) -> Result<()> {
        let Target::Real(_, journal) = &mut self.target else { return Ok(()) };
        let what = perform::describe(op);
        let again: Vec<u32> = self
            .left
            .extract_if(.., |left| left.impossible && left.what == what)
            .map(|left| left.change)
            .collect();
        again.into_iter().try_for_each(|change| journal.note(Entry::NoChange { change }))
    }

    /// Writes down what became of a change.
    pub(super) fn note(&mut self, entry: Entry) -> Result<()> {
        let Target::Real(_, journal) = &mut self.target else { return Ok(()) };
        journal.note(entry)
    }

    pub(super) fn pretend(&self, op: &Op, done: &mut StepProgress) -> Result<()> {
        let Target::Pretended(pretend) = &*self.target else { return Ok(()) };
        if let Some(fingerprint) = done.fingerprint.as_mut().filter(|_| !self.is_memory(op)) {
            fingerprint.add(*pretend, op);
        }
        pretend_op(pretend, op, done)
    }

    /// What is refused is reported in the step's own words, where it has some.
    pub(super) fn accept(&self, op: &Op, run: &Run, answer: &Answer) -> Result<bool> {
        if let Some(why) = self.link.killed().filter(|_| !answer.ok()) {
            return Err(Failure::new(perform::describe(op), why));
        }
        confirm::accept(self.dressed, op, Some(answer))
            .map_err(|failure| self.step.explain(run, answer).unwrap_or(failure))?;
        self.await_effects(run, answer)?;
        Ok(!confirm::was_idle(run, answer))
    }

    /// What a command is to bring about soon. Where it does not, its advice says why.
    fn await_effects(&self, run: &Run, answer: &Answer) -> Result<()> {
        for Wait { condition, within, every } in &run.waits {
            let held = self.wait_until(condition, *within, *every);
            held.map_err(|failure| confirm::advised(self.dressed, &run.advice, failure, answer))?;
        }
        Ok(())
    }
}

fn pretend_op(pretend: &Pretend<'_>, op: &Op, done: &mut StepProgress) -> Result<()> {
    match op {
        Op::Run(run) => {
            pretend.suppose(run);
            run.effects.iter().try_for_each(|effect| pretend.take_effect(effect))?;
            done.unpredicted |= run.predicts.is_empty() && run.effects.is_empty();
        }
        Op::Write { path, content: Content::Asset(asset), meta } => pretend.write_asset(path, asset, meta)?,
        Op::Fetch { .. } | Op::Backup(_) => done.unpredicted = true,
        other => drop(perform::change(pretend, other, &Nowhere)?),
    }
    Ok(())
}

pub(super) fn output_of(answer: Answer) -> Output {
    Output { status: answer.status, stdout: answer.stdout, stderr: answer.stderr, total: answer.total }
}

/// Check mode names assets and never opens them.
struct Nowhere;

impl Assets for Nowhere {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        Err(Failure::new(format!("open asset {}", asset.digest), "check mode opens none"))
    }
}
