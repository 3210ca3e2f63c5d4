//! `--report FILE.html`: a run as one page that needs nothing else: how the hosts ended, hosts and steps as a table, and for
//! each host what was changed, what failed and what was found. It is read with mouse or keyboard, light or dark.

use super::escape;
use super::recap::outcomes;
use super::steps::shown_by_steps;
use super::style::{host_word, step_word, time};
use super::undo;
use crate::model::event::{Output, StepEnded};
use crate::model::finding::{Finding, Verdict};
use crate::model::outcome::StepOutcome;
use crate::record::{HostRecord, RunRecord};
use jiff::tz::TimeZone;
use std::fmt::Write;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Steps beyond this have no column: nobody reads a wider table.
const COLUMNS: usize = 200;

/// A step that has a column.
struct Column<'a> {
    step: u32,
    name: &'a str,
}

/// The whole page.
pub fn document(record: &RunRecord, zone: &TimeZone) -> String {
    let intent = &record.intent;
    let title = format!("{} on {}", text(&intent.name), text(&intent.pattern));
    let hosts: String =
        record.hosts().iter().enumerate().map(|(place, host)| details(place, host, record)).collect();
    // Nothing in the page may load or send anything, whatever a host has said.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n{}{}{}<h2>Hosts</h2>\n{hosts}<script>\n{SCRIPT}</script>\n\
         </body>\n</html>\n",
        head(record, &title, zone),
        counts(record),
        grid(record),
    )
}

fn head(record: &RunRecord, title: &str, zone: &TimeZone) -> String {
    let intent = &record.intent;
    let started = intent.started.to_zoned(zone.clone()).strftime("%F %T %Z").to_string();
    let took = record.ended.and_then(|ended| ended.duration_since(intent.started).try_into().ok());
    let took = took.map_or_else(String::new, |took| format!(", took {}", time(took)));
    let check = if intent.check { "<p><strong>A dry run: nothing was changed.</strong></p>\n" } else { "" };
    format!(
        "<header><div><h1>{title}</h1>\n<p class=\"faint\">Run {} by {}, started {}{took}</p></div>\n\
         <div><button id=\"all\">Open all</button> <button id=\"theme\">Light or dark</button></div></header>\n{check}\
         <p class=\"keys faint\">Keys: j and k next and previous host, o open or close, f next failure, e open all, \
         t light or dark</p>\n",
        text(intent.run.as_str()),
        text(&intent.who),
        text(&started),
    )
}

fn counts(record: &RunRecord) -> String {
    let counts = outcomes(record).into_iter().map(|(outcome, many)| {
        let word = host_word(outcome, record.intent.check);
        format!("<li class=\"{}\">{many} {word}</li>", outcome.as_str())
    });
    let undo =
        undo::sentence(record, None).map_or_else(String::new, |line| format!("<p>{}</p>\n", text(&line)));
    format!("<ul class=\"counts\">{}</ul>\n{undo}", counts.collect::<String>())
}

/// A table with a row for each host and a column for each step.
fn grid(record: &RunRecord) -> String {
    let columns = columns(record);
    if columns.is_empty() {
        return String::new();
    }
    let names: String = columns
        .iter()
        .take(COLUMNS)
        .map(|column| format!("<th class=\"step\" scope=\"col\">{}</th>", text(column.name)))
        .collect();
    let rows: String =
        record.hosts().iter().enumerate().map(|(place, host)| row(place, host, &columns)).collect();
    let more = columns.len().saturating_sub(COLUMNS);
    let more =
        if more > 0 { format!("<p class=\"faint\">and {more} more steps</p>\n") } else { String::new() };
    format!(
        "<h2>Hosts and steps</h2>\n<div class=\"scroll\" tabindex=\"0\"><table class=\"grid\"><thead><tr><th scope=\"col\">host</th>{names}\
         </tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n{more}"
    )
}

