//! How a command that did not do what was asked is told.

use super::Failure;
use super::op::{Answer, Command};

/// The failure of a command that ended with a status other than 0.
pub fn refused(command: &Command, answer: &Answer) -> Failure {
    let doing = format!("run {}", command.shown());
    match (answer.status, answer.last_words()) {
        (127, None) => Failure::new(doing, "there is no such program on the host"),
        (124, _) if command.timeout.is_some() => {
            Failure::new(doing, "it was still running when its time was up")
                .hint("give the step a longer timeout, or look why it hangs")
        }
        (status, Some(words)) => Failure::new(doing, format!("exit status {status}: {words}")),
        (status, None) => Failure::new(doing, format!("exit status {status}, and it said nothing")),
    }
}
