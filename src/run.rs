//! Runs work on many hosts at once: how many, in which batches, when to stop, what to undo.

use crate::keys::Share;
use crate::model::Failure;
use crate::model::bounds;
use crate::model::event::Event;
use crate::model::job::{Envelope, Job, OnFailure};
use crate::model::outcome::{HostEnd, HostOutcome};
use crate::model::run::{HostEvent, RunEvent, RunEventKind};
use crate::render::contents::Contents;
use crate::ssh::Target;
use crate::ssh::ship::Become;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tools::Tools;

pub mod allowance;
pub mod assets;
pub mod backups;
mod boot;
mod confirm;
pub mod facts;
mod host;
mod job;
mod output;
mod patience;
mod place;
mod plain;
mod questions;
pub mod session;
mod shell;
pub mod tools;

/// Hosts that are worked at once unless somebody says otherwise.
pub const FORKS: usize = 64;

/// Events of hosts that may wait to be recorded and shown; a host that has more to say waits.
pub const EVENTS_WAITING: usize = 1024;

/// The same in KiB: steps with large diffs and findings wait until those before them are recorded.
const KIB_WAITING: usize = 16 * 1024;

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

/// How the work is spread over hosts.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many hosts at once.
    pub forks: usize,
    /// How many hosts each batch has, the last number again and again; the next starts when every host of the one
    /// before is fine. One batch when empty.
    pub serial: Vec<Share>,
    /// No further host is started once more than so many have failed.
    pub max_failures: Option<Share>,
    /// What becomes of the hosts that are fine when another failed.
    pub on_failure: OnFailure,
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
    /// At once, since the time of the host's whole work is up.
    TimedOut,
}

/// Where hosts' events go.
#[derive(Clone)]
pub struct EventSender {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
}

/// An event with the room that it takes until it has been recorded.
pub type Queued = (RunEvent, Option<OwnedSemaphorePermit>);

impl EventSender {
    /// Sends into this queue.
    pub fn new(queue: mpsc::Sender<Queued>) -> Self {
        EventSender { queue, room: Arc::new(Semaphore::new(KIB_WAITING)) }
    }

    /// Sends an event of a host. When the receiver is gone the run is over anyway.
    pub async fn send(&self, host: &str, event: HostEvent) {
        let kib = kib_of(&event).clamp(1, KIB_WAITING / 2);
        let room = self.room.clone().acquire_many_owned(kib as u32).await;
        let _run_is_over = self.queue.send((RunEvent::of_host(host, event), room.ok())).await;
    }

    async fn note(&self, text: String) {
        let _run_is_over = self.queue.send((RunEvent::now(RunEventKind::Note(text)), None)).await;
    }
}

fn kib_of(event: &HostEvent) -> usize {
    let bytes = match event {
        HostEvent::Said(Event::StepEnded(step)) => bounds::size(step),
        HostEvent::Said(Event::Settled { steps, .. }) => steps.iter().map(bounds::size).sum(),
        HostEvent::Said(Event::Note(text) | Event::Progress { text, .. }) => text.len(),
        _ => 0,
    };
    bytes.div_ceil(1024)
}

