//! Steps in the background on real hosts: they run beside others, are judged where they are waited for, and never outlive
//! the agent.

use crate::stage::{Host, Stage};
use std::time::Duration;

/// Long enough for a loaded machine; nothing waits so long when all is well.
const SOON: Duration = Duration::from_secs(60);

/// A command in the background that a later step lets go on, and a wait for it.
const BESIDE: &str = r#"
[[steps]]
name = "build"
async = "1m"
register = "built"
[steps.command]
shell = "echo $$ >>/srv/e2e/pids; until [ -e /srv/e2e/open ]; do sleep 0.0931; done; touch /srv/e2e/through; echo over"
undo = "rm /srv/e2e/through"
MORE
[[steps]]
name = "meanwhile"
command = { argv = ["touch", "/srv/e2e/open"] }
[[steps]]
wait = "build"
[[steps]]
name = "after"
debug = { message = "{{ built.stdout }}" }
"#;

/// A command in the background that goes on until the test opens its gate, and a wait for it.
const GATED: &str = r#"
[[steps]]
name = "build"
async = "2m"
[steps.command]
shell = "echo $$ >>/srv/e2e/pids; until [ -e /srv/e2e/open ]; do sleep 0.0931; done; touch /srv/e2e/through"
creates = "/srv/e2e/through"
[[steps]]
name = "meanwhile"
file = { path = "/srv/e2e/meanwhile", content = "" }
[[steps]]
wait = "build"
"#;

fn stage(name: &str) -> Stage {
    Stage::on(name).with("rm -rf /srv/e2e && mkdir -p /srv/e2e && : >/srv/e2e/pids")
}

fn gone(host: &Host) {
    host.must("! kill -0 $(head -1 /srv/e2e/pids) 2>/dev/null");
}

#[test]
fn other_steps_run_meanwhile_and_the_wait_judges() {
    for name in ["small1", "full3"] {
        let stage = stage(name);
        let report = stage.play(&BESIDE.replace("MORE", ""), "").exits(0);
        let steps = [("meanwhile", "changed"), ("build", "changed"), ("wait build", "ok"), ("after", "ok")];
        assert_eq!(report.steps(name), steps, "{name}");
        assert_eq!(report.step(name, "after")["notes"][0], "over");
        let undone = stage.project.windlass(["runs", "undo", "last"]);
        stage.host.must("[ ! -e /srv/e2e/through ]");
        // The touch has no undo.
        assert_eq!(undone.code, 2, "{undone:?}");
    }
}

#[test]
fn a_failure_fails_the_run_at_the_wait_and_a_block_rescues_it() {
    let stage = stage("small1");
    let name = &stage.host.name;
    let fails = BESIDE.replace("MORE", "[[steps]]\nname = \"unused\"\ndebug = { message = \"\" }\n");
    let fails = fails.replace("echo over", "exit 3");
    let report = stage.play(&fails, "").exits(2);
    assert_eq!(report.steps(name).last(), Some(&("wait build", "ok")));
    assert!(report.failure(name).contains("exit status 3"), "{report:#?}");
    let block = r#"
[[steps]]
[[steps.block]]
name = "build"
async = "1m"
command = { argv = ["false"] }
[[steps.block]]
wait = "build"
[[steps.rescue]]
name = "rescue"
debug = { message = "rescued" }
"#;
    let report = stage.play(block, "").exits(0);
    assert_eq!(report.steps(name), [("build", "failed"), ("wait build", "ok"), ("rescue", "ok")]);
}

#[test]
fn its_deadline_ends_it_with_all_that_it_started() {
    let stage = stage("small1");
    let playbook = "[[steps]]\nname = \"hangs\"\nasync = \"1s\"\n[steps.command]\n\
        shell = \"echo $$ >>/srv/e2e/pids; sleep 300 & echo $! >>/srv/e2e/pids; wait\"\n[[steps]]\nwait = \"hangs\"\n";
    let report = stage.play(playbook, "").exits(2);
    assert!(report.failure(&stage.host.name).contains("timed out after 1 s"), "{report:#?}");
    stage.host.await_success(
        "for pid in $(cat /srv/e2e/pids); do ! kill -0 $pid 2>/dev/null || exit 1; done",
        SOON,
    );
}

#[test]
fn a_killed_agent_leaves_nothing_running_and_the_host_is_unknown() {
    for name in ["small1", "full3"] {
        let Stage { host, project } = stage(name);
        let first = project.start(GATED, name);
        host.await_success("[ -s /srv/e2e/pids ] && [ -e /srv/e2e/meanwhile ]", SOON);
        host.must("kill -KILL $(sed -n '2s/ .*//p' /var/lib/windlass/lock)");
        assert_eq!(first.end().outcome(name), "unknown", "{name}");
        // The next run starts once the first command has ended.
        let second = project.start(GATED, name);
        host.await_success("[ $(grep -c . /srv/e2e/pids) -ge 2 ]", SOON);
        gone(&host);
        host.must("[ ! -e /srv/e2e/through ] && touch /srv/e2e/open");
        let report = second.end().exits(0);
        let says = report.events.iter().any(|event| {
            let event = event.to_string();
            event.contains("was cut off here") && event.contains("/srv/e2e/pids")
        });
        assert!(says, "{name}: {report:#?}");
        let shown = project.windlass(["runs", "list"]);
        assert!(shown.stdout.contains("unknown"), "{name}: {shown:?}");
    }
}

#[test]
fn a_lost_controller_leaves_its_result_in_the_journal() {
    let Stage { host, project } = stage("small1");
    let first = project.start(GATED, &host.name);
    host.await_success("[ -s /srv/e2e/pids ] && [ -e /srv/e2e/meanwhile ]", SOON);
    first.kill();
    host.must("touch /srv/e2e/open");
    let report = project.play(GATED, &host.name, "--wait 60").exits(0);
    assert_eq!(host.must("grep -c . /srv/e2e/pids"), "1");
    assert_eq!(report.step(&host.name, "build")["outcome"], "ok");
    let settled =
        report.events.iter().find(|event| event["event"] == "settled").expect("the first run is resolved");
    assert_eq!(settled["outcome"], "cancelled");
}

#[test]
fn a_host_without_an_agent_is_refused_before_its_first_step() {
    let stage = stage("noexec1");
    for options in ["", "--check"] {
        let report = stage.play(GATED, options).exits(2);
        let failure = report.failure("noexec1");
        assert!(failure.contains("runs one command at a time"), "{failure}");
        assert!(report.steps("noexec1").is_empty());
    }
    stage.host.must("[ ! -s /srv/e2e/pids ]");
}

#[test]
fn a_dry_run_starts_nothing() {
    let stage = stage("small1");
    let report = stage.play(&BESIDE.replace("MORE", ""), "--check").exits(0);
    let steps = [
        ("build", "would_change"),
        ("meanwhile", "would_change"),
        ("wait build", "ok"),
        ("after", "unknown"),
    ];
    assert_eq!(report.steps(&stage.host.name), steps);
    stage.host.must("[ ! -s /srv/e2e/pids ] && [ ! -e /srv/e2e/open ]");
}
