//! Steps in the background as people write them, and what is said of those that are wrong.

use super::*;
use crate::project::tests::project;
use expect_test::{Expect, expect};

const START: &str = "[[steps]]\nname = 'build'\nasync = '10m'\ncommand = { run = 'make' }\n";
const WAIT: &str = "[[steps]]\nwait = 'build'\n";

fn read(text: &str) -> Result<Playbook, Diagnostics> {
    let (project, _folder) = project(&[("playbooks/x.toml", text)]);
    Playbook::find(&project, "x")
}

/// Every problem with its label and hint, one a line.
fn wrong(text: &str, expected: Expect) {
    let problems = read(text).err().unwrap_or_default();
    let or_none = |text: &Option<String>| text.clone().unwrap_or("-".into());
    let line = |problem: &Diagnostic| {
        let place = problem.place.as_ref().map(Place::to_string).unwrap_or_default();
        format!("{place} {} | {} => {}\n", problem.message, or_none(&problem.label), or_none(&problem.hint))
    };
    expected.assert_eq(&problems.iter().map(line).collect::<String>());
}

#[test]
fn a_step_waits_for_those_that_it_names() {
    let other = START.replace("build", "test");
    let playbook = read(&format!("{START}{other}[[steps]]\nwait = ['test', 'build']\n")).unwrap();
    assert_eq!(playbook.steps[0].background.as_ref().unwrap().within, Duration::from_secs(600));
    assert_eq!(playbook.steps[2].title(), "wait test, build");
    let waits = playbook.waits();
    assert_eq!((&waits.of[&2], waits.by[&0], waits.by[&1]), (&vec![1, 0], 2, 2));
    assert_eq!([0, 1, 2].map(|step| playbook.known_with(&waits, step)), [2, 2, 2]);
    // A name may be used again once it was waited for.
    assert!(read(&[START, WAIT, START, WAIT].concat()).is_ok());
    assert!(read(START).is_ok(), "the play waits for it");
}