fn columns(record: &RunRecord) -> Vec<Column<'_>> {
    let mut columns: Vec<Column> = Vec::new();
    for step in record.hosts().iter().flat_map(|host| &host.steps).filter(|step| step.item.is_none()) {
        if let Err(place) = columns.binary_search_by_key(&step.step, |column| column.step) {
            columns.insert(place, Column { step: step.step, name: &step.name });
        }
    }
    columns
}

fn row(place: usize, host: &HostRecord, columns: &[Column]) -> String {
    let cells = columns.iter().take(COLUMNS).map(|column| {
        let step = host.steps.iter().find(|step| step.step == column.step && step.item.is_none());
        step.map_or_else(|| "<td></td>".to_string(), |step| cell(place, step))
    });
    format!(
        "<tr><th scope=\"row\"><a class=\"{}\" href=\"#host-{place}\">{}</a></th>{}</tr>\n",
        host.outcome.map_or("unknown", |outcome| outcome.as_str()),
        text(&host.host),
        cells.collect::<String>()
    )
}

fn cell(place: usize, step: &StepEnded) -> String {
    let word = step_word(step.outcome);
    format!(
        "<td class=\"{}\"><a class=\"{0}\" href=\"#step-{place}-{}\" title=\"{}: {word}\">{word} {}</a></td>",
        step.outcome,
        step.step,
        text(&step.name),
        time(step.took)
    )
}

/// Everything about one host. What went wrong is open.
fn details(place: usize, host: &HostRecord, record: &RunRecord) -> String {
    let outcome = host.outcome.map_or("running", |outcome| host_word(outcome, record.intent.check));
    let class = host.outcome.map_or("unknown", |outcome| outcome.as_str());
    let bad = host.failure.is_some();
    let took = host.took().map_or_else(String::new, |took| format!(" in {}", time(took)));
    let in_step = shown_by_steps(host);
    let failure = host.failure.as_ref().filter(|_| !in_step);
    let failure = failure.map_or_else(String::new, |failure| why(&failure.to_string()));
    let steps: String = host.steps.iter().map(|step| of_step(place, step)).collect();
    format!(
        "<details class=\"host{}\" id=\"host-{place}\"{}><summary><strong>{}</strong> <span class=\"{class}\">{outcome}</span>\
         <span class=\"faint\">{took}</span></summary>\n{failure}{steps}</details>\n",
        if bad && !in_step { " bad" } else { "" },
        if bad { " open" } else { "" },
        text(&host.host),
    )
}

fn of_step(place: usize, step: &StepEnded) -> String {
    let bad = step.outcome == StepOutcome::Failed && !step.ignored;
    let id = step.item.map_or_else(|| format!(" id=\"step-{place}-{}\"", step.step), |_| String::new());
    let mut body = String::new();
    let lines =
        |list: &[String]| list.iter().map(|line| format!("<li>{}</li>", text(line))).collect::<String>();
    if let Some(failure) = &step.failure {
        body += &why(&failure.to_string());
    }
    for list in [&step.changes, &step.notes].into_iter().filter(|list| !list.is_empty()) {
        let _infallible = writeln!(body, "<ul class=\"plain\">{}</ul>", lines(list));
    }
    body += &step.diff.as_deref().map_or_else(String::new, diff);
    body += &findings(&step.findings);
    body += &step.output.as_ref().map_or_else(String::new, output);
    let tries = if step.tries > 1 { format!(", {} tries", step.tries) } else { String::new() };
    let ignored = if step.ignored { ", ignored" } else { "" };
    let summary = format!(
        "<span class=\"{}\">{}</span> {} <span class=\"faint\">{}{tries}{ignored}</span>",
        step.outcome,
        step_word(step.outcome),
        text(&step.name),
        time(step.took)
    );
    if body.is_empty() {
        return format!("<p{id}>{summary}</p>\n");
    }
    let (class, open) = if bad { (" bad", " open") } else { ("", "") };
    format!("<details class=\"step{class}\"{id}{open}><summary>{summary}</summary>\n{body}</details>\n")
}

