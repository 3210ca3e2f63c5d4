//! Nothing that a host says controls a terminal, hides or turns text, or becomes part of a document, in any format.

use super::*;
use crate::model::Failure;
use crate::model::event::{Event, Output, Printed, Stream};
use crate::model::finding::{Finding, Verdict};
use crate::report::compare::Comparison;
use crate::report::file::ReportFile;

const EVIL: &str = "a\x1b]0;owned\x07\r\u{9b}31m\u{7f}\u{202e}\u{200b}\u{e0041}\u{ad}|<img src=x>`'\"&[x](y)";

fn evil() -> StepEnded {
    let text = || EVIL.to_string();
    let finding = |verdict| {
        let finding = Finding::new(EVIL, EVIL, verdict, EVIL).detail(EVIL, EVIL);
        Finding { cell: Some(text()), wanted: Some(text()), hint: Some(text()), ..finding }
    };
    StepEnded {
        name: text(),
        changes: vec![text()],
        diff: Some(format!("--- a\n+++ b\n+{EVIL}\n")),
        output: Some(Output {
            status: 1,
            stdout: EVIL.into(),
            stderr: b"\xff\x1b[2J\xc2\x9b".to_vec(),
            total: 99,
        }),
        notes: vec![text()],
        findings: vec![finding(Verdict::Fail), finding(Verdict::Unknown)],
        failure: Some(Failure::new(EVIL, EVIL).hint(EVIL)),
        undo: crate::model::event::UndoScope { changes: 2, undoable: 1, unknown: 1, not: vec![text()] },
        ..failed(0)
    }
}

fn events() -> Vec<RunEvent> {
    let said = |said| event(1000, "web01", HostEvent::Said(said));
    let printed = Printed { step: 0, stream: Stream::Stdout, left_out: 0, chunk: EVIL.into() };
    let mut events = vec![
        said(Event::StepStarted { step: 0, item: None, name: EVIL.into() }),
        said(Event::Progress { step: 0, text: EVIL.into() }),
        said(Event::Printed(printed)),
        said(Event::Note(EVIL.into())),
        event(
            1,
            "db1",
            HostEvent::Retrying {
                attempt: 1,
                failure: Failure::new(EVIL, EVIL).hint(EVIL),
                wait: std::time::Duration::from_secs(1),
            },
        ),
    ];
    events.extend(host("web01", &[evil()], HostOutcome::Failed));
    let why = Failure::new(EVIL, EVIL).hint(EVIL);
    events.push(event(5000, "db1", HostEvent::Ended { outcome: HostOutcome::Unknown, failure: Some(why) }));
    events
}

/// The first character that should not be there.
fn found(text: &str) -> Option<char> {
    text.chars().find(|character| !escape::harmless(*character) && *character != '\t')
}

#[test]
fn nothing_that_a_host_says_is_raw_on_any_screen() {
    for format in [Format::Human, Format::Json, Format::Jsonl, Format::Junit, Format::Markdown] {
        for verbosity in [Verbosity::Normal, Verbosity::Verbose] {
            for live in [false, true] {
                let view = View { verbosity, diff: true, columns: live.then_some(60), ..view() };
                let options = Options { live, ..options(format, view) };
                let (out, err) = told(options, intent(&["web01", "db1"]), events());
                assert_eq!(
                    (found(&out), found(&err)),
                    (None, None),
                    "{format:?} {verbosity:?}: {out}\n{err}"
                );
            }
        }
    }
}

#[test]
fn nothing_that_a_host_says_is_raw_in_any_document() {
    let directory = tempfile::tempdir().unwrap();
    let one = record(intent(&["web01", "db1"]), &events());
    for ending in ["html", "md", "xml", "sarif", "json"] {
        let path = directory.path().join(format!("a.{ending}"));
        ReportFile::at(&path).unwrap().write(&one).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(found(&text), None, "{ending}");
        let is_json = matches!(ending, "json" | "sarif");
        assert!(is_json || !text.contains("<img"), "{ending}: {text}");
    }
    let other = record(intent(&["web01"]), &host("web01", &[changed(0)], HostOutcome::Changed));
    let comparison = Comparison::of(&one, &other);
    let json = escape::json(comparison.json().to_string());
    assert_eq!((found(&comparison.shown(Style { color: false })), found(&json)), (None, None));
}
