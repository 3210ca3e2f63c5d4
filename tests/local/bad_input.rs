//! Mistakes in files and on the command line: whole messages, exit code 5, nothing contacted. Needs no lab.

use crate::stage::Project;
use expect_test::{Expect, expect};

const STEP: &str = "[[steps]]\n[steps.file]\npath = \"/x\"\n";

/// Runs the playbook on a host that cannot be contacted without a trace in the record.
#[track_caller]
fn wrong(playbook: &str, hosts: &str, message: Expect) {
    let project = Project::with_web1();
    project.write("playbooks/site.toml", playbook);
    printed(&project, &format!("run playbook site --hosts {hosts}"), message);
}

#[track_caller]
fn printed(project: &Project, line: &str, message: Expect) {
    let finished = project.windlass(line.split(' '));
    message.assert_eq(&finished.stderr);
    assert_eq!((finished.code, finished.stdout.as_str()), (5, ""), "{finished:?}");
    let list = project.windlass(["runs", "list"]);
    assert_eq!(list.stdout, "nothing has been run in this project\n");
}

/// A cloud's tags become variables, and anyone may set a tag.
#[test]
fn what_deceives_a_terminal_is_printed_by_no_command() {
    let project = Project::without_inventory();
    let inventory = "[hosts.web1]\nvars = { tag = \"a\\u001B[2J\\u007F\\u009B31m\\u202Eb\" }\n";
    project.write("inventories/prod.toml", inventory);
    project.write("playbooks/x.toml", "[[steps]]\nfiel = { path = \"\u{9b}31m\" }\n");
    for line in [
        "hosts --json",
        "hosts",
        "explain var web1.tag",
        "explain var web1.tag --output json",
        "lint",
        "lint --output json",
        "run playbook \u{9b}31m --hosts web1",
        "runs show \u{9b}31m",
    ] {
        let finished = project.windlass(line.split(' '));
        let said = format!("{}{}", finished.stdout, finished.stderr);
        let raw = |letter: &char| letter.is_control() && *letter != '\n' || *letter == '\u{202e}';
        assert_eq!(said.chars().find(raw), None, "{line}: {said:?}");
        assert!(!said.is_empty(), "{line}: {finished:?}");
    }
    let shown = project.windlass(["hosts", "--json"]).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown[0]["vars"]["tag"], "a\u{1b}[2J\u{7f}\u{9b}31m\u{202e}b");
}

