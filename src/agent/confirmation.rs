//! What the controller says of a change that must be confirmed, on its way from the reader of orders to the engine.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

/// Answers that may wait; there is one for each question, and one when the channel closes.
const ANSWERS: usize = 8;

/// An answer to a question: why it is refused, when it is. `None`: to whatever was asked.
type Answer = (Option<u32>, Option<String>);

/// Gives answers.
#[derive(Clone)]
pub struct Answers(SyncSender<Answer>);

/// Asks, and waits for answers.
pub struct Confirmation {
    answers: Mutex<Receiver<Answer>>,
    asked: AtomicU32,
}

/// Both ends.
pub fn channel() -> (Answers, Confirmation) {
    let (sender, receiver) = sync_channel(ANSWERS);
    (Answers(sender), Confirmation { answers: Mutex::new(receiver), asked: AtomicU32::new(0) })
}

impl Answers {
    /// What the controller found.
    pub fn give(&self, request: u32, refusal: Option<String>) {
        self.send((Some(request), refusal));
    }

    /// No question will be answered any more.
    pub fn end(&self, why: &str) {
        self.send((None, Some(why.to_string())));
    }

    /// Nobody waits for more answers than fit, so that one too many says nothing new.
    fn send(&self, answer: Answer) {
        match self.0.try_send(answer) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

impl Confirmation {
    /// Asks with `ask`, which gets the question's number, and waits for its answer until then.
    pub fn of(&self, ask: impl FnOnce(u32), until: Instant) -> Result<(), String> {
        let request = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        ask(request);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match answers.recv_timeout(left) {
                Ok((Some(other), _)) if other != request => {}
                Ok((_, Some(refusal))) => return Err(refusal),
                Ok((_, None)) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    return Err("the controller did not answer in time".to_string());
                }
                Err(RecvTimeoutError::Disconnected) => return Err("the controller went away".to_string()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[test]
    fn only_the_answer_to_the_question_counts() {
        let (answers, confirmation) = channel();
        assert_eq!(confirmation.of(|request| answers.give(request, None), soon()), Ok(()));
        let late = confirmation.of(|request| answers.give(request - 1, None), soon());
        assert_eq!(late, Err("the controller did not answer in time".to_string()));
        let refused = confirmation.of(|request| answers.give(request, Some("no".into())), soon());
        assert_eq!(refused, Err("no".to_string()));
    }

    #[test]
    fn a_channel_that_closes_confirms_nothing() {
        let (answers, confirmation) = channel();
        answers.end("it was killed");
        assert_eq!(confirmation.of(|_| {}, soon()), Err("it was killed".to_string()));
        drop(answers);
        assert_eq!(confirmation.of(|_| {}, soon()), Err("the controller went away".to_string()));
    }
}
