//! Incident 1, whole, on hosts with a nested Docker whose containers cannot resolve names.

use crate::stage::{Host, Lab, Project};

const CONFIG: &str = "/etc/docker/daemon.json";

/// In a container that is started for it.
const RESOLVE: &str = "docker run --rm lab/busybox timeout 5 nslookup redis.lab.test";

/// Each host's own resolver, which its containers can reach, is a variable of that host.
fn project(lab: &Lab, hosts: &[&Host]) -> Project {
    let project = Project::new(lab);
    let mut inventory = project.read("inventories/lab.toml");
    for Host { address, .. } in hosts {
        let with_resolvers = format!("address = \"{address}\"\nvars = {{ resolvers = [\"{address}\"] }}");
        inventory = inventory.replace(&format!("address = \"{address}\""), &with_resolvers);
    }
    project.write("inventories/lab.toml", &inventory);
    project
}

/// dockerd as it came; systemd forgets how often it was restarted lately.
fn reset(host: &Host) {
    host.must("systemctl reset-failed docker; systemctl is-active docker || systemctl start docker");
    host.reset_docker();
}

/// With a configuration that was there before; put away by the next `reset`.
fn configured(host: &Host, config: &str) {
    reset(host);
    host.write(CONFIG, config);
    host.must("systemctl restart docker && docker start app && systemctl reset-failed docker");
    host.await_app();
}

fn dockerd(host: &Host) -> String {
    host.must("systemctl show --property MainPID docker")
}

#[track_caller]
fn app_runs(host: &Host) {
    assert_eq!(host.must("docker inspect --format '{{.State.Running}}' app"), "true");
}

#[test]
fn containers_resolve_names_again() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full1", "full2"]);
    let project = project(&lab, &[&hosts[0], &hosts[1]]);
    for host in &hosts {
        reset(host);
        assert_ne!(host.sh(RESOLVE).code, 0, "the incident is there");
    }
    let before = [dockerd(&hosts[0]), dockerd(&hosts[1])];

    let check = project.report("run playbook fix-dns --hosts full --check").exits(0);
    for (host, pid) in hosts.iter().zip(&before) {
        assert_eq!((host.read(CONFIG), &dockerd(host)), (None, pid), "--check changes nothing");
    }

    let apply = project.report("run playbook fix-dns --hosts full").exits(0);
    for host in &hosts {
        assert_eq!(apply.outcome(&host.name), "changed");
        assert!(host.must(RESOLVE).contains("192.0.2.10"));
        app_runs(host);
        as_predicted(&check.steps(&host.name), &apply.steps(&host.name));
    }

    let running = [dockerd(&hosts[0]), dockerd(&hosts[1])];
    let again = project.report("run playbook fix-dns --hosts full").exits(0);
    for (host, pid) in hosts.iter().zip(&running) {
        assert_eq!((again.outcome(&host.name), &dockerd(host)), ("ok", pid));
        reset(host);
    }
}

/// What `--check` says of a step is what happens, where it does not say `unknown`.
#[track_caller]
fn as_predicted(predicted: &[(&str, &str)], applied: &[(&str, &str)]) {
    assert!(predicted.iter().any(|(_, outcome)| *outcome == "would_change"), "{predicted:?}");
    assert_eq!(predicted.len(), applied.len(), "{predicted:?} {applied:?}");
    for ((name, predicted), (applied_name, applied)) in predicted.iter().zip(applied) {
        let expected = if *predicted == "would_change" { "changed" } else { predicted };
        assert_eq!(name, applied_name);
        assert!(*predicted == "unknown" || expected == *applied, "{name}: {predicted}, then {applied}");
    }
}

