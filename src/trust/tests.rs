//! What is believed and what is not, by owner and mode. The process may be anyone's: other users are named by numbers.

use super::*;
use expect_test::expect;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

/// No one has it.
const STRANGER: u32 = 3_999_999_999;

/// A directory with `inventories/prod.toml`, and what is said of that file with these modes by users who trust `users`.
fn said(users: &[u32], modes: &[(&str, u32)], directories: &[(&str, u32)]) -> Result<(), String> {
    let top = tempfile::tempdir().unwrap();
    let root = top.path().canonicalize().unwrap();
    fs::create_dir(root.join("inventories")).unwrap();
    fs::write(root.join("inventories/prod.toml"), "").unwrap();
    for (name, mode) in [("inventories", 0o755), ("inventories/prod.toml", 0o644)].iter().chain(modes) {
        fs::set_permissions(root.join(name), Permissions::from_mode(*mode)).unwrap();
    }
    let directories = directories.iter().map(|(name, owner)| (root.join(name), *owner)).collect();
    let trust = Trust::of(users.iter().copied(), Ok(directories));
    let path = root.join("inventories/prod.toml");
    let checked = trust.check(&path, &fs::metadata(&path).unwrap(), Some(&root), &"read it");
    let shown = |text: String| {
        let me = trust.user(own());
        let text = text.replace(&root.display().to_string(), "DIR").replace("sudo ", "");
        text.replace(&format!("owner {me}"), "owner ME").replace(&format!("belongs to {me}"), "belongs to ME")
    };
    checked.map_err(|failure| shown(failure.to_string()))
}

fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn what_others_may_write_is_refused_with_what_to_type() {
    for (modes, expected) in [
        (
            vec![("inventories/prod.toml", 0o646)],
            expect![[r#"
            read it: everyone may write to it (owner ME, mode 0646)
              hint: look whether it is as you left it, then run chmod o-w DIR/inventories/prod.toml"#]],
        ),
        (
            vec![("inventories", 0o777)],
            expect![[r#"
            read it: everyone may write to the directory DIR/inventories (owner ME, mode 0777)
              hint: look whether it is as you left it, then run chmod -R o-w DIR/inventories"#]],
        ),
        (
            vec![("inventories", 0o1777)],
            expect![[r#"
            read it: everyone may write to the directory DIR/inventories (owner ME, mode 1777)
              hint: look whether it is as you left it, then run chmod -R o-w DIR/inventories"#]],
        ),
        (
            vec![("", 0o757)],
            expect![[r#"
            read it: everyone may write to the directory DIR (owner ME, mode 0757)
              hint: look whether it is as you left it, then run chmod -R o-w DIR"#]],
        ),
    ] {
        expected.assert_eq(&said(&[own()], &modes, &[]).unwrap_err());
    }
    assert_eq!(said(&[own()], &[], &[]), Ok(()));
}

#[test]
fn what_belongs_to_others_is_refused_unless_a_directory_above_is_trusted() {
    expect![[r#"
        read it: it belongs to ME (mode 0644), and only files of uid 3999999999 are read
          hint: look whether it is as you left it, then run chown 3999999999 DIR/inventories/prod.toml"#]]
    .assert_eq(&said(&[STRANGER], &[], &[]).unwrap_err());
    assert_eq!(said(&[STRANGER], &[], &[("", own())]), Ok(()));
    // Its owner is trusted, and no one else.
    assert!(said(&[STRANGER], &[], &[("inventories", STRANGER - 1)]).is_err());
    assert!(said(&[STRANGER], &[("inventories/prod.toml", 0o666)], &[("", own())]).is_err());
}

#[test]
fn a_group_may_write_when_no_one_else_is_in_it() {
    let accounts = |text: &str| {
        let (passwd, group) = text.split_once("--\n").unwrap();
        Accounts { passwd: passwd.to_string(), group: group.to_string() }
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_permissions(Permissions::from_mode(0o664)).unwrap();
    let meta = file.as_file().metadata().unwrap();
    let (me, group) = (own(), meta.gid());
    let ann = format!("ann:x:{me}:{group}:::\n");
    for (text, believed) in [
        (format!("{ann}--\nann:x:{group}:\n"), true),
        (format!("{ann}--\nann:x:{group}:ann\n"), true),
        (format!("ann:x:{me}:100:::\n--\nann:x:{group}:ann\n"), true),
        (format!("{ann}--\nops:x:{group}:bob\n"), false),
        (format!("{ann}bob:x:4000:{group}:::\n--\nops:x:{group}:\n"), false),
        // Who is in a group that is not in these files is not known.
        (format!("ann:x:{me}:100:::\n--\n"), false),
    ] {
        let trust = Trust { accounts: accounts(&text), ..Trust::of([me], Ok(Vec::new())) };
        let checked = trust.check(file.path(), &meta, None, &"read it");
        assert_eq!(checked.is_ok(), believed, "{text}: {checked:?}");
    }
}

#[test]
fn outside_of_a_project_no_one_else_may_exchange_a_file() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("vars.toml");
    fs::write(&path, "").unwrap();
    let trust = Trust::of([own()], Ok(Vec::new()));
    for (mode, believed) in [(0o755, true), (0o1777, true), (0o777, false)] {
        fs::set_permissions(top.path(), Permissions::from_mode(mode)).unwrap();
        let checked = trust.check(&path, &fs::metadata(&path).unwrap(), None, &"read it");
        assert_eq!(checked.is_ok(), believed, "{mode:o}: {checked:?}");
    }
}

#[test]
fn a_link_leads_to_what_is_checked() {
    let top = tempfile::tempdir().unwrap();
    let (project, other) = (top.path().join("project"), top.path().join("other"));
    [&project, &other].iter().for_each(|path| fs::create_dir(path).unwrap());
    fs::write(other.join("file"), "").unwrap();
    std::os::unix::fs::symlink(other.join("file"), project.join("link")).unwrap();
    let trust = Trust::of([own()], Ok(Vec::new()));
    let check = || {
        let path = project.join("link");
        trust.check(&path, &fs::metadata(&path).unwrap(), Some(&project), &"read it")
    };
    assert_eq!(check(), Ok(()));
    fs::set_permissions(&other, Permissions::from_mode(0o777)).unwrap();
    assert!(check().unwrap_err().why.contains("other"));
}

#[test]
fn pipes_and_devices_are_read() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&reader);
    for path in [PathBuf::from("/dev/null"), format!("/dev/fd/{fd}").into()] {
        assert_eq!(check(&path, None, "read it"), Ok(()), "{}", path.display());
    }
}

#[test]
fn a_secret_is_for_its_owner_alone() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "hunter2").unwrap();
    assert_eq!(secret(file.path(), None, "read it"), Ok("hunter2".to_string()));
    file.as_file().set_permissions(Permissions::from_mode(0o640)).unwrap();
    let why = secret(file.path(), None, "read it").unwrap_err().why;
    assert_eq!(why, format!("others may read {}", file.path().display()));
}
