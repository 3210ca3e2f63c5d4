//! A reboot in the middle of a run. This process ends with the host; what the steps after it need is sent to the
//! controller first, which gives it to the agent that resumes the run when the host is up again.

use super::StepTry;
use crate::engine::progress::StepProgress;
use crate::engine::target::Target;
use crate::engine::{confirm, perform, wait};
use crate::model::job::Resume;
use crate::model::op::Plan;
use crate::model::{Failure, Result};
use std::time::Duration;

/// A host that goes down has ended this process by then.
const DOWN_WITHIN: Duration = Duration::from_secs(300);

impl StepTry<'_, '_, '_> {
    /// Reboots the host. It returns only when that failed.
    pub(super) fn boot(&mut self, plan: &Plan, within: Duration, done: &mut StepProgress) -> Result<bool> {
        let resume = self.resume.take().ok_or_else(|| {
            Failure::new("reboot", "the run could not continue from here after the reboot")
                .hint("put the step among the playbook's steps or handlers, and take it out of loops")
        })?;
        let Target::Real(host, journal) = &mut self.target else { return Ok(plan.once) };
        journal.owe(self.owes.clone())?;
        journal.intend(self.index, &plan.ops, Vec::new(), None)?;
        self.link.reboot(Resume { within, ..resume })?;
        for op in &plan.ops {
            let answer = perform::change(*host, op, self.link)?;
            confirm::accept(self.dressed, op, answer.as_ref())?;
            done.changes.push(op, None);
        }
        wait::pause(DOWN_WITHIN, &|| false);
        Err(Failure::new("reboot", format!("the host did not go down within {} s", DOWN_WITHIN.as_secs())))
    }
}
