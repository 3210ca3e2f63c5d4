//! An undo is a run like any other: it goes on past what cannot be undone, says what is left, and continues when it was
//! killed.

use super::*;
use crate::system::pretend::Pretend;

const FILE_AND_COMMAND: &str = r#"
    [[steps]]
    kind = "file"
    name = "motd"
    args = { path = "/etc/motd", content = "new" }
    [[steps]]
    kind = "command"
    name = "deploy"
    args = { argv = ["make", "deploy"] }
    [[steps]]
    kind = "file"
    name = "issue"
    args = { path = "/etc/issue", content = "new" }
"#;

fn with_files() -> Pretend<'static> {
    let host = host(&[("/etc/motd", "old"), ("/etc/issue", "old")]);
    answer(&host, "make deploy", 0, "");
    host
}

fn undo(host: &Pretend<'_>) -> String {
    run_with(host, &undo_of("1-a"), &Heard::default())
}

#[test]
fn it_goes_on_past_what_cannot_be_undone_and_lists_it() {
    let host = with_files();
    apply(&host, FILE_AND_COMMAND);
    let told = undo(&host);
    assert!(told.contains("undo issue changed") && told.contains("undo motd changed"), "{told}");
    assert!(told.contains("=> partly_undone"), "{told}");
    let left =
        "undo run 1-a: 1 of 3 changes could not be undone:\n    run make deploy: its step gives no undo";
    assert!(told.contains(left), "{told}");
    assert_eq!((text(&host, "/etc/motd"), text(&host, "/etc/issue")), ("old".to_string(), "old".to_string()));
}

#[test]
fn a_second_undo_says_that_it_is_done_already() {
    let host = with_files();
    apply(&host, TWO_FILES);
    assert!(undo(&host).ends_with("=> undone\n"));
    let again = undo(&host);
    assert!(again.contains("run 1-a is undone already") && again.ends_with("=> ok\n"), "{again}");
}

#[test]
fn what_could_not_be_undone_is_tried_again_by_the_next_undo() {
    let host = with_files();
    apply(&host, FILE_AND_COMMAND);
    host.write(Path::new("/etc/motd"), &mut &b"by hand"[..], &crate::model::op::Meta::default()).unwrap();
    let undone = undo(&host);
    assert!(undone.contains("2 of 3 changes could not be undone"), "{undone}");
    assert_eq!(
        (text(&host, "/etc/motd"), text(&host, "/etc/issue")),
        ("by hand".to_string(), "old".to_string())
    );
    host.write(Path::new("/etc/motd"), &mut &b"new"[..], &crate::model::op::Meta::default()).unwrap();
    let undone = run_with(&host, &undo_by("3-c", Mode::Apply), &Heard::default());
    assert!(undone.contains("1 of 2 changes could not be undone"), "{undone}");
    assert_eq!(text(&host, "/etc/motd"), "old");
}

fn undo_by(run: &str, mode: Mode) -> Job {
    envelope(run).undo(run_id("1-a"), "test", mode, true)
}

#[test]
fn check_shows_what_an_undo_would_do_and_changes_nothing() {
    let host = with_files();
    apply(&host, FILE_AND_COMMAND);
    let heard = Heard::default();
    let told = run_with(&host, &undo_by("2-b", Mode::Check), &heard);
    assert!(told.contains("undo motd would_change") && told.contains("=> partly_undone"), "{told}");
    let diff = heard.events.borrow().iter().any(|event| match event {
        Event::StepEnded(step) => {
            step.diff.as_deref().is_some_and(|diff| diff.contains("-new\n\\ No newline"))
        }
        _ => false,
    });
    assert!(diff, "the diff of a file");
    assert_eq!(text(&host, "/etc/motd"), "new");
    assert!(host.stat(Path::new("/var/lib/windlass/runs/2-b")).unwrap().is_none(), "no journal of a check");
}

#[test]
fn an_undo_can_be_undone() {
    let host = with_files();
    apply(&host, TWO_FILES);
    undo(&host);
    let told =
        run_with(&host, &envelope("3-c").undo(run_id("2-b"), "test", Mode::Apply, false), &Heard::default());
    assert!(told.ends_with("=> undone\n"), "{told}");
    assert_eq!(text(&host, "/b"), "B");
}

