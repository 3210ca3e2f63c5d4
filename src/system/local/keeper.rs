//! A small shell beside the agent that ends what the agent was running when the agent is killed. It holds the host's lock
//! until that has ended, so that the next run cannot start the same a second time.

use rustix::process::Pid;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Stdio};

const SCRIPT: &str = include_str!("keeper.sh");

/// The shell, and the pipe through which it hears what runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Keeper {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Keeper {
    /// Starts it with the host's lock.
    pub fn start(lock: OwnedFd) -> io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "it runs beside the commands, and is none of them")]
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", SCRIPT]).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::from(lock)).stderr(Stdio::null());
        let mut process = shell.spawn()?;
        let pipe = process.stdin.take();
        Ok(Keeper { process, pipe })
    }

    /// A command is about to start.
    pub fn expects(&mut self) -> io::Result<()> {
        self.hear("start")
    }

    /// The command that was about to start runs as this group.
    pub fn watches(&mut self, group: Pid) -> io::Result<()> {
        self.hear(&group.as_raw_nonzero().to_string())
    }

    /// The command has ended.
    pub fn forgets(&mut self) -> io::Result<()> {
        self.hear("end")
    }

    fn hear(&mut self, line: &str) -> io::Result<()> {
        let pipe = self.pipe.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        pipe.write_all(format!("{line}\n").as_bytes())
    }
}

impl Drop for Keeper {
    /// Waits for its end, so that the lock is free when the agent has ended.
    fn drop(&mut self) {
        self.pipe.take();
        let _ended = self.process.wait();
    }
}
