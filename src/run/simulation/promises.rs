//! What every run keeps, whatever went wrong: compares what was reported with what really happened.

use super::network::Simulated;
use super::plan::Plan;
use super::truth::Truth;
use super::{Ended, Instant};
use crate::model::event::Event;
use crate::model::outcome::{HostOutcome, StepOutcome};
use crate::model::run::{HostEvent, RunEventKind};
use crate::run::is_failure;
use std::collections::BTreeMap;

type Checked = Result<(), String>;

/// Fails with what was not kept.
pub fn check(plan: &Plan, network: &Simulated, ended: &Ended) -> Checked {
    let truth = network.truths.all();
    let reported = reported(ended);
    for host in &plan.hosts {
        let (truth, reported) = (&truth[&host.name], reported.get(&host.name));
        let reported = reported.ok_or_else(|| format!("{} has no events", host.name))?;
        let of_host = one_verdict(plan, ended, &host.name, reported)
            .and_then(|()| no_false_verdict(truth, reported))
            .and_then(|()| only_what_was_said(truth, reported))
            .and_then(|()| no_step_twice(truth));
        of_host.map_err(|breach| format!("{}: {breach}\n{truth:#?}\n{reported:#?}", host.name))?;
    }
    slots(plan, network, &truth)?;
    batches(plan, &truth, &reported)?;
    stops(plan, ended, &truth, &reported)
}

/// What was reported of one host.
#[derive(Debug, Default)]
struct Reported {
    /// Its verdicts, each with its time: of the job and of its undo.
    verdicts: Vec<(Instant, HostOutcome)>,
    steps: Vec<(u32, StepOutcome)>,
    /// Whether something was reported after the last verdict.
    after: bool,
}

fn reported(ended: &Ended) -> BTreeMap<String, Reported> {
    let mut all = BTreeMap::<String, Reported>::new();
    for (at, event) in &ended.events {
        let RunEventKind::Host { host, event } = &event.what else { continue };
        let reported = all.entry(host.clone()).or_default();
        reported.after = true;
        match event {
            HostEvent::Said(Event::StepEnded(step)) => reported.steps.push((step.step, step.outcome)),
            HostEvent::Ended { outcome, .. } => {
                reported.verdicts.push((*at, *outcome));
                reported.after = false;
            }
            _ => {}
        }
    }
    all
}

fn one_verdict(plan: &Plan, ended: &Ended, host: &str, reported: &Reported) -> Checked {
    let verdicts: Vec<HostOutcome> = reported.verdicts.iter().map(|(_, outcome)| *outcome).collect();
    let fine = match verdicts.as_slice() {
        [_] => true,
        [HostOutcome::Changed, _] => plan.undoes,
        _ => false,
    };
    let last = verdicts.last().copied();
    match fine && !reported.after && ended.outcomes.get(host).copied() == last {
        true => Ok(()),
        false => {
            Err(format!("it has the verdicts {verdicts:?}, and in the end {:?}", ended.outcomes.get(host)))
        }
    }
}

/// `ok`, `changed` and `undone` are said by the host itself; `unreachable` and `cancelled` hide no step that was started.
fn no_false_verdict(truth: &Truth, reported: &Reported) -> Checked {
    let first = reported.verdicts[0].1;
    let said = match first {
        HostOutcome::Ok | HostOutcome::Changed => truth.verdict == Some(first),
        HostOutcome::Unreachable => truth.started.is_empty(),
        HostOutcome::Cancelled => truth.verdict == Some(first) || truth.started.is_empty(),
        _ => true,
    };
    let undone = match reported.verdicts.get(1) {
        None => true,
        Some((_, HostOutcome::Undone | HostOutcome::PartlyUndone)) => truth.undo.is_some(),
        // Its changes are still there.
        Some((_, outcome)) => matches!(outcome, HostOutcome::Failed | HostOutcome::Unknown),
    };
    if said && undone { Ok(()) } else { Err("a verdict is not true".to_string()) }
}

/// The steps on record are those that ended, in their order, and all of them where the host's verdict arrived.
fn only_what_was_said(truth: &Truth, reported: &Reported) -> Checked {
    let whole = matches!(reported.verdicts[0].1, HostOutcome::Ok | HostOutcome::Changed);
    match truth.ended.starts_with(&reported.steps) && (!whole || truth.ended == reported.steps) {
        true => Ok(()),
        false => Err("the steps on record are not those that ended".to_string()),
    }
}

fn no_step_twice(truth: &Truth) -> Checked {
    match truth.started.values().all(|times| *times == 1) {
        true => Ok(()),
        false => Err("a step was started twice".to_string()),
    }
}

/// No more hosts at once than there are slots, one name of a machine at a time, and nothing open in the end.
fn slots(plan: &Plan, network: &Simulated, truth: &BTreeMap<String, Truth>) -> Checked {
    let (hosts, of_machine) = *network.most.lock().map_err(|_| "the network failed")?;
    if hosts > plan.forks || of_machine > 1 {
        return Err(format!("{hosts} hosts at once with {} slots, {of_machine} of one machine", plan.forks));
    }
    match truth.iter().find(|(_, truth)| truth.open > 0) {
        Some((host, _)) => Err(format!("{host} is still connected when the run has ended")),
        None => Ok(()),
    }
}

/// A batch starts after the one before has ended, and only when that was fine.
fn batches(plan: &Plan, truth: &BTreeMap<String, Truth>, reported: &BTreeMap<String, Reported>) -> Checked {
    let most = plan.max_failures.unwrap_or(1).max(1) as usize;
    let (mut failed, mut over) = (0, None::<Instant>);
    for batch in plan.batches() {
        let started = batch.iter().filter_map(|host| truth[host].contacted.first());
        // Who reads slowly sees the end of a batch late.
        let early =
            plan.slow_reader.is_zero() && started.clone().any(|start| over.is_some_and(|over| *start < over));
        if early || (failed >= most && started.count() > 0) {
            return Err(format!("the batch {batch:?} starts too early, or after {failed} failures"));
        }
        let verdicts = || batch.iter().map(|host| reported[host].verdicts[0]);
        failed += verdicts().filter(|(_, outcome)| is_failure(*outcome)).count();
        over = verdicts().map(|(at, _)| at).max();
    }
    Ok(())
}

/// No host is contacted after Ctrl-C, or after too many have failed. What happens at the same instant may go either way.
fn stops(
    plan: &Plan,
    ended: &Ended,
    truth: &BTreeMap<String, Truth>,
    reported: &BTreeMap<String, Reported>,
) -> Checked {
    let mut failures: Vec<Instant> = reported
        .values()
        .map(|host| host.verdicts[0])
        .filter(|(_, outcome)| is_failure(*outcome))
        .map(|(at, _)| at)
        .collect();
    failures.sort();
    let too_many = plan.max_failures.and_then(|most| failures.get(most.max(1) as usize - 1)).copied();
    for (host, truth) in truth {
        let first = truth.contacted.first();
        let late = |stop: Option<Instant>| first.zip(stop).is_some_and(|(first, stop)| *first > stop);
        if late(too_many) {
            return Err(format!("{host} was contacted after too many failures"));
        }
        if late(ended.stopped) {
            return Err(format!("{host} was contacted after Ctrl-C"));
        }
    }
    Ok(())
}