#[test]
fn broken_toml() {
    wrong(
        "[[steps]]\nname = \"open\n",
        "web1",
        expect![[r#"
            error: invalid basic string, expected `"`
             --> playbooks/site.toml:2:13
              |
            2 | name = "open
              |             ^
              |
              = hint: close the text with "; text of several lines goes between """
        "#]],
    );
}

#[test]
fn an_unknown_key() {
    wrong(
        &STEP.replace("path = \"/x\"", "path = \"/x\"\nconent = \"x\""),
        "web1",
        expect![[r#"
        error: unknown key `conent`
         --> playbooks/site.toml:4:1
          |
        4 | conent = "x"
          | ^^^^^^ not a key of `file`
          |
          = hint: did you mean `content`?
    "#]],
    );
}

#[test]
fn an_unknown_key_of_a_step() {
    wrong(
        &STEP.replace("[[steps]]", "[[steps]]\nnotfy = \"x\""),
        "web1",
        expect![[r#"
        error: unknown key `notfy`
         --> playbooks/site.toml:2:1
          |
        2 | notfy = "x"
          | ^^^^^
          |
          = hint: did you mean `notify`?
    "#]],
    );
}

#[test]
fn an_unknown_kind() {
    wrong(
        &STEP.replace("steps.file", "steps.fiel"),
        "web1",
        expect![[r#"
        error: unknown step kind `fiel`
         --> playbooks/site.toml:2:8
          |
        2 | [steps.fiel]
          |        ^^^^
          |
          = hint: did you mean `file`?
    "#]],
    );
}

#[test]
fn a_missing_key() {
    wrong(
        "[[steps]]\n[steps.file]\ncontent = \"x\"\n",
        "web1",
        expect![[r#"
            error: `path` is missing
             --> playbooks/site.toml:2:1
              |
            2 | [steps.file]
              | ^^^^^^^^^^^^ `file` needs it
              |
              = hint: `windlass steps file` shows its keys
        "#]],
    );
}

#[test]
fn a_value_of_the_wrong_type() {
    wrong(
        &STEP.replace("\"/x\"", "7"),
        "web1",
        expect![[r#"
            error: expected a string, found an integer
             --> playbooks/site.toml:3:8
              |
            3 | path = 7
              |        ^
              |
              = hint: put it in quotes: "7"
        "#]],
    );
}

#[test]
fn a_mode_that_is_none() {
    wrong(
        &format!("{STEP}mode = \"0999\"\n"),
        "web1",
        expect![[r#"
        error: file.mode: "0999" is not a mode; write it in octal, for example "0644"
         --> playbooks/site.toml:4:8
          |
        4 | mode = "0999"
          |        ^^^^^^
    "#]],
    );
}

#[test]
fn an_undefined_variable() {
    wrong(
        &format!("{STEP}content = \"{{{{ app_prot }}}}\"\n\n[vars]\napp_port = 1\n"),
        "web1",
        expect![[r#"
        error: `app_prot` is undefined
         --> playbooks/site.toml:4:15
          |
        4 | content = "{{ app_prot }}"
          |               ^^^^^^^^
          |
          = hint: did you mean `app_port`?
    "#]],
    );
}

#[test]
fn a_handler_that_is_not_there() {
    wrong(
        &STEP.replace("[[steps]]", "[[steps]]\nnotify = \"restrat\""),
        "web1",
        expect![[r#"
        error: there is no handler called `restrat`
         --> playbooks/site.toml:2:10
          |
        2 | notify = "restrat"
          |          ^^^^^^^^^
    "#]],
    );
}

#[test]
fn a_param_of_the_wrong_type() {
    let project = Project::with_web1();
    printed(
        &project,
        "run playbook fix-dns --hosts web1 -e live_restore=often",
        expect![[r#"
        error: set the param `live_restore` from --var live_restore: `live_restore` must be a boolean, found a string
    "#]],
    );
}

#[test]
fn a_playbook_for_hosts_that_there_are_not() {
    let project = Project::with_web1();
    project.write("playbooks/it.toml", "hosts = \"wbe1\"\n".to_string() + STEP);
    let finished = project.windlass("run playbook it".split(' '));
    assert_eq!(finished.code, 5, "{finished:?}");
    assert!(finished.stderr.contains("playbooks/it.toml:1:9"), "{finished:?}");
}

#[test]
fn an_unknown_host_pattern() {
    wrong(
        STEP,
        "wbe1",
        expect![[r#"
        error: no host or group is called `wbe1`
         |
         = hint: did you mean `web1`?
    "#]],
    );
}

#[test]
fn an_unknown_playbook() {
    let project = Project::with_web1();
    printed(
        &project,
        "run playbook fix-dsn --hosts web1",
        expect![[r#"
        error: there is no playbook called `fix-dsn`
         |
         = hint: did you mean `fix-dns`?
    "#]],
    );
}

#[test]
fn a_mistake_in_the_inventory() {
    let project = Project::without_inventory();
    project.write("inventories/prod.toml", "[hosts.web1]\nadress = \"127.0.0.1\"\n");
    project.write("playbooks/site.toml", STEP);
    printed(
        &project,
        "run playbook site --hosts web1",
        expect![[r#"
        error: unknown key `adress`
         --> inventories/prod.toml:2:1
          |
        2 | adress = "127.0.0.1"
          | ^^^^^^ not a key of a host
          |
          = hint: did you mean `address`?
    "#]],
    );
}

#[test]
fn an_unknown_option() {
    wrong(
        STEP,
        "web1 --chekc",
        expect![[r#"
        error: unexpected argument '--chekc' found

          tip: a similar argument exists: '--check'

        Usage: windlass run playbook --hosts <PATTERN> --check <NAME|PATH>

        For more information, try '--help'.
    "#]],
    );
}
