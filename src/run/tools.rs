//! What every part of a host's work is given.

use super::allowance::Used;
use super::backups::Stores;
use super::consent::ConsentBoard;
use super::once::OnceBoard;
use super::plays::PlayBoard;
use super::{EventSender, Interrupt};
use crate::model::event::Event;
use crate::model::job::{Job, OutputWanted};
use crate::model::outcome::{HostEnd, HostOutcome};
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
    /// Where the hosts are between their plays.
    pub plays: PlayBoard,
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
