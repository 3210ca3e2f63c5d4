//! Runs work on many hosts at once: how many, in which batches, when to stop, what to undo.

use crate::keys::Share;
use crate::model::Failure;
use crate::model::bounds;
use crate::model::counted::counted;
use crate::model::event::Event;
use crate::model::job::{Envelope, Job, OnFailure};
use crate::model::once::Once;
use crate::model::outcome::{HostEnd, HostOutcome};
use crate::model::run::{HostEvent, RunEvent, RunEventKind};
use crate::playbook::plays::Stage;
use crate::render::contents::Contents;
use crate::ssh::Target;
use crate::ssh::ship::Become;
use consent::ConsentBoard;
use slots::Slots;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, mpsc};
use tools::Tools;

pub mod allowance;
mod asking;
pub mod assets;
pub mod backups;
mod boot;
mod confirm;
pub mod consent;
pub mod delegation;
pub mod facts;
mod host;
mod job;
pub mod once;
mod output;
mod patience;
mod place;
mod plain;
pub mod plays;
mod printed;
mod questions;
pub mod session;
mod shell;
#[cfg(test)]
mod simulation;
mod slots;
pub mod tools;

/// Hosts that are worked at once unless someone says otherwise.
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
    /// The password that becoming another user takes, when it takes one.
    pub password: Option<String>,
    /// What is done.
    pub task: Task,
}

impl Work {
    /// Whether the host runs steps for others, and has none of its own.
    pub fn only_serves(&self) -> bool {
        let has_steps = |job: &Job| job.work.all_steps().next().is_some();
        matches!(&self.task, Task::Job(job, _) if job.work.serves && !has_steps(job))
    }

    /// Whether the host runs steps for others.
    pub fn serves(&self) -> bool {
        matches!(&self.task, Task::Job(job, _) if job.work.serves)
    }
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
    /// No further host is started once so many have failed, or such a share of all.
    pub max_failures: Option<Share>,
    /// What becomes of the hosts that are fine when another failed.
    pub on_failure: OnFailure,
    /// The plays, when there are several; they say themselves how many hosts start, and when to stop.
    pub stages: Vec<Stage>,
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
        HostEvent::Said(Event::Printed(printed)) => printed.chunk.len(),
        HostEvent::Said(Event::Note(text) | Event::Progress { text, .. }) => text.len(),
        _ => 0,
    };
    bytes.div_ceil(1024)
}

/// Runs all the work and returns how each host ended. Every host gets exactly one `Ended`.
pub async fn run(work: Vec<Work>, options: &Options, tools: Tools) -> HashMap<String, HostOutcome> {
    let total = work.len();
    let meet = work.iter().any(|work| work.serves() && !work.only_serves());
    let slots = Slots::new(options.forks, meet);
    let fleet = Fleet {
        options,
        tools: Tools { slots, ..tools },
        turns: turns(&work),
        failures: Arc::default(),
        stops_at: options.max_failures.map(|share| stops_at(share, total)),
        undoes: false,
    };
    let undo: Vec<Work> = work.iter().filter_map(|work| undo_of(work, options)).collect();
    let mut outcomes = HashMap::new();
    if !options.stages.is_empty() {
        outcomes = plays::run(&fleet, work, &options.stages).await;
    } else {
        for batch in batches(work, &options.serial) {
            let stop = fleet.reason_to_stop();
            outcomes.extend(fleet.work_batch(batch, stop).await);
        }
    }
    fleet.take_back(undo, &mut outcomes).await;
    outcomes
}

/// The hosts of a run at work.
#[derive(Clone)]
struct Fleet<'a> {
    options: &'a Options,
    tools: Tools,
    turns: Turns,
    /// How many hosts of the run have failed.
    failures: Arc<AtomicUsize>,
    /// No further host starts once so many have failed.
    stops_at: Option<usize>,
    /// What the hosts had changed is undone.
    undoes: bool,
}

/// Hosts that are one machine under several names take turns, so that none waits for the lock of another.
type Turns = HashMap<String, Arc<Mutex<()>>>;

