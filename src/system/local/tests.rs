//! What only `Local` promises: a root that cannot be left, any name and any content, a stop from another thread.

use super::*;
use expect_test::expect;
use proptest::prelude::*;
use rustix::process::Pid;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// A host that is a directory, with a secret beside it.
fn rooted() -> (tempfile::TempDir, Local) {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "outside").unwrap();
    let root = outside.path().join("root");
    std::fs::create_dir_all(root.join("usr/bin")).unwrap();
    let host = Local::below(&HostPath::from(root)).unwrap();
    (outside, host)
}

fn write(host: &Local, path: &str, content: &str) {
    host.write(Path::new(path), &mut content.as_bytes(), &Meta::default()).unwrap();
}

#[test]
fn holes_stay_holes_when_a_file_is_saved_and_restored() {
    let (outside, host) = rooted();
    let place = |name: &str| outside.path().join("root").join(name);
    let sparse = std::fs::File::create(place("disk")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    for (at, bytes) in [(5 << 20, &b"middle"[..]), ((64 << 20) - 3, b"end")] {
        std::os::unix::fs::FileExt::write_all_at(&sparse, bytes, at).unwrap();
    }
    host.copy(Path::new("/disk"), Path::new("/saved")).unwrap();
    host.write_copy(Path::new("/restored"), Path::new("/saved"), &Meta::default()).unwrap();
    let before = std::fs::read(place("disk")).unwrap();
    for name in ["saved", "restored"] {
        let taken = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(place(name)).unwrap()) * 512;
        assert!(taken < 1 << 20, "{name} takes {taken} bytes");
        assert!(std::fs::read(place(name)).unwrap() == before, "{name}");
    }
}

#[test]
fn a_root_cannot_be_left() {
    let (outside, host) = rooted();
    let secret = outside.path().join("secret");
    for path in ["/../secret", "/usr/../../secret", "/usr/bin/../../../secret"] {
        assert_eq!(host.read(Path::new(path)).unwrap(), None, "{path}");
    }
    host.link(Path::new("/absolute"), &secret).unwrap();
    host.link(Path::new("/relative"), Path::new("../../secret")).unwrap();
    host.link(Path::new("/up"), Path::new("/..")).unwrap();
    assert_eq!(host.read(Path::new("/absolute")).unwrap(), None);
    assert_eq!(host.read(Path::new("/up/secret")).unwrap(), None);
    write(&host, "/relative", "inside");
    write(&host, "/up/inside", "inside");
    host.remove(Path::new("/../secret")).unwrap();
    assert_eq!(std::fs::read(&secret).unwrap(), b"outside");
    assert_eq!(host.read(Path::new("/inside")).unwrap().unwrap(), b"inside");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 2);
}

#[test]
fn a_root_has_only_its_own_programs() {
    let (_outside, host) = rooted();
    assert_eq!(host.run(&Command::new(["cat", "/etc/passwd"])).unwrap().status, 127);
    assert_eq!(host.run(&Command::new(["/bin/cat", "/etc/passwd"])).unwrap().status, 127);
    let script =
        "#!/bin/sh\necho \"$(cat)\" \"$1\" \"${WINDLASS_ROOT##*/}\" \"$(pwd | sed 's|.*/root|root|')\"\n";
    let meta = Meta { mode: Some(0o755), ..Meta::default() };
    host.write(Path::new("/usr/bin/greet"), &mut script.as_bytes(), &meta).unwrap();
    for program in ["greet", "/usr/bin/greet", "/usr/../../usr/bin/greet"] {
        let directory = Some(HostPath::from("/usr"));
        let command = Command { stdin: b"hello".to_vec(), directory, ..Command::new([program, "you"]) };
        assert_eq!(host.run(&command).unwrap().text(), "hello you root root/usr");
    }
}

#[test]
fn a_root_must_exist() {
    let failure = Local::below(&HostPath::from("/windlass/nowhere")).unwrap_err();
    expect!["use /windlass/nowhere as a host: no such file or directory"].assert_eq(&failure.to_string());
}

#[test]
fn failures_are_told_in_words() {
    let (_outside, host) = rooted();
    let told =
        |path: &str| host.write(Path::new(path), &mut &b""[..], &Meta::default()).unwrap_err().to_string();
    expect!["write /usr: a directory is there, not a file"].assert_eq(&told("/usr"));
    expect!["write /etc/motd: no such file or directory"].assert_eq(&told("/etc/motd"));
    expect!["write motd: a path on a host must begin with /"].assert_eq(&told("motd"));
}

#[test]
fn what_runs_can_be_stopped_from_another_thread() {
    let host = Local::new();
    let stopper = host.stopper();
    let answer = std::thread::scope(|scope| {
        let running = scope.spawn(|| host.run(&Command::new(["sh", "-c", "sleep 100 & wait"])).unwrap());
        while !running.is_finished() {
            stopper.kill();
            std::thread::yield_now();
        }
        running.join().unwrap()
    });
    assert_eq!(answer.status, 137);
}

