//! Steps in the background (`async`) and steps that wait for them.

use crate::folder_host::FolderStage;
use crate::language::{play, refused};
use expect_test::expect;
use serde_json::Value;
use std::fs;

/// A command in the background that only ends when a later step lets it: were it waited for at once, it would never end.
fn gated(stage: &FolderStage, more: &str, after: &str) -> String {
    let gate = stage.file("gate").display().to_string();
    format!(
        r#"
[[steps]]
name = "build"
async = "30s"
register = "built"
{more}
[steps.command]
shell = "echo it has started; until [ -e {gate} ]; do sleep 0.02; done; echo it is over"

[[steps]]
name = "meanwhile"
command = {{ argv = ["touch", "{gate}"] }}

[[steps]]
wait = "build"

[[steps]]
name = "after"
debug = {{ message = "it printed {{{{ built.stdout_lines | join(', ') }}}}" }}
{after}
"#
    )
}

fn events(jsonl: &str) -> Vec<Value> {
    jsonl.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// How the steps ended, in this order.
fn steps(events: &[Value]) -> Vec<String> {
    let shown = |event: &Value| format!("{} {}", event["name"], event["outcome"]).replace('"', "");
    events.iter().filter(|event| event["event"] == "step_ended").map(shown).collect()
}

#[test]
fn other_steps_run_meanwhile_and_the_wait_judges() {
    let stage = FolderStage::set();
    let finished = play(&stage, &gated(&stage, "", ""), "");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.stdout.contains("it printed it has started, it is over"), "{finished:?}");
    assert!(finished.stdout.contains("build: changed"), "{finished:?}");
    let shown = stage.project.windlass(["runs", "show", "last"]);
    assert!(shown.stdout.contains("build: changed"), "{shown:?}");
}

#[test]
fn programs_hear_that_it_was_started_and_what_it_prints() {
    let stage = FolderStage::set();
    let finished = play(&stage, &gated(&stage, "", ""), "--output jsonl");
    assert_eq!(finished.code, 0, "{finished:?}");
    let events = events(&finished.stdout);
    assert_eq!(steps(&events), ["meanwhile changed", "build changed", "wait build ok", "after ok"]);
    let started = events.iter().find(|event| event["event"] == "step_background").expect("it is said");
    assert_eq!((&started["step"], &started["name"]), (&0.into(), &"build".into()));
    let build = events.iter().find(|event| event["event"] == "step_ended" && event["step"] == 0).unwrap();
    assert_eq!(build["output"]["stdout"], "it has started\nit is over\n");
}

#[test]
fn a_failure_is_judged_at_the_wait_by_what_the_step_says() {
    let stage = FolderStage::set();
    let finished =
        play(&stage, &gated(&stage, "failed_when = \"'over' in result.stdout\"", ""), "--output jsonl");
    assert_eq!(finished.code, 2, "{finished:?}");
    let events = events(&finished.stdout);
    assert_eq!(steps(&events), ["meanwhile changed", "build failed", "wait build ok"]);
    let ended = events.iter().find(|event| event["event"] == "host_ended").unwrap();
    assert_eq!(ended["failure"]["doing"], "build", "{ended}");
}

#[test]
fn its_deadline_ends_it() {
    let stage = FolderStage::set();
    let playbook = "[[steps]]\nname = 'hangs'\nasync = '1s'\ncommand = { run = 'sleep 600' }\n[[steps]]\nwait = 'hangs'\n";
    let finished = play(&stage, playbook, "");
    assert_eq!(finished.code, 2, "{finished:?}");
    let said = finished.stdout + &finished.stderr;
    assert!(said.contains("run sleep 600: timed out after 1 s"), "{said}");
    assert!(said.contains("hint: give the step a longer `async`, or find out why it hangs"), "{said}");
}

#[test]
fn a_failed_step_waits_for_what_runs_and_says_so() {
    let stage = FolderStage::set();
    let mark = stage.file("mark");
    let playbook = format!(
        "[[steps]]\nname = 'slow'\nasync = '30s'\ncommand = {{ shell = 'sleep 0.3; touch {mark}', undo = 'rm {mark}' }}\n\
         [[steps]]\nname = 'broken'\ncommand = {{ run = 'false' }}\n[[steps]]\nwait = 'slow'\n",
        mark = mark.display()
    );
    let finished = play(&stage, &playbook, "--output jsonl");
    assert_eq!(finished.code, 2, "{finished:?}");
    let events = events(&finished.stdout);
    assert_eq!(steps(&events), ["broken failed", "slow changed"]);
    let slow = events.iter().find(|event| event["event"] == "step_ended" && event["name"] == "slow").unwrap();
    assert_eq!(slow["notes"][0], "waited for here, since another step failed");
    assert!(mark.exists());
    let undone = stage.project.windlass(["runs", "undo", "last"]);
    // The command that failed has no undo.
    assert_eq!(undone.code, 2, "{undone:?}");
    assert!(!mark.exists());
    // Undone with the run where the playbook wants that.
    let finished = play(&stage, &("on_failure = 'undo'\n".to_string() + &playbook), "");
    assert_eq!(finished.code, 2, "{finished:?}");
    assert!(!mark.exists(), "{finished:?}");
}

#[test]
fn a_dry_run_starts_nothing() {
    let stage = FolderStage::set();
    let finished = play(&stage, &gated(&stage, "", ""), "--check --output jsonl");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(
        steps(&events(&finished.stdout)),
        ["build would_change", "meanwhile would_change", "wait build ok", "after unknown"]
    );
    assert!(!stage.file("gate").exists());
}

#[test]
fn a_saved_plan_starts_it_too() {
    let stage = FolderStage::set();
    stage.project.write("playbooks/site.toml", gated(&stage, "", ""));
    let made = stage.project.windlass("plan playbook site --hosts all -o it.plan".split(' '));
    assert_eq!(made.code, 0, "{made:?}");
    let applied = stage.project.windlass(["apply", "it.plan"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(stage.file("gate").exists());
}

#[test]
fn handlers_are_notified_at_the_wait() {
    let stage = FolderStage::set();
    let handler = "[[handlers]]\nname = 'restart'\ndebug = { message = 'restarted' }\n";
    let playbook = gated(&stage, "notify = 'restart'", handler);
    let finished = play(&stage, &playbook, "--output jsonl");
    assert_eq!(steps(&events(&finished.stdout)).last().unwrap(), "restart ok", "{finished:?}");
    fs::remove_file(stage.file("gate")).unwrap();
    let finished = play(&stage, &playbook.replace("changed_when", ""), "--skip-tags never");
    assert_eq!(finished.code, 0, "{finished:?}");
}

#[test]
fn lint_and_run_say_the_same_of_a_wrong_one() {
    refused(
        "[[steps]]\nname = \"build\"\nasync = \"10m\"\ncommand = { run = \"make\" }\n[[steps]]\nwait = \"biuld\"\n",
        "",
        expect![[r#"
            error: no step called `biuld` runs in the background
             --> playbooks/site.toml:6:8
              |
            6 | wait = "biuld"
              |        ^^^^^^^
              |
              = hint: did you mean `build`?
        "#]],
    );
}
