//! A boot in the midst of a run. This process ends with the host; what the steps after it need is told to the controller
//! first, which hands it to the agent that goes on when the host is up again.

use super::converge::{Attempt, Done, Target};
use super::{confirm, perform, wait};
use crate::model::job::Resume;
use crate::model::op::Plan;
use crate::model::{Failure, Result};
use std::time::Duration;

/// A host that goes down has ended this process by then.
const DOWN_WITHIN: Duration = Duration::from_secs(300);

impl Attempt<'_, '_, '_> {
    /// Boots the host. It returns only when that failed.
    pub(super) fn boot(&mut self, plan: &Plan, within: Duration, done: &mut Done) -> Result<bool> {
        let resume = self.resume.take().ok_or_else(|| {
            Failure::new("reboot", "the run could not go on from here after the boot")
                .hint("put the step among the playbook's steps or handlers, and take it out of loops")
        })?;
        let Target::Real(host, journal) = &mut self.target else { return Ok(plan.once) };
        journal.owe(self.owes.clone())?;
        journal.intend(self.index, &plan.ops, None)?;
        self.link.reboot(Resume { within, ..resume })?;
        for op in &plan.ops {
            let answer = perform::change(*host, op, self.link)?;
            confirm::accept(self.dressed, op, answer.as_ref())?;
            done.changes.push(op);
        }
        wait::pause(DOWN_WITHIN, &|| false);
        Err(Failure::new("reboot", format!("the host did not go down within {} s", DOWN_WITHIN.as_secs())))
    }
}