#[test]
fn a_short_command_does_not_wait_for_a_tick() {
    let host = Local::new();
    let begun = std::time::Instant::now();
    (0..20).for_each(|_| assert!(host.run(&Command::new(["true"])).unwrap().ok()));
    assert!(begun.elapsed() < Duration::from_secs(4));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_name_and_any_content_come_back(
        name in prop::collection::vec(any::<u8>().prop_filter("no name has it", |byte| !b"/\0".contains(byte)), 1..200),
        content: Vec<u8>,
        piece in 1usize..9,
    ) {
        prop_assume!(name != b"." && name != b"..");
        let (_outside, host) = rooted();
        let name = OsString::from_vec(name);
        let path = Path::new("/usr").join(&name);
        let mut slow = InPieces(&content, piece);
        host.write(&path, &mut slow, &Meta::default()).unwrap();
        prop_assert_eq!(host.read(&path).unwrap().unwrap(), content.clone());
        prop_assert_eq!(host.digest(&path).unwrap(), Some(Digest::of(&content)));
        prop_assert!(host.list(Path::new("/usr")).unwrap().contains(&name));
    }
}

/// Gives its bytes a few at a time.
struct InPieces<'a>(&'a [u8], usize);

impl Read for InPieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.1.min(self.0.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// The names in a directory, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn more_changes_than_wait_at_a_time_are_made_together() {
    let (outside, host) = rooted();
    host.together(None, &mut || {
        for number in 0..700 {
            let dir = format!("/dir{}", number % 70);
            host.make_dir(Path::new(&dir), &Meta::default())?;
            write(&host, &format!("{dir}/{number}"), "x");
        }
        Ok(())
    })
    .unwrap();
    let root = outside.path().join("root");
    let files: Vec<String> = (0..70).flat_map(|dir| names(&root.join(format!("dir{dir}")))).collect();
    assert_eq!(files.len(), 700);
    assert!(files.iter().all(|name| !name.starts_with('.')), "nothing is left behind");
}

#[test]
fn changes_that_fail_leave_the_old_bytes_and_nothing_beside_them() {
    let (outside, host) = rooted();
    write(&host, "/usr/old", "old");
    let failed = host.together(None, &mut || {
        write(&host, "/usr/old", "new");
        write(&host, "/usr/other", "new");
        Err(Failure::new("go on", "it is enough"))
    });
    assert!(failed.is_err());
    assert_eq!(names(&outside.path().join("root/usr")), ["bin", "old"]);
    assert_eq!(host.read(Path::new("/usr/old")).unwrap().unwrap(), b"old");
}

#[test]
fn no_link_is_followed_within_a_folder() {
    let outside = tempfile::tempdir().unwrap();
    let (host, top) = (Local::new(), outside.path().join("top"));
    std::fs::create_dir_all(top.join("dir")).unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("..", top.join("up")).unwrap();
    std::os::unix::fs::symlink("../secret", top.join("file")).unwrap();
    std::os::unix::fs::symlink("../../secret", top.join("dir/file")).unwrap();
    let within = |change: &dyn Fn() -> Result<()>| host.together(Some(&top), &mut || change());
    for path in ["up/new", "file", "dir/file", "up/secret", "dir/../../new"] {
        let path = top.join(path);
        assert!(within(&|| host.write(&path, &mut &b"mine"[..], &Meta::default())).is_err(), "{path:?}");
        assert!(within(&|| host.copy(&path, &outside.path().join("stolen"))).is_err(), "{path:?}");
    }
    assert!(within(&|| host.make_dir(&top.join("up/new"), &Meta::default())).is_err());
    assert!(within(&|| host.link(&top.join("up/new"), Path::new("x"))).is_err());
    within(&|| host.remove(&top.join("up/secret"))).unwrap();
    within(&|| host.write(&top.join("dir/fine"), &mut &b"mine"[..], &Meta::default())).unwrap();
    assert_eq!(names(outside.path()), ["secret", "top"]);
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(std::fs::read(top.join("dir/fine")).unwrap(), b"mine");
}

