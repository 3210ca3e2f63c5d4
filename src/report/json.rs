//! `--output json` and `runs export`: one document that says everything about a run. Its fields are stable: new ones
//! may be added, and `version` grows when one changes or goes.

use crate::model::event::{Output, StepEnded, UndoScope};
use crate::model::finding::{Checks, Finding};
use crate::model::job::RunId;
use crate::model::outcome::{HostOutcome, StepOutcome};
use crate::model::run::{RunKind, Source};
use crate::model::{Failure, Values};
use crate::record::{Counts, HostRecord, RunRecord};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Grows when the meaning of a field changes or a field goes.
pub const VERSION: u32 = 1;

/// A run.
#[derive(Serialize)]
pub struct Document<'a> {
    /// [`VERSION`].
    pub version: u32,
    /// The run's name.
    pub run: &'a RunId,
    /// `playbook`, `command`, `script`, `step` or `undo`.
    pub kind: RunKind,
    /// The playbook's name, or the command.
    pub name: &'a str,
    /// The run that it retried or undid, or null.
    pub of: Option<&'a RunId>,
    /// Who started it: `alice@laptop`.
    pub who: &'a str,
    /// The host pattern as it was typed.
    pub pattern: &'a str,
    /// Whether it was a dry run.
    pub check: bool,
    /// Its place in the order of the project's runs.
    pub epoch: u64,
    /// When it started, RFC 3339.
    pub started: Timestamp,
    /// When it ended, or null.
    pub ended: Option<Timestamp>,
    /// From start to end, or null.
    pub took_secs: Option<f64>,
    /// The exit code, or null.
    pub exit: Option<u8>,
    /// Whether Ctrl-C was pressed.
    pub interrupted: bool,
    /// The playbook's params and their values; secrets read `***`.
    pub params: &'a Values,
    /// How many hosts ended how: `{"changed": 12, "failed": 1}`.
    pub outcomes: BTreeMap<&'static str, usize>,
    /// In the order of the inventory.
    pub hosts: Vec<Host<'a>>,
    /// Only in `runs export`: the playbook and what it includes, as they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playbook: Option<&'a [Source]>,
    /// Only in `runs export`: the inventory files as they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<&'a [Source]>,
}

/// A run on one host.
#[derive(Serialize)]
pub struct Host<'a> {
    /// Its name in the inventory.
    pub host: &'a str,
    /// `ok changed failed undone partly_undone unreachable unknown cancelled`; null while it goes on.
    pub outcome: Option<HostOutcome>,
    /// Why it failed or could not be reached: `{"doing", "why", "hint"?}`, or null.
    pub failure: Option<&'a Failure>,
    /// How many times a connection was tried.
    pub attempts: u32,
    /// When it was first contacted, or null.
    pub started: Option<Timestamp>,
    /// When it had ended, or null.
    pub ended: Option<Timestamp>,
    /// From the one to the other, or null.
    pub took_secs: Option<f64>,
    /// The later run that settled the outcome from the host's journal, or null.
    pub settled_by: Option<&'a RunId>,
    /// How many steps ended how: `ok changed skipped failed ignored unknown`.
    pub counts: Counts,
    /// How many findings came to which verdict; null when the run looked at nothing.
    pub checks: Option<Sum>,
    /// As they ended.
    pub steps: Vec<Step<'a>>,
}

/// What a run of checks comes to on one host. A step that failed without a finding counts as one that fails.
#[derive(Serialize)]
pub struct Sum {
    /// `pass fail unknown info`.
    #[serde(flatten)]
    pub checks: Checks,
    /// How many of a hundred pass of those that pass, fail or are unknown, rounded down; null when there are none.
    pub percent: Option<u32>,
}

