//! The program nginx: where it keeps its files, and how it is made to serve what they say, provably.
//!
//! A reload is a signal, so that nginx exits 0 whatever becomes of it: with a port that another process holds it passes
//! `-t`, is asked to reload, and goes on with its old configuration. Only new workers, and what the error log says since,
//! tell whether it took the new one.

use super::Configuration;
use crate::model::failure::BECOME_ROOT;
use crate::model::op::{Advice, Answer, Command, Op, Prediction, Run, Undo, Wait};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::Probe;
use std::collections::BTreeSet;
use std::time::Duration;

/// A configuration names few logs; more are not looked into for the reason of a failure.
const LOGS: usize = 8;

/// A test loads certificates and looks names up, but does not take longer than this unless it hangs.
const TEST_TIME: Duration = Duration::from_secs(30);

/// Beyond its own limits a script that waits is given this long to say so.
const SLACK: Duration = Duration::from_secs(60);

/// What to try, by what nginx says.
const HINTS: &[(&str, &str)] = &[
    ("Permission denied", BECOME_ROOT),
    ("Address already in use", "something else listens there: `ss -ltnp` on the host names it"),
    ("bind() to", "nginx cannot listen there: `ss -ltnp` on the host shows what does"),
    ("Connection refused", "nothing listens where nginx sends the requests: start the app there first"),
    ("no live upstreams", "nothing listens where nginx sends the requests: start the app there first"),
];

/// What [`Serving::ask`] is answered once a reload was only supposed.
const SUPPOSED: &str = "supposed";

/// nginx, or a program that is started and configured like it.
#[derive(Clone, Debug)]
pub struct Nginx {
    /// The program: `nginx`, `openresty`.
    pub program: String,
    /// Its main file, when it is not the one that was compiled in.
    pub config: Option<HostPath>,
}

/// Where nginx keeps its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The main file.
    pub config: HostPath,
    /// Holds the pid of the master process.
    pub pid: HostPath,
    /// Error logs that are files.
    pub logs: Vec<HostPath>,
}

/// Whether the running nginx serves what its files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Its workers are newer than the files.
    Current,
    /// A file is newer than its workers.
    Stale,
    /// A reload was only pretended; it will.
    Supposed,
    /// Earlier changes were only pretended, so nobody knows.
    Unknown,
}

impl Nginx {
    /// Where this nginx keeps its files, and all that it reads.
    pub fn look(&self, host: &dyn Probe) -> Result<(Layout, Configuration)> {
        self.look_with(host, Configuration::read)
    }

    /// Where this nginx keeps its files, and its main file alone.
    pub fn look_at_main(&self, host: &dyn Probe) -> Result<(Layout, Configuration)> {
        self.look_with(host, Configuration::read_alone)
    }

    fn look_with(
        &self,
        host: &dyn Probe,
        read: impl Fn(&dyn Probe, &HostPath) -> Result<Configuration>,
    ) -> Result<(Layout, Configuration)> {
        let built = self.built(host)?;
        let option = |name: &str, default: &str| HostPath::from(built_with(&built, name).unwrap_or(default));
        let prefix = option("--prefix", "/etc/nginx");
        let config = self.config.clone().unwrap_or_else(|| option("--conf-path", "/etc/nginx/nginx.conf"));
        let config = prefix.join(config);
        let configuration = read(host, &config)?;
        let pid = pid_file(&configuration).unwrap_or_else(|| option("--pid-path", "/run/nginx.pid"));
        let logs = logs(&configuration, built_with(&built, "--error-log-path"));
        let logs = logs.into_iter().take(LOGS).map(|log| prefix.join(log)).collect();
        Ok((Layout { pid: prefix.join(pid), config, logs }, configuration))
    }

    /// `nginx -V`, which says where everything is. After pretended changes a program that is missing may be there by
    /// then: the usual places are taken.
    fn built(&self, host: &dyn Probe) -> Result<String> {
        let question = Command::new([self.program.as_str(), "-V"]);
        let answer = host.ask(&question)?;
        match answer.status {
            0 => Ok(String::from_utf8_lossy(&[answer.stderr, answer.stdout].concat()).into_owned()),
            127 if host.pretends() => Ok(String::new()),
            127 => Err(Failure::new(format!("look for {}", self.program), "the host has no such program")
                .hint("install it first, for example with a step of kind package")),
            _ => Err(refused(&question, &answer)),
        }
    }

