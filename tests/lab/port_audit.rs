//! Incident 2, the half about ports: orphaned docker-proxies are named and, when asked, ended; nothing else is.

use crate::stage::{Host, Lab, Project, Stage};
use serde_json::Value;

/// A container that wants the port.
const RUN: &str = "docker run --rm -p 3001:80 lab/busybox true";

/// An orphan as a crashed dockerd leaves it: its parent is gone, its container too.
fn orphan(host: &Host, port: u16) -> String {
    let start = format!(
        "setsid sh -c 'docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port {port} -container-ip 172.17.0.99 \
         -container-port 3000 >/dev/null 2>&1 3>&1 4>&1 & echo $!'"
    );
    let pid = host.must(&start);
    host.await_success(&format!("grep -qi ':{port:04X} ' /proc/net/tcp"), std::time::Duration::from_secs(10));
    pid
}

/// What was found of a port on a host.
fn found<'a>(step: &'a Value, what: &str) -> &'a Value {
    let findings = step["findings"].as_array().expect("findings");
    findings.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("{what}: {findings:#?}"))
}

fn runs(host: &Host, pid: &str) -> bool {
    host.sh(&format!("kill -0 {pid}")).code == 0
}

#[test]
fn an_orphan_is_named_and_ended_and_nothing_else() {
    let lab = Lab::get();
    let host = lab.host("full1");
    host.reset_docker();
    let pid = orphan(&host, 3001);
    let refused = host.sh(RUN);
    assert_ne!(refused.code, 0, "the incident is there");
    assert!(
        refused.stderr.contains("address already in use") || refused.stderr.contains("already allocated"),
        "{refused:?}"
    );
    let server = host.must("setsid sh -c 'python3 -m http.server 3002 >/dev/null 2>&1 & echo $!'");
    let legitimate = host.must("pgrep -x docker-proxy -P $(pidof dockerd)");
    let project = Project::new(&lab);

    let audit = project.report("run playbook port-audit --hosts full1").exits(2);
    let three = found(audit.step("full1", "who listens"), "3001/tcp");
    assert_eq!(
        (&three["verdict"], &three["details"]["holders"][0]["kind"]),
        (&"fail".into(), &"orphan".into())
    );
    assert!(three["seen"].as_str().unwrap().contains("172.17.0.99:3000"), "{three}");
    let app = found(audit.step("full1", "who listens"), "8080/tcp");
    assert_eq!(
        (&app["verdict"], &app["details"]["holders"][0]["container"]),
        (&"info".into(), &"app".into())
    );
    assert_eq!(
        found(audit.step("full1", "who listens"), "80/tcp")["details"]["holders"][0]["unit"],
        "nginx.service"
    );
    assert!(runs(&host, &pid), "an audit ends nothing");

    let check = project.report("run playbook port-audit --hosts full1 -e free_orphans=true --check").exits(0);
    assert_eq!(check.outcomes("full1"), ["would_change"]);
    assert!(runs(&host, &pid), "--check ends nothing");
    let apply = project.report("run playbook port-audit --hosts full1 -e free_orphans=true").exits(0);
    assert_eq!(apply.outcomes("full1"), ["changed"]);
    assert_eq!(
        check.step("full1", "who listens")["changes"],
        apply.step("full1", "who listens")["changes"],
        "what --check says is what happens"
    );
    assert!(!runs(&host, &pid), "the orphan is gone");
    assert!(runs(&host, &legitimate), "app's proxy stays");
    assert!(host.must("curl -sf http://127.0.0.1:8080/").len() > 1, "app still serves");
    assert!(runs(&host, &server), "and so does any other process");
    host.must(RUN);

    let again = project.report("run playbook port-audit --hosts full1 -e free_orphans=true").exits(0);
    assert_eq!(again.outcome("full1"), "ok");
    host.sh(&format!("kill {server}"));
}

#[test]
fn without_an_agent_the_same_is_seen() {
    let Stage { host, project } = Stage::on("noexec1");
    let report = project.report("run playbook port-audit --hosts noexec1");
    assert_eq!(report.system("noexec1"), "sh");
    let ssh = found(report.step("noexec1", "who listens"), "22/tcp");
    assert_eq!(ssh["details"]["holders"][0]["name"], "sshd", "{ssh}");
    drop(host);
}

#[test]
fn a_conflict_is_named_before_anything_starts() {
    let lab = Lab::get();
    let host = lab.host("full2");
    host.reset_docker();
    let project = Project::new(&lab);
    let playbook = r#"
        become = true
        [[steps]]
        name = "who listens"
        port = { expect = { 80 = "free or container shop", 8080 = "container app" } }
        [[steps]]
        file = { path = "/tmp/started", content = "x" }
    "#;
    let report = project.play(playbook, "full2", "").exits(2);
    assert_eq!(found(report.step("full2", "who listens"), "8080/tcp")["verdict"], "pass");
    assert!(
        report.failure("full2").contains("1 of 2 checks fail: port 80/tcp"),
        "{}",
        report.failure("full2")
    );
    assert_eq!(host.read("/tmp/started"), None, "nothing was started");
}

#[test]
fn what_another_user_may_not_see_is_unknown() {
    let Stage { host, project } = Stage::on("full2");
    let playbook = "[[steps]]\nname = \"who listens\"\nport = { ports = [80] }\n";
    let user = host.users.iter().find(|user| *user != "root").expect("the lab has another user").clone();
    let report = project.play(playbook, "full2", &format!("-u {user}")).exits(2);
    let eighty = found(report.step("full2", "who listens"), "80/tcp");
    assert_eq!(eighty["verdict"], "unknown", "{eighty}");
    assert!(eighty["seen"].as_str().unwrap().starts_with("a process that only root can see"), "{eighty}");
}