fn why(failure: &str) -> String {
    format!("<p class=\"why\">{}</p>\n", text(failure))
}

fn diff(diff: &str) -> String {
    let line = |line: &str| {
        let class = match line.as_bytes() {
            [b'+', ..] => "plus",
            [b'-', ..] => "minus",
            [b'@', ..] => "at",
            _ => return format!("{}\n", text(line)),
        };
        format!("<span class=\"{class}\">{}</span>", text(line))
    };
    format!("<pre>{}</pre>\n", diff.lines().map(line).collect::<String>())
}

fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let row = |finding: &Finding| {
        let class = match finding.verdict {
            Verdict::Pass => "ok",
            Verdict::Fail => "failed",
            Verdict::Unknown => "unknown",
            Verdict::Info => "skipped",
        };
        // What to try is for what does not pass.
        let hint = finding.hint.as_ref().filter(|_| finding.verdict != Verdict::Pass);
        let wanted = finding.wanted.iter().chain(hint).map(|said| text(said));
        format!(
            "<tr><td class=\"{class}\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            finding.verdict.as_str(),
            text(&finding.title()),
            text(&finding.seen),
            wanted.collect::<Vec<_>>().join("<br>")
        )
    };
    format!(
        "<div class=\"scroll\"><table><thead><tr><th>verdict</th><th>what</th><th>seen</th><th>wanted</th></tr></thead>\n\
         <tbody>\n{}</tbody></table></div>\n",
        findings.iter().map(row).collect::<String>()
    )
}

fn output(output: &Output) -> String {
    let part = |name: &str, bytes: &[u8]| match bytes {
        [] => String::new(),
        bytes => format!("<p class=\"faint\">{name}</p><pre>{}</pre>\n", escaped(&escape::bytes(bytes))),
    };
    part("standard output", &output.stdout) + &part("standard error", &output.stderr)
}

/// Text of a host or a file as text of a page.
fn text(said: &str) -> String {
    escaped(&escape::block(said))
}

fn escaped(text: &str) -> String {
    let mut page = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            character => page.push(character),
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Failure;
    use crate::model::outcome::HostOutcome;
    use crate::record::examples::*;

    fn page(steps: Vec<StepEnded>, outcome: HostOutcome) -> String {
        let events = host("web01", &steps, outcome);
        document(&record(intent(&["web01", "web02"]), &events), &TimeZone::UTC)
    }

    #[test]
    fn a_page_shows_summary_table_and_details() {
        let diff = Some("--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n".to_string());
        let failure = Some(Failure::new("write /x", "no space left on device").hint("free space"));
        let failed = StepEnded { failure, ..step(1, StepOutcome::Failed) };
        let page = page(vec![StepEnded { diff, ..changed(0) }, failed], HostOutcome::Failed);
        for part in [
            "<li class=\"failed\">1 failed</li>",
            "<th scope=\"row\"><a class=\"failed\" href=\"#host-0\">web01</a></th>",
            "<td class=\"changed\"><a class=\"changed\" href=\"#step-0-0\"",
            "<span class=\"plus\">+new</span>",
            "no space left on device",
            "<details class=\"step bad\" id=\"step-0-1\" open>",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }

    #[test]
    fn nothing_that_a_host_says_is_part_of_the_page() {
        let evil = "<script>alert(1)</script>\"'&\u{202e}";
        let step = StepEnded {
            name: evil.into(),
            notes: vec![evil.into()],
            diff: Some(format!("+{evil}\n")),
            output: Some(Output { stdout: evil.into(), ..Output::default() }),
            failure: Some(Failure::new(evil, evil)),
            ..changed(0)
        };
        let page = page(vec![step], HostOutcome::Changed);
        assert_eq!(page.matches("<script>").count(), 1, "its own");
        assert!(!page.contains('\u{202e}') && page.contains("&lt;script&gt;alert(1)"));
    }
}
