//! Steps with `on`: a host has them run on another one, with its own variables, results and facts, and goes on with the
//! result. The other host holds its lock, journal and record of them.

use super::one::{Gate, blank};
use super::{StepEnd, Worker, with};
use crate::engine::context::{Context, Registered};
use crate::engine::facts;
use crate::engine::link::{Assets, Link};
use crate::model::backup::Answered;
use crate::model::delegation::{DelegatedStep, FACTS, PlayPlace};
use crate::model::event::{Event, StepEnded};
use crate::model::job::{Envelope, Job, JobStep, Resume};
use crate::model::once::OnceEnded;
use crate::model::op::Asset;
use crate::model::outcome::StepOutcome;
use crate::model::play::{self, Given, LARGEST};
use crate::model::{Failure, Result, Value, Values};
use crate::system::Brought;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::rc::Rc;
use std::time::{Duration, Instant};

impl Worker<'_, '_, '_> {
    /// Has the step, or one element of its loop, run on the host that it names, and ends as it did there. `locals`: the
    /// values of the step's own names.
    pub(super) fn delegate(
        &mut self,
        step: &JobStep,
        item: Option<u32>,
        host: &str,
        locals: &Values,
    ) -> StepEnd {
        let began = Instant::now();
        // Of a loop that it runs whole, the other host decides element by element.
        let is_whole_loop = step.items.is_some() && item.is_none();
        let gate = if is_whole_loop { Ok(Gate::Run) } else { self.gate(step, locals) };
        let left_out = gate.and_then(|gate| match gate {
            Gate::Run => {
                let refused = self.asked_for(step, locals)?;
                Ok(refused.map(|why| (StepOutcome::Skipped, why.to_string())))
            }
            Gate::Skip(why) => Ok(Some((StepOutcome::Skipped, why))),
            Gate::Unknown(why) => Ok(Some((StepOutcome::Unknown, why))),
        });
        let mut report = blank(step, item, StepOutcome::Ok, began);
        report.name = match item {
            Some(_) => self.name_of_item(step, locals),
            None => self.name(step, locals),
        };
        match left_out {
            Ok(None) => {}
            Ok(Some((outcome, why))) => return self.end_gated(step, report, outcome, why),
            Err(failure) => return self.end_delegated(step, report, OnceEnded::failed(failure)),
        }
        self.link.send(Event::StepStarted { step: step.index, item, name: report.name.clone() });
        let ended = self.looked_at_by(step).and_then(|given| {
            self.link.send(Event::Delegates { step: step.index, item, given });
            self.hear_end(step.index, host)
        });
        report.took = began.elapsed();
        match ended {
            Ok(Some(ended)) => {
                let mut ended = ended;
                report.notes.push(format!("ran on {host}: {}", ended.outcome.as_str().replace('_', " ")));
                ended.failure = ended
                    .failure
                    .map(|failure| Failure { doing: format!("on {host}: {}", failure.doing), ..failure });
                self.end_delegated(step, report, ended)
            }
            Ok(None) => {
                let why = format!("the run was stopped while it waited for {host}");
                self.end_gated(step, report, StepOutcome::Skipped, why)
            }
            Err(failure) => self.end_delegated(step, report, OnceEnded::failed(failure)),
        }
    }

    /// Nothing was changed here: a step that changed something on the other host is `ok`, and notifies handlers.
    fn end_delegated(&mut self, step: &JobStep, mut report: StepEnded, ended: OnceEnded) -> StepEnd {
        let changed = matches!(ended.outcome, StepOutcome::Changed | StepOutcome::WouldChange);
        report.outcome = if changed { StepOutcome::Ok } else { ended.outcome };
        report.failure = ended.failure;
        if ended.outcome == StepOutcome::Failed && report.failure.is_none() {
            report.failure = Some(Failure::new(step.title(), "it failed"));
        }
        let mut notified = Ok(());
        if changed {
            self.notified = with(&self.notified, &step.notify);
            notified = self.remember_owed();
        }
        if let Err(failure) = self.learn(ended.secrets).and(notified) {
            (report.outcome, report.failure) = (StepOutcome::Failed, Some(failure));
        }
        self.finish(step, report, Registered { known: ended.known, partial: ended.partial })
    }

    /// What the step looks at that only this host knows: what steps have given names, and facts.
    fn looked_at_by(&self, step: &JobStep) -> Result<Given> {
        let doing = "hand on values to the host that runs it";
        let mut text = serde_json::to_string(step).unwrap_or_default();
        text.extend(self.job.work.templates.values().map(String::as_str));
        let mut given = self.context.held_in(&text);
        if text.contains(FACTS) {
            let named: Vec<&str> =
                facts::names().iter().copied().filter(|name| text.contains(*name)).collect();
            let names = if named.is_empty() { facts::names().to_vec() } else { named };
            let mut known = Values::new();
            for name in names {
                let value = facts::read(name, self.host).transpose()?.unwrap_or(Value::Null);
                known.insert(name.to_string(), value);
            }
            given.insert(FACTS.to_string(), Some(known.into()));
        }
        match play::size(&given) {
            size if size > LARGEST => {
                let why = format!("its results and facts have {size} bytes, and it gets at most {LARGEST}");
                Err(Failure::new(doing, why).hint("set a variable to the part that the step needs"))
            }
            _ => Ok(given),
        }
    }

    /// Runs a step of another host here, and reports how it ended.
    pub(super) fn serve(&mut self, delegated: DelegatedStep) {
        let number = delegated.number;
        let learned = self.learn(delegated.work.secrets.clone());
        let ended = match learned.and_then(|()| self.run_delegated(delegated)) {
            Ok(ended) => ended,
            Err(failure) => OnceEnded::failed(failure),
        };
        self.link.send(Event::RanDelegated { number, ended: Box::new(ended) });
    }

    fn run_delegated(&mut self, delegated: DelegatedStep) -> Result<OnceEnded> {
        let DelegatedStep { of, work, given, .. } = delegated;
        let envelope = Envelope { asks: false, resume: None, ..self.job.envelope.clone() };
        let job = Job { envelope, work };
        let [step] = &job.work.steps[..] else {
            return Err(Failure::new(format!("run a step for {of}"), "its job has not one step"));
        };
        let mut context = Context::new(&job);
        given.into_iter().for_each(|(name, value)| context.set(&name, value));
        let brought = Brought {
            run: job.envelope.run.clone(),
            memory: self.brought.memory.clone(),
            trees: job.work.trees.clone(),
        };
        let link = Lent { link: self.link, job: &job };
        let mut worker = Worker {
            background: Vec::new(),
            beside: BTreeMap::new(),
            job: &job,
            host: self.host,
            link: &link,
            target: &mut *self.target,
            context,
            brought: Rc::new(brought),
            notified: Vec::new(),
            maybe: Vec::new(),
            changed: false,
            play: step.play,
            place: PlayPlace::default(),
            may_have_asked: false,
            flush: false,
            failed: None,
            resume: None,
            consent: None,
        };
        let ended = worker.run_step(step);
        let (handed_on, changed) = (worker.handed_on(step, &ended), worker.changed);
        self.changed |= changed;
        if changed {
            self.context.forget_facts();
        }
        Ok(handed_on)
    }
}

/// The link of a host that runs a step for another one, whose small files came with it.
struct Lent<'a> {
    link: &'a dyn Link,
    job: &'a Job,
}

impl Link for Lent<'_> {
    fn send(&self, event: Event) {
        self.link.send(event);
    }

    fn answer(&self, request: u32, within: Duration) -> Result<Option<Answered>> {
        self.link.answer(request, within)
    }

    fn stopping(&self) -> bool {
        self.link.stopping()
    }

    fn killed(&self) -> Option<String> {
        self.link.killed()
    }

    fn guard(&self) -> Result<String> {
        self.link.guard()
    }

    fn reboot(&self, _: Resume) -> Result<()> {
        Err(Failure::new("reboot", "the host runs this step for another one, which waits for it")
            .hint("give the host that boots a play of its own"))
    }

    fn confirm(&self, ports: &[u16], until: Instant) -> Result<(), String> {
        self.link.confirm(ports, until)
    }
}

impl Assets for Lent<'_> {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        match self.job.inline(asset) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes))),
            None => self.link.open(asset),
        }
    }

    fn expect(&self, assets: Vec<Asset>) {
        self.link.expect(assets.into_iter().filter(|asset| self.job.inline(asset).is_none()).collect());
    }
}
