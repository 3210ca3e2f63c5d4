//! A run of checks, as people read it.

use super::*;
use crate::model::finding::{self, Finding, Verdict};
use jiff::tz::TimeZone;

fn disk(what: &str, percent: u32) -> Finding {
    let verdict = Verdict::of(percent >= 10);
    Finding::new("disk", what, verdict, format!("{percent}% free (of 15.0 GiB)"))
        .cell(format!("{percent}%"))
        .wanted("at least 10% free")
        .detail("free_percent", percent)
}

fn service(what: &str, verdict: Verdict, seen: &str) -> Finding {
    Finding::new("services", what, verdict, seen).wanted("active").hint("journalctl -u NAME tells why")
}

fn looked(index: u32, findings: &[Finding]) -> StepEnded {
    let failure = finding::failure(findings);
    let outcome = if failure.is_some() { StepOutcome::Failed } else { StepOutcome::Ok };
    StepEnded { findings: findings.to_vec(), failure, ..step(index, outcome) }
}

/// One that is fine, two that are not and have the same reason, one that cannot be reached.
fn fleet() -> Vec<RunEvent> {
    let bad = [
        looked(0, &[disk("/", 42), disk("/var", 8)]),
        looked(
            1,
            &[
                service("nginx", Verdict::Pass, "active"),
                service(
                    "app",
                    Verdict::Fail,
                    "\x1b[31mfailed (exit status 1), restarted 5 times in the last hour",
                ),
                service("redis", Verdict::Unknown, "systemctl cannot be asked"),
            ],
        ),
    ];
    let fine = [looked(0, &[disk("/", 61)]), looked(1, &[service("nginx", Verdict::Pass, "active")])];
    let port = Finding::new("port", "80/tcp", Verdict::Info, "nginx (nginx.service)");
    let fine = [&fine[..], &[looked(2, &[port])]].concat();
    let mut events = host("web01", &fine, HostOutcome::Ok);
    events.extend(host("web02", &bad, HostOutcome::Failed));
    events.extend(host("web03", &bad, HostOutcome::Failed));
    events.extend(unreachable("db1"));
    events
}

/// What follows the table of hosts.
fn after_recap(view: View) -> String {
    let screen = told(options(Format::Human, view), intent(HOSTS), fleet()).0;
    screen.split_once("   5.0s\n").unwrap().1.to_string()
}

