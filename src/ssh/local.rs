//! Commands of this machine that decide about a connection: `Match exec`, `KnownHostsCommand`, `command:` for secrets.
//! None runs without a deadline, and of none more than a bounded answer is read.

use crate::model::failure::Result;
use crate::trust;
use std::collections::HashMap;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// A command may take this long. ssh itself waits for ever, which one host of a fleet must not cost the others.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// A password manager may ask its owner, who needs longer.
pub const SECRET_DEADLINE: Duration = Duration::from_secs(120);
/// No list of host keys and no secret is longer.
const MAX_OUTPUT_BYTES: u64 = 4 << 20;

/// How a command ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Whether its status was 0.
    pub success: bool,
    /// What it printed.
    pub stdout: Vec<u8>,
}

/// The answers so far. Two tasks that want the same command wait for one run of it.
#[derive(Debug, Default)]
pub struct Commands(Mutex<HashMap<String, Arc<Answer>>>);

/// What came of a command, once it is known.
type Answer = OnceLock<Result<Ended, String>>;

impl Commands {
    /// Runs `command` by the user's shell, unless this run has its answer already.
    pub fn shell(&self, command: &str, deadline: Duration) -> Result<Ended, String> {
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            cells.entry(command.to_string()).or_default().clone()
        };
        cell.get_or_init(|| line(command, deadline)).clone()
    }
}

/// Runs a line by the user's shell, unless it names a program that another user can have written.
fn line(command: &str, deadline: Duration) -> Result<Ended, String> {
    let here = std::env::current_dir().unwrap_or_default();
    trust::program::line(command, &here).map_err(|failure| failure.to_string())?;
    to_its_end(&[shell(), "-c".to_string(), command.to_string()], deadline)
}

/// The user's shell, as ssh chooses it.
pub fn shell() -> String {
    std::env::var("SHELL").ok().filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_string())
}

/// Runs a program to its end, without input, and with what it says on standard error dropped.
pub fn run(argv: &[String], deadline: Duration) -> Result<Ended, String> {
    trust::program::words(&argv[..argv.len().min(1)], Path::new("/"))
        .map_err(|failure| failure.to_string())?;
    to_its_end(argv, deadline)
}

fn to_its_end(argv: &[String], deadline: Duration) -> Result<Ended, String> {
    let child = start(argv).map_err(|why| format!("it did not start: {why}"))?;
    let group = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(wait(child)));
    match receiver.recv_timeout(deadline) {
        Ok(ended) => ended.map_err(|why| format!("it did not end: {why}")),
        Err(_) => {
            // What has ended meanwhile needs no signal.
            let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            Err(format!("it did not end within {} s", deadline.as_secs()))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "these are commands of this machine, not of a host")]
fn start(argv: &[String]) -> std::io::Result<Child> {
    Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn wait(mut child: Child) -> std::io::Result<Ended> {
    let mut stdout = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(MAX_OUTPUT_BYTES).read_to_end(&mut stdout)?;
    }
    Ok(Ended { success: child.wait()?.success(), stdout })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_succeeds_or_fails_and_runs_once() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let (commands, command) = (Commands::default(), format!("echo x >> {} && echo y", log.display()));
        for _ in 0..3 {
            let ended = Ended { success: true, stdout: b"y\n".to_vec() };
            assert_eq!(commands.shell(&command, DEADLINE), Ok(ended));
        }
        assert_eq!(std::fs::read_to_string(log).unwrap(), "x\n");
        assert!(!commands.shell("exit 3", DEADLINE).unwrap().success);
        assert!(!commands.shell("read line && test -n \"$line\"", DEADLINE).unwrap().success);
    }

    #[test]
    fn a_command_that_does_not_end_is_ended() {
        let argv = ["/bin/sh", "-c", "sleep 1000 & wait"].map(str::to_string);
        assert_eq!(run(&argv, Duration::from_millis(50)), Err("it did not end within 0 s".to_string()));
        assert!(run(&["/nonexistent".to_string()], DEADLINE).unwrap_err().starts_with("it did not start"));
    }
}
