//! Runs work on many hosts at once: how many, in which batches, when to stop, what to take back.

use crate::keys::Share;
use crate::model::job::{Job, OnFailure, RunId};
use crate::model::outcome::HostOutcome;
use crate::model::run::{HostEvent, RunEvent, RunEventKind};
use crate::model::{Failure, Result};
use crate::render::contents::Contents;
use crate::ssh::ship::Become;
use crate::ssh::{Shared, Target};
use backups::Stores;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

pub mod assets;
pub mod backups;
mod boot;
mod confirm;
mod host;
mod job;
mod plain;
pub mod session;
mod shell;
mod tools;

/// Hosts that are worked at once unless somebody says otherwise.
pub const FORKS: usize = 64;

/// Events of hosts that may wait to be recorded and shown; a host that has more to say waits.
pub const EVENTS_WAITING: usize = 1024;

/// One host and all that is to be done there.
#[derive(Clone)]
pub struct Work {
    /// Its name in the inventory.
    pub host: String,
    /// How it is reached.
    pub target: Target,
    /// As whom the work is done, when not as the one who logs in.
    pub becoming: Option<Become>,
    /// The password that becoming somebody takes, when it takes one.
    pub password: Option<String>,
    /// What is done.
    pub task: Task,
}

/// What is done on a host.
#[derive(Clone)]
pub enum Task {
    /// A job, by agent or shell, with the files that it may ask for.
    Job(Box<Job>, Contents),
    /// One line of shell text, by the login shell alone.
    Command(String),
}

/// How the work is spread.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many hosts at once.
    pub forks: usize,
    /// How many hosts each batch has, the last number again and again; the next begins when every host of the one
    /// before is fine. One batch when empty.
    pub serial: Vec<Share>,
    /// No further host is begun once more than so many have failed.
    pub max_failures: Option<Share>,
    /// For the whole of one host's work.
    pub timeout: Option<Duration>,
    /// What becomes of the hosts that are fine when another failed.
    pub on_failure: OnFailure,
    /// Where files that are fetched from hosts go.
    pub fetched: PathBuf,
    /// Where backups go.
    pub stores: Arc<Stores>,
}

/// How urgently the person at the keyboard wants an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interrupt {
    /// Not at all.
    #[default]
    None,
    /// After the step in hand.
    Stop,
    /// At once.
    Kill,
}

/// Where what happens is told.
#[derive(Clone)]
pub struct Teller {
    events: mpsc::Sender<RunEvent>,
}

impl Teller {
    /// Tells into this queue.
    pub fn new(events: mpsc::Sender<RunEvent>) -> Self {
        Teller { events }
    }

    /// Tells something about a host. When nobody listens any more the run is over anyway.
    pub async fn tell(&self, host: &str, event: HostEvent) {
        let _nobody_listens = self.events.send(RunEvent::of_host(host, event)).await;
    }

    async fn note(&self, text: String) {
        let _nobody_listens = self.events.send(RunEvent::now(RunEventKind::Note(text))).await;
    }
}

/// Runs all the work and returns how each host ended. Every host gets exactly one `Ended`.
pub async fn run(
    work: Vec<Work>,
    options: &Options,
    shared: Arc<Shared>,
    teller: Teller,
    interrupt: watch::Receiver<Interrupt>,
) -> HashMap<String, HostOutcome> {
    let fleet =
        Fleet { options, shared, teller, interrupt, slots: Arc::new(Semaphore::new(options.forks.max(1))) };
    let total = work.len();
    let undo: Vec<Work> = work.iter().filter_map(|work| undo_of(work, options)).collect();
    let mut outcomes = HashMap::new();
    for batch in batches(work, &options.serial) {
        let stop = fleet.reason_to_stop(&outcomes, total);
        outcomes.extend(fleet.work_batch(batch, stop, total).await);
    }
    fleet.take_back(undo, &mut outcomes).await;
    outcomes
}

/// The hosts of a run at work.
struct Fleet<'a> {
    options: &'a Options,
    shared: Arc<Shared>,
    teller: Teller,
    interrupt: watch::Receiver<Interrupt>,
    slots: Arc<Semaphore>,
}

