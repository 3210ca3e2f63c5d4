//! Works through a job on one host: steps, rescue, always, handlers, and the verdict.

mod background;
mod blocks;
mod consent;
mod delegated;
mod handlers;
mod items;
mod judge;
mod meeting;
mod once;
mod one;
mod planned;
mod plays;
mod set;
mod settle;
mod undo;

use super::context::{Context, Registered};
use super::guard;
use super::journal::Journal;
use super::link::Link;
use super::no_log::{hidden, silent};
use super::start;
use super::state_dir::StateDir;
use super::target::Target;
use super::undo::log::OwnLog;
use super::undo::{Undoer, groups, open_changes};
use super::unlock;
use crate::model::delegation::{LAST, PlayPart, PlayPlace};
use crate::model::event::{Event, StepEnded};
use crate::model::job::{Job, JobStep, Mode, OnFailure, Planning, Resume};
use crate::model::outcome::{HostEnd, HostOutcome, StepOutcome};
use crate::model::{Failure, Result};
use crate::system::pretend::Pretend;
use crate::system::{Brought, Probe, System};
use background::Running;
use blocks::Blocks;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// A host waits no longer than this for other hosts: they may have long steps before, and the controller answers as soon as
/// their part ends.
const LONGEST: Duration = Duration::from_secs(23 * 60 * 60);

/// Runs `job` on `host`, whose state is in `state`, and sends `link` what happens: everything but the end itself.
pub fn work(job: &Job, host: &dyn System, state: &StateDir, link: &dyn Link) -> HostEnd {
    if let Some(what) = job.work.unlock {
        return unlock::unlock(job, host, state, link, what);
    }
    let mut journal = Journal::new(host, state.clone(), job);
    if job.work.mode == Mode::Apply
        && let Err(failure) = take_back_armed(host, state, &mut journal, link)
    {
        return HostEnd::because(HostOutcome::Failed, failure);
    }
    job.envelope
        .settle
        .iter()
        .filter_map(|run| settle::settle(host, state, run))
        .for_each(|event| link.send(event));
    if let Err(failure) = background::refuse(job, host) {
        return HostEnd::because(HostOutcome::Failed, failure);
    }
    if let Some(run) = &job.work.undo {
        return undo::undo_run(job, host, state, link, run);
    }
    match (job.work.mode, &job.work.planning) {
        // After a reboot the plan is already being applied.
        (Mode::Apply, Planning::Follow(planned)) if job.envelope.resume.is_none() => {
            planned::apply(job, host, state, link, journal, planned)
        }
        (Mode::Apply, _) => Worker::new(job, host, state, link, &mut Target::Real(host, journal)).work(),
        (Mode::Check, Planning::Follow(planned)) => planned::look(job, host, state, link, &journal, planned),
        (Mode::Check, _) => check(job, host, state, link, &journal),
    }
}

/// Works the job in memory.
fn check(job: &Job, host: &dyn System, state: &StateDir, link: &dyn Link, journal: &Journal<'_>) -> HostEnd {
    let pretend = Pretend::over(host);
    let owed = journal.owed().unwrap_or_default();
    pretend.furnish(state.path());
    let mut target = Target::Pretended(&pretend);
    let mut worker = Worker::new(job, &pretend, state, link, &mut target);
    worker.notified = owed;
    worker.work()
}

fn brought(job: &Job, state: &StateDir) -> Brought {
    Brought { run: job.envelope.run.clone(), memory: state.path().clone(), trees: job.work.trees.clone() }
}

/// What an earlier run armed and did not live to have confirmed is rolled back before anything else is done, and before
/// it is reported how that run ended.
fn take_back_armed(
    host: &dyn System,
    state: &StateDir,
    journal: &mut Journal<'_>,
    link: &dyn Link,
) -> Result<()> {
    if !guard::armed(host, state)?.is_empty() {
        start::start(journal, link)?.into_iter().for_each(|line| link.send(Event::Note(line)));
    }
    Ok(())
}

/// A job in work.
struct Worker<'a, 'b, 'j> {
    job: &'a Job,
    host: &'a dyn Probe,
    link: &'a dyn Link,
    target: &'a mut Target<'b, 'j>,
    context: Context,
    brought: Rc<Brought>,
    notified: Vec<String>,
    maybe: Vec<String>,
    changed: bool,
    /// The play that is under way.
    play: u32,
    /// How far it is in it.
    place: PlayPlace,
    /// At that place it may have had another host run a step.
    may_have_asked: bool,
    /// A step wants the handlers to run now, until they have.
    flush: bool,
    /// What failed before the handlers are run.
    failed: Option<Failure>,
    /// Where the job goes on after a boot, until that step is reached.
    resume: Option<Resume>,
    /// What runs in the background, in the order in which it was started.
    background: Vec<Running<'a>>,
    /// How steps have ended that may run in the background, by their indices.
    beside: BTreeMap<u32, background::Ended>,
    /// Whether the step in hand runs, once the person was asked. It holds for all elements of its loop.
    consent: Option<bool>,
}

