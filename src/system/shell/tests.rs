//! What only `Shell` must bear: a pipe that breaks, a login that talks, locks of the dead.

use super::*;
use crate::system::local::Local;
use expect_test::expect;
use std::process::{Child, Stdio};

fn shell(lines: &str) -> (Child, Result<Shell>) {
    #[expect(clippy::disallowed_methods, reason = "a test is the host's sshd here")]
    let mut process = std::process::Command::new("sh");
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = process.spawn().unwrap();
    let (mut writer, reader) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    writer.write_all(lines.as_bytes()).unwrap();
    (child, Shell::new(Box::new(writer), Box::new(reader)))
}

/// `command -v` as a host without flock answers it.
const NO_FLOCK: &str = "command() { [ \"$2\" != flock ] && type \"$2\" >/dev/null 2>&1 && echo \"$2\"; }\n";

#[test]
fn what_a_login_prints_is_skipped() {
    let (_child, shell) = shell("echo; echo windlass-; head -c 100000 /dev/urandom; echo Welcome\n");
    assert!(shell.unwrap().stat(Path::new("/")).unwrap().is_some());
}

#[test]
fn a_login_that_never_becomes_a_shell_is_given_up() {
    let (mut child, shell) = shell("while :; do echo noise; done\n");
    let why = shell.err().unwrap().to_string();
    child.kill().unwrap();
    expect!["start a shell on the host: the host sent more than 262144 bytes in one answer"].assert_eq(&why);
    let (_child, ended) = self::shell("exit\n");
    assert_eq!(ended.err().unwrap().why, "lost the connection");
}

/// What follows would be taken for commands, one request after the other.
#[test]
fn a_shell_that_cannot_take_its_script_ends() {
    let (mut child, shell) = shell(
        r#"printf() { [ "$1" != '\n.' ] && command printf "$@"; }
"#,
    );
    let why = shell.err().unwrap().why;
    child.wait().unwrap();
    assert_eq!(why, "lost the connection");
}

/// As ext4 answers after an error: read-only until it is mounted again. A sync of everything would say nothing of it.
#[test]
fn a_file_that_its_disk_did_not_take_is_not_put_in_place() {
    for why in
        ["Input/output error", "No space left on device", "Disk quota exceeded", "Read-only file system"]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let sync =
            format!("sync() {{ [ $# = 0 ] || {{ echo \"sync: error syncing: {why}\" >&2; return 1; }}; }}\n");
        let (_child, shell) = shell(&sync);
        let failure = shell.unwrap().write(&path, &mut &b"new"[..], &Meta::default()).unwrap_err();
        assert!(failure.why.to_lowercase().contains(&why.to_lowercase()), "{failure}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old", "{why}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{why}");
    }
}

#[test]
fn a_broken_pipe_is_told_from_a_refusal() {
    let (mut child, shell) = shell("");
    let shell = shell.unwrap();
    shell.list(Path::new("/windlass/nowhere")).unwrap_err();
    assert!(!shell.is_lost());
    child.kill().unwrap();
    let failure = shell.read(Path::new("/etc/motd")).unwrap_err();
    expect![[r#"
        read /etc/motd: lost the connection
          hint: what was started may have been done; run it again to see what is missing"#]]
    .assert_eq(&failure.to_string());
    assert!(shell.is_lost());
}

#[test]
fn a_file_that_arrives_in_part_is_not_put_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "old").unwrap();
    let (mut child, shell) = shell("");
    let shell = shell.unwrap();
    let mut wire = shell.wire.into_inner().unwrap();
    let request = Request::new("write").word(folder.path().as_os_str().as_bytes()).word(".tmp").word("file");
    let request = request.word("0644").word("").word("").word("first").word("last").number(10).number(10);
    wire.send_in_part(&request, b"half");
    drop(wire);
    child.wait().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_agents_lock_and_the_shells_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let agent = Local::new();
    assert_eq!(agent.lock(&path, "the agent").unwrap(), Lock::Ours);
    let (mut child, shell) = shell("");
    let shell = shell.unwrap();
    assert_eq!(shell.lock(&path, "the shell").unwrap(), Lock::Theirs("the agent".into()));
    drop(agent);
    assert_eq!(shell.lock(&path, "the shell").unwrap(), Lock::Ours);
    assert_eq!(Local::new().lock(&path, "another").unwrap(), Lock::Theirs("the shell".into()));
    drop(shell);
    child.wait().unwrap();
    assert_eq!(Local::new().lock(&path, "another").unwrap(), Lock::Ours);
}

#[test]
fn without_flock_the_lock_of_a_dead_shell_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let (mut child, first) = shell(NO_FLOCK);
    let (_other, second) = shell(NO_FLOCK);
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.lock(&path, "the first").unwrap(), Lock::Ours);
    assert_eq!(second.lock(&path, "the second").unwrap(), Lock::Theirs("the first".into()));
    drop(first);
    child.wait().unwrap();
    assert_eq!(second.lock(&path, "the second").unwrap(), Lock::Ours);
}

#[test]
fn nothing_is_left_on_the_host() {
    let (mut child, shell) = shell("");
    let shell = shell.unwrap();
    let scratch =
        shell.run(&Command::new(["sh", "-c", "ls -d /dev/shm/windlass-* /run/windlass-* /tmp/windlass-*"]));
    let nonce = shell.wire.lock().unwrap().nonce().to_string();
    assert!(scratch.unwrap().text().contains(&nonce));
    drop(shell);
    child.wait().unwrap();
    for folder in ["/dev/shm", "/run", "/tmp", "/var/tmp"] {
        assert!(!Path::new(folder).join(format!("windlass-{nonce}")).exists());
    }
}

/// `tee` on a host so loaded that programs start late.
const LATE: &str = "tee() { sleep 1; command tee \"$@\"; }\n";

#[test]
fn output_is_heard_although_its_listeners_start_late() {
    let (_child, shell) = shell(LATE);
    let answer = shell.unwrap().run(&Command::new(["echo", "heard"])).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (0, "heard"));
}

/// Looks again and again, for twenty seconds at most.
fn soon(is_so: impl Fn() -> bool) -> bool {
    (0..2000).any(|_| {
        std::thread::park_timeout(std::time::Duration::from_millis(10));
        is_so()
    })
}

#[test]
fn a_killed_shell_ends_its_command_and_then_lets_go_of_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let (path, number) = (folder.path().join("lock"), folder.path().join("number"));
    let (mut child, shell) = shell("");
    let shell = shell.unwrap();
    assert_eq!(shell.lock(&path, "the shell").unwrap(), Lock::Ours);
    let script = format!("echo $$ >{}; exec sleep 60", number.display());
    let read = || std::fs::read_to_string(&number).unwrap_or_default().trim().to_string();
    std::thread::scope(|scope| {
        let command = scope.spawn(|| shell.run(&Command::new(["sh", "-c", &script])));
        assert!(soon(|| !read().is_empty()));
        child.kill().unwrap();
        command.join().unwrap().unwrap_err();
    });
    child.wait().unwrap();
    assert!(soon(|| Local::new().lock(&path, "another").unwrap() == Lock::Ours));
    assert!(!Path::new("/proc").join(read()).exists());
}
