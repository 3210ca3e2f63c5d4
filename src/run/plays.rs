//! Plays one after the other on the hosts of a run. A host that is in several keeps its connection and its agent in between,
//! and waits there until its next play starts.

use super::{Fleet, Task, Work, batches, machine, one_host, stops_at};
use crate::model::outcome::HostOutcome;
use crate::model::play::{Given, PlayStart};
use crate::model::{Failure, Result};
use crate::playbook::plays::Stage;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;

/// Where the hosts are between their plays.
#[derive(Clone)]
pub struct PlayBoard(Arc<watch::Sender<BTreeMap<String, Between>>>);

/// One host between its plays.
#[derive(Default)]
struct Between {
    /// The play that it waits for.
    awaits: Option<u32>,
    /// The play that it may start, with what it should know. Each host waits for its own.
    opened: watch::Sender<Option<(u32, PlayStart)>>,
    /// What it has given variables that other hosts look at.
    given: Given,
    /// Its place among the hosts that are worked at once; it has none while it waits.
    slot: Option<OwnedSemaphorePermit>,
    /// It has ended.
    is_gone: bool,
}

impl Default for PlayBoard {
    fn default() -> Self {
        PlayBoard(Arc::new(watch::Sender::new(BTreeMap::new())))
    }
}

impl PlayBoard {
    /// The host has done its plays before this one.
    pub fn reached(&self, host: &str, play: u32, given: Given) {
        self.change(host, |between| {
            between.awaits = Some(play);
            between.given = given;
            between.slot = None;
        });
    }

    /// The host has ended, and given this.
    pub fn gave(&self, host: &str, given: Given) {
        self.change(host, |between| between.given = given);
    }

    /// What a host should know that starts this play, as soon as it may.
    pub async fn opened(&self, host: &str, play: u32) -> PlayStart {
        let mut opened = self.change(host, |between| between.opened.subscribe());
        let is_it = |opened: &Option<(u32, PlayStart)>| opened.as_ref().is_some_and(|(of, _)| *of == play);
        let opened = opened.wait_for(is_it).await;
        let start = opened.ok().and_then(|opened| opened.as_ref().map(|(_, start)| start.clone()));
        start.unwrap_or_else(|| PlayStart::refused("the run is over"))
    }

    /// Lets a host start a play.
    fn open(&self, host: &str, play: u32, start: PlayStart, slot: Option<OwnedSemaphorePermit>) {
        self.change(host, |between| {
            between.opened.send_replace(Some((play, start)));
            between.slot = slot.filter(|_| !between.is_gone);
        });
    }

    /// Whether the host is done with a play: it waits for a later one.
    fn is_past(&self, host: &str, play: u32) -> bool {
        self.0.borrow().get(host).is_some_and(|between| between.awaits.is_some_and(|awaits| awaits > play))
    }

    /// Keeps a host's slot until it waits or ends.
    pub(super) fn hold(&self, host: &str, slot: Option<OwnedSemaphorePermit>) {
        self.change(host, |between| between.slot = slot);
    }

    /// A host that has ended takes no slot any more.
    fn leave(&self, host: &str) {
        self.change(host, |between| (between.is_gone, between.slot) = (true, None));
    }

    /// The slot of a host that has ended.
    pub(super) fn take(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        self.change(host, |between| between.slot.take())
    }

    /// What all hosts have given so far.
    fn given(&self) -> BTreeMap<String, Given> {
        let all = self.0.borrow();
        let given = all.iter().filter(|(_, between)| !between.given.is_empty());
        given.map(|(host, between)| (host.clone(), between.given.clone())).collect()
    }

    fn change<T>(&self, host: &str, change: impl FnOnce(&mut Between) -> T) -> T {
        let mut changed = None;
        self.0.send_modify(|all| changed = Some(change(all.entry(host.to_string()).or_default())));
        changed.expect("it is called once")
    }
}

/// A host that waits between two plays holds the lock of its machine, so that another name of that machine could never be worked
/// in the meantime.
pub fn check(work: &[Work], stages: &[Stage]) -> Result<()> {
    let plays =
        |host: &str| stages.iter().filter(|stage| stage.hosts.iter().any(|name| name == host)).count();
    let mut names: HashMap<String, &str> = HashMap::new();
    for work in work.iter().filter(|work| !stages.is_empty() && matches!(work.task, Task::Job(..))) {
        let Some(other) = names.insert(machine(work), &work.host) else { continue };
        if plays(other) > 1 || plays(&work.host) > 1 {
            let why =
                format!("{other} and {} are one machine, and one of them is in several plays", work.host);
            return Err(Failure::new("plan the plays", why).hint("use one name for it in all plays"));
        }
    }
    Ok(())
}