    /// Fails when the configuration is broken already, before anything is changed.
    pub fn expect_sound(&self, host: &dyn Probe) -> Result<()> {
        if host.pretends() {
            return Ok(());
        }
        let answer = host.ask(&self.test())?;
        match answer.ok() {
            true => Ok(()),
            false => Err(Failure::new(
                format!("run {}", self.test().shown()),
                format!("the configuration is broken already, before any change: {}", complaint(&answer)),
            )
            .hint("correct it by hand first; nothing was changed")),
        }
    }

    /// Fails when the configuration is broken already, and writing `files` cannot mend that: the error is in another file, and is
    /// not about something that these could bring. Otherwise what nginx says now, for the reader.
    pub fn expect_sound_beside(&self, host: &dyn Probe, files: &[HostPath]) -> Result<Option<String>> {
        if host.pretends() {
            return Ok(None);
        }
        let answer = host.ask(&self.test())?;
        if answer.ok() {
            return Ok(None);
        }
        let said = complaint(&answer);
        let in_them = files.iter().any(|file| said.contains(&format!(" in {file}:")));
        match in_them || FROM_ELSEWHERE.iter().any(|text| said.contains(text)) {
            true => Ok(Some(format!("nginx refuses its configuration now: {said}"))),
            false => self.expect_sound(host).map(|()| None),
        }
    }

    /// The ops that let nginx serve files that were just written: its own test, then a reload that is proven by new
    /// workers and by what `waits` wait for. Undo reloads it once more, with its old files.
    pub fn reload(
        &self,
        host: &dyn Probe,
        layout: &Layout,
        files: &[HostPath],
        waits: Vec<Wait>,
    ) -> Result<Vec<Op>> {
        let workers = self.workers(host, layout)?;
        let log_sizes = log_sizes(host, layout)?;
        let proof = ["reloaded".to_string(), layout.pid.to_string(), workers.join(" ")];
        let confirm = proof.into_iter().chain(log_sizes.clone());
        let reload = Run {
            undo: Undo::Again,
            predicts: vec![Prediction {
                argv: current(layout, files).argv,
                answer: Answer::said(0, SUPPOSED),
            }],
            confirm: Some(script(confirm)),
            waits,
            advice: advice(script(["complaints".to_string()].into_iter().chain(log_sizes))),
            ..Run::from(self.command(&["-s", "reload"]))
        };
        Ok(vec![self.tested().into(), reload.into()])
    }

    /// As [`reload`](Self::reload), and nothing is left behind: `writes` are made between the test and the reload, and the
    /// old workers have `drain` to end what they had begun. Taken back, the files are put back first and nginx reloads
    /// then, unless nginx has never taken up the new ones.
    pub fn lead(
        &self,
        host: &dyn Probe,
        layout: &Layout,
        writes: Vec<Op>,
        drain: Duration,
    ) -> Result<Vec<Op>> {
        let log_sizes = log_sizes(host, layout)?;
        let config = self.config.as_ref().map(HostPath::to_string).unwrap_or_default();
        let how = [layout.pid.to_string(), drain.as_secs().to_string(), self.program.clone(), config];
        let waiting = |question: &str, more: &[String]| Command {
            timeout: Some(drain + SLACK),
            title: Some(format!("{} -s reload", self.program)),
            ..script([&[question.to_string()], &how[..], more].concat())
        };
        let back = waiting("back", &[self.workers(host, layout)?.join(" ")]);
        let complaints = script(["complaints".to_string()].into_iter().chain(log_sizes.clone()));
        let lead = waiting("lead", &log_sizes);
        // What comes before it leads nginx back.
        let reload = Run { advice: advice(complaints), undo: Undo::NotNeeded, ..Run::from(lead) };
        let first = Op::from(Run { undo: Undo::Command(back), ..self.tested() });
        Ok([first].into_iter().chain(writes).chain([reload.into()]).collect())
    }

    /// nginx's own test; what it refuses is reported in its words.
    fn tested(&self) -> Run {
        let again = ["test".to_string()].into_iter().chain(self.test().argv);
        Run {
            predicts: vec![Prediction { argv: self.test().argv, answer: Answer::default() }],
            advice: advice(script(again)),
            undo: Undo::NotNeeded,
            ..Run::from(self.test())
        }
    }

    /// Whether nginx runs with what these files say.
    pub fn serving(&self, host: &dyn Probe, layout: &Layout, files: &[HostPath]) -> Result<Serving> {
        let answer = host.ask(&current(layout, files))?;
        match answer.text().as_str() {
            SUPPOSED => Ok(Serving::Supposed),
            _ if host.pretends() => Ok(Serving::Unknown),
            "current" => Ok(Serving::Current),
            "stale" => Ok(Serving::Stale),
            _ => Err(self.not_running(layout)),
        }
    }

