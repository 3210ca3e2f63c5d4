//! Rows of the tables, and the records they are made from.

use super::{HostRecord, RunRecord};
use crate::model::Failure;
use crate::model::event::{Output, StepEnded, UndoScope};
use crate::model::job::RunId;
use crate::model::outcome::{HostOutcome, StepOutcome};
use crate::model::run::{RunIntent, Scheduled};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The columns of `runs` that [`run`] reads, in its order.
pub const RUN: &str = "run, kind, name, of_run, who, started, pattern, checked, params, playbook, inventory, epoch, \
     ended, exit, interrupted, schedule, slot";

/// The columns of `hosts` that [`host`] reads, in its order.
pub const HOST: &str = "host, outcome, failure, attempt, started, ended, settled_by";

/// The columns of `steps` that [`step`] reads, in its order.
pub const STEP: &str = "step, item, name, outcome, took_ms, tries, changes, diff, notes, failure, ignored, status, \
     stdout, stderr, total, findings, undo";

/// Adds a run with all its hosts.
pub fn insert_run(change: &Transaction, intent: &RunIntent, epoch: u64) -> Result<()> {
    change.execute(
        "INSERT INTO runs (run, epoch, kind, name, of_run, who, pattern, checked, journaled, params, playbook, \
         inventory, started, schedule, slot) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        params![
            intent.run.as_str(),
            epoch as i64,
            intent.kind.as_str(),
            intent.name,
            intent.of.as_ref().map(RunId::as_str),
            intent.who,
            intent.pattern,
            intent.check,
            intent.kind.journaled(),
            text(&intent.params)?,
            text(&intent.playbook)?,
            text(&intent.inventory)?,
            intent.started.to_string(),
            intent.scheduled.as_ref().map(|scheduled| &scheduled.name),
            intent.scheduled.as_ref().map(|scheduled| scheduled.slot.to_string()),
        ],
    )?;
    let mut insert = change.prepare_cached("INSERT INTO hosts (run, host, place) VALUES (?1, ?2, ?3)")?;
    for (place, host) in intent.hosts.iter().enumerate() {
        insert.execute(params![intent.run.as_str(), host, place as i64])?;
    }
    Ok(())
}

/// Adds a step of a host.
pub fn insert_step(change: &Transaction, run: &RunId, host: &str, step: &StepEnded) -> Result<()> {
    let output = step.output.as_ref();
    let mut insert = change.prepare_cached(&format!(
        "INSERT INTO steps (run, host, {STEP}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, \
         ?15, ?16, ?17, ?18, ?19)"
    ))?;
    insert.execute(params![
        run.as_str(),
        host,
        step.step,
        step.item,
        step.name,
        step.outcome.as_str(),
        step.took.as_millis() as i64,
        step.tries,
        text(&step.changes)?,
        step.diff,
        text(&step.notes)?,
        step.failure.as_ref().map(text).transpose()?,
        step.ignored,
        output.map(|output| output.status),
        output.map(|output| &output.stdout),
        output.map(|output| &output.stderr),
        output.map(|output| output.total as i64),
        text(&step.findings)?,
        text(&step.undo)?,
    ])?;
    Ok(())
}

/// A run, without its hosts.
pub fn run(row: &Row) -> Result<RunRecord> {
    let intent = RunIntent {
        run: word(row, 0)?,
        kind: word(row, 1)?,
        name: row.get(2)?,
        of: optional(row, 3, word)?,
        who: row.get(4)?,
        started: word(row, 5)?,
        pattern: row.get(6)?,
        check: row.get(7)?,
        params: json(row, 8)?,
        playbook: json(row, 9)?,
        inventory: json(row, 10)?,
        hosts: Vec::new(),
        scheduled: scheduled(row)?,
    };
    let epoch: i64 = row.get(11)?;
    Ok(RunRecord {
        ended: optional(row, 12, word)?,
        exit: row.get(13)?,
        interrupted: row.get(14)?,
        ..RunRecord::new(intent, epoch as u64)
    })
}

fn scheduled(row: &Row) -> Result<Option<Scheduled>> {
    let Some(slot) = optional(row, 16, word)? else { return Ok(None) };
    Ok(row.get::<_, Option<String>>(15)?.map(|name| Scheduled { name, slot }))
}

/// A host, without its steps.
fn host(row: &Row) -> Result<HostRecord> {
    Ok(HostRecord {
        host: row.get(0)?,
        outcome: optional(row, 1, word)?,
        failure: optional(row, 2, json)?,
        attempt: row.get(3)?,
        started: optional(row, 4, word)?,
        ended: optional(row, 5, word)?,
        settled_by: optional(row, 6, word)?,
        steps: Vec::new(),
    })
}

/// A host; one whose row cannot be read says why, so that the others are shown.
pub fn host_or_why(row: &Row) -> Result<HostRecord> {
    host(row).or_else(|error| {
        let failure = Some(Failure::new("read the host's record", error));
        Ok(HostRecord { failure, ..HostRecord::new(&row.get::<_, String>(0)?) })
    })
}

/// A step; one whose row cannot be read says why, so that the others are shown.
pub fn step_or_why(row: &Row) -> Result<StepEnded> {
    step(row).or_else(|error| {
        let failure = Some(Failure::new("read the step's record", error));
        let name = row.get(2).unwrap_or_else(|_| "a step that cannot be read".to_string());
        let outcome = word(row, 3).unwrap_or(StepOutcome::Unknown);
        Ok(StepEnded {
            item: row.get(1).unwrap_or_default(),
            failure,
            ..StepEnded::new(row.get(0).unwrap_or_default(), name, outcome)
        })
    })
}

/// A step.
fn step(row: &Row) -> Result<StepEnded> {
    let took_ms: i64 = row.get(4)?;
    let changes: Vec<String> = json(row, 6)?;
    // What was recorded before undo was counted could be undone, as far as anything knew.
    let all =
        UndoScope { changes: changes.len() as u32, undoable: changes.len() as u32, ..UndoScope::default() };
    Ok(StepEnded {
        step: row.get(0)?,
        item: row.get(1)?,
        name: row.get(2)?,
        outcome: word(row, 3)?,
        took: Duration::from_millis(took_ms as u64),
        tries: row.get(5)?,
        changes,
        diff: row.get(7)?,
        notes: json(row, 8)?,
        findings: json(row, 15)?,
        failure: optional(row, 9, json)?,
        ignored: row.get(10)?,
        undo: optional(row, 16, json)?.unwrap_or(all),
        fingerprint: None,
        done_in: None,
        output: optional(row, 11, output)?,
    })
}

/// How an outcome that a host does not have yet is to be read once the run's controller has died.
pub fn outcome_of_dead(check: bool) -> HostOutcome {
    if check { HostOutcome::Cancelled } else { HostOutcome::Unknown }
}

/// A value that is written as one word, such as an outcome, a time or a run's name.
pub fn word<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_value(text.into()).map_err(|error| unreadable(column, error))
}

fn output(row: &Row, _: usize) -> Result<Output> {
    let total: i64 = row.get(14)?;
    Ok(Output { status: row.get(11)?, stdout: row.get(12)?, stderr: row.get(13)?, total: total as u64 })
}

fn json<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(column, error))
}

fn optional<T>(row: &Row, column: usize, read: fn(&Row, usize) -> Result<T>) -> Result<Option<T>> {
    match row.get_ref(column)?.data_type() {
        Type::Null => Ok(None),
        _ => read(row, column).map(Some),
    }
}

fn unreadable(column: usize, error: serde_json::Error) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn text<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))
}
