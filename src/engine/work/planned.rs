//! Applies a saved plan on its host: under the host's lock it is looked whether each step would do what the plan says, and
//! only then anything is changed. All of that is one job, so it costs no round trip.

use super::{Worker, check};
use crate::engine::journal::Journal;
use crate::engine::link::{Assets, Link};
use crate::engine::start;
use crate::engine::state_dir::StateDir;
use crate::engine::target::Target;
use crate::model::backup::Answered;
use crate::model::delegation::{Awaited, PlayPlace, Reply};
use crate::model::event::{Event, StepEnded};
use crate::model::job::{Job, PlannedStep, Resume};
use crate::model::op::Asset;
use crate::model::outcome::{HostEnd, HostOutcome};
use crate::model::{Failure, Result, refusal};
use crate::system::System;
use std::cell::RefCell;
use std::io::Read;
use std::time::{Duration, Instant};

/// So many changes of a step that has moved are named.
const CHANGES_NAMED: usize = 3;

/// Applies the plan, unless the host has moved.
pub fn apply(
    job: &Job,
    host: &dyn System,
    state: &StateDir,
    link: &dyn Link,
    mut journal: Journal<'_>,
    planned: &[PlannedStep],
) -> HostEnd {
    let changes = planned.iter().any(PlannedStep::may_change);
    if changes && !journal.is_open() {
        match start::start(&mut journal, link) {
            Ok(found) => found.into_iter().for_each(|line| link.send(Event::Note(line))),
            Err(failure) => return HostEnd::because(HostOutcome::Failed, failure),
        }
    }
    let silent = Listener::new(link, false);
    let looked = check(job, host, state, &silent, &journal);
    let steps = silent.steps.into_inner();
    if let Some(end) = refused(planned, &steps, &looked) {
        return match journal.end(end.outcome) {
            Ok(()) => end,
            Err(failure) => HostEnd::because(HostOutcome::Failed, end.failure.unwrap_or(failure)),
        };
    }
    if !changes {
        steps.into_iter().for_each(|step| link.send(Event::StepEnded(step)));
        return looked;
    }
    Worker::new(job, host, state, link, &mut Target::Real(host, journal)).work()
}

/// Looks whether the host has moved, and changes nothing.
pub fn look(
    job: &Job,
    host: &dyn System,
    state: &StateDir,
    link: &dyn Link,
    journal: &Journal<'_>,
    planned: &[PlannedStep],
) -> HostEnd {
    let listener = Listener::new(link, true);
    let looked = check(job, host, state, &listener, journal);
    refused(planned, &listener.steps.into_inner(), &looked).unwrap_or(looked)
}

/// How the host ends when its steps would not do what the plan says.
fn refused(planned: &[PlannedStep], seen: &[StepEnded], looked: &HostEnd) -> Option<HostEnd> {
    if looked.outcome == HostOutcome::Cancelled {
        return Some(looked.clone());
    }
    let moved = (0..planned.len().max(seen.len()))
        .find_map(|place| difference(planned.get(place), seen.get(place)))?;
    Some(HostEnd::because(HostOutcome::Failed, refusal::moved(&moved)))
}

fn difference(planned: Option<&PlannedStep>, seen: Option<&StepEnded>) -> Option<String> {
    match (planned, seen) {
        (Some(plan), Some(seen)) if (plan.step, plan.item) != (seen.step, seen.item) => Some(format!(
            "the plan continues with {}, but the host with {}",
            title(&plan.name, plan.item),
            title(&seen.name, seen.item)
        )),
        (Some(plan), Some(seen)) if plan.outcome != seen.outcome => {
            let why = seen.failure.as_ref().map(|failure| format!(": {}: {}", failure.doing, failure.why));
            let (was, is) = (plan.outcome, seen.outcome);
            let title = title(&seen.name, seen.item);
            Some(format!("{title}: {was} in the plan, {is} now{}", why.unwrap_or_default()))
        }
        (Some(plan), Some(seen)) if plan.fingerprint != seen.fingerprint => {
            let title = title(&seen.name, seen.item);
            let would = seen.changes.iter().take(CHANGES_NAMED).cloned().collect::<Vec<_>>().join("; ");
            Some(format!("{title}: it would change something else than when the plan was made ({would})"))
        }
        (Some(plan), None) => Some(format!("{} is not reached any more", title(&plan.name, plan.item))),
        (None, Some(seen)) => Some(format!("{} is not in the plan", title(&seen.name, seen.item))),
        _ => None,
    }
}

fn title(name: &str, item: Option<u32>) -> String {
    match item {
        Some(item) => format!("step `{name}`, element {}", item + 1),
        None => format!("step `{name}`"),
    }
}

/// Hears how steps end while it is only looked.
struct Listener<'a> {
    link: &'a dyn Link,
    passes_on: bool,
    steps: RefCell<Vec<StepEnded>>,
}

impl<'a> Listener<'a> {
    fn new(link: &'a dyn Link, passes_on: bool) -> Self {
        Listener { link, passes_on, steps: RefCell::default() }
    }
}

impl Link for Listener<'_> {
    fn send(&self, event: Event) {
        if let Event::StepEnded(step) = &event {
            self.steps.borrow_mut().push(step.clone());
        }
        if self.passes_on {
            self.link.send(event);
        }
    }

    fn answer(&self, request: u32, within: Duration) -> Result<Option<Answered>> {
        self.link.answer(request, within)
    }

    /// Nothing is changed, so that no host has to wait for another one.
    fn hear(&self, _: Awaited, _: PlayPlace, _: Instant) -> Result<Option<Reply>> {
        Ok(Some(Reply::Play(Box::default())))
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
        Err(Failure::new("reboot", "this run only looks at what would change"))
    }

    fn confirm(&self, _: &[u16], _: Instant) -> Result<(), String> {
        Err("this run only looks at what would change".to_string())
    }
}

impl Assets for Listener<'_> {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        self.link.open(asset)
    }

    fn expect(&self, assets: Vec<Asset>) {
        self.link.expect(assets);
    }
}
