//! What one try of a step has done so far, as it is reported when the step ends.

use super::diff::Texts;
use super::fingerprint::Fingerprint;
use super::summary::{Changes, Diffs};
use crate::model::Values;
use crate::model::event::Output;
use crate::model::finding::Finding;
use crate::model::job::RunId;

/// What a try did.
#[derive(Debug, Default)]
pub struct StepProgress {
    /// What was or would be done.
    pub changes: Changes,
    /// Unified diffs.
    pub diffs: Diffs,
    /// What diffs need of the controller's files.
    pub texts: Texts,
    /// The output of the last command.
    pub output: Option<Output>,
    /// What the plan gives to `register`.
    pub result: Values,
    /// What the plan reports to the reader.
    pub notes: Vec<String>,
    /// The earlier run in which it ended well, so that it is not run again.
    pub done_in: Option<RunId>,
    /// What was looked at, as the last plan has it.
    pub findings: Vec<Finding>,
    /// Under check: why the end cannot be known.
    pub unknown: Option<String>,
    /// Under check: a command was not run whose effect nothing predicts.
    pub unpredicted: bool,
    /// Of what it would change, when a plan is made or followed.
    pub fingerprint: Option<Fingerprint>,
}
