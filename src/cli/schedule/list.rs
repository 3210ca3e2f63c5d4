//! `windlass schedule list` and `next`: schedules as tables and as JSON.

use crate::cli::{Done, Global, Stop, answer, answer_json};
use crate::project::Project;
use crate::report::Format;
use crate::report::style::{self, Style};
use crate::schedule::files::Folder;
use crate::schedule::view::View;
use crate::schedule::{Schedule, here, shown};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// What is said of a project without schedules.
const NONE: &str = "windlass.toml has no [schedule.NAME] table\n";

/// Every schedule as it is now.
pub fn views(project: &Project, now: Timestamp) -> Result<Vec<View>, Stop> {
    let state = project.state();
    // Who only looks makes nothing.
    let folder = if state.join("schedule").is_dir() { Some(Folder::open(&state)?) } else { None };
    let here = here(&project.root);
    let view = |schedule| View::of(schedule, folder.as_ref(), &here, now);
    Ok(project.config.schedules.iter().map(view).collect::<Result<_, _>>()?)
}

/// Lists them.
pub fn list(project: &Project, global: &Global) -> Done {
    let now = Timestamp::now();
    let views = views(project, now)?;
    match global.format() {
        Format::Human if views.is_empty() => answer(NONE),
        Format::Human => answer(&table(&views, now, &TimeZone::system(), global.view(false).style)),
        _ => answer_json(&json!(views)),
    }
}

fn table(views: &[View], now: Timestamp, zone: &TimeZone, style: Style) -> String {
    let rows = views.iter().map(|view| {
        let what = format!("{} on {}", view.playbook, view.hosts.as_deref().unwrap_or("its own hosts"));
        let next = view.next.map_or("never".into(), |next| {
            format!("{} ({})", next.to_zoned(zone.clone()).strftime("%F %T"), away(now, next))
        });
        [view.name.clone(), style::fitted(&what, 40), view.cron.clone(), next, last(view, now), state(view)]
    });
    let title = ["schedule", "what", "cron", "next", "last run", "state"].map(str::to_string);
    let rows: Vec<[String; 6]> = std::iter::once(title).chain(rows).collect();
    style::table(&rows, style)
}

fn last(view: &View, now: Timestamp) -> String {
    let Some(last) = &view.last else { return "never".into() };
    let bad = last.hosts_failed();
    let hosts = if bad > 0 { format!(", {bad} hosts bad") } else { String::new() };
    format!("{} {}{hosts}", last.outcome.shown(), away(now, last.ended))
}

fn state(view: &View) -> String {
    let mut words = vec![view.state];
    if view.failed {
        words.push("FAILED");
    }
    if view.late.is_some() {
        words.push("LATE");
    }
    words.join(", ")
}

/// `in 3h20m`, `2d04h ago`.
fn away(now: Timestamp, time: Timestamp) -> String {
    let between = time.duration_since(now);
    let long = long(between.abs());
    if between.is_negative() { format!("{long} ago") } else { format!("in {long}") }
}

fn long(between: SignedDuration) -> String {
    let minutes = between.as_secs() / 60;
    match (minutes / 60 / 24, minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => format!("{}s", between.as_secs()),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h{minutes:02}m"),
        (days, hours, _) => format!("{days}d{hours:02}h"),
    }
}

/// Shows the next times.
pub fn next(project: &Project, many: usize, name: Option<&str>, global: &Global) -> Done {
    let only = name.map(|name| super::find(project, name)).transpose()?;
    let schedules = project.config.schedules.iter();
    let chosen: Vec<&Schedule> =
        schedules.filter(|schedule| only.is_none_or(|only| only.name == schedule.name)).collect();
    let now = Timestamp::now();
    let times = times(&chosen, &here(&project.root), now, many);
    match global.format() {
        Format::Human if times.is_empty() => answer(NONE),
        Format::Human => {
            let title = ["when", "in", "schedule"].map(str::to_string);
            let rows = times
                .iter()
                .map(|(time, schedule)| [shown(*time, schedule), away(now, *time), schedule.name.clone()]);
            let rows: Vec<[String; 3]> = std::iter::once(title).chain(rows).collect();
            answer(&style::table(&rows, global.view(false).style))
        }
        _ => {
            let list: Vec<_> = times
                .iter()
                .map(|(time, schedule)| json!({ "time": time, "schedule": schedule.name }))
                .collect();
            answer_json(&json!(list))
        }
    }
}

/// The next `many` times of all of them, each with this machine's delay.
fn times<'a>(
    schedules: &[&'a Schedule],
    here: &str,
    now: Timestamp,
    many: usize,
) -> Vec<(Timestamp, &'a Schedule)> {
    let mut times = Vec::new();
    for schedule in schedules {
        let delay = SignedDuration::try_from(schedule.delay(here)).unwrap_or_default();
        let mut at = now.checked_sub(delay).unwrap_or(now);
        for _ in 0..many {
            let Some(next) = schedule.slots.after(at) else { break };
            times.push((next.checked_add(delay).unwrap_or(next), *schedule));
            at = next;
        }
    }
    times.sort_by_key(|(time, _)| *time);
    times.truncate(many);
    times
}