impl Fleet<'_> {
    async fn work_batch(
        &self,
        batch: Vec<Work>,
        stop: Option<String>,
        total: usize,
    ) -> Vec<(String, HostOutcome)> {
        let mut hosts = tokio::task::JoinSet::new();
        let mut ended: Vec<(String, HostOutcome)> = Vec::new();
        let (tell_failures, failures) = watch::channel(0usize);
        let allowed = self.options.max_failures.map(|limit| limit.of(total));
        let mut names = HashMap::new();
        for work in batch {
            let name = work.host.clone();
            let task = one_host(OneHost {
                work,
                timeout: self.options.timeout,
                fetched: self.options.fetched.clone(),
                stores: self.options.stores.clone(),
                shared: self.shared.clone(),
                teller: self.teller.clone(),
                interrupt: self.interrupt.clone(),
                slots: self.slots.clone(),
                stop: stop.clone(),
                failures: failures.clone(),
                allowed,
            });
            names.insert(hosts.spawn(task).id(), name);
        }
        while let Some(done) = hosts.join_next_with_id().await {
            let (host, outcome) = match done {
                Ok((_, ended)) => ended,
                Err(panic) => self.crashed(names[&panic.id()].clone(), &panic).await,
            };
            if is_failure(outcome) {
                tell_failures.send_modify(|count| *count += 1);
            }
            ended.push((host, outcome));
        }
        ended
    }

    /// A fault of windlass itself while it worked a host: something may have been started there.
    async fn crashed(&self, host: String, panic: &tokio::task::JoinError) -> (String, HostOutcome) {
        let failure = Failure::new(format!("work {host}"), format!("windlass itself failed: {panic}"))
            .hint("this is a bug; the host's journal tells what was done there");
        let outcome = HostOutcome::Unknown;
        self.teller.tell(&host, HostEvent::Ended { outcome, failure: Some(failure) }).await;
        (host, outcome)
    }

    fn reason_to_stop(&self, outcomes: &HashMap<String, HostOutcome>, total: usize) -> Option<String> {
        let failed = outcomes.values().filter(|outcome| is_failure(**outcome)).count();
        let allowed = self.options.max_failures.map_or(0, |limit| limit.of(total));
        (failed > allowed).then(|| format!("not begun: {failed} hosts of an earlier batch failed"))
    }

    /// With `on_failure = "undo"` a failure anywhere takes back the hosts that had changed.
    async fn take_back(&self, undo: Vec<Work>, outcomes: &mut HashMap<String, HostOutcome>) {
        let somebody_failed = outcomes.values().any(|outcome| is_failure(*outcome));
        if self.options.on_failure != OnFailure::Undo || !somebody_failed {
            return;
        }
        let changed = |work: &Work| outcomes.get(&work.host) == Some(&HostOutcome::Changed);
        let undo: Vec<Work> = undo.into_iter().filter(changed).collect();
        if !undo.is_empty() {
            self.teller
                .note(format!("a host failed, so {} hosts that had changed are taken back", undo.len()))
                .await;
            outcomes.extend(self.work_batch(undo, None, usize::MAX).await);
        }
    }
}

struct OneHost {
    work: Work,
    timeout: Option<Duration>,
    fetched: PathBuf,
    stores: Arc<Stores>,
    shared: Arc<Shared>,
    teller: Teller,
    interrupt: watch::Receiver<Interrupt>,
    slots: Arc<Semaphore>,
    stop: Option<String>,
    failures: watch::Receiver<usize>,
    allowed: Option<usize>,
}

async fn one_host(one: OneHost) -> (String, HostOutcome) {
    let host = one.work.host.clone();
    // The semaphore is never closed, so there is always a slot in the end.
    let _slot = one.slots.acquire_owned().await.ok();
    let failed = *one.failures.borrow();
    let too_many =
        one.allowed.filter(|allowed| failed > *allowed).map(|_| format!("not begun: {failed} hosts failed"));
    let (outcome, failure) = match one.stop.or(too_many) {
        Some(why) => (HostOutcome::Cancelled, Some(Failure::new(format!("begin {host}"), why))),
        None if *one.interrupt.borrow() != Interrupt::None => (HostOutcome::Cancelled, None),
        None => {
            let tools = tools::Tools {
                shared: one.shared,
                teller: one.teller.clone(),
                interrupt: one.interrupt,
                fetched: one.fetched,
                stores: one.stores,
                timeout: one.timeout,
            };
            host::work(one.work, tools).await
        }
    };
    one.teller.tell(&host, HostEvent::Ended { outcome, failure }).await;
    (host, outcome)
}

/// The work in the order of the inventory, cut as `serial` says.
fn batches(mut work: Vec<Work>, serial: &[Share]) -> Vec<Vec<Work>> {
    let total = work.len();
    let last = serial.last().map_or(total, |share| share.of(total));
    let mut sizes = serial.iter().map(|share| share.of(total)).chain(std::iter::repeat(last));
    let mut batches = Vec::new();
    while !work.is_empty() {
        let size = sizes.next().unwrap_or(total).clamp(1, work.len());
        batches.push(work.drain(..size).collect());
    }
    batches
}

fn is_failure(outcome: HostOutcome) -> bool {
    !matches!(outcome, HostOutcome::Ok | HostOutcome::Changed | HostOutcome::Cancelled)
}

fn undo_of(work: &Work, options: &Options) -> Option<Work> {
    let Task::Job(job, _) = &work.task else { return None };
    let undo = taking_back(job, job.run.clone());
    (options.on_failure == OnFailure::Undo)
        .then(|| Work { task: Task::Job(Box::new(undo), Contents::default()), ..work.clone() })
}

/// A job like `job` that does nothing but take `run` back.
pub fn taking_back(job: &Job, run: RunId) -> Job {
    Job {
        undo: Some(run),
        steps: Vec::new(),
        handlers: Vec::new(),
        rescue: Vec::new(),
        always: Vec::new(),
        assets: Vec::new(),
        trees: Default::default(),
        settle: Vec::new(),
        ..job.clone()
    }
}

/// What came of one host.
type Ended = (HostOutcome, Option<Failure>);

/// For parts of a host's work that may fail.
type Tried<T> = Result<T>;