#[test]
fn there_must_be_something_to_wait_for() {
    wrong(
        &format!("{WAIT}[[steps]]\nwait = 'biuld'\n{START}{WAIT}{WAIT}[[steps]]\nwait = 'biuld'\n"),
        expect![[r#"
            playbooks/x.toml:2 `build` is not started yet | it is a later step: playbooks/x.toml:6 => move this step behind it
            playbooks/x.toml:4 no step called `biuld` runs in the background | - => give an earlier step this name and async = "10m"
            playbooks/x.toml:12 `build` is waited for twice | it is waited for before: playbooks/x.toml:10 => leave this step out, or move it
            playbooks/x.toml:14 no step called `biuld` runs in the background | - => give an earlier step this name and async = "10m"
        "#]],
    );
    let plain = "[[steps]]\nname = 'plain'\ncommand = { run = 'a' }\n[[steps]]\nwait = 'plain'\n";
    wrong(
        &format!("{plain}{START}[[steps]]\nwait = 'biuld'\n{START}"),
        expect![[r#"
        playbooks/x.toml:5 `plain` does not run in the background | it is waited for where it is: playbooks/x.toml:2 => give it async = "10m", or leave this step out
        playbooks/x.toml:11 no step called `biuld` runs in the background | - => did you mean `build`?
        playbooks/x.toml:14 two steps called `build` run in the background | the first one, playbooks/x.toml:7, is not waited for before => give it another name, or wait for the first one before
    "#]],
    );
}

#[test]
fn a_play_ends_with_all_that_it_has_started() {
    let steps = |text: &str| text.replace("[[steps]]", "[[plays.steps]]");
    let two = format!("[[plays]]\nhosts = 'a'\n{}[[plays]]\nhosts = 'a'\n{}", steps(START), steps(WAIT));
    wrong(
        &two,
        expect![[r#"
        playbooks/x.toml:10 `build` is a step of another play | - => a play ends when all that it has started in the background has ended
    "#]],
    );
}

#[test]
fn what_cannot_mean_anything_in_the_background_is_refused() {
    wrong(
        "[[steps]]\nasync = '1m'\nfile = { path = '/x' }\n\
         [[steps]]\nasync = '1m'\nloop = [1]\nuntil = 'true'\ntimeout = '1m'\non = 'controller'\nrun_once = true\ncommand = { run = 'a' }\n\
         [[steps]]\nasync = '1m'\nretries = 2\ncommand = { run = 'a', read_only = true }\n\
         [[steps]]\nasync = 0\ncommand = { run = 'a' }\n\
         [[steps]]\nasync = true\ncommand = { run = 'a' }\n\
         [[steps]]\nasync = '1m'\npoll = 0\ncommand = { run = 'a' }\n\
         [[steps]]\nasync_status = { jid = 1 }\n",
        expect![[r#"
            playbooks/x.toml:17 a step needs more time than none | - => leave `async` out: then the step is waited for where it is
            playbooks/x.toml:20 expected a length of time, found a boolean | - => write how long it may run: async = "10m"
            playbooks/x.toml:24 unknown key `poll` | - => leave it out: a step with `async` is started, and a later step with wait = "NAME" waits for it
            playbooks/x.toml:27 unknown step kind `async_status` | - => write a step with wait = "NAME": it waits for the step of that name, which has `async`
            playbooks/x.toml:2 `file` cannot run in the background | - => `command` and `script` can; leave `async` out: `timeout` limits the step's time
            playbooks/x.toml:6 `loop` beside `async` | - => a step runs once in the background: write one for each element
            playbooks/x.toml:7 `until` beside `async` | - => leave `until` out, or `async`: only a step that is waited for at once is retried
            playbooks/x.toml:5 `timeout` beside `async` | - => leave `timeout` out: `async` is the step's deadline
            playbooks/x.toml:9 `on` beside `async` | - => leave `async` out, or give the other host a play of its own
            playbooks/x.toml:11 `run_once` beside `async` | - => leave `async` out: the other hosts wait for the step anyway
            playbooks/x.toml:15 `retries` beside `async` | - => leave `retries` out, or `async`: only a step that is waited for at once is retried
            playbooks/x.toml:15 `read_only` beside `async` | - => leave `read_only` out, and write changed_when = "false" beside `async`
        "#]],
    );
    wrong(
        &format!(
            "{START}[[steps]]\nwait = 'build'\nregister = 'r'\nloop = [1]\ntimeout = '1m'\nasync = '1m'\n"
        ),
        expect![[r#"
            playbooks/x.toml:10 `async` in a step that waits | - => leave `async` out; `wait` takes a list of names
            playbooks/x.toml:8 `loop` in a step that waits | - => leave `loop` out; `wait` takes a list of names
            playbooks/x.toml:7 `register` in a step that waits | - => give `register` to the step that it waits for: that one is judged here
            playbooks/x.toml:6 `timeout` in a step that waits | - => leave it out: it waits until the deadline of the step, its `async`
        "#]],
    );
}

#[test]
fn handlers_rescue_and_always_have_no_background() {
    let of = |list: &str| START.replace("[[steps]]", list).replace("build", list);
    let step = "[[steps]]\ncommand = { run = 'a' }\n";
    wrong(
        &[step, &of("[[handlers]]"), &of("[[rescue]]"), &of("[[always]]"), "[[always]]\nwait = 'build'\n"]
            .concat(),
        expect![[r#"
            playbooks/x.toml:5 a handler cannot run in the background | - => leave `async` out; `timeout` limits its time
            playbooks/x.toml:9 a step of `rescue` cannot run in the background | - => leave `async` out; `timeout` limits its time
            playbooks/x.toml:13 a step of `always` cannot run in the background | - => leave `async` out; `timeout` limits its time
            playbooks/x.toml:16 a step of `always` cannot wait for a step in the background | - => before it starts, all that runs in the background is waited for
        "#]],
    );
    let block = START.replace("[[steps]]", "[[steps.always]]");
    wrong(
        &format!("[[steps]]\n[[steps.block]]\ncommand = {{ run = 'a' }}\n{block}"),
        expect![[r#"
        playbooks/x.toml:6 a step of `always` cannot run in the background | - => leave `async` out; `timeout` limits its time
    "#]],
    );
}

#[test]
fn a_block_with_rescue_ends_with_what_was_started_in_it() {
    let block = START.replace("[[steps]]", "[[steps]]\n[[steps.block]]");
    let rescue = "[[steps.rescue]]\ncommand = { run = 'a' }\n";
    wrong(
        &[&block, rescue, WAIT].concat(),
        expect![[r#"
        playbooks/x.toml:9 `build` does not run any more | its block ends before, and waits for it there => leave this step out, or move it
    "#]],
    );
    // Without `rescue` and `always` it is only a group.
    assert!(read(&[&block, WAIT].concat()).is_ok());
}

#[test]
fn a_loop_around_several_steps_waits_for_its_own() {
    let block = START.replace("[[steps]]", "[[steps]]\nloop = [1, 2]\n[[steps.block]]");
    wrong(
        &[&block, WAIT].concat(),
        expect![[r#"
        playbooks/x.toml:5 a step of a loop around several steps is waited for in that loop | - => add a step with wait = "build" to the loop
    "#]],
    );
    let wait = WAIT.replace("[[steps]]", "[[steps.block]]");
    assert!(read(&[block, wait].concat()).is_ok());
}

#[test]
fn no_more_run_at_once_than_a_host_takes() {
    let many: String = (0..17).map(|n| START.replace("build", &format!("build {n}"))).collect();
    wrong(
        &many,
        expect![[r#"
        playbooks/x.toml:67 more than 16 steps run in the background at once | - => wait for one of them before: a step with wait = "NAME"
    "#]],
    );
    wrong(
        &[START, START].concat(),
        expect![[r#"
        playbooks/x.toml:7 two steps called `build` run in the background | the first one, playbooks/x.toml:2, is not waited for before => give it another name, or wait for the first one before
    "#]],
    );
}
