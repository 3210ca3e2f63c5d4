//! A timer of systemd's, with the service that it starts.

mod units;

use crate::model::duration::TimeSpan;
use crate::model::op::{Command, Content, Meta, Op, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::model::words::Word;
use crate::model::{Failure, Result, Values};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::systemd::{self, Unit};
use crate::wanted;
use crate::wanted::lines::State;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Where an administrator's units are.
const FOLDER: &str = "/etc/systemd/system";

/// Lets systemd run a command at certain times: makes `NAME.service` and `NAME.timer`, and starts and enables the
/// timer. The service may write nothing but its own temporary directory and `writable`, unless `harden` is false.
/// `register` gets `active` and `enabled`, systemd's words for the timer as it was found.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// The units' name, without an ending.
    name: String,
    /// `present` when not given; `absent` stops the timer and removes both units.
    #[serde(default)]
    state: State,
    /// What it does, for people; the name when not given.
    description: Option<String>,
    /// Program and arguments, the program with its whole path, as systemd's `ExecStart` has it.
    command: Option<String>,
    /// When, as systemd's `OnCalendar` has it: `daily`, `Mon..Fri 03:15`, `*-*-* 04:00:00 Europe/Berlin`.
    calendar: Option<String>,
    /// Instead of `calendar`: so long after boot and after each run.
    every: Option<TimeSpan>,
    /// Up to so much later, a different time on each host.
    #[serde(default)]
    jitter: TimeSpan,
    /// Catch up once after the host was down at the time; true when not given.
    #[serde(default = "yes")]
    persistent: bool,
    /// The user it runs as; root when not given.
    user: Option<String>,
    /// Where it runs.
    directory: Option<HostPath>,
    /// Added to its environment. Every user of the host can read it: a secret belongs into a file of its own.
    #[serde(default)]
    environment: BTreeMap<String, Word>,
    /// When it is ended; never when not given.
    timeout: Option<TimeSpan>,
    /// Let it gain no rights, see no other user's home, and write nowhere but in `writable`; true when not given.
    #[serde(default = "yes")]
    harden: bool,
    /// Directories that it may write to, with `harden`.
    #[serde(default)]
    writable: Vec<HostPath>,
}

impl Kind for Timer {
    const NAME: &'static str = "timer";
    const RESULT: &'static [&'static str] = &["active", "enabled"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "thumbnails are made at night"
[steps.timer]
name = "thumbnails"
state = "present"               # or "absent"
description = "Thumbnails of the day's uploads"
command = "/srv/shop/bin/thumbnails --all"
calendar = "Mon..Fri 03:15"
jitter = "10m"
persistent = true
user = "deploy"
directory = "/srv/shop"
environment = { NODE_ENV = "production" }
timeout = "1h"
harden = true
writable = ["/srv/shop/uploads"]

[[steps]]
[steps.timer]
name = "queue"
command = "/srv/shop/bin/queue"
every = "5m"
"#;
}

impl Step for Timer {
    fn check(&self) -> Result<(), WrongKey> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if self.name.is_empty() || self.name.starts_with('-') || !self.name.bytes().all(fits) {
            return Err(WrongKey::new("name", format!("{:?} is not letters, digits, _ and -", self.name)));
        }
        if self.state == State::Absent {
            return Ok(());
        }
        if self.calendar.is_some() == self.every.is_some() {
            return Err(WrongKey::new("", "give exactly one of calendar and every"));
        }
        if !self.command.as_deref().is_some_and(|command| command.starts_with('/')) {
            return Err(WrongKey::new("command", "it does not begin with the absolute path of a program"));
        }
        if !self.harden && !self.writable.is_empty() {
            return Err(WrongKey::new("writable", "without harden it may write everywhere"));
        }
        self.check_lines()
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let unit = systemd::look(host, &self.timer())?;
        let result = registered(&unit);
        let ops = match self.state {
            State::Present => self.present(host, unit)?,
            State::Absent => self.absent(host, unit)?,
        };
        Ok(Plan { result, ..Plan::of(ops) })
    }
}

