//! Steps that one host runs for all hosts of the run: that host reports how they ended, the others wait for it.

use super::one::blank;
use super::{StepEnd, Worker};
use crate::engine::context::Registered;
use crate::engine::no_log::silent;
use crate::model::Failure;
use crate::model::event::Event;
use crate::model::job::JobStep;
use crate::model::once::{Once, OnceEnded};
use crate::model::outcome::StepOutcome;
use crate::model::play::Given;
use std::time::Instant;

impl Worker<'_, '_, '_> {
    /// Reports to the controller how the step ended that this host runs for all.
    pub(super) fn tell_once(&self, step: &JobStep, ended: &StepEnd) {
        if step.once != Some(Once::Here) {
            return;
        }
        let ended = self.handed_on(step, ended);
        self.link.send(Event::RanOnce { step: step.index, ended: Box::new(ended) });
    }

    /// What other hosts hear of how a step ended.
    pub(super) fn handed_on(&self, step: &JobStep, ended: &StepEnd) -> OnceEnded {
        let hidden = |failure| if step.no_log { silent(&step.title()) } else { failure };
        let failure = ended.failure.clone().map(hidden);
        let Registered { known, partial } = ended.result.clone();
        let set = match ended.outcome {
            StepOutcome::Skipped | StepOutcome::Failed => Given::new(),
            _ => self.set_by(step),
        };
        let outcome = ended.outcome;
        OnceEnded { outcome, failure, known, partial, set, secrets: Vec::new() }.fitted()
    }

    /// Waits for the host that runs the step, and ends as it did there.
    pub(super) fn await_once(&mut self, step: &JobStep, host: &str) -> StepEnd {
        let began = Instant::now();
        self.link.send(Event::StepStarted { step: step.index, item: None, name: step.title() });
        self.link.send(Event::AwaitsOnce { step: step.index });
        match self.hear_end(step.index, host) {
            Ok(Some(ended)) => self.end_as(step, host, ended, began),
            Ok(None) => {
                let why = format!("the run was stopped while it waited for {host}");
                self.end_without_running(step, StepOutcome::Skipped, why, began)
            }
            Err(failure) => self.end_as(step, host, OnceEnded::failed(failure), began),
        }
    }

    fn end_as(&mut self, step: &JobStep, host: &str, ended: OnceEnded, began: Instant) -> StepEnd {
        let mut report = blank(step, None, StepOutcome::Skipped, began);
        match ended.outcome {
            StepOutcome::Failed => {
                report.outcome = StepOutcome::Failed;
                let failure = ended.failure.unwrap_or_else(|| Failure::new(step.title(), "it failed"));
                let doing = format!("run once, on {host}: {}", failure.doing);
                report.failure = Some(Failure { doing, ..failure });
            }
            outcome => report.notes.push(format!("runs once, on {host}: {}", outcome.as_str())),
        }
        if let Err(failure) = self.learn(ended.secrets) {
            (report.outcome, report.failure) = (StepOutcome::Failed, Some(failure));
        }
        ended.set.into_iter().for_each(|(name, value)| self.context.set(&name, value));
        self.finish(step, report, Registered { known: ended.known, partial: ended.partial })
    }
}
