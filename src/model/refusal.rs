//! How a command that did not do what was asked is reported.

use super::Failure;
use super::op::{Answer, Command};
use std::time::Duration;

/// The status of a command whose time was up.
pub const OUT_OF_TIME: i32 = 124;

/// The failure of a command that ended with a status other than 0.
pub fn refused(command: &Command, answer: &Answer) -> Failure {
    let doing = format!("run {}", command.shown());
    match (answer.status, answer.last_words()) {
        (127, None) => Failure::new(doing, "there is no such program on the host"),
        (OUT_OF_TIME, _) if command.timeout.is_some() => {
            let time = command.timeout.unwrap_or_default();
            Failure::new(doing, timed_out(time))
                .hint("give the step a longer timeout, or find out why it hangs")
        }
        (status, None) if let Some(signal) = signal(status) => {
            Failure::new(doing, format!("SIG{signal} ended it"))
        }
        (status, Some(words)) => Failure::new(doing, format!("exit status {status}: {words}")),
        (status, None) => Failure::new(doing, format!("exit status {status}, and it said nothing")),
    }
}

/// What is done when a plan is applied.
const APPLY: &str = "apply the plan";

/// A host is not any more as the plan found it: this step is the first that shows it.
pub fn moved(what: &str) -> Failure {
    Failure::new(APPLY, format!("the host has changed since the plan was made: {what}"))
        .hint("nothing was changed there; make a new plan")
}

/// Whether a host was refused because it has moved.
pub fn is_moved(failure: &Failure) -> bool {
    failure.doing == APPLY
}

/// `timed out after 2 s`.
pub fn timed_out(time: Duration) -> String {
    format!("timed out after {} s", time.as_secs_f64().ceil())
}

/// The signal that a status above 128 stands for, when it is one that ends programs from outside.
pub fn signal(status: i32) -> Option<&'static str> {
    [(129, "HUP"), (130, "INT"), (134, "ABRT"), (137, "KILL"), (139, "SEGV"), (143, "TERM")]
        .into_iter()
        .find_map(|(of, name)| (of == status).then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_a_command_from_outside_is_named() {
        let timed = Command { timeout: Some(Duration::from_millis(1990)), ..Command::new(["sleep", "9"]) };
        let why = |command: &Command, status| refused(command, &Answer::said(status, "")).why;
        assert_eq!(why(&timed, 124), "timed out after 2 s");
        assert_eq!(why(&Command::new(["sleep"]), 137), "SIGKILL ended it");
        assert_eq!(why(&Command::new(["sleep"]), 3), "exit status 3, and it said nothing");
    }
}
