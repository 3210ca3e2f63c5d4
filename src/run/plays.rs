//! Plays one after the other on the hosts of a run. A host that is in several keeps its connection and its agent in between,
//! and waits there until its next play starts.

use super::{Fleet, Task, Work, batches, machine, one_host, stops_at};
use crate::model::delegation::LAST;
use crate::model::outcome::HostOutcome;
use crate::model::play::{Given, PlayStart};
use crate::model::{Failure, Result};
use crate::playbook::plays::Stage;
use crate::redact::contained;
use crate::render::looks::{self, Looks};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

/// A host's task with how the host ended.
type Ended = (tokio::task::Id, (String, HostOutcome));

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
    /// Its secrets that are in that.
    secrets: Vec<String>,
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
    pub fn reached(&self, host: &str, play: u32, given: Given, secrets: &[String]) {
        let secrets = contained(secrets, &given);
        self.change(host, |between| {
            between.awaits = Some(play);
            (between.given, between.secrets) = (given, secrets);
        });
    }

    /// The host has ended, and given this. `secrets` are its own.
    pub fn gave(&self, host: &str, given: Given, secrets: &[String]) {
        let secrets = contained(secrets, &given);
        self.change(host, |between| (between.given, between.secrets) = (given, secrets));
    }

    /// What a host has got of other hosts, and the secrets that are in it.
    pub fn got(&self, host: &str) -> (BTreeMap<String, Given>, Vec<String>) {
        let all = self.0.borrow();
        let opened = all.get(host).map(|between| between.opened.borrow());
        match opened.as_deref() {
            Some(Some((_, start))) => (start.others.clone(), start.secrets.clone()),
            _ => Default::default(),
        }
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
    fn open(&self, host: &str, play: u32, start: PlayStart) {
        self.change(host, |between| drop(between.opened.send_replace(Some((play, start)))));
    }

    /// Returns once the host waits for a play, or has ended.
    async fn waits(&self, host: &str, play: u32) {
        let mut changes = self.0.subscribe();
        let waits = |all: &BTreeMap<String, Between>| {
            all.get(host).is_some_and(|between| between.is_gone || between.awaits == Some(play))
        };
        // The board lives as long as the run.
        let _run_is_over = changes.wait_for(waits).await;
    }

    fn is_waiting(&self, host: &str, play: u32) -> bool {
        self.0.borrow().get(host).is_some_and(|between| between.awaits == Some(play))
    }

    /// Whether the host is done with a play: it waits for a later one.
    fn is_past(&self, host: &str, play: u32) -> bool {
        self.0.borrow().get(host).is_some_and(|between| between.awaits.is_some_and(|awaits| awaits > play))
    }

    /// What hosts have given so far, as far as this host's job looks at it.
    fn given(&self, looks: &Looks) -> Result<PlayStart> {
        let all = self.0.borrow();
        let given = all.iter().map(|(host, between)| (host.clone(), looks.given(host, &between.given)));
        let others = looks::fitted(given.filter(|(_, given)| !given.is_empty()).collect())?;
        let secrets = all.values().filter(|_| !others.is_empty()).flat_map(|between| between.secrets.clone());
        let secrets = contained(&secrets.collect::<Vec<_>>(), &others);
        Ok(PlayStart { refusal: None, others, secrets })
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
    let mut names: HashMap<String, &Work> = HashMap::new();
    for work in work.iter().filter(|work| !stages.is_empty() && matches!(work.task, Task::Job(..))) {
        let Some(other) = names.insert(machine(work), work) else { continue };
        let both = format!("{} and {} are one machine", other.host, work.host);
        if other.serves() || work.serves() {
            let why = format!("{both}, and one of them runs steps for other hosts (`on`)");
            return Err(Failure::new("plan the plays", why).hint("use one name for it"));
        }
        if plays(&other.host) > 1 || plays(&work.host) > 1 {
            let why = format!("{both}, and one of them is in several plays");
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
        looks: HashMap::new(),
        running: JoinSet::new(),
        names: HashMap::new(),
        ended: HashMap::new(),
    };
    fleet.tools.delegations.expect(hosts.waiting.values());
    hosts.start_serving(fleet);
    for stage in stages {
        let stops_at = stage.max_failures.map(|share| stops_at(share, stage.hosts.len()));
        let fleet = Fleet { stops_at, ..fleet.clone() };
        for batch in batches(stage.hosts.clone(), &stage.serial) {
            let stop = fleet.reason_to_stop().filter(|_| stage.needs_the_others);
            fleet.tools.delegations.begin(&batch);
            hosts.start(&fleet, stage, &batch, stop);
            hosts.finish(&fleet, stage, &batch).await;
        }
    }
    hosts.end_serving(fleet).await;
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
    /// What their jobs look at of other hosts.
    looks: HashMap<String, Arc<Looks>>,
    running: JoinSet<(String, HostOutcome)>,
    names: HashMap<tokio::task::Id, String>,
    ended: HashMap<String, HostOutcome>,
}

impl Hosts {
    /// Starts the hosts that run steps for others: they wait for their own plays, which may come later.
    fn start_serving(&mut self, fleet: &Fleet<'_>) {
        let mut names: Vec<String> =
            self.waiting.values().filter(|work| work.serves()).map(|work| work.host.clone()).collect();
        names.sort();
        for host in names {
            let Some(mut work) = self.waiting.remove(&host) else { continue };
            let refusal = self.inform(&mut work).err();
            let start = fleet.start(&work, refusal);
            let task = self.running.spawn(one_host(work, start, fleet.tools.clone()));
            self.names.insert(task.id(), host);
        }
    }

    /// Lets the hosts end that have run steps for others.
    async fn end_serving(&mut self, fleet: &Fleet<'_>) {
        for host in self.names.values() {
            self.board.open(host, LAST, PlayStart::default());
        }
        while let Some(done) = self.running.join_next_with_id().await {
            self.end(fleet, done).await;
        }
    }

    /// Notes that a host has ended.
    async fn end(&mut self, fleet: &Fleet<'_>, done: Result<Ended, JoinError>) {
        let (host, outcome) = match done {
            Ok((_, ended)) => ended,
            Err(panic) => fleet.crashed(self.names[&panic.id()].clone(), &panic).await,
        };
        fleet.tools.slots.leave(&host);
        self.board.change(&host, |between| between.is_gone = true);
        self.ended.insert(host, outcome);
    }

    /// Starts a play on a batch: hosts that have not been contacted, and those that wait for it.
    fn start(&mut self, fleet: &Fleet<'_>, stage: &Stage, batch: &[String], stop: Option<String>) {
        let hold = fleet.tools.consent.hold();
        let batch: Vec<&String> = batch.iter().filter(|host| !self.ended.contains_key(*host)).collect();
        for host in batch {
            match self.waiting.remove(host) {
                Some(mut work) => {
                    let informed = self.inform(&mut work);
                    let mut start = fleet.start(&work, stop.clone().or(informed.err()));
                    start.take_place(host, &fleet.tools.consent);
                    let task = self.running.spawn(one_host(work, start, fleet.tools.clone()));
                    self.names.insert(task.id(), host.clone());
                }
                None => self.go_on(fleet, stage, host, stop.clone()),
            }
        }
        drop(hold);
    }

    /// Gives a job what other hosts have given before; an error is why it cannot start.
    fn inform(&mut self, work: &mut Work) -> Result<(), String> {
        let Task::Job(job, _) = &mut work.task else { return Ok(()) };
        let looks = Arc::new(Looks::of(&job.work));
        self.looks.insert(work.host.clone(), looks.clone());
        let start = self.board.given(&looks).map_err(|failure| failure.to_string())?;
        job.work.others = start.others;
        job.work.secrets.extend(start.secrets);
        Ok(())
    }

    /// Lets a host start its next play, once there is room among the hosts that are worked at once: now, if there is. The
    /// first one runs steps for all, so it must not wait for one of them.
    fn go_on(&self, fleet: &Fleet<'_>, stage: &Stage, host: &str, stop: Option<String>) {
        let (slots, consent) = (fleet.tools.slots.clone(), fleet.tools.consent.clone());
        let board = self.board.clone();
        // One that has just been started has not come to it yet.
        let free = if board.is_waiting(host, stage.play) { slots.try_acquire() } else { None };
        if free.is_some() {
            consent.works(host);
        }
        let (play, name) = (stage.play, stage.name.clone());
        let (looks, host) = (self.looks.get(host).cloned().unwrap_or_default(), host.to_string());
        tokio::spawn(async move {
            let slot = match free {
                Some(slot) => Some(slot),
                None => {
                    board.waits(&host, play).await;
                    slots.acquire().await
                }
            };
            consent.works(&host);
            // Not before there is room: each host has a copy.
            let given = || board.given(&looks).map_err(|failure| failure.to_string());
            let start = stop.map_or_else(given, Err);
            let start = start.unwrap_or_else(|why| PlayStart::refused(format!("{name}: {why}")));
            slots.hold(&host, slot);
            board.open(&host, play, start);
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
                Some(done) = self.running.join_next_with_id() => self.end(fleet, done).await,
                _ = changes.changed() => {}
            }
        }
    }
}
