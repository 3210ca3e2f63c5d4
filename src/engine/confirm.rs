//! Looks whether a command did what its exit status claims, and gathers what helps the reader when it did not.

use crate::model::Failure;
use crate::model::Result;
use crate::model::op::{Advice, Answer, Command, Run};
use crate::system::Probe;

/// Lines of a log that are told with a failure: enough for the reason, few enough to read.
const LINES_TOLD: usize = 10;

/// The answer of a command that was accepted, once what must be true afterwards was seen to be.
pub fn confirmed(host: &dyn Probe, run: &Run, answer: Answer) -> Result<Answer> {
    let Some(question) = &run.confirm else { return Ok(answer) };
    let seen = host.ask(question)?;
    if seen.ok() {
        return Ok(answer);
    }
    let words = seen.last_words().unwrap_or_else(|| format!("exit status {}", seen.status));
    let why = format!("it exited {}, but {} says: {words}", answer.status, question.shown());
    let failure = Failure::new(format!("run {}", run.command.shown()), why);
    Err(advised(host, &run.advice, failure, &answer))
}

/// The failure with the first hint that fits the output, and with what the advice's question answers.
pub fn advised(host: &dyn Probe, advice: &Advice, failure: Failure, answer: &Answer) -> Failure {
    let output = [&answer.stderr[..], &answer.stdout[..]].concat();
    let output = String::from_utf8_lossy(&output);
    let fits = advice.hints.iter().find(|(text, _)| output.contains(text.as_str()));
    let failure = match fits {
        Some((_, hint)) if failure.hint.is_none() => failure.hint(hint),
        _ => failure,
    };
    match advice.question.as_ref().and_then(|question| told(host, question)) {
        Some(lines) => Failure { why: format!("{}\n{lines}", failure.why), ..failure },
        None => failure,
    }
}

/// The end of an answer, each line indented. Nothing is lost when it cannot be had: the failure itself is told anyway.
fn told(host: &dyn Probe, question: &Command) -> Option<String> {
    let text = host.ask(question).ok()?.text();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES_TOLD)..];
    (!last.is_empty()).then(|| last.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n"))
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::testing::{answer, host};

    fn restart() -> Run {
        Run {
            command: Command::new(["systemctl", "restart", "app"]),
            confirm: Some(Command::new(["systemctl", "is-active", "app"])),
            advice: Advice {
                hints: vec![("authentication required".to_string(), "set become = true".to_string())],
                question: Some(Command::new(["journalctl", "-u", "app"])),
            },
            ..Run::default()
        }
    }

    #[test]
    fn an_exit_status_alone_is_not_believed() {
        let host = host(&[]);
        answer(&host, "systemctl is-active app", 3, "failed\n");
        answer(&host, "journalctl -u app", 0, "no such port\n\nexited\n");
        let failure = confirmed(&host, &restart(), Answer::default()).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "run systemctl restart app: it exited 0, but systemctl is-active app says: failed\n    no such port\n    exited"
        );
        answer(&host, "systemctl is-active app", 0, "active\n");
        assert!(confirmed(&host, &restart(), Answer::default()).is_ok());
    }

    #[test]
    fn output_chooses_the_hint() {
        let host = host(&[]);
        let failure = Failure::new("run systemctl restart app", "exit status 1");
        let said = Answer::said(1, "Interactive authentication required.\n");
        let told = advised(&host, &restart().advice, failure, &said);
        assert_eq!(told.to_string(), "run systemctl restart app: exit status 1\n  hint: set become = true");
    }
}
