//! Nobody is locked out: changes of sshd and firewall that would do it, on real hosts, and what becomes of them.

use crate::stage::{Host, Project, Stage};
use serde_json::Value;
use std::time::Duration;

/// Long enough for a loaded machine; nothing waits so long when all is well.
const SOON: Duration = Duration::from_secs(60);

/// A host with sshd and nftables as they came, whose sshd takes a while to start: what is armed stays so meanwhile.
fn stage(name: &str) -> Stage {
    Stage::on(name).with(
        "rm -rf /var/lib/windlass/armed /etc/ssh/sshd_config.d/00-windlass.conf /etc/systemd/system/ssh.service.d \
         /etc/windlass /etc/systemd/system/windlass-* /etc/systemd/system/*.wants/windlass-* && \
         for table in windlass e2e; do echo table inet $table; echo delete table inet $table; done | nft -f - && \
         systemctl daemon-reload && systemctl restart ssh",
    )
}

/// The files and the tables of nftables that a step may have changed.
fn state(host: &Host) -> String {
    files(host) + &host.must("nft list ruleset | sed '/counter/d'")
}

fn files(host: &Host) -> String {
    host.must(
        "cd /etc && find ssh windlass systemd -type f -o -type l | sort | while read -r path; do \
         stat -c '%n %a %u %g %F' $path; sha256sum $path; done",
    )
}

fn sshd(options: &str, more: &str) -> String {
    format!("[[steps]]\nname = \"sshd\"\n[steps.sshd]\noptions = {{ {options} }}\n{more}\n")
}

fn firewall(keys: &str) -> String {
    format!("[[steps]]\nname = \"firewall\"\n[steps.firewall]\n{keys}\n")
}

/// windlass can log in and work there.
#[track_caller]
fn lets_in(project: &Project, name: &str) {
    let finished = project.windlass(["run", "command", "--hosts", name, "--", "true"]);
    assert_eq!(finished.code, 0, "{finished:?}");
}

/// sshd takes three seconds to start, so that a test can do something meanwhile.
fn slow(host: &Host) {
    host.write("/etc/systemd/system/ssh.service.d/slow.conf", "[Service]\nExecStartPre=/bin/sleep 3\n");
    host.must("systemctl daemon-reload");
}

fn await_armed(host: &Host) {
    host.await_success(
        "test -n \"$(ls /var/lib/windlass/armed 2>/dev/null)\" && ! systemctl -q is-active ssh",
        SOON,
    );
}

/// Waits until nobody watches any more: then the change stays, or is taken back.
fn await_disarmed(host: &Host) {
    host.await_success(
        "test -z \"$(ls /var/lib/windlass/armed)\" && ! systemctl list-units | grep -q windlass-guard",
        SOON,
    );
    host.await_success("systemctl -q is-active ssh", SOON);
}

fn kill_agent(host: &Host) {
    host.must("grep -ho '\"agent\":[0-9]*' $(ls -t /var/lib/windlass/runs/*/journal | head -1) | tail -1 | cut -d: -f2 | xargs kill -KILL");
}

fn newest(project: &Project) -> String {
    project.export()["run"].as_str().expect("a run has a name").to_owned()
}

/// How the run before the newest one ended, once the newest has asked the host.
fn settled(project: &Project, run: &str) -> Value {
    let export = project.windlass(["runs", "export", run]).stdout;
    let export: Value = serde_json::from_str(&export).expect("an export is JSON");
    assert!(export["hosts"][0]["settled_by"].is_string(), "{export:#}");
    export
}

#[test]
fn an_sshd_that_lets_nobody_in_is_taken_back_to_the_byte() {
    let Stage { host, project } = stage("full1");
    host.write("/etc/ssh/sshd_config.d/00-windlass.conf", "# mine\nMaxAuthTries 5");
    host.must("chmod 0600 /etc/ssh/sshd_config.d/00-windlass.conf");
    let before = state(&host);

    let check = project.play(&sshd("AllowUsers = 'nobody'", ""), "full1", "--check").exits(0);
    assert!(check.step("full1", "sshd")["notes"].to_string().contains("would be armed"), "{check:#?}");
    let report = project.play(&sshd("AllowUsers = 'nobody'", ""), "full1", "").exits(2);

    assert!(
        report.failure("full1").contains("confirm the change over a new connection: log in"),
        "{report:#?}"
    );
    assert_eq!(state(&host), before);
    assert!(!host.must("sshd -T").contains("allowusers"));
    lets_in(&project, "full1");
    await_disarmed(&host);
}

#[test]
fn a_port_that_nobody_reaches_is_taken_back() {
    let Stage { host, project } = stage("full1");
    host.must("printf 'table inet e2e {\\n chain input {\\n type filter hook input priority 0; tcp dport 2222 drop\\n }\\n}\\n' | nft -f -");
    let before = state(&host);

    let report = project.play(&sshd("Port = '2222'", "within = '10s'"), "full1", "").exits(2);

    assert!(report.failure("full1").contains("port 2222"), "{}", report.failure("full1"));
    assert_eq!(state(&host), before);
    lets_in(&project, "full1");
    host.must("nft delete table inet e2e");
}

