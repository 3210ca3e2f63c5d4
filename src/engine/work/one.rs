//! One step of a job on its host: its items, its gate, its tries.

use super::judge::{Left, fields};
use super::{StepEnd, Worker, set, with};
use crate::engine::context::{Known, Registered};
use crate::engine::converge::{Retried, StepTry};
use crate::engine::fingerprint::Fingerprint;
use crate::engine::progress::StepProgress;
use crate::engine::{state_dir, undo, wait};
use crate::model::arg::Arg;
use crate::model::event::{Event, StepEnded};
use crate::model::job::{BlockPart, JobStep, OutputWanted, Planning, Resume, Streaming};
use crate::model::once::Once;
use crate::model::outcome::StepOutcome;
use crate::model::{Failure, Result, Value, Values, label};
use crate::step::{self, Step};
use crate::system::dressed::Dressed;
use crate::system::{Brought, Probe};
use crate::template::OMITTED;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A step without a `timeout` may take so long.
pub(super) const STEP_TIME: Duration = Duration::from_secs(30 * 60);

/// What is to be done with a step.
enum Prepared {
    One(Values),
    Items(Values, Vec<Value>),
    Skipped(String),
    Unknown(String),
    /// The host of this name runs it for all.
    Elsewhere(String),
    /// The host of this name runs it for this one.
    On(String, Values),
}

/// What `when` says.
pub(super) enum Gate {
    Run,
    Skip(String),
    Unknown(String),
}

/// A step whose keys have been read, as one try has them.
pub(super) struct Ready {
    pub(super) parsed: Box<dyn Step>,
    user: Option<String>,
    environment: BTreeMap<String, String>,
    brought: Rc<Brought>,
    name: String,
}

impl Ready {
    /// The host as the step's questions see it.
    pub(super) fn dressed<'h>(&'h self, host: &'h dyn Probe) -> Dressed<'h> {
        let (user, environment) = (self.user.clone(), self.environment.clone());
        Dressed { host, user, environment, brought: &self.brought }
    }
}

impl<'a, 'b, 'j> Worker<'a, 'b, 'j> {
    pub(super) fn run_step(&mut self, step: &'a JobStep) -> StepEnd {
        let began = Instant::now();
        self.consent = None;
        let ended = match self.prepare(step) {
            Ok(Prepared::Elsewhere(host)) => self.await_once(step, &host),
            Ok(Prepared::On(host, locals)) => self.delegate(step, None, &host, &locals),
            Ok(Prepared::One(locals)) => self.run_item(step, None, &locals),
            Ok(Prepared::Items(locals, items)) => self.run_items(step, &locals, items),
            Ok(Prepared::Skipped(why)) => self.end_without_running(step, StepOutcome::Skipped, why, began),
            Ok(Prepared::Unknown(why)) => self.end_without_running(step, StepOutcome::Unknown, why, began),
            Err(failure) => {
                let mut report = blank(step, None, StepOutcome::Failed, began);
                report.failure = Some(failure);
                self.finish(step, report, Registered::default())
            }
        };
        if self.runs_on(step) {
            return ended;
        }
        if let Some(name) = &step.register {
            self.context.register(name, ended.result.clone());
        }
        self.remember_beside(step, ended.outcome);
        ended
    }

    fn prepare(&mut self, step: &JobStep) -> Result<Prepared> {
        if let Some(why) = &step.skip {
            return Ok(Prepared::Skipped(why.clone()));
        }
        if let Some(Once::On(host)) = &step.once {
            return Ok(Prepared::Elsewhere(host.clone()));
        }
        let mut locals = Values::new();
        if let Some(why) = self.add_vars(&step.vars, &mut locals)? {
            return Ok(Prepared::Unknown(why));
        }
        if let Some(host) = step.on.as_ref().and_then(|on| on.host(None)) {
            return Ok(Prepared::On(host.to_string(), locals));
        }
        let Some(items) = &step.items else { return Ok(Prepared::One(locals)) };
        match self.context.resolve(self.host, &locals, items)? {
            Known::Yes(Value::Array(items)) => Ok(Prepared::Items(locals, items)),
            Known::Yes(other) => Err(Failure::new("loop", format!("it needs a list and got {other}"))),
            Known::No(what) => Ok(Prepared::Unknown(format!("the loop depends on {what}"))),
        }
    }

