//! What really happened on the simulated hosts of a run.

use crate::model::outcome::{HostOutcome, StepOutcome};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// By host.
pub struct Truths(Mutex<BTreeMap<String, Truth>>);

/// What really happened on a host.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// When each connection was asked for.
    pub contacted: Vec<Instant>,
    /// Connections at this moment.
    pub open: usize,
    /// How often each step was started.
    pub started: BTreeMap<u32, usize>,
    /// How its steps ended, in order.
    pub ended: Vec<(u32, StepOutcome)>,
    /// The verdict of the agent on the job, and on its undo.
    pub verdict: Option<HostOutcome>,
    pub undo: Option<HostOutcome>,
}

impl Truths {
    /// Nothing has happened yet.
    pub fn of<'a>(hosts: impl Iterator<Item = &'a String>) -> Truths {
        Truths(Mutex::new(hosts.map(|host| (host.clone(), Truth::default())).collect()))
    }

    /// All of it.
    pub fn all(&self) -> MutexGuard<'_, BTreeMap<String, Truth>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something about a host.
    pub fn note(&self, host: &str, note: impl FnOnce(&mut Truth)) {
        if let Some(truth) = self.all().get_mut(host) {
            note(truth);
        }
    }
}
