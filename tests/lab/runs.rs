//! What is kept of a run, what interrupts one, and what the next one makes of it.

use crate::stage::{Host, Lab, Project, Stage};
use serde_json::Value;
use std::time::Duration;

/// Long enough for a loaded machine; nothing waits so long when all is well.
const SOON: Duration = Duration::from_secs(30);

/// A change that notifies, a command that goes on until the test lets it, and a step behind it.
const GATED: &str = r#"
[[steps]]
name = "before"
notify = "owed"
[steps.file]
path = "/srv/e2e/before"
content = "x"
[[steps]]
name = "gate"
[steps.command]
shell = "touch /srv/e2e/reached; until [ -e /srv/e2e/open ]; do sleep 0.0871; done; touch /srv/e2e/through"
creates = "/srv/e2e/through"
[[steps]]
name = "behind"
[steps.file]
path = "/srv/e2e/behind"
content = "x"
[[handlers]]
name = "owed"
[handlers.command]
argv = ["touch", "/srv/e2e/handled"]
"#;

/// A host that owes no handlers of an earlier test.
fn stage(name: &str) -> Stage {
    Stage::on(name).with("rm -rf /srv/e2e /var/lib/windlass/handlers && mkdir -p /srv/e2e")
}

fn exists(host: &Host, file: &str) -> bool {
    host.sh(&format!("test -e /srv/e2e/{file}")).code == 0
}

fn reached(host: &Host) {
    host.await_success("test -e /srv/e2e/reached", SOON);
}

#[test]
fn a_run_is_listed_shown_and_exported() {
    let Stage { host, project } = stage("small1");
    let file = "[[steps]]\nname = \"say\"\n[steps.file]\npath = \"/srv/e2e/said\"\ncontent = \"hello\\n\"\n";
    project.play(file, "small1", "--diff").exits(0);

    let list = project.windlass(["runs", "list"]).stdout;
    assert!(list.contains(" it ") && list.contains("1 changed"), "{list}");
    let show = project.windlass(["runs", "show", "last"]).stdout;
    assert!(show.contains("say") && show.contains("+hello") && show.contains("small1"), "{show}");
    let export = project.export();
    let host_report = &export["hosts"][0];
    assert_eq!((export["exit"].as_i64(), host_report["outcome"].as_str()), (Some(0), Some("changed")));
    assert_eq!(host_report["steps"][0]["outcome"], "changed");
    assert_eq!(export["playbook"][0]["text"].as_str(), Some(file));
    assert_eq!(host.read("/srv/e2e/said").as_deref(), Some("hello\n"));
}

#[test]
fn json_is_one_document_and_nothing_else() {
    let Stage { host: _host, project } = stage("small1");
    let finished = project.windlass("run command --hosts small1 --output json -- hostname".split(' '));
    let document: Value = serde_json::from_str(&finished.stdout).expect("one document");
    assert_eq!(document["hosts"][0]["steps"][0]["output"]["stdout"], "small1\n");
}

#[test]
fn no_secret_is_kept_or_printed() {
    let Stage { host, project } = stage("full1");
    let (secret, base64) = ("cannary-7Qx9+veRy/secret", "Y2FubmFyeS03UXg5K3ZlUnkvc2VjcmV0");
    project.write("templates/env", "TOKEN={{ token }}\n");
    project.write("token.toml", format!("token = \"{secret}\"\n"));
    let playbook = r#"
[params.token]
type = "secret"
[[steps]]
[steps.template]
path = "/srv/e2e/env"
source = "env"
[[steps]]
name = "with {{ token }}"
register = "said"
[steps.command]
shell = "cat; cat /srv/e2e/env; base64 /srv/e2e/env; printf %s \"$TOKEN\" | base64 >&2; exit 0"
stdin = "{{ token }}"
environment = { TOKEN = "{{ token }}" }
[[steps]]
[steps.debug]
message = "it said {{ said.stdout }}"
[[steps]]
[steps.assert]
that = "'nothing' in token"
message = "no such token: {{ token }}"
"#;
    project.write("playbooks/it.toml", playbook);
    for output in ["human", "json", "jsonl", "junit"] {
        host.must("rm -f /srv/e2e/env");
        let line = format!("run playbook it --hosts full1 -v --diff -e @token.toml --output {output}");
        let finished = project.windlass(line.split(' '));
        assert_eq!(finished.code, 2, "{finished:?}");
        assert!(finished.stdout.contains("no such token: ***"), "it got to the last step: {finished:?}");
        for text in [&finished.stdout, &finished.stderr] {
            assert!(!text.contains(secret) && !text.contains(base64), "{output}: {text}");
        }
    }
    assert_eq!(
        host.read("/srv/e2e/env").as_deref(),
        Some(&*format!("TOKEN={secret}\n")),
        "there it is wanted"
    );
    let export = project.windlass(["runs", "export", "last"]).stdout;
    assert!(export.contains("***") && !export.contains(secret) && !export.contains(base64), "{export}");
    no_file_holds(&project.path().join(".windlass"), &[secret, base64]);
}

