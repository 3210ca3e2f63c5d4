//! Brings hosts together that ended a step in the same way. A step is reported once every host has passed it.

use crate::model::delegation::{FIRST, LAST};
use crate::model::event::{Event, StepEnded};
use crate::model::outcome::StepOutcome;
use crate::model::run::{HostEvent, RunEvent, RunEventKind};
use crate::record::RunRecord;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// Elements of a loop that are reported one by one, of one host; the step's own line counts the others.
const ITEMS_TOLD: usize = 100;

/// Steps by host, until they can be reported.
#[derive(Debug, Default)]
pub struct Groups {
    places: HashMap<String, usize>,
    names: Vec<String>,
    /// Every step below this has been passed by the host, or will not be reached; by the host's place.
    passed: Vec<u32>,
    waiting: BTreeMap<Position, BTreeMap<usize, HostStep>>,
    /// Steps that run in the background, by the host's place: they are reported where they are waited for.
    beside: HashSet<(usize, u32)>,
}

/// Where a step is reported: the step that had been reached when it ended, then the step itself.
type Position = (u32, u32);

#[derive(Debug, Default)]
struct HostStep {
    /// It was started in the background, and has not ended.
    is_start: bool,
    whole: Option<StepEnded>,
    items: Vec<StepEnded>,
}

/// Hosts that ended a step in the same way.
#[derive(Debug, PartialEq)]
pub struct Group {
    /// In the order of the run.
    pub hosts: Vec<String>,
    /// They have not ended it: it was started in the background.
    pub is_start: bool,
    /// How it ended, except for the time it took.
    pub step: StepEnded,
    /// Elements of its loop that did not end `ok` or `skipped`, or have a message.
    pub items: Vec<StepEnded>,
    /// The slowest host's time.
    pub took: Duration,
}

impl Groups {
    /// Knows the hosts of a run.
    pub fn new(record: &RunRecord) -> Self {
        let names = record.intent.hosts.clone();
        let places = names.iter().cloned().zip(0..).collect();
        Groups {
            places,
            passed: vec![0; names.len()],
            names,
            waiting: BTreeMap::new(),
            beside: HashSet::new(),
        }
    }

    /// The steps of a run that is on record.
    pub fn of(record: &RunRecord, with_output: bool) -> Self {
        let mut groups = Groups::new(record);
        for (place, host) in record.hosts().iter().enumerate() {
            host.steps.iter().for_each(|step| groups.keep(place, step, with_output));
        }
        groups
    }

    /// Takes in what happened next. Output is kept of steps that failed, and of all when it is to be shown.
    pub fn fold(&mut self, event: &RunEvent, with_output: bool) {
        let RunEventKind::Host { host, event } = &event.what else { return };
        let Some(&place) = self.places.get(host) else { return };
        match event {
            HostEvent::Said(Event::StepStarted { step, .. }) => self.reach_own(place, *step),
            HostEvent::Said(Event::StepBackground { step, name }) => self.start(place, *step, name),
            HostEvent::Said(Event::StepEnded(step)) => self.keep(place, step, with_output),
            // It has done its own steps, and stays for those of others.
            HostEvent::Said(Event::AwaitsPlay { play: LAST, .. }) => self.reach(place, FIRST),
            HostEvent::Ended { .. } => self.reach(place, u32::MAX),
            _ => {}
        }
    }

    /// Takes the groups of all steps that every host has passed, in the playbook's order.
    pub fn settled(&mut self) -> Vec<Group> {
        let passed_by_all = self.passed.iter().copied().min().unwrap_or(0);
        let later = self.waiting.split_off(&(passed_by_all, 0));
        let settled = std::mem::replace(&mut self.waiting, later);
        self.grouped(settled)
    }

    /// Takes the groups of all steps that are left.
    pub fn rest(&mut self) -> Vec<Group> {
        let rest = std::mem::take(&mut self.waiting);
        self.grouped(rest)
    }

    /// A host may run steps of others between its own.
    fn reach_own(&mut self, place: usize, step: u32) {
        if step < FIRST || self.passed[place] >= FIRST {
            self.reach(place, step);
        }
    }

    fn reach(&mut self, place: usize, step: u32) {
        self.passed[place] = self.passed[place].max(step);
    }

    fn start(&mut self, place: usize, step: u32, name: &str) {
        self.beside.insert((place, step));
        let started = StepEnded::new(step, name.to_string(), StepOutcome::Ok);
        let start = HostStep { is_start: true, whole: Some(started), items: Vec::new() };
        self.waiting.entry((step, step)).or_default().insert(place, start);
        self.reach(place, step.saturating_add(1));
    }