/// What one step comes to, for the steps after it.
struct StepEnd {
    outcome: StepOutcome,
    failure: Option<Failure>,
    result: Registered,
}

impl<'a, 'b, 'j> Worker<'a, 'b, 'j> {
    fn new(
        job: &'a Job,
        host: &'a dyn Probe,
        state: &StateDir,
        link: &'a dyn Link,
        target: &'a mut Target<'b, 'j>,
    ) -> Self {
        Worker {
            job,
            host,
            link,
            target,
            context: Context::new(job),
            brought: Rc::new(brought(job, state)),
            notified: Vec::new(),
            maybe: Vec::new(),
            changed: false,
            play: 0,
            place: PlayPlace::default(),
            may_have_asked: false,
            flush: false,
            failed: None,
            resume: None,
            background: Vec::new(),
            beside: BTreeMap::new(),
            consent: None,
        }
    }

    fn work(mut self) -> HostEnd {
        if let Err(failure) = self.load_owed().and_then(|()| self.take_up()) {
            return HostEnd::because(HostOutcome::Failed, failure);
        }
        let mut failure = None;
        for (at, play) in self.plays().into_iter().enumerate() {
            self.place = PlayPlace::start_of(play);
            let waits = at > 0 || (self.job.work.serves && self.resume.is_none());
            if waits && let Err(end) = self.await_play(play) {
                return self.end_early(failure, end);
            }
            self.play = play;
            let in_play = self.run_play();
            failure = failure.or(in_play);
            if self.link.stopping() || (failure.is_some() && !self.goes_on()) {
                break;
            }
        }
        self.hand_on();
        self.place = PlayPlace::start_of(LAST);
        if self.job.work.serves
            && failure.is_none()
            && let Err(end) = self.await_play(LAST)
        {
            return self.end_early(failure, end);
        }
        let verdict = self.verdict(failure);
        self.close(verdict)
    }

    /// The host ends before its next play.
    fn end_early(mut self, failure: Option<Failure>, end: HostEnd) -> HostEnd {
        let verdict = match end.outcome {
            HostOutcome::Failed => self.verdict(failure.or(end.failure)),
            _ if failure.is_some() => self.verdict(failure),
            _ => end,
        };
        self.close(verdict)
    }

    /// Steps, rescue, always and handlers of a play; returns what failed and was not rescued.
    fn run_play(&mut self) -> Option<Failure> {
        let job = self.job;
        let mut failure = self.failed.take();
        failure = failure.or(self.run_steps(PlayPart::Steps, &job.work.steps, true));
        if failure.is_some() && job.work.rescue.iter().any(|step| step.play == self.play) {
            failure = self.run_steps(PlayPart::Rescue, &job.work.rescue, false);
        }
        let in_always = self.run_steps(PlayPart::Always, &job.work.always, failure.is_none());
        let failure = failure.or(in_always);
        let in_wait = self.arrive(PlayPart::Handlers, None, failure.is_none());
        let failure = failure.or(in_wait);
        self.failed.clone_from(&failure);
        // What is about to be rolled back needs no handlers.
        let in_handlers = if failure.is_some() && self.undoes() { None } else { self.run_handlers() };
        self.failed = None;
        failure.or(in_handlers)
    }

    /// Runs the steps of a part of the play until one fails, or all of them where failures are only reported; returns the
    /// first failure. `is_well`: nothing has failed before.
    fn run_steps(&mut self, part: PlayPart, steps: &'a [JobStep], is_well: bool) -> Option<Failure> {
        let mut failure = None;
        let mut blocks = Blocks::default();
        let play = self.play;
        for step in steps.iter().filter(|step| step.play == play) {
            if self.link.stopping() {
                return failure.or(self.end_rest(&mut blocks, "the run was stopped"));
            }
            let mut failed = self.arrive(part, Some(step), is_well);
            failed = failed.or(self.end_left(&mut blocks, &step.blocks));
            failed = failed.or(blocks.go_to(&step.blocks));
            if failed.is_none() || self.goes_on() {
                failed = failed.or(self.run_in(&mut blocks, step));
            }
            failure = failure.or(failed);
            if failure.is_some() && !self.goes_on() {
                return failure.or(self.end_rest(&mut blocks, "another step failed"));
            }
        }
        let failure = failure.or(self.end_rest(&mut blocks, "the play ends here"));
        failure.or(blocks.go_to(&[]))
    }

