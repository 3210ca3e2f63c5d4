//! Incident 11, whole: what a provider hands out becomes a host that can be worked with, ten of them in one run.

use crate::stage::{Finished, Fresh, Host, Lab, Project, Report};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// As many as the issue of a busy Monday has.
const HOSTS: usize = 10;

/// So many of them get Docker, one with a password and one with a key at least: it is most of the work, and the same
/// on every host.
const WITH_DOCKER: usize = 2;

/// The fresh image's, as the provider's mail gives it.
const ROOT_PASSWORD: &str = "lab-root";

/// The bound for all of them together, on two cores that are busy with other tests.
const PATIENCE: Duration = Duration::from_secs(900);

/// A project for fresh hosts. The odd ones let root in by password only, the others by key only.
fn project(lab: &Lab, fresh: &Fresh, hosts: &[Host]) -> Project {
    let project = Project::without_inventory();
    project.write("root-password", format!("{ROOT_PASSWORD}\n"));
    let password = project.path().join("root-password");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&password, private).expect("the file is ours");
    let mut inventory = format!(
        "[ssh]\nuser = [\"deploy\", \"root\"]\nbecome = true\nidentity = \"{}\"\nknown_hosts = \"{}\"\n",
        lab.identity().display(),
        fresh.lab.known_hosts().display()
    );
    for (index, host) in hosts.iter().enumerate() {
        let name = &host.name;
        writeln!(inventory, "[hosts.{name}]\naddress = \"{}\"", host.address).unwrap();
        writeln!(inventory, "vars = {{ hostname = \"vps-{name}\", docker = {} }}", index < WITH_DOCKER)
            .unwrap();
        if index % 2 == 0 {
            host.must("rm /root/.ssh/authorized_keys");
            writeln!(inventory, "ssh = {{ password_from = \"file:{}\" }}", password.display()).unwrap();
        } else {
            host.must("passwd --delete root && passwd --lock root");
        }
    }
    project.write("inventories/fresh.toml", inventory);
    let key = std::fs::read_to_string(lab.identity().with_extension("pub")).expect("the lab has a key");
    let key = key.trim();
    let params = format!(
        "keys = ['{key}']\nmonitor_keys = ['{key}']\nmonitor_commands = ['/usr/bin/journalctl -n *']\ntimezone = 'Europe/Berlin'\n"
    );
    project.write("params.toml", params);
    project
}

const RUN: &str = "run playbook provision --hosts fresh -e @params.toml";

#[test]
fn ten_fresh_hosts_are_provisioned_in_one_run() {
    let lab = Lab::get();
    let fresh = lab.fresh(HOSTS);
    let hosts = fresh.hosts();
    let project = project(&lab, &fresh, &hosts);

    let check = project.report(&format!("{RUN} --check --limit fresh1,fresh2")).exits(0);
    assert_eq!(hosts[0].sh("id deploy").code, 1, "--check changes nothing");

    let started = Instant::now();
    let apply = project.report(RUN).exits(0);
    let took = started.elapsed();
    println!("{HOSTS} hosts were provisioned in {:.1} s", took.as_secs_f64());
    assert!(took < PATIENCE, "it took {took:?}");
    for host in &hosts {
        assert_eq!(apply.outcome(&host.name), "changed");
        is_provisioned(&lab, &fresh, host);
    }
    hosts[..WITH_DOCKER].iter().for_each(has_docker);
    assert_ne!(hosts[WITH_DOCKER].sh("command -v dockerd").code, 0, "no Docker where none is wanted");
    as_predicted(&check, &apply, "fresh1");
    as_predicted(&check, &apply, "fresh2");

    let again = project.report(RUN).exits(0);
    for host in &hosts {
        assert_eq!(again.outcome(&host.name), "ok", "{:?}", again.steps(&host.name));
    }
}

#[track_caller]
fn is_provisioned(lab: &Lab, fresh: &Fresh, host: &Host) {
    let refused = ssh(lab, fresh, host, "root", "true");
    assert!(refused.code == 255 && refused.stderr.contains("Permission denied"), "{refused:?}");
    let admin = ssh(lab, fresh, host, "deploy", "sudo -n id -u");
    assert_eq!((admin.code, admin.stdout.trim()), (0, "0"), "{admin:?}");
    let monitor = ssh(lab, fresh, host, "monitor", "sudo -n journalctl -n 1 >&2 && ! sudo -n id -u");
    assert_eq!(monitor.code, 0, "{monitor:?}");

    let sshd = host.must("sshd -T");
    for line in ["permitrootlogin no", "passwordauthentication no", "kbdinteractiveauthentication no"] {
        assert!(sshd.lines().any(|other| other == line), "{line}: {sshd}");
    }
    host.must("visudo -c");
    assert_eq!(host.must("hostname && cat /etc/hostname"), format!("vps-{0}\nvps-{0}", host.name));
    assert_eq!(host.must("readlink /etc/localtime"), "/usr/share/zoneinfo/Europe/Berlin");
    let apt = host.must("apt-config dump");
    assert!(apt.contains("APT::Periodic::Unattended-Upgrade \"1\";"), "{apt}");
    assert_eq!(host.must("systemctl is-enabled unattended-upgrades nginx"), "enabled\nenabled");

    host.must("systemd-run --quiet --unit e2e-listens systemd-socket-activate --listen 9999 /bin/cat");
    host.await_success("ss -ltn | grep -q :9999", Duration::from_secs(20));
    assert!(is_open(host, 80), "nginx can be reached");
    assert!(!is_open(host, 9999), "what nobody named cannot be reached");
    host.must("systemctl stop e2e-listens");
}