    /// Resolves variables one after the other; says why when one of them is unknown.
    pub(super) fn add_vars(&self, vars: &[(String, Arg)], locals: &mut Values) -> Result<Option<String>> {
        // What a step gave the name is stronger.
        for (name, arg) in vars.iter().filter(|(name, _)| !self.context.holds(name)) {
            match self.context.resolve(self.host, locals, arg)? {
                Known::Yes(value) => drop(locals.insert(name.clone(), value)),
                Known::No(what) => return Ok(Some(format!("{name} depends on {what}"))),
            }
        }
        Ok(None)
    }

    pub(super) fn end_without_running(
        &mut self,
        step: &JobStep,
        outcome: StepOutcome,
        why: String,
        began: Instant,
    ) -> StepEnd {
        let mut report = blank(step, None, outcome, began);
        report.notes.push(why);
        self.leave_unset(step, outcome);
        let known = fields(outcome, None, &Values::new());
        let result = Registered { known, partial: outcome == StepOutcome::Unknown };
        self.finish(step, report, result)
    }

    pub(super) fn run_item(&mut self, step: &'a JobStep, item: Option<u32>, locals: &Values) -> StepEnd {
        let began = Instant::now();
        let mut report = blank(step, item, StepOutcome::Ok, began);
        report.name = match item {
            Some(_) => self.name_of_item(step, locals),
            None => self.name(step, locals),
        };
        // The clocks of the step start once it is wanted.
        match self.refused_by_person(step, locals) {
            Ok(None) => {}
            Ok(Some(why)) => return self.end_gated(step, report, StepOutcome::Skipped, why.to_string()),
            Err(failure) => {
                report.outcome = StepOutcome::Failed;
                report.failure = Some(failure);
                return self.finish(step, report, Registered::default());
            }
        }
        let began = Instant::now();
        self.link.send(Event::StepStarted { step: step.index, item, name: report.name.clone() });
        match self.gate(step, locals) {
            Ok(Gate::Run) => {}
            Ok(Gate::Skip(why)) => return self.end_gated(step, report, StepOutcome::Skipped, why),
            Ok(Gate::Unknown(why)) => return self.end_gated(step, report, StepOutcome::Unknown, why),
            Err(failure) => {
                report.outcome = StepOutcome::Failed;
                report.failure = Some(failure);
                return self.finish(step, report, Registered::default());
            }
        }
        if !step.waits_for.is_empty() {
            return self.wait(step, report, began);
        }
        if let (Some(within), false) = (step.background, self.target.is_pretended()) {
            return self.run_beside(step, within, locals, report);
        }
        let result = self.try_until_done(step, locals, &mut report);
        report.took = began.elapsed();
        self.finish(step, report, result)
    }

    pub(super) fn end_gated(
        &mut self,
        step: &JobStep,
        mut report: StepEnded,
        outcome: StepOutcome,
        why: String,
    ) -> StepEnd {
        report.outcome = outcome;
        report.notes.push(why);
        self.leave_unset(step, outcome);
        let known = fields(outcome, None, &Values::new());
        self.finish(step, report, Registered { known, partial: outcome == StepOutcome::Unknown })
    }

    /// What the run goes on with once this step has booted the host. Loops, rescue and always are not resumed, nor
    /// handlers before the end.
    fn resume_after(&self, step: &JobStep) -> Option<Resume> {
        let mut places = self.job.work.steps.iter().chain(&self.job.work.handlers);
        let in_body = step.blocks.iter().all(|at| at.part == BlockPart::Body);
        let goes_on =
            step.items.is_none() && in_body && !self.flush && places.any(|place| place.index == step.index);
        goes_on.then(|| Resume {
            step: step.index,
            boot_id: state_dir::boot_id(self.host),
            within: Duration::ZERO,
            registered: self.context.registered(),
            variables: self.context.variables(),
            others: self.context.others(),
            notified: self.notified.clone(),
            changed: self.changed,
            failure: self.failed.clone(),
        })
    }

    /// How a step ended that has booted the host, as it is seen afterwards.
    pub(super) fn end_boot(&mut self, step: &JobStep, resume: &Resume) -> StepEnd {
        let mut report = blank(step, None, StepOutcome::Changed, Instant::now());
        report.name = self.name(step, &Values::new());
        report.tries = 1;
        match state_dir::boot_id(self.host) == resume.boot_id {
            false => report.changes.push("boot the host".to_string()),
            true => {
                report.outcome = StepOutcome::Failed;
                report.failure = Some(Failure::new("reboot", "the host is up, and has not rebooted"));
            }
        }
        let known = fields(report.outcome, None, &Values::new());
        let result = Registered { known, partial: false };
        if let Some(name) = &step.register {
            self.context.register(name, result.clone());
        }
        self.finish(step, report, result)
    }

