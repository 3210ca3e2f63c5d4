//! How steps ended that one host runs for all hosts of a run: reported by that host, asked for by the others.

use crate::model::Failure;
use crate::model::once::OnceEnded;
use crate::model::outcome::HostOutcome;
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
    /// The host that runs it reports how the step ended.
    pub fn ran(&self, step: u32, ended: OnceEnded) {
        self.0.send_modify(|known| drop(known.ended.insert(step, ended)));
    }

    /// The host that runs such steps has ended: those that it did not come to will not be run.
    pub fn leader_ended(&self, host: &str, outcome: HostOutcome) {
        self.0.send_modify(|known| known.gone = Some((host.to_string(), outcome)));
    }

    /// How a step ended, as soon as that is known.
    pub async fn of(&self, step: u32) -> OnceEnded {
        let mut known = self.0.subscribe();
        let known = known.wait_for(|known| known.ended.contains_key(&step) || known.gone.is_some()).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Values;
    use crate::model::outcome::StepOutcome;

    fn fine() -> OnceEnded {
        let (known, set) = (Values::new(), BTreeMap::new());
        OnceEnded { outcome: StepOutcome::Changed, failure: None, known, partial: false, set }
    }

    #[tokio::test]
    async fn who_asks_before_and_who_asks_after_hear_the_same() {
        let board = OnceBoard::default();
        let asked = tokio::spawn({
            let board = board.clone();
            async move { board.of(3).await }
        });
        board.ran(3, fine());
        board.leader_ended("web1", HostOutcome::Ok);
        assert_eq!((asked.await.unwrap(), board.of(3).await), (fine(), fine()));
    }

    #[tokio::test]
    async fn a_step_that_its_host_never_came_to_has_failed() {
        let board = OnceBoard::default();
        board.leader_ended("web1", HostOutcome::Unreachable);
        let failure = board.of(3).await.failure.unwrap();
        assert_eq!(failure.why, "web1 ended as unreachable before it came to this step");
    }
}