/// Works the stages one after the other.
pub(super) async fn run(
    fleet: &Fleet<'_>,
    work: Vec<Work>,
    stages: &[Stage],
) -> HashMap<String, HostOutcome> {
    let mut hosts = Hosts {
        board: fleet.tools.plays.clone(),
        waiting: work.into_iter().map(|work| (work.host.clone(), work)).collect(),
        running: JoinSet::new(),
        names: HashMap::new(),
        ended: HashMap::new(),
    };
    for stage in stages {
        let stops_at = stage.max_failures.map(|share| stops_at(share, stage.hosts.len()));
        let fleet = Fleet { stops_at, ..fleet.clone() };
        for batch in batches(stage.hosts.clone(), &stage.serial) {
            let stop = fleet.reason_to_stop().filter(|_| stage.needs_the_others);
            hosts.start(&fleet, stage, &batch, stop);
            hosts.finish(&fleet, stage, &batch).await;
        }
    }
    // The playbook of a run that is retried may have changed. Every host ends.
    let left = hosts.waiting.drain().map(|(_, work)| work).collect();
    hosts.ended.extend(fleet.work_batch(left, Some("not started: it is in no play".to_string())).await);
    hosts.ended
}

/// The hosts of a run with several plays.
struct Hosts {
    board: PlayBoard,
    /// Those that have not started, by name.
    waiting: HashMap<String, Work>,
    running: JoinSet<(String, HostOutcome)>,
    names: HashMap<tokio::task::Id, String>,
    ended: HashMap<String, HostOutcome>,
}

impl Hosts {
    /// Starts a play on a batch: hosts that have not been contacted, and those that wait for it.
    fn start(&mut self, fleet: &Fleet<'_>, stage: &Stage, batch: &[String], stop: Option<String>) {
        let others = self.board.given();
        for (at, host) in batch.iter().filter(|host| !self.ended.contains_key(*host)).enumerate() {
            match self.waiting.remove(host) {
                Some(mut work) => {
                    if let Task::Job(job, _) = &mut work.task {
                        job.work.others = others.clone();
                    }
                    let mut start = fleet.start(&work, stop.clone());
                    if at == 0 {
                        start.go_first();
                    }
                    let task = self.running.spawn(one_host(work, start, fleet.tools.clone()));
                    self.names.insert(task.id(), host.clone());
                }
                // The first one runs steps for all, so it must not wait for one of them.
                None => {
                    let slot = fleet.slots.clone().try_acquire_owned().ok().filter(|_| at == 0);
                    let next = match stop.clone() {
                        Some(why) => PlayStart::refused(format!("{}: {why}", stage.name)),
                        None => PlayStart { refusal: None, others: others.clone() },
                    };
                    self.go_on(fleet, host, stage.play, next, slot);
                }
            }
        }
    }

    /// Lets a host start its next play, once there is room among the hosts that are worked at once.
    fn go_on(
        &self,
        fleet: &Fleet<'_>,
        host: &str,
        play: u32,
        start: PlayStart,
        first: Option<OwnedSemaphorePermit>,
    ) {
        let (board, slots, host) = (self.board.clone(), fleet.slots.clone(), host.to_string());
        tokio::spawn(async move {
            // The semaphore is never closed, so there is always a slot in the end.
            let slot = match first {
                Some(slot) => Some(slot),
                None => slots.acquire_owned().await.ok(),
            };
            board.open(&host, play, start, slot);
        });
    }

    /// Waits until every host of the batch has ended or waits for a later play.
    async fn finish(&mut self, fleet: &Fleet<'_>, stage: &Stage, batch: &[String]) {
        let mut changes = self.board.0.subscribe();
        // What is done stays done, so that each host is looked at until it is, and not again.
        let mut left = batch.iter().peekable();
        loop {
            changes.borrow_and_update();
            let is_done =
                |host: &&String| self.ended.contains_key(*host) || self.board.is_past(host, stage.play);
            while left.next_if(is_done).is_some() {}
            if left.peek().is_none() {
                return;
            }
            tokio::select! {
                Some(done) = self.running.join_next_with_id() => {
                    let (host, outcome) = match done {
                        Ok((_, ended)) => ended,
                        Err(panic) => fleet.crashed(self.names[&panic.id()].clone(), &panic).await,
                    };
                    self.board.leave(&host);
                    self.ended.insert(host, outcome);
                }
                _ = changes.changed() => {}
            }
        }
    }
}
