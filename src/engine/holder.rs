//! Who holds a host's lock, as the lock's file says it, and whether that process still works.

use super::state_dir::StateDir;
use crate::model::job::RunId;
use crate::model::op::Command;
use crate::model::{Failure, Result};
use crate::system::Probe;
use std::time::Duration;

const SCRIPT: &str = include_str!("holder.sh");

/// Between the name of who holds the lock and the run it is for.
const HOLDS: &str = ", run ";

/// To look at a process, or to end it, takes no longer.
const LOOK: Duration = Duration::from_secs(10);

/// What a lock's file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LockHolder {
    /// `alice@laptop, run 20260314-150926-aaaa`; empty when nothing is there yet.
    pub text: String,
    process: Option<Process>,
}

/// A process, by what no other process of its boot has: its number and its start.
#[derive(Clone, Debug, PartialEq)]
struct Process {
    pid: String,
    started: String,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It has ended.
    Gone,
    /// It was stopped by a signal, and does nothing until another one lets it continue.
    Suspended,
    /// It works, or waits for something.
    Alive,
    /// The lock does not say which process it is.
    Unknown,
}

impl LockHolder {
    /// The holder as a lock's first line names it.
    pub fn named(text: &str) -> Self {
        LockHolder { text: text.to_string(), process: None }
    }

    /// What the lock's file says; a shell on a host without flock has one of its own.
    pub fn read(host: &dyn Probe, state: &StateDir, text: &str) -> Result<Self> {
        let of_shell = host.read(&state.lock_of_shell())?.unwrap_or_default();
        let of_shell = lines(&of_shell);
        let [first, second] = match &of_shell[..] {
            [process, holder, ..] if holder == text => [holder.clone(), process.clone()],
            _ => {
                let mut lines = lines(&host.read(&state.lock())?.unwrap_or_default()).into_iter();
                [lines.next().unwrap_or_default(), lines.next().unwrap_or_default()]
            }
        };
        // Another run may have taken it since.
        let process = if first == text { Process::read(&second) } else { None };
        Ok(LockHolder { text: text.to_string(), process })
    }

    /// What a lock's file says when `who` takes it for a run.
    pub fn text_of(who: &str, run: &RunId) -> String {
        format!("{who}{HOLDS}{run}")
    }

    /// Who it is and since when.
    pub fn shown(&self) -> String {
        match self.since() {
            _ if self.text.is_empty() => "a run that has just started".to_string(),
            Some(since) => format!("{}, since {since} UTC", self.text),
            None => self.text.clone(),
        }
    }

    /// The same where the sentence continues.
    pub fn subject(&self) -> String {
        self.shown() + if self.since().is_some() { "," } else { "" }
    }

    /// A run's name begins with its start.
    fn since(&self) -> Option<String> {
        let (_, run) = self.text.rsplit_once(HOLDS)?;
        Some(RunId::try_from(run.to_string()).ok()?.started()?.to_string())
    }

    /// The number of its process.
    pub fn pid(&self) -> Option<&str> {
        self.process.as_ref().map(|process| process.pid.as_str())
    }

    /// What its process does now.
    pub fn life(&self, host: &dyn Probe) -> Result<Life> {
        let Some(process) = &self.process else { return Ok(Life::Unknown) };
        let answer = host.ask(&process.command("look"))?;
        Ok(match answer.text().as_str() {
            "gone" | "Z" | "X" => Life::Gone,
            "T" | "t" => Life::Suspended,
            _ => Life::Alive,
        })
    }

    /// The command that ends its process, which then writes nothing any more: a suspended one does not wake up before.
    pub fn end(&self) -> Result<Command> {
        self.process.as_ref().map(|process| process.command("end")).ok_or_else(|| {
            Failure::new("break the lock", "it does not say which process holds it")
                .hint("find it on the host with: fuser -v /var/lib/windlass/lock")
        })
    }
}

impl Process {
    /// `1234 567890`; a shell's own lock has the boot in place of the start.
    fn read(line: &str) -> Option<Self> {
        let (pid, started) = line.split_once(' ').unwrap_or((line, ""));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let started = if digits(started) { started } else { "" };
        digits(pid).then(|| Process { pid: pid.to_string(), started: started.to_string() })
    }

    fn command(&self, what: &str) -> Command {
        let words = ["/bin/sh", "-c", SCRIPT, "sh", &self.pid, &self.started, what];
        Command { timeout: Some(LOOK), ..Command::new(words) }
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(|line| line.trim().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_names_its_process_or_does_not() {
        let process = |line| Process::read(line).map(|process| [process.pid, process.started]);
        assert_eq!(process("12 3456"), Some(["12".into(), "3456".into()]));
        assert_eq!(process("12 0e9b-boot"), Some(["12".into(), String::new()]));
        assert_eq!([process(""), process("x 1"), process("-1 1")], [None, None, None]);
    }
}
