//! What holds for commands on every host: what they are given, and what is known of how they ended.

use super::host::{SOON, is_root, outside, run, sh};
use super::{Fixture, mode, why};
use crate::model::mode::Mode;
use crate::model::op::{Answer, Command};
use crate::system::{Flow, OUTPUT_KEPT};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub fn status_and_output_come_back(on: &Fixture) {
    let answer = sh(on, "printf 'out\\000\\n\\n'; printf err >&2; exit 3");
    assert_eq!((answer.status, &answer.stdout[..], &answer.stderr[..]), (3, &b"out\0\n\n"[..], &b"err"[..]));
    assert_eq!(answer.total, 9);
    assert_eq!(run(on, &["true"]), Answer::default());
}

pub fn arguments_are_only_words(on: &Fixture) {
    let words = [
        "",
        "two words",
        "it's",
        "$(touch pwned)",
        "line\nbreak\n",
        "back\\slash\\0101",
        "-n",
        "*",
        "é\u{7f}",
    ];
    let argv = ["printf", "[%s]"].into_iter().chain(words).collect::<Vec<_>>();
    let wanted: String = words.iter().map(|word| format!("[{word}]")).collect();
    assert_eq!(String::from_utf8(run(on, &argv).stdout).unwrap(), wanted);
}

pub fn stdin_arrives(on: &Fixture) {
    for stdin in [&b""[..], b"line\n", b"a\0b\xff no newline", b"\\c %s \\0"] {
        let command = Command { stdin: stdin.to_vec(), ..Command::new(["cat"]) };
        assert_eq!(on.system.run(&command).unwrap().stdout, stdin);
    }
}

pub fn large_stdin_does_not_block(on: &Fixture) {
    let stdin = b"0123456789abcde\n".repeat(100_000);
    let command = Command { stdin: stdin.clone(), ..Command::new(["cat"]) };
    let answer = on.system.run(&command).unwrap();
    assert_eq!(answer.total, stdin.len() as u64);
    assert_eq!(answer.stdout[..OUTPUT_KEPT / 2], stdin[..OUTPUT_KEPT / 2]);
}

pub fn unread_stdin_does_not_block(on: &Fixture) {
    let command = Command { stdin: vec![b'x'; 300_000], ..Command::new(["true"]) };
    assert_eq!(on.system.run(&command).unwrap(), Answer::default());
}

pub fn environment_and_directory_are_set(on: &Fixture) {
    let mut command = Command::new(["sh", "-c", "printf '%s|%s|' \"$WORD\" \"$EMPTY\"; pwd"]);
    command.environment =
        BTreeMap::from([("WORD".into(), "it's $(here)\n".into()), ("EMPTY".into(), String::new())]);
    command.directory = Some(on.folder.clone().into());
    let real = on.real.canonicalize().unwrap();
    assert_eq!(on.system.run(&command).unwrap().text(), format!("it's $(here)\n||{}", real.display()));
    assert_eq!(run(on, &["pwd"]).text(), on.root.canonicalize().unwrap().display().to_string());
}

pub fn the_locale_is_c(on: &Fixture) {
    assert_eq!(sh(on, "echo $LC_ALL:${LANG-}:${LC_TIME-}").text(), "C::");
    assert!(sh(on, "echo $PATH").text().contains("/usr/sbin"));
}

pub fn a_login_gives_its_home_directory_and_locale(on: &Fixture) {
    let script = "pwd; echo \"${LC_ALL-none} ${LANG-none}\"; cat";
    let login = Command { login: true, ..Command::new(["sh", "-c", script]) };
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or("/".into()));
    // Where the host has no such home directory, a login starts in `/`.
    let there = if on.root == Path::new("/") && home.is_dir() { &home } else { &on.root };
    let of_login = |name: &str| std::env::var(name).unwrap_or_else(|_| "none".to_string());
    let expected =
        format!("{}\n{} {}", there.canonicalize().unwrap().display(), of_login("LC_ALL"), of_login("LANG"));
    assert_eq!(on.system.run(&login).unwrap().text(), expected);
}

pub fn a_missing_program_is_127_and_never_started(on: &Fixture) {
    let has_shell = run(on, &["/bin/sh", "-c", ":"]).ok();
    let starts = |command: Command| {
        let started = Cell::new(false);
        let flow = Flow { started: Some(&started), ..Flow::default() };
        drop(on.system.stream(&command, flow));
        started.get()
    };
    let is_started = |argv: &[&str]| {
        let [plain, other] = [None, Mode::parse("0027").ok()]
            .map(|umask| starts(Command::new(argv.iter().copied()).with_umask(umask)));
        assert!(!has_shell || plain == other, "{argv:?} with a umask");
        plain
    };
    on.write_as("locked", "#!/bin/sh\n", mode(0o644));
    let locked = on.path("locked").display().to_string();
    for missing in ["windlass-no-such-program", "/windlass/no/such/program"] {
        assert_eq!((run(on, &[missing, "x"]).status, is_started(&[missing])), (127, false));
    }
    on.write_as("orphan", "#!/windlass/no/such/interpreter\n", mode(0o755));
    let orphan = on.path("orphan").display().to_string();
    assert!(!is_started(&[&orphan]), "a script whose interpreter is missing");
    assert!(!is_started(&[&locked]) && is_started(&["true"]) && is_started(&["sh", "-c", "exit 127"]));
}

