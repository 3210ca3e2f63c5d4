//! How steps ended that one host runs for all hosts of a run: reported by that host, asked for by the others.

use crate::model::Failure;
use crate::model::job::{HostWork, JobStep};
use crate::model::once::{Once, OnceEnded};
use crate::model::outcome::HostOutcome;
use crate::redact::contained;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What is known of them.
#[derive(Clone, Debug)]
pub struct OnceBoard(Arc<watch::Sender<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// By the step's index.
    ended: BTreeMap<u32, OnceEnded>,
    /// The host that runs them, once it has ended.
    gone: Option<(String, HostOutcome)>,
}

impl Default for OnceBoard {
    fn default() -> Self {
        OnceBoard(Arc::new(watch::Sender::new(Known::default())))
    }
}

impl OnceBoard {
    /// The host that runs it reports how the step ended. `secrets` are that host's: the others hide those that they get.
    pub fn ran(&self, step: u32, ended: OnceEnded, secrets: &[String]) {
        let secrets = contained(secrets, &(&ended.known, &ended.set));
        let ended = OnceEnded { secrets, ..ended };
        self.0.send_modify(|known| drop(known.ended.insert(step, ended)));
    }

    /// The secrets in what has been reported so far to the host that does this work.
    pub fn secrets_got(&self, work: &HostWork) -> Vec<String> {
        let waits = |step: &&JobStep| step.once.as_ref().is_some_and(Once::is_elsewhere);
        let known = self.0.borrow();
        let ended = work.all_steps().filter(waits).filter_map(|step| known.ended.get(&step.index));
        ended.flat_map(|ended| ended.secrets.clone()).collect()
    }

    /// The host that runs such steps has ended: those that it did not come to will not be run.
    pub fn leader_ended(&self, host: &str, outcome: HostOutcome) {
        self.0.send_modify(|known| known.gone = Some((host.to_string(), outcome)));
    }

    /// Whether it is known how a step ended.
    pub fn knows(&self, step: u32) -> bool {
        self.0.borrow().knows(step)
    }

    /// How a step ended, as soon as that is known.
    pub async fn of(&self, step: u32) -> OnceEnded {
        let mut known = self.0.subscribe();
        let known = known.wait_for(|known| known.knows(step)).await;
        let failure = match known.as_deref() {
            Ok(Known { ended, .. }) if ended.contains_key(&step) => return ended[&step].clone(),
            Ok(Known { gone: Some((host, outcome)), .. }) => {
                let why = format!("{host} ended as {} before it came to this step", outcome.as_str());
                Failure::new("wait for the host that runs it", why)
            }
            _ => Failure::new("wait for the host that runs it", "the run is over"),
        };
        OnceEnded::failed(failure)
    }
}

impl Known {
    fn knows(&self, step: u32) -> bool {
        self.ended.contains_key(&step) || self.gone.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Values;
    use crate::model::outcome::StepOutcome;

    fn fine() -> OnceEnded {
        let (known, set, secrets) = (Values::new(), BTreeMap::new(), Vec::new());
        OnceEnded { outcome: StepOutcome::Changed, failure: None, known, partial: false, set, secrets }
    }

    #[tokio::test]
    async fn who_asks_before_and_who_asks_after_hear_the_same() {
        let board = OnceBoard::default();
        let asked = tokio::spawn({
            let board = board.clone();
            async move { board.of(3).await }
        });
        board.ran(3, fine(), &[]);
        board.leader_ended("web1", HostOutcome::Ok);
        assert_eq!((asked.await.unwrap(), board.of(3).await), (fine(), fine()));
    }

    #[tokio::test]
    async fn the_others_hear_which_secrets_they_get() {
        let board = OnceBoard::default();
        let step = JobStep { index: 3, once: Some(Once::On("web1".into())), ..JobStep::default() };
        let work = HostWork { steps: vec![step], ..HostWork::default() };
        let known = Values::from_iter([("stdout".to_string(), "is hunter2".into())]);
        board.ran(
            3,
            OnceEnded { known, secrets: vec!["claimed".to_string()], ..fine() },
            &["hunter2".into(), "other".into()],
        );
        assert_eq!(
            (board.of(3).await.secrets, board.secrets_got(&work)),
            (vec!["hunter2".to_string()], vec!["hunter2".to_string()])
        );
    }

    #[tokio::test]
    async fn a_step_that_its_host_never_came_to_has_failed() {
        let board = OnceBoard::default();
        board.leader_ended("web1", HostOutcome::Unreachable);
        let failure = board.of(3).await.failure.unwrap();
        assert_eq!(failure.why, "web1 ended as unreachable before it came to this step");
    }
}
