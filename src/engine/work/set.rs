//! `set`: variables get values in the middle of a run, each by itself, so that one that is not known yet leaves the others.

use super::Worker;
use crate::engine::context::Known;
use crate::engine::progress::StepProgress;
use crate::model::arg::Arg;
use crate::model::job::JobStep;
use crate::model::outcome::StepOutcome;
use crate::model::play::Given;
use crate::model::{Result, Values};
use crate::step::{self, variables};

/// Whether the step gives variables values.
pub(super) fn is_set(step: &JobStep) -> bool {
    step::kind(&step.kind).is_some_and(|row| row.sets)
}

impl Worker<'_, '_, '_> {
    /// Gives the step's variables their values. None of them sees another one's new value.
    pub(super) fn set(&mut self, step: &JobStep, locals: &Values, done: &mut StepProgress) -> Result<()> {
        let mut given = Vec::new();
        let mut unknown = Vec::new();
        for (name, arg) in variables(step) {
            match self.context.resolve(self.host, locals, &arg)? {
                Known::Yes(value) => given.push((name, Some(value))),
                Known::No(what) => {
                    unknown.push(format!("{name} depends on {what}"));
                    given.push((name, None));
                }
            }
        }
        for (name, value) in given {
            self.context.set(&name, value.clone());
            done.result.extend(value.map(|value| (name, value)));
        }
        done.unknown =
            (!unknown.is_empty()).then(|| format!("{}, unknown until applied", unknown.join(", ")));
        Ok(())
    }

    /// The step does not run. Where that is only not known, what it would set is not known either.
    pub(super) fn leave_unset(&mut self, step: &JobStep, outcome: StepOutcome) {
        for (name, _) in variables(step).into_iter().filter(|_| outcome == StepOutcome::Unknown) {
            self.context.set(&name, None);
        }
    }

    /// What the step has given its variables.
    pub(super) fn set_by(&self, step: &JobStep) -> Given {
        let value = |(name, _): (String, Arg)| self.context.held_as(&name).map(|value| (name, value));
        variables(step).into_iter().filter_map(value).collect()
    }
}