fn no_file_holds(folder: &std::path::Path, texts: &[&str]) {
    for entry in std::fs::read_dir(folder).expect("windlass made it") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            no_file_holds(&path, texts);
            continue;
        }
        let bytes = std::fs::read(&path).expect("it is ours");
        for text in texts {
            assert!(!bytes.windows(text.len()).any(|part| part == text.as_bytes()), "{}", path.display());
        }
    }
}

#[test]
fn the_first_interrupt_finishes_the_step_in_hand() {
    let Stage { host, project } = stage("full1");
    let mut run = project.start(GATED, "full1");
    reached(&host);
    run.interrupt();
    host.must("touch /srv/e2e/open");
    let report = run.end().exits(130);

    assert_eq!(report.outcome("full1"), "cancelled");
    assert_eq!(report.step("full1", "gate")["outcome"], "changed");
    assert!(exists(&host, "through") && !exists(&host, "behind"));
    let export = project.export();
    assert_eq!((export["exit"].as_i64(), export["interrupted"].as_bool()), (Some(130), Some(true)));
    assert_eq!(export["hosts"][0]["outcome"], "cancelled");
}

#[test]
fn the_second_interrupt_kills_what_runs() {
    second_interrupt_kills("full1");
}

#[test]
fn the_second_interrupt_kills_what_runs_without_an_agent() {
    second_interrupt_kills("noexec1");
}

fn second_interrupt_kills(name: &str) {
    let Stage { host, project } = stage(name);
    let mut run = project.start(GATED, name);
    reached(&host);
    run.interrupt();
    run.interrupt();
    let report = run.end().exits(130);

    assert!(["cancelled", "failed", "unknown"].contains(&report.outcome(name)), "{report:#?}");
    host.await_success("! grep -qs '0[.]0871' /proc/[0-9]*/cmdline", SOON);
    assert!(!exists(&host, "through") && !exists(&host, "behind"));
}

#[test]
fn a_run_whose_controller_was_killed_is_settled_by_the_next() {
    let Stage { host, project } = stage("full1");
    let run = project.start(GATED, "full1");
    reached(&host);
    run.kill();
    host.must("touch /srv/e2e/open");
    host.await_success("test -e /srv/e2e/through", SOON);
    let died = project.export()["run"].as_str().expect("a run has a name").to_owned();

    let report = project.play(GATED, "full1", "").exits(0);

    assert_eq!(report.step("full1", "before")["outcome"], "ok");
    assert_eq!(report.step("full1", "gate")["outcome"], "ok", "it was through and is not run again");
    assert_eq!(report.step("full1", "owed")["outcome"], "changed", "the handler was owed");
    assert!(exists(&host, "handled") && exists(&host, "behind"));
    let settled = project.windlass(["runs", "export", &died]).stdout;
    let settled: Value = serde_json::from_str(&settled).expect("an export is JSON");
    assert!(settled["hosts"][0]["settled_by"].is_string(), "{settled:#}");
    assert_ne!(settled["hosts"][0]["outcome"], "unknown", "{settled:#}");
    assert_eq!(project.play(GATED, "full1", "").exits(0).outcome("full1"), "ok", "nothing is owed any more");
}

/// Commands that nothing tells whether they were run: each writes a line, and the first waits for its gate.
const UNGUARDED: &str = "[[steps]]\nname = \"first\"\n[steps.command]\n\
    shell = \"echo x >>/srv/e2e/first; for n in $(seq 600); do [ ! -e /srv/e2e/open ] || break; sleep 0.0977; done\"\n\
    [[steps]]\nname = \"second\"\n[steps.command]\nshell = \"echo x >>/srv/e2e/second\"\n";

#[test]
fn a_retry_after_a_killed_controller_waits_for_what_runs_and_does_not_repeat_it() {
    let Stage { host, project } = stage("full1");
    let run = project.start(UNGUARDED, "full1");
    host.await_success("test -s /srv/e2e/first", SOON);
    run.kill();
    host.must("(sleep 3; touch /srv/e2e/open) >/dev/null 2>&1 &");

    let retried = project.report("runs retry last").exits(0);

    assert_eq!(retried.step("full1", "first")["outcome"], "ok", "{retried:#?}");
    assert!(retried.step("full1", "first")["notes"].to_string().contains("is not run again"), "{retried:#?}");
    assert_eq!(retried.step("full1", "second")["outcome"], "changed");
    assert_eq!(host.must("cat /srv/e2e/first /srv/e2e/second"), "x\nx");
    // It ran on when the retry asked for its result; who comes next gets it.
    project.play("[[steps]]\ndebug = { message = \"x\" }\n", "full1", "").exits(0);
    let list = project.windlass(["runs", "list"]).stdout;
    assert!(!list.contains("unknown"), "{list}");
}

