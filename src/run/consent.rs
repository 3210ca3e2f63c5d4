//! `--step`: the person at the keyboard says of each step whether it runs, once for all hosts. A step is asked about when
//! every host at work has come to its next question, so that what came before can be read first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A question without an answer ends the run after this: hosts that have been changed are locked meanwhile.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Reads a line that the person types; `None` when there is none any more.
pub type ReadLine = fn() -> Option<String>;

/// What the hosts of a run wait for, and what was answered.
#[derive(Clone, Debug)]
pub struct ConsentBoard(Arc<watch::Sender<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// By the step's index.
    answers: BTreeMap<u32, bool>,
    /// Nothing more is asked.
    all: bool,
    /// Hosts that do something.
    busy: BTreeSet<String>,
    /// Hosts that wait for an answer: about which step, and what it is called there.
    waiting: BTreeMap<String, (u32, String)>,
    /// Hosts that wait for the end of a step that another host runs: of which step.
    elsewhere: BTreeMap<String, u32>,
    /// How many are about to say which hosts are at work.
    holds: usize,
}

/// No question is asked until it is dropped: which hosts are at work is being said.
#[derive(Debug)]
pub struct Hold(ConsentBoard);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.send_modify(|known| known.holds -= 1);
    }
}

/// What the person is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The step's index.
    pub step: u32,
    /// What it is called on the first of the hosts.
    pub name: String,
    /// The hosts that wait for the answer.
    pub hosts: Vec<String>,
}

/// What the person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The step runs.
    Yes,
    /// The step is skipped.
    No,
    /// It runs, and so do all others, without a question.
    Continue,
    /// The run is stopped.
    Quit,
}

impl Default for ConsentBoard {
    fn default() -> Self {
        ConsentBoard(Arc::new(watch::Sender::new(Known::default())))
    }
}

impl ConsentBoard {
    /// Keeps back the next question, so that hosts that start together are asked about together.
    pub fn hold(&self) -> Hold {
        self.0.send_modify(|known| known.holds += 1);
        Hold(self.clone())
    }

    /// The host is at work. It is said by what lets a host go on, before it does, since the others may be at a question by the time
    /// that the host itself is heard of.
    pub fn works(&self, host: &str) {
        self.0.send_modify(|known| {
            known.busy.insert(host.to_string());
        });
    }

    /// The host does nothing now: it waits for its next play, or has ended.
    pub fn rests(&self, host: &str) {
        self.0.send_modify(|known| {
            known.busy.remove(host);
            known.waiting.remove(host);
            known.elsewhere.remove(host);
        });
    }

    /// The host waits for the end of a step that another host runs, unless that `has_ended` by now.
    pub fn awaits_once(&self, host: &str, step: u32, has_ended: impl FnOnce() -> bool) {
        self.0.send_modify(|known| {
            // Asked here, so that the end is not said in between.
            if !has_ended() {
                known.busy.remove(host);
                known.elsewhere.insert(host.to_string(), step);
            }
        });
    }

    /// A step that one host runs for all has ended (`None`: all such steps): those that waited for it are at work again.
    pub fn once_ended(&self, step: Option<u32>) {
        self.0.send_modify(|known| {
            let is_freed = |of: &u32| step.is_none_or(|step| step == *of);
            let freed = known.elsewhere.iter().filter(|(_, of)| is_freed(of)).map(|(host, _)| host.clone());
            known.busy.extend(freed);
            known.elsewhere.retain(|_, of| !is_freed(of));
        });
    }

    /// The host has come to a step.
    pub fn reached(&self, host: &str, step: u32, name: String) {
        self.0.send_modify(|known| {
            known.busy.remove(host);
            known.waiting.insert(host.to_string(), (step, name));
        });
    }

    /// Whether the step runs on the host that has come to it, as soon as that is known.
    pub async fn answered(&self, host: &str, step: u32) -> bool {
        let mut known = self.0.subscribe();
        let runs = match known.wait_for(|known| known.answer(step).is_some()).await {
            Ok(known) => known.answer(step).unwrap_or(false),
            Err(_) => false,
        };
        self.0.send_modify(|known| {
            known.waiting.remove(host);
            known.busy.insert(host.to_string());
        });
        runs
    }