/// Runs all the work and returns how each host ended. Every host gets exactly one `Ended`.
pub async fn run(work: Vec<Work>, options: &Options, tools: Tools) -> HashMap<String, HostOutcome> {
    let fleet = Fleet { options, tools, slots: Arc::new(Semaphore::new(options.forks.max(1))) };
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
    tools: Tools,
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
        let (count_failures, failures) = watch::channel(0usize);
        let allowed = self.options.max_failures.map(|limit| limit.of(total));
        let gate = Gate { slots: self.slots.clone(), stop, failures, allowed };
        let mut names = HashMap::new();
        for work in batch {
            let name = work.host.clone();
            names.insert(hosts.spawn(one_host(work, gate.clone(), self.tools.clone())).id(), name);
        }
        while let Some(done) = hosts.join_next_with_id().await {
            let (host, outcome) = match done {
                Ok((_, ended)) => ended,
                Err(panic) => self.crashed(names[&panic.id()].clone(), &panic).await,
            };
            if is_failure(outcome) {
                count_failures.send_modify(|count| *count += 1);
            }
            ended.push((host, outcome));
        }
        ended
    }

    /// A fault of windlass itself while it worked a host: something may have been started there.
    async fn crashed(&self, host: String, panic: &tokio::task::JoinError) -> (String, HostOutcome) {
        let failure = Failure::new(format!("work {host}"), format!("windlass itself failed: {panic}"))
            .hint("this is a bug; the host's journal says what was done there");
        self.tools.ended(host, HostEnd::because(HostOutcome::Unknown, failure)).await
    }

    fn reason_to_stop(&self, outcomes: &HashMap<String, HostOutcome>, total: usize) -> Option<String> {
        let failed = outcomes.values().filter(|outcome| is_failure(**outcome)).count();
        let allowed = self.options.max_failures.map_or(0, |limit| limit.of(total));
        (failed > allowed).then(|| format!("not begun: {failed} hosts of an earlier batch failed"))
    }

    /// With `on_failure = "undo"` a failure anywhere takes back the hosts that had changed.
    async fn take_back(&self, undo: Vec<Work>, outcomes: &mut HashMap<String, HostOutcome>) {
        let any_failed = outcomes.values().any(|outcome| is_failure(*outcome));
        if self.options.on_failure != OnFailure::Undo || !any_failed {
            return;
        }
        let changed = |work: &Work| outcomes.get(&work.host) == Some(&HostOutcome::Changed);
        let undo: Vec<Work> = undo.into_iter().filter(changed).collect();
        if !undo.is_empty() {
            let note = format!("a host failed, so {} hosts that had changed are taken back", undo.len());
            self.tools.events.note(note).await;
            outcomes.extend(self.work_batch(undo, None, usize::MAX).await);
        }
    }
}

/// What decides whether a host's work starts.
#[derive(Clone)]
struct Gate {
    slots: Arc<Semaphore>,
    /// Why no host of this batch starts.
    stop: Option<String>,
    /// How many hosts of the batch have failed.
    failures: watch::Receiver<usize>,
    /// How many may fail before no further host starts.
    allowed: Option<usize>,
}

impl Gate {
    /// Why a host is not started.
    fn refusal(self) -> Option<String> {
        let failed = *self.failures.borrow();
        let too_many = || self.allowed.filter(|allowed| failed > *allowed);
        self.stop.clone().or_else(|| too_many().map(|_| format!("not begun: {failed} hosts failed")))
    }
}

async fn one_host(work: Work, gate: Gate, tools: Tools) -> (String, HostOutcome) {
    let host = work.host.clone();
    // The semaphore is never closed, so there is always a slot in the end.
    let _slot = gate.slots.clone().acquire_owned().await.ok();
    let end = match gate.refusal() {
        Some(why) => HostEnd::because(HostOutcome::Cancelled, Failure::new(format!("begin {host}"), why)),
        None if *tools.interrupt.borrow() != Interrupt::None => HostEnd::of(HostOutcome::Cancelled),
        None => host::work(work, &tools).await,
    };
    tools.ended(host, end).await
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

/// The work that undoes this one.
fn undo_of(work: &Work, options: &Options) -> Option<Work> {
    let Task::Job(job, _) = &work.task else { return None };
    if options.on_failure != OnFailure::Undo {
        return None;
    }
    let envelope = Envelope { settle: Vec::new(), ..job.envelope.clone() };
    let run = envelope.run.clone();
    let undo = envelope.undo(run, &job.work.playbook, job.work.mode, job.work.diff);
    Some(Work { task: Task::Job(Box::new(undo), Contents::default()), ..work.clone() })
}
