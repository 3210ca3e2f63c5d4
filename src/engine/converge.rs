//! Brings one step to its end on one host: plan, journal, perform, and plan again until nothing is left to do.

mod armed;
mod background;
mod boot;
mod change;
mod preview;
mod retried;

pub use background::Started;
pub use retried::Retried;

use super::batch;
use super::confirm;
use super::diff;
use super::guard::Armed;
use super::inspect::{Inspected, inspect};
use super::link::Link;
use super::perform;
use super::progress::StepProgress;
use super::summary::{first_lines, thousands};
use super::target::Target;
use super::undo::{self, Left};
use super::wait::{self, Waited};
use crate::model::backup::Backup;
use crate::model::event::Event;
use crate::model::finding::{self, Verdict};
use crate::model::job::{OutputWanted, Resume, RunId};
use crate::model::op::{Accept, Answer, Asset, Condition, Content, Op, Plan, Undo};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::Step;
use crate::system::Probe;
use crate::system::dressed::Dressed;
use crate::tree::manifest;
use crate::tree::overlay::edited;
use std::time::{Duration, Instant};

/// A step with stages plans the next one from what it sees. One that has not settled after so many never will.
const ROUNDS: usize = 40;

/// After a batch of so many changes progress is reported.
const MANY: usize = 500;

/// Tells every command that changes something which run it belongs to, for those that keep records of their own.
pub const RUN_VARIABLE: &str = "WINDLASS_RUN";

/// One try of one step.
pub struct StepTry<'a, 'b, 'j> {
    /// The run's name.
    pub run: &'a RunId,
    /// The step's place in the job.
    pub index: u32,
    /// What it is.
    pub step: &'a dyn Step,
    /// The host as the step's questions see it.
    pub dressed: &'a Dressed<'a>,
    /// Whether diffs are wanted.
    pub diff: bool,
    /// What is wanted of the output of its commands.
    pub output: OutputWanted,
    /// When the step's time is up.
    pub deadline: Instant,
    /// Whether every exit status and every finding is fine, because the playbook judges (`failed_when`).
    pub judged_elsewhere: bool,
    /// The handlers that are owed once this step has changed something.
    pub owes: Vec<String>,
    /// The controller.
    pub link: &'a dyn Link,
    /// Where its changes go.
    pub target: &'a mut Target<'b, 'j>,
    /// The number of the last change before this try.
    pub before: u32,
    /// The step's name, for those who read the journal.
    pub step_name: &'a str,
    /// What watches over its changes, once they are armed.
    pub armed: Option<Armed>,
    /// What the run goes on with after a boot by this step; `None` where it could not.
    pub resume: Option<Resume>,
    /// What failed tries of the step have changed and nothing has undone.
    pub left: &'a mut Vec<Left>,
    /// The same step in the run that this one retries, where its result was lost.
    pub retried: Option<Retried<'a>>,
}

