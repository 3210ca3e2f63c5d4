//! The process of a run: started with the schedule's lock as its standard input, and ended in time.

use crate::model::{Doing, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// A run that is asked to end may finish the step in hand for so long. Then it is asked to kill that.
const LAST_STEP: Duration = Duration::from_secs(60);

/// Then it has so long to settle with its hosts. Then it is killed.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// On its own.
    Itself,
    /// It took too long.
    TimeIsUp,
    /// A service manager, or `windlass serve`, ended it.
    Terminated,
    /// Ctrl-C.
    Interrupted,
}

/// A run under way.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts windlass with these words.
    pub fn start(program: &Path, words: &[String], lock: Stdio) -> Result<Process> {
        let doing = format!("start {}", program.display());
        let child = Command::new(program)
            .args(words)
            .stdin(lock)
            // A service manager's notes are for the process that it started, not for what that starts.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .spawn();
        Ok(Process { child: child.doing(doing)? })
    }

    /// Waits for its end, and brings it about when its time is up or someone asks for it. The exit code is none when a
    /// signal killed it.
    pub async fn end(mut self, timeout: Duration, say: &dyn Fn(&str)) -> Result<(Ending, Option<u8>)> {
        let mut terminate = signal(SignalKind::terminate()).doing("listen for the signal TERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).doing("listen for Ctrl-C")?;
        let mut ending = Ending::Itself;
        let mut urgency = Urgency::None;
        let mut deadline = Instant::now() + timeout;
        loop {
            tokio::select! {
                status = self.child.wait() => {
                    let code = status.doing("wait for the run")?.code();
                    return Ok((ending, code.and_then(|code| u8::try_from(code).ok())));
                }
                _ = terminate.recv() => {
                    ending = first(ending, Ending::Terminated);
                    say("asked to end: the run finishes the step in hand");
                }
                // Ctrl-C reaches the run too, since it runs in our terminal: it must not hear of it twice.
                _ = interrupt.recv() => {
                    ending = first(ending, Ending::Interrupted);
                    continue;
                }
                () = tokio::time::sleep_until(deadline) => {
                    ending = first(ending, Ending::TimeIsUp);
                    say(urgency.told());
                }
            }
            deadline = Instant::now() + self.urge(&mut urgency);
        }
    }

    /// Asks once more, more urgently than before. Returns how long it then has.
    fn urge(&self, urgency: &mut Urgency) -> Duration {
        let (signal, next, patience) = match urgency {
            Urgency::None => (Signal::TERM, Urgency::Stop, LAST_STEP),
            Urgency::Stop => (Signal::TERM, Urgency::Kill, LAST_WORDS),
            Urgency::Kill => (Signal::KILL, Urgency::Kill, LAST_WORDS),
        };
        *urgency = next;
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid as i32)) {
            // It may just have ended.
            let _gone_already = kill_process(pid, signal);
        }
        patience
    }
}

/// How urgently a run has been asked to end.
enum Urgency {
    None,
    Stop,
    Kill,
}

impl Urgency {
    fn told(&self) -> &'static str {
        match self {
            Urgency::None => "its time is up: the run finishes the step in hand",
            Urgency::Stop => "the step in hand takes too long: it is killed",
            Urgency::Kill => "the run does not end: it is killed",
        }
    }
}

/// The first reason is the one that counts.
fn first(ending: Ending, new: Ending) -> Ending {
    if ending == Ending::Itself { new } else { ending }
}
