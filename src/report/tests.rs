//! Every screen of a run, whole.

use super::*;
use crate::model::event::StepEnded;
use crate::model::outcome::{HostOutcome, StepOutcome};
use crate::record::examples::*;
use crate::redact::Redactor;
use expect_test::{Expect, expect};
use std::sync::{Arc, Mutex};

mod escapes;
mod findings;

/// Where a reporter writes, for the test to read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn view() -> View {
    View { style: Style { color: false }, verbosity: Verbosity::Normal, diff: false, columns: None }
}

fn options(format: Format, view: View) -> Options {
    Options {
        format,
        view,
        progress: Progress::Lines(Style { color: false }),
        live: false,
        steps: None,
        file: None,
        transfers: Default::default(),
    }
}

/// Standard output and standard error of a run with these events.
fn told(options: Options, intent: crate::model::run::RunIntent, events: Vec<RunEvent>) -> (String, String) {
    let (out, err) = (Paper::default(), Paper::default());
    let mut reporter = Reporter::new(options, Box::new(out.clone()), Box::new(err.clone()));
    let started = RunEvent { at: at(0), what: RunEventKind::Started { intent: Box::new(intent), epoch: 7 } };
    let ended = RunEvent { at: at(5100), what: RunEventKind::Ended { exit: 6 } };
    for event in std::iter::once(started).chain(events).chain([ended]) {
        reporter.event(&Redactor::default().event(event));
    }
    reporter.finish().unwrap();
    (out.text(), err.text())
}

fn check_screen(options: Options, hosts: &[&str], events: Vec<RunEvent>, screen: Expect) {
    screen.assert_eq(&told(options, intent(hosts), events).0);
}

fn three_hosts() -> Vec<RunEvent> {
    let skipped =
        StepEnded { notes: vec!["docker is not installed".into()], ..step(2, StepOutcome::Skipped) };
    let steps = |last: StepEnded| [step(0, StepOutcome::Ok), changed(1), last];
    let mut events = host("web01", &steps(skipped.clone()), HostOutcome::Changed);
    events.extend(host("web02", &steps(skipped), HostOutcome::Changed));
    events.extend(host("web03", &steps(failed(2)), HostOutcome::Failed));
    events.extend(unreachable("db1"));
    events
}

const HOSTS: &[&str] = &["web01", "web02", "web03", "db1"];