/// A step on one host, or one element of its loop.
#[derive(Serialize)]
pub struct Step<'a> {
    /// Its place in the playbook, counted from 0 over steps, handlers, rescue and always; from 1048576 on: a step that the host ran for another one.
    pub step: u32,
    /// Which element of a loop, counted from 0; null for the step as a whole.
    pub item: Option<u32>,
    /// Its name.
    pub name: &'a str,
    /// `ok changed skipped failed would_change unknown`.
    pub outcome: StepOutcome,
    /// How long it took.
    pub took_secs: f64,
    /// How many times it was tried.
    pub tries: u32,
    /// What was or would be done: `write /etc/motd`.
    pub changes: &'a [String],
    /// Unified diffs, or null.
    pub diff: Option<&'a str>,
    /// Reasons and remarks.
    pub notes: &'a [String],
    /// What it looked at: `group what verdict seen`, and where there is one `cell wanted hint details`. `verdict` is
    /// `pass fail unknown` or, where nothing was wanted, `info`; `details` are figures, their units in their names.
    pub findings: &'a [Finding],
    /// Why it failed, or null.
    pub failure: Option<&'a Failure>,
    /// Whether the failure was expected.
    pub ignored: bool,
    /// How many of its changes can be undone, and which cannot: `changes`, `undoable`, `not`, and `unknown`: how many are
    /// commands that failed after they had started, so that what they changed is not known. Null without changes.
    pub undo: Option<&'a UndoScope>,
    /// What its commands said, or null.
    pub output: Option<Said>,
}

/// What commands said. Bytes that are not UTF-8 read `�`.
#[derive(Serialize)]
pub struct Said {
    /// Exit status of the last one.
    pub status: i32,
    /// Head and tail of standard output.
    pub stdout: String,
    /// Head and tail of standard error.
    pub stderr: String,
    /// Bytes in all, kept or not.
    pub total_bytes: u64,
}

/// The document, as `--output json` prints it.
pub fn document(record: &RunRecord) -> String {
    pretty(&Document::of(record))
}

/// The document with the playbook and the inventory as they were.
pub fn export(record: &RunRecord) -> String {
    let intent = &record.intent;
    pretty(&Document {
        playbook: Some(&intent.playbook),
        inventory: Some(&intent.inventory),
        ..Document::of(record)
    })
}

impl<'a> Document<'a> {
    fn of(record: &'a RunRecord) -> Self {
        let intent = &record.intent;
        let checks = record.found_something();
        let outcomes = super::recap::outcomes(record).into_iter();
        Document {
            version: VERSION,
            run: &intent.run,
            kind: intent.kind,
            name: &intent.name,
            of: intent.of.as_ref(),
            who: &intent.who,
            pattern: &intent.pattern,
            check: intent.check,
            epoch: record.epoch,
            started: intent.started,
            ended: record.ended,
            took_secs: record.ended.map(|ended| ended.duration_since(intent.started).as_secs_f64()),
            exit: record.exit,
            interrupted: record.interrupted,
            params: &intent.params,
            outcomes: outcomes.map(|(outcome, many)| (outcome.as_str(), many)).collect(),
            hosts: record.hosts().iter().map(|host| Host::of(host, checks)).collect(),
            playbook: None,
            inventory: None,
        }
    }
}

impl<'a> Host<'a> {
    fn of(host: &'a HostRecord, checks: bool) -> Self {
        Host {
            host: &host.host,
            outcome: host.outcome,
            failure: host.failure.as_ref(),
            attempts: host.attempt,
            started: host.started,
            ended: host.ended,
            took_secs: host.took().as_ref().map(Duration::as_secs_f64),
            settled_by: host.settled_by.as_ref(),
            counts: host.counts(),
            checks: checks.then(|| Sum::of(host.checks())),
            steps: host.steps.iter().map(Step::of).collect(),
        }
    }
}

impl<'a> Step<'a> {
    /// The step as programs read it.
    pub fn of(step: &'a StepEnded) -> Self {
        Step {
            step: step.step,
            item: step.item,
            name: &step.name,
            outcome: step.outcome,
            took_secs: step.took.as_secs_f64(),
            tries: step.tries,
            changes: &step.changes,
            diff: step.diff.as_deref(),
            notes: &step.notes,
            findings: &step.findings,
            failure: step.failure.as_ref(),
            ignored: step.ignored,
            undo: (step.undo.changes > 0).then_some(&step.undo),
            output: step.output.as_ref().map(Said::of),
        }
    }
}

impl Sum {
    fn of(checks: Checks) -> Self {
        Sum { checks, percent: checks.percent() }
    }
}

impl Said {
    fn of(output: &Output) -> Self {
        Said {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            total_bytes: output.total,
        }
    }
}

fn pretty<T: Serialize>(value: &T) -> String {
    // Every key is a text and nothing in it can fail to be written.
    super::escape::json(serde_json::to_string_pretty(value).unwrap_or_default())
}
