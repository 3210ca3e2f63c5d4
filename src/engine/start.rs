//! Starts a run on its host, before its first change: takes the host's lock, refuses a job older than one seen, undoes what
//! was armed and never confirmed, sweeps what a killed run left behind, and opens the journal.

use super::holder::LockHolder;
use super::journal::{self, Journal};
use super::link::Link;
use super::state_dir::{StateDir, private_file};
use super::{guard, sweep, wait};
use crate::model::event::Event;
use crate::model::job::{Envelope, RunId};
use crate::model::{Doing, Failure, Result};
use crate::system::{Lock, System};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs whose undo is kept on a host; older ones are dropped when a new one starts.
pub const RUNS_KEPT: usize = 50;

/// How often a lock that another run holds is tried.
const TRY_LOCK_EVERY: Duration = Duration::from_millis(250);

/// Starts the run of `journal`. Returns what it found to undo, a line each.
pub fn start(journal: &mut Journal<'_>, link: &dyn Link) -> Result<Vec<String>> {
    let (host, state, envelope) = (journal.host(), journal.state().clone(), journal.envelope());
    state.create_for(host, &envelope.run)?;
    let at_arrival = seen_epoch(&epochs(host, &state)?, envelope);
    let waited = take_lock(host, &state, envelope, link)?;
    // What held the lock while this run waited for it, and lives, is nothing that it slept through.
    let seen = waited.then_some(at_arrival);
    check_epoch(host, &state, envelope, seen)?;
    if envelope.resume.is_some() {
        journal.resume()?;
    }
    let found = guard::undo_pending(host, &state)?;
    sweep_unfinished(host, &state, &envelope.run, link)?;
    drop_old_runs(host, &state, &envelope.run)?;
    journal.open()?;
    Ok(found)
}

