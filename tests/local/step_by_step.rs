//! `--step`: the person at a terminal says of each step whether it runs.
#![expect(clippy::disallowed_methods, reason = "util-linux's script gives the built program a terminal")]

use crate::folder_host::FolderStage;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SITE: &str = r#"
[[steps]]
name = "one"
notify = "say"
file = { path = "/srv/one", content = "{{ inventory_hostname }}" }
[[steps]]
name = "never"
when = "false"
debug = { message = "x" }
[[steps]]
name = "two"
loop = ["a", "b"]
file = { path = "/srv/two-{{ item }}", content = "2" }
[[steps]]
name = "three"
run_once = true
command = { shell = "echo 3 > $WINDLASS_ROOT/srv/three || true" }
[[handlers]]
name = "say"
debug = { message = "handled" }
"#;

/// Long enough for a loaded machine; nothing waits so long when all is well.
const SOON: Duration = Duration::from_secs(60);

/// Runs the playbook on a terminal and types each answer once its question is there. Returns what was shown, and the exit code.
fn answered(stage: &FolderStage, options: &str, answers: &[(&str, &str)]) -> (String, i32) {
    answered_of(stage, SITE, "all", options, answers)
}

fn answered_of(
    stage: &FolderStage,
    playbook: &str,
    hosts: &str,
    options: &str,
    answers: &[(&str, &str)],
) -> (String, i32) {
    stage.project.write("playbooks/site.toml", playbook);
    ["web1", "web2"].iter().for_each(|host| stage.project.write(&format!("{host}/srv/there"), ""));
    let shown = stage.file("shown");
    let program = env!("CARGO_BIN_EXE_windlass");
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--flush", "--command"]);
    terminal.arg(format!("{program} run playbook site --hosts {hosts} --step --color never {options}"));
    terminal.arg(&shown).current_dir(stage.project.path()).stdin(Stdio::piped()).stdout(Stdio::null());
    terminal.env("TERM", "dumb");
    let mut running = terminal.spawn().expect("util-linux is there");
    let mut keyboard = running.stdin.take().expect("it is piped");
    let read = || String::from_utf8_lossy(&std::fs::read(&shown).unwrap_or_default()).replace('\r', "");
    let mut from = 0;
    for (question, answer) in answers {
        let start = Instant::now();
        let at = loop {
            let text = read();
            let at = text[from..].find(question).map(|at| from + at + question.len());
            if let Some(at) = at.filter(|at| text[*at..].contains("[q]uit: ")) {
                break at;
            }
            assert!(start.elapsed() < SOON, "no {question:?} after {from} in:\n{text}");
            sleep(Duration::from_millis(20));
        };
        from = at;
        writeln!(keyboard, "{answer}").expect("it reads");
    }
    let ended = running.wait().expect("it ends");
    drop(keyboard);
    (read(), ended.code().expect("it was not killed"))
}

fn made(stage: &FolderStage, host: &str, name: &str) -> bool {
    stage.file(&format!("{host}/srv/{name}")).exists()
}

#[test]
fn a_step_is_asked_about_once_for_all_hosts_and_a_refused_one_is_skipped() {
    let stage = FolderStage::of(&["web1", "web2"]);
    let answers = [
        ("step 1: one, on 2 hosts (web[1-2])", "y"),
        ("step 3: two, on 2 hosts (web[1-2])", "what"),
        ("run it?", "n"),
        ("step 4: three, on 1 host (web1)", "no"),
        ("say, on 2 hosts (web[1-2])", "y"),
    ];
    let (shown, code) = answered(&stage, "", &answers);
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("never, on"), "a step that would not run is not asked about:\n{shown}");
    assert!(["web1", "web2"].iter().all(|host| made(&stage, host, "one")), "{shown}");
    assert!(!["two-a", "two-b"].iter().any(|name| made(&stage, "web1", name)), "{shown}");
    let record = stage.project.windlass(["-v", "runs", "show", "last"]).stdout;
    assert!(record.contains("not wanted (--step)"), "{record}");
}

#[test]
fn a_loop_that_another_host_runs_is_asked_about_whatever_its_elements_decide() {
    let stage = FolderStage::of(&["web1", "web2", "lb1"]);
    let playbook = "[[steps]]\nname = \"there\"\non = \"lb1\"\nloop = [\"a\", \"b\"]\nwhen = \"item == 'b'\"\n\
                    file = { path = \"/srv/two-{{ item }}\", content = \"2\" }\n";
    stage.project.write("lb1/srv/there", "");
    let (shown, code) =
        answered_of(&stage, playbook, "web1,web2", "", &[("there, on 2 hosts (web[1-2])", "n")]);
    assert_eq!(code, 0, "{shown}");
    assert!(!made(&stage, "lb1", "two-b"), "{shown}");
    let (shown, code) =
        answered_of(&stage, playbook, "web1,web2", "", &[("there, on 2 hosts (web[1-2])", "y")]);
    assert!(code == 0 && made(&stage, "lb1", "two-b") && !made(&stage, "lb1", "two-a"), "{shown}");
}

#[test]
fn continue_asks_no_more_and_quit_stops_the_run() {
    let stage = FolderStage::of(&["web1", "web2"]);
    let (shown, code) = answered(&stage, "", &[("step 1: one", "y"), ("step 3: two", "q")]);
    assert_eq!(code, 130, "{shown}");
    assert!(made(&stage, "web2", "one") && !made(&stage, "web2", "two-a"), "{shown}");
    let (shown, code) = answered(&stage, "", &[("step 1: one", "c")]);
    assert_eq!(code, 0, "{shown}");
    assert!(made(&stage, "web2", "two-a") && made(&stage, "web1", "two-b"), "{shown}");
    assert_eq!(shown.matches("[q]uit").count(), 1, "{shown}");
}

#[test]
fn an_answer_holds_for_hosts_that_start_later() {
    let stage = FolderStage::of(&["web1", "web2"]);
    let answers = [("step 1: one, on 1 host (web1)", "y"), ("step 3: two", "c")];
    let (shown, code) = answered(&stage, "--forks 1", &answers);
    assert_eq!(code, 0, "{shown}");
    assert!(made(&stage, "web2", "one") && made(&stage, "web2", "two-b"), "{shown}");
}

#[test]
fn without_a_terminal_nothing_is_contacted() {
    let stage = FolderStage::set();
    stage.project.write("playbooks/site.toml", SITE);
    let finished = stage.project.windlass("run playbook site --hosts all --step".split(' '));
    assert_eq!(finished.code, 5, "{finished:?}");
    assert!(finished.stderr.contains("there is no terminal to ask on"), "{finished:?}");
    assert_eq!(stage.project.windlass(["runs", "list"]).stdout, "nothing has been run in this project\n");
}