    fn keep(&mut self, place: usize, step: &StepEnded, with_output: bool) {
        // What was found differs from host to host, and is reported at the end.
        let mut kept = StepEnded { findings: Vec::new(), ..step.clone() };
        if !with_output && step.outcome != StepOutcome::Failed {
            kept.output = None;
        }
        let beside = self.beside.contains(&(place, step.step));
        let reached = if beside { self.passed[place].max(step.step) } else { step.step };
        let host_step = self.waiting.entry((reached, step.step)).or_default().entry(place).or_default();
        match step.item {
            None => {
                host_step.whole = Some(kept);
                self.reach(place, step.step.saturating_add(1));
            }
            Some(_) if is_quiet(step) || host_step.items.len() >= ITEMS_TOLD => {}
            Some(_) => host_step.items.push(StepEnded { took: Duration::ZERO, ..kept }),
        }
    }

    fn grouped(&self, steps: BTreeMap<Position, BTreeMap<usize, HostStep>>) -> Vec<Group> {
        steps.into_values().flat_map(|hosts| self.groups_of_step(hosts)).collect()
    }

    fn groups_of_step(&self, hosts: BTreeMap<usize, HostStep>) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (place, HostStep { is_start, whole, items }) in hosts {
            // A loop that was cut short has elements only; the last one stands for it.
            let Some(whole) = whole.or_else(|| items.last().cloned()) else { continue };
            let (name, took) = (self.names[place].clone(), whole.took);
            let step = StepEnded { took: Duration::ZERO, ..whole };
            let is_same =
                |group: &&mut Group| group.is_start == is_start && group.step == step && group.items == items;
            match groups.iter_mut().find(is_same) {
                Some(group) => {
                    group.hosts.push(name);
                    group.took = group.took.max(took);
                }
                None => groups.push(Group { hosts: vec![name], is_start, step, items, took }),
            }
        }
        groups
    }
}

/// Whether an element of a loop has nothing to say: one that is fine may have a message.
fn is_quiet(step: &StepEnded) -> bool {
    match step.outcome {
        StepOutcome::Ok => step.notes.is_empty(),
        outcome => outcome == StepOutcome::Skipped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::HostOutcome;
    use crate::record::examples::*;

    /// What is reported after each event: `hosts outcome step`.
    fn told(hosts: &[&str], events: Vec<RunEvent>) -> Vec<String> {
        let mut groups = Groups::new(&record(intent(hosts), &[]));
        let mut told = Vec::new();
        for event in events {
            groups.fold(&event, false);
            told.extend(groups.settled().iter().map(shown));
        }
        told.extend(groups.rest().iter().map(shown));
        told
    }

    fn shown(group: &Group) -> String {
        let outcome = if group.is_start { "started" } else { group.step.outcome.as_str() };
        format!("{} {outcome} {}", group.hosts.join(","), group.step.step)
    }

    fn ends(host: &str, step: StepEnded) -> RunEvent {
        event(1, host, HostEvent::Said(Event::StepEnded(step)))
    }

    #[test]
    fn a_step_waits_for_all_hosts_and_equal_ends_are_one() {
        let events = vec![
            ends("a", step(0, StepOutcome::Ok)),
            ends("a", step(1, StepOutcome::Ok)),
            ends("b", step(0, StepOutcome::Changed)),
            ends("c", step(0, StepOutcome::Ok)),
            event(2, "b", HostEvent::Ended { outcome: HostOutcome::Unknown, failure: None }),
            ends("c", step(1, StepOutcome::Ok)),
        ];
        assert_eq!(told(&["a", "b", "c"], events), ["a,c ok 0", "b changed 0", "a,c ok 1"]);
    }

    #[test]
    fn a_host_that_ended_holds_nobody_up() {
        let mut events = unreachable("b");
        events.push(ends("a", step(0, StepOutcome::Ok)));
        assert_eq!(told(&["a", "b"], events), ["a ok 0"]);
    }

    #[test]
    fn a_step_in_the_background_is_reported_where_it_starts_and_where_it_is_waited_for() {
        let mut events = Vec::new();
        for host in ["a", "b"] {
            let said = |what| event(1, host, HostEvent::Said(what));
            events.push(said(Event::StepBackground { step: 0, name: "build".into() }));
            events.push(ends(host, step(1, StepOutcome::Ok)));
            events.push(said(Event::StepStarted { step: 2, item: None, name: "wait".into() }));
            events.push(said(Event::StepStarted { step: 0, item: None, name: "build".into() }));
            events.push(ends(host, step(0, StepOutcome::Changed)));
            events.push(ends(host, step(2, StepOutcome::Ok)));
        }
        let expected = ["a,b started 0", "a,b ok 1", "a,b changed 0", "a,b ok 2"];
        assert_eq!(told(&["a", "b"], events), expected);
    }

    #[test]
    fn elements_belong_to_their_step() {
        let item = StepEnded { item: Some(0), ..changed(3) };
        let quiet = StepEnded { item: Some(1), ..step(3, StepOutcome::Ok) };
        let mut groups = Groups::new(&record(intent(&["a"]), &[]));
        for step in [item.clone(), quiet, changed(3)] {
            groups.fold(&ends("a", step), false);
        }
        let group = &groups.settled()[0];
        assert_eq!(group.items, vec![StepEnded { took: Duration::ZERO, ..item }]);
    }
}