/// Sweeps what killed runs left behind. Which runs those may be is remembered until it is done, however often a run is
/// killed meanwhile; the one that starts now is remembered before it writes anything else.
fn sweep_unfinished(host: &dyn System, state: &StateDir, current: &RunId, link: &dyn Link) -> Result<()> {
    sweep::sweep_state(host, state)?;
    let bytes = host.read(&state.unfinished())?.unwrap_or_default();
    let before: BTreeSet<RunId> = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut unfinished = before.clone();
    unfinished.insert(current.clone());
    remember_unfinished(host, state, &before, &unfinished)?;
    for run in before.iter().filter(|run| *run != current) {
        let entries = journal::read(host, state, run)?.unwrap_or_default();
        let doing = journal::under_way(&entries).join("; ");
        if !doing.is_empty() {
            let note = format!("run {run} was cut off here; what it was doing then has ended now: {doing}");
            link.send(Event::Note(note));
        }
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

/// Takes the host's lock. One that another run holds is waited for, as long as this run may wait.
/// Says whether it was waited for.
fn take_lock(host: &dyn System, state: &StateDir, envelope: &Envelope, link: &dyn Link) -> Result<bool> {
    let holder = LockHolder::text_of(&envelope.who, &envelope.run);
    let until = Instant::now() + envelope.wait;
    let mut reported = false;
    loop {
        let other = match host.lock(&state.lock(), &holder)? {
            // Who gets it much later than it may wait was asleep.
            Lock::Ours => return Ok(reported && Instant::now() < until + TRY_LOCK_EVERY * 4),
            Lock::Theirs(other) => LockHolder::named(&other).subject(),
        };
        if Instant::now() >= until {
            return Err(locked(&other, envelope.wait));
        }
        if !reported {
            let seconds = envelope.wait.as_secs();
            link.send(Event::Note(format!(
                "waiting up to {seconds} s for the host's lock: {other} holds it"
            )));
            reported = true;
        }
        if !wait::pause(TRY_LOCK_EVERY, &|| link.stopping()) {
            return Err(Failure::new("lock the host", format!("the run was stopped while {other} held it")));
        }
    }
}

fn locked(other: &str, waited: Duration) -> Failure {
    let why = match waited.is_zero() {
        true => format!("{other} holds it"),
        false => format!("{other} still holds it after {} s", waited.as_secs()),
    };
    Failure::new("lock the host", why).hint(
        "wait longer with --wait 10m; `windlass runs unlock HOST` shows whether it still works and how to end it",
    )
}

/// A controller that was asleep while another run of its project went by must not act on what it knew then. `seen`: the
/// epoch that counts, when not the newest one.
pub fn check_epoch(
    host: &dyn System,
    state: &StateDir,
    envelope: &Envelope,
    seen: Option<u64>,
) -> Result<()> {
    let mut epochs = epochs(host, state)?;
    let newest = seen_epoch(&epochs, envelope);
    let seen = seen.unwrap_or(newest);
    if envelope.epoch < seen {
        let why = format!("this run's epoch is {} and the host has seen {seen}", envelope.epoch);
        return Err(Failure::new("begin the run", why).hint(
            "a newer run of this project was here; start this one again (and compare this machine's clock with those of others)",
        ));
    }
    epochs.insert(envelope.controller.clone(), envelope.epoch.max(newest));
    let text = serde_json::to_vec(&epochs).doing("encode the epochs")?;
    host.write(&state.epochs(), &mut &text[..], &private_file())
}

/// The highest epoch of each project.
fn epochs(host: &dyn System, state: &StateDir) -> Result<BTreeMap<String, u64>> {
    let bytes = host.read(&state.epochs())?.unwrap_or_default();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

fn seen_epoch(epochs: &BTreeMap<String, u64>, envelope: &Envelope) -> u64 {
    epochs.get(&envelope.controller).copied().unwrap_or(0)
}

fn drop_old_runs(host: &dyn System, state: &StateDir, current: &RunId) -> Result<()> {
    let names = host.list(&state.runs())?;
    let old = names.len().saturating_sub(RUNS_KEPT);
    for name in names.iter().take(old).filter(|name| *name != current.as_str()) {
        host.remove_all(&state.runs().join(Path::new(name)))?;
    }
    Ok(())
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::engine::link::Assets;
    use crate::engine::work::work;
    use crate::model::arg::Arg;
    use crate::model::job::{HostWork, Job, JobStep, Mode};
    use crate::model::op::Asset;
    use crate::model::outcome::{HostEnd, HostOutcome};
    use crate::model::path::HostPath;
    use crate::system::local::Local;
    use std::cell::RefCell;
    use std::io::Read;

    /// A newer run that holds the lock until the controller hears that it is waited for.
    #[derive(Default)]
    struct UntilNoted {
        epochs: std::path::PathBuf,
        holder: RefCell<Option<Local>>,
        notes: RefCell<Vec<String>>,
    }

    impl Link for UntilNoted {
        fn send(&self, event: Event) {
            if let Event::Note(note) = event {
                self.notes.borrow_mut().push(note);
                std::fs::write(&self.epochs, "{\"\":9}").unwrap();
                self.holder.take();
            }
        }

        fn stopping(&self) -> bool {
            false
        }
    }

    impl Assets for UntilNoted {
        fn open<'a>(&'a self, _: &Asset) -> Result<Box<dyn Read + 'a>> {
            Err(Failure::new("open an asset", "there is none"))
        }
    }

    fn job(directory: &Path, wait: Duration) -> Job {
        let path = directory.join("file").display().to_string();
        let keys = serde_json::json!({ "path": path, "content": "x" });
        let step = JobStep { kind: "file".into(), args: Some(Arg::Value(keys)), ..JobStep::default() };
        let run = RunId::try_from("20260314-151000-bbbb".to_string()).unwrap();
        let envelope = Envelope { run, who: "bob@desk".into(), wait, ..Envelope::default() };
        envelope.job(HostWork { mode: Mode::Apply, steps: vec![step], ..HostWork::default() })
    }

    /// Works a job while another run holds the lock.
    fn work_against_a_holder(holder: &str, wait: Duration) -> (HostEnd, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        let state = StateDir::at(HostPath::from(top.join("state").as_path()));
        std::fs::create_dir(top.join("state")).unwrap();
        let other = Local::new();
        assert_eq!(other.lock(&state.lock(), holder).unwrap(), Lock::Ours);
        let epochs = top.join("state/epochs");
        let link = UntilNoted { epochs, holder: RefCell::new(Some(other)), ..UntilNoted::default() };
        let end = work(&job(&top, wait), &Local::new(), &state, &link);
        (end, link.notes.take())
    }

    #[test]
    fn a_lock_that_is_held_is_waited_for() {
        let (end, notes) =
            work_against_a_holder("alice@laptop, run 20260314-150926-aaaa", Duration::from_secs(30));
        assert_eq!((end.outcome, end.failure), (HostOutcome::Changed, None));
        let note = "waiting up to 30 s for the host's lock: alice@laptop, run 20260314-150926-aaaa, \
                    since 2026-03-14 15:09:26 UTC, holds it";
        assert_eq!(notes, [note]);
    }

    #[test]
    fn a_run_that_may_not_wait_is_refused_at_once_and_says_who_holds_the_lock() {
        let (end, notes) = work_against_a_holder("alice@laptop, run 20260314-150926-aaaa", Duration::ZERO);
        assert_eq!(end.outcome, HostOutcome::Failed);
        let failure = end.failure.unwrap();
        assert_eq!(
            (failure.doing.as_str(), failure.why.as_str()),
            (
                "lock the host",
                "alice@laptop, run 20260314-150926-aaaa, since 2026-03-14 15:09:26 UTC, holds it"
            )
        );
        assert_eq!(notes, Vec::<String>::new());
        let (end, _) = work_against_a_holder("", Duration::ZERO);
        assert_eq!(end.failure.unwrap().why, "a run that has just started holds it");
    }
}