#[test]
fn a_killed_undo_is_continued_although_its_temporaries_are_there() {
    let host = host(&[("/data/a", "a"), ("/data/b", "b")]);
    apply(&host, "[[steps]]\nkind = 'absent'\nargs = { path = '/data' }");
    host.make_dir(Path::new("/data"), &crate::model::op::Meta::default()).unwrap();
    for file in ["/data/a", "/data/.b.windlass-0123abcd"] {
        host.write(Path::new(file), &mut &b"a"[..], &crate::model::op::Meta::default()).unwrap();
    }
    let told = undo(&host);
    assert!(told.ends_with("=> undone\n"), "{told}");
    assert_eq!((text(&host, "/data/a"), text(&host, "/data/b")), ("a".to_string(), "b".to_string()));
}

#[test]
fn what_is_to_be_swept_is_remembered_until_it_is_swept() {
    let host = host(&[
        ("/var/lib/windlass/unfinished", "[\"0-x\",\"0-y\"]"),
        ("/d/.a.windlass-0123abcd", ""),
        ("/var/lib/windlass/runs/0-x/journal", "{\"undoing\":{\"writes\":[\"/d/a\"]}}\n"),
    ]);
    apply(&host, TWO_FILES);
    assert!(host.stat(Path::new("/d/.a.windlass-0123abcd")).unwrap().is_none());
    assert_eq!(text(&host, "/var/lib/windlass/unfinished"), "[\"1-a\"]");
}

#[test]
fn what_could_not_be_undone_is_part_of_the_hosts_failure() {
    let toml = r#"
        on_failure = "undo_host"
        [[steps]]
        kind = "file"
        args = { path = "/kept", content = "new" }
        [[steps]]
        kind = "command"
        args = { argv = ["make", "deploy"] }
        [[steps]]
        kind = "file"
        args = { path = "/kept/below", content = "x" }
    "#;
    let host = with_files();
    let told = apply(&host, toml);
    assert!(host.stat(Path::new("/kept")).unwrap().is_none(), "the rest is undone: {told}");
    assert!(told.contains("=> partly_undone"), "{told}");
    let left = "then: undo run 1-a: 1 of 2 changes could not be undone:\n    run make deploy: its step gives no undo";
    assert!(told.contains(left), "{told}");
}

#[test]
fn a_step_says_how_many_of_its_changes_can_be_undone() {
    let host = with_files();
    for mode in [Mode::Check, Mode::Apply] {
        let heard = Heard::default();
        run_with(&host, &job("1-a", mode, FILE_AND_COMMAND), &heard);
        let mut scope = crate::model::event::UndoScope::default();
        for event in heard.events.borrow().iter() {
            if let Event::StepEnded(step) = event {
                scope.add(&step.undo);
            }
        }
        let not = "run make deploy: its step gives no undo".to_string();
        assert_eq!((scope.changes, scope.undoable, scope.not), (3, 2, vec![not]), "{mode:?}");
    }
}

#[test]
fn on_failure_undo_takes_everything_back() {
    let host = host(&[("/a", "old")]);
    let toml = format!("on_failure = 'undo'\n{WITH_HANDLER}");
    let told = apply(&host, &toml);
    assert!(told.contains("=> undone\n"), "{told}");
    assert_eq!(text(&host, "/a"), "old");
    assert!(host.stat(Path::new("/told")).unwrap().is_none());
}

#[test]
fn a_run_is_undone_later_byte_for_byte() {
    let host = host(&[("/a", "old"), ("/keep", "k")]);
    apply(&host, TWO_FILES);
    let undo = undo_of("1-a");
    expect![[r#"
        undo file changed
            remove /b
        undo file changed
            write /a
        => undone
    "#]]
    .assert_eq(&run_with(&host, &undo, &Heard::default()));
    assert_eq!(text(&host, "/a"), "old");
    assert!(host.stat(Path::new("/b")).unwrap().is_none());
}

#[test]
fn undo_refuses_what_was_changed_since() {
    let host = host(&[("/a", "old")]);
    apply(&host, TWO_FILES);
    host.write(Path::new("/a"), &mut &b"by hand"[..], &crate::model::op::Meta::default()).unwrap();
    let undo = undo_of("1-a");
    let told = run_with(&host, &undo, &Heard::default());
    assert!(told.contains("restore /a: it was changed by something else since"), "{told}");
    assert_eq!(text(&host, "/a"), "by hand");
}

#[test]
fn a_command_that_the_playbook_says_changes_nothing_needs_no_undo() {
    let host = with_files();
    let told = apply(
        &host,
        &FILE_AND_COMMAND.replace("name = \"deploy\"", "name = \"deploy\"\n    changed_when = \"false\""),
    );
    assert!(told.contains("deploy ok"), "{told}");
    let told = undo(&host);
    assert!(told.ends_with("=> undone\n") && !told.contains("make deploy"), "{told}");
}
