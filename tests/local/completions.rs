//! What a Tab completes, in the shells themselves.
#![expect(clippy::disallowed_methods, reason = "a person types in a shell")]

use crate::stage::{Finished, Project, finish};
use std::path::Path;
use std::process::Command;

const PLAYBOOK: &str = r#"
description = "Say hello"
[params]
greeting = { default = "hello", help = "what is said" }
loud = { type = "boolean", default = false }

[[steps]]
name = "greet"
tags = ["words"]
command = { argv = ["true"] }
"#;

const INVENTORY: &str = "[hosts.web1]\n[hosts.web2]\n[groups.front]\nhosts = [\"web1\"]\n";

const SCHEDULE: &str = "[schedule.nightly]\nplaybook = \"hello\"\nhosts = \"web1\"\ncron = \"0 3 * * *\"\n";

fn project() -> Project {
    let project = Project::without_inventory();
    project.write("inventories/prod.toml", INVENTORY);
    project.write("playbooks/hello.toml", PLAYBOOK);
    project.write("windlass.toml", SCHEDULE);
    // A program that is an inventory is not run for a Tab.
    project.write("inventories/slow", "#!/bin/sh\ntouch was-run\nsleep 600\n");
    project.set_mode("inventories/slow", 0o755);
    project
}

/// A shell in the project that finds `windlass` by its name.
fn shell(project: &Project, program: &str, arguments: &[&str]) -> Finished {
    let built = Path::new(env!("CARGO_BIN_EXE_windlass"));
    let directory = built.parent().expect("it is in a directory");
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", directory.display());
    let mut command = Command::new(program);
    let home = project.path().join("home");
    command.args(arguments).current_dir(project.path()).env_clear().env("PATH", path).env("HOME", home);
    finish(command.env("TERM", "xterm"))
}

/// What bash completes for the last word.
fn in_bash(project: &Project, line: &str) -> Vec<String> {
    let script = r#"
        source <(windlass completions bash)
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        _clap_complete_windlass windlass "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut arguments = vec!["--norc", "--noprofile", "-c", script, "bash"];
    arguments.extend(line.split(' '));
    let finished = shell(project, "bash", &arguments);
    assert_eq!(finished.code, 0, "{finished:?}");
    finished.stdout.lines().filter(|word| !word.is_empty()).map(str::to_string).collect()
}

#[test]
fn bash_completes_the_names_of_the_project() {
    let project = project();
    for (line, expected) in [
        ("windlass run playb", vec!["playbook"]),
        ("windlass run playbook hel", vec!["hello"]),
        ("windlass run playbook fix-d", vec!["fix-dns"]),
        ("windlass run playbook hello --hosts w", vec!["web1", "web2"]),
        ("windlass run playbook hello --hosts web1,fr", vec!["web1,front"]),
        ("windlass run playbook hello --hosts front,!we", vec!["front,!web1", "front,!web2"]),
        ("windlass hosts fr", vec!["front"]),
        ("windlass run playbook hello -e gr", vec!["greeting="]),
        ("windlass run playbook hello -e lo", vec!["loud=true", "loud=false"]),
        ("windlass run playbook hello --tags ", vec!["words"]),
        ("windlass run playbook hello --start-at-step g", vec!["greet"]),
        ("windlass run step nginx_s", vec!["nginx_site"]),
        ("windlass run step file pat", vec!["path="]),
        ("windlass steps compose_p", vec!["compose_port"]),
        ("windlass filters to_nice_j", vec!["to_nice_json"]),
        ("windlass schedule run n", vec!["nightly"]),
        ("windlass runs show la", vec!["last"]),
        ("windlass backups list --store de", vec!["default"]),
    ] {
        assert_eq!(in_bash(&project, line), expected, "{line}");
    }
    assert!(!project.path().join("was-run").exists());
}

#[test]
fn a_tab_says_nothing_of_files_that_are_wrong_and_offers_no_hidden_flag() {
    let project = project();
    project.write("inventories/broken.toml", "hosts = \n");
    assert_eq!(in_bash(&project, "windlass run playbook hello --hosts w"), Vec::<String>::new());
    assert_eq!(in_bash(&project, "windlass run playbook hello --sched"), Vec::<String>::new());
    assert_eq!(in_bash(&project, "windlass run playbook nosuch -e g"), Vec::<String>::new());
}

#[test]
fn runs_are_completed_by_their_names() {
    let project = Project::with_web1();
    let run = project.windlass(["run", "command", "--hosts", "web1", "--", "true"]);
    assert_eq!(run.code, 4, "{run:?}");
    let offered = in_bash(&project, "windlass runs show ");
    assert_eq!(offered.first().map(String::as_str), Some("last"), "{offered:?}");
    let listed = project.windlass(["runs", "list"]).stdout;
    assert!(listed.contains(&offered[1]), "{offered:?} {listed}");
}

#[test]
fn fish_completes_with_what_each_is_about() {
    let project = project();
    let ask = |line: &str| {
        let script = format!("windlass completions fish | source; complete -C '{line}'");
        let finished = shell(&project, "fish", &["--no-config", "-c", &script]);
        assert_eq!(finished.code, 0, "{finished:?}");
        finished.stdout
    };
    assert_eq!(ask("windlass run playbook hel"), "hello\tSay hello\n");
    assert_eq!(ask("windlass run playbook hello -e gr"), "greeting=\twhat is said\n");
    assert_eq!(ask("windlass run playbook hello --hosts web1,fr"), "web1,front\tgroup\n");
}

#[test]
fn zsh_completes_as_the_install_line_says() {
    let project = project();
    // zsh completes only where keys are pressed, so it gets a terminal of its own.
    let script = r#"
        zmodload zsh/zpty
        zpty inner zsh -f -i
        zpty -w inner 'autoload -U compinit && compinit -u -D && source <(windlass completions zsh) && print re""ady'
        zpty -r -m inner line '*ready*'
        zpty -w -n inner $'windlass run playbook hel\t'
        zpty -r -m inner line '*hello*'
        print -r -- completed
        zpty -d inner"#;
    let finished = shell(&project, "timeout", &["60", "zsh", "-f", "-c", script]);
    assert!(finished.stdout.contains("completed"), "{finished:?}");
}
