//! Several plays of one file on real hosts, with agents: what earlier plays gave, batches, groups, failures and undo.

use crate::stage::{Host, Lab, Project, Report};

/// A token from one host, then files of both hosts, one after the other, then one of them once more.
const SITE: &str = r#"
[[plays]]
name = "a token"
hosts = "small1"
[[plays.steps]]
name = "read it"
register = "made"
command = { shell = "echo token", read_only = true }
[[plays.steps]]
name = "name it"
set = { token = "{{ made.stdout }}-7" }

[[plays]]
name = "both"
hosts = "full3,small1"
serial = 1
[[plays.steps]]
name = "configure"
notify = "note"
file = { path = "/srv/e2e-plays", content = "{{ hosts['small1'].vars.token }} {{ hosts['small1'].vars.made.status }}\n" }
[[plays.handlers]]
name = "note"
file = { path = "/srv/e2e-plays-handled", content = "{{ inventory_hostname }}\n" }

[[plays]]
name = "once more"
hosts = "full3"
[[plays.steps]]
name = "last"
file = { path = "/srv/e2e-plays-last", content = "{{ hosts['small1'].vars.token }}\n" }
"#;

/// Hosts of the lab without files of these tests, and a project.
pub fn stage<const N: usize>(names: [&str; N]) -> ([Host; N], Project) {
    let lab = Lab::get();
    let hosts = lab.hosts(names);
    hosts.iter().for_each(|host| drop(host.must("rm -rf /srv/e2e-*")));
    (hosts, Project::new(&lab))
}

/// Runs `playbooks/it.toml` on the hosts that its plays name.
pub fn run(project: &Project, playbook: &str, options: &str) -> Report {
    project.write("playbooks/it.toml", playbook);
    project.report(&format!("run playbook it {options}"))
}

/// What these tests have left on a host.
pub fn left(host: &Host) -> String {
    host.must("cd /srv && ls -d e2e-* 2>/dev/null || true")
}

/// The places of the events of a kind among all, for each with its host.
fn order<'a>(report: &'a Report, event: &str) -> Vec<(&'a str, usize)> {
    let all = report.events.iter().enumerate().filter(|(_, report)| report["event"] == event);
    all.map(|(at, event)| (event["host"].as_str().unwrap_or_default(), at)).collect()
}

/// The place of the first event of a kind that is about this host.
fn place(report: &Report, event: &str, host: &str) -> usize {
    let found = order(report, event).into_iter().find(|(name, _)| *name == host);
    found.unwrap_or_else(|| panic!("no {event} of {host}: {report:#?}")).1
}

#[test]
fn plays_are_checked_applied_and_undone_as_one_run() {
    let (hosts, project) = stage(["full3", "small1"]);
    let checked = run(&project, SITE, "--check").exits(0);
    assert_eq!(["full3", "small1"].map(|host| checked.outcome(host)), ["changed", "changed"]);
    assert_eq!([left(&hosts[0]), left(&hosts[1])], ["", ""]);

    let applied = run(&project, SITE, "").exits(0);
    assert_eq!(["full3", "small1"].map(|host| applied.system(host)), ["agent", "agent"]);
    assert_eq!(["full3", "small1"].map(|host| applied.outcome(host)), ["changed", "changed"]);
    assert_eq!(hosts.each_ref().map(|host| host.must("cat /srv/e2e-plays")), ["token-7 0", "token-7 0"]);
    assert_eq!(hosts[1].must("cat /srv/e2e-plays-handled"), "small1");
    assert_eq!(hosts[0].must("cat /srv/e2e-plays-last"), "token-7");
    // One login for each host, and with `serial` the second one waits for the first.
    assert_eq!(order(&applied, "hello").len(), 2, "{applied:#?}");
    let configured = |host: &str| {
        let is_it = |event: &serde_json::Value| event["host"] == host && event["name"] == "configure";
        applied.events.iter().position(is_it).expect("it is configured")
    };
    assert!(configured("full3") < configured("small1"), "{applied:#?}");

    let again = run(&project, SITE, "").exits(0);
    assert_eq!(["full3", "small1"].map(|host| again.outcome(host)), ["ok", "ok"]);

    let undone = project.report(&format!("runs undo {}", applied.run())).exits(0);
    assert_eq!(["full3", "small1"].map(|host| undone.outcome(host)), ["undone", "undone"]);
    assert!(place(&undone, "host_ended", "full3") < place(&undone, "hello", "small1"), "{undone:#?}");
    assert_eq!([left(&hosts[0]), left(&hosts[1])], ["", ""]);
}

