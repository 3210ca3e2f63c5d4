//! Commands that run while the agent does something else: each has a thread that looks after it, and a keeper that ends it
//! when the agent is killed and holds the host's lock until then.

use super::Local;
use super::process::attend;
use crate::model::op::{Answer, Command};
use crate::model::{Failure, Result};
use crate::system::{Background, Flow, Listener, Ran};
use rustix::process::Pid;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A command that its thread looks after.
struct Attended {
    shown: String,
    thread: JoinHandle<(Result<Answer>, Duration)>,
}

impl Local {
    /// Starts a command that may change something. While the host's lock is ours, a killed agent leaves nothing of it running.
    pub(super) fn start_kept(
        &self,
        command: &Command,
        kept: usize,
        listener: Box<dyn Listener + Send>,
    ) -> Result<Box<dyn Background>> {
        let doing = |error| super::failed(&format!("prepare to run {}", command.shown()), &error);
        let mut keeper = self.start_keeper().map_err(doing)?;
        let child = match self.spawn(command)? {
            Ok(child) => child,
            Err(answer) => return Ok(Box::new(Ran { answer, ..Ran::default() })),
        };
        if let Some(keeper) = &mut keeper {
            // A keeper that is gone ends nothing: the command is watched over as if there were none.
            let _gone = keeper.watches(Pid::from_child(&child));
        }
        let (began, running, command) = (Instant::now(), self.running.clone(), command.clone());
        let shown = command.shown();
        let thread = std::thread::spawn(move || {
            let mut listener = listener;
            let flow = Flow { listener: Some(&mut *listener), kept: Some(kept), ..Flow::default() };
            let answer = attend(child, &command, &running, flow);
            let took = began.elapsed();
            let _gone = keeper.as_mut().map(|keeper| keeper.forgets());
            (answer, took)
        });
        Ok(Box::new(Attended { shown, thread }))
    }
}

impl Background for Attended {
    fn wait(self: Box<Self>) -> Result<Ran> {
        let doing = format!("wait for {}", self.shown);
        let ended = self.thread.join();
        let (answer, took) =
            ended.map_err(|_| Failure::new(doing, "the thread that looks after it ended early"))?;
        Ok(Ran { answer: answer?, took, started: true })
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::model::event::Stream;
    use crate::system::System;
    use std::sync::{Arc, Mutex};

    /// Keeps what it hears.
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<u8>>>);

    impl Listener for Heard {
        fn hear(&mut self, _: Stream, bytes: &[u8]) {
            self.0.lock().unwrap().extend(bytes);
        }
    }

    fn sh(script: &str) -> Command {
        Command { timeout: Some(Duration::from_secs(60)), ..Command::new(["sh", "-c", script]) }
    }

    fn started(host: &Local, command: &Command, heard: &Heard) -> Box<dyn Background> {
        host.start(command, 1024, Box::new(heard.clone())).unwrap()
    }

    #[test]
    fn what_was_started_runs_beside_other_commands_and_ends_as_they_do() {
        let folder = tempfile::tempdir().unwrap();
        let go = folder.path().join("go");
        let (host, heard) = (Local::new(), Heard::default());
        let waits =
            sh(&format!("until [ -e {go} ]; do sleep 0.01; done; echo out; exit 3", go = go.display()));
        let command = started(&host, &waits, &heard);
        // It would never end if this one waited for it.
        assert!(host.run(&sh(&format!("touch {}", go.display()))).unwrap().ok());
        let ran = command.wait().unwrap();
        assert_eq!((ran.answer.status, ran.answer.text().as_str(), ran.started), (3, "out", true));
        assert_eq!(*heard.0.lock().unwrap(), b"out\n");
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let (host, heard) = (Local::new(), Heard::default());
        let command = Command { timeout: Some(Duration::from_millis(100)), ..sh("sleep 600") };
        assert_eq!(started(&host, &command, &heard).wait().unwrap().answer.status, 124);
    }

    #[test]
    fn a_kill_ends_it_too() {
        let (host, heard) = (Local::new(), Heard::default());
        let command = started(&host, &sh("sleep 600"), &heard);
        host.stopper().kill();
        assert_eq!(command.wait().unwrap().answer.status, 137);
    }

    #[test]
    fn a_program_that_does_not_exist_was_not_started() {
        let (host, heard) = (Local::new(), Heard::default());
        let ran = started(&host, &Command::new(["no-such-program"]), &heard).wait().unwrap();
        assert_eq!((ran.answer.status, ran.started), (127, false));
    }
}