    pub(super) fn gate(&self, step: &JobStep, locals: &Values) -> Result<Gate> {
        let Some(when) = &step.when else { return Ok(Gate::Run) };
        Ok(match self.context.truth(self.host, locals, when)? {
            Known::Yes(true) => Gate::Run,
            Known::Yes(false) => Gate::Skip(format!("when {when} is false")),
            Known::No(what) => Gate::Unknown(format!("when {when} depends on {what}, unknown until applied")),
        })
    }

    pub(super) fn name(&self, step: &JobStep, locals: &Values) -> String {
        let rendered = step.name.as_ref().map(|name| self.context.resolve(self.host, locals, name));
        match rendered {
            Some(Ok(Known::Yes(Value::String(name)))) => name,
            _ => step.title(),
        }
    }

    /// The step's name with its element, unless the name says already which one it is.
    pub(super) fn name_of_item(&self, step: &JobStep, locals: &Values) -> String {
        let name = self.name(step, locals);
        let label = step.label.as_ref().map(|label| self.context.resolve(self.host, locals, label));
        let label = match label {
            _ if step.no_log => return name,
            Some(Ok(Known::Yes(label))) => label::label(&label),
            _ if name != step.title() => return name,
            _ => locals.get(&step.loop_var).map(label::label).unwrap_or_default(),
        };
        format!("{name}: {label}")
    }

    /// Tries the step as often as `retries` and `until` ask.
    fn try_until_done(&mut self, step: &'a JobStep, locals: &Values, report: &mut StepEnded) -> Registered {
        let deadline = Instant::now() + step.timeout.unwrap_or(STEP_TIME);
        let mut left = Left { before: self.changes_so_far(), changes: Vec::new() };
        loop {
            report.tries += 1;
            let print = self.target.is_pretended() && self.job.work.planning != Planning::No;
            let fingerprint = print.then(|| Fingerprint::of(&self.job.envelope.run));
            let mut done = StepProgress { fingerprint, ..StepProgress::default() };
            let tried = self.try_once(step, report.item, locals, deadline, &mut done, &mut left.changes);
            let mut result = self.judge(step, locals, tried, done, &left, report);
            if step.retries > 0 {
                result.known.insert("attempts".to_string(), report.tries.into());
            }
            // Also after the last try, so that what never became true is a failure.
            let wanted = self.wants_another_try(step, locals, report, &result);
            let again = wanted && report.tries <= step.retries;
            if !again || Instant::now() + step.delay >= deadline {
                if report.outcome == StepOutcome::Failed {
                    result.known.insert("failed".to_string(), Value::Bool(true));
                }
                return result;
            }
            self.keep_left(&mut left);
            let progress = format!("try {} of {} follows", report.tries + 1, step.retries + 1);
            self.link.send(Event::Progress { step: step.index, text: progress });
            if !wait::pause(step.delay, &|| self.link.stopping()) {
                return result;
            }
        }
    }

    fn wants_another_try(
        &mut self,
        step: &JobStep,
        locals: &Values,
        report: &mut StepEnded,
        result: &Registered,
    ) -> bool {
        let Some(until) = &step.until else { return report.outcome == StepOutcome::Failed };
        match self.truth_of(step, locals, until, result) {
            Ok(Known::Yes(met)) => {
                if !met {
                    report.failure = Some(Failure::new(format!("until {until}"), "it never became true"));
                    report.outcome = StepOutcome::Failed;
                }
                !met
            }
            Ok(Known::No(_)) => false,
            Err(failure) => {
                report.outcome = StepOutcome::Failed;
                report.failure = Some(failure);
                false
            }
        }
    }

