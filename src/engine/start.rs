//! Starts a run on its host, before its first change: takes the host's lock, refuses a job older than one seen, undoes what
//! was armed and never confirmed, sweeps what a killed run left behind, and opens the journal.

use super::journal::Journal;
use super::state_dir::{StateDir, private_file};
use super::{guard, perform, sweep};
use crate::model::job::{Envelope, RunId};
use crate::model::{Doing, Failure, Result};
use crate::system::{Lock, System};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Runs whose undo is kept on a host; older ones are dropped when a new one starts.
const RUNS_KEPT: usize = 50;

/// Starts the run of `journal`. Returns what it found to undo, a line each.
pub fn start(journal: &mut Journal<'_>) -> Result<Vec<String>> {
    let (host, state, envelope) = (journal.host(), journal.state().clone(), journal.envelope());
    state.create_for(host, &envelope.run)?;
    take_lock(host, &state, envelope)?;
    check_epoch(host, &state, envelope)?;
    if envelope.resume.is_some() {
        journal.resume()?;
    }
    let found = guard::undo_pending(host, &state)?;
    sweep_unfinished(host, &state, &envelope.run)?;
    drop_old_runs(host, &state, &envelope.run)?;
    journal.open()?;
    Ok(found)
}

/// Sweeps what killed runs left behind. Which runs those may be is remembered until it is done, however often a run is
/// killed meanwhile; the one that starts now is remembered before it writes anything else.
fn sweep_unfinished(host: &dyn System, state: &StateDir, current: &RunId) -> Result<()> {
    sweep::sweep_state(host, state)?;
    let bytes = host.read(&state.unfinished())?.unwrap_or_default();
    let before: BTreeSet<RunId> = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut unfinished = before.clone();
    unfinished.insert(current.clone());
    remember_unfinished(host, state, &before, &unfinished)?;
    for run in before.iter().filter(|run| *run != current) {
        sweep::sweep(host, state, run)?;
    }
    remember_unfinished(host, state, &unfinished, &BTreeSet::from([current.clone()]))
}

fn remember_unfinished(
    host: &dyn System,
    state: &StateDir,
    before: &BTreeSet<RunId>,
    now: &BTreeSet<RunId>,
) -> Result<()> {
    if before == now {
        return Ok(());
    }
    let text = serde_json::to_vec(now).doing("encode the names of unfinished runs")?;
    host.write(&state.unfinished(), &mut &text[..], &private_file())
}

fn take_lock(host: &dyn System, state: &StateDir, envelope: &Envelope) -> Result<()> {
    let holder = format!("{}{}{}", envelope.who, guard::HOLDS, envelope.run);
    match host.lock(&state.lock(), &holder)? {
        Lock::Ours => Ok(()),
        Lock::Theirs(other) => Err(Failure::new("lock the host", format!("it is being changed by {other}"))
            .hint("wait until that run has ended; the lock goes when its process does")),
    }
}

/// A controller that was asleep while another of its own runs went by must not act on what it knew then.
fn check_epoch(host: &dyn System, state: &StateDir, envelope: &Envelope) -> Result<()> {
    let bytes = host.read(&state.epochs())?.unwrap_or_default();
    let mut epochs: BTreeMap<String, u64> = serde_json::from_slice(&bytes).unwrap_or_default();
    let seen = epochs.get(&envelope.controller).copied().unwrap_or(0);
    if envelope.epoch < seen {
        let why = format!("this run's epoch is {} and the host has seen {seen}", envelope.epoch);
        return Err(Failure::new("begin the run", why).hint("a newer run was here; start this one afresh"));
    }
    epochs.insert(envelope.controller.clone(), envelope.epoch);
    let text = serde_json::to_vec(&epochs).doing("encode the epochs")?;
    host.write(&state.epochs(), &mut &text[..], &private_file())
}

fn drop_old_runs(host: &dyn System, state: &StateDir, current: &RunId) -> Result<()> {
    let names = host.list(&state.runs())?;
    let old = names.len().saturating_sub(RUNS_KEPT);
    for name in names.iter().take(old).filter(|name| *name != current.as_str()) {
        perform::remove(host, &state.runs().join(Path::new(name)))?;
    }
    Ok(())
}
