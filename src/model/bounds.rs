//! How much a host may say. The agent keeps to it, and the controller holds whatever answers on a host to it: what is
//! over is cut, and a note says that it was.

use super::Value;
use super::cut::{TEXT, fitted_failure, text};
use super::event::{Event, Hello, Output, Printed, StepEnded, UndoScope};
use super::failure::Failure;
use super::finding::{self, Finding};
use super::job::OutputWanted;
use std::mem::take;
use std::time::Duration;

/// The name of a step, in bytes.
pub const NAME: usize = 4 * 1024;

/// Lines that say what a step changed, and all of them together, in bytes.
pub const CHANGES: usize = 20_000;
const CHANGES_BYTES: usize = 1024 * 1024;

/// A step's diffs, in bytes.
const DIFF: usize = 1024 * 1024;

/// Each of both outputs of a step's commands, in bytes: head and tail, and what says that something is left out.
const OUTPUT: usize = OutputWanted::MOST as usize + 4 * 1024;

/// What a command prints comes in pieces that are no larger, in bytes.
pub const PRINTED: usize = 64 * 1024;

/// Notes of a step, and all of them together, in bytes.
const NOTES: usize = 1_000;
const NOTES_BYTES: usize = 256 * 1024;

/// All findings of a step, in bytes.
const FINDINGS_BYTES: usize = 2 * 1024 * 1024;

/// All steps of an earlier run that is settled, in bytes.
const SETTLED_BYTES: usize = 4 * 1024 * 1024;

/// No step takes longer; a host that says so says nothing.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Names that a host gives itself, such as of its boot, in bytes.
const WORD: usize = 256;

/// Says that something was left out.
pub const CUT: &str = "some of what this step said is left out: it was more than is kept of one step";

/// The event with as much of it as is kept.
pub fn fitted(event: Event) -> Event {
    match event {
        Event::StepStarted { step, item, name } => Event::StepStarted { step, item, name: text(name, NAME) },
        Event::StepBackground { step, name } => Event::StepBackground { step, name: text(name, NAME) },
        Event::AwaitsConsent { step, name } => Event::AwaitsConsent { step, name: text(name, NAME) },
        Event::Progress { step, text: said } => Event::Progress { step, text: text(said, NAME) },
        Event::Printed(printed) => Event::Printed(fitted_printed(printed)),
        Event::StepEnded(step) => Event::StepEnded(fitted_step(step)),
        Event::Note(note) => Event::Note(text(note, TEXT)),
        Event::Hello(hello) => Event::Hello(Hello {
            system: text(hello.system, WORD),
            boot_id: text(hello.boot_id, WORD),
            ..hello
        }),
        Event::Settled { run, outcome, steps } => Event::Settled { run, outcome, steps: settled(steps) },
        Event::Finished { nonce, outcome, failure } => {
            Event::Finished { nonce, outcome, failure: failure.map(fitted_failure) }
        }
        event => event,
    }
}

/// What was printed with as much of it as is taken at once.
pub fn fitted_printed(mut printed: Printed) -> Printed {
    let over = printed.chunk.len().saturating_sub(PRINTED);
    printed.left_out = printed.left_out.saturating_add(over as u64);
    printed.chunk.drain(..over);
    printed.chunk.shrink_to_fit();
    printed
}

/// A step with as much of it as is kept.
pub fn fitted_step(step: StepEnded) -> StepEnded {
    let before = size(&step);
    let findings = step.findings.len();
    let mut step = StepEnded {
        name: text(step.name, NAME),
        took: step.took.min(LONGEST),
        changes: lines(step.changes, CHANGES, CHANGES_BYTES),
        diff: step.diff.map(|diff| text(diff, DIFF)),
        output: step.output.map(fitted_output),
        notes: lines(step.notes, NOTES, NOTES_BYTES),
        findings: fitted_findings(step.findings),
        failure: step.failure.map(fitted_failure),
        undo: fitted_scope(step.undo),
        ..step
    };
    if size(&step) < before || step.findings.len() < findings {
        step.notes.push(CUT.to_string());
    }
    step
}

/// About how much memory a step takes, in bytes.
pub fn size(step: &StepEnded) -> usize {
    let texts = |list: &[String]| list.iter().map(|text| text.len() + size_of::<String>()).sum::<usize>();
    let output = step.output.as_ref().map_or(0, |output| output.stdout.len() + output.stderr.len());
    let failure = step.failure.as_ref().map_or(0, |failure| failure.doing.len() + failure.why.len());
    let findings: usize = step.findings.iter().map(size_of_finding).sum();
    let diff = step.diff.as_ref().map_or(0, String::len);
    size_of::<StepEnded>()
        + step.name.len()
        + texts(&step.changes)
        + texts(&step.notes)
        + texts(&step.undo.not)
        + output
        + failure
        + findings
        + diff
}

