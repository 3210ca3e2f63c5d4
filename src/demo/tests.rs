//! The demo with a script in windlass's place: what it starts, what it leaves, what it returns.

use super::{Options, Stage, run};
use expect_test::expect;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A program that notes its arguments, its project's files, and does `then`.
fn program(then: &str) -> (TempDir, Options) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("windlass");
    let script =
        format!("#!/bin/sh\ncd \"${{0%/*}}\"\necho \"$2\" >project\nshift 2\necho \"$*\" >>log\n{then}\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (folder, Options { keep: false, program })
}

fn noted(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap_or_default()
}

#[tokio::test]
async fn checks_applies_and_applies_again_and_leaves_nothing() {
    let (folder, options) = program("exit 0");
    assert_eq!(run(&options).await, Ok(0));
    expect![[r#"
        run playbook fix-dns --hosts demo --check --diff
        run playbook fix-dns --hosts demo
        run playbook fix-dns --hosts demo
    "#]]
    .assert_eq(&noted(&folder, "log"));
    assert!(!fs::exists(noted(&folder, "project").trim()).unwrap());
}

#[tokio::test]
async fn the_first_command_that_fails_ends_it() {
    let (folder, options) = program("exit 2");
    assert_eq!(run(&options).await, Ok(2));
    assert_eq!(noted(&folder, "log").lines().count(), 1);
    assert!(!fs::exists(noted(&folder, "project").trim()).unwrap());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error_that_names_it() {
    let options = Options { keep: false, program: "/no/windlass".into() };
    let failure = run(&options).await.unwrap_err();
    expect!["start /no/windlass: no such file or directory"].assert_eq(&failure.to_string());
}

#[tokio::test]
async fn the_inventory_names_the_three_hosts() {
    let stage = Stage::set().await.unwrap();
    let text = fs::read_to_string(stage.project().join("inventories/demo.toml")).unwrap();
    let ports = stage.servers.iter().map(|server| server.address.port().to_string());
    let text = ports.fold(text, |text, port| text.replace(&port, "PORT"));
    expect![[r#"
        # The hosts of `windlass demo`. They are directories: FOLDER/NAME
        [ssh]
        user = "root"
        identity = "FOLDER/key"
        identities_only = true
        known_hosts = "FOLDER/known_hosts"

        [hosts.web1]    # its daemon.json has other keys, oddly formatted, and no resolvers
        address = "127.0.0.1"
        ssh = { port = PORT }

        [hosts.web2]    # it has no daemon.json at all
        address = "127.0.0.1"
        ssh = { port = PORT }

        [hosts.db1]    # it is already as it should be
        address = "127.0.0.1"
        ssh = { port = PORT }
    "#]]
    .assert_eq(&text.replace(stage.folder.path().to_str().unwrap(), "FOLDER"));
}

#[tokio::test]
async fn the_key_is_ours_alone() {
    let stage = Stage::set().await.unwrap();
    let mode =
        |name: &str| fs::metadata(stage.folder.path().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(""), mode("key")), (0o700, 0o600));
}
