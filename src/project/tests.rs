//! Projects in a temporary folder, for the tests of everything that reads one.

use super::*;
use expect_test::expect;
use std::os::unix::fs::PermissionsExt;

/// A project with these files; it is gone when the guard is dropped.
pub fn project(files: &[(&str, &str)]) -> (Project, tempfile::TempDir) {
    let folder = folder(files);
    let project = Project::find(Some(folder.path()), Path::new("/")).unwrap();
    (project, folder)
}

/// A folder with these files, which only we may read, as it must be where one is a secret. One that begins with `#!` can
/// be executed.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o600 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    folder
}

#[test]
fn is_found_from_below() {
    let folder = folder(&[
        ("playbooks/deep/x.toml", ""),
        ("windlass.toml", "forks = 8\ntimeout = \"5m\"\nssh.user = \"deploy\""),
    ]);
    let project = Project::find(None, &folder.path().join("playbooks/deep")).unwrap();
    assert_eq!(project.root, folder.path().canonicalize().unwrap());
    assert_eq!((project.config.forks, project.config.timeout), (Some(8), Some(Duration::from_secs(300))));
    assert_eq!(project.config.ssh.user, Some("deploy".into()));
}

#[test]
fn a_folder_that_everybody_writes_to_is_refused() {
    let folder = folder(&[("windlass.toml", "")]);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let text = Project::find(Some(folder.path()), Path::new("/")).unwrap_err().plain();
    let text = text.replace(&folder.path().canonicalize().unwrap().display().to_string(), "DIR");
    assert!(text.starts_with("error: open the project DIR: everyone may write to it (owner "), "{text}");
    assert!(text.ends_with("then run chmod -R o-w DIR\n"), "{text}");
}

#[test]
fn what_everybody_writes_to_is_not_read_in_a_project() {
    let text = |path: &str, mode: u32| {
        let (project, folder) = project(&[("inventories/prod.toml", ""), ("playbooks/a/b.toml", "")]);
        fs::set_permissions(folder.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
        let read = project.read(Path::new("playbooks/a/b.toml")).map(drop);
        let listed = project.files("inventories", true).map(drop);
        [read, listed]
            .map(|result| result.map_or_else(|failure| failure.to_string(), |()| "fine".to_string()))
    };
    assert_eq!(text("inventories", 0o755), ["fine", "fine"]);
    let [read, listed] = text("inventories", 0o777);
    assert!(read == "fine" && listed.contains("list inventories: everyone may write to it"), "{listed}");
    let [read, listed] = text("playbooks", 0o777);
    assert!(read.contains("read playbooks/a/b.toml: everyone may write to the directory "), "{read}");
    assert_eq!(listed, "fine");
    let [read, _] = text("playbooks/a/b.toml", 0o666);
    assert!(read.contains("read playbooks/a/b.toml: everyone may write to it (owner "), "{read}");
}

#[test]
fn wrong_config_is_pointed_at() {
    let folder = folder(&[("windlass.toml", "fork = 8\ntimeout = \"soon\"\n[ssh]\nuser = 3\nprot = 22\n")]);
    let text = Project::find(Some(folder.path()), Path::new("/")).unwrap_err().plain();
    expect![[r#"
        error: expected a number of seconds or a string like "30s" or "5m", found "soon"
         --> windlass.toml:2:11
          |
        2 | timeout = "soon"
          |           ^^^^^^

        error: unknown key `fork`
         --> windlass.toml:1:1
          |
        1 | fork = 8
          | ^^^^ not a key of windlass.toml
          |
          = hint: did you mean `forks`?

        error: expected a string or a list, found an integer
         --> windlass.toml:4:8
          |
        4 | user = 3
          |        ^
          |
          = hint: put it in quotes: "3"

        error: unknown key `prot`
         --> windlass.toml:5:1
          |
        5 | prot = 22
          | ^^^^ not a key of `ssh`
          |
          = hint: did you mean `port`?
    "#]]
    .assert_eq(&text);
}

#[test]
fn no_project_says_what_to_do() {
    expect![[r#"
        error: find the project of /nowhere: neither it nor a directory above it is one
         |
         = hint: name one with --project, or make one with `windlass init`
    "#]]
    .assert_eq(&Project::find(None, Path::new("/nowhere")).unwrap_err().plain());
}
