//! systemd as questions and commands, and what its answers mean.

use crate::model::op::{Advice, Answer, Command, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::Probe;

/// What is asked of a unit.
const PROPERTIES: &str =
    "LoadState,ActiveState,UnitFileState,Type,RemainAfterExit,CanReload,NeedDaemonReload";

/// Where unit files are.
const UNIT_FOLDERS: &[&str] =
    &["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// Names less alike than this are different names, not typing errors.
const ALIKE: f64 = 0.8;

/// What to try, by what systemctl says.
const HINTS: &[(&str, &str)] = &[
    ("authentication required", "set become = true"),
    ("Access denied", "set become = true"),
    ("is masked", "set masked = false"),
];

/// A unit as systemd describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unit {
    /// `loaded`, `not-found`, `masked`, `bad-setting` …
    pub load: String,
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`.
    pub active: String,
    /// `enabled`, `disabled`, `static`, `masked` …; empty for what has no unit file.
    pub file: String,
    /// `simple`, `forking`, `oneshot` …; empty for what is no service.
    pub kind: String,
    /// Whether a oneshot counts as active once it has run.
    pub remains: bool,
    /// Whether it can be reloaded.
    pub can_reload: bool,
    /// Whether its unit file has changed since systemd read it.
    pub stale: bool,
}

/// The question what a unit is like.
pub fn question(name: &str) -> Command {
    Command::new(["systemctl", "show", "--no-pager", "-p", PROPERTIES, "--", name])
}

/// What a unit is like.
pub fn look(host: &dyn Probe, name: &str) -> Result<Unit> {
    let answer = host.ask(&question(name))?;
    if answer.ok() {
        return Ok(Unit::read(&answer.text()));
    }
    let said = String::from_utf8_lossy(&answer.stderr).into_owned() + &answer.text();
    if answer.status == 127
        || said.contains("not been booted with systemd")
        || said.contains("connect to bus")
    {
        return Err(Failure::new(format!("look at service {name}"), "the host is not run by systemd")
            .hint("start it with a step of kind command and the host's own service program"));
    }
    Err(refused(&question(name), &answer))
}

/// The failure for a unit that does not exist, with the one that is probably meant.
pub fn unknown(host: &dyn Probe, name: &str) -> Failure {
    let failure = Failure::new(format!("look at service {name}"), "the host has no such unit");
    match nearest(&unit_files(host), name) {
        Some(near) => failure.hint(format!("it has {near}")),
        None => failure.hint("install what brings it first"),
    }
}

/// The unit files of the host. A folder that cannot be read has none: this is only for a hint.
fn unit_files(host: &dyn Probe) -> Vec<String> {
    let listed = UNIT_FOLDERS.iter().filter_map(|folder| host.list(&HostPath::from(*folder)).ok());
    listed.flatten().filter_map(|name| name.into_string().ok()).filter(|name| name.contains('.')).collect()
}

fn nearest(units: &[String], name: &str) -> Option<String> {
    let stem = |unit: &str| unit.rsplit_once('.').map_or(unit, |(stem, _)| stem).to_string();
    let wanted = stem(name);
    let likeness = |unit: &&String| strsim::jaro_winkler(&stem(unit), &wanted);
    let best = units.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(&best) >= ALIKE).then(|| best.clone())
}

/// `systemctl VERB NAME`.
pub fn systemctl(verb: &str, name: &str) -> Command {
    Command::new(["systemctl", verb, name])
}

/// The same as something to run, which `undo` takes back; the end of the unit's log is told when it fails.
pub fn run(verb: &str, name: &str, undo: Undo) -> Run {
    let log = ["journalctl", "--no-pager", "--quiet", "-n", "10", "-o", "cat", "-u", name];
    let hints = HINTS.iter().map(|(text, hint)| (text.to_string(), hint.to_string())).collect();
    let advice = Advice { hints, question: Some(Command::new(log)) };
    Run { undo, advice, ..Run::from(systemctl(verb, name)) }
}

impl Unit {
    fn read(text: &str) -> Self {
        let property = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim().to_string()
        };
        Unit {
            load: property("LoadState"),
            active: property("ActiveState"),
            file: property("UnitFileState"),
            kind: property("Type"),
            remains: property("RemainAfterExit") == "yes",
            can_reload: property("CanReload") == "yes",
            stale: property("NeedDaemonReload") == "yes",
        }
    }

    /// What systemd will answer once the unit is like this.
    pub fn prediction(&self, name: &str) -> Prediction {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let properties = [
            ("LoadState", self.load.as_str()),
            ("ActiveState", &self.active),
            ("UnitFileState", &self.file),
            ("Type", &self.kind),
            ("RemainAfterExit", yes(self.remains)),
            ("CanReload", yes(self.can_reload)),
            ("NeedDaemonReload", yes(self.stale)),
        ];
        let text: String = properties.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        Prediction { argv: question(name).argv, answer: Answer::said(0, text) }
    }

    /// Whether it runs.
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }

    /// Whether it does its work and ends, so that it is never found active.
    pub fn only_runs(&self) -> bool {
        self.kind == "oneshot" && !self.remains
    }

    /// The question whether it is really up after it was started. Where systemd cannot know that a service is ready, it is
    /// looked at several times.
    pub fn proof(&self, name: &str) -> Option<Command> {
        let look = systemctl("is-active", name);
        if self.only_runs() {
            return None;
        }
        if !matches!(self.kind.as_str(), "simple" | "exec" | "idle") {
            return Some(look);
        }
        let argv = ["/bin/sh", "-s", "--"].map(str::to_string).into_iter().chain(look.argv);
        Some(Command { stdin: include_bytes!("systemd/stays.sh").to_vec(), ..Command::new(argv) })
    }
}