    /// Runs a step unless its blocks leave it out; returns a failure that no block takes.
    fn run_in(&mut self, blocks: &mut Blocks, step: &'a JobStep) -> Option<Failure> {
        if !blocks.runs(&step.blocks) {
            return None;
        }
        let ended = self.run_unless_done(step)?;
        if self.flush {
            let in_background = self.end_all("handlers run now");
            let failure = in_background.or_else(|| self.run_handlers());
            self.flush = false;
            if let Some(failure) = failure {
                return blocks.fail(&step.blocks, failure);
            }
        }
        match ended.outcome == StepOutcome::Failed && !step.ignore_errors {
            true => blocks
                .fail(&step.blocks, ended.failure.unwrap_or_else(|| Failure::new(step.title(), "it failed"))),
            false => None,
        }
    }

    fn verdict(&mut self, failure: Option<Failure>) -> HostEnd {
        let outcome = match (&failure, self.link.stopping(), self.changed) {
            (Some(_), ..) if self.undoes() => return self.undo_all(failure),
            (Some(_), ..) => HostOutcome::Failed,
            (None, true, _) => HostOutcome::Cancelled,
            (None, false, true) => HostOutcome::Changed,
            (None, false, false) => HostOutcome::Ok,
        };
        HostEnd { outcome, failure }
    }

    /// After a boot: what the steps before it have brought, from the controller that kept it meanwhile.
    fn take_up(&mut self) -> Result<()> {
        let Some(resume) = self.job.envelope.resume.as_deref() else { return Ok(()) };
        if let Target::Real(_, journal) = self.target
            && !journal.is_open()
        {
            start::start(journal, self.link)?;
        }
        for (name, known) in &resume.registered {
            self.context.register(name, Registered { known: known.clone(), partial: false });
        }
        resume.variables.iter().for_each(|(name, value)| self.context.set(name, Some(value.clone())));
        self.context.hear(resume.others.clone());
        self.notified.clone_from(&resume.notified);
        self.changed = resume.changed;
        self.failed.clone_from(&resume.failure);
        self.resume = Some(resume.clone());
        Ok(())
    }

    /// Runs a step, unless it was run before the boot. The one that booted the host ends now.
    fn run_unless_done(&mut self, step: &'a JobStep) -> Option<StepEnd> {
        let ended = match &self.resume {
            None => self.run_step(step),
            Some(resume) if resume.step != step.index => return None,
            Some(_) => {
                let resume = self.resume.take()?;
                self.end_boot(step, &resume)
            }
        };
        self.tell_once(step, &ended);
        Some(ended)
    }

    fn undoes(&self) -> bool {
        matches!(self.job.work.on_failure, OnFailure::Undo | OnFailure::UndoHost)
    }

    fn goes_on(&self) -> bool {
        self.job.work.on_failure == OnFailure::Continue
    }

    fn undo_all(&mut self, failure: Option<Failure>) -> HostEnd {
        let journal = match self.target {
            Target::Real(_, journal) if journal.is_open() => journal,
            // Nothing was changed, so there is nothing to roll back.
            Target::Real(..) | Target::Pretended(_) => {
                return HostEnd { outcome: HostOutcome::Failed, failure };
            }
        };
        self.notified.clear();
        let undoer = Undoer {
            host: journal.host(),
            saved: journal.state().saved(journal.run()),
            over: None,
            diff: self.job.work.diff,
            pretends: false,
        };
        let (redactor, entries) = (journal.secrets().redactor().clone(), journal.entries());
        let mut work = undo::UndoWork::new(self.job, self.link, undoer, redactor, journal.run(), entries);
        let groups = groups(journal.entries(), open_changes(journal.entries(), 0));
        let undone = work.all(&groups, &mut OwnLog(journal)).and_then(|()| journal.owe(Vec::new()));
        let left = undone.err().or(work.end().failure);
        let locked_out = match groups.is_empty() {
            true => None,
            false => guard::try_login_after_undo(self.link, journal.entries()).err(),
        };
        match left.or(locked_out) {
            None => HostEnd { outcome: HostOutcome::Undone, failure },
            Some(left) => HostEnd { outcome: HostOutcome::PartlyUndone, failure: and_then(failure, left) },
        }
    }