#[test]
fn an_existing_configuration_keeps_its_bytes() {
    let lab = Lab::get();
    let host = lab.host("full1");
    let before = "{ \"log-opts\" : {\"max-size\":\"10m\"},\n\t\"log-driver\":   \"json-file\"\n}\n";
    configured(&host, before);

    let report = project(&lab, &[&host]).report("run playbook fix-dns --hosts full1").exits(0);

    assert_eq!(report.outcome("full1"), "changed");
    let after = host.read(CONFIG).expect("it is still there");
    expect_test::expect![[r#"
        { "log-opts" : {"max-size":"10m"},
        	"log-driver":   "json-file",
        	"dns" : ["RESOLVER"]
        }
    "#]]
    .assert_eq(&after.replace(&host.address, "RESOLVER"));
    app_runs(&host);
    reset(&host);
}

#[test]
fn invalid_json_fails_that_host_and_stays() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full1", "full2"]);
    let broken = "{\n  \"log-driver\": \"json-file\"\n  \"debug\": true\n}\n";
    hosts.iter().for_each(reset);
    hosts[0].write(CONFIG, broken);

    let report = project(&lab, &[&hosts[0], &hosts[1]]).report("run playbook fix-dns --hosts full").exits(2);

    let failure = report.failure("full1");
    assert!(
        failure.contains(CONFIG) && failure.contains("2 |   \"log-driver\": \"json-file\"\n"),
        "{failure}"
    );
    assert_eq!(hosts[0].read(CONFIG).as_deref(), Some(broken));
    assert_eq!(report.outcome("full2"), "changed");
    assert!(hosts[1].must(RESOLVE).contains("192.0.2.10"));
    hosts.iter().for_each(reset);
}

#[test]
fn a_resolver_on_loopback_is_refused() {
    let lab = Lab::get();
    let host = lab.host("full2");
    reset(&host);
    for resolver in ["127.0.0.53", "::1"] {
        let line = format!("run playbook fix-dns --hosts full2 -e resolvers=[\"8.8.8.8\",\"{resolver}\"]");
        let report = Project::new(&lab).report(&line).exits(2);

        let failure = report.failure("full2");
        assert!(failure.contains("a loopback address such as 127.0.0.53 is the host's own"), "{failure}");
        assert_eq!(host.read(CONFIG), None);
    }
}

#[test]
fn a_configuration_that_dockerd_refuses_is_taken_back() {
    let lab = Lab::get();
    let host = lab.host("full1");
    let before = "{\"log-driver\": \"json-file\"}";
    configured(&host, before);

    let report = Project::new(&lab)
        .report("run playbook fix-dns --hosts full1 -e resolvers=[\"not-an-address\"]")
        .exits(2);

    assert_eq!(report.outcome("full1"), "undone", "{report:#?}");
    assert!(report.failure("full1").contains("not-an-address"), "{}", report.failure("full1"));
    assert_eq!(host.read(CONFIG).as_deref(), Some(before));
    app_runs(&host);
    reset(&host);
}

/// The flag and the key contradict each other only where dockerd is started: `dockerd --validate` sees the file alone.
#[test]
fn a_dockerd_that_does_not_come_back_gets_its_old_configuration() {
    let lab = Lab::get();
    let host = lab.host("full2");
    let before = "{\"log-driver\": \"json-file\"}";
    let flag = "/etc/systemd/system/docker.service.d/flag.conf";
    reset(&host);
    let start = host.must("systemctl cat docker | grep ^ExecStart=/ | tail -n 1");
    host.write(flag, format!("[Service]\nExecStart=\n{start} --dns 9.9.9.9\n"));
    host.must("systemctl daemon-reload");
    configured(&host, before);

    let report = project(&lab, &[&host]).report("run playbook fix-dns --hosts full2");
    let (after, active) = (host.read(CONFIG), host.sh("systemctl is-active docker"));
    host.must(&format!("rm {flag}; systemctl daemon-reload"));

    assert_eq!((report.code, report.outcome("full2")), (2, "undone"), "{report:#?}");
    assert_eq!((after.as_deref(), active.stdout.trim()), (Some(before), "active"));
    app_runs(&host);
    reset(&host);
}

#[test]
fn with_live_restore_containers_go_on_running() {
    let lab = Lab::get();
    let host = lab.host("full1");
    reset(&host);
    let app = "docker inspect --format '{{.State.Pid}} {{.State.StartedAt}}' app";
    let (before, pid) = (host.must(app), dockerd(&host));

    let report =
        project(&lab, &[&host]).report("run playbook fix-dns --hosts full1 -e live_restore=true").exits(0);

    assert_eq!(report.outcome("full1"), "changed");
    assert_eq!(host.must(app), before, "the container's process is the same");
    assert_ne!(dockerd(&host), pid, "dockerd's is not");
    assert!(host.must(RESOLVE).contains("192.0.2.10"));
    reset(&host);
}

#[test]
fn hosts_without_docker_are_left_alone() {
    let lab = Lab::get();
    let hosts = lab.hosts(["small1", "noexec1"]);
    let report = Project::new(&lab).report("run playbook fix-dns --hosts minimal").exits(0);
    for host in &hosts {
        assert_eq!(report.outcome(&host.name), "ok");
        assert_eq!(report.outcomes(&host.name), ["ok", "skipped", "skipped", "skipped"]);
        assert_eq!(host.read(CONFIG), None);
    }
}