impl Timer {
    /// A line end in a value would begin a setting of its own.
    fn check_lines(&self) -> Result<(), WrongKey> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let mut values = vec![
            ("description", text(&self.description)),
            ("command", text(&self.command)),
            ("calendar", text(&self.calendar)),
            ("user", text(&self.user)),
        ];
        values.extend(self.directory.iter().map(|path| ("directory", path.to_string())));
        values.extend(self.writable.iter().map(|path| ("writable", path.to_string())));
        values.extend(
            self.environment.iter().map(|(name, value)| ("environment", format!("{name}{}", value.as_str()))),
        );
        match values.iter().find(|(_, value)| value.contains(['\n', '\r'])) {
            Some((key, _)) => Err(WrongKey::new(key, "it is more than one line")),
            None => Ok(()),
        }
    }

    fn timer(&self) -> String {
        format!("{}.timer", self.name)
    }

    fn paths(&self) -> [HostPath; 2] {
        [".service", ".timer"].map(|end| HostPath::from(FOLDER).join(format!("{}{end}", self.name)))
    }

    fn present(&self, host: &dyn Probe, mut unit: Unit) -> Result<Vec<Op>> {
        let texts = [units::service(self), units::timer(self)];
        let mut ops = Vec::new();
        for (path, text) in self.paths().iter().zip(texts) {
            let meta = Meta { mode: Some(0o644), owner: Some(0), group: Some(0) };
            ops.extend(wanted::file(host, path, Content::Bytes(text.into_bytes()), &meta)?);
        }
        let changed = !ops.is_empty();
        if changed {
            self.expect_calendar(host)?;
        }
        let mut runs = Vec::new();
        if changed || unit.stale {
            runs.push(systemd::daemon_reload());
        }
        if unit.file != "enabled" {
            let undo = Undo::Command(systemd::systemctl("disable", &self.timer()));
            runs.push(systemd::run("enable", &self.timer(), undo));
        }
        match (unit.is_active(), changed) {
            (true, false) => {}
            (true, true) => runs.push(systemd::run("restart", &self.timer(), Undo::Again)),
            (false, _) => {
                let undo = Undo::Command(systemd::systemctl("stop", &self.timer()));
                let start = systemd::run("start", &self.timer(), undo);
                runs.push(Run { confirm: Some(systemd::systemctl("is-active", &self.timer())), ..start });
            }
        }
        let text = str::to_string;
        (unit.load, unit.active, unit.file, unit.stale) =
            (text("loaded"), text("active"), text("enabled"), false);
        let after = unit.prediction(&self.timer());
        ops.extend(runs.into_iter().map(|run| Op::from(Run { predicts: vec![after.clone()], ..run })));
        Ok(ops)
    }

    fn absent(&self, host: &dyn Probe, unit: Unit) -> Result<Vec<Op>> {
        let mut runs = Vec::new();
        if unit.is_active() {
            let undo = Undo::Command(systemd::systemctl("start", &self.timer()));
            runs.push(systemd::run("stop", &self.timer(), undo));
        }
        if unit.file == "enabled" {
            let undo = Undo::Command(systemd::systemctl("enable", &self.timer()));
            runs.push(systemd::run("disable", &self.timer(), undo));
        }
        let gone = Unit { load: "not-found".to_string(), active: "inactive".to_string(), ..Unit::default() };
        let after = gone.prediction(&self.timer());
        let predicted = |run| Op::from(Run { predicts: vec![after.clone()], ..run });
        let mut ops: Vec<Op> = runs.into_iter().map(predicted).collect();
        let before = ops.len();
        for path in self.paths() {
            let there = host.stat(&path)?.is_some();
            ops.extend(there.then_some(Op::Remove { path }));
        }
        if ops.len() > before {
            ops.push(predicted(systemd::daemon_reload()));
        }
        Ok(ops)
    }

    /// systemd takes a timer with a wrong calendar and never starts it.
    fn expect_calendar(&self, host: &dyn Probe) -> Result<()> {
        let Some(calendar) = &self.calendar else { return Ok(()) };
        let answer = host.ask(&Command::new(["systemd-analyze", "calendar", "--", calendar]))?;
        match answer.status {
            0 | 127 => Ok(()),
            _ => {
                let why = answer.last_words().unwrap_or_else(|| "systemd does not understand it".to_string());
                Err(Failure::new(format!("read the calendar {calendar:?}"), why)
                    .hint("`systemd-analyze calendar 'Mon..Fri 03:15'` on a host tries one"))
            }
        }
    }
}

fn registered(unit: &Unit) -> Values {
    let words = [("active", &unit.active), ("enabled", &unit.file)];
    words.into_iter().map(|(name, word)| (name.to_string(), word.as_str().into())).collect()
}

fn yes() -> bool {
    true
}

#[cfg(all(test, feature = "controller"))]
mod tests;