#[test]
fn a_port_that_is_reached_stays_and_goes_back_with_undo() {
    let Stage { host, project } = stage("full1");
    let before = state(&host);
    let moves = format!("{}{}", sshd("Port = '2222'", ""), firewall("allow = [80]"));
    let report = project.play(&moves, "full1", "").exits(0);
    assert_eq!(report.outcomes("full1"), ["changed", "changed"]);
    let run = newest(&project);
    assert!(host.must("nft list table inet windlass").contains("tcp dport 2222 accept"));

    let inventory = project.read("inventories/lab.toml");
    project.write("inventories/lab.toml", inventory.replace("[ssh]\n", "[ssh]\nport = 2222\n"));
    let again = project.play(&moves, "full1", "").exits(0);
    assert_eq!(again.outcomes("full1"), ["ok", "ok"], "{again:#?}");

    // The recorded inventory has the old port, so the new one is named.
    project.report(&format!("runs undo {run} -i inventories/lab.toml")).exits(0);
    assert_eq!(state(&host), before);
    project.write("inventories/lab.toml", inventory);
    lets_in(&project, "full1");
}

#[test]
fn a_firewall_that_cuts_the_connection_itself_is_taken_back() {
    let Stage { host, project } = stage("full1");
    // Packets that nobody tracks belong to no established connection.
    host.must("printf 'table inet e2e {\\n chain first {\\n type filter hook prerouting priority -400; tcp dport 22 notrack\\n }\\n}\\n' | nft -f -");
    let before = state(&host);

    let report =
        project.play(&firewall("allow = [80]\nkeep_ssh = false\nwithin = '12s'"), "full1", "").exits(2);

    assert!(report.failure("full1").contains("confirm the change over a new connection"), "{report:#?}");
    await_disarmed(&host);
    assert_eq!(state(&host), before);
    host.must("nft delete table inet e2e");
    lets_in(&project, "full1");
}

#[test]
fn what_was_confirmed_stays_after_its_time() {
    let Stage { host, project } = stage("full1");
    let before = state(&host);
    let both = format!(
        "{}{}",
        sshd("MaxAuthTries = '5'", "within = '6s'"),
        firewall("allow = [80, 443]\nwithin = '6s'")
    );

    let report = project.play(&both, "full1", "").exits(0);

    assert_eq!(report.outcomes("full1"), ["changed", "changed"]);
    let run = newest(&project);
    assert!(report.step("full1", "sshd")["notes"].to_string().contains("a new connection confirmed it"));
    await_disarmed(&host);
    assert!(host.must("sshd -T").contains("maxauthtries 5"));
    assert!(host.must("nft list table inet windlass").contains("tcp dport 443 accept"));
    assert!(host.must("nft list ruleset").contains("DOCKER"), "Docker's tables are its own");
    assert_eq!(project.play(&both, "full1", "").exits(0).outcomes("full1"), ["ok", "ok"]);
    assert_eq!(project.play(&both, "full1", "--check").exits(0).outcomes("full1"), ["ok", "ok"]);
    project.report(&format!("runs undo {run}")).exits(0);
    assert_eq!(state(&host), before);
}

#[test]
fn the_host_takes_it_back_when_the_agent_is_killed() {
    let Stage { host, project } = stage("full1");
    slow(&host);
    let before = state(&host);
    let run = project.start(&sshd("AllowUsers = 'nobody'", "within = '6s'"), "full1");
    await_armed(&host);
    kill_agent(&host);
    let report = run.end();
    assert_eq!(report.outcome("full1"), "unknown", "{report:#?}");
    let died = newest(&project);

    await_disarmed(&host);

    assert_eq!(state(&host), before);
    project.play(&sshd("MaxAuthTries = '5'", ""), "full1", "").exits(0);
    let settled = settled(&project, &died);
    assert_eq!(settled["hosts"][0]["outcome"], "failed", "{settled:#}");
    assert!(settled.to_string().contains("the host rolled the change back by itself"), "{settled:#}");
}

#[test]
fn the_next_run_takes_back_at_once_what_a_killed_one_left_armed() {
    let Stage { host, project } = stage("full1");
    slow(&host);
    let before = state(&host);
    let run = project.start(&sshd("MaxAuthTries = 3", "within = '600s'"), "full1");
    await_armed(&host);
    kill_agent(&host);
    run.end();
    let died = newest(&project);
    host.await_success("systemctl -q is-active ssh", SOON);

    project.play("[[steps]]\n[steps.debug]\nmessage = \"x\"\n", "full1", "").exits(0);

    await_disarmed(&host);
    assert_eq!(state(&host), before);
    assert_eq!(settled(&project, &died)["hosts"][0]["outcome"], "failed");
}

