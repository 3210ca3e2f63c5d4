//! What only `Local` promises: a root that cannot be left, any name and any content, a stop from another thread.

use super::*;
use expect_test::expect;
use proptest::prelude::*;
use std::time::Duration;

/// A host that is a folder, with a secret beside it.
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
