//! `windlass schedule check`: what is failed or late, for monitoring, and for timers that cannot notice that they did not
//! elapse.

use super::list::views;
use crate::cli::{Done, Global, Stop, answer, answer_json};
use crate::model::Doing;
use crate::project::Project;
use crate::report::{Format, escape};
use crate::schedule::decide::late;
use crate::schedule::files::Folder;
use crate::schedule::view::View;
use crate::schedule::{here, log, notify};
use jiff::Timestamp;
use serde_json::json;

/// A schedule is failed or late: the exit code of a failed run.
const BAD: u8 = 2;

/// Looks, reports to those who have not heard of it yet, and answers.
pub fn run(project: &Project, global: &Global) -> Done {
    let now = Timestamp::now();
    tell(project, now)?;
    let bad: Vec<View> =
        views(project, now)?.into_iter().filter(|view| view.failed || view.late.is_some()).collect();
    match global.format() {
        Format::Human if bad.is_empty() => answer("every schedule is as it should be\n")?,
        Format::Human => answer(&escape::block(&bad.iter().map(line).collect::<String>()))?,
        _ => answer_json(&json!(bad))?,
    };
    Ok(if bad.is_empty() { 0 } else { BAD })
}

fn tell(project: &Project, now: Timestamp) -> Result<(), Stop> {
    let (folder, here) = (Folder::open(&project.state())?, here(&project.root));
    let (channels, root) = (&project.config.channels, project.root.display().to_string());
    let runtime = tokio::runtime::Runtime::new().doing("start the threads that send notices")?;
    for schedule in &project.config.schedules {
        let ((), notice) = folder.change(schedule, now, |state| {
            if let Some(slot) = late(schedule, state, now, schedule.delay(&here)) {
                state.late(slot, now, schedule, channels, &root);
            }
        })?;
        let lines = runtime.block_on(notify::deliver(schedule, channels, &folder, &project.root))?;
        for line in notice.iter().chain(&lines) {
            log::say(&format!("schedule {}: {line}", schedule.name));
        }
    }
    Ok(())
}

fn line(view: &View) -> String {
    let mut line = format!("{}:", view.name);
    if let Some(last) = view.last.as_ref().filter(|_| view.failed) {
        let why = last.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        line += &format!(" the run of {} {}{why}", last.slot, last.outcome.shown());
    }
    if let Some(late) = view.late {
        line += &format!(" no run has succeeded since {late}, when one was due");
    }
    line + "\n"
}
