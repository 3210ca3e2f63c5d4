//! The programs that play Docker and systemd, asked as a playbook asks them.

use super::{DAEMON_JSON, HOSTS, prepare};
use expect_test::{Expect, expect};
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// The host called `name`, in a folder of its own.
fn host(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), HOSTS.iter().find(|host| host.name == name).unwrap()).unwrap();
    folder
}

/// What commands print on the host, one after the other: both streams, and the status where it is not 0.
fn said(folder: &TempDir, commands: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the scripts are what is tested")]
    let output = Command::new("/bin/sh")
        .args([
            "-c",
            &format!("exec 2>&1; {commands}; status=$?; [ $status = 0 ] || echo \"status $status\""),
        ])
        .env_clear()
        .env("PATH", folder.path().join("usr/bin"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn check(folder: &TempDir, commands: &str, expected: &Expect) {
    expected.assert_eq(&said(folder, commands));
}

#[test]
fn a_container_has_the_resolvers_that_dockerd_was_restarted_with() {
    let web1 = host("web1");
    let ask = "docker run --rm alpine cat /etc/resolv.conf";
    check(&web1, ask, &expect!["nameserver 127.0.0.53\n"]);
    fs::write(web1.path().join(DAEMON_JSON), "{ \"dns\": [\"9.9.9.9\",\n \"1.1.1.1\"] }").unwrap();
    check(&web1, ask, &expect!["nameserver 127.0.0.53\n"]);
    check(
        &web1,
        &format!("systemctl restart docker && {ask}"),
        &expect!["nameserver 9.9.9.9\nnameserver 1.1.1.1\n"],
    );
}

#[test]
fn a_restart_with_broken_configuration_fails_and_docker_is_down() {
    let web2 = host("web2");
    fs::write(web2.path().join(DAEMON_JSON), "{ \"dns\": [\"8.8.8.8\",] }").unwrap();
    check(
        &web2,
        "systemctl restart docker; systemctl is-active docker; docker ps",
        &expect![[r#"
            unable to configure the Docker daemon with file /etc/docker/daemon.json: invalid JSON
            Job for docker.service failed because the control process exited with error code.
            failed
            Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?
            status 1
        "#]],
    );
}

#[test]
fn dockerd_tells_json_from_what_only_looks_like_it() {
    let web2 = host("web2");
    let valid = |text: &str| {
        fs::write(web2.path().join("etc/new.json"), text).unwrap();
        said(&web2, "dockerd --validate --config-file=/etc/new.json") == "configuration OK\n"
    };
    let good =
        ["{}", "{\"a\":[1,-2.5e3,true,null,{}],\"b\":{\"c\":\"}\\\"{\"}}", HOSTS[0].daemon_json.unwrap()];
    let bad = ["", "[]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "{\"a\":1", "{\"a\":1}}", "\"a\""];
    good.iter().for_each(|text| assert!(valid(text), "{text}"));
    bad.iter().for_each(|text| assert!(!valid(text), "{text}"));
}

#[test]
fn systemctl_tells_and_changes_units() {
    check(
        &host("db1"),
        "systemctl show docker.service --property=LoadState,ActiveState -p UnitFileState; systemctl show -p MainPID --value docker; \
         systemctl disable --now docker; systemctl is-enabled docker; systemctl is-active docker; systemctl is-active nginx; \
         systemctl restart nginx",
        &expect![[r#"
            LoadState=loaded
            ActiveState=active
            UnitFileState=enabled
            4242
            disabled
            inactive
            inactive
            Failed to restart nginx.service: Unit nginx.service not found.
            status 5
        "#]],
    );
}

#[test]
fn docker_lists_and_inspects_what_runs() {
    check(
        &host("web1"),
        "docker ps -q; docker ps --format '{{.Names}} {{.State}}'; docker inspect --format '{{.State.Running}}' web redis; \
         docker inspect nothing; docker swarm",
        &expect![[r#"
            3f1c9a7e52d0
            9b2d4e6f8a1c
            web running
            redis running
            true
            true
            Error: No such object: nothing
            this docker is played by a script and does not know: swarm
            status 64
        "#]],
    );
}

#[test]
fn a_host_reaches_no_program_that_was_not_lent_to_it() {
    check(&host("web1"), "command -v apt-get || echo none", &expect!["none\n"]);
}
