//! Changes that stay only when they are confirmed.

use super::*;
use crate::engine::guard::{self, Watch};
use crate::system::pretend::Pretend;
use std::time::Duration;

const PATH: &str = "/etc/ssh/sshd_config.d/00-windlass.conf";

const SSHD: &str = r#"
    [[steps]]
    kind = "file"
    args = { path = "/before", content = "x" }
    [[steps]]
    kind = "sshd"
    name = "sshd"
    args = { options = { Port = 22 } }
"#;

fn with_sshd() -> Pretend<'static> {
    let host = host(&[
        ("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n"),
        (PATH, "old\n"),
        ("/run/systemd/system/unit", ""),
        ("/etc/systemd/system/unit", ""),
    ]);
    let question = ["/bin/sh", "-c", "cat | sshd -T -f /dev/stdin"].map(str::to_string);
    answer_to(&host, question.to_vec(), 0, "port 22\n");
    host
}

fn run_confirmed(host: &Pretend<'_>, confirms: Result<(), String>) -> String {
    let heard = Heard { confirms: Some(confirms), ..Heard::default() };
    run_with(host, &job("1-a", Mode::Apply, SSHD), &heard)
}

fn names(host: &Pretend<'_>, folder: &str) -> Vec<String> {
    let names = host.list(Path::new(folder)).unwrap();
    names.into_iter().map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn what_is_confirmed_stays() {
    let host = with_sshd();
    expect![[r#"
        file changed
            write /before
        sshd changed
            write /etc/ssh/sshd_config.d/00-windlass.conf
            run systemctl restart ssh
            a new connection confirmed it
        => changed
    "#]]
    .assert_eq(&run_confirmed(&host, Ok(())));
    assert_eq!(text(&host, PATH), "old\nPort 22\n");
    assert_eq!(names(&host, "/var/lib/windlass/armed"), [""; 0]);
    assert_eq!(names(&host, "/etc/systemd/system/multi-user.target.wants"), [""; 0]);
}

#[test]
fn what_is_not_confirmed_is_taken_back_and_the_steps_before_it_stay() {
    let host = with_sshd();
    let told = run_confirmed(&host, Err("log in: refused".to_string()));
    assert!(told.contains("undone: write /etc/ssh/sshd_config.d/00-windlass.conf"), "{told}");
    let why = "=> failed\nconfirm the change over a new connection: log in: refused\n";
    assert!(told.contains(why), "{told}");
    assert_eq!((text(&host, PATH).as_str(), text(&host, "/before").as_str()), ("old\n", "x"));
    assert_eq!(names(&host, "/var/lib/windlass/armed"), [""; 0]);
}

#[test]
fn nothing_is_changed_where_nothing_could_take_it_back() {
    let host = with_sshd();
    let told = apply(&host, SSHD);
    assert!(told.contains("arm the change: nothing on this host could roll it back"), "{told}");
    assert_eq!(text(&host, PATH), "old\n");
}

#[test]
fn check_arms_nothing_and_says_that_it_would() {
    let host = with_sshd();
    let told = check(&host, SSHD);
    let note = "would be armed: undone after 40 s unless a new connection confirms it\n";
    assert!(told.contains(note), "{told}");
    assert!(host.stat(Path::new("/var")).unwrap().is_none());
}

/// A host whose agent was killed while a change was armed; `more` is what its journal goes on with.
fn left_armed(more: &str) -> Pretend<'static> {
    let journal = format!(
        "{}\n{}\n{}\n{more}",
        r#"{"intent":{"change":1,"step":1,"what":"write /before","back":{"restore":{"path":"/before","before":[],"left":{"file":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}}}}}"#,
        r#"{"armed":{"change":1,"step":2,"name":"sshd","agent":4711,"ports_before":[]}}"#,
        r#"{"intent":{"change":2,"step":2,"what":"write /risky","back":{"restore":{"path":"/risky","before":[],"left":{"file":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}}}}}"#,
    );
    host(&[
        ("/before", "x"),
        ("/risky", "x"),
        ("/var/lib/windlass/runs/1-a/journal", &journal),
        ("/var/lib/windlass/armed/1-a.1", "sshd\n"),
    ])
}

fn there(host: &Pretend<'_>) -> [bool; 3] {
    ["/before", "/risky", "/var/lib/windlass/armed/1-a.1"]
        .map(|path| host.stat(Path::new(path)).unwrap().is_some())
}

fn watched(host: &Pretend<'_>) {
    let run = RunId::try_from("1-a".to_string()).unwrap();
    guard::watch(host, &state(), &Watch { run, change: 1 }, Duration::ZERO, &|_| {}).unwrap();
}

#[test]
fn what_watches_takes_back_the_step_alone() {
    let host = left_armed("");
    watched(&host);
    assert_eq!(there(&host), [true, false, false]);
    let journal = text(&host, "/var/lib/windlass/runs/1-a/journal");
    assert!(journal.ends_with("{\"end\":{\"outcome\":\"failed\"}}\n"), "{journal}");
    watched(&host);
    assert_eq!(there(&host), [true, false, false]);
}

#[test]
fn what_was_confirmed_just_before_the_kill_stays() {
    let host = left_armed("{\"disarmed\":{\"change\":1,\"confirmed\":true}}\n");
    watched(&host);
    assert_eq!(there(&host), [true, true, false]);
}

#[test]
fn the_next_run_takes_it_back_first_and_then_tells_how_that_run_ended() {
    let host = left_armed("");
    let settling = |mode| {
        let mut job = job("2-b", mode, "");
        job.envelope.settle = vec![run_id("1-a")];
        job
    };
    let checked = run_with(&host, &settling(Mode::Check), &Heard::default());
    assert_eq!((checked.as_str(), there(&host)), ("=> ok\n", [true, true, true]), "it may be confirmed yet");
    let told = run_with(&host, &settling(Mode::Apply), &Heard::default());
    assert!(told.contains("the host rolled the change back by itself"), "{told}");
    assert!(told.contains("settled 1-a: Some(Failed) with 1 steps"), "{told}");
    assert_eq!(there(&host), [true, false, false]);
}

#[test]
fn an_undo_that_locks_out_is_rolled_back_and_says_so() {
    let host = with_sshd();
    run_confirmed(&host, Ok(()));
    let heard = Heard { confirms: Some(Err("refused".to_string())), ..Heard::default() };
    let told = run_with(&host, &undo_of("1-a"), &heard);
    assert!(told.contains("no new login works afterwards, so the undo was rolled back: refused"), "{told}");
    assert_eq!(text(&host, PATH), "old\nPort 22\n", "as the run left it");
    assert_eq!(text(&host, "/before"), "x", "nothing else was undone");
    assert_eq!(names(&host, "/var/lib/windlass/armed"), [""; 0]);
}

#[test]
fn an_undo_that_a_new_login_confirms_stays() {
    let host = with_sshd();
    run_confirmed(&host, Ok(()));
    let heard = Heard { confirms: Some(Ok(())), ..Heard::default() };
    let told = run_with(&host, &undo_of("1-a"), &heard);
    assert!(told.ends_with("=> undone\n"), "{told}");
    assert_eq!(text(&host, PATH), "old\n");
    assert!(host.stat(Path::new("/before")).unwrap().is_none());
}