/// A step of which only the verdict is kept.
pub fn bare(step: StepEnded, why: &str) -> StepEnded {
    StepEnded {
        name: text(step.name, NAME),
        changes: Vec::new(),
        diff: None,
        output: None,
        notes: vec![why.to_string()],
        findings: Vec::new(),
        undo: UndoScope { not: Vec::new(), ..step.undo },
        failure: step.failure.map(|failure| Failure {
            doing: text(failure.doing, NAME),
            why: text(failure.why, NAME),
            hint: failure.hint.map(|hint| text(hint, NAME)),
        }),
        ..step
    }
}

fn lines(mut lines: Vec<String>, most: usize, bytes: usize) -> Vec<String> {
    let mut room = bytes;
    let mut kept = 0;
    for line in lines.iter_mut().take(most) {
        *line = text(take(line), TEXT);
        match room.checked_sub(line.len()) {
            Some(left) => room = left,
            None => break,
        }
        kept += 1;
    }
    let more = lines.len() - kept;
    if more > 0 {
        lines.truncate(kept);
        lines.push(format!("… and {more} more"));
        lines.shrink_to_fit();
    }
    lines
}

fn fitted_scope(undo: UndoScope) -> UndoScope {
    let undoable = undo.undoable.min(undo.changes);
    let unknown = undo.unknown.min(undo.changes - undoable);
    UndoScope { not: lines(undo.not, NOTES, NOTES_BYTES), undoable, unknown, ..undo }
}

fn fitted_output(output: Output) -> Output {
    let cut = |mut bytes: Vec<u8>| {
        bytes.truncate(OUTPUT);
        bytes.shrink_to_fit();
        bytes
    };
    Output { stdout: cut(output.stdout), stderr: cut(output.stderr), ..output }
}

fn fitted_findings(findings: Vec<Finding>) -> Vec<Finding> {
    let mut findings = finding::bounded(findings);
    let mut bytes = 0;
    let fits = |finding: &&Finding| {
        bytes += size_of_finding(finding);
        bytes <= FINDINGS_BYTES
    };
    let kept = findings.iter().take_while(fits).count();
    findings.truncate(kept);
    findings
}

fn size_of_finding(finding: &Finding) -> usize {
    let texts = [Some(&finding.group), Some(&finding.what), Some(&finding.seen)].into_iter();
    let texts = texts.chain([finding.cell.as_ref(), finding.wanted.as_ref(), finding.hint.as_ref()]);
    let details: usize = finding.details.iter().map(|(name, value)| name.len() + size_of_value(value)).sum();
    size_of::<Finding>() + texts.flatten().map(String::len).sum::<usize>() + details
}

fn size_of_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(size_of_value).sum(),
            Value::Object(map) => map.iter().map(|(name, value)| name.len() + size_of_value(value)).sum(),
            _ => 0,
        }
}

fn settled(steps: Vec<StepEnded>) -> Vec<StepEnded> {
    let mut room = SETTLED_BYTES;
    let steps = steps.into_iter().map(fitted_step);
    let fits = |step: &StepEnded| {
        let size = size(step);
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    };
    steps.take_while(fits).collect()
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::model::finding::Verdict;
    use crate::model::outcome::StepOutcome;

    fn step() -> StepEnded {
        StepEnded { took: Duration::from_secs(1), ..StepEnded::new(0, "n".into(), StepOutcome::Changed) }
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        let whole = StepEnded {
            changes: vec!["write /etc/motd".into()],
            diff: Some("+x".into()),
            notes: vec!["a note".into()],
            failure: Some(Failure::new("do", "why").hint("try")),
            ..step()
        };
        assert_eq!(fitted_step(whole.clone()), whole);
    }

    #[test]
    fn what_is_over_is_cut_and_said_to_be_cut() {
        let finding = Finding::new("g", "w", Verdict::Pass, "x".repeat(40_000));
        let large = [
            StepEnded { name: "x".repeat(1 << 20), ..step() },
            StepEnded { changes: vec!["x".repeat(1000); 100_000], ..step() },
            StepEnded { changes: vec!["x".repeat(20 << 20)], ..step() },
            StepEnded { diff: Some("ü".repeat(20 << 20)), ..step() },
            StepEnded { output: Some(Output { stdout: vec![7; 20 << 20], ..Output::default() }), ..step() },
            StepEnded { notes: vec!["x".into(); 100_000], ..step() },
            StepEnded { findings: vec![finding; 2_000], ..step() },
            StepEnded { failure: Some(Failure::new("x".repeat(9 << 20), "x".repeat(9 << 20))), ..step() },
        ];
        for large in large {
            let cut = fitted_step(large);
            assert!(size(&cut) < 5 << 20, "{} bytes", size(&cut));
            assert_eq!(cut.notes.last().map(String::as_str), Some(CUT));
        }
        assert_eq!(fitted_step(StepEnded { took: Duration::MAX, ..step() }).took, LONGEST);
    }

    #[test]
    fn many_settled_steps_are_cut() {
        let large = StepEnded { diff: Some("x".repeat(1 << 20)), ..step() };
        let Event::Settled { steps, .. } =
            fitted(Event::Settled { run: Default::default(), outcome: None, steps: vec![large; 100] })
        else {
            panic!("it stays what it is")
        };
        assert_eq!(steps.len(), 3);
    }
}