#[test]
fn figures_shares_and_what_fails_follow_the_recap() {
    expect![[r#"

        host   disk /  disk /var
        web01  61%     -
        web02  42%     8%!
        web03  42%     8%!
        db1    -       -
        ! fails

        host   disk  services  pass
        web01  1/1   1/1       100%
        web02  1/2   1/3       40%
        web03  1/2   1/3       40%
        db1    -     -         unreachable

        web01: 2 of 2 checks pass (100%)
          info     port 80/tcp  nginx (nginx.service)

        web[02-03]: 2 of 5 checks pass (40%)
          fail     disk /var       8% free (of 15.0 GiB) (wanted: at least 10% free)
          fail     services app    \x1b[31mfailed (exit status 1), restarted 5 times in the last hour (wanted: active)
                                   hint: journalctl -u NAME tells why
          unknown  services redis  systemctl cannot be asked (wanted: active)
                                   hint: journalctl -u NAME tells why

        2 failed, 1 ok, 1 unreachable in 5.1s
        windlass runs show 20260314-150926-kxqz
    "#]].assert_eq(&after_recap(view()));
}

#[test]
fn a_narrow_terminal_gets_more_tables_and_folded_lines() {
    let text = after_recap(View { columns: Some(40), ..view() });
    expect![[r#"

        host   disk /  disk /var
        web01  61%     -
        web02  42%     8%!
        web03  42%     8%!
        db1    -       -
        ! fails

        host   disk  services  pass
        web01  1/1   1/1       100%
        web02  1/2   1/3       40%
        web03  1/2   1/3       40%
        db1    -     -         unreachable

        web01: 2 of 2 checks pass (100%)
          info     port 80/tcp  nginx (nginx.service)

        web[02-03]: 2 of 5 checks pass (40%)
          fail     disk /var       8% free (of 15.0 GiB)
                                   (wanted: at least 10%
                                   free)
          fail     services app    \x1b[31mfailed (exit
                                   status 1), restarted 5
                                   times in the last hour
                                   (wanted: active)
                                   hint: journalctl -u NAME
                                   tells why
          unknown  services redis  systemctl cannot be
                                   asked (wanted: active)
                                   hint: journalctl -u NAME
                                   tells why

        2 failed, 1 ok, 1 unreachable in 5.1s
        windlass runs show 20260314-150926-kxqz
    "#]]
    .assert_eq(&text);
}

#[test]
fn verbose_lists_what_passes_and_quiet_what_does_not() {
    let verbose = after_recap(View { verbosity: Verbosity::Verbose, ..view() });
    assert!(verbose.contains("  pass     services nginx  active\n"), "{verbose}");
    let quiet = after_recap(View { verbosity: Verbosity::Quiet, ..view() });
    assert!(quiet.contains("  fail     disk /var") && !quiet.contains("80/tcp"), "{quiet}");
}

#[test]
fn steps_are_told_without_the_figures_of_each_host() {
    let screen = told(options(Format::Human, view()), intent(HOSTS), fleet()).0;
    let steps = screen.split_once("\n\n").unwrap().0;
    expect![[r#"
        web01           ok            step 0  0.4s
        web[02-03]      failed        step 0  0.4s
            1 of 2 checks fail: disk /var
        web01           ok            step 1  0.4s
        web[02-03]      failed        step 1  0.4s
            1 of 3 checks fail and 1 could not be made: services app, services redis
        web01           ok            step 2  0.4s"#]]
    .assert_eq(steps);
}

#[test]
fn a_fleet_has_as_many_lines_as_are_read() {
    let names: Vec<String> = (1..=300).map(|number| format!("w{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let events = names.iter().enumerate().flat_map(|(number, name)| {
        let port = Finding::new("port", "80/tcp", Verdict::Info, format!("pid {number}"));
        let findings = [disk("/", if number == 250 { 3 } else { 50 }), port];
        host(name, &[looked(0, &findings)], HostOutcome::Ok)
    });
    let (screen, _) = told(options(Format::Human, view()), intent(&names), events.collect());
    assert!(screen.lines().count() < 250, "{}", screen.lines().count());
    assert!(screen.contains("w251  3%!\nw001  50%\n"), "the worst comes first: {screen}");
    assert!(screen.contains("w251: 0 of 1 checks pass (0%)\n  fail     disk /"), "{screen}");
    assert!(screen.contains("300 more findings are not listed; -v lists all\n"), "{screen}");
}

#[test]
fn programs_get_every_finding_and_the_sum() {
    let (json, _) = told(options(Format::Json, view()), intent(HOSTS), fleet());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let host = &json["hosts"][1];
    assert_eq!(
        host["checks"],
        serde_json::json!({ "pass": 2, "fail": 2, "unknown": 1, "info": 0, "percent": 40 })
    );
    assert_eq!(
        host["steps"][0]["findings"][1],
        serde_json::json!({ "group": "disk", "what": "/var", "verdict": "fail", "seen": "8% free (of 15.0 GiB)",
            "cell": "8%", "wanted": "at least 10% free", "details": { "free_percent": 8 } })
    );
    assert_eq!(json["hosts"][3]["checks"]["percent"], serde_json::Value::Null, "nothing was looked at there");
    let (plain, _) = told(options(Format::Json, view()), intent(HOSTS), three_hosts());
    let plain: serde_json::Value = serde_json::from_str(&plain).unwrap();
    assert_eq!(plain["hosts"][0]["checks"], serde_json::Value::Null, "it was no run of checks");
}

#[test]
fn a_report_in_markdown() {
    let record = record(intent(HOSTS), &fleet());
    expect![[r#"
        # fix-dns on prod

        Run `20260314-150926-kxqz`, started 2026-03-14 15:09:26 UTC by alice@laptop.

        | host | ended | disk | services | pass | why |
        | --- | --- | --- | --- | --- | --- |
        | web01 | ok | 1/1 | 1/1 | 100% |  |
        | web02 | failed | 1/2 | 1/3 | 40% | 1 of 2 checks fail: disk /var |
        | web03 | failed | 1/2 | 1/3 | 40% | 1 of 2 checks fail: disk /var |
        | db1 | unreachable | - | - | - | connect to 203.0.113.9:22: connection refused |

        ## Figures

        | host | disk / | disk /var |
        | --- | --- | --- |
        | web01 | 61% | - |
        | web02 | 42% | **8%** (fails) |
        | web03 | 42% | **8%** (fails) |
        | db1 | - | - |

        ## web01: 2 of 2 checks pass (100%)

        | verdict | what | seen | wanted | what to try |
        | --- | --- | --- | --- | --- |
        | pass | disk / | 61% free (of 15.0 GiB) | at least 10% free |  |
        | pass | services nginx | active | active |  |
        | info | port 80/tcp | nginx (nginx.service) |  |  |

        ## web02: 2 of 5 checks pass (40%)

        | verdict | what | seen | wanted | what to try |
        | --- | --- | --- | --- | --- |
        | **fail** | disk /var | 8% free (of 15.0 GiB) | at least 10% free |  |
        | **fail** | services app | \\x1b\[31mfailed (exit status 1), restarted 5 times in the last hour | active | journalctl -u NAME tells why |
        | **unknown** | services redis | systemctl cannot be asked | active | journalctl -u NAME tells why |
        | pass | disk / | 42% free (of 15.0 GiB) | at least 10% free |  |
        | pass | services nginx | active | active |  |

        ## web03: 2 of 5 checks pass (40%)

        | verdict | what | seen | wanted | what to try |
        | --- | --- | --- | --- | --- |
        | **fail** | disk /var | 8% free (of 15.0 GiB) | at least 10% free |  |
        | **fail** | services app | \\x1b\[31mfailed (exit status 1), restarted 5 times in the last hour | active | journalctl -u NAME tells why |
        | **unknown** | services redis | systemctl cannot be asked | active | journalctl -u NAME tells why |
        | pass | disk / | 42% free (of 15.0 GiB) | at least 10% free |  |
        | pass | services nginx | active | active |  |

    "#]].assert_eq(&markdown::document(&record, &TimeZone::UTC));
}

#[test]
fn a_run_that_looked_at_nothing_is_a_report_of_its_steps() {
    let record = record(intent(HOSTS), &three_hosts());
    expect![[r#"
        # fix-dns on prod

        Run `20260314-150926-kxqz`, started 2026-03-14 15:09:26 UTC by alice@laptop.

        | host | ended | why |
        | --- | --- | --- |
        | web01 | changed |  |
        | web02 | changed |  |
        | web03 | failed | run systemctl restart docker: it exited with status 1<br>  hint: journalctl -u docker says more |
        | db1 | unreachable | connect to 203.0.113.9:22: connection refused |

        ## Steps on web01

        | outcome | step | what was done, or why it failed | took |
        | --- | --- | --- | --- |
        | changed | dockerd hands out resolvers | write /etc/docker/daemon.json | 0.4s |

        ## Steps on web02

        | outcome | step | what was done, or why it failed | took |
        | --- | --- | --- | --- |
        | changed | dockerd hands out resolvers | write /etc/docker/daemon.json | 0.4s |

        ## Steps on web03

        | outcome | step | what was done, or why it failed | took |
        | --- | --- | --- | --- |
        | changed | dockerd hands out resolvers | write /etc/docker/daemon.json | 0.4s |
        | failed | restart docker | run systemctl restart docker: it exited with status 1<br>  hint: journalctl -u docker says more | 0.4s |

    "#]].assert_eq(&markdown::document(&record, &TimeZone::UTC));
}
