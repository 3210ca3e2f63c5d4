//! Files of the operator's own machine that other users may write: none is read or run.
#![expect(clippy::disallowed_methods, reason = "a test types what an error says")]

use crate::folder_host::FolderStage;
use crate::stage::{Finished, Project, finish};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const MISUSED: i32 = 5;

/// A project in which every kind of file is read, and the words of a run of it.
fn project() -> (FolderStage, Vec<String>) {
    let stage = FolderStage::set();
    let project = &stage.project;
    project.write("windlass.toml", "forks = 2\n");
    project.write("inventories/group_vars/all.yml", "from_group: 1\n");
    project.write("inventories/host_vars/web1/a.yml", "from_host: 1\n");
    project.write("inventories/more.sh", "#!/bin/sh\ntouch \"$(dirname \"$0\")/../ran\"\necho '{}'\n");
    project.set_mode("inventories/more.sh", 0o755);
    project.write(
        "playbooks/deep/steps.toml",
        "[[steps]]\ntemplate = { path = \"/etc/page\", source = \"page\" }\n",
    );
    project.write(
        "playbooks/all.toml",
        "[params.token]\ntype = \"secret\"\ndefault = \"file:keys/token\"\n\
         [[steps]]\nfile = { path = \"/etc/file\", source = \"file\" }\n\
         [[steps]]\nfile = { path = \"/etc/token\", content = \"{{ token }}{{ lookup('pipe', 'programs/give') }}\" }\n\
         [[steps]]\noverlay = { source = \"tree\", dest = \"/srv/tree\" }\n\
         [[steps]]\ninclude = \"deep/steps.toml\"\n",
    );
    for name in ["templates/page", "files/file", "files/tree/a/b", "vars.toml", "pattern"] {
        project.write(name, if name == "pattern" { "web1\n" } else { "" });
    }
    project.write("programs/give", "#!/bin/sh\necho given\n");
    project.set_mode("programs/give", 0o755);
    project.write_secret("keys/token", "secret\n");
    let line = "run playbook all --hosts @pattern -e @vars.toml";
    (stage, line.split(' ').map(str::to_string).collect())
}

/// What an error says to run, run.
fn type_what_it_says(finished: &Finished) {
    // A host that cannot be reached because of it is part of the answer.
    let said = format!("{}{}", finished.stderr, finished.stdout);
    assert!(said.contains("everyone may write to "), "{finished:?}");
    let (_, command) = said.split_once("then run ").unwrap_or_else(|| panic!("{finished:?}"));
    let command = command.split(['\n', ';']).next().unwrap();
    let typed = finish(Command::new("sh").args(["-c", command]));
    assert_eq!(typed.code, 0, "{command}: {typed:?}");
}

#[test]
fn what_others_may_write_is_refused_until_what_the_error_says_was_typed() {
    let (stage, words) = project();
    let good = stage.project.windlass(&words);
    assert_eq!(good.code, 0, "{good:?}");
    for (name, mode) in [
        ("windlass.toml", 0o646),
        (".", 0o757),
        ("inventories", 0o777),
        ("inventories", 0o1777),
        ("inventories/demo.toml", 0o666),
        ("inventories/more.sh", 0o777),
        ("inventories/group_vars", 0o757),
        ("inventories/group_vars/all.yml", 0o646),
        ("inventories/host_vars/web1", 0o757),
        ("inventories/host_vars/web1/a.yml", 0o646),
        ("playbooks", 0o777),
        ("playbooks/all.toml", 0o646),
        ("playbooks/deep", 0o757),
        ("playbooks/deep/steps.toml", 0o646),
        ("templates", 0o777),
        ("templates/page", 0o646),
        ("files", 0o777),
        ("files/file", 0o646),
        ("files/tree/a", 0o757),
        ("files/tree/a/b", 0o646),
        ("programs/give", 0o757),
        ("keys", 0o757),
        ("vars.toml", 0o646),
        ("pattern", 0o646),
        ("key", 0o602),
        ("known_hosts", 0o646),
    ] {
        let path = stage.project.path().join(name);
        let before = std::fs::metadata(&path).unwrap().permissions();
        stage.project.set_mode(name, mode);
        let refused = stage.project.windlass(&words);
        assert!(refused.code != 0, "{name}: {refused:?}");
        type_what_it_says(&refused);
        let left = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(left & 0o002, 0, "{name}: {refused:?}");
        std::fs::set_permissions(path, before).unwrap();
    }
    assert_eq!(stage.project.windlass(&words).code, 0);
}

#[test]
fn a_program_that_others_may_write_never_runs() {
    let (stage, _) = project();
    for name in ["inventories", "inventories/more.sh"] {
        stage.project.set_mode(name, 0o777);
        let refused = stage.project.windlass(["hosts"]);
        assert_eq!(refused.code, MISUSED, "{refused:?}");
        assert!(refused.stderr.contains("chmod"), "{refused:?}");
        assert!(!stage.file("ran").exists(), "{name}: the program ran");
        stage.project.set_mode(name, 0o755);
    }
    assert_eq!(stage.project.windlass(["hosts"]).code, 0);
    assert!(stage.file("ran").exists());
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let (stage, words) = project();
    stage.project.set_mode("keys/token", 0o644);
    let refused = stage.project.windlass(&words);
    assert_eq!(refused.code, MISUSED, "{refused:?}");
    assert!(
        refused.stderr.contains("others may read ") && refused.stderr.contains("chmod 600 "),
        "{refused:?}"
    );
}

#[test]
fn trusted_directories_are_kept_listed_and_forgotten() {
    let project = Project::without_inventory();
    let directory = project.path().canonicalize().unwrap().display().to_string();
    let said = |words: &[&str]| {
        let finished = project.windlass([&["trust"], words].concat());
        (finished.code, finished.stdout.replace(&directory, "DIR"), finished.stderr)
    };
    assert_eq!(said(&[]).1, "");
    let (code, out, _) = said(&["."]);
    assert!(code == 0 && out.starts_with("trusted: what belongs to ") && out.ends_with(" in DIR\n"), "{out}");
    assert_eq!(said(&["."]).0, 0);
    assert_eq!(said(&[]).1, "DIR\n");
    assert_eq!(said(&["no-such"]).0, MISUSED);
    project.set_mode("home/.local/state/windlass/trusted", 0o666);
    let (code, _, err) = said(&[]);
    assert!(code == 1 && err.contains("everyone may write to it"), "{err}");
    project.set_mode("home/.local/state/windlass/trusted", 0o600);
    assert_eq!(said(&["--remove", "."]).1, "no longer trusted\n");
    assert_eq!(said(&["--remove", "."]).1, "it was not trusted\n");
    assert_eq!(said(&[]).1, "");
}
