//! What the program says of playbooks and files: `playbooks`, `schema`, the help of one playbook.
#![expect(clippy::disallowed_methods, reason = "these tests run the built program itself")]

use std::path::Path;
use std::process::Command;

const OWN: &str = r#"# Greets.
#
#   windlass run playbook greet --hosts web -e word=hello

description = "A greeting"
[params.word]
help = "the greeting"
required = true
[params.tone]
type = "one-of"
choices = ["low", "loud"]
default = "low"
[[steps]]
[steps.debug]
message = "{{ word }}"
"#;

/// A project with one playbook of its own.
fn project() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("playbooks")).unwrap();
    std::fs::create_dir_all(directory.path().join("inventories")).unwrap();
    std::fs::write(directory.path().join("playbooks/greet.toml"), OWN).unwrap();
    directory
}

/// Exit code, standard output and standard error of `windlass LINE` in `directory`.
fn printed(directory: &Path, line: &str) -> (i32, String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_windlass"));
    program.args(line.split_whitespace()).current_dir(directory).env("NO_COLOR", "1").env("COLUMNS", "100");
    let output = program.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn answered(directory: &Path, line: &str) -> String {
    let (code, out, err) = printed(directory, line);
    assert_eq!(code, 0, "{line}: {err}");
    out
}

#[test]
fn playbooks_are_listed_with_their_descriptions() {
    let project = project();
    let list = answered(project.path(), "playbooks");
    assert!(list.starts_with("project:\n  greet ") && list.contains(" A greeting\n\nshipped:\n"), "{list}");
    assert!(list.contains("shipped:\n  backup ") && list.contains("\n  fix-dns "), "{list}");
    let json: serde_json::Value =
        serde_json::from_str(&answered(project.path(), "playbooks --output json")).unwrap();
    let greet = json.as_array().unwrap().iter().find(|one| one["name"] == "greet").unwrap();
    assert_eq!(
        (greet["from"].as_str(), greet["description"].as_str()),
        (Some("project"), Some("A greeting"))
    );
}

#[test]
fn a_playbook_is_shown_with_its_params_and_an_example() {
    let project = project();
    let page = answered(project.path(), "playbooks greet");
    expect_test::expect![[r#"
        greet (playbooks/greet.toml)

        A greeting

        Greets.

          windlass run playbook greet --hosts web -e word=hello

        params, given as -e NAME=VALUE (* required):
        * word  string    the greeting
          tone  low|loud  ["low"]
    "#]]
    .assert_eq(&page);
    assert_eq!(answered(project.path(), "playbooks greet --source"), OWN);
    let help = answered(project.path(), "run playbook greet --help");
    assert!(help.starts_with(&page) && help.contains("run playbook --help"), "{help}");
    assert!(answered(project.path(), "run playbook --help").contains("--hosts <PATTERN>"));
    assert!(answered(project.path(), "playbooks fix-dns --source").starts_with("# "));
}

#[test]
fn a_playbook_that_does_not_exist_names_the_nearest() {
    let project = project();
    for line in ["playbooks fix-dsn", "run playbook fix-dsn --hosts all"] {
        let (code, _, err) = printed(project.path(), line);
        assert_eq!(code, 5, "{err}");
        assert!(err.contains("there is no playbook called `fix-dsn`") && err.contains("`fix-dns`"), "{err}");
    }
    let (_, _, err) = printed(project.path(), "playbooks zzzzz");
    assert!(err.contains("`windlass playbooks` lists the playbooks"), "{err}");
}

#[test]
fn schemas_are_json() {
    let project = project();
    for (file, key) in [("playbook", "steps"), ("inventory", "hosts"), ("config", "schedule")] {
        let schema: serde_json::Value =
            serde_json::from_str(&answered(project.path(), &format!("schema {file}"))).unwrap();
        assert!(schema["properties"][key]["description"].is_string(), "{file}");
    }
}

#[test]
fn filters_are_listed_with_examples() {
    let project = project();
    let list = answered(project.path(), "filters");
    assert!(
        list.contains("filters:\n") && list.contains("tests:\n") && list.contains("functions:\n"),
        "{list}"
    );
    assert_eq!(
        answered(project.path(), "filters wordwrap"),
        "filters:\n  wordwrap  'one two three' | wordwrap(7)  => \"one two\\nthree\"\n"
    );
    let (code, _, err) = printed(project.path(), "filters uper");
    assert!(code == 5 && err.contains("`upper`"), "{err}");
}

#[test]
fn doctor_says_what_is_wrong_here() {
    let project = project();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    let key = home.path().join(".ssh/id_ed25519");
    std::fs::write(&key, "key").unwrap();
    let doctor = |options: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_windlass"));
        program.args(["doctor"]).args(options.split_whitespace()).current_dir(project.path());
        program.env("HOME", home.path()).env("NO_COLOR", "1").env_remove("SSH_AUTH_SOCK");
        let output = program.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let mode =
        |mode| std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(0o644);
    let (code, text) = doctor("");
    assert!(code == 5 && text.contains("problem   keys") && text.contains("hint: chmod 600 "), "{text}");
    mode(0o600);
    let (code, text) = doctor("");
    assert!(code == 0 && text.contains("warning   known_hosts"), "{text}");
    let (_, json) = doctor("--output json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(
        json.as_array().unwrap().iter().any(|one| one["what"] == "keys" && one["state"] == "ok"),
        "{json}"
    );
}

#[test]
fn habits_of_other_programs_are_understood() {
    let project = project();
    let inventory = "[hosts.gone]\naddress = \"127.0.0.1\"\n[ssh]\nport = 1\n";
    std::fs::write(project.path().join("inventories/it.toml"), inventory).unwrap();
    let (code, _, err) = printed(project.path(), "-vvv run playbook greet --hosts gone -e word=a --dry-run");
    assert_eq!(code, 4, "{err}");
    assert!(answered(project.path(), "runs list").contains("check"), "it was a dry run");
}
