//! The agent as what watches over armed changes: `--guard STATE RUN CHANGE MILLISECONDS`.

use crate::engine::guard::{self, Watch};
use crate::engine::state_dir::StateDir;
use crate::model::job::RunId;
use crate::model::path::HostPath;
use crate::model::{Doing, Failure, Result};
use crate::system::local::Local;
use rustix::process::{Pid, Signal};
use std::path::PathBuf;
use std::time::Duration;

/// Waits, and rolls back what no one confirmed.
pub fn watch(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    // Whoever leads a session already, as a unit of systemd does, needs none of its own.
    let _leads_already = rustix::process::setsid();
    let mut next = |what: &str| {
        arguments.next().ok_or_else(|| Failure::new("read what to watch over", format!("{what} is missing")))
    };
    let state = StateDir::at(HostPath::from(next("the state directory")?));
    let run = RunId::try_from(next("the run")?).doing("read what to watch over")?;
    let change = next("the change")?.parse().doing("read what to watch over")?;
    let time = Duration::from_millis(next("the time")?.parse().doing("read what to watch over")?);
    guard::watch(&Local::new(), &state, &Watch { run, change }, time, &end)
}

/// The program that [`watch`]es: this one, where it lies on the host.
pub fn program() -> Result<String> {
    let path = own().ok_or_else(|| Failure::new("arm the change", "the agent cannot find its own file"))?;
    match path.to_str().filter(|path| path.starts_with('/') && !path.contains(char::is_whitespace)) {
        Some(path) => Ok(path.to_string()),
        None => {
            Err(Failure::new("arm the change", format!("{} cannot be the path of a unit", path.display())))
        }
    }
}

/// Kills an agent that hangs. A process that is not this program any more has ended, and its number is another's.
fn end(agent: u32) {
    let is_ours = std::fs::read_link(format!("/proc/{agent}/exe")).ok() == own();
    let pid = i32::try_from(agent).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid.filter(|_| is_ours) {
        // It may have ended just now.
        let _gone = rustix::process::kill_process(pid, Signal::KILL);
    }
}

fn own() -> Option<PathBuf> {
    std::fs::read_link("/proc/self/exe").ok()
}
