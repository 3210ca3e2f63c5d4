//! What every part of a host's work is given.

use super::allowance::Used;
use super::backups::Stores;
use super::consent::ConsentBoard;
use super::delegation::DelegationBoard;
use super::once::OnceBoard;
use super::plays::PlayBoard;
use super::slots::Slots;
use super::{EventSender, FORKS, Interrupt};
use crate::model::Result;
use crate::model::delegation::PlayPlace;
use crate::model::event::Event;
use crate::model::job::{Job, OutputWanted};
use crate::model::once::OnceEnded;
use crate::model::outcome::{HostEnd, HostOutcome};
use crate::model::play::Given;
use crate::model::refusal::timed_out;
use crate::model::run::HostEvent;
use crate::render::contents::Contents;
use crate::report::transfers::Transfers;
use crate::ssh::ship::Become;
use crate::ssh::{Shared, Target};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What the work on every host of a run shares.
#[derive(Clone)]
pub struct Tools {
    /// What connections share.
    pub shared: Arc<Shared>,
    /// Where events go.
    pub events: EventSender,
    /// How urgently the person at the keyboard wants an end.
    pub interrupt: watch::Receiver<Interrupt>,
    /// Where files and backups of hosts go.
    pub destinations: Destinations,
    /// For the whole of one host's work.
    pub timeout: Option<Duration>,
    /// What is wanted of the output of commands.
    pub output: OutputWanted,
    /// How much of what hosts said is kept of this run so far.
    pub used: Used,
    /// How steps ended that one host runs for all.
    pub once: OnceBoard,
    /// How many hosts are worked at once.
    pub slots: Slots,
    /// Where the hosts are between their plays.
    pub plays: PlayBoard,
    /// Steps that hosts have run on others.
    pub delegations: DelegationBoard,
    /// Which steps the person wants.
    pub consent: ConsentBoard,
    /// How far the files are that travel to and from the hosts.
    pub transfers: Transfers,
}

/// Where files and backups of hosts go.
#[derive(Clone, Debug)]
pub struct Destinations {
    /// Files that are fetched from hosts, below a directory for each.
    pub fetched: PathBuf,
    /// Backups.
    pub stores: Arc<Stores>,
}

impl Tools {
    /// For a run of which nothing is known yet, without a limit of time.
    pub fn new(
        shared: Shared,
        events: EventSender,
        interrupt: watch::Receiver<Interrupt>,
        destinations: Destinations,
    ) -> Self {
        Tools {
            shared: Arc::new(shared),
            events,
            interrupt,
            destinations,
            timeout: None,
            output: OutputWanted::default(),
            used: Used::default(),
            once: OnceBoard::default(),
            slots: Slots::new(FORKS, false),
            plays: PlayBoard::default(),
            delegations: DelegationBoard::default(),
            consent: ConsentBoard::default(),
            transfers: Transfers::default(),
        }
    }

    /// Why a host's work is killed.
    pub fn why_killed(&self, urgency: Interrupt) -> String {
        match self.timeout.filter(|_| urgency == Interrupt::TimedOut) {
            Some(timeout) => timed_out(timeout),
            None => "interrupted".to_string(),
        }
    }

    /// Passes on what a host says.
    pub async fn said(&self, host: &str, events: Vec<Event>) {
        for event in events {
            self.events.send(host, HostEvent::Said(event)).await;
        }
    }

    /// Says to all hosts how a step ended that one host runs for all. `secrets` are that host's.
    pub fn ran_once(&self, step: u32, ended: OnceEnded, secrets: &[String]) {
        self.once.ran(step, ended, secrets);
        self.consent.once_ended(Some(step));
    }

    /// The host that runs steps for all has ended.
    pub fn leader_ended(&self, host: &str, outcome: HostOutcome) {
        self.once.leader_ended(host, outcome);
        self.consent.once_ended(None);
    }

    /// Has a step of a host's job, or one element of its loop, run on the host that it names, with what the host says of
    /// its own values.
    pub fn delegate(&self, of: &JobTask, step: (u32, Option<u32>), given: Given) -> Result<()> {
        let (others, secrets) = self.plays.got(&of.name);
        let mut work = of.job.work.clone();
        work.others.extend(others);
        work.secrets.extend(secrets);
        self.delegations.ask(&of.name, &work, step, given)
    }

    /// How the step ended that another host runs, `for_all` or for this one. A host that waits for another one has no slot
    /// meanwhile.
    pub async fn end_of(&self, host: &str, step: u32, for_all: bool) -> OnceEnded {
        self.slots.lend(host);
        if for_all {
            self.consent.awaits_once(host, step, || self.once.knows(step));
            let ended = self.once.of(step).await;
            self.slots.regain(host).await;
            return ended;
        }
        let rests = self.delegations.is_together(host, step);
        if rests {
            self.consent.rests(host);
        }
        self.delegations.is_answered(host, step).await;
        self.slots.regain(host).await;
        if rests {
            self.consent.works(host);
        }
        self.delegations.answer(host, step)
    }

    /// Returns once the hosts that have this one run the step are past it.
    pub async fn passed(&self, host: &str, step: u32) {
        self.consent.rests(host);
        self.slots.lend(host);
        self.delegations.passed(host, step).await;
        self.slots.regain(host).await;
        self.consent.works(host);
    }

    /// A host has done its plays before this one, and given this, and waits.
    pub fn awaits_play(&self, host: &str, play: u32, given: Given, secrets: &[String]) {
        self.consent.rests(host);
        self.slots.release(host);
        self.delegations.at(host, PlayPlace::start_of(play));
        self.plays.reached(host, play, given, secrets);
    }

    /// Shows that a host stays for the steps of others, or waits for the others.
    pub async fn shows_waiting(&self, host: &str, play: u32) {
        let waits = Event::AwaitsPlay { play, given: Given::new() };
        self.events.send(host, HostEvent::Said(waits)).await;
    }

    /// What a host has got so far of the secrets of others.
    pub fn secrets_got(&self, of: &JobTask) -> Vec<String> {
        let (_, of_plays) = self.plays.got(&of.name);
        [self.once.secrets_got(&of.job.work), of_plays, self.delegations.secrets_got(&of.name)].concat()
    }

    /// Reports how a host ended.
    pub async fn ended(&self, host: String, end: HostEnd) -> (String, HostOutcome) {
        let HostEnd { outcome, failure } = end;
        self.events.send(&host, HostEvent::Ended { outcome, failure }).await;
        (host, outcome)
    }
}

/// A job with what it needs on the controller.
pub struct JobTask {
    pub name: String,
    pub target: Target,
    pub job: Job,
    pub contents: Contents,
    pub becoming: Option<Become>,
    pub password: Option<String>,
}

/// Returns once the person wants at least `level`.
pub async fn asked_for(interrupt: &mut watch::Receiver<Interrupt>, level: Interrupt) {
    if interrupt.wait_for(|now| *now >= level).await.is_err() {
        std::future::pending::<()>().await;
    }
}
