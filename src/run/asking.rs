//! The question of `--step` that is on the screen, from showing it to its answer.

use super::consent::{ANSWER_WITHIN, Answer, ConsentBoard, Question, ReadLine};
use crate::model::counted::counted;
use crate::report::hosts::listed;
use crate::report::style::time;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// A question that waits for its answer.
pub struct Asking {
    question: Question,
    read: ReadLine,
    typed: oneshot::Receiver<Option<String>>,
    until: Instant,
}

/// What came of a question.
pub enum Reply {
    /// The person has answered about the step.
    Answered(u32, Answer),
    /// It is asked once more: what was typed is no answer.
    Again(Asking),
    /// No one answered in time. The run is stopped.
    Late,
}

/// The next question, when one may be asked now.
pub async fn next(board: &ConsentBoard, read: Option<ReadLine>) -> Option<Asking> {
    let read = read?;
    let question = board.question().await;
    Some(Asking { question, read, typed: typed(read), until: Instant::now() + ANSWER_WITHIN })
}

/// What comes of the question that is open, when one is.
pub async fn reply(asking: &mut Option<Asking>) -> Option<Reply> {
    let open = asking.as_mut()?;
    let typed = timeout_at(open.until, &mut open.typed).await;
    let asking = asking.take()?;
    Some(match typed {
        Err(_) => Reply::Late,
        Ok(Ok(Some(line))) => match Answer::read(&line) {
            Some(answer) => Reply::Answered(asking.question.step, answer),
            None => Reply::Again(Asking { typed: self::typed(asking.read), ..asking }),
        },
        // The terminal is gone, or Ctrl-D was pressed.
        Ok(Ok(None) | Err(_)) => Reply::Answered(asking.question.step, Answer::Quit),
    })
}

impl Asking {
    /// What is on the screen.
    pub fn text(&self) -> String {
        let Question { step, name, hosts } = &self.question;
        let hosts = format!("{} ({})", counted(hosts.len(), "host"), listed(hosts));
        format!("step {}: {name}, on {hosts}\n{CHOICES}", step + 1)
    }
}

/// What can be answered.
const CHOICES: &str = "run it? [y]es, [n]o, [c]ontinue without asking, [q]uit: ";

/// Why a run is stopped whose question no one answered.
pub fn late() -> String {
    format!("no answer within {}: the run stops, so that its hosts do not stay locked", time(ANSWER_WITHIN))
}

/// Has a line read by a thread of its own. It cannot be called back: a run that ends meanwhile leaves it behind.
fn typed(read: ReadLine) -> oneshot::Receiver<Option<String>> {
    let (line, typed) = oneshot::channel();
    std::thread::spawn(move || {
        // The run may have ended.
        let _no_one_waits = line.send(read());
    });
    typed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn asked(read: ReadLine) -> Asking {
        let board = ConsentBoard::default();
        board.reached("web1", 2, "restart docker".into());
        board.reached("web2", 2, "restart docker".into());
        next(&board, Some(read)).await.unwrap()
    }

    #[tokio::test]
    async fn a_question_names_the_step_its_hosts_and_the_answers() {
        let asking = asked(|| Some("x\n".into())).await;
        assert_eq!(
            asking.text(),
            "step 3: restart docker, on 2 hosts (web[1-2])\n\
             run it? [y]es, [n]o, [c]ontinue without asking, [q]uit: "
        );
        assert!(matches!(reply(&mut Some(asking)).await, Some(Reply::Again(_))));
    }

    #[tokio::test]
    async fn the_end_of_the_input_stops_the_run() {
        let no = reply(&mut Some(asked(|| Some("n\n".into())).await)).await;
        assert!(matches!(no, Some(Reply::Answered(2, Answer::No))));
        let end = reply(&mut Some(asked(|| None).await)).await;
        assert!(matches!(end, Some(Reply::Answered(2, Answer::Quit))));
    }

    #[tokio::test(start_paused = true)]
    #[expect(clippy::disallowed_methods, reason = "a thread that waits for a key has no deadline")]
    async fn a_question_that_no_one_answers_stops_the_run() {
        let asking = asked(|| {
            std::thread::sleep(Duration::from_secs(2));
            None
        });
        assert!(matches!(reply(&mut Some(asking.await)).await, Some(Reply::Late)));
        assert_eq!(late(), "no answer within 10m00s: the run stops, so that its hosts do not stay locked");
    }
}