#[test]
fn a_failure_in_a_play_ends_those_after_it() {
    let (hosts, project) = stage(["full3", "small1"]);
    let report = run(&project, &SITE.replace("echo token", "exit 3"), "").exits(2);
    assert_eq!(report.outcome("small1"), "failed");
    assert_eq!(report.outcome("full3"), "cancelled");
    assert!(report.failure("full3").contains("1 host failed before"), "{}", report.failure("full3"));
    assert!(order(&report, "hello").iter().all(|(host, _)| *host == "small1"), "{report:#?}");
    assert_eq!([left(&hosts[0]), left(&hosts[1])], ["", ""]);
}

#[test]
fn a_host_that_waits_is_not_started_again_after_a_failure() {
    let (hosts, project) = stage(["full3", "small1"]);
    let playbook = r#"
[[plays]]
hosts = "full3"
[[plays.steps]]
file = { path = "/srv/e2e-first", content = "1" }
[[plays]]
hosts = "small1"
[[plays.steps]]
command = { argv = ["false"] }
[[plays]]
name = "last"
hosts = "full3"
[[plays.steps]]
file = { path = "/srv/e2e-last", content = "1" }
"#;
    let report = run(&project, playbook, "").exits(2);
    assert_eq!(["full3", "small1"].map(|host| report.outcome(host)), ["cancelled", "failed"]);
    assert!(report.failure("full3").contains("last: not started"), "{}", report.failure("full3"));
    assert_eq!(left(&hosts[0]), "e2e-first");
    // What it had changed is undone by the run's name, and its lock is free. Nothing undoes the command that failed.
    let undone = project.report(&format!("runs undo {}", report.run())).exits(2);
    assert_eq!(undone.outcome("full3"), "undone");
    assert_eq!(left(&hosts[0]), "");

    let undoing = run(&project, &format!("on_failure = \"undo\"\n{playbook}"), "").exits(2);
    assert_eq!(undoing.outcome("full3"), "undone", "{undoing:#?}");
    assert_eq!(left(&hosts[0]), "");
}

#[test]
fn an_interrupt_ends_hosts_that_wait_for_their_next_play() {
    let (hosts, project) = stage(["full3", "small1"]);
    let playbook = r#"
[[plays]]
hosts = "full3"
[[plays.steps]]
name = "first"
file = { path = "/srv/e2e-first", content = "1" }
[[plays]]
hosts = "small1"
[[plays.steps]]
name = "wait"
command = { shell = "touch /srv/e2e-waits; sleep 2" }
[[plays]]
hosts = "full3"
[[plays.steps]]
file = { path = "/srv/e2e-last", content = "1" }
"#;
    project.write("playbooks/it.toml", playbook);
    let mut running = project.start(playbook, "full3,small1");
    hosts[1].await_success("test -e /srv/e2e-waits", std::time::Duration::from_secs(60));
    running.interrupt();
    let report = running.end();
    assert_eq!(report.outcome("full3"), "cancelled", "{report:#?}");
    assert_eq!(left(&hosts[0]), "e2e-first");
    let undone = project.report(&format!("runs undo {} --hosts full3 --wait 0s", report.run())).exits(0);
    assert_eq!(undone.outcome("full3"), "undone");
    hosts.iter().for_each(|host| drop(host.must("rm -rf /srv/e2e-*")));
}

#[test]
fn what_one_host_sets_for_all_is_set_on_all_of_its_play() {
    let (hosts, project) = stage(["full3", "small1"]);
    let playbook = r#"
[[plays]]
hosts = "full3,small1"
[[plays.steps]]
run_once = true
register = "made"
command = { argv = ["cat", "/proc/sys/kernel/random/uuid"] }
[[plays.steps]]
run_once = true
set = { token = "{{ made.stdout }}", from = "{{ inventory_hostname }}" }
[[plays]]
hosts = "small1,full3"
[[plays.steps]]
run_once = true
set = { last = "{{ inventory_hostname }}" }
[[plays.steps]]
name = "write"
file = { path = "/srv/e2e-once", content = "{{ token }} {{ from }} {{ last }}\n" }
"#;
    let report = run(&project, playbook, "").exits(0);
    assert_eq!(["full3", "small1"].map(|host| report.system(host)), ["agent", "agent"]);
    let [one, other] = hosts.each_ref().map(|host| host.must("cat /srv/e2e-once"));
    assert_eq!(one, other);
    assert!(one.len() > 40 && one.ends_with(" full3 small1"), "{one}");
    let undone = project.report(&format!("runs undo {}", report.run()));
    assert_eq!([left(&hosts[0]), left(&hosts[1])], ["", ""], "{undone:#?}");
}