impl Fleet<'_> {
    async fn work_batch(&self, batch: Vec<Work>, stop: Option<String>) -> Vec<(String, HostOutcome)> {
        let mut hosts = tokio::task::JoinSet::new();
        let mut ended: Vec<(String, HostOutcome)> = Vec::new();
        let mut names = HashMap::new();
        let hold = self.tools.consent.hold();
        for work in batch {
            let name = work.host.clone();
            let mut start = self.start(&work, stop.clone());
            start.take_place(&name, &self.tools.consent);
            names.insert(hosts.spawn(one_host(work, start, self.tools.clone())).id(), name);
        }
        drop(hold);
        while let Some(done) = hosts.join_next_with_id().await {
            ended.push(match done {
                Ok((_, ended)) => ended,
                Err(panic) => self.crashed(names[&panic.id()].clone(), &panic).await,
            });
        }
        ended
    }

    fn start(&self, work: &Work, stop: Option<String>) -> Start {
        Start {
            slots: self.tools.slots.clone(),
            turns: self.turns.get(&machine(work)).cloned(),
            slot: None,
            turn: None,
            stop,
            failures: self.failures.clone(),
            stops_at: self.stops_at,
            leads: leads(work),
            serves: work.serves(),
            undoes: self.undoes,
        }
    }

    /// A fault of windlass itself while it worked a host: something may have been started there.
    async fn crashed(&self, host: String, panic: &tokio::task::JoinError) -> (String, HostOutcome) {
        let failure = Failure::new(format!("work {host}"), format!("windlass itself failed: {panic}"))
            .hint("this is a bug; the host's journal says what was done there");
        self.failures.fetch_add(1, Ordering::SeqCst);
        self.tools.leader_ended(&host, HostOutcome::Unknown);
        self.tools.delegations.gone(&host, HostOutcome::Unknown);
        self.tools.ended(host, HostEnd::because(HostOutcome::Unknown, failure)).await
    }

    fn reason_to_stop(&self) -> Option<String> {
        let failed = self.failures.load(Ordering::SeqCst);
        (failed >= self.stops_at.unwrap_or(1))
            .then(|| format!("not started: {} failed before", counted(failed, "host")))
    }

    /// With `on_failure = "undo"` a failure anywhere rolls back the hosts that had changed.
    async fn take_back(&self, undo: Vec<Work>, outcomes: &mut HashMap<String, HostOutcome>) {
        let any_failed = outcomes.values().any(|outcome| is_failure(*outcome));
        if self.options.on_failure != OnFailure::Undo || !any_failed {
            return;
        }
        let changed = |work: &Work| outcomes.get(&work.host) == Some(&HostOutcome::Changed);
        let undo: Vec<Work> = undo.into_iter().filter(changed).collect();
        if !undo.is_empty() {
            let hosts = counted(undo.len(), "host");
            let note = format!("a host failed, so the changes of {hosts} are undone");
            self.tools.events.note(note).await;
            let fleet = Fleet { stops_at: None, undoes: true, ..self.clone() };
            let hosts: Vec<String> = undo.iter().map(|work| work.host.clone()).collect();
            let stages = crate::playbook::plays::backwards(&self.options.stages, &hosts);
            match stages.is_empty() {
                true => outcomes.extend(fleet.work_batch(undo, None).await),
                false => outcomes.extend(plays::run(&fleet, undo, &stages).await),
            }
        }
    }
}

/// What decides whether and when a host's work starts.
struct Start {
    slots: Slots,
    turns: Option<Arc<Mutex<()>>>,
    slot: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedMutexGuard<()>>,
    /// Why no host of this batch starts.
    stop: Option<String>,
    /// How many hosts of the run have failed.
    failures: Arc<AtomicUsize>,
    /// No further host starts once so many have failed.
    stops_at: Option<usize>,
    /// It runs steps for all hosts.
    leads: bool,
    /// It runs steps for other hosts.
    serves: bool,
    /// What it had changed is undone.
    undoes: bool,
}

impl Start {
    /// Takes the host's place now if one is free. The first host of a batch gets one so: the others may wait for what it
    /// does for all of them, so it must not wait for one of them.
    fn take_place(&mut self, host: &str, consent: &ConsentBoard) {
        self.turn = self.turns.clone().and_then(|turns| turns.try_lock_owned().ok());
        if self.turn.is_some() == self.turns.is_some() {
            self.slot = self.slots.try_acquire();
        }
        if self.slot.is_some() {
            consent.works(host);
        }
    }