#[test]
fn a_run_as_people_read_it() {
    let screen = expect![[r#"
        web[01-03]      ok            step 0  0.4s
        web[01-03]      changed       dockerd hands out resolvers  0.4s
            write /etc/docker/daemon.json
        web03           failed        restart docker  0.4s
            run systemctl restart docker: it exited with status 1
              hint: journalctl -u docker says more
            Job for docker.service failed.
            \x1b[31mSee the journal.

        db1  unreachable
            connect to 203.0.113.9:22: connection refused

        host   outcome        ok  changed  skipped  failed   time
        web01  changed         1        1        1       0   2.1s
        web02  changed         1        1        1       0   2.1s
        web03  failed          1        1        0       1   2.1s
        db1    unreachable     0        0        0       0   5.0s

        2 changed, 1 failed, 1 unreachable in 5.1s
        windlass runs show 20260314-150926-kxqz   (to undo it: windlass runs undo 20260314-150926-kxqz)
    "#]];
    check_screen(options(Format::Human, view()), HOSTS, three_hosts(), screen);
}

#[test]
fn the_failure_of_a_step_and_of_the_undo_behind_it_appears_once() {
    let undo = StepEnded {
        failure: Some(crate::model::Failure::new(
            "undo restart docker",
            "1 of 2 changes could not be undone",
        )),
        ..step(1, StepOutcome::Failed)
    };
    let mut events = host("web1", &[failed(0), undo.clone()], HostOutcome::PartlyUndone);
    for event in &mut events {
        if let RunEventKind::Host { event: HostEvent::Ended { failure: Some(failure), .. }, .. } =
            &mut event.what
        {
            let undo = undo.failure.as_ref().unwrap();
            failure.why += &format!("; then: {}: {}", undo.doing, undo.why);
        }
    }
    let (out, _) = told(options(Format::Human, view()), intent(&["web1"]), events);
    assert_eq!(out.matches("it exited with status 1").count(), 1, "{out}");
    assert_eq!(out.matches("1 of 2 changes could not be undone").count(), 1, "{out}");
}

#[test]
fn quiet_tells_failures_and_the_recap() {
    let view = View { verbosity: Verbosity::Quiet, ..view() };
    check_screen(
        options(Format::Human, view),
        HOSTS,
        three_hosts(),
        expect![[r#"
            web03           failed        restart docker  0.4s
                run systemctl restart docker: it exited with status 1
                  hint: journalctl -u docker says more
                Job for docker.service failed.
                \x1b[31mSee the journal.

            db1  unreachable
                connect to 203.0.113.9:22: connection refused

            host   outcome        ok  changed  skipped  failed   time
            web01  changed         1        1        1       0   2.1s
            web02  changed         1        1        1       0   2.1s
            web03  failed          1        1        0       1   2.1s
            db1    unreachable     0        0        0       0   5.0s

            2 changed, 1 failed, 1 unreachable in 5.1s
            windlass runs show 20260314-150926-kxqz
        "#]],
    );
}

#[test]
fn verbose_tells_everything() {
    let view = View { verbosity: Verbosity::Verbose, diff: true, ..view() };
    check_screen(
        options(Format::Human, view),
        HOSTS,
        three_hosts(),
        expect![[r#"
            web[01-03]      ok            step 0  0.4s
            web[01-03]      changed       dockerd hands out resolvers  0.4s
                write /etc/docker/daemon.json
                --- /etc/docker/daemon.json
                +++ /etc/docker/daemon.json
                @@ -1 +1 @@
                -{}
                +{"dns": []}
            web[01-02]      skipped       step 2  0.4s
                docker is not installed
            web03           failed        restart docker  0.4s
                run systemctl restart docker: it exited with status 1
                  hint: journalctl -u docker says more
                Job for docker.service failed.
                \x1b[31mSee the journal.

            db1  unreachable
                connect to 203.0.113.9:22: connection refused

            host   outcome        ok  changed  skipped  failed   time
            web01  changed         1        1        1       0   2.1s
            web02  changed         1        1        1       0   2.1s
            web03  failed          1        1        0       1   2.1s
            db1    unreachable     0        0        0       0   5.0s

            2 changed, 1 failed, 1 unreachable in 5.1s
            windlass runs show 20260314-150926-kxqz   (to undo it: windlass runs undo 20260314-150926-kxqz)
        "#]],
    );
}

#[test]
fn progress_where_there_is_no_terminal() {
    let (_, err) = told(options(Format::Human, view()), intent(HOSTS), three_hosts());
    expect![[r#"
        web01  changed  2.1s  (1 of 4)
        web02  changed  2.1s  (2 of 4)
        web03  failed  2.1s  (3 of 4)  run systemctl restart docker: it exited with status 1
        db1  unreachable  5.0s  (4 of 4)  connect to 203.0.113.9:22: connection refused
    "#]]
    .assert_eq(&err);
}

#[test]
fn a_dry_run_says_would_and_why_it_cannot_tell() {
    let would = StepEnded { outcome: StepOutcome::WouldChange, ..changed(0) };
    let notes = vec!["it depends on the command of step 0, which was not run".to_string()];
    let unknown = StepEnded { notes, ..step(1, StepOutcome::Unknown) };
    let events = host("web01", &[would, unknown], HostOutcome::Changed);
    let intent = crate::model::run::RunIntent { check: true, ..intent(&["web01"]) };
    let view = View { diff: true, ..view() };
    expect![[r#"
        web01  would change  dockerd hands out resolvers  0.4s
            write /etc/docker/daemon.json
            --- /etc/docker/daemon.json
            +++ /etc/docker/daemon.json
            @@ -1 +1 @@
            -{}
            +{"dns": []}
        web01  unknown       step 1  0.4s
            it depends on the command of step 0, which was not run

        host   outcome         ok  would change  skipped  failed  unknown   time
        web01  would change     0             1        0       0        1   2.1s

        1 would change in 5.1s
        windlass runs show 20260314-150926-kxqz
    "#]]
    .assert_eq(&told(options(Format::Human, view), intent, events).0);
}

#[test]
fn many_hosts_that_end_alike_share_a_line() {
    let names: Vec<String> = (1..=20).map(|number| format!("w{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut events: Vec<RunEvent> = names[..19]
        .iter()
        .flat_map(|name| host(name, &[step(0, StepOutcome::Ok)], HostOutcome::Ok))
        .collect();
    events.extend(host("w20", &[step(0, StepOutcome::Changed)], HostOutcome::Changed));
    check_screen(
        options(Format::Human, view()),
        &names,
        events,
        expect![[r#"
            w[1-19]  ok            step 0  0.4s
            w20      changed       step 0  0.4s

            host     outcome    ok  changed  skipped  failed   time
            w[1-19]  ok          1        0        0       0   2.1s
            w20      changed     0        1        0       0   2.1s

            19 ok, 1 changed in 5.1s
            windlass runs show 20260314-150926-kxqz
        "#]],
    );
}

#[test]
fn a_command_shows_what_it_said_and_no_host_reaches_the_terminal() {
    let said = crate::model::event::Output {
        stdout: b"up 3 days\n\x1b]0;owned\x07\xff\n".to_vec(),
        ..Default::default()
    };
    let uptime = StepEnded { name: "uptime".into(), output: Some(said), ..step(0, StepOutcome::Changed) };
    let intent = crate::model::run::RunIntent { kind: RunKind::Command, ..intent(&["web01"]) };
    let events = host("web01", &[uptime], HostOutcome::Changed);
    expect![[r#"
        web01  changed       uptime  0.4s
            up 3 days
            \x1b]0;owned\x07\xff

        host   outcome    ok  changed  skipped  failed   time
        web01  changed     0        1        0       0   2.1s

        1 changed in 5.1s
        windlass runs show 20260314-150926-kxqz
    "#]]
    .assert_eq(&told(options(Format::Human, view()), intent, events).0);
}

#[test]
fn the_elements_of_a_loop_are_told_below_their_step() {
    let first = StepEnded { item: Some(0), name: "install nginx".into(), ..changed(0) };
    let whole = StepEnded { name: "install packages".into(), ..changed(0) };
    let events = host("web01", &[first, whole], HostOutcome::Changed);
    check_screen(
        options(Format::Human, view()),
        &["web01"],
        events,
        expect![[r#"
            web01  changed       install packages  0.4s
              - changed       install nginx
                  write /etc/docker/daemon.json

            host   outcome    ok  changed  skipped  failed   time
            web01  changed     0        1        0       0   2.1s

            1 changed in 5.1s
            windlass runs show 20260314-150926-kxqz   (to undo it: windlass runs undo 20260314-150926-kxqz)
        "#]],
    );
}

#[test]
fn json_is_one_document() {
    let events = host("web01", &[changed(0)], HostOutcome::Changed);
    check_screen(
        options(Format::Json, view()),
        &["web01"],
        events,
        expect![[r#"
            {
              "version": 1,
              "run": "20260314-150926-kxqz",
              "kind": "playbook",
              "name": "fix-dns",
              "of": null,
              "who": "alice@laptop",
              "pattern": "prod",
              "check": false,
              "epoch": 7,
              "started": "2026-03-14T15:09:26Z",
              "ended": "2026-03-14T15:09:31.1Z",
              "took_secs": 5.1,
              "exit": 6,
              "interrupted": false,
              "params": {},
              "outcomes": {
                "changed": 1
              },
              "hosts": [
                {
                  "host": "web01",
                  "outcome": "changed",
                  "failure": null,
                  "attempts": 1,
                  "started": "2026-03-14T15:09:26Z",
                  "ended": "2026-03-14T15:09:28.1Z",
                  "took_secs": 2.1,
                  "settled_by": null,
                  "counts": {
                    "ok": 0,
                    "changed": 1,
                    "skipped": 0,
                    "failed": 0,
                    "ignored": 0,
                    "unknown": 0
                  },
                  "checks": null,
                  "steps": [
                    {
                      "step": 0,
                      "item": null,
                      "name": "dockerd hands out resolvers",
                      "outcome": "changed",
                      "took_secs": 0.4,
                      "tries": 1,
                      "changes": [
                        "write /etc/docker/daemon.json"
                      ],
                      "diff": "--- /etc/docker/daemon.json\n+++ /etc/docker/daemon.json\n@@ -1 +1 @@\n-{}\n+{\"dns\": []}\n",
                      "notes": [],
                      "findings": [],
                      "failure": null,
                      "ignored": false,
                      "undo": {
                        "changes": 1,
                        "undoable": 1,
                        "unknown": 0,
                        "not": []
                      },
                      "output": null
                    }
                  ]
                }
              ]
            }
        "#]],
    );
}

#[test]
fn jsonl_is_a_line_for_each_event() {
    let mut events = host("web01", &[step(0, StepOutcome::Ok)], HostOutcome::Ok);
    let finished = Event::Finished { nonce: "secret".into(), outcome: HostOutcome::Ok, failure: None };
    events.push(event(2000, "web01", HostEvent::Said(finished)));
    check_screen(
        options(Format::Jsonl, view()),
        &["web01"],
        events,
        expect![[r#"
        {"time":"2026-03-14T15:09:26Z","run":"20260314-150926-kxqz","event":"run_started","version":1,"kind":"playbook","name":"fix-dns","of":null,"who":"alice@laptop","pattern":"prod","check":false,"hosts":["web01"]}
        {"time":"2026-03-14T15:09:26Z","run":"20260314-150926-kxqz","event":"connecting","host":"web01","attempt":1}
        {"time":"2026-03-14T15:09:26.08Z","run":"20260314-150926-kxqz","event":"connected","host":"web01"}
        {"time":"2026-03-14T15:09:26.09Z","run":"20260314-150926-kxqz","event":"sent","host":"web01"}
        {"time":"2026-03-14T15:09:26.5Z","run":"20260314-150926-kxqz","event":"step_ended","host":"web01","step":0,"item":null,"name":"step 0","outcome":"ok","took_secs":0.4,"tries":1,"changes":[],"diff":null,"notes":[],"findings":[],"failure":null,"ignored":false,"undo":null,"output":null}
        {"time":"2026-03-14T15:09:28.1Z","run":"20260314-150926-kxqz","event":"host_ended","host":"web01","outcome":"ok","failure":null}
        {"time":"2026-03-14T15:09:28Z","run":"20260314-150926-kxqz","event":"verdict","host":"web01","outcome":"ok","failure":null}
        {"time":"2026-03-14T15:09:31.1Z","run":"20260314-150926-kxqz","event":"run_ended","exit":6}
    "#]],
    );
}

#[test]
fn junit_is_a_suite_for_each_host() {
    check_screen(
        options(Format::Junit, view()),
        HOSTS,
        three_hosts(),
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="fix-dns" tests="10" failures="1" errors="1" skipped="2" time="5.100" timestamp="2026-03-14T15:09:26Z">
              <testsuite name="web01" tests="3" failures="0" errors="0" skipped="1" time="2.100" timestamp="2026-03-14T15:09:26Z">
                <testcase classname="web01" name="step 0" time="0.400"/>
                <testcase classname="web01" name="dockerd hands out resolvers" time="0.400"/>
                <testcase classname="web01" name="step 2" time="0.400"><skipped/></testcase>
              </testsuite>
              <testsuite name="web02" tests="3" failures="0" errors="0" skipped="1" time="2.100" timestamp="2026-03-14T15:09:26Z">
                <testcase classname="web02" name="step 0" time="0.400"/>
                <testcase classname="web02" name="dockerd hands out resolvers" time="0.400"/>
                <testcase classname="web02" name="step 2" time="0.400"><skipped/></testcase>
              </testsuite>
              <testsuite name="web03" tests="3" failures="1" errors="0" skipped="0" time="2.100" timestamp="2026-03-14T15:09:26Z">
                <testcase classname="web03" name="step 0" time="0.400"/>
                <testcase classname="web03" name="dockerd hands out resolvers" time="0.400"/>
                <testcase classname="web03" name="restart docker" time="0.400"><failure type="failed" message="it exited with status 1">run systemctl restart docker: it exited with status 1&#10;  hint: journalctl -u docker says more</failure><system-err>Job for docker.service failed.&#10;\x1b[31mSee the journal.&#10;</system-err></testcase>
              </testsuite>
              <testsuite name="db1" tests="1" failures="0" errors="1" skipped="0" time="5.000" timestamp="2026-03-14T15:09:26Z">
                <testcase classname="db1" name="the host"><error type="unreachable" message="unreachable">connect to 203.0.113.9:22: connection refused</error></testcase>
              </testsuite>
            </testsuites>
        "#]],
    );
}
