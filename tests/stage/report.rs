//! What a run reports as JSON lines, asked host by host.

use super::{Finished, Project};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

/// A run of windlass with `--output jsonl`.
#[derive(Debug)]
pub struct Report {
    pub code: i32,
    /// Every line of standard output. Reading them fails the test when one is no JSON.
    pub events: Vec<Value>,
    pub stderr: String,
}

impl Project {
    /// Runs `windlass LINE --output jsonl`; words are split at spaces.
    pub fn report(&self, line: &str) -> Report {
        Report::read(self.windlass(line.split_whitespace().chain(["--output", "jsonl"])))
    }

    /// Writes `playbooks/NAME.toml` and runs it on HOSTS; `more` are options.
    pub fn play(&self, playbook: &str, hosts: &str, more: &str) -> Report {
        self.write("playbooks/it.toml", playbook);
        self.report(&format!("run playbook it --hosts {hosts} {more}"))
    }

    /// What is known of the newest run.
    pub fn export(&self) -> Value {
        let listed = self.windlass(["runs", "list", "-n", "1", "--output", "json"]);
        let list: Value =
            serde_json::from_str(&listed.stdout).unwrap_or_else(|error| panic!("{error}: {listed:?}"));
        let newest = list[0]["run"].as_str().unwrap_or_else(|| panic!("nothing was run: {listed:?}"));
        let finished = self.windlass(["runs", "export", newest]);
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
    }
}

impl Report {
    pub fn read(finished: Finished) -> Report {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}: {finished:?}"))
        };
        let events = finished.stdout.lines().map(parse).collect();
        Report { code: finished.code, events, stderr: finished.stderr }
    }

    /// The run's name.
    pub fn run(&self) -> String {
        let first = self.events.first().unwrap_or_else(|| panic!("nothing was reported: {self:?}"));
        text(first, "run").to_owned()
    }

    /// How the run ended there: `changed`.
    pub fn outcome(&self, host: &str) -> &str {
        self.one("host_ended", host)["outcome"].as_str().expect("an outcome is a word")
    }

    /// Why it failed there, as people read it, the hint included.
    pub fn failure(&self, host: &str) -> String {
        let failure = &self.one("host_ended", host)["failure"];
        let part = |name: &str| failure[name].as_str().unwrap_or_default().to_owned();
        format!("{}: {}\n{}", part("doing"), part("why"), part("hint"))
    }

    /// How the host was worked: `agent` or `sh`.
    pub fn system(&self, host: &str) -> &str {
        self.one("hello", host)["system"].as_str().expect("a system is a word")
    }

    pub fn uploaded(&self, host: &str) -> bool {
        !self.of("uploading", host).is_empty()
    }

    /// Name and outcome of every step there, loops as a whole.
    pub fn steps(&self, host: &str) -> Vec<(&str, &str)> {
        let whole = self.of("step_ended", host).into_iter().filter(|event| event["item"].is_null());
        whole.map(|event| (text(event, "name"), text(event, "outcome"))).collect()
    }

    /// The outcomes alone, in order.
    pub fn outcomes(&self, host: &str) -> Vec<&str> {
        self.steps(host).into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// One step as it ended there.
    pub fn step(&self, host: &str, name: &str) -> &Value {
        let mut named = self.of("step_ended", host).into_iter().filter(|event| event["name"] == name);
        named.next().unwrap_or_else(|| panic!("no step {name} on {host}: {self:?}"))
    }

    /// Fails, with the whole report, unless the run ended with `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Report {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    fn one(&self, event: &str, host: &str) -> &Value {
        self.of(event, host).into_iter().next().unwrap_or_else(|| panic!("no {event} of {host}: {self:#?}"))
    }

    fn of<'a>(&'a self, event: &str, host: &str) -> Vec<&'a Value> {
        self.events.iter().filter(|report| report["event"] == event && report["host"] == host).collect()
    }
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {event}"))
}

/// A run that goes on while the test does something to it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    report: String,
}

impl Project {
    /// Starts `playbooks/it.toml` on HOSTS.
    pub fn start(&self, playbook: &str, hosts: &str) -> Running {
        self.write("playbooks/it.toml", playbook);
        let line = format!("run playbook it --hosts {hosts} --output jsonl");
        let mut command = self.command();
        command.args(line.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("windlass starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Running { child, stdout, report: String::new() }
    }
}

impl Running {
    /// Reads until such an event is reported.
    pub fn until(&mut self, event: &str) {
        loop {
            let before = self.report.len();
            let read = self.stdout.read_line(&mut self.report).expect("windlass prints text");
            assert_ne!(read, 0, "the run ended before {event}: {}", self.report);
            if self.report[before..].contains(&format!("\"event\":\"{event}\"")) {
                return;
            }
        }
    }

    /// As Ctrl-C does.
    pub fn interrupt(&mut self) {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, Signal::INT).expect("windlass runs");
        self.until("interrupted");
    }

    /// SIGKILL: it has no time for last words.
    pub fn kill(mut self) {
        self.child.kill().expect("windlass runs");
        self.child.wait().expect("it is our child");
    }

    /// Waits for the end.
    pub fn end(mut self) -> Report {
        self.stdout.read_to_string(&mut self.report).expect("windlass prints text");
        let ended = self.child.wait_with_output().expect("it is our child");
        let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        Report::read(Finished { code: ended.status.code().unwrap_or(-1), stdout: self.report, stderr })
    }
}