#[track_caller]
fn has_docker(host: &Host) {
    assert_eq!(host.must("systemctl is-enabled docker"), "enabled");
    let docker = "docker info --format '{{.LoggingDriver}} {{.LiveRestoreEnabled}}'";
    assert_eq!(host.must(docker), "json-file true");
    let config: serde_json::Value =
        serde_json::from_str(&host.read("/etc/docker/daemon.json").unwrap()).unwrap();
    assert_eq!(config["dns"], serde_json::json!(["8.8.8.8", "8.8.4.4"]));
    assert_eq!(config["log-opts"], serde_json::json!({ "max-size": "10m", "max-file": "3" }));
}

/// Whether a port can be reached from here.
fn is_open(host: &Host, port: u16) -> bool {
    let address: SocketAddr = format!("{}:{port}", host.address).parse().expect("an address");
    TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
}

/// What `--check` said of a step is what happened, where it did not say `unknown`.
#[track_caller]
fn as_predicted(check: &Report, apply: &Report, host: &str) {
    let (predicted, applied) = (check.steps(host), apply.steps(host));
    let sure = predicted.iter().filter(|(_, outcome)| *outcome != "unknown").count();
    assert!(sure * 4 >= predicted.len() * 3, "too little is known: {predicted:?}");
    for (name, outcome) in predicted {
        let then =
            applied.iter().find(|(other, _)| *other == name).unwrap_or_else(|| panic!("no step {name}")).1;
        let expected = if outcome == "would_change" { "changed" } else { outcome };
        assert!(outcome == "unknown" || expected == then, "{host}: {name}: {outcome}, then {then}");
    }
}

fn ssh(lab: &Lab, fresh: &Fresh, host: &Host, user: &str, command: &str) -> Finished {
    #[expect(clippy::disallowed_methods, reason = "the reference client, as a person would use it")]
    let mut client = std::process::Command::new("ssh");
    let option = |name: &str, path: &Path| format!("{name}={}", path.display());
    client
        .args([
            "-F",
            "none",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=10",
            "-o",
        ])
        .arg(option("UserKnownHostsFile", &fresh.lab.known_hosts()))
        .arg("-i")
        .arg(lab.identity())
        .arg(format!("{user}@{}", host.address))
        .arg(command);
    crate::stage::finish(&mut client)
}

/// Without what other tests look at: what is left is what could lock everybody out.
const SMALL: &str = "-e docker=false -e nginx=false -e unattended_upgrades=false";

/// Everything that is compared.
const STATE: &str = include_str!("state.sh");

#[test]
fn a_provision_is_undone_over_the_login_that_it_made() {
    let lab = Lab::get();
    let fresh = lab.fresh(2);
    let hosts = fresh.hosts();
    let project = project(&lab, &fresh, &hosts);
    hosts[0].write("/root/state.sh", STATE);
    let before = hosts[0].must("sh /root/state.sh");
    project.report(&format!("{RUN} {SMALL}")).exits(0);
    for host in &hosts {
        let admin = ssh(&lab, &fresh, host, "deploy", "sudo -n id -u");
        assert_eq!((admin.code, admin.stdout.trim()), (0, "0"), "{admin:?}");
    }
    // No one could log in to the second host without what the run made.
    hosts[1].must("rm /root/.ssh/authorized_keys");

    let undone = project.report("runs undo last").exits(2);

    assert_eq!(undone.outcome("fresh1"), "undone", "{}", undone.failure("fresh1"));
    let id = project.windlass(["run", "command", "--hosts", "fresh1", "--", "id", "-un"]);
    assert!(id.code == 0 && id.stdout.contains("root"), "root gets in by password again: {id:?}");
    assert_ne!(hosts[0].sh("id deploy").code, 0);
    let after = hosts[0].must("sh /root/state.sh");
    let differing: Vec<_> = after.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
    let gone: Vec<_> = before.lines().filter(|line| !after.lines().any(|new| new == *line)).collect();
    assert!(differing.is_empty() && gone.is_empty(), "before: {gone:#?}\nafter: {differing:#?}");

    assert_eq!(undone.outcome("fresh2"), "failed");
    let failure = undone.failure("fresh2");
    assert!(failure.contains("no new login works afterwards, so the undo was rolled back"), "{failure}");
    let admin = ssh(&lab, &fresh, &hosts[1], "deploy", "sudo -n id -u");
    assert_eq!((admin.code, admin.stdout.trim()), (0, "0"), "{admin:?}");
}
