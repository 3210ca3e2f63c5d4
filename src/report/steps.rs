//! The lines that tell how a step ended: `web[01-14]  changed  dockerd hands out resolvers …  0.4s`.

use super::escape;
use super::groups::Group;
use super::hosts::listed;
use super::style::{Tone, fitted, padded, step_tone, step_word, time, widest};
use super::{Verbosity, View};
use crate::inventory::fold::fold;
use crate::model::Failure;
use crate::model::event::{Output, StepEnded};
use crate::model::outcome::StepOutcome;
use crate::model::reason::{self, excerpt};
use crate::record::{HostRecord, RunRecord};

/// The column of host names is at most so wide; a longer list of hosts pushes the rest of its line to the right.
const HOSTS_WIDTH: usize = 24;

/// The widest outcome: `would change`.
const OUTCOME_WIDTH: usize = 12;

/// A step's name is cut at this many columns.
const NAME_WIDTH: usize = 100;

/// The lines of these groups.
pub fn all(groups: &[Group], record: &RunRecord, view: &View) -> String {
    groups.iter().map(|group| lines(group, record, view)).collect()
}

/// How many columns host names get in this run.
pub fn hosts_width(record: &RunRecord) -> usize {
    let all = fold(&record.intent.hosts);
    widest(record.intent.hosts.iter().chain([&all]).map(String::as_str)).clamp(4, HOSTS_WIDTH)
}

fn lines(group: &Group, record: &RunRecord, view: &View) -> String {
    if !is_told(&group.step, view) {
        return String::new();
    }
    let hosts = padded(&listed(&group.hosts), hosts_width(record));
    if group.is_start {
        let name = fitted(&escape::line(&group.step.name), NAME_WIDTH);
        return format!("{hosts}  {}  {name} (in the background)\n", padded("started", OUTCOME_WIDTH));
    }
    let mut lines = format!("{hosts}  {}  {}\n", headline(&group.step, view), time(group.took));
    let output = view.shows_output(record.intent.kind);
    for item in &group.items {
        lines += &format!("  - {}\n", headline(item, view));
        lines += &indented(&details(item, view, output), 6);
    }
    if group.items.is_empty() {
        lines += &indented(&details(&group.step, view, output), 4);
    }
    lines
}

fn is_told(step: &StepEnded, view: &View) -> bool {
    match view.verbosity {
        Verbosity::Quiet => step.outcome == StepOutcome::Failed && !step.ignored,
        Verbosity::Normal => step.outcome != StepOutcome::Skipped,
        Verbosity::Verbose => true,
    }
}

fn headline(step: &StepEnded, view: &View) -> String {
    let word = padded(step_word(step.outcome), OUTCOME_WIDTH);
    let mut name = fitted(&escape::line(&step.name), NAME_WIDTH);
    if step.tries > 1 {
        name += &format!(" ({} tries)", step.tries);
    }
    if step.ignored {
        name += " (ignored)";
    }
    format!("{}  {name}", view.style.paint(step_tone(step.outcome), &word))
}

/// What is reported below a step's line.
fn details(step: &StepEnded, view: &View, with_output: bool) -> String {
    let mut lines = Vec::new();
    let changes = matches!(step.outcome, StepOutcome::Changed | StepOutcome::WouldChange);
    let says_what = changes || view.verbosity == Verbosity::Verbose;
    if says_what {
        lines.extend(step.changes.iter().map(|change| escape::line(change).into_owned()));
    }
    lines.extend(step.notes.iter().map(|note| escape::block(note).into_owned()));
    if let (Some(diff), true) = (&step.diff, view.diff) {
        lines.push(view.style.diff(&escape::block(diff)));
    }
    if let Some(failure) = &step.failure {
        lines.push(view.style.paint(Tone::Bad, &failure_text(failure)));
    }
    if let Some(output) = &step.output {
        let failed = step.outcome == StepOutcome::Failed;
        let printed = output_lines(output, with_output, failed);
        if with_output || !is_said(&printed, step.failure.as_ref()) {
            lines.extend(printed);
        }
    }
    lines.join("\n")
}

/// Whether all that was printed is in the failure already.
fn is_said(printed: &[String], failure: Option<&Failure>) -> bool {
    let [line] = printed else { return false };
    failure.is_some_and(|failure| escape::block(&failure.why).contains(line.trim()))
}

/// A failure, whole, as it may be printed.
pub fn failure_text(failure: &Failure) -> String {
    escape::block(&failure.to_string()).into_owned()
}

fn output_lines(output: &Output, whole: bool, failed: bool) -> Vec<String> {
    let both = [&output.stdout, &output.stderr].map(|bytes| escape::bytes(bytes));
    if whole {
        return both.iter().flat_map(|text| text.lines()).map(str::to_string).collect();
    }
    let [stdout, stderr] = &both;
    match failed {
        true if stderr.trim().is_empty() => last_lines(stdout),
        true => last_lines(stderr),
        false => Vec::new(),
    }
}

fn last_lines(text: &str) -> Vec<String> {
    excerpt(text, reason::LINES).into_iter().map(str::to_string).collect()
}

/// The text with `columns` spaces before each line, and a line break at the end unless it is empty.
pub fn indented(text: &str, columns: usize) -> String {
    let margin = " ".repeat(columns);
    text.lines().map(|line| format!("{margin}{line}\n")).collect()
}

/// Whether the host's failure is that of one of its steps, or of one and of the undo that followed.
pub fn shown_by_steps(host: &HostRecord) -> bool {
    let failures = || host.steps.iter().filter_map(|step| step.failure.as_ref());
    let Some(failure) = &host.failure else { return true };
    failures().any(|step| {
        let rest = failure.why.strip_prefix(&step.why).and_then(|rest| rest.strip_prefix("; then: "));
        step == failure
            || step.doing == failure.doing
                && rest.is_some_and(|rest| {
                    failures().any(|undo| rest == format!("{}: {}", undo.doing, undo.why))
                })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::style::Style;

    #[test]
    fn what_the_failure_says_is_not_printed_once_more() {
        let view =
            View { style: Style { color: false }, verbosity: Verbosity::Normal, diff: false, columns: None };
        let shown = |stderr: &str| {
            let output = Output { status: 2, stderr: stderr.into(), ..Output::default() };
            let failure = Failure::new("run ls /nope", "exit status 2: ls: no such file");
            let step = StepEnded {
                output: Some(output),
                failure: Some(failure),
                ..StepEnded::new(0, "list".to_string(), StepOutcome::Failed)
            };
            details(&step, &view, false)
        };
        assert_eq!(shown("ls: no such file\n"), "run ls /nope: exit status 2: ls: no such file");
        assert!(shown("a line before\nls: no such file\n").ends_with("a line before\nls: no such file"));
    }
}
