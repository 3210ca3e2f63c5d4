//! The folder `.windlass/schedule`: a file of state for each schedule, written whole or not at all, and the locks that
//! keep two processes from running one schedule at the same time.
//!
//! - `NAME.json`: the state. It is read and replaced only under `NAME.lock`, which is held for moments.
//! - `NAME.running`: locked for as long as a run goes on. The run itself holds it too, as its standard input, so that it
//!   stays locked when the process that started the run is killed. The kernel lets go of it when the last of them ends.
//! - `serve.lock`: held by `windlass serve`. `status.json`: what it last saw.

use super::Schedule;
use super::state::State;
use crate::model::{Doing, Failure, Result};
use crate::record;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a lock that is held for moments is waited for.
const MOMENTS: Duration = Duration::from_secs(10);

/// Somebody who only looks whether a lock is held holds it himself for a moment.
const LOOKING: Duration = Duration::from_millis(500);

const PAUSE: Duration = Duration::from_millis(10);

/// A state file is at most this large, in bytes.
const STATE_MOST: u64 = 16 << 20;

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// The lock that a run holds.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

/// Who holds it, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The process that started the run.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
}

impl Folder {
    /// The folder below a project's `.windlass`, made where it is missing.
    pub fn open(state: &Path) -> Result<Folder> {
        record::make_folder(state)?;
        let path = state.join("schedule");
        let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(&path);
        made.doing(format!("make {}", path.display()))?;
        Ok(Folder { path })
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The state as it is; `None` before the schedule was first looked at.
    pub fn read(&self, schedule: &str) -> Result<Option<State>> {
        let path = self.path(&format!("{schedule}.json"));
        let doing = format!("read {}", path.display());
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.doing(&doing)?,
        };
        let mut text = String::new();
        file.take(STATE_MOST).read_to_string(&mut text).doing(&doing)?;
        serde_json::from_str(&text).map(Some).doing(doing)
    }

    /// Changes the state: reads it under its lock, lets `change` work on it, and replaces it durably when it is another
    /// one then. Returns also what the reader should know of how the state was found.
    pub fn change<T>(
        &self,
        schedule: &Schedule,
        now: Timestamp,
        change: impl FnOnce(&mut State) -> T,
    ) -> Result<(T, Option<String>)> {
        let _alone = self.hold_for_moments(&format!("{}.lock", schedule.name))?;
        let (found, damaged) = self.found(&schedule.name, now)?;
        let mut state = found.clone().unwrap_or_else(|| State::new(schedule, now));
        let refreshed = state.refresh(schedule, now);
        let result = change(&mut state);
        if found.as_ref() != Some(&state) {
            let text = serde_json::to_vec_pretty(&state).doing("write the state of a schedule")?;
            self.replace(&format!("{}.json", schedule.name), &text)?;
        }
        Ok((result, damaged.or(refreshed)))
    }

    /// A state that cannot be read is set aside, never silently made again.
    fn found(&self, schedule: &str, now: Timestamp) -> Result<(Option<State>, Option<String>)> {
        let failure = match self.read(schedule) {
            Ok(state) => return Ok((state, None)),
            Err(failure) => failure,
        };
        let path = self.path(&format!("{schedule}.json"));
        let aside = self.path(&format!("{schedule}.json.corrupt-{}", now.strftime("%Y%m%d-%H%M%S")));
        fs::rename(&path, &aside).doing(format!("set {} aside", path.display()))?;
        let told = format!(
            "{} was damaged ({}) and was set aside as {}; its times count from now on",
            path.display(),
            failure.why,
            aside.display()
        );
        Ok((None, Some(told)))
    }

    /// Writes a file whole or not at all, so that it survives a power cut. Two may not write the same one at a time.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (path, new) = (self.path(name), self.path(&format!(".{name}.new")));
        let doing = format!("write {}", path.display());
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .doing(&doing)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).doing(&doing)?;
        fs::rename(&new, &path).doing(&doing)?;
        File::open(&self.path).and_then(|folder| folder.sync_all()).doing(doing)
    }

    /// Takes the lock of a schedule's runs; `None` while a run is going on.
    pub fn hold_run(&self, schedule: &str) -> Result<Option<RunLock>> {
        let name = format!("{schedule}.running");
        let Some(mut file) = self.try_hold(&name, LOOKING)? else { return Ok(None) };
        let holder = Holder { pid: std::process::id(), since: Timestamp::now() };
        let text = serde_json::to_string(&holder).doing("write who runs")?;
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        written.doing(format!("write {}", self.path(&name).display()))?;
        // A run reads its standard input to its end, which must be here.
        Ok(Some(RunLock { file }))
    }

    /// Whether a run of it is going on.
    pub fn is_running(&self, schedule: &str) -> bool {
        self.is_held(&format!("{schedule}.running"))
    }

    /// Whether a process holds a lock.
    pub fn is_held(&self, name: &str) -> bool {
        match File::open(self.path(name)) {
            Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
            Err(_) => false,
        }
    }

    /// Who runs it, as far as it is known.
    pub fn holder(&self, schedule: &str) -> Option<Holder> {
        let text = fs::read_to_string(self.path(&format!("{schedule}.running"))).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Takes a lock that is held by one process for as long as it lives; `None` when another has it.
    pub fn hold(&self, name: &str) -> Result<Option<File>> {
        self.try_hold(name, LOOKING)
    }

    fn hold_for_moments(&self, name: &str) -> Result<File> {
        let held = self.try_hold(name, MOMENTS)?;
        held.ok_or_else(|| {
            let why = format!("another process has held it for {} s", MOMENTS.as_secs());
            Failure::new(format!("lock {}", self.path(name).display()), why)
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a lock that is held for moments, waited for with a deadline"
    )]
    fn try_hold(&self, name: &str, within: Duration) -> Result<Option<File>> {
        let path = self.path(name);
        let doing = format!("lock {}", path.display());
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.doing(&doing)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) if started.elapsed() < within => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error).doing(doing),
            }
        }
    }
}

impl RunLock {
    /// The lock as a run's standard input: it is held until that run has ended too.
    pub fn for_run(&self) -> Result<std::process::Stdio> {
        let file = self.file.try_clone().doing("hand on the lock of a run")?;
        Ok(file.into())
    }
}

#[cfg(test)]
mod tests;