#[test]
fn plays_are_on_groups_that_facts_make() {
    let (hosts, project) = stage(["full3", "small1"]);
    let playbook = r#"
[[plays]]
hosts = "full3,small1"
[[plays.steps]]
group_by = { key = "systemd_{{ facts.systemd }}" }
[[plays.steps]]
set = { seen = "{{ inventory_hostname }}" }
[[plays]]
hosts = "systemd_True"
[[plays.steps]]
file = { path = "/srv/e2e-with", content = "{{ groups['systemd_False'] | join(',') }} {{ hosts['small1'].vars.seen }}\n" }
[[plays]]
hosts = "systemd_False"
[[plays.steps]]
file = { path = "/srv/e2e-without", content = "{{ groups['systemd_True'] | join(',') }} {{ hosts['full3'].vars.seen }}\n" }
[[plays]]
name = "no one"
hosts = "systemd_None"
[[plays.steps]]
file = { path = "/srv/e2e-none", content = "x" }
"#;
    let report = run(&project, playbook, "").exits(0);
    assert_eq!(hosts[0].must("cat /srv/e2e-with"), "small1 small1");
    assert_eq!(hosts[1].must("cat /srv/e2e-without"), "full3 full3");
    assert_eq!([left(&hosts[0]), left(&hosts[1])], ["e2e-with", "e2e-without"]);
    let notes = report.events.iter().filter(|event| event["event"] == "note").map(|event| event.to_string());
    assert!(notes.collect::<String>().contains("`no one` is not run"), "{report:#?}");
    let again = run(&project, playbook, "").exits(0);
    assert_eq!(["full3", "small1"].map(|host| again.outcome(host)), ["ok", "ok"]);
    project.report(&format!("runs undo {}", report.run())).exits(0);
    assert_eq!([left(&hosts[0]), left(&hosts[1])], ["", ""]);
}

#[test]
fn a_host_without_an_agent_takes_part_in_plays() {
    let (hosts, project) = stage(["small1", "noexec1"]);
    let playbook = r#"
[[plays]]
hosts = "noexec1"
[[plays.steps]]
set = { token = "{{ inventory_hostname }}" }
[[plays]]
hosts = "small1"
[[plays.steps]]
file = { path = "/srv/e2e-plays", content = "{{ hosts['noexec1'].vars.token }}\n" }
[[plays.steps]]
set = { answer = "{{ hosts['noexec1'].vars.token }}!" }
[[plays]]
hosts = "noexec1"
[[plays.steps]]
file = { path = "/srv/e2e-plays", content = "{{ hosts['small1'].vars.answer }}\n" }
"#;
    let report = run(&project, playbook, "").exits(0);
    assert_eq!(["small1", "noexec1"].map(|host| report.system(host)), ["agent", "sh"]);
    assert_eq!(hosts.each_ref().map(|host| host.must("cat /srv/e2e-plays")), ["noexec1", "noexec1!"]);
    project.report(&format!("runs undo {}", report.run())).exits(0);
    assert_eq!([left(&hosts[0]), left(&hosts[1])], ["", ""]);
}

#[test]
fn an_include_is_done_for_each_element_on_each_host() {
    let (hosts, project) = stage(["full3", "small1"]);
    project.write(
        "playbooks/app.toml",
        r#"
[params.app]
required = true
[[steps]]
name = "directory"
directory = { path = "/srv/e2e-{{ app }}" }
[[steps]]
name = "configure"
notify = "reload"
file = { path = "/srv/e2e-{{ app }}/conf", content = "{{ app }}\n" }
[[handlers]]
name = "reload"
file = { path = "/srv/e2e-{{ app }}/reloaded", content = "{{ app }}\n" }
"#,
    );
    let playbook = r#"
hosts = "full3,small1"
[[steps]]
include = "app.toml"
loop = "{{ ['shop', 'blog'] if inventory_hostname == 'full3' else ['shop'] }}"
vars = { app = "{{ item }}" }
"#;
    run(&project, playbook, "--check").exits(0);
    assert_eq!([left(&hosts[0]), left(&hosts[1])], ["", ""]);
    let applied = run(&project, playbook, "").exits(0);
    assert_eq!(["full3", "small1"].map(|host| applied.system(host)), ["agent", "agent"]);
    let look = "cd /srv && find e2e-* -type f | sort";
    let files = "e2e-shop/conf\ne2e-shop/reloaded";
    assert_eq!(hosts[0].must(look), format!("e2e-blog/conf\ne2e-blog/reloaded\n{files}"));
    assert_eq!(hosts[1].must(look), files);
    let again = run(&project, playbook, "").exits(0);
    assert_eq!(["full3", "small1"].map(|host| again.outcome(host)), ["ok", "ok"]);
    project.report(&format!("runs undo {}", applied.run())).exits(0);
    assert_eq!([left(&hosts[0]), left(&hosts[1])], ["", ""]);
}
