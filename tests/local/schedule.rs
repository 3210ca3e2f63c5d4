//! Schedules, as a person has them: windlass.toml, `windlass serve`, runs on a host, notices. No lab: the host is a
//! folder behind an SSH server in this process.

use crate::folder_host::FolderStage;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; nothing waits so long when all is well.
const SOON: Duration = Duration::from_secs(60);

/// A scheduler at work. Killed when dropped, with all that it started.
struct Serving {
    child: Child,
}

impl Serving {
    /// Starts it; its log is `serve.log` in the project.
    fn start(stage: &FolderStage, more: &[&str]) -> Serving {
        let log =
            std::fs::OpenOptions::new().append(true).create(true).open(stage.file("serve.log")).unwrap();
        let mut command = stage.project.command();
        command.args(["serve"]).args(more).stdout(Stdio::null()).stderr(log).process_group(0);
        Serving { child: command.spawn().expect("windlass starts") }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn kill(mut self) {
        let _gone_already = kill_process(self.pid(), Signal::KILL);
        self.child.wait().unwrap();
    }

    /// Asks it to end and waits for that.
    fn end(mut self) -> Option<i32> {
        let _gone_already = kill_process(self.pid(), Signal::TERM);
        until("serve ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _gone_already = kill_process_group(self.pid(), Signal::KILL);
            let _reaped = self.child.wait();
        }
    }
}

/// Asks until there is an answer.
#[expect(clippy::disallowed_methods, reason = "waits for other processes, with a deadline")]
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < SOON, "{what}: not within {SOON:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A project whose schedule `often` runs a step that notes each time it begins and ends.
fn stage(keys: &str, seconds: &str) -> FolderStage {
    let stage = FolderStage::set();
    let (begun, over) = (stage.file("begun"), stage.file("over"));
    let shell = format!("echo x >>{}; sleep {seconds}; echo x >>{}", begun.display(), over.display());
    stage.project.write(
        "playbooks/note.toml",
        format!("[[steps]]\nname = \"note\"\n[steps.command]\nshell = {shell:?}\n"),
    );
    stage
        .project
        .write("windlass.toml", format!("[schedule.often]\nplaybook = \"note\"\nhosts = \"web1\"\n{keys}\n"));
    stage
}

fn lines(stage: &FolderStage, name: &str) -> usize {
    std::fs::read_to_string(stage.file(name)).unwrap_or_default().lines().count()
}

fn json(stage: &FolderStage, words: &[&str]) -> Value {
    let finished = stage.project.windlass(words.iter().copied().chain(["--output", "json"]));
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

fn state(stage: &FolderStage) -> Value {
    let text = std::fs::read_to_string(stage.file(".windlass/schedule/often.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn log(stage: &FolderStage) -> String {
    std::fs::read_to_string(stage.file("serve.log")).unwrap_or_default()
}

fn second(time: &Value) -> i64 {
    let time: jiff::Timestamp = time.as_str().expect("a time is text").parse().expect("a time");
    time.as_second()
}

/// How many runs each slot has, by what the record says.
fn runs(stage: &FolderStage) -> BTreeMap<String, Vec<Value>> {
    let mut by_slot: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for run in json(stage, &["runs", "list", "-n", "1000"]).as_array().expect("a list") {
        by_slot.entry(run["slot"].as_str().expect("every run has one").into()).or_default().push(run.clone());
    }
    by_slot
}

/// Every second since the schedule was first seen was run or left out, and counted.
fn nothing_is_lost(stage: &FolderStage, runs: usize) {
    let state = state(stage);
    let all = second(&state["settled"]) - second(&state["since"]);
    let left_out = state["counts"]["left_out"].as_i64().unwrap_or(0);
    assert_eq!(runs as i64 + left_out, all, "{state:#}\n{}", log(stage));
}

#[test]
fn schedules_are_listed_and_run_by_hand() {
    let stage = stage("cron = \"0 2 * * *\"\ntimezone = \"UTC\"", "0");
    let list = stage.project.windlass(["schedule", "list"]).stdout;
    assert!(list.contains("often") && list.contains("note on web1") && list.contains("never"), "{list}");
    assert_eq!(json(&stage, &["schedule", "next", "3"]).as_array().map(Vec::len), Some(3));
    let finished = stage.project.windlass(["schedule", "run", "often", "--due"]);
    assert_eq!((finished.code, lines(&stage, "begun")), (0, 0), "{finished:?}");
    let finished = stage.project.windlass(["schedule", "run", "often"]);
    assert_eq!((finished.code, lines(&stage, "over")), (0, 1), "{finished:?}");
    let listed = &json(&stage, &["schedule", "list"])[0];
    assert_eq!(
        (&listed["last"]["outcome"], &listed["last"]["hosts"]["changed"]),
        (&"succeeded".into(), &1.into())
    );
    let list = stage.project.windlass(["runs", "list"]).stdout;
    assert!(list.contains("note (schedule often)"), "{list}");
    assert_eq!(stage.project.windlass(["schedule", "run", "oftn"]).code, 5);
    assert_eq!(stage.project.windlass(["schedule", "check"]).code, 0);
}

#[test]
fn serve_runs_each_time_once_and_ends_well() {
    let stage = stage("cron = \"* * * * * *\"\ncatch_up = true", "0");
    let serving = Serving::start(&stage, &[]);
    until("three runs", || (lines(&stage, "over") >= 3).then_some(()));
    let second = stage.project.windlass(["serve"]);
    assert!(second.code == 1 && second.stderr.contains("another `windlass serve`"), "{second:?}");
    let status: Value =
        serde_json::from_str(&std::fs::read_to_string(stage.file(".windlass/schedule/status.json")).unwrap())
            .unwrap();
    assert_eq!(status["schedules"][0]["name"], "often");
    assert_eq!(serving.end(), Some(0), "{}", log(&stage));
    let runs = runs(&stage);
    assert!(runs.values().all(|runs| runs.len() == 1), "{runs:#?}");
    assert_eq!(runs.len(), lines(&stage, "over"));
    nothing_is_lost(&stage, runs.len());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a kill must come at no particular moment")]
fn killing_serve_again_and_again_neither_doubles_nor_loses_a_run() {
    let stage = stage("cron = \"* * * * * *\"\ncatch_up = true", "0.3");
    for round in 0..12u64 {
        let serving = Serving::start(&stage, &[]);
        std::thread::sleep(Duration::from_millis(150 + round * 397 % 1300));
        serving.kill();
        // Somebody else's timer comes due at the same time.
        if round % 3 == 0 {
            stage.project.windlass(["schedule", "run", "often", "--due"]);
        }
    }
    let serving = Serving::start(&stage, &[]);
    let before = lines(&stage, "over");
    until("two more runs", || (lines(&stage, "over") >= before + 2).then_some(()));
    assert_eq!(serving.end(), Some(0), "{}", log(&stage));
    let runs = runs(&stage);
    assert!(runs.values().all(|runs| runs.len() == 1), "{runs:#?}\n{}", log(&stage));
    assert_eq!((lines(&stage, "begun"), lines(&stage, "over")), (runs.len(), runs.len()));
    nothing_is_lost(&stage, runs.len());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a kill must come at no particular moment")]
fn a_run_that_is_killed_itself_is_brought_to_its_end() {
    let stage = stage("cron = \"* * * * * *\"\ncatch_up = true", "0.4");
    for round in 0..6u64 {
        let serving = Serving::start(&stage, &[]);
        std::thread::sleep(Duration::from_millis(700 + round * 211 % 900));
        // As when the machine goes down: the scheduler, then the process that it started, then their runs.
        let family = family(serving.child.id());
        serving.kill();
        for pid in family {
            let _gone_already = Pid::from_raw(pid as i32).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
    let before = lines(&stage, "over");
    let serving = Serving::start(&stage, &[]);
    until("the last one and another have ended well", || {
        let state = state(&stage);
        let well = state["last"]["outcome"] == "succeeded" && state["running"].is_null();
        (well && lines(&stage, "over") >= before + 2).then_some(())
    });
    assert_eq!(serving.end(), Some(0), "{}", log(&stage));
    let runs = runs(&stage);
    for (slot, runs) in &runs {
        // The newest comes first. Those before it were cut off, and it is what came of them.
        let (last, cut_off) = runs.split_first().expect("a slot has a run");
        assert!(cut_off.iter().all(|run| run["state"] == "died"), "{slot}: {runs:#?}\n{}", log(&stage));
        assert_ne!(last["state"], "running", "{slot}: {runs:#?}");
    }
    nothing_is_lost(&stage, runs.len());
}

/// The processes below one, by the kernel's word.
fn family(parent: u32) -> Vec<u32> {
    let children = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let above: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        (above == parent).then_some(pid)
    });
    children.flat_map(|pid| std::iter::once(pid).chain(family(pid))).collect()
}

#[test]
fn downtime_is_caught_up_once() {
    // Half a day off: right after a time has come a run is no catching up.
    let hour = (jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour() + 12) % 24;
    let stage = stage(&format!("cron = \"0 {hour} * * *\"\ntimezone = \"UTC\"\ncatch_up = true"), "0");
    stage.project.windlass(["schedule", "check"]);
    let path = stage.file(".windlass/schedule/often.json");
    let mut state = state(&stage);
    for key in ["since", "settled"] {
        let days_ago = jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(24 * 9)).unwrap();
        state[key] = days_ago.to_string().into();
    }
    std::fs::write(&path, state.to_string()).unwrap();
    let serving = Serving::start(&stage, &[]);
    until("one run", || (lines(&stage, "over") == 1).then_some(()));
    until("it is written down", || (self::state(&stage)["last"]["trigger"] == "catch_up").then_some(()));
    assert_eq!(serving.end(), Some(0));
    let finished = stage.project.windlass(["schedule", "run", "often", "--due"]);
    assert_eq!((finished.code, lines(&stage, "over")), (0, 1), "{finished:?}");
    assert_eq!(self::state(&stage)["counts"]["left_out"], 8);
}

#[test]
fn a_run_that_takes_too_long_is_ended_after_its_step() {
    let stage = stage("cron = \"* * * * * *\"\ntimeout = \"3s\"", "6");
    // The agent is there already: the time is for the step.
    let words = ["run", "step", "debug", "message=ready", "--hosts", "web1"];
    assert_eq!(stage.project.windlass(words).code, 0);
    let finished = stage.project.windlass(["schedule", "run", "often"]);
    assert_eq!((finished.code, lines(&stage, "over")), (130, 1), "{finished:?}");
    assert_eq!(state(&stage)["last"]["outcome"], "timed_out", "{finished:?}");
}

#[test]
fn a_run_that_the_scheduler_interrupts_is_gone_on_with() {
    let stage = stage("cron = \"* * * * * *\"", "2");
    let serving = Serving::start(&stage, &["--grace", "0s"]);
    until("a run", || (lines(&stage, "begun") == 1).then_some(()));
    assert_eq!(serving.end(), Some(0), "{}", log(&stage));
    let slot = state(&stage)["running"]["slot"].clone();
    assert!(slot.is_string(), "{}", log(&stage));
    let serving = Serving::start(&stage, &[]);
    let last = until("its end", || Some(state(&stage)["last"].clone()).filter(|last| !last.is_null()));
    assert_eq!((&last["slot"], &last["outcome"]), (&slot, &"succeeded".into()), "{}", log(&stage));
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn metrics_are_served_on_loopback_only() {
    let stage = stage("cron = \"* * * * * *\"", "0");
    let refused = stage.project.windlass(["serve", "--listen", "0.0.0.0:0"]);
    assert!(refused.code == 5 && refused.stderr.contains("--listen-anywhere"), "{refused:?}");
    let serving = Serving::start(&stage, &["--listen", "127.0.0.1:0"]);
    let address = until("an address", || {
        let log = log(&stage);
        let (_, rest) = log.split_once("http://")?;
        Some(rest.split_once('/')?.0.to_string())
    });
    let metrics = until("a success", || {
        let text = get(&address, "/metrics");
        text.contains("windlass_schedule_last_success_timestamp_seconds{schedule=\"often\"} 1")
            .then_some(text)
    });
    assert!(metrics.contains("windlass_schedule_late{schedule=\"often\"} 0"), "{metrics}");
    assert!(
        metrics.contains("windlass_schedule_runs_total{schedule=\"often\",outcome=\"succeeded\"}"),
        "{metrics}"
    );
    assert!(get(&address, "/healthz").ends_with("ok\n"));
    assert_eq!(serving.end(), Some(0));
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn each_thing_is_notified_once() {
    let stage = stage("cron = \"0 2 * * *\"\nnotify = [\"hook\", \"file\", \"mail\"]", "0");
    let (hook, notices) = webhook();
    let (smtp, mails) = mail_server();
    let report = stage.file("told");
    let config = stage.project.read("windlass.toml");
    let channels = format!(
        "[notify.hook]\nwebhook = \"file:hook\"\n\
         [notify.file]\ncommand = [\"sh\", \"-c\", {:?}]\n\
         [notify.mail]\nsmtp = {{ host = \"127.0.0.1\", port = {smtp}, tls = \"none\", from = \"w@example.com\", to = \"ops@example.com\" }}\n",
        format!("cat >>{0}; echo >>{0}", report.display())
    );
    stage.project.write("windlass.toml", config + &channels);
    stage.project.write_secret("hook", format!("http://127.0.0.1:{hook}/secret-key\n"));
    let good = stage.project.read("playbooks/note.toml");
    stage.project.write("playbooks/note.toml", "[[steps]]\n[steps.command]\nargv = [\"false\"]\n");
    for _ in 0..3 {
        assert_eq!(stage.project.windlass(["schedule", "run", "often"]).code, 2);
    }
    assert_eq!(stage.project.windlass(["schedule", "check"]).code, 2);
    stage.project.write("playbooks/note.toml", good);
    for _ in 0..2 {
        assert_eq!(stage.project.windlass(["schedule", "run", "often"]).code, 0);
    }
    let events: Vec<Value> = notices.try_iter().map(|body| serde_json::from_str(&body).unwrap()).collect();
    let words: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(words, ["failed", "recovered"], "{events:#?}");
    assert!(
        events[0]["text"].as_str().unwrap().contains("1 of 1 hosts did not end well: web1"),
        "{events:#?}"
    );
    assert_eq!(std::fs::read_to_string(&report).unwrap().lines().count(), 2);
    let mails: Vec<String> = mails.try_iter().collect();
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert!(mails[0].contains("Subject: windlass: schedule often failed"), "{mails:?}");
    assert!(!format!("{:#}", state(&stage)).contains("secret-key"));
}

/// A server that answers 500 once, then 200, and passes on the bodies of what it accepted.
fn webhook() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_ok() {
                let _nobody_waits = sender.send(String::from_utf8_lossy(&body).into_owned());
            }
            let _gone = reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        }
    });
    (port, receiver)
}

/// The least of a mail server: it takes everything and passes on what follows DATA.
fn mail_server() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let say = |reader: &mut BufReader<TcpStream>, line: &str| {
                let _gone = reader.get_mut().write_all(format!("{line}\r\n").as_bytes());
            };
            say(&mut reader, "220 test");
            let (mut line, mut mail) = (String::new(), None::<String>);
            while reader.read_line(&mut line).unwrap_or(0) > 0 {
                match (&mut mail, line.trim_end()) {
                    (Some(text), ".") => {
                        let _nobody_waits = sender.send(std::mem::take(text));
                        mail = None;
                        say(&mut reader, "250 taken");
                    }
                    (Some(text), _) => text.push_str(&line),
                    (None, "DATA") => {
                        mail = Some(String::new());
                        say(&mut reader, "354 go on");
                    }
                    (None, "QUIT") => say(&mut reader, "221 bye"),
                    (None, _) => say(&mut reader, "250 fine"),
                }
                line.clear();
            }
        }
    });
    (port, receiver)
}
