//! Secrets at rest through the built program: created, set, edited, used in a run on this machine, and never to be seen.
#![expect(clippy::disallowed_methods, reason = "these tests run the built program itself")]

use crate::stage::{Finished, Project, finish};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

const INVENTORY: &str = "[ssh]\nvia = \"local\"\n[hosts.here]\n";

/// A project that keeps secrets, with one host: this machine.
fn project() -> Project {
    let project = Project::without_inventory();
    project.write("windlass.toml", "forks = 2\n");
    project.write("inventories/all.toml", INVENTORY);
    assert_eq!(project.windlass(["secrets", "init"]).code, 0);
    project
}

fn set(project: &Project, name: &str, value: &str) -> Finished {
    let mut child = project
        .command()
        .args(["secrets", "set", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("windlass starts");
    child.stdin.take().expect("it is piped").write_all(value.as_bytes()).expect("it is read");
    let output = child.wait_with_output().expect("it ends");
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `secrets edit` with an editor that is this script; `$1` is the file.
fn edit(project: &Project, script: &str) -> Finished {
    let editor = project.path().join("editor");
    fs::write(&editor, format!("#!/bin/sh\n{script}\n")).expect("the project is ours");
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o700)).expect("it is ours");
    finish(project.command().env("VISUAL", &editor).args(["secrets", "edit"]))
}

#[test]
fn a_secret_is_set_shown_and_used_and_is_in_no_record() {
    let project = project();
    assert!(project.read("windlass.toml").starts_with("forks = 2\n\n[secrets]\n"));
    let key = project.path().join("home/.config/windlass/identity.txt");
    assert_eq!(fs::metadata(key).expect("there is a key").permissions().mode() & 0o777, 0o600);
    assert_eq!(
        set(&project, "db.password", "hunter2-hunter2\n").stdout,
        "set db.password in secrets/main.toml.age\n"
    );
    assert_eq!(project.windlass(["secrets", "show"]).stdout, "db.password  (main)\n");
    assert_eq!(project.windlass(["secrets", "show", "db.password"]).stdout, "hunter2-hunter2\n");
    let sealed = fs::read(project.path().join("secrets/main.toml.age")).expect("it is there");
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
    let marker = project.path().join("marker");
    project.write(
        "playbooks/use.toml",
        format!(
            "[secrets]\npassword = \"age:db.password\"\n[[steps]]\nname = \"use it\"\n[steps.command]\nargv = [\"/bin/sh\", \"-c\", \"cat > {0}; echo said $(cat {0})\"]\nstdin = \"{{{{ password }}}}\"\n",
            marker.display()
        ),
    );
    let run = project.windlass(["run", "playbook", "use", "--hosts", "here", "-v"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(fs::read_to_string(&marker).expect("the step ran"), "hunter2-hunter2");
    let exported = project.windlass(["runs", "export", "last"]);
    for text in [&run.stdout, &run.stderr, &exported.stdout] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let database = fs::read(project.path().join(".windlass/state.db")).expect("there is a record");
    assert!(!database.windows(7).any(|bytes| bytes == b"hunter2"));
}

#[test]
fn secrets_that_are_set_at_once_are_all_kept() {
    let project = project();
    let names: Vec<String> = (0..12).map(|number| format!("k{number}")).collect();
    std::thread::scope(|scope| {
        let setting: Vec<_> =
            names.iter().map(|name| scope.spawn(|| set(&project, name, "value").code)).collect();
        assert!(setting.into_iter().all(|code| code.join().expect("it ends") == 0));
    });
    let listed = project.windlass(["secrets", "show"]).stdout;
    assert!(names.iter().all(|name| listed.contains(&format!("{name}  (main)"))), "{listed}");
}

#[test]
fn an_edit_is_whole_or_nothing_and_leaves_no_copy() {
    let project = project();
    set(&project, "a", "one");
    let edited = edit(
        &project,
        "ls -ld \"$1\" \"$(dirname \"$1\")\" | cut -c1-10; dirname \"$1\" >where; printf 'b = 2\\n' >>\"$1\"",
    );
    assert_eq!(edited.code, 0, "{edited:?}");
    let lines: Vec<&str> = edited.stdout.lines().collect();
    assert_eq!(lines, ["drwx------", "-rw-------", "wrote secrets/main.toml.age"]);
    let copies = project.read("where");
    assert!(!fs::exists(copies.trim()).expect("it can be looked for"), "{copies} is left");
    assert_eq!(project.windlass(["secrets", "show"]).stdout, "a  (main)\nb  (main)\n");
    let broken = edit(&project, "dirname \"$1\" >where; printf 'c = = hunter2' >>\"$1\"");
    assert_eq!(broken.code, 5, "{broken:?}");
    assert!(!broken.stderr.contains("hunter2") && broken.stderr.contains("it is not TOML"), "{broken:?}");
    assert!(!fs::exists(project.read("where").trim()).expect("it can be looked for"));
    assert_eq!(edit(&project, "exit 3").code, 1);
    assert_eq!(edit(&project, "true").stdout, "nothing is changed\n");
    let ended = edit(&project, "dirname \"$1\" >where; kill -TERM $PPID; exec sleep 60");
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(!fs::exists(project.read("where").trim()).expect("it can be looked for"));
    assert_eq!(project.windlass(["secrets", "show"]).stdout, "a  (main)\nb  (main)\n");
}

#[test]
fn whoever_becomes_a_recipient_can_read_after_a_rotation_and_no_one_else() {
    let project = project();
    set(&project, "a", "one");
    let key = project.path().join("other");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "ann", "-f"])
        .arg(&key)
        .status()
        .expect("ssh-keygen is here");
    assert!(made.success());
    let config = project.read("windlass.toml");
    let with_identity = |recipients: &str| {
        let start = config.split("recipients").next().unwrap_or_default();
        format!("{start}recipients = [{recipients}]\nidentity = \"other\"\n")
    };
    project.write(
        "windlass.toml",
        with_identity("\"age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\""),
    );
    let refused = project.windlass(["secrets", "show", "a"]);
    assert_eq!(refused.code, 5);
    assert!(
        refused.stderr.contains("it is not encrypted to any identity that is here (other)"),
        "{refused:?}"
    );
    let public = project.read("other.pub");
    project.write(
        "windlass.toml",
        config.replace("recipients = [\n", &format!("recipients = [\n  \"{}\",\n", public.trim())),
    );
    let rotated = project.windlass(["secrets", "rotate"]);
    assert!(rotated.stdout.starts_with("wrote secrets/main.toml.age\ncan read: ssh-ed25519 "), "{rotated:?}");
    project.write("windlass.toml", with_identity(&format!("\"{}\"", public.trim())));
    assert_eq!(project.windlass(["secrets", "show", "a"]).stdout, "one\n");
    project.write(
        "windlass.toml",
        with_identity("\"age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\""),
    );
    let locked_out = project.windlass(["secrets", "rotate"]);
    assert_eq!(locked_out.code, 5);
    assert!(locked_out.stderr.contains("none of your own keys is a recipient"), "{locked_out:?}");
}

#[test]
fn an_identity_can_come_from_a_command_and_a_secret_from_where_it_is() {
    let project = project();
    set(&project, "a", "one");
    fs::rename(project.path().join("home/.config/windlass/identity.txt"), project.path().join("key"))
        .expect("it is ours");
    let config = project.read("windlass.toml");
    project.write("windlass.toml", format!("{config}identity = \"command:cat key\"\n"));
    assert_eq!(project.windlass(["secrets", "show", "a"]).stdout, "one\n");
    project.write("windlass.toml", config);
    let lost = project.windlass(["secrets", "show", "a"]);
    assert_eq!(lost.code, 5);
    assert!(lost.stderr.contains("there is no identity to read it with"), "{lost:?}");
}
