//! What hosts say, read; and the scripts themselves, run by this machine's sh in a home directory made for it.

use super::*;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

#[test]
fn scripts_pass_through_every_login_shell() {
    for script in [FIND, PLACE, KILL, LINE, ENTER, ASK_SUDO, ASK_SU, ASK_DOAS, ANNOUNCE] {
        let line = one_line(script);
        assert!(!line.contains(['\'', '!', '\\', '\n']), "{line}");
    }
}

#[test]
fn a_line_ends_with_all_that_it_started_when_its_input_ends() {
    let line = watched_line("sleep 600 & echo started; wait", None);
    let mut child = process("/bin/sh", &line);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut started = String::new();
    output.read_line(&mut started).unwrap();
    drop(child.stdin.take());
    // The end of its output comes when nothing of it runs any more.
    output.read_to_string(&mut started).unwrap();
    assert_eq!((started.as_str(), child.wait().unwrap().success()), ("started\n", false));
}

#[test]
fn a_line_ends_as_its_command_does_and_leaves_what_it_detached() {
    let mut child = process("/bin/sh", &watched_line("read x; echo \"it's $x.\"; exit 3", None));
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert_eq!((output.as_str(), child.wait().unwrap().code()), ("it's .\n", Some(3)));
}

#[expect(clippy::disallowed_methods, reason = "a host's shell is played by this machine's")]
fn process(shell: &str, line: &str) -> Child {
    let mut command = std::process::Command::new(shell);
    command.args(["-c", line]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn reads_what_a_bare_host_says_after_noise() {
    let said = b"Welcome!\nwindlass-host Linux x86_64 xz gzip raw\nwindlass-directory /home/a/.cache/windlass-1000\n\
        windlass-directory /var/tmp/windlass-1000\nwindlass-state /home/a b/.local/state/windlass\nwindlass-end\n";
    let bare = bare(said).unwrap();
    assert_eq!(bare.machine, "x86_64");
    assert_eq!(bare.unpacks, [Packing::Xz, Packing::Gzip, Packing::Raw]);
    assert_eq!(bare.directories, ["/home/a/.cache/windlass-1000", "/var/tmp/windlass-1000"]);
    assert_eq!(bare.state, HostPath::from("/home/a b/.local/state/windlass"));
}

#[test]
fn a_host_where_nothing_may_be_executed_has_no_directory() {
    let said = b"windlass-host Linux mips raw\nwindlass-state /var/lib/windlass\nwindlass-end\n";
    assert_eq!(bare(said).unwrap().directories, [""; 0]);
}

#[test]
fn a_shell_tells_its_number_in_a_whole_line() {
    assert_eq!(shell_pid(b"Welcome!\nwindlass-pid 4711\n"), Some(4711));
    assert_eq!(shell_pid(b"Welcome!\nwindlass-pid 47"), None);
}

#[test]
fn noise_and_half_an_answer_are_no_answer() {
    assert_eq!(bare(b"This account is currently not available.\n"), None);
    assert_eq!(bare(b"windlass-host Linux x86_64 gzip\nwindlass-directory /tmp\n"), None);
    let endless = format!("windlass-host Linux x86_64 raw\n{}", "windlass-directory /a\n".repeat(1000));
    assert_eq!(bare(endless.as_bytes()), None);
}

#[test]
fn a_directory_that_a_host_names_is_never_pasted_unless_it_is_plain() {
    let home = Home::new();
    assert!(place(&home.agent("ran"), Packing::Raw, "/tmp/$(reboot)", None).is_err());
}

#[test]
fn says_what_to_do_when_sudo_wants_a_password() {
    let root = Become { method: Method::Sudo, user: "root".into(), password: false };
    assert_eq!(
        explain(Some(&root), Some(1), "sudo: a password is required\n").to_string(),
        "become root: exit status 1: sudo: a password is required\n  hint: give the login the right to sudo without \
         a password, or pass --ask-become-pass"
    );
}

/// A login's home directory.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        // find.sh makes it before anything is placed.
        fs::create_dir(home.cache()).unwrap();
        home
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join(".cache")
    }

    fn directory(&self) -> PathBuf {
        self.cache().join(format!("windlass-{}", rustix::process::getuid().as_raw()))
    }

    /// An agent that only says `word`.
    fn agent(&self, word: &str) -> AgentBinary {
        let script = format!(
            "#!/bin/sh\ncase $1 in --digest) sha256sum \"$0\" | cut -d\" \" -f1;; *) echo {word} \"$@\";; esac\n"
        );
        let path = self.0.path().join("agent");
        fs::write(&path, script).unwrap();
        AgentBinary::from_file(&path, "x86_64").unwrap()
    }

    /// What a command says on standard output when it is run as this login, with this input.
    fn run(&self, command: &str, input: &[u8]) -> String {
        #[expect(clippy::disallowed_methods, reason = "the scripts of hosts are tried here")]
        let mut process = std::process::Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .env_remove("XDG_CACHE_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // A script that refuses does not read its input.
        let written = process.stdin.take().unwrap().write_all(input);
        assert!(written.is_ok() || written.is_err_and(|why| why.kind() == ErrorKind::BrokenPipe));
        String::from_utf8(process.wait_with_output().unwrap().stdout).unwrap()
    }

    fn find(&self, agent: &AgentBinary) -> String {
        self.run(&find(&[agent], None), b"")
    }

    fn place(&self, agent: &AgentBinary, packing: Packing, bytes: &[u8]) -> String {
        self.run(&place(agent, packing, &self.directory().display().to_string(), None).unwrap(), bytes)
    }

    /// Places it whole.
    fn with(self, agent: &AgentBinary) -> Home {
        let (packing, bytes) = agent.packed(&[Packing::Gzip]).unwrap();
        assert_eq!(self.place(agent, packing, &bytes), "windlass-placed\n");
        self
    }
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Whether what [`find`] said names this directory.
fn names(said: &str, directory: &Path) -> bool {
    bare(said.as_bytes()).unwrap().directories.contains(&directory.display().to_string())
}

#[test]
fn an_agent_is_placed_and_run_from_where_the_login_is() {
    let home = Home::new();
    let agent = home.agent("ran");
    assert!(names(&home.find(&agent), &home.directory()));
    let home = home.with(&agent);
    assert_eq!(home.find(&agent), format!("ran --from {}\n", home.0.path().display()));
}

#[test]
fn an_agent_that_was_altered_is_not_run() {
    let home = Home::new();
    let agent = home.agent("ran");
    let home = home.with(&agent);
    let path = home.directory().join(agent.digest.as_str());
    let altered = fs::read_to_string(&path).unwrap().replace("ran", "bad");
    fs::write(&path, altered).unwrap();
    assert!(names(&home.find(&agent), &home.directory()));
    assert_eq!(home.with(&agent).find(&agent).split(' ').next(), Some("ran"));
}

#[test]
fn nothing_is_run_or_placed_where_others_can_exchange_it() {
    for mode in [0o777, 0o775] {
        let home = Home::new();
        let agent = home.agent("ran");
        let home = home.with(&agent);
        allow(&home.cache(), mode);
        assert!(!names(&home.find(&agent), &home.directory()), "{mode:o}");
        let (packing, bytes) = agent.packed(&[]).unwrap();
        assert_eq!(home.place(&agent, packing, &bytes), "", "{mode:o}");
        allow(&home.cache(), 0o1777);
        assert!(
            home.find(&agent).starts_with("ran "),
            "others can exchange nothing in a directory like /tmp"
        );
    }
}

#[test]
fn a_link_is_not_a_directory_of_ours() {
    let home = Home::new();
    let agent = home.agent("ran");
    let home = home.with(&agent);
    let elsewhere = home.0.path().join("elsewhere");
    fs::rename(home.directory(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, home.directory()).unwrap();
    assert!(!names(&home.find(&agent), &home.directory()));
}

#[test]
fn an_upload_that_is_cut_off_leaves_nothing() {
    let home = Home::new();
    let agent = home.agent("ran");
    for packing in [Packing::Gzip, Packing::Raw] {
        let (_, bytes) = agent.packed(&[packing]).unwrap();
        assert_eq!(home.place(&agent, packing, &bytes[..bytes.len() / 2]), "");
        assert_eq!(fs::read_dir(home.directory()).unwrap().count(), 0);
    }
}

#[test]
fn hosts_are_looked_at_by_many_at_once() {
    const SESSIONS: usize = 64;
    let home = Home::new();
    let agent = home.agent("ran");
    let found = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS).map(|_| scope.spawn(|| home.find(&agent))).collect();
        sessions
            .into_iter()
            .map(|session| names(&session.join().unwrap(), &home.directory()))
            .filter(|found| *found)
            .count()
    });
    assert_eq!(found, SESSIONS);
}
