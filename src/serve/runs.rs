//! The processes that `serve` has started: one for each schedule at most.

use crate::model::{Doing, Result};
use crate::schedule::log::say;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// What could not be begun is tried again after so long, then after twice as long, and so on.
const PAUSE: Duration = Duration::from_secs(5);

/// Up to this.
const PAUSE_MOST: Duration = Duration::from_secs(300);

/// How often it is looked whether one has ended.
const POLL: Duration = Duration::from_millis(50);

/// The processes.
pub struct Runs {
    program: PathBuf,
    root: PathBuf,
    going: HashMap<String, Going>,
    /// What each schedule was started for last.
    tried: HashMap<String, Tried>,
}

struct Going {
    child: Child,
}

struct Tried {
    what: String,
    again: Instant,
    pause: Duration,
}

impl Runs {
    /// None yet. `program` is windlass, `root` the project's folder.
    pub fn new(program: PathBuf, root: &Path) -> Runs {
        Runs { program, root: root.to_path_buf(), going: HashMap::new(), tried: HashMap::new() }
    }

    /// Starts `what` is due of a schedule, in a process group of its own: Ctrl-C is for us. What is still due after it was
    /// started could not even be begun; it is tried again with growing pauses.
    pub fn start(&mut self, schedule: &str, what: &str) -> Result<()> {
        if self.has(schedule) || !self.may_try(schedule, what) {
            return Ok(());
        }
        let child = Command::new(&self.program)
            .arg("--project")
            .arg(&self.root)
            .args(["schedule", "run", schedule, "--due"])
            .stdin(Stdio::null())
            .process_group(0)
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .spawn()
            .doing(format!("start {}", self.program.display()))?;
        self.going.insert(schedule.to_string(), Going { child });
        Ok(())
    }

    fn may_try(&mut self, schedule: &str, what: &str) -> bool {
        let now = Instant::now();
        let pause = match self.tried.get(schedule).filter(|tried| tried.what == what) {
            Some(tried) if now < tried.again => return false,
            Some(tried) => (tried.pause * 2).min(PAUSE_MOST),
            None => PAUSE,
        };
        let tried = Tried { what: what.to_string(), again: now + pause, pause };
        self.tried.insert(schedule.to_string(), tried);
        true
    }

    /// Whether one of ours is at it.
    pub fn has(&self, schedule: &str) -> bool {
        self.going.contains_key(schedule)
    }

    /// How many are.
    pub fn len(&self) -> usize {
        self.going.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.going.is_empty()
    }

    /// Forgets those that have ended.
    pub fn reap(&mut self) {
        // An error here means that there is no such process any more.
        self.going.retain(|_, going| matches!(going.child.try_wait(), Ok(None)));
    }

    /// Resolves when one of them may have ended; never while there are none.
    pub async fn one_ended(&mut self) {
        if self.going.is_empty() {
            return std::future::pending().await;
        }
        loop {
            let ended = |going: &mut Going| !matches!(going.child.try_wait(), Ok(None));
            if self.going.values_mut().any(ended) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks all of them to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        for (name, going) in &self.going {
            if let Some(pid) = going.child.id().and_then(|pid| Pid::from_raw(pid as i32)) {
                say(&format!("schedule {name}: interrupted"));
                // It may just have ended.
                let _gone_already = kill_process(pid, Signal::TERM);
            }
        }
    }
}