#[test]
fn the_agent_takes_it_back_when_the_controller_is_killed() {
    let Stage { host, project } = stage("full1");
    slow(&host);
    let before = state(&host);
    let run = project.start(&sshd("MaxAuthTries = 3", "within = '600s'"), "full1");
    await_armed(&host);
    run.kill();
    let died = newest(&project);

    await_disarmed(&host);

    assert_eq!(state(&host), before);
    project.play("[[steps]]\n[steps.debug]\nmessage = \"x\"\n", "full1", "").exits(0);
    let settled = settled(&project, &died);
    assert_eq!(settled["hosts"][0]["outcome"], "failed", "{settled:#}");
}

#[test]
fn an_interrupt_lets_the_armed_step_come_to_its_end() {
    let Stage { host, project } = stage("full1");
    slow(&host);
    let more = "[[steps]]\n[steps.file]\npath = \"/etc/ssh/e2e-never\"\n";
    let mut run = project.start(&format!("{}{more}", sshd("MaxAuthTries = 3", "")), "full1");
    await_armed(&host);
    run.interrupt();
    let report = run.end().exits(130);

    assert_eq!(report.outcome("full1"), "cancelled");
    assert_eq!(report.outcomes("full1"), ["changed"], "it was confirmed: {report:#?}");
    await_disarmed(&host);
    assert!(host.must("sshd -T").contains("maxauthtries 3"));
}

#[test]
fn a_boot_while_armed_takes_it_back() {
    let Stage { host, project } = stage("full2");
    slow(&host);
    let before = files(&host);
    let run = project.start(&sshd("AllowUsers = 'nobody'", "within = '600s'"), "full2");
    await_armed(&host);
    kill_agent(&host);
    run.end();
    let boot = host.must("cat /proc/sys/kernel/random/boot_id");
    host.sh("systemctl reboot");
    host.await_success(&format!("test \"$(cat /proc/sys/kernel/random/boot_id)\" != {boot}"), SOON);

    await_disarmed(&host);

    assert_eq!(files(&host), before, "dockerd makes its tables anew at each boot");
    lets_in(&project, "full2");
}

#[test]
fn a_host_without_an_agent_refuses_what_nothing_would_take_back() {
    let Stage { host: _host, project } = Stage::on("noexec1");
    let report = project.play(&sshd("MaxAuthTries = 3", ""), "noexec1", "").exits(2);
    assert!(
        report.failure("noexec1").contains("arm the change: the host is worked through its sh"),
        "{report:#?}"
    );
    assert!(report.failure("noexec1").contains("armed = false"), "{report:#?}");
}

/// A step that looks whether what came before the boot is still known, and a handler that was notified before it.
const BOOTS: &str = r#"
[[steps]]
name = "before"
register = "first"
notify = "owed"
[steps.file]
path = "/srv/e2e-boot"
content = "x"
[[steps]]
name = "boot"
[steps.reboot]
within = "90s"
[[steps]]
name = "after"
when = "first.changed"
[steps.line]
path = "/srv/e2e-boot"
line = "after"
[[handlers]]
name = "owed"
[handlers.command]
argv = ["touch", "/srv/e2e-owed"]
"#;

#[test]
fn a_run_goes_on_after_a_boot() {
    let Stage { host, project } = stage("full2");
    host.must("rm -f /srv/e2e-boot /srv/e2e-owed; echo restart required >/run/reboot-required");
    let boot = host.must("cat /proc/sys/kernel/random/boot_id");
    let check = project.play(BOOTS, "full2", "--check").exits(0);
    assert_eq!(check.step("full2", "boot")["outcome"], "would_change");

    let report = project.play(BOOTS, "full2", "").exits(0);

    assert_ne!(host.must("cat /proc/sys/kernel/random/boot_id"), boot);
    assert_eq!(report.outcome("full2"), "changed");
    assert_eq!(report.outcomes("full2"), ["changed"; 4], "{report:#?}");
    assert_eq!(host.read("/srv/e2e-boot").as_deref(), Some("x\nafter\n"));
    host.must("test -e /srv/e2e-owed");
    let again =
        project.play(&BOOTS.replace("content = \"x\"", "content = \"x\\nafter\\n\""), "full2", "").exits(0);
    assert_eq!(again.outcomes("full2"), ["ok", "ok", "skipped"], "no boot is needed any more: {again:#?}");

    host.must("rm -f /srv/e2e-boot /srv/e2e-owed");
}

#[test]
fn both_halves_of_a_run_are_undone() {
    let Stage { host, project } = stage("full2");
    host.must("printf old >/srv/e2e-boot; rm -f /srv/e2e-owed; echo restart required >/run/reboot-required");
    project.play(BOOTS, "full2", "").exits(0);

    // Files of both halves are as before; the command of the handler has no undo.
    let report = project.report("runs undo last").exits(2);
    assert_eq!(report.outcome("full2"), "partly_undone");
    assert!(report.failure("full2").contains("run touch /srv/e2e-owed: its step gives no undo"));

    assert_eq!(host.read("/srv/e2e-boot").as_deref(), Some("old"));
    host.must("rm -f /srv/e2e-boot /srv/e2e-owed");
}