    /// The next question, once there is one and no host does anything.
    pub async fn question(&self) -> Question {
        let mut known = self.0.subscribe();
        loop {
            if let Some(question) = known.borrow_and_update().question() {
                return question;
            }
            if known.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What the person wants of the step that was asked about. A run that is stopped is stopped elsewhere.
    pub fn answer(&self, step: u32, answer: Answer) {
        self.0.send_modify(|known| match answer {
            Answer::Yes => drop(known.answers.insert(step, true)),
            Answer::No => drop(known.answers.insert(step, false)),
            Answer::Continue => known.all = true,
            Answer::Quit => {}
        });
    }
}

impl Known {
    fn answer(&self, step: u32) -> Option<bool> {
        self.answers.get(&step).copied().or(self.all.then_some(true))
    }

    fn is_quiet(&self) -> bool {
        self.busy.is_empty() && self.holds == 0
    }

    /// About the first step that a host has come to.
    fn question(&self) -> Option<Question> {
        let open = || self.waiting.iter().filter(|(_, (step, _))| self.answer(*step).is_none());
        let (step, name) =
            open().map(|(_, at)| at).min_by_key(|(step, _)| *step).filter(|_| self.is_quiet())?;
        let hosts = open().filter(|(_, (at, _))| at == step).map(|(host, _)| host.clone());
        Some(Question { step: *step, name: name.clone(), hosts: hosts.collect() })
    }
}

impl Answer {
    /// What was typed; `None` when it is no answer.
    pub fn read(typed: &str) -> Option<Answer> {
        match typed.trim().to_lowercase().as_str() {
            "y" | "yes" => Some(Answer::Yes),
            "n" | "no" => Some(Answer::No),
            "c" | "continue" => Some(Answer::Continue),
            "q" | "quit" => Some(Answer::Quit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::Poll;

    /// What the future gives when it is ready.
    async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut future = Box::pin(future);
        std::future::poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(ready) => Poll::Ready(Some(ready)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn a_step_is_asked_about_once_all_hosts_at_work_have_come_to_rest() {
        let board = ConsentBoard::default();
        ["web1", "web2", "web3"].iter().for_each(|host| board.works(host));
        board.reached("web1", 4, "restart".into());
        board.reached("web2", 3, "copy".into());
        assert_eq!(now(board.question()).await, None);
        board.rests("web3");
        let asked =
            |step, name: &str, host: &str| Question { step, name: name.into(), hosts: vec![host.into()] };
        assert_eq!(now(board.question()).await, Some(asked(3, "copy", "web2")));
        board.answer(3, Answer::No);
        assert_eq!(now(board.answered("web2", 3)).await, Some(false));
        assert_eq!(now(board.question()).await, None, "web2 is at work again");
        board.rests("web2");
        assert_eq!(now(board.question()).await, Some(asked(4, "restart", "web1")));
    }

    #[tokio::test]
    async fn an_answer_holds_for_hosts_that_come_later_and_continue_for_all_steps() {
        let board = ConsentBoard::default();
        board.answer(3, Answer::No);
        board.reached("web9", 3, "copy".into());
        assert_eq!(now(board.question()).await, None);
        assert_eq!(now(board.answered("web9", 3)).await, Some(false));
        board.answer(4, Answer::Continue);
        assert_eq!(now(board.answered("web9", 7)).await, Some(true));
        assert_eq!(
            now(board.answered("web8", 3)).await,
            Some(false),
            "a step that was refused stays refused"
        );
    }

    #[tokio::test]
    async fn hosts_that_wait_for_another_are_at_work_once_it_is_done() {
        let board = ConsentBoard::default();
        ["web1", "web2", "web3"].iter().for_each(|host| board.works(host));
        board.awaits_once("web2", 3, || false);
        board.awaits_once("web3", 3, || true);
        board.reached("web1", 4, "restart".into());
        assert_eq!(now(board.question()).await, None, "web3 has heard of the end already");
        board.rests("web3");
        board.once_ended(Some(2));
        assert!(now(board.question()).await.is_some(), "web2 waits for step 3");
        board.once_ended(Some(3));
        assert_eq!(now(board.question()).await, None, "web2 is at work before it has said a word");
        board.awaits_once("web2", 5, || false);
        board.once_ended(None);
        board.reached("web2", 4, "restart".into());
        assert_eq!(now(board.question()).await.unwrap().hosts, ["web1", "web2"]);
    }

    #[tokio::test]
    async fn hosts_that_start_together_are_asked_about_together() {
        let board = ConsentBoard::default();
        let hold = board.hold();
        board.reached("web1", 0, "copy".into());
        assert_eq!(now(board.question()).await, None);
        board.works("web2");
        drop(hold);
        assert_eq!(now(board.question()).await, None);
        board.reached("web2", 0, "copy".into());
        assert_eq!(now(board.question()).await.unwrap().hosts, ["web1", "web2"]);
    }

    #[test]
    fn answers_are_words_or_their_first_letters() {
        let read = |typed| Answer::read(typed);
        assert_eq!(
            ["y", "No", " c\n", "quit", ""].map(read),
            [Some(Answer::Yes), Some(Answer::No), Some(Answer::Continue), Some(Answer::Quit), None]
        );
    }
}
