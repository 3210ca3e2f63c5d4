//! Judges how a command ended: its exit status, whether it did what that claims, and what helps the reader when not.

use crate::model::op::{Accept, Advice, Answer, Command, Op, Run};
use crate::model::reason::{self, excerpt};
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::Probe;

/// Refuses what a command answered, unless its status is accepted and what must be true afterwards is seen to be.
/// Nothing is asked when every status is fine: then the playbook judges.
pub fn accept(host: &dyn Probe, op: &Op, answer: Option<&Answer>) -> Result<()> {
    let (Op::Run(run), Some(answer)) = (op, answer) else { return Ok(()) };
    if was_idle(run, answer) {
        return Ok(());
    }
    let refused = match run.accept.accepts(answer.status) {
        false => Some(refused(&run.command, answer)),
        true if run.accept == Accept::Any => None,
        true => unconfirmed(host, run, answer)?,
    };
    match refused {
        Some(failure) => Err(advised(host, &run.advice, failure, answer)),
        None => Ok(()),
    }
}

/// Whether a command found that there was nothing left to do.
pub fn was_idle(run: &Run, answer: &Answer) -> bool {
    run.idle == Some(answer.status)
}

fn unconfirmed(host: &dyn Probe, run: &Run, answer: &Answer) -> Result<Option<Failure>> {
    let Some(question) = &run.confirm else { return Ok(None) };
    let seen = host.ask(question)?;
    let words = seen.last_words().unwrap_or_else(|| format!("exit status {}", seen.status));
    let why = format!("it exited {}, but {} says: {words}", answer.status, question.shown());
    Ok((!seen.ok()).then(|| Failure::new(format!("run {}", run.command.shown()), why)))
}

/// The failure with what the advice's question answers, and with the first hint that fits that or the output.
pub fn advised(host: &dyn Probe, advice: &Advice, failure: Failure, answer: &Answer) -> Failure {
    let lines = advice.question.as_ref().and_then(|question| told(host, question)).unwrap_or_default();
    let output = [&answer.stderr[..], &answer.stdout[..], lines.as_bytes()].concat();
    let output = String::from_utf8_lossy(&output);
    let fits = advice.hints.iter().find(|(text, _)| output.contains(text.as_str()));
    let failure = match fits {
        Some((_, hint)) if failure.hint.is_none() => failure.hint(hint),
        _ => failure,
    };
    match lines.is_empty() {
        true => failure,
        false => Failure { why: format!("{}\n{lines}", failure.why), ..failure },
    }
}

/// The end of an answer and the line in it that says why, each indented. Nothing is lost when it cannot be had: the
/// failure itself is reported anyway.
fn told(host: &dyn Probe, question: &Command) -> Option<String> {
    let text = host.ask(question).ok()?.text();
    let lines = excerpt(&text, reason::LINES);
    (!lines.is_empty()).then(|| lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n"))
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::testing::{answer, host};

    fn restart() -> Op {
        Op::from(Run {
            command: Command::new(["systemctl", "restart", "app"]),
            confirm: Some(Command::new(["systemctl", "is-active", "app"])),
            advice: Advice {
                hints: vec![(
                    "authentication required".to_string(),
                    "become root: -b, or become = true".to_string(),
                )],
                question: Some(Command::new(["journalctl", "-u", "app"])),
            },
            ..Run::default()
        })
    }

    fn refused(host: &dyn Probe, answer: &Answer) -> String {
        accept(host, &restart(), Some(answer)).unwrap_err().to_string()
    }

    #[test]
    fn an_exit_status_alone_is_not_believed() {
        let host = host(&[]);
        answer(&host, "systemctl is-active app", 3, "failed\n");
        answer(&host, "journalctl -u app", 0, "no such port\n\nexited\n");
        assert_eq!(
            refused(&host, &Answer::default()),
            "run systemctl restart app: it exited 0, but systemctl is-active app says: failed\n    no such port\n    exited"
        );
        answer(&host, "systemctl is-active app", 0, "active\n");
        assert!(accept(&host, &restart(), Some(&Answer::default())).is_ok());
    }

    #[test]
    fn the_log_chooses_the_hint_too() {
        let host = host(&[]);
        answer(&host, "journalctl -u app", 0, "authentication required by polkit\n");
        assert_eq!(
            refused(&host, &Answer::said(1, "no")),
            "run systemctl restart app: exit status 1: no\n    authentication required by polkit\n  hint: become root: -b, or become = true"
        );
    }

    #[test]
    fn a_command_may_find_that_nothing_is_left_to_do() {
        let run = Run { idle: Some(10), confirm: None, ..Run::from(Command::new(["migrate"])) };
        let host = host(&[]);
        assert!(accept(&host, &Op::from(run.clone()), Some(&Answer::said(10, ""))).is_ok());
        assert!(accept(&host, &Op::from(run), Some(&Answer::said(11, ""))).is_err());
    }

    #[test]
    fn output_chooses_the_hint() {
        let host = host(&[]);
        let said = Answer::said(1, "Interactive authentication required.\n");
        assert_eq!(
            refused(&host, &said),
            "run systemctl restart app: exit status 1: Interactive authentication required.\n  hint: become root: -b, or become = true"
        );
    }
}
