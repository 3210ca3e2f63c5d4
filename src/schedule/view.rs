//! A schedule as people and programs are shown it: `schedule list`, the status file, the metrics.

use super::decide::late;
use super::files::Folder;
use super::outcome::FinishedRun;
use super::state::{LeftOut, State};
use super::{Overlap, Schedule};
use crate::model::Result;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of a schedule at a moment. Its fields are those of `schedule list --output json`; times are RFC 3339 in
/// UTC, and `null` where there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The playbook it runs.
    pub playbook: String,
    /// On which hosts; null: the playbook says.
    pub hosts: Option<String>,
    /// When, as it is written.
    pub cron: String,
    /// In which time zone.
    pub timezone: String,
    /// How many seconds after its times it runs here.
    pub delay_secs: u64,
    /// `skip` or `wait`.
    pub overlap: &'static str,
    /// Whether it makes up for times that passed while nobody was there.
    pub catch_up: bool,
    /// `waiting`, `running`, `due` (its time has come and it has not begun), or `cut off` (its run was killed).
    pub state: &'static str,
    /// Since when it is running.
    pub running_since: Option<Timestamp>,
    /// When it runs next.
    pub next: Option<Timestamp>,
    /// The time that no success covers and that is too long ago.
    pub late: Option<Timestamp>,
    /// Whether its last run did not succeed.
    pub failed: bool,
    /// How the last run ended.
    pub last: Option<FinishedRun>,
    /// The last run that succeeded.
    pub success: Option<FinishedRun>,
    /// The times that were left out last.
    pub left_out: Option<LeftOut>,
    /// How many runs ended how, and how many times were left out.
    pub counts: BTreeMap<String, u64>,
    /// How many notices are still to be delivered.
    pub letters: usize,
}

impl View {
    /// As it is now.
    pub fn of(schedule: &Schedule, folder: Option<&Folder>, here: &str, now: Timestamp) -> Result<View> {
        let state = folder.map(|folder| folder.read(&schedule.name)).transpose()?.flatten();
        let busy = folder.is_some_and(|folder| folder.is_running(&schedule.name));
        Ok(View::new(schedule, state, busy, schedule.delay(here), now))
    }

    /// From its state, which is none when it has never been looked at.
    pub fn new(
        schedule: &Schedule,
        state: Option<State>,
        busy: bool,
        delay: Duration,
        now: Timestamp,
    ) -> View {
        let mut state = state.unwrap_or_else(|| State::new(schedule, now));
        let _told_by_those_who_keep_it = state.refresh(schedule, now);
        let zone = &schedule.slots.zone;
        let failed =
            state.last.as_ref().is_some_and(|last| last.outcome != super::outcome::Outcome::Succeeded);
        View {
            name: schedule.name.clone(),
            playbook: schedule.playbook.clone(),
            hosts: schedule.hosts.clone(),
            cron: schedule.slots.cron.text().to_string(),
            timezone: zone.iana_name().unwrap_or("system").to_string(),
            delay_secs: delay.as_secs(),
            overlap: if schedule.overlap == Overlap::Skip { "skip" } else { "wait" },
            catch_up: schedule.catch_up,
            state: word(schedule, &state, busy, delay, now),
            running_since: state.running.as_ref().filter(|_| busy).map(|claim| claim.claimed),
            next: next(schedule, &state, delay, now),
            late: late(schedule, &state, now, delay),
            failed,
            last: state.last,
            success: state.success,
            left_out: state.left_out,
            counts: state.counts,
            letters: state.letters.len(),
        }
    }
}

fn word(schedule: &Schedule, state: &State, busy: bool, delay: Duration, now: Timestamp) -> &'static str {
    match super::decide::decide(schedule, state, super::decide::Moment { now, delay, busy: false }) {
        _ if busy => "running",
        super::decide::Decision::Resume(_) => "cut off",
        super::decide::Decision::Nothing { .. } => "waiting",
        _ => "due",
    }
}

/// When it runs next, counted from now: a time that has come already is what `state` shows.
fn next(schedule: &Schedule, state: &State, delay: Duration, now: Timestamp) -> Option<Timestamp> {
    let delay = SignedDuration::try_from(delay).ok()?;
    let from = now.checked_sub(delay).ok()?.max(state.settled);
    schedule.slots.after(from)?.checked_add(delay).ok()
}
