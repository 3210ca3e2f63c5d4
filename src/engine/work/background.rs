//! Steps in the background: one is started and the work goes on; its end is judged where a later step waits for it, else at
//! the end of its block or play, or before what must not happen beside it. Nothing that was started is left unjudged.

use super::blocks::Blocks;
use super::judge::{Left, fields};
use super::one::{Ready, STEP_TIME};
use super::{StepEnd, Worker};
use crate::engine::context::{Known, Registered};
use crate::engine::converge::Started;
use crate::engine::progress::StepProgress;
use crate::model::event::{Event, StepEnded};
use crate::model::job::{InBlock, Job, JobStep, MOST_IN_BACKGROUND as MOST};
use crate::model::outcome::StepOutcome;
use crate::model::{Failure, Result, Values};
use crate::system::System;
use std::time::{Duration, Instant};

/// A step that runs in the background.
pub(super) struct Running<'a> {
    step: &'a JobStep,
    locals: Values,
    ready: Ready,
    report: StepEnded,
    done: StepProgress,
    left: Left,
    started: Started,
}

impl<'a> Running<'a> {
    /// The handlers that it may notify.
    pub(super) fn notifies(&self) -> &'a [String] {
        &self.step.notify
    }
}

/// How a step ended that may run in the background.
pub(super) struct Ended {
    name: String,
    outcome: StepOutcome,
}

/// Fails where the job has steps for the background and its host can run none there.
pub(super) fn refuse(job: &Job, host: &dyn System) -> Result<()> {
    let wants = |step: &JobStep| step.background.is_some() && step.skip.is_none();
    if job.work.all_steps().any(wants) { host.refuse_background() } else { Ok(()) }
}

impl<'a> Worker<'a, '_, '_> {
    /// Whether the step runs in the background.
    pub(super) fn runs_on(&self, step: &JobStep) -> bool {
        self.background.iter().any(|running| running.step.index == step.index)
    }

    /// How a step has ended, for those that wait for it.
    pub(super) fn remember_beside(&mut self, step: &JobStep, outcome: StepOutcome) {
        if step.background.is_some() {
            let name = self.name(step, &Values::new());
            self.beside.insert(step.index, Ended { name, outcome });
        }
    }

    /// Starts the step. It ends at once when it cannot be started or has nothing to do.
    pub(super) fn run_beside(
        &mut self,
        step: &'a JobStep,
        within: Duration,
        locals: &Values,
        mut report: StepEnded,
    ) -> StepEnd {
        let began = Instant::now();
        let mut done = StepProgress::default();
        let mut left = Left { before: self.changes_so_far(), changes: Vec::new() };
        report.tries = 1;
        let tried = match self.start(step, began + within, locals, &mut done, &mut left) {
            Ok(Some((ready, started))) => {
                let locals = locals.clone();
                self.background.push(Running { step, locals, ready, report, done, left, started });
                let result = Registered::default();
                return StepEnd { outcome: StepOutcome::Ok, failure: None, result };
            }
            Ok(None) => Ok(()),
            Err(failure) => Err(failure),
        };
        let result = self.judge(step, locals, tried, done, &left, &mut report);
        report.took = began.elapsed();
        self.finish(step, report, result)
    }

    fn start(
        &mut self,
        step: &JobStep,
        deadline: Instant,
        locals: &Values,
        done: &mut StepProgress,
        left: &mut Left,
    ) -> Result<Option<(Ready, Started)>> {
        if self.background.len() >= MOST {
            let why = format!("{MOST} steps run there already, which is the most");
            return Err(Failure::new("start it in the background", why)
                .hint("wait for one of them before: a step with wait = \"NAME\""));
        }
        let ready = match self.ready(step, locals)? {
            Known::Yes(ready) => ready,
            Known::No(what) => {
                return Err(Failure::new("start it in the background", format!("{what} is not known")));
            }
        };
        let host = self.host;
        let dressed = ready.dressed(host);
        let before = left.before;
        let mut attempt = self.attempt(step, None, (&ready, &dressed), deadline, before, &mut left.changes);
        let started = attempt.start(done)?;
        drop(dressed);
        Ok(started.map(|started| (ready, started)))
    }

    /// Waits for the steps that this one names, and fails as the first of them that failed.
    pub(super) fn wait(&mut self, step: &JobStep, mut report: StepEnded, began: Instant) -> StepEnd {
        let mut failure = None;
        let mut ran = false;
        report.tries = 1;
        for index in &step.waits_for {
            if let Some(at) = self.background.iter().position(|running| running.step.index == *index) {
                let running = self.background.remove(at);
                failure = failure.or(self.end_running(running, None, step.ignore_errors));
            }
            let ended = self.beside.get(index);
            ran |= ended.is_some_and(|ended| ended.outcome != StepOutcome::Skipped);
            ran |= self.was_before_reboot(*index);
            report.notes.push(self.ending(*index));
        }
        report.outcome = if ran { StepOutcome::Ok } else { StepOutcome::Skipped };
        report.took = began.elapsed();
        let known = fields(report.outcome, None, &Values::new());
        let ended = self.finish(step, report, Registered { known, partial: false });
        match failure {
            Some(failure) => StepEnd { outcome: StepOutcome::Failed, failure: Some(failure), ..ended },
            None => ended,
        }
    }

