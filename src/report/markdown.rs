//! `--output markdown`: a run as a report that people keep, send and read: how each host ended, what was found there,
//! what passes, what does not and why.

use super::board::{Board, Row, board};
use super::escape;
use super::style::{host_word, step_word, time};
use super::undo;
use crate::model::event::StepEnded;
use crate::model::finding::{Finding, Verdict};
use crate::model::outcome::StepOutcome;
use crate::record::{HostRecord, RunRecord};
use jiff::tz::TimeZone;

/// The whole document.
pub fn document(record: &RunRecord, zone: &TimeZone) -> String {
    let board = board(record);
    let mut document = head(record, zone) + &hosts(record, board.as_ref());
    if let Some(board) = &board {
        document += &figures(board);
        document.extend(board.rows.iter().filter(|row| !row.findings.is_empty()).map(found));
    }
    document.extend(record.hosts().iter().map(|host| steps(host, board.is_some())));
    document
}

fn head(record: &RunRecord, zone: &TimeZone) -> String {
    let intent = &record.intent;
    let check = if intent.check { " (check: nothing was changed)" } else { "" };
    let started = intent.started.to_zoned(zone.clone()).strftime("%F %T %Z");
    let undo = undo::sentence(record, None).map_or_else(String::new, |line| format!("{}\n\n", text(&line)));
    format!(
        "# {} on {}{check}\n\nRun `{}`, started {started} by {}.\n\n{undo}",
        text(&intent.name),
        text(&intent.pattern),
        intent.run,
        text(&intent.who)
    )
}

fn hosts(record: &RunRecord, board: Option<&Board>) -> String {
    let mut title = vec!["host".to_string(), "ended".to_string()];
    if let Some(board) = board {
        title.extend(board.groups.iter().map(|group| text(group)));
        title.push("pass".to_string());
    }
    title.push("why".to_string());
    let rows = record.hosts().iter().enumerate().map(|(place, host)| {
        let ended = host.outcome.map_or("running", |outcome| host_word(outcome, record.intent.check));
        let mut cells = vec![text(&host.host), ended.to_string()];
        if let Some(board) = board {
            let row = &board.rows[place];
            cells.extend(board.groups.iter().map(|group| row.share(group)));
            cells.push(row.checks.percent().map_or_else(|| "-".to_string(), |percent| format!("{percent}%")));
        }
        cells.push(host.failure.as_ref().map_or_else(String::new, |failure| text(&failure.to_string())));
        cells
    });
    table(title, rows)
}

fn figures(board: &Board) -> String {
    if board.figures.is_empty() {
        return String::new();
    }
    let title = std::iter::once("host".to_string()).chain(board.figures.iter().map(|figure| text(figure)));
    let rows = board.rows.iter().map(|row| {
        let cells = board.figures.iter().map(|figure| row.figure(figure).map_or("-".to_string(), cell));
        std::iter::once(text(row.host)).chain(cells).collect()
    });
    format!("## Figures\n\n{}", table(title.collect(), rows))
}

fn cell(finding: &Finding) -> String {
    let cell = text(finding.cell.as_deref().unwrap_or_default());
    match finding.verdict {
        Verdict::Fail => format!("**{cell}** (fails)"),
        Verdict::Unknown => format!("{cell} (unknown)"),
        Verdict::Pass | Verdict::Info => cell,
    }
}

/// Everything that was found on a host, what is bad first.
fn found(row: &Row) -> String {
    let (bad, fine): (Vec<_>, Vec<_>) = row.findings.iter().partition(|finding| finding.is_bad());
    let rows = bad.into_iter().chain(fine).map(|finding| {
        let verdict = match finding.is_bad() {
            true => format!("**{}**", finding.verdict.as_str()),
            false => finding.verdict.as_str().to_string(),
        };
        let wanted = finding.wanted.as_deref().map(text).unwrap_or_default();
        let hint = finding.hint.as_deref().filter(|_| finding.is_bad()).map(text).unwrap_or_default();
        vec![verdict, text(&finding.title()), text(&finding.seen), wanted, hint]
    });
    let title = ["verdict", "what", "seen", "wanted", "what to try"].map(str::to_string);
    format!("## {}: {}\n\n{}", text(row.host), row.sum(), table(title.to_vec(), rows))
}

/// The steps that did something or failed; where there are findings, those that failed have been reported.
fn steps(host: &HostRecord, with_findings: bool) -> String {
    let told = |step: &&StepEnded| match step.outcome {
        StepOutcome::Changed | StepOutcome::WouldChange => true,
        StepOutcome::Failed | StepOutcome::Unknown => !with_findings,
        StepOutcome::Ok | StepOutcome::Skipped => false,
    };
    let mut rows =
        host.steps.iter().filter(|step| step.item.is_none()).filter(told).map(row_of_step).peekable();
    if rows.peek().is_none() {
        return String::new();
    }
    let title = ["outcome", "step", "what was done, or why it failed", "took"].map(str::to_string);
    format!("## Steps on {}\n\n{}", text(&host.host), table(title.to_vec(), rows))
}

fn row_of_step(step: &StepEnded) -> Vec<String> {
    let what = match &step.failure {
        Some(failure) => failure.to_string(),
        None => step.changes.iter().chain(&step.notes).cloned().collect::<Vec<_>>().join("\n"),
    };
    vec![step_word(step.outcome).to_string(), text(&step.name), text(&what), time(step.took)]
}

fn table(title: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = vec!["---".to_string(); title.len()];
    let rows: String = rows.map(|cells| line(&cells)).collect();
    format!("{}{}{rows}\n", line(&title), line(&rule))
}

/// Text in a cell or a heading, in which nothing means anything to Markdown, HTML or a terminal.
fn text(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|line| escaped(&escape::line(line))).collect();
    lines.join("<br>")
}

fn escaped(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for character in line.chars() {
        match character {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => shown.extend(['\\', character]),
            character => shown.push(character),
        }
    }
    shown
}
