//! What an event changes in the tables.

use super::{STEPS_KEPT, rows, whole};
use crate::model::event::{Event, StepEnded};
use crate::model::job::RunId;
use crate::model::outcome::HostOutcome;
use crate::model::run::HostEvent;
use jiff::Timestamp;
use rusqlite::{Transaction, params};
use std::collections::HashMap;

/// Takes in what happened to a host. `kept` counts its steps.
pub fn host_event(
    change: &Transaction,
    run: &RunId,
    host: &str,
    at: Timestamp,
    event: &HostEvent,
    kept: &mut HashMap<String, usize>,
) -> rusqlite::Result<()> {
    match event {
        HostEvent::Connecting { attempt } => {
            let mut update = change.prepare_cached(
                "UPDATE hosts SET attempt = ?3, started = coalesce(started, ?4) WHERE run = ?1 AND host = ?2",
            )?;
            update.execute(params![run.as_str(), host, attempt, at.to_string()])?;
        }
        HostEvent::Said(Event::StepEnded(step)) => {
            let count = kept.entry(host.to_string()).or_default();
            *count += 1;
            if *count <= STEPS_KEPT {
                rows::insert_step(change, run, host, step)?;
            }
        }
        HostEvent::Said(Event::Settled { run: earlier, outcome, steps }) => {
            settled(change, earlier, host, run, *outcome, steps)?;
        }
        HostEvent::Ended { outcome, failure } => {
            let failure = failure.as_ref().map(serde_json::to_string).transpose();
            let failure =
                failure.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            let mut update = change.prepare_cached(
                "UPDATE hosts SET outcome = ?3, failure = ?4, ended = ?5 WHERE run = ?1 AND host = ?2",
            )?;
            update.execute(params![run.as_str(), host, outcome.as_str(), failure, at.to_string()])?;
        }
        HostEvent::Retrying { .. }
        | HostEvent::Connected
        | HostEvent::Uploading { .. }
        | HostEvent::Sent
        | HostEvent::Said(_) => {}
    }
    Ok(())
}

/// Only what has no verdict can get one: a host cannot rewrite its past.
pub fn settled(
    change: &Transaction,
    run: &RunId,
    host: &str,
    by: &RunId,
    outcome: Option<HostOutcome>,
    steps: &[StepEnded],
) -> rusqlite::Result<()> {
    let was_whole = whole::is_whole(change, run)?;
    let rows = change.execute(
        // Without an outcome it left no journal: nothing was started, unless an earlier answer knows better.
        "UPDATE hosts SET outcome = coalesce(?3, 'cancelled'), settled_by = ?4 \
         WHERE run = ?1 AND host = ?2 AND run <> ?4 AND (outcome IS NULL OR outcome = 'unknown') \
         AND (?3 IS NOT NULL OR settled_by IS NULL)",
        params![run.as_str(), host, outcome.map(HostOutcome::as_str), by.as_str()],
    )?;
    if rows == 0 {
        return Ok(());
    }
    let mut known = change
        .prepare_cached("SELECT 1 FROM steps WHERE run = ?1 AND host = ?2 AND step = ?3 AND item IS ?4")?;
    for step in steps.iter().take(STEPS_KEPT) {
        if !known.exists(params![run.as_str(), host, step.step, step.item])? {
            rows::insert_step(change, run, host, step)?;
        }
    }
    // Only what was as written gets a new digest: damage stays visible.
    if was_whole == Some(true) { whole::seal(change, run) } else { Ok(()) }
}
