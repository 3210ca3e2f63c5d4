//! What `serve` last saw: for its status file, its metrics and its health.

use crate::schedule::node_name;
use crate::schedule::view::View;
use jiff::Timestamp;
use serde::Serialize;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The status file is written when something changed, and at least so often.
const WRITE: Duration = Duration::from_secs(10);

/// `.windlass/schedule/status.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The version of this form.
    pub version: u32,
    /// The process.
    pub pid: u32,
    /// The machine.
    pub controller: String,
    /// The project's folder.
    pub project: String,
    /// When it began to serve.
    pub started: Timestamp,
    /// When it last looked.
    pub updated: Timestamp,
    /// Every schedule, as `schedule list --output json` shows it.
    pub schedules: Vec<View>,
}

impl Status {
    /// Of this process.
    pub fn new(project: &Path, started: Timestamp, updated: Timestamp, schedules: Vec<View>) -> Status {
        let (pid, controller) = (std::process::id(), node_name());
        Status {
            version: 1,
            pid,
            controller,
            project: project.display().to_string(),
            started,
            updated,
            schedules,
        }
    }
}

/// Where the newest status hangs.
#[derive(Default)]
pub struct Board {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    status: Option<Status>,
    looked: Option<Instant>,
    written: Option<Instant>,
}

impl Board {
    /// Hangs up a new one. Says whether it is to be written to its file.
    pub fn put(&self, status: Status) -> bool {
        let mut seen = self.seen();
        let same = seen.status.as_ref().is_some_and(|before| before.schedules == status.schedules);
        let stale = seen.written.is_none_or(|written| written.elapsed() >= WRITE);
        seen.status = Some(status);
        seen.looked = Some(Instant::now());
        if !same || stale {
            seen.written = Some(Instant::now());
        }
        !same || stale
    }

    /// The newest one.
    pub fn status(&self) -> Option<Status> {
        self.seen().status.clone()
    }

    /// How long ago schedules were last looked at.
    pub fn age(&self) -> Option<Duration> {
        self.seen().looked.map(|looked| looked.elapsed())
    }

    /// The newest one as JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&self.seen().status).map(|json| crate::report::escape::json(json) + "\n")
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // What hangs there is whole at any time, also when a thread panicked while reading it.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
