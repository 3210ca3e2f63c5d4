//! The engine over a pretended host: state before, a job, what is reported and what is there afterwards.

use super::*;
use crate::engine::link::Assets;
use crate::model::arg::Arg;
use crate::model::job::{Envelope, HostWork, InBlock, RunId};
use crate::model::op::Asset;
use crate::model::path::HostPath;
use crate::model::{Value, Values};
use crate::testing::{answer, answer_to, host, text};
use expect_test::expect;
use serde::Deserialize;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

mod armed;
mod background;
mod boot;
mod findings;
mod secrets;
mod undo;

/// A step as a test writes it.
#[derive(Deserialize)]
struct Written {
    kind: String,
    #[serde(default)]
    args: Values,
    name: Option<String>,
    when: Option<String>,
    items: Option<Value>,
    register: Option<String>,
    #[serde(default)]
    notify: Vec<String>,
    changed_when: Option<String>,
    failed_when: Option<String>,
    until: Option<String>,
    #[serde(default)]
    retries: u32,
    #[serde(default)]
    ignore_errors: bool,
    #[serde(default)]
    no_log: bool,
    #[serde(default)]
    item_vars: Values,
    #[serde(default)]
    background: bool,
    #[serde(default)]
    waits_for: Vec<u32>,
    #[serde(default)]
    blocks: Vec<InBlock>,
}

/// A job as a test writes it.
#[derive(Deserialize)]
struct WrittenJob {
    #[serde(default)]
    steps: Vec<Written>,
    #[serde(default)]
    handlers: Vec<Written>,
    #[serde(default)]
    rescue: Vec<Written>,
    #[serde(default)]
    always: Vec<Written>,
    #[serde(default)]
    on_failure: OnFailure,
}

fn job(run: &str, mode: Mode, toml: &str) -> Job {
    let written: WrittenJob = toml::from_str(toml).expect("TOML");
    let mut index = 0;
    let mut steps = |list: Vec<Written>| -> Vec<JobStep> {
        list.into_iter()
            .map(|step| {
                index += 1;
                job_step(index, step)
            })
            .collect()
    };
    envelope(run).job(HostWork {
        playbook: "test".to_string(),
        mode,
        on_failure: written.on_failure,
        steps: steps(written.steps),
        handlers: steps(written.handlers),
        rescue: steps(written.rescue),
        always: steps(written.always),
        ..HostWork::default()
    })
}

fn envelope(run: &str) -> Envelope {
    Envelope { run: run_id(run), who: "tester".to_string(), ..Envelope::default() }
}

fn run_id(run: &str) -> RunId {
    RunId::try_from(run.to_string()).expect("a run's name")
}

fn undo_of(run: &str) -> Job {
    envelope("2-b").undo(run_id(run), "test", Mode::Apply, false)
}

fn job_step(index: u32, step: Written) -> JobStep {
    JobStep {
        index,
        name: step.name.map(Value::String).map(arg),
        kind: step.kind,
        args: Some(arg(Value::Object(step.args))),
        when: step.when,
        items: step.items.map(arg),
        loop_var: "item".to_string(),
        register: step.register,
        notify: step.notify,
        changed_when: step.changed_when,
        failed_when: step.failed_when,
        until: step.until,
        retries: step.retries,
        ignore_errors: step.ignore_errors,
        no_log: step.no_log,
        background: step.background.then_some(Duration::from_secs(600)),
        waits_for: step.waits_for,
        blocks: step.blocks,
        item_vars: step.item_vars.into_iter().map(|(name, value)| (name, arg(value))).collect(),
        ..JobStep::default()
    }
}

fn arg(value: Value) -> Arg {
    match value {
        Value::String(text) if text.contains("{{") => Arg::Template(text),
        Value::Array(list) => Arg::List(list.into_iter().map(arg).collect()),
        Value::Object(map) => Arg::Map(map.into_iter().map(|(key, value)| (key, arg(value))).collect()),
        other => Arg::Value(other),
    }
}