/// Through sh the controller is the engine: without it nothing writes down how the command ended.
#[test]
fn a_retry_does_not_repeat_what_was_cut_off_and_says_so() {
    let Stage { host, project } = stage("noexec1");
    let run = project.start(UNGUARDED, "noexec1");
    host.await_success("test -s /srv/e2e/first", SOON);
    run.kill();
    host.must("(sleep 3; touch /srv/e2e/open) >/dev/null 2>&1 &");

    let retried = project.report("runs retry last").exits(2);

    assert!(retried.failure("noexec1").contains("whether it came to its end is not known"), "{retried:#?}");
    assert_eq!(host.must("cat /srv/e2e/first"), "x");
}

#[test]
fn a_handler_is_owed_after_a_failed_run() {
    let Stage { host, project } = stage("full1");
    let fails = GATED.replace("argv = [\"touch\", \"/srv/e2e/handled\"]", "argv = [\"false\"]");
    host.must("touch /srv/e2e/open");
    assert_eq!(project.play(&fails, "full1", "").exits(2).step("full1", "owed")["outcome"], "failed");

    project.play(GATED, "full1", "").exits(0);

    assert!(exists(&host, "handled"));
}

#[test]
fn a_second_controller_reads_who_works_there() {
    for name in ["full1", "noexec1"] {
        let Stage { host, project: first } = stage(name);
        let second = Project::new(&Lab::get());
        let run = first.start(GATED, name);
        reached(&host);
        let refused = second.play(GATED, name, "--wait 0");
        let holder = first.export()["run"].as_str().expect("a run has a name").to_owned();
        host.must("touch /srv/e2e/open");
        run.end().exits(0);

        assert_ne!(refused.code, 0);
        assert!(refused.failure(name).contains(&holder), "{}", refused.failure(name));
        assert!(!refused.outcomes(name).contains(&"changed"), "{refused:#?}");
    }
}

/// Files changed in every way there is.
const CHANGES: &str = r#"
[[steps]]
[steps.file]
path = "/srv/e2e/there"
content = "new"
mode = "0600"
[[steps]]
[steps.file]
path = "/srv/e2e/made/below/file"
content = "new"
[[steps]]
[steps.line]
path = "/srv/e2e/lines"
line = "added"
[[steps]]
[steps.symlink]
path = "/srv/e2e/link"
target = "elsewhere"
[[steps]]
[steps.absent]
path = "/srv/e2e/gone"
[[steps]]
[steps.json]
path = "/srv/e2e/data.json"
merge = { a = 2 }
"#;

#[test]
fn a_run_is_undone_to_the_byte() {
    for name in ["full1", "noexec1"] {
        let Stage { host, project } = stage(name);
        host.must(
            "cd /srv/e2e && printf 'old\\r\\nx' >there && chown 1000:1000 there && chmod 4711 there && ln -s there link \
             && echo a >lines && mkdir -p gone/below && echo b >gone/below/c && chmod 0700 gone && echo '{ \"a\" :1}' >data.json",
        );
        let before = tree(&host);
        let report = project.play(CHANGES, name, "").exits(0);
        assert_eq!(report.outcomes(name), ["changed"; 6]);
        assert_ne!(tree(&host), before);

        let undone = project.report("runs undo last").exits(0);

        assert_eq!(undone.outcome(name), "undone");
        assert_eq!(tree(&host), before, "{name}");
    }
}

fn tree(host: &Host) -> String {
    let each = "stat -c '%n %a %u %g %F' \"$0\"; [ ! -f \"$0\" ] || sha256sum \"$0\"; [ ! -L \"$0\" ] || readlink \"$0\"";
    host.must(&format!(
        "find /srv/e2e | sort | while read -r path; do sh -c '{}' \"$path\"; done",
        each.replace('\'', "'\\''")
    ))
}

#[test]
fn a_retry_goes_to_the_hosts_that_were_not_fine() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full1", "small1"]);
    hosts[0].must("rm -f /srv/e2e-ready");
    hosts[1].must("touch /srv/e2e-ready");
    let project = Project::new(&lab);
    let needs = "[[steps]]\n[steps.command]\nargv = [\"test\", \"-e\", \"/srv/e2e-ready\"]\n";
    project.play(needs, "full1,small1", "").exits(2);
    hosts[0].must("touch /srv/e2e-ready");

    let retried = project.report("runs retry last").exits(0);

    assert_eq!(retried.outcome("full1"), "changed");
    assert!(!retried.events.iter().any(|event| event["host"] == "small1"), "{retried:#?}");
    for host in &hosts {
        host.must("rm -f /srv/e2e-ready");
    }
}
