//! What is reported of a step with `no_log`: that it ended, and how.

use crate::model::Failure;
use crate::model::event::{StepEnded, UndoScope};
use crate::model::op::NO_UNDO;

/// How the step ended, without anything of what it did.
pub fn hidden(report: StepEnded) -> StepEnded {
    let failure = report.failure.map(|_| silent(&report.name));
    let notes = vec!["hidden: the step has no_log".to_string()];
    let findings = Vec::new();
    let not = report.undo.not.iter().map(|_| format!("{}: {NO_UNDO}", report.name)).take(1).collect();
    let undo = UndoScope { not, ..report.undo };
    StepEnded { undo, changes: Vec::new(), diff: None, output: None, notes, findings, failure, ..report }
}

/// All that is said of its failure.
pub fn silent(name: &str) -> Failure {
    Failure::new(name, "it failed; the step has no_log, so nothing more is shown")
        .hint("run it without no_log on a host where its secrets may be seen")
}