/// Keeps what is reported.
#[derive(Default)]
struct Heard {
    events: RefCell<Vec<Event>>,
    stop_after: Option<u32>,
    /// What the controller says to a change that is armed; nothing can be armed when `None`.
    confirms: Option<Result<(), String>>,
}

impl Link for Heard {
    fn send(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    fn stopping(&self) -> bool {
        let ended =
            |event: &Event| matches!(event, Event::StepEnded(step) if Some(step.step) == self.stop_after);
        self.events.borrow().iter().any(ended)
    }

    fn guard(&self) -> Result<String> {
        let refused = || Failure::new("arm the change", "nothing on this host could roll it back");
        self.confirms.as_ref().map(|_| "/root/agent".to_string()).ok_or_else(refused)
    }

    fn confirm(&self, _: &[u16], _: Instant) -> Result<(), String> {
        self.confirms.clone().unwrap_or(Ok(()))
    }

    fn reboot(&self, resume: Resume) -> Result<()> {
        self.send(Event::Booting(Box::new(resume)));
        Err(Failure::new("reboot", "the pretended host does not go down"))
    }
}

impl Assets for Heard {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        Err(Failure::new(format!("open asset {}", asset.digest), "these tests have none"))
    }
}

fn state() -> StateDir {
    StateDir::at(HostPath::from("/var/lib/windlass"))
}

fn run_with(host: &Pretend<'_>, job: &Job, heard: &Heard) -> String {
    let verdict = work(job, host, &state(), heard);
    let mut told = String::new();
    for event in heard.events.borrow().iter() {
        told.push_str(&line(event));
    }
    writeln!(told, "=> {}", verdict.outcome).expect("writing to a string");
    if let Some(failure) = verdict.failure {
        writeln!(told, "{failure}").expect("writing to a string");
    }
    told
}

fn line(event: &Event) -> String {
    match event {
        Event::StepEnded(step) => {
            let item = step.item.map(|item| format!("[{item}]")).unwrap_or_default();
            let tries = if step.tries > 1 { format!(" after {} tries", step.tries) } else { String::new() };
            let notes: String = step.notes.iter().map(|note| format!("\n    {note}")).collect();
            let changes: String = step.changes.iter().map(|change| format!("\n    {change}")).collect();
            let findings: String = step.findings.iter().map(|finding| format!("\n    {finding}")).collect();
            format!("{}{item} {}{tries}{changes}{notes}{findings}\n", step.name, step.outcome)
        }
        Event::StepBackground { name, .. } => format!("{name} started in the background\n"),
        Event::Note(note) => format!("note: {note}\n"),
        Event::Settled { run, outcome, steps } => {
            format!("settled {run}: {outcome:?} with {} steps\n", steps.len())
        }
        _ => String::new(),
    }
}

fn apply(host: &Pretend<'_>, toml: &str) -> String {
    run_with(host, &job("1-a", Mode::Apply, toml), &Heard::default())
}

fn check(host: &Pretend<'_>, toml: &str) -> String {
    run_with(host, &job("1-a", Mode::Check, toml), &Heard::default())
}

const TWO_FILES: &str = r#"
    [[steps]]
    kind = "file"
    args = { path = "/a", content = "A" }
    [[steps]]
    kind = "file"
    args = { path = "/b", content = "B" }
"#;

