//! The lab is what the other tests take it for.

use crate::stage::{Host, Lab};

/// Logs in with OpenSSH's own client, to distinguish a broken lab from a broken windlass.
fn ssh(lab: &Lab, host: &Host, user: &str, command: &str) -> crate::stage::Finished {
    #[expect(clippy::disallowed_methods, reason = "the reference client, as a person would use it")]
    let mut client = std::process::Command::new("ssh");
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
            "-i",
        ])
        .arg(lab.identity())
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", lab.known_hosts().display()))
        .arg(format!("{user}@{}", host.address))
        .arg(command);
    crate::stage::finish(&mut client)
}

#[test]
fn every_user_logs_in_with_the_key_and_the_known_host_key() {
    let lab = Lab::get();
    let names = ["full1", "full2", "small1", "noexec1"];
    for host in lab.hosts(names) {
        for user in host.users.iter().filter(|user| !["nologin", "forced"].contains(&user.as_str())) {
            let answer = ssh(&lab, &host, user, "id -un");
            assert_eq!(answer.stdout.lines().last(), Some(user.as_str()), "{}: {answer:?}", host.name);
        }
    }
}

#[test]
fn containers_of_a_full_host_cannot_resolve_names_until_dockerd_is_configured() {
    let lab = Lab::get();
    let host = lab.host("full1");
    host.reset_docker();
    let resolvers = "docker run --rm lab/busybox cat /etc/resolv.conf";

    assert!(host.must(resolvers).contains("nameserver 192.0.2.53"));

    let ask = format!("docker run --rm --dns {} lab/busybox nslookup redis.lab.test", host.address);
    assert!(host.must(&ask).contains("192.0.2.10"));
    assert_eq!(host.must("docker inspect --format '{{.State.Running}}' app"), "true");
}

#[test]
fn a_full_host_runs_what_a_vps_runs() {
    let lab = Lab::get();
    for host in lab.hosts(["full1", "full2"]) {
        host.must("systemctl is-active nginx postgresql@*-main redis-server cron docker ssh");
        assert_eq!(host.must("curl -s http://127.0.0.1:8080/"), "app is up");
        assert_eq!(host.must("redis-cli ping"), "PONG");
    }
}

#[test]
fn nothing_that_can_be_written_can_be_executed_on_noexec1() {
    let lab = Lab::get();
    let host = lab.host("noexec1");
    let folders = "/tmp /var/tmp /var/lib /dev /dev/shm /run /root /home/deploy /etc /srv /opt /mnt /media";
    let executed = host.must(&format!(
        "for folder in {folders}; do \
           printf '#!/bin/sh\\n' >$folder/probe && chmod 0755 $folder/probe || echo \"$folder: not writable\"; \
           ! $folder/probe 2>/dev/null || echo \"$folder: executes\"; \
           rm -f $folder/probe; \
         done"
    ));

    assert_eq!(executed, "");
    assert_ne!(host.sh("touch /usr/probe").code, 0, "the root file system is read-only");
}

#[test]
fn small1_has_busybox_and_nothing_of_gnu() {
    let lab = Lab::get();
    let host = lab.host("small1");

    assert!(host.must("readlink -f /bin/sh").ends_with("busybox"));
    for program in ["bash", "systemctl", "sudo", "perl", "python3", "getent"] {
        assert_ne!(host.sh(&format!("command -v {program}")).code, 0, "{program}");
    }
}
