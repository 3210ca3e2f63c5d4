//! `on` on real hosts: with agents and through sh, what is locked and undone where, and what becomes of a step whose host
//! is killed in the middle of it.

use crate::plays::{left, run, stage};

/// Each host is taken out of a pool on full3, changed, and put back.
const ROLL: &str = r#"
hosts = "noexec1,small1"
serial = 1
[[steps]]
name = "version"
register = "version"
command = { shell = "echo of-{{ inventory_hostname }}", read_only = true }
[[steps]]
name = "out"
on = "full3"
file = { path = "/srv/e2e-pool-{{ inventory_hostname }}", content = "{{ version.stdout }} {{ facts.arch }}\n" }
[[steps]]
name = "change"
file = { path = "/srv/e2e-changed", content = "1\n" }
[[steps]]
name = "in"
on = "full3"
command = { shell = "echo {{ inventory_hostname }} >>/srv/e2e-order", undo = "rm -f /srv/e2e-order" }
"#;

const HOSTS: [&str; 3] = ["full3", "small1", "noexec1"];

#[test]
fn steps_run_there_in_turn_and_are_undone_there() {
    let (hosts, project) = stage(HOSTS);
    let checked = run(&project, ROLL, "--check").exits(0);
    assert_eq!(checked.outcome("full3"), "changed", "{checked:#?}");
    assert_eq!(hosts.each_ref().map(left), ["", "", ""]);

    let applied = run(&project, ROLL, "").exits(0);
    assert_eq!(["full3", "small1", "noexec1"].map(|host| applied.outcome(host)), ["changed"; 3]);
    assert_eq!(["full3", "noexec1"].map(|host| applied.system(host)), ["agent", "sh"]);
    assert_eq!(hosts[0].must("cat /srv/e2e-order"), "noexec1\nsmall1");
    let arch = hosts[1].must("uname -m");
    assert_eq!(hosts[0].must("cat /srv/e2e-pool-small1"), format!("of-small1 {arch}"));
    assert_eq!(applied.step("full3", "out (for noexec1)")["outcome"], "changed");

    let undone = project.report(&format!("runs undo {}", applied.run())).exits(0);
    assert_eq!(["full3", "small1", "noexec1"].map(|host| undone.outcome(host)), ["undone"; 3], "{undone:#?}");
    assert_eq!(hosts.each_ref().map(left), ["", "", ""]);
}

#[test]
fn a_host_that_is_worked_through_its_sh_runs_them_too() {
    let (hosts, project) = stage(HOSTS);
    let playbook =
        ROLL.replace("\"noexec1,small1\"", "\"full3,small1\"").replace("on = \"full3\"", "on = \"noexec1\"");
    let applied = run(&project, &playbook, "").exits(0);
    assert_eq!(["noexec1", "full3"].map(|host| applied.system(host)), ["sh", "agent"]);
    assert_eq!(hosts[2].must("cat /srv/e2e-order"), "full3\nsmall1");
    project.report(&format!("runs undo {}", applied.run())).exits(0);
    assert_eq!(hosts.each_ref().map(left), ["", "", ""]);
}

#[test]
fn a_host_that_is_killed_meanwhile_fails_the_steps_that_it_runs_for_others() {
    let (hosts, project) = stage(HOSTS);
    let playbook = r#"
hosts = "small1"
[[steps]]
block = [
  { on = "full3", name = "ends its agent", command = { shell = "kill -9 $PPID; sleep 2; touch /srv/e2e-ran-on" } },
]
rescue = [{ name = "rescued", file = { path = "/srv/e2e-rescued", content = "1" } }]
"#;
    let report = run(&project, playbook, "");
    assert_eq!(report.outcome("full3"), "unknown", "{report:#?}");
    assert_eq!(report.outcome("small1"), "changed", "it was rescued: {report:#?}");
    assert_eq!(left(&hosts[1]), "e2e-rescued");
    // The next run settles what the host's journal says, and what ran on is ended or waited for.
    let again =
        run(&project, "hosts = \"full3\"\n[[steps]]\ncommand = { argv = [\"true\"] }\n", "--wait 60s")
            .exits(0);
    assert_eq!(again.outcome("full3"), "changed");
    hosts.iter().for_each(|host| drop(host.must("rm -rf /srv/e2e-*")));
}

/// The first host of the play is where the others meet: it is at its own step for a while, and goes on once they are past theirs.
const MEET: &str = r#"
hosts = "full3,small1,noexec1"
[[steps]]
name = "prepare"
when = "inventory_hostname == where"
command = { shell = "sleep 1; echo t-7 >/srv/e2e-token" }
[[steps]]
name = "join"
on = "{{ where }}"
register = "token"
command = { shell = "cat /srv/e2e-token; sleep 0.2; echo {{ inventory_hostname }} >>/srv/e2e-members", undo = "rm -f /srv/e2e-members" }
[[steps]]
name = "joined"
file = { path = "/srv/e2e-joined", content = "{{ token.stdout | default('?') }}\n" }
[[steps]]
name = "count"
when = "inventory_hostname == where"
register = "members"
command = { shell = "sort /srv/e2e-members | paste -sd ' '", read_only = true }
[[steps]]
name = "all are here"
when = "inventory_hostname == where"
assert = { that = "members.stdout | trim == 'full3 noexec1 small1'" }
"#;

#[test]
fn hosts_of_one_play_run_steps_for_each_other_with_agents_and_through_sh() {
    let (hosts, project) = stage(HOSTS);
    for (at, options) in [("full3", ""), ("noexec1", ""), ("noexec1", "-f 1")] {
        let report = run(&project, MEET, &format!("-e where={at} {options}")).exits(0);
        assert_eq!(HOSTS.map(|host| report.outcome(host)), ["changed"; 3], "{at}: {report:#?}");
        hosts.iter().for_each(|host| assert_eq!(host.must("cat /srv/e2e-joined"), "t-7", "{at}"));
        assert_eq!(report.step(at, "join (for small1)")["outcome"], "changed");
        let undone = project.report(&format!("runs undo {}", report.run()));
        assert!(!HOSTS.map(|host| undone.outcome(host)).contains(&"failed"), "{undone:#?}");
        hosts.iter().for_each(|host| drop(host.must("rm -rf /srv/e2e-*")));
    }
}