    /// The pids of the workers that serve now. After pretended changes they do not matter: no reload is run.
    fn workers(&self, host: &dyn Probe, layout: &Layout) -> Result<Vec<String>> {
        if host.pretends() {
            return Ok(Vec::new());
        }
        let answer = host.ask(&script(["workers".to_string(), layout.pid.to_string()]))?;
        match answer.ok() {
            true => Ok(answer.text().split_whitespace().map(str::to_string).collect()),
            false => Err(self.not_running(layout)),
        }
    }

    fn not_running(&self, layout: &Layout) -> Failure {
        let why = format!("it is not running: {} holds no pid of a master process", layout.pid);
        Failure::new(format!("look at {}", self.program), why)
            .hint("start it first, for example with a step of kind service")
    }

    fn test(&self) -> Command {
        Command { timeout: Some(TEST_TIME), ..self.command(&["-t"]) }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let config = self.config.iter().flat_map(|config| ["-c".to_string(), config.to_string()]);
        let argv = std::iter::once(self.program.clone()).chain(config);
        Command::new(argv.chain(arguments.iter().map(|argument| argument.to_string())))
    }
}

/// The file that the main file names for the pid.
fn pid_file(configuration: &Configuration) -> Option<HostPath> {
    let named = configuration.statements.iter().find(|one| one.parent.is_none() && one.is("pid"));
    named.and_then(|one| one.argument(0)).map(HostPath::from)
}

/// The error logs that are files, each once: those that are named, and the one that was compiled in, which is used until
/// the configuration is read and where it names none. `stderr`, `syslog:…` and `memory:…` are none.
fn logs(configuration: &Configuration, compiled_in: Option<&str>) -> BTreeSet<String> {
    let named = configuration.statements.iter().filter(|one| one.is("error_log"));
    let named = named.filter_map(|one| one.argument(0));
    let all = named.chain([compiled_in.unwrap_or("/var/log/nginx/error.log").to_string()]);
    all.filter(|log| log != "stderr" && !log.contains(['$', ':'])).collect()
}

/// Each error log with its size in bytes, so that only what comes behind that is reported.
fn log_sizes(host: &dyn Probe, layout: &Layout) -> Result<Vec<String>> {
    let mut sizes = Vec::new();
    for log in &layout.logs {
        let size = host.stat(&crate::wanted::followed(host, log)?)?.map_or(0, |stat| stat.size);
        sizes.extend([log.to_string(), size.to_string()]);
    }
    Ok(sizes)
}

fn advice(question: Command) -> Advice {
    let hints = HINTS.iter().map(|(text, hint)| (text.to_string(), hint.to_string()));
    Advice { hints: hints.collect(), question: Some(question) }
}

/// Whether nginx's workers are newer than these files.
fn current(layout: &Layout, files: &[HostPath]) -> Command {
    let words = ["current".to_string(), layout.pid.to_string()];
    script(words.into_iter().chain(files.iter().map(HostPath::to_string)))
}

/// A question that `nginx.sh` answers.
fn script(words: impl IntoIterator<Item = String>) -> Command {
    let argv = ["/bin/sh", "-s", "--"].map(str::to_string).into_iter().chain(words);
    let title = Some("a look at nginx's processes and logs".to_string());
    Command { stdin: include_bytes!("nginx.sh").to_vec(), title, ..Command::new(argv) }
}

/// An option that the program was built with.
fn built_with<'a>(built: &'a str, name: &str) -> Option<&'a str> {
    built.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// The line in which nginx says what is wrong; the last one only says that something is.
fn complaint(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&[&answer.stderr[..], &answer.stdout].concat()).into_owned();
    match text.lines().find_map(|line| line.split_once("[emerg] ")) {
        Some((_, said)) => format!("nginx: [emerg] {}", without_process(said.trim())),
        None => text
            .lines()
            .last()
            .map_or_else(|| format!("exit status {}", answer.status), |line| line.trim().to_string()),
    }
}

/// In a log nginx writes who says it in front: `812#812: `. That differs each time.
fn without_process(said: &str) -> &str {
    let is_process = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'#');
    said.split_once(": ").filter(|(word, _)| is_process(word)).map_or(said, |(_, rest)| rest)
}

/// Errors about what another file may define.
const FROM_ELSEWHERE: &[&str] = &["host not found in upstream", "unknown \"", "unknown log format", "zone"];
