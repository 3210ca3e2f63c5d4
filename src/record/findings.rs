//! What a run found on its hosts. In a run of checks a step that failed without a finding counts as one: a check that
//! could not even be made does not pass.

use super::{HostRecord, RunRecord};
use crate::model::event::StepEnded;
use crate::model::finding::{Checks, Finding, Verdict};
use crate::model::outcome::StepOutcome;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The group of steps that stand for findings they did not come to.
const STEP: &str = "step";

impl RunRecord {
    /// Whether this was a run of checks: whether anything was found anywhere.
    pub fn found_something(&self) -> bool {
        self.hosts.iter().any(|host| host.steps.iter().any(|step| !step.findings.is_empty()))
    }
}

impl HostRecord {
    /// Everything that was found here, in the order of the steps.
    pub fn findings(&self) -> Vec<Cow<'_, Finding>> {
        let loops: BTreeSet<u32> =
            self.steps.iter().filter(|step| step.item.is_some()).map(|step| step.step).collect();
        let of_step = |step: &'_ StepEnded| {
            let stands = step.findings.is_empty() && (step.item.is_some() || !loops.contains(&step.step));
            if stands { stand_in(step) } else { None }
        };
        let found = self
            .steps
            .iter()
            .flat_map(|step| step.findings.iter().map(Cow::Borrowed).chain(of_step(step).map(Cow::Owned)));
        found.collect()
    }

    /// How many of them came to which verdict.
    pub fn checks(&self) -> Checks {
        let findings = self.findings();
        Checks::of(findings.iter().map(AsRef::as_ref))
    }
}

fn stand_in(step: &StepEnded) -> Option<Finding> {
    match (step.outcome, &step.failure) {
        (StepOutcome::Failed, failure) if !step.ignored => {
            let why = failure.as_ref().map_or_else(
                || "it failed".to_string(),
                |failure| format!("{}: {}", failure.doing, failure.why),
            );
            let hint = failure.as_ref().and_then(|failure| failure.hint.clone());
            Some(Finding { hint, ..Finding::new(STEP, &step.name, Verdict::Fail, why) })
        }
        (StepOutcome::Unknown, _) => {
            Some(Finding::new(STEP, &step.name, Verdict::Unknown, step.notes.join("; ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples::*;

    fn found(steps: Vec<StepEnded>) -> Vec<String> {
        let host = HostRecord { steps, ..HostRecord::new("a") };
        host.findings().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_failed_step_without_findings_is_one() {
        let disk = Finding::new("disk", "/", Verdict::Fail, "8% free");
        let judged = StepEnded { findings: vec![disk], ..failed(0) };
        let ignored = StepEnded { ignored: true, ..failed(2) };
        assert_eq!(
            found(vec![judged, failed(1), ignored, step(3, StepOutcome::Ok)]),
            [
                "fail    disk /: 8% free",
                "fail    step restart docker: run systemctl restart docker: it exited with status 1",
            ]
        );
    }

    #[test]
    fn a_loop_is_what_its_elements_are() {
        let item = StepEnded { item: Some(0), ..failed(1) };
        assert_eq!(found(vec![item, failed(1)]).len(), 1);
    }
}