    /// The verdict is in the journal before it is reported.
    fn close(&mut self, verdict: HostEnd) -> HostEnd {
        let Target::Real(_, journal) = self.target else { return verdict };
        match journal.end(verdict.outcome) {
            Ok(()) => verdict,
            Err(failure) => {
                HostEnd { outcome: HostOutcome::Failed, failure: Some(verdict.failure.unwrap_or(failure)) }
            }
        }
    }

    /// What is owed counts only once the lock is ours: until then, someone may be at work on it.
    fn load_owed(&mut self) -> Result<()> {
        if let Target::Real(_, journal) = self.target
            && self.job.envelope.resume.is_none()
            && !journal.owed()?.is_empty()
        {
            if !journal.is_open() {
                start::start(journal, self.link)?;
            }
            self.notified = journal.owed()?;
        }
        let known: Vec<_> = self.job.work.handlers.iter().map(JobStep::key).collect();
        self.notified.retain(|name| known.contains(name));
        if !self.notified.is_empty() {
            let names = self.notified.join(", ");
            self.link.send(Event::Note(format!(
                "an earlier run did not finish its handlers, so they run now: {names}"
            )));
        }
        Ok(())
    }

    /// Notified handlers are written down before the change that notifies them, so that no crash can lose them.
    fn remember_owed(&mut self) -> Result<()> {
        let owed = self.owed();
        match self.target {
            Target::Real(_, journal) if journal.is_open() => journal.owe(owed),
            _ => Ok(()),
        }
    }

    /// The handlers that were notified, and those that what runs in the background may notify.
    fn owed(&self) -> Vec<String> {
        let beside = self.background.iter().flat_map(|running| running.notifies());
        with(&self.notified, &beside.cloned().collect::<Vec<_>>())
    }

    /// Tells how a step, or one item of it, ended, and remembers what follows from it.
    fn finish(&mut self, step: &JobStep, mut report: StepEnded, result: Registered) -> StepEnd {
        report.ignored = step.ignore_errors && report.outcome == StepOutcome::Failed;
        self.remember_notified(step, report.outcome);
        self.remember_left(&report);
        if let Err(failure) = self.remember_owed() {
            report.outcome = StepOutcome::Failed;
            report.failure = Some(failure);
        }
        if let (StepOutcome::WouldChange, Target::Pretended(pretend)) = (report.outcome, &*self.target) {
            pretend.changed_by(&report.name);
        }
        // The host's own failure is that of its step, and must say no more than the step does.
        let failure = report.failure.as_ref();
        let failure = failure.map(|failure| if step.no_log { silent(&report.name) } else { failure.clone() });
        let ended = StepEnd { outcome: report.outcome, failure, result };
        self.report_end(step, report);
        ended
    }

    fn remember_notified(&mut self, step: &JobStep, outcome: StepOutcome) {
        match outcome {
            StepOutcome::Changed | StepOutcome::WouldChange => {
                self.changed = true;
                self.notified = with(&self.notified, &step.notify);
            }
            StepOutcome::Unknown => {
                self.changed = true;
                self.maybe = with(&self.maybe, &step.notify);
            }
            StepOutcome::Ok | StepOutcome::Skipped | StepOutcome::Failed => {}
        }
    }

    /// A failed step may have changed something that stays, whatever the playbook does about the failure. It notifies no
    /// handler.
    fn remember_left(&mut self, report: &StepEnded) {
        self.changed |= report.undo.changes > 0 && !self.target.is_pretended();
    }

    fn report_end(&mut self, step: &JobStep, report: StepEnded) {
        let report = if step.no_log { hidden(report) } else { report };
        if let Target::Real(_, journal) = self.target
            && let Err(failure) = journal.step_ended(&report)
        {
            self.link.send(Event::Note(failure.to_string()));
        }
        self.link.send(Event::StepEnded(report));
    }
}

/// Why a run failed, and what of it could not be undone.
fn and_then(failure: Option<Failure>, left: Failure) -> Option<Failure> {
    let Some(failure) = failure else { return Some(left) };
    Some(Failure { why: format!("{}; then: {}: {}", failure.why, left.doing, left.why), ..failure })
}

fn with(names: &[String], more: &[String]) -> Vec<String> {
    let new = more.iter().filter(|name| !names.contains(name));
    names.iter().chain(new).cloned().collect()
}

#[cfg(all(test, feature = "controller"))]
mod tests;