#[test]
fn changes_what_differs_and_nothing_the_second_time() {
    let host = host(&[("/a", "A")]);
    expect![[r#"
        file ok
        file changed
            write /b
        => changed
    "#]]
    .assert_eq(&apply(&host, TWO_FILES));
    assert_eq!(text(&host, "/b"), "B");
    assert_eq!(apply(&host, TWO_FILES), "file ok\nfile ok\n=> ok\n");
}

#[test]
fn check_predicts_what_apply_does_and_writes_nothing() {
    let host = host(&[("/a", "old")]);
    let predicted = check(&host, TWO_FILES);
    assert_eq!(text(&host, "/a"), "old");
    assert!(host.stat(Path::new("/var")).unwrap().is_none(), "no lock, no journal");
    assert_eq!(predicted.replace("would_change", "changed"), apply(&host, TWO_FILES));
}

#[test]
fn a_later_step_sees_what_an_earlier_one_would_have_written() {
    let told = check(
        &host(&[]),
        r#"
        [[steps]]
        kind = "file"
        args = { path = "/a", content = "A" }
        [[steps]]
        kind = "file"
        args = { path = "/a", content = "A", mode = "0600" }
        "#,
    );
    expect![[r#"
        file would_change
            write /a
        file would_change
            set mode 0600 of /a
        => changed
    "#]]
    .assert_eq(&told);
}

#[test]
fn a_run_that_changes_nothing_leaves_no_trace() {
    let host = host(&[("/a", "A"), ("/b", "B")]);
    apply(&host, TWO_FILES);
    assert!(host.stat(Path::new("/var/lib/windlass")).unwrap().is_none());
}

#[test]
fn when_skips_and_says_why() {
    let told =
        apply(&host(&[]), "[[steps]]\nkind = 'file'\nwhen = '1 > 2'\nargs = { path = '/a', content = 'A' }");
    assert_eq!(told, "file skipped\n    when 1 > 2 is false\n=> ok\n");
}

#[test]
fn loops_and_registered_results() {
    let host = host(&[("/one", "one")]);
    let told = apply(
        &host,
        r#"
        [[steps]]
        name = "write {{ item }}"
        kind = "file"
        items = ["one", "two"]
        register = "written"
        args = { path = "/{{ item }}", content = "{{ item }}" }
        [[steps]]
        kind = "file"
        when = "written.changed and written.results | length == 2"
        args = { path = "/a", content = "{{ written.results[1].item }}" }
        "#,
    );
    expect![[r#"
        write one[0] ok
        write two[1] changed
            write /two
        write {{ item }} changed
        file changed
            write /a
        => changed
    "#]]
    .assert_eq(&told);
    assert_eq!(text(&host, "/a"), "two");
}

#[test]
fn variables_that_depend_on_the_item_are_resolved_for_each() {
    let host = host(&[]);
    let told = apply(
        &host,
        r#"
        [[steps]]
        kind = "file"
        items = ["one", "two"]
        item_vars = { place = "/{{ item }}" }
        args = { path = "{{ place }}", content = "{{ item }}" }
        "#,
    );
    expect![[r#"
        file: one[0] changed
            write /one
        file: two[1] changed
            write /two
        file changed
        => changed
    "#]]
    .assert_eq(&told);
    assert_eq!(text(&host, "/two"), "two");
}

const WITH_HANDLER: &str = r#"
    [[steps]]
    kind = "file"
    notify = ["tell"]
    args = { path = "/a", content = "A" }
    [[steps]]
    kind = "file"
    args = { path = "/a/b", content = "B" }
    [[handlers]]
    name = "tell"
    kind = "file"
    args = { path = "/told", content = "yes" }
"#;

#[test]
fn handlers_run_although_a_later_step_failed() {
    let host = host(&[]);
    let told = apply(&host, WITH_HANDLER);
    expect![[r#"
        file changed
            write /a
        file failed
        tell changed
            write /told
        => failed
        write /a/b: /a is a file, not a directory
    "#]]
    .assert_eq(&told);
    assert_eq!(text(&host, "/told"), "yes");
}

#[test]
fn a_handler_that_a_stop_left_out_runs_in_the_next_run() {
    let host = host(&[]);
    let stopped = Heard { stop_after: Some(1), ..Heard::default() };
    let told = run_with(&host, &job("1-a", Mode::Apply, WITH_HANDLER), &stopped);
    assert_eq!(told, "file changed\n    write /a\n=> cancelled\n");
    let told = run_with(&host, &job("2-b", Mode::Apply, WITH_HANDLER), &Heard::default());
    assert!(
        told.starts_with("note: an earlier run did not finish its handlers, so they run now: tell\n"),
        "{told}"
    );
    assert_eq!(text(&host, "/told"), "yes");
    let third = run_with(&host, &job("3-c", Mode::Apply, WITH_HANDLER), &Heard::default());
    assert!(!third.contains("earlier run"), "{third}");
}

#[test]
fn rescue_and_always_run_after_a_failure() {
    let toml = r#"
        [[steps]]
        kind = "file"
        args = { path = "/a/b", content = "B" }
        [[rescue]]
        name = "rescue"
        kind = "file"
        args = { path = "/r", content = "R" }
        [[always]]
        name = "always"
        kind = "file"
        args = { path = "/w", content = "W" }
    "#;
    let told = apply(&host(&[("/a", "")]), toml);
    expect![[r#"
        file failed
        rescue changed
            write /r
        always changed
            write /w
        => changed
    "#]]
    .assert_eq(&told);
}

#[test]
fn an_ignored_failure_does_not_stop_the_host() {
    let toml = r#"
        [[steps]]
        kind = "file"
        ignore_errors = true
        args = { path = "/a/b", content = "B" }
        [[steps]]
        kind = "file"
        args = { path = "/c", content = "C" }
    "#;
    let told = apply(&host(&[("/a", "")]), toml);
    assert_eq!(told, "file failed\nfile changed\n    write /c\n=> changed\n");
}

#[test]
fn a_run_that_was_cut_off_is_settled_by_the_journal() {
    let host = host(&[]);
    apply(&host, TWO_FILES);
    let names = ["1-a", "0-never"].map(|name| RunId::try_from(name.to_string()).unwrap());
    let mut next = job("2-b", Mode::Apply, "");
    next.envelope.settle = names.to_vec();
    expect![[r#"
        settled 1-a: Some(Changed) with 2 steps
        settled 0-never: None with 0 steps
        => ok
    "#]]
    .assert_eq(&run_with(&host, &next, &Heard::default()));
}

#[test]
fn an_undefined_name_is_a_failure_that_names_it() {
    let told =
        apply(&host(&[]), "[[steps]]\nkind = 'file'\nargs = { path = '/a', content = '{{ nothing }}' }");
    assert!(told.contains("file failed") && told.contains("nothing"), "{told}");
}

#[test]
fn an_older_epoch_of_the_same_controller_is_refused() {
    let host = host(&[]);
    let with_epoch = |epoch, run| {
        let Job { envelope, work } = job(run, Mode::Apply, TWO_FILES);
        Envelope { epoch, ..envelope }.job(work)
    };
    run_with(&host, &with_epoch(7, "1-a"), &Heard::default());
    host.remove(Path::new("/a")).unwrap();
    let told = run_with(&host, &with_epoch(6, "2-b"), &Heard::default());
    assert!(told.contains("this run's epoch is 6 and the host has seen 7"), "{told}");
}

#[test]
fn what_has_no_effect_is_not_done_again() {
    let host = host(&[("/usr/bin/apt-get", "")]);
    answer(&host, "apt-get --simulate remove nginx", 0, "Remv nginx [1.22]\n");
    let question = ["dpkg-query", "--show", "--showformat"].map(str::to_string);
    let question = question.into_iter().chain([
        "${Package} ${Architecture} ${Version} ${db:Status-Status}\n".to_string(),
        "nginx".to_string(),
    ]);
    answer_to(&host, question.collect(), 0, "nginx amd64 1.22 installed\n");
    let told = apply(&host, "[[steps]]\nkind = 'package'\nargs = { name = 'nginx', state = 'absent' }");
    assert_eq!(told.matches("run apt-get remove nginx").count(), 2, "once done, once in the failure: {told}");
    assert!(told.contains("it was done, and the host is still not as the step wants it"), "{told}");
}