    /// One try: arguments resolved, keys read, plan performed. An `Err` is the step's failure; what the try had changed
    /// is rolled back then.
    fn try_once(
        &mut self,
        step: &'a JobStep,
        item: Option<u32>,
        locals: &Values,
        deadline: Instant,
        done: &mut StepProgress,
        left: &mut Vec<undo::Left>,
    ) -> Result<()> {
        if set::is_set(step) {
            return self.set(step, locals, done);
        }
        let ready = match self.ready(step, locals)? {
            Known::Yes(ready) => ready,
            Known::No(what) => {
                done.unknown = Some(format!("depends on {what}, unknown until applied"));
                return Ok(());
            }
        };
        if ready.parsed.boots()
            && let Some(failure) = self.end_all("the host is rebooted")
        {
            let doing = format!("wait for what runs in the background: {}", failure.doing);
            return Err(Failure { doing, ..failure });
        }
        self.flush |= ready.parsed.flushes();
        let host = self.host;
        let dressed = ready.dressed(host);
        let before = self.changes_so_far();
        let mut attempt = self.attempt(step, item, (&ready, &dressed), deadline, before, left);
        let tried = attempt.run(done);
        let tried = tried.map_err(|failure| attempt.settle_failure(failure, done));
        if !done.changes.is_empty() || tried.is_err() {
            self.context.forget_facts();
        }
        tried
    }

    /// Resolves the arguments of a step and reads its keys.
    pub(super) fn ready(&self, step: &JobStep, locals: &Values) -> Result<Known<Ready>> {
        let keys = match &step.args {
            Some(args) => self.context.resolve(self.host, locals, args)?,
            None => Known::Yes(Value::Object(Values::new())),
        };
        let keys = match keys {
            Known::Yes(keys) => keys,
            Known::No(what) => return Ok(Known::No(what)),
        };
        Ok(Known::Yes(Ready {
            parsed: step::parse(&step.kind, &keys)?,
            user: step.become_user.clone(),
            environment: self.environment(step, locals)?,
            brought: self.brought.clone(),
            name: self.name(step, locals),
        }))
    }

    /// A try of a step that is ready. `before`: the number of the last change before it.
    pub(super) fn attempt<'t>(
        &'t mut self,
        step: &'t JobStep,
        item: Option<u32>,
        (ready, dressed): (&'t Ready, &'t Dressed<'t>),
        deadline: Instant,
        before: u32,
        left: &'t mut Vec<undo::Left>,
    ) -> StepTry<'t, 'b, 'j> {
        let resume = ready.parsed.boots().then(|| self.resume_after(step)).flatten();
        StepTry {
            run: &self.job.envelope.run,
            index: step.index,
            step: &*ready.parsed,
            dressed,
            diff: self.job.work.diff && !step.no_log,
            output: self.output_of(step, &*ready.parsed),
            deadline,
            judged_elsewhere: step.failed_when.is_some(),
            owes: with(&self.owed(), &step.notify),
            retried: self.retried(step, item),
            link: self.link,
            target: &mut *self.target,
            before,
            step_name: &ready.name,
            armed: None,
            resume,
            left,
        }
    }

    /// The same step in the run that this one retries.
    fn retried(&self, step: &JobStep, item: Option<u32>) -> Option<Retried<'a>> {
        let run = self.job.envelope.retries.as_ref()?;
        let opinions = [&step.until, &step.failed_when, &step.changed_when];
        let needs_output = step.register.is_some() || opinions.into_iter().any(Option::is_some);
        Some(Retried { run, item, needs_output })
    }

    fn environment(&self, step: &JobStep, locals: &Values) -> Result<BTreeMap<String, String>> {
        let mut environment = BTreeMap::new();
        for (name, arg) in &step.environment {
            match self.context.resolve(self.host, locals, arg)? {
                Known::Yes(Value::String(text)) if text == OMITTED => {}
                Known::Yes(Value::String(text)) => drop(environment.insert(name.clone(), text)),
                Known::Yes(value) => drop(environment.insert(name.clone(), value.to_string())),
                Known::No(_) => {}
            }
        }
        Ok(environment)
    }

    /// What is wanted of the output of a step's commands.
    fn output_of(&self, step: &JobStep, parsed: &dyn Step) -> OutputWanted {
        let wanted = self.job.envelope.output;
        let streaming = if step.no_log { Streaming::Nothing } else { parsed.streams().min(wanted.streaming) };
        OutputWanted { streaming, ..wanted }
    }

    pub(super) fn changes_so_far(&self) -> u32 {
        self.target.changes()
    }
}

pub(super) fn blank(step: &JobStep, item: Option<u32>, outcome: StepOutcome, began: Instant) -> StepEnded {
    StepEnded { item, took: began.elapsed(), tries: 0, ..StepEnded::new(step.index, step.title(), outcome) }
}