pub fn a_missing_folder_is_named(on: &Fixture) {
    let command = Command { directory: Some(on.path("nothing").into()), ..Command::new(["true"]) };
    assert_eq!(why(on.system.run(&command)), "no such file or directory");
}

pub fn a_signal_is_told(on: &Fixture) {
    assert_eq!(sh(on, "kill -KILL $$").status, 137);
    assert_eq!(sh(on, "kill -TERM $$").status, 143);
}

pub fn endless_output_is_bounded(on: &Fixture) {
    let answer = sh(on, "yes 0123456789 | head -c 30000000; echo; echo the end; echo short >&2");
    assert_eq!(answer.total, 30_000_000 + 1 + 8 + 6);
    assert!(answer.stdout.len() < 2 * OUTPUT_KEPT + 100);
    assert!(
        answer.stdout.starts_with(b"0123456789\n0123456789\n") && answer.stdout.ends_with(b"\nthe end\n")
    );
    assert!(String::from_utf8_lossy(&answer.stdout).contains(" bytes left out …\n"));
    assert_eq!(answer.stderr, b"short\n");
    let exact = sh(on, "yes 0123456789 | head -c 50000; echo the end");
    assert_eq!((exact.stdout.len(), exact.total), (50_008, 50_008));
    assert!(exact.stdout.ends_with(b"the end\n"));
}

pub fn both_streams_are_told_apart(on: &Fixture) {
    let answer = sh(on, "yes o | head -c 400000; yes e | head -c 400000 >&2; echo done");
    assert_eq!(answer.total, 800_005);
    assert!(answer.stdout.starts_with(b"o\no\n") && answer.stderr.starts_with(b"e\ne\n"));
}

pub fn a_time_limit_ends_the_group(on: &Fixture) {
    let script = "echo begun; sleep 300 & echo $! >\"$0\"; wait";
    let file = on.real.join("pid");
    let command = Command {
        timeout: Some(Duration::from_secs(1)),
        ..Command::new(["sh", "-c", script, file.to_str().unwrap()])
    };
    let start = Instant::now();
    let answer = on.system.run(&command).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (124, "begun"));
    assert!(start.elapsed() < SOON);
    let pid = fs::read_to_string(file).unwrap();
    if on.ends_groups {
        assert!(dies(pid.trim()), "the sleeping child lives on");
    } else {
        outside(&["kill"], Path::new(pid.trim()));
    }
    let quick = Command { timeout: Some(Duration::from_secs(60)), ..Command::new(["echo", "in time"]) };
    assert_eq!(on.system.run(&quick).unwrap().text(), "in time");
}

/// Whether a process that was asked to end does so soon: on a busy machine it may be a moment before it is given time.
fn dies(pid: &str) -> bool {
    let start = Instant::now();
    while is_alive(pid) {
        if start.elapsed() > SOON {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// A zombie does nothing any more; process 1 here may be slow to collect it.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

pub fn a_stubborn_process_is_killed(on: &Fixture) {
    let script = "trap '' TERM; echo begun; while :; do sleep 1; done";
    let command = Command { timeout: Some(Duration::from_secs(1)), ..Command::new(["sh", "-c", script]) };
    let start = Instant::now();
    let answer = on.system.run(&command).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (124, "begun"));
    assert!(start.elapsed() < SOON);
}

pub fn a_daemon_does_not_hold_the_step(on: &Fixture) {
    let start = Instant::now();
    let answer = sh(on, "sleep 40 & echo $!");
    assert!(start.elapsed() < SOON);
    assert!(is_alive(&answer.text()), "the daemon may go on");
    outside(&["kill"], Path::new(&answer.text()));
}

pub fn another_user_can_be_used(on: &Fixture) {
    if !is_root() {
        return;
    }
    let mut command = Command::new(["sh", "-c", "id -u; id -g; id -G; echo $HOME; cat"]);
    command.user = Some("nobody".into());
    command.stdin = b"a secret".to_vec();
    let nobody = run(on, &["sh", "-c", "id -u nobody; id -g nobody; id -G nobody"]).text();
    assert_eq!(on.system.run(&command).unwrap().text(), format!("{nobody}\n/nonexistent\na secret"));
    command.argv = vec!["printf".into(), "[%s]".into(), "-c".into(), "it's $(x)".into(), String::new()];
    assert_eq!(on.system.run(&command).unwrap().text(), "[-c][it's $(x)][]");
    assert_eq!(run(on, &["id", "-u"]).text(), "0");
}

pub fn an_unknown_user_is_named(on: &Fixture) {
    let command = Command { user: Some("windlass-nobody".into()), ..Command::new(["true"]) };
    let failure = on.system.run(&command).unwrap_err();
    assert_eq!(failure.why, "the host has no such user");
}
