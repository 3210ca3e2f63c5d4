//! Steps in the background: where they start, where they are judged, and that none is left.

use super::*;
use crate::engine::entry::Entry;
use crate::engine::journal;

/// A step in the background, and one that is done meanwhile.
fn steps(more: &str) -> String {
    format!(
        r#"
        [[steps]]
        name = "build"
        kind = "command"
        background = true
        {more}
        args = {{ run = "make" }}
        [[steps]]
        name = "meanwhile"
        kind = "file"
        args = {{ path = "/a", content = "A" }}
        "#
    )
}

const WAIT: &str = "[[steps]]\nname = 'wait'\nkind = 'wait'\nwaits_for = [1]\n";

#[test]
fn a_step_in_the_background_is_judged_where_it_is_waited_for() {
    let text = steps("register = 'built'\nnotify = ['handler']")
        + WAIT
        + r#"
        [[steps]]
        name = "after"
        kind = "debug"
        args = { message = "{{ built.changed }} {{ built.status }}" }
        [[handlers]]
        name = "handler"
        kind = "debug"
        args = { message = "handled" }
        "#;
    expect![[r#"
        build started in the background
        meanwhile changed
            write /a
        build changed
            run make
        wait ok
            build: changed
        after ok
            True 0
        handler ok
            handled
        => changed
    "#]]
    .assert_eq(&apply(&host(&[]), &text));
}

#[test]
fn a_failure_is_that_of_the_step_and_fails_the_run_where_it_is_waited_for() {
    let after = "[[steps]]\nname = 'after'\nkind = 'debug'\nargs = { message = 'x' }\n";
    expect![[r#"
        build started in the background
        meanwhile changed
            write /a
        build failed
            run make
        wait ok
            build: failed
        => failed
        build: failed_when true is true
    "#]]
    .assert_eq(&apply(&host(&[]), &(steps("failed_when = 'true'") + WAIT + after)));
    let ignored = apply(&host(&[]), &(steps("failed_when = 'true'\nignore_errors = true") + WAIT + after));
    assert!(ignored.contains("after ok"), "{ignored}");
}

#[test]
fn what_nothing_waits_for_is_waited_for_at_the_end() {
    expect![[r#"
        build started in the background
        meanwhile changed
            write /a
        build changed
            run make
            waited for here, since the play ends here
        => changed
    "#]]
    .assert_eq(&apply(&host(&[]), &steps("")));
}

#[test]
fn a_failure_elsewhere_waits_for_it_before_rescue_and_undo() {
    let fails = "[[steps]]\nname = 'broken'\nkind = 'assert'\nargs = { that = [{ expression = 'false', value = false }] }\n";
    let text = steps("") + fails + WAIT;
    let rescue = "[[rescue]]\nname = 'rescue'\nkind = 'debug'\nargs = { message = 'x' }\n";
    let shown = apply(&host(&[]), &(text.clone() + rescue));
    let places = ["broken failed", "build changed", "since another step failed", "rescue ok"];
    let found: Vec<_> =
        places.iter().map(|place| shown.find(place).unwrap_or_else(|| panic!("{shown}"))).collect();
    assert!(found.is_sorted(), "{shown}");
    let host = host(&[]);
    let shown = apply(&host, &("on_failure = 'undo'\n".to_string() + &text));
    assert!(shown.contains("since another step failed"), "{shown}");
    assert!(host.stat(Path::new("/a")).unwrap().is_none(), "{shown}");
}

#[test]
fn only_its_own_changes_are_undone_when_it_fails() {
    let host = host(&[]);
    let shown = apply(&host, &(steps("failed_when = 'true'") + WAIT));
    host.remove(&state().journal(&run_id("1-a"))).unwrap();
    assert_eq!(text(&host, "/a"), "A", "{shown}");
    // What the playbook says of it is about itself.
    let other = "[[steps]]\nname = 'other'\nkind = 'command'\nargs = { run = 'other' }\n";
    apply(&host, &(steps("changed_when = 'false'") + other + WAIT));
    let entries = journal::read(&host, &state(), &run_id("1-a")).unwrap().unwrap();
    let unchanged: Vec<u32> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::NoChange { change } => Some(*change),
            _ => None,
        })
        .collect();
    assert_eq!(unchanged, [1], "{entries:?}");
}

#[test]
fn a_block_waits_for_what_was_started_in_it_and_rescues_it() {
    let body = "blocks = [{ block = 0, part = 'body', rescues = true }]\nfailed_when = 'true'";
    let text = steps("").replacen("name = \"build\"", &format!("name = \"build\"\n{body}"), 1)
        + "[[steps]]\nname = 'rescue'\nkind = 'debug'\nargs = { message = 'x' }\nblocks = [{ block = 0, part = 'rescue', rescues = true }]\n";
    expect![[r#"
        build started in the background
        build failed
            run make
            waited for here, since its block ends here
        meanwhile changed
            write /a
        => changed
    "#]]
    .assert_eq(&apply(&host(&[]), &text));
}

#[test]
fn what_was_not_started_is_not_waited_for() {
    let shown = apply(&host(&[]), &(steps("when = 'false'") + WAIT));
    assert!(shown.contains("build skipped") && shown.contains("wait skipped\n    build: skipped"), "{shown}");
}

#[test]
fn a_step_with_nothing_to_do_ends_at_once() {
    let host = host(&[("/done", "")]);
    let text = steps("").replace("run = \"make\"", "run = \"make\", creates = \"/done\"") + WAIT;
    let shown = apply(&host, &text);
    assert!(
        shown.starts_with("build ok\nmeanwhile changed") && shown.contains("wait ok\n    build: ok"),
        "{shown}"
    );
}

#[test]
fn a_dry_run_says_of_it_what_it_says_of_any_command() {
    expect![[r#"
        build would_change
            run make
        meanwhile would_change
            write /a
        wait ok
            build: would change
        => changed
    "#]]
    .assert_eq(&check(&host(&[]), &(steps("") + WAIT)));
}

#[test]
fn what_ran_in_the_background_when_the_run_was_cut_off_is_not_known() {
    let step = |entry: &str| serde_json::from_str::<Entry>(entry).unwrap();
    let ended = |step| Entry::Step(StepEnded::new(step, "s".into(), StepOutcome::Changed));
    let intent = |index: u32| {
        step(&format!(r#"{{"intent":{{"change":1,"step":{index},"what":"run {index}","back":"nothing"}}}}"#))
    };
    let beside = Entry::Background { step: 1 };
    let under_way = |entries: &[Entry]| journal::under_way(entries).join(", ");
    let cut_off = [beside.clone(), intent(1), intent(2), ended(2)];
    assert_eq!(under_way(&cut_off), "run 1");
    assert_eq!(under_way(&[&cut_off[..], &[intent(3)]].concat()), "run 1, run 3");
    assert_eq!(under_way(&[&cut_off[..], &[ended(1)]].concat()), "");
}

#[test]
fn the_controller_hears_that_it_was_cut_off() {
    let lines = [
        r#"{"background":{"step":1}}"#,
        r#"{"intent":{"change":1,"step":1,"what":"run make","back":"nothing"}}"#,
        r#"{"intent":{"change":2,"step":2,"what":"write /a","back":"nothing"}}"#,
    ];
    let ended =
        serde_json::to_string(&Entry::Step(StepEnded::new(2, "s".into(), StepOutcome::Changed))).unwrap();
    let journal = state().journal(&run_id("0-z")).to_string();
    let host = host(&[(&journal, &(lines.join("\n") + "\n" + &ended + "\n"))]);
    let mut job = job("1-a", Mode::Apply, "");
    job.envelope.settle = vec![run_id("0-z")];
    let shown = run_with(&host, &job, &Heard::default());
    assert!(shown.starts_with("settled 0-z: Some(Unknown)"), "{shown}");
}
