//! Runs the executable inventories of other tools. They are this project's own programs, run here, with a deadline and
//! with bounded output.

use crate::model::{Doing, Failure, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Clouds answer slowly, but not slower than this.
const DEADLINE: Duration = Duration::from_secs(60);

/// 2,000 hosts with generous variables are a few MiB.
const OUTPUT_BYTES: u64 = 64 << 20;

/// What the program prints when it is called with these arguments.
pub fn run(program: &Path, name: &str, arguments: &[&str]) -> Result<String> {
    run_within(program, name, arguments, DEADLINE)
}

fn run_within(program: &Path, name: &str, arguments: &[&str], deadline: Duration) -> Result<String> {
    let doing = format!("run {name} {}", arguments.join(" "));
    let mut child = start(program, arguments).doing(&doing)?;
    let end = Instant::now() + deadline;
    let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let outputs = received(&stdout, end).zip(received(&stderr, end));
    if outputs.as_ref().is_none_or(|(stdout, _)| stdout.len() as u64 > OUTPUT_BYTES) {
        stop(&mut child);
        let why = match outputs {
            None => format!("it did not end within {} s", deadline.as_secs_f32()),
            Some(_) => format!("it printed more than {} MiB", OUTPUT_BYTES >> 20),
        };
        return Err(Failure::new(doing, why));
    }
    let (stdout, stderr) = outputs.unwrap_or_default();
    let status = child.wait().doing(&doing)?;
    if !status.success() {
        return Err(Failure::new(doing, said(&status.to_string(), &stderr)));
    }
    String::from_utf8(stdout).doing(doing)
}

#[expect(clippy::disallowed_methods, reason = "an inventory program runs on the controller, not on a host")]
fn start(program: &Path, arguments: &[&str]) -> std::io::Result<Child> {
    let mut command = std::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Its own process group, so that what it starts can be stopped with it.
    command.process_group(0).spawn()
}

fn reader(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // What arrived before an error is still shown; the exit status shows the error.
            let _ = stream.take(OUTPUT_BYTES + 1).read_to_end(&mut bytes);
        }
        // Nobody listens any more once the deadline is over.
        let _ = sender.send(bytes);
    });
    receiver
}

fn received(stream: &Receiver<Vec<u8>>, end: Instant) -> Option<Vec<u8>> {
    stream.recv_timeout(end.saturating_duration_since(Instant::now())).ok()
}

fn stop(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself meanwhile.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

fn said(status: &str, stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    match text.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{status}: {}", line.trim()),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::tests::folder;

    fn run_text(script: &str, deadline: Duration) -> String {
        let folder = folder(&[("x", script)]);
        let result = run_within(&folder.path().join("x"), "x", &["--list"], deadline);
        result.unwrap_or_else(|failure| failure.to_string())
    }

    #[test]
    fn gives_output_or_says_why_not() {
        let long = Duration::from_secs(30);
        assert_eq!(run_text("#!/bin/sh\necho $1", long), "--list\n");
        assert_eq!(
            run_text("#!/bin/sh\necho no token >&2; exit 3", long),
            "run x --list: exit status: 3: no token"
        );
        let short = Duration::from_millis(50);
        assert_eq!(
            run_text("#!/bin/sh\nsleep 1000 & wait", short),
            "run x --list: it did not end within 0.05 s"
        );
    }
}