    async fn wait(&mut self) {
        if let (None, Some(turns)) = (&self.turn, &self.turns) {
            self.turn = Some(turns.clone().lock_owned().await);
        }
        // Hosts with slots may wait for one that serves them. It takes one when it has steps of its own to do.
        if self.slot.is_none() && !self.serves {
            self.slot = self.slots.acquire().await;
        }
    }

    /// Why a host is not started.
    fn refusal(&self) -> Option<String> {
        let failed = self.failures.load(Ordering::SeqCst);
        let too_many = || self.stops_at.filter(|most| failed >= *most);
        self.stop
            .clone()
            .or_else(|| too_many().map(|_| format!("not started: {} failed", counted(failed, "host"))))
    }

    /// Counted before the slot is free, so that no host starts that should not.
    fn count(&self, outcome: HostOutcome) {
        if is_failure(outcome) {
            self.failures.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn one_host(work: Work, mut start: Start, tools: Tools) -> (String, HostOutcome) {
    let host = work.host.clone();
    start.wait().await;
    let end = match start.refusal() {
        Some(why) => HostEnd::because(HostOutcome::Cancelled, Failure::new(format!("start {host}"), why)),
        None if *tools.interrupt.borrow() != Interrupt::None => HostEnd::of(HostOutcome::Cancelled),
        None => {
            tools.slots.hold(&host, start.slot.take());
            // In a box: a host that waits for its slot takes no room for what a connection needs.
            tools.consent.works(&host);
            let end = Box::pin(host::work(work, &tools)).await;
            start.slot = tools.slots.take(&host);
            end
        }
    };
    tools.consent.rests(&host);
    tools.delegations.gone(&host, end.outcome);
    let end = if start.undoes { not_undone(&host, end) } else { end };
    start.count(end.outcome);
    if start.leads {
        tools.leader_ended(&host, end.outcome);
    }
    tools.ended(host, end).await
}

/// The changes of a host whose undo did not start are still there: it is neither unreachable nor cancelled.
fn not_undone(host: &str, end: HostEnd) -> HostEnd {
    if !matches!(end.outcome, HostOutcome::Unreachable | HostOutcome::Cancelled) {
        return end;
    }
    let failure = end.failure.unwrap_or_else(|| Failure::new(format!("undo {host}"), "interrupted"));
    HostEnd::because(HostOutcome::Failed, failure)
        .hint("what this run changed there is still there: undo it with windlass runs undo")
}

/// Whether the host runs steps for all hosts of the run.
fn leads(work: &Work) -> bool {
    let Task::Job(job, _) = &work.task else { return false };
    job.work.all_steps().any(|step| step.once.as_ref().is_some_and(Once::is_here))
}

/// A turn for each machine that has several names among the hosts.
fn turns(work: &[Work]) -> Turns {
    let mut names: HashMap<String, usize> = HashMap::new();
    let jobs = work.iter().filter(|work| matches!(work.task, Task::Job(..)));
    jobs.for_each(|work| *names.entry(machine(work)).or_default() += 1);
    names.into_iter().filter(|(_, count)| *count > 1).map(|(machine, _)| (machine, Arc::default())).collect()
}

/// What two names of one machine have in common: where the connection leads to, and over which hosts.
fn machine(work: &Work) -> String {
    let at = |target: &Target| format!("{}:{}", target.address, target.port);
    let over: Vec<String> = work.target.jump.iter().map(at).collect();
    let proxy = work.target.proxy.as_ref().map(|_| work.host.as_str());
    format!("{} {over:?} {proxy:?} {:?}", at(&work.target), work.target.via)
}

/// After how many failures no further host starts; of a share of the hosts, rounded up.
fn stops_at(share: Share, total: usize) -> usize {
    let count = match share {
        Share::Count(count) => count as usize,
        Share::Percent(percent) => (total * percent as usize).div_ceil(100),
    };
    count.max(1)
}

/// The work in the order of the inventory, cut as `serial` says.
fn batches<T>(mut work: Vec<T>, serial: &[Share]) -> Vec<Vec<T>> {
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