impl StepTry<'_, '_, '_> {
    /// Runs the try. What was done is in `done` even when it fails. What is armed stays only when it is confirmed.
    pub fn run(&mut self, done: &mut StepProgress) -> Result<()> {
        self.settle(done)?;
        self.confirm(done)
    }

    fn settle(&mut self, done: &mut StepProgress) -> Result<()> {
        let mut done_before: Option<Vec<Op>> = None;
        for _ in 0..ROUNDS {
            let plan = self.look(done)?;
            if plan.is_empty() {
                return self.judge_findings(done);
            }
            if plan.ops.iter().any(Op::changes_host) && self.take_lock_first()? {
                continue;
            }
            if self.was_done(&plan, done)? {
                return self.judge_findings(done);
            }
            if done_before.as_ref() == Some(&plan.ops) {
                return Err(without_effect(&plan));
            }
            if self.perform_all(&plan, done)? {
                return self.judge_findings(done);
            }
            done_before = Some(plan.ops);
        }
        Err(Failure::new(
            "apply the step",
            format!("after {ROUNDS} rounds it still wants to change something"),
        )
        .hint("this is a fault of the step kind, or something on the host keeps changing it back"))
    }

    /// What is to be done by now.
    fn look(&self, done: &mut StepProgress) -> Result<Plan> {
        let plan = self.step.plan(self.dressed)?;
        done.result.extend(plan.result.clone());
        // What the first look showed is still worth telling when the last one sees everything in its place.
        let new: Vec<_> = plan.notes.iter().filter(|note| !done.notes.contains(note)).cloned().collect();
        done.notes.extend(new);
        done.findings = finding::bounded(plan.findings.clone());
        Ok(plan)
    }

    /// Fails when a finding does, unless the playbook judges. What was seen before a change that is only pretended says
    /// nothing of what will be.
    fn judge_findings(&self, done: &mut StepProgress) -> Result<()> {
        let Some(failure) = finding::failure(&done.findings).filter(|_| !self.judged_elsewhere) else {
            return Ok(());
        };
        if done.unknown.is_some() || done.unpredicted {
            let bad = done.findings.iter_mut().filter(|finding| finding.is_bad());
            bad.for_each(|finding| finding.verdict = Verdict::Unknown);
            return Ok(());
        }
        let untold = !done.findings.iter().any(|finding| finding.verdict == Verdict::Fail);
        if untold && self.dressed.pretends() {
            done.unknown = Some(format!("{failure}, unknown until applied"));
            return Ok(());
        }
        Err(failure)
    }

    /// What a failed try had changed is undone, and what the step wants done about its failure is done.
    pub fn settle_failure(&mut self, failure: Failure, done: &mut StepProgress) -> Failure {
        let failure = self.undo_changes(failure, done);
        self.mend(failure, done)
    }

    /// Undoes what this try changed. When that fails, whatever is armed stays so.
    fn undo_changes(&mut self, failure: Failure, done: &mut StepProgress) -> Failure {
        match self.try_undo_changes(done) {
            Ok(None) => failure,
            Ok(Some(why)) => Failure {
                why: format!("{}; what the step had changed could not be undone: {why}", failure.why),
                ..failure
            },
            Err(undo) => {
                let why = format!("{}; what the step had changed could not be undone: {undo}", failure.why);
                Failure { why, ..failure }
            }
        }
    }

    /// Says what could not be undone, but for commands that nothing undoes: they are counted, and named with the run.
    fn try_undo_changes(&mut self, done: &mut StepProgress) -> Result<Option<String>> {
        let Target::Real(_, journal) = &mut self.target else { return Ok(None) };
        let undone = undo::undo_step(journal, self.index, self.before)?;
        done.changes.clear();
        done.notes.extend(first_lines(undone.lines));
        let refused = undone.left.iter().filter(|left| !left.impossible);
        let refused: Vec<String> = refused.map(|left| format!("{}: {}", left.what, left.why)).collect();
        self.left.extend(undone.left);
        if refused.is_empty() {
            self.disarm(false)?;
            return Ok(None);
        }
        Ok(Some(first_lines(refused).join("; ")))
    }

    /// Does what the step wants done about a failure, once what it had changed is undone. It stays, whatever becomes of the
    /// run.
    fn mend(&mut self, failure: Failure, done: &mut StepProgress) -> Failure {
        if !self.journals_for_good(true) {
            return failure;
        }
        let mended = self.step.after_failure(self.dressed, &failure).and_then(|plan| {
            done.notes.extend(plan.notes.clone());
            self.perform_all(&plan, done)
        });
        self.journals_for_good(false);
        match mended {
            Ok(_) => failure,
            Err(more) => Failure { why: format!("{}; then: {more}", failure.why), ..failure },
        }
    }

    /// Whether anything can be done at all: a step that failed before its run changed something leaves no trace.
    fn journals_for_good(&mut self, for_good: bool) -> bool {
        match self.target {
            Target::Real(_, journal) if journal.is_open() => {
                journal.keep_for_good(for_good);
                true
            }
            _ => false,
        }
    }

    /// Performs a plan; true when there is no point in planning again.
    fn perform_all(&mut self, plan: &Plan, done: &mut StepProgress) -> Result<bool> {
        self.arm(plan, done)?;
        if let (Some(within), Target::Real(..)) = (plan.boot, &self.target) {
            return self.boot(plan, within, done);
        }
        done.texts = self.texts_for_diffs(plan);
        let assets = assets_of(plan);
        let announced = !assets.is_empty() && matches!(self.target, Target::Real(..));
        if announced {
            self.link.expect(assets);
        }
        let performed = self.perform_in_order(plan, done);
        if announced && performed.is_err() {
            self.link.expect(Vec::new());
        }
        performed.map(|()| plan.once || done.unknown.is_some() || done.unpredicted)
    }

    fn perform_in_order(&mut self, plan: &Plan, done: &mut StepProgress) -> Result<()> {
        let mut left = &plan.ops[..];
        while let Some(first) = left.first() {
            let count = match batch::length(left) {
                0 => self.perform_one(first, plan, done).map(|()| 1)?,
                many => self.change_files(&left[..many], plan, done).map(|()| many)?,
            };
            left = &left[count..];
            if count >= MANY && !left.is_empty() {
                let (all, made) = (thousands(plan.ops.len()), thousands(plan.ops.len() - left.len()));
                self.link
                    .send(Event::Progress { step: self.index, text: format!("{made} of {all} changes") });
            }
        }
        Ok(())
    }

    /// A wait that was in vain is reported with what the plan asks then, for example the last lines of a log.
    fn perform_one(&mut self, op: &Op, plan: &Plan, done: &mut StepProgress) -> Result<()> {
        let op = self.dress(op)?;
        self.perform(&op, done).map_err(|failure| match op {
            Op::Await { .. } => confirm::advised(self.dressed, &plan.advice, failure, &Answer::default()),
            _ => failure,
        })
    }

    fn perform(&mut self, op: &Op, done: &mut StepProgress) -> Result<()> {
        match op {
            Op::Await { condition, within, every } => self.wait(condition, *within, *every, done),
            _ => {
                let Inspected { details, in_part } = inspect(self.dressed, op, self.memory())?;
                if self.make_change(op, details, done)? {
                    done.changes.push(op, in_part);
                }
                Ok(())
            }
        }
    }

    /// Changes of files that do not depend on each other, with one flush of the journal and few syncs.
    fn change_files(&mut self, ops: &[Op], plan: &Plan, done: &mut StepProgress) -> Result<()> {
        if self.deadline <= Instant::now() {
            return Err(times_up(&ops[0]));
        }
        let inspected: Vec<_> =
            ops.iter().map(|op| inspect(self.dressed, op, self.memory())).collect::<Result<_>>()?;
        let in_part: Vec<_> = inspected.iter().map(|inspected: &Inspected| inspected.in_part).collect();
        let shown: Vec<_> = ops.iter().zip(in_part).filter(|(op, _)| !self.is_memory(op)).collect();
        if self.diff {
            shown.iter().for_each(|(op, _)| done.diffs.add(|| diff::of(self.dressed.host, op, &done.texts)));
        }
        match self.target {
            Target::Pretended(_) => ops.iter().try_for_each(|op| self.pretend(op, done))?,
            Target::Real(host, journal) => {
                journal.owe(self.owes.clone())?;
                let details = inspected.into_iter().map(|inspected| inspected.details).collect();
                journal.intend(self.index, ops, details, plan.within.as_ref())?;
                host.together(plan.within.as_deref(), &mut || {
                    ops.iter().try_for_each(|op| perform::change(*host, op, self.link).map(drop))
                })?;
            }
        }
        shown.into_iter().for_each(|(op, in_part)| done.changes.push(op, in_part));
        Ok(())
    }

    fn memory(&self) -> &HostPath {
        &self.dressed.brought.memory
    }

    /// What windlass only remembers of a tree is no change that people ask for.
    fn is_memory(&self, op: &Op) -> bool {
        let brought = self.dressed.brought;
        let kept = [manifest::folder(brought), edited::directory(brought)];
        op.path().is_some_and(|path| kept.iter().any(|kept| path.starts_with(kept)))
    }

    fn wait(
        &mut self,
        condition: &Condition,
        within: Duration,
        every: Duration,
        done: &mut StepProgress,
    ) -> Result<()> {
        let Target::Pretended(pretend) = self.target else {
            return self.wait_until(condition, within, every);
        };
        let now = pretend.observe(condition)?;
        if !now.holds {
            done.unknown = Some(match pretend.touched() {
                true => pretend.awaited(),
                false => format!("{}: now, {}", described(condition, within, every), now.seen),
            });
        }
        Ok(())
    }

    fn wait_until(&self, condition: &Condition, within: Duration, every: Duration) -> Result<()> {
        let what = described(condition, within, every);
        self.link.send(Event::Progress { step: self.index, text: what.clone() });
        let until = self.deadline.min(Instant::now() + within);
        match wait::until(self.dressed, condition, until, every, &|| self.link.stopping())? {
            Waited::Held(_) => Ok(()),
            Waited::Stopped => Err(Failure::new(what, "the run was stopped while it waited")),
            Waited::TimedOut(seen) if within.is_zero() => Err(Failure::new(what, seen.seen)),
            Waited::TimedOut(seen) => {
                Err(Failure::new(what, format!("not within {} s: {}", within.as_secs(), seen.seen)))
            }
        }
    }

    fn dress_backup(&self, backup: &Backup) -> Op {
        let mut backup = backup.clone();
        for part in &mut backup.parts {
            part.command = self.dressed.dress(&part.command);
        }
        Op::Backup(Box::new(backup))
    }

    /// Commands get the step's user, environment and what is left of its time.
    fn dress(&self, op: &Op) -> Result<Op> {
        let run = match op {
            Op::Run(run) => run,
            Op::Backup(backup) => return Ok(self.dress_backup(backup)),
            _ => return Ok(op.clone()),
        };
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(times_up(op));
        }
        let mut run = (**run).clone();
        run.command = self.dressed.dress(&run.command);
        if let (Some(directory), None) = (&run.command.directory, &run.command.user) {
            self.dressed.host.follow(directory)?;
        }
        run.command.environment.insert(RUN_VARIABLE.to_string(), self.run.to_string());
        if self.judged_elsewhere {
            run.accept = Accept::Any;
        }
        run.command.timeout = Some(run.command.timeout.map_or(left, |own| own.min(left)));
        run.undo = match run.undo {
            Undo::Command(undo) => Undo::Command(self.dressed.dress(&undo)),
            Undo::Asked { command, question } => {
                Undo::Asked { command: self.dressed.dress(&command), question: self.dressed.dress(&question) }
            }
            undo => undo,
        };
        Ok(run.into())
    }
}

fn described(condition: &Condition, within: Duration, every: Duration) -> String {
    perform::describe(&Op::Await { condition: condition.clone(), within, every })
}

fn times_up(op: &Op) -> Failure {
    Failure::new(perform::describe(op), "the step's time is up").hint("give it a longer timeout")
}

/// What a plan's writes and commands need from the controller, in the order in which they are made.
fn assets_of(plan: &Plan) -> Vec<Asset> {
    let asset = |op: &Op| match op {
        Op::Write { content: Content::Asset(asset), .. } => Some(asset.clone()),
        Op::Run(run) => run.input.clone(),
        _ => None,
    };
    plan.ops.iter().filter_map(asset).collect()
}

/// What was done and is wanted again had no effect; doing it once more would only do harm.
fn without_effect(plan: &Plan) -> Failure {
    let what: Vec<String> = first_lines(plan.ops.iter().map(perform::describe).collect());
    Failure::new(what.join(", "), "it was done, and the host is still not as the step wants it")
        .hint("something on the host undoes it, or it cannot have this effect there")
}