/// Check mode looks by the same rule, whether anything was pretended before or not.
#[test]
fn a_users_link_is_refused_under_check_too() {
    use crate::system::pretend::Pretend;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let eve = folder.path().join("eve");
    std::fs::create_dir(&eve).unwrap();
    std::fs::create_dir(folder.path().join("root")).unwrap();
    std::fs::write(folder.path().join("root/secret"), "root's").unwrap();
    std::fs::hard_link(folder.path().join("root/secret"), eve.join("notes")).unwrap();
    std::os::unix::fs::symlink("../root", eve.join("app")).unwrap();
    for path in [&eve, &eve.join("app")] {
        std::os::unix::fs::lchown(path, Some(4242), Some(4242)).unwrap();
    }
    let local = Local::new();
    let host = Pretend::over(&local);
    for touched in [false, true] {
        let refused = |result: Result<()>| {
            let why = result.unwrap_err().to_string();
            assert!(why.contains("is a symbolic link that belongs to uid 4242"), "{touched}: {why}");
        };
        refused(host.stat(&eve.join("app/secret")).map(drop));
        refused(host.read(&eve.join("app/secret")).map(drop));
        refused(host.write(&eve.join("app/new"), &mut &b""[..], &Meta::default()));
        refused(host.set_meta(&eve.join("app/secret"), &Meta { mode: Some(0o600), ..Meta::default() }));
        refused(host.make_dir(&eve.join("app/new"), &Meta::default()));
        let why = host.set_meta(&eve.join("notes"), &Meta { mode: Some(0o666), ..Meta::default() });
        assert!(why.unwrap_err().to_string().contains("is a hard link"), "{touched}");
        host.write(&folder.path().join("root/new"), &mut &b""[..], &Meta::default()).unwrap();
    }
}

/// What runs in a group of its own while a keeper with the lock at `path` hears `lines`, and how it is afterwards.
fn kept(path: &Path, lines: &dyn Fn(&mut Keeper, Pid)) -> (Option<std::process::ExitStatus>, Lock) {
    use std::os::unix::process::CommandExt;
    let agent = Local::new();
    assert_eq!(agent.lock(path, "the agent").unwrap(), Lock::Ours);
    let lock = agent.locks.lock().unwrap()[0].try_clone().unwrap();
    let mut keeper = Keeper::start(lock).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test is the agent here")]
    let mut command = std::process::Command::new("sleep");
    let mut child = command.arg("60").process_group(0).spawn().unwrap();
    lines(&mut keeper, Pid::from_child(&child));
    drop(agent);
    let held = Local::new().lock(path, "another").unwrap();
    drop(keeper);
    assert_eq!(Local::new().lock(path, "another").unwrap(), Lock::Ours);
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    (ended, held)
}

#[test]
fn what_a_killed_agent_was_running_is_ended_before_the_lock_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let (ended, held) = kept(&path, &|keeper, group| {
        keeper.expects().unwrap();
        keeper.watches(group).unwrap();
    });
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.unwrap()), Some(9));
    assert_eq!(held, Lock::Theirs("the agent".into()));
}

#[test]
fn what_ended_before_its_agent_leaves_its_daemons_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (ended, _) = kept(&folder.path().join("lock"), &|keeper, group| {
        keeper.expects().unwrap();
        keeper.watches(group).unwrap();
        keeper.forgets().unwrap();
    });
    assert_eq!(ended, None);
}

#[test]
fn commands_under_a_lock_hold_it_no_longer_than_they_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let host = Local::new();
    assert_eq!(host.lock(&path, "alice").unwrap(), Lock::Ours);
    assert!(host.run(&Command::new(["sh", "-c", "sleep 5 </dev/null >/dev/null 2>&1 &"])).unwrap().ok());
    assert_eq!(Local::new().lock(&path, "bob").unwrap(), Lock::Theirs("alice".into()));
    drop(host);
    assert_eq!(Local::new().lock(&path, "bob").unwrap(), Lock::Ours);
}

#[test]
fn attributes_and_hard_links_are_seen_and_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other, kept] = ["one", "other", "kept"].map(|name| folder.path().join(name));
    std::fs::write(&one, "x").unwrap();
    std::fs::hard_link(&one, &other).unwrap();
    let host = Local::new();
    let mut attributes = Attributes::default();
    attributes.add("user.note", b"a\0b");
    host.set_attributes(&one, &attributes).unwrap();
    let details = host.details(&one).unwrap();
    assert_eq!((details.attributes.as_ref(), details.is_mount_point), (Some(&attributes), false));
    assert!(details.is_shared && host.details(&other).unwrap().is_shared);

    assert!(host.keep_file(&one, &kept).unwrap());
    host.remove(&one).unwrap();
    host.put_back(&one, &kept).unwrap();
    let again = host.details(&one).unwrap();
    let same = crate::system::Details { around: details.around, ..again };
    assert_eq!(same, details, "it is the same file");
    assert!(!kept.exists());

    let new = folder.path().join("new");
    let together = &mut || {
        host.write(&new, &mut &b"y"[..], &Meta::default())?;
        host.set_attributes(&new, &attributes)
    };
    host.together(None, together).unwrap();
    assert_eq!(host.details(&new).unwrap().attributes, Some(attributes), "set before it was in its place");

    host.set_attributes(&other, &Attributes::default()).unwrap();
    assert!(host.details(&one).unwrap().attributes.unwrap().is_empty());
    assert!(host.details(Path::new("/proc")).unwrap().is_mount_point);
}
