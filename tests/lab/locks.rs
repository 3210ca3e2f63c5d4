//! Who holds a host's lock: what a killed run leaves behind, and how a lock is looked at and broken.

use crate::stage::project::Finished;
use crate::stage::report::Running;
use crate::stage::{Host, Project, Report, Stage};
use std::time::Duration;

/// Long enough for a loaded machine; nothing waits so long when all is well.
const SOON: Duration = Duration::from_secs(60);

/// A host that has an agent, and one that is worked through its sh.
const HOSTS: [&str; 2] = ["full3", "noexec1"];

/// A command that says which process it is, and goes on until the test opens its gate, or for a good minute.
const GATED: &str = "[[steps]]\nname = \"gate\"\n[steps.command]\n\
    shell = \"echo $$ >>/srv/e2e/pids; for n in $(seq 1000); do [ ! -e /srv/e2e/open ] || break; sleep 0.0931; done; touch /srv/e2e/through\"\n\
    creates = \"/srv/e2e/through\"\n";

/// Sends a signal to the process that holds the host's lock.
fn signal_holder(host: &Host, signal: &str) {
    host.must(&format!("kill -{signal} $(sed -n '2s/ .*//p' /var/lib/windlass/lock)"));
}

/// Starts the command, and waits until it runs for the `count`th time.
fn started(project: &Project, host: &Host, count: usize) -> Running {
    let run = project.start(GATED, &host.name);
    host.await_success(&format!("[ $(grep -c . /srv/e2e/pids) -ge {count} ]"), SOON);
    run
}

fn stage(name: &str) -> Stage {
    Stage::on(name).with("rm -rf /srv/e2e && mkdir -p /srv/e2e && : >/srv/e2e/pids")
}

fn unlock(project: &Project, host: &Host, more: &str) -> Finished {
    project.windlass(format!("runs unlock {} {more}", host.name).split_whitespace())
}

fn finish(host: &Host, run: Running) -> Report {
    host.must("touch /srv/e2e/open");
    run.end()
}

#[test]
fn what_a_killed_run_was_doing_is_ended_before_the_next_run_starts_it() {
    for name in HOSTS {
        let Stage { host, project } = stage(name);
        let first = started(&project, &host, 1);
        signal_holder(&host, "KILL");
        let second = started(&project, &host, 2);
        host.must("! kill -0 $(head -1 /srv/e2e/pids) 2>/dev/null");

        assert_eq!(first.end().outcome(name), "unknown", "{name}");
        let report = finish(&host, second).exits(0);
        let says = report.events.iter().any(|event| event.to_string().contains("was cut off here"));
        assert!(says, "{name}: {report:#?}");
        assert_eq!(host.must("grep -c . /srv/e2e/pids"), "2", "{name}");
    }
}

#[test]
fn a_command_that_ended_leaves_its_daemons_alone() {
    let daemon = "[[steps]]\n[steps.command]\nshell = \"sleep 300.0931 </dev/null >/dev/null 2>&1 & echo $! >>/srv/e2e/pids\"\n";
    for name in HOSTS {
        let Stage { host, project } = stage(name);
        project.play(daemon, name, "").exits(0);
        host.must("kill $(cat /srv/e2e/pids)");
        assert!(unlock(&project, &host, "").stdout.contains("free: no process holds it"), "{name}");
    }
}

#[test]
fn a_holder_that_works_is_named_and_ended_only_by_force() {
    for name in HOSTS {
        let Stage { host, project } = stage(name);
        let run = started(&project, &host, 1);
        let refused = unlock(&project, &host, "");
        assert_eq!(refused.code, 2, "{name}: {refused:#?}");
        assert!(refused.stdout.contains("holds it and works"), "{name}: {refused:#?}");
        let shown = unlock(&project, &host, "--force --check");
        assert!(shown.code == 0 && shown.stdout.contains("it would be ended"), "{name}: {shown:#?}");
        let broken = unlock(&project, &host, "--force");
        assert!(broken.code == 0 && broken.stdout.contains("and was ended"), "{name}: {broken:#?}");
        host.must("! kill -0 $(head -1 /srv/e2e/pids) 2>/dev/null");
        assert_eq!(run.end().outcome(name), "unknown", "{name}");
    }
}

#[test]
fn the_lock_of_a_suspended_run_is_broken_and_what_it_was_doing_is_ended() {
    for name in HOSTS {
        let Stage { host, project } = stage(name);
        let run = started(&project, &host, 1);
        signal_holder(&host, "STOP");
        let broken = unlock(&project, &host, "");
        assert!(
            broken.code == 0 && broken.stdout.contains("is suspended, and was ended"),
            "{name}: {broken:#?}"
        );
        host.must("! kill -0 $(head -1 /srv/e2e/pids) 2>/dev/null");
        assert_eq!(run.end().outcome(name), "unknown", "{name}");
        host.must("touch /srv/e2e/open");
        project.play(GATED, name, "--wait 0").exits(0);
    }
}
