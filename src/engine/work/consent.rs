//! `--step`: before a step runs, the person at the keyboard is asked whether it does.

use super::one::Gate;
use super::{LONGEST, Worker};
use crate::model::job::JobStep;
use crate::model::{Result, Values};
use std::time::Instant;

/// The note of a step that the person does not want.
const REFUSED: &str = "not wanted (--step)";

/// The note of a step that was never answered for.
const STOPPED: &str = "the run was stopped before it was wanted (--step)";

impl Worker<'_, '_, '_> {
    /// Why the step is skipped, when it is one that would run and the person does not want it.
    pub(super) fn refused_by_person(
        &mut self,
        step: &JobStep,
        locals: &Values,
    ) -> Result<Option<&'static str>> {
        match self.job.envelope.asks && matches!(self.gate(step, locals), Ok(Gate::Run)) {
            true => self.asked_for(step, locals),
            false => Ok(None),
        }
    }

    /// Why the person does not want a step, which is asked about once, whatever its loop has.
    pub(super) fn asked_for(&mut self, step: &JobStep, locals: &Values) -> Result<Option<&'static str>> {
        if !self.job.envelope.asks {
            return Ok(None);
        }
        if self.consent.is_none() {
            let name = self.name(step, locals);
            self.consent = self.link.consent(step.index, &name, Instant::now() + LONGEST)?;
        }
        Ok(match self.consent {
            Some(true) => None,
            Some(false) => Some(REFUSED),
            None => Some(STOPPED),
        })
    }
}