    /// How a step in the background ended, in a line: `build assets: changed`.
    fn ending(&self, index: u32) -> String {
        match self.beside.get(&index) {
            Some(ended) => format!("{}: {}", ended.name, ended.outcome.as_str().replace('_', " ")),
            None => {
                let name = self.step_at(index).map(JobStep::title).unwrap_or_default();
                let what = match self.was_before_reboot(index) {
                    true => "it was waited for before the reboot",
                    false => "it was not started",
                };
                format!("{name}: {what}")
            }
        }
    }

    /// Whether the work has gone on after a reboot behind this step.
    fn was_before_reboot(&self, index: u32) -> bool {
        let rebooted = self.job.envelope.resume.as_ref().and_then(|resume| self.step_at(resume.step));
        let step = self.step_at(index);
        rebooted.zip(step).is_some_and(|(rebooted, step)| {
            rebooted.play == step.play && index < rebooted.index && !self.beside.contains_key(&index)
        })
    }

    fn step_at(&self, index: u32) -> Option<&'a JobStep> {
        let job = self.job;
        job.work.all_steps().find(|step| step.index == index)
    }

    /// Waits for the steps that were started in parts of blocks that the next step is not in. They fail there.
    pub(super) fn end_left(&mut self, blocks: &mut Blocks, next: &[InBlock]) -> Option<Failure> {
        let is_left = |running: &Running<'_>| !next.starts_with(&running.step.blocks);
        self.end_where(&is_left, "its block ends here", &mut |step, failure| {
            blocks.fail(&step.blocks, failure)
        })
    }

    /// Waits for all of them. Each fails in its block.
    pub(super) fn end_rest(&mut self, blocks: &mut Blocks, since: &str) -> Option<Failure> {
        self.end_where(&|_| true, since, &mut |step, failure| blocks.fail(&step.blocks, failure))
    }

    /// Waits for all of them; returns the first failure.
    pub(super) fn end_all(&mut self, since: &str) -> Option<Failure> {
        self.end_where(&|_| true, since, &mut |_, failure| Some(failure))
    }

    fn end_where(
        &mut self,
        which: &dyn Fn(&Running<'_>) -> bool,
        since: &str,
        fail: &mut dyn FnMut(&JobStep, Failure) -> Option<Failure>,
    ) -> Option<Failure> {
        let mut first = None;
        while let Some(at) = self.background.iter().position(which) {
            let running = self.background.remove(at);
            let step = running.step;
            let note = format!("waited for here, since {since}");
            if let Some(failure) = self.end_running(running, Some(note), false) {
                first = first.or(fail(step, failure));
            }
        }
        first
    }

    /// Waits for a step and judges it; returns its failure unless that is ignored.
    fn end_running(&mut self, running: Running<'a>, note: Option<String>, ignored: bool) -> Option<Failure> {
        let Running { step, locals, ready, mut report, mut done, mut left, started } = running;
        let (name, began) = (report.name.clone(), Instant::now());
        self.link.send(Event::StepStarted { step: step.index, item: None, name: name.clone() });
        let text = "it is waited for".to_string();
        self.link.send(Event::Progress { step: step.index, text });
        let host = self.host;
        let dressed = ready.dressed(host);
        let (before, deadline) = (left.before, began + STEP_TIME);
        let mut attempt = self.attempt(step, None, (&ready, &dressed), deadline, before, &mut left.changes);
        let (took, tried) = attempt.finish(started, &mut done);
        let tried = tried.map_err(|failure| attempt.settle_failure(failure, &mut done));
        self.context.forget_facts();
        let result = self.judge(step, &locals, tried, done, &left, &mut report);
        report.notes.extend(note);
        report.took = took.unwrap_or_else(|| began.elapsed());
        let judged = JobStep { ignore_errors: step.ignore_errors || ignored, ..step.clone() };
        let ended = self.finish(&judged, report, result);
        if let Some(name) = &step.register {
            self.context.register(name, ended.result.clone());
        }
        self.beside.insert(step.index, Ended { name, outcome: ended.outcome });
        let failed = ended.outcome == StepOutcome::Failed && !judged.ignore_errors;
        failed.then(|| ended.failure.unwrap_or_else(|| Failure::new(step.title(), "it failed")))
    }
}
