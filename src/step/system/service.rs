//! A service, or another unit of systemd.

use crate::model::op::{Condition, Op, Plan, Prediction, Run, Undo};
use crate::model::{Failure, Result, Values};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::systemd::{self, Unit};
use serde::Deserialize;
use std::time::Duration;

/// Starts, stops, restarts or enables a unit of systemd: at least one of `state`, `enabled` and `masked`. What is
/// started is looked at afterwards: a service that ends at once is a failure that tells the end of its log. A oneshot
/// that does not remain active is run each time by `started`. `register` gets `active` and `enabled`, systemd's words.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The unit: `nginx`, `backup.timer`, `getty@tty1`.
    name: String,
    /// `started` or `stopped`; `restarted` or `reloaded` act each time, which is what handlers want. Both start what
    /// does not run.
    state: Option<State>,
    /// Whether it starts when the host boots.
    enabled: Option<bool>,
    /// Whether nothing at all can start it.
    masked: Option<bool>,
    /// Let systemd read its unit files again first when it says that this one has changed; true when not given.
    #[serde(default = "yes")]
    daemon_reload: bool,
}

/// What becomes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum State {
    /// It runs.
    Started,
    /// It does not.
    Stopped,
    /// It runs, with a new process.
    Restarted,
    /// It has read its configuration again.
    Reloaded,
}

impl Kind for Service {
    const NAME: &'static str = "service";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "nginx runs, now and after a boot"
[steps.service]
name = "nginx"
state = "started"       # or "stopped", "restarted", "reloaded"
enabled = true
masked = false
daemon_reload = true    # when its unit file has changed

[[steps]]
name = "restart docker"
[steps.service]
name = "docker"
state = "restarted"
"#;
}

impl Step for Service {
    fn check(&self) -> Result<(), WrongKey> {
        let odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '/';
        if self.name.is_empty() || self.name.starts_with('-') || self.name.contains(odd) {
            return Err(WrongKey::new("name", format!("{:?} is not the name of a unit", self.name)));
        }
        if self.state.is_none() && self.enabled.is_none() && self.masked.is_none() {
            return Err(WrongKey::new("", "give at least one of state, enabled and masked"));
        }
        let wants_it = self.enabled == Some(true) || self.state.is_some_and(|state| state != State::Stopped);
        match self.masked == Some(true) && wants_it {
            true => Err(WrongKey::new("masked", "what is masked can neither be started nor enabled")),
            false => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let unit = systemd::look(host, &self.name)?;
        if unit.load == "not-found" {
            return self.plan_unknown(host);
        }
        let mut course = UnitChange { name: &self.name, unit: unit.clone(), runs: Vec::new(), once: false };
        self.set_masked(&mut course);
        self.expect_loaded(&course.unit)?;
        self.set_enabled(&mut course)?;
        self.set_state(&mut course)?;
        Ok(Plan { result: registered(&unit), ..course.plan(self.daemon_reload) })
    }
}

impl Service {
    /// After changes that are only pretended nobody knows what units there will be.
    fn plan_unknown(&self, host: &dyn Probe) -> Result<Plan> {
        if !host.pretends() {
            return Err(systemd::unknown(host, &self.name));
        }
        let condition = Condition::Succeeds { command: systemd::systemctl("cat", &self.name) };
        Ok(Plan::of(vec![Op::Await { condition, within: Duration::ZERO, every: Duration::ZERO }]))
    }

    fn set_masked(&self, course: &mut UnitChange<'_>) {
        let is_masked = course.unit.load == "masked" || course.unit.file.starts_with("masked");
        match self.masked {
            Some(true) if !is_masked => {
                course.run("mask", course.undo("unmask"));
                (course.unit.load, course.unit.file) = ("masked".to_string(), "masked".to_string());
            }
            Some(false) if is_masked => {
                course.run("unmask", course.undo("mask"));
                // What was under the mask is seen once it is gone; until then, the usual.
                (course.unit.load, course.unit.file) = ("loaded".to_string(), "disabled".to_string());
            }
            _ => {}
        }
    }

    fn expect_loaded(&self, unit: &Unit) -> Result<()> {
        let looking = format!("look at service {}", self.name);
        match unit.load.as_str() {
            "masked" if self.masked == Some(true) || self.wants_nothing_of_it() => Ok(()),
            "masked" => Err(Failure::new(looking, "it is masked").hint("set masked = false")),
            "error" | "bad-setting" => {
                Err(Failure::new(looking, format!("systemd cannot use its unit file ({})", unit.load))
                    .hint(format!("`systemctl status {}` on the host tells the line", self.name)))
            }
            _ => Ok(()),
        }
    }

    fn wants_nothing_of_it(&self) -> bool {
        self.enabled != Some(true) && matches!(self.state, None | Some(State::Stopped))
    }

    fn set_enabled(&self, course: &mut UnitChange<'_>) -> Result<()> {
        let Some(wanted) = self.enabled else { return Ok(()) };
        match (wanted, course.unit.file.as_str()) {
            (true, "disabled" | "enabled-runtime" | "linked" | "linked-runtime") => {
                course.run("enable", course.undo("disable"));
                course.unit.file = "enabled".to_string();
            }
            (false, "enabled" | "enabled-runtime" | "linked" | "linked-runtime") => {
                course.run("disable", course.undo("enable"));
                course.unit.file = "disabled".to_string();
            }
            (true, "static" | "transient" | "bad" | "") => {
                let state =
                    if course.unit.file.is_empty() { "without a unit file" } else { &course.unit.file };
                let why = format!("it is {state}: nothing in it says when it would start");
                return Err(Failure::new(format!("enable {}", self.name), why)
                    .hint("leave enabled out, or give its unit file an [Install] section"));
            }
            _ => {}
        }
        Ok(())
    }

    fn set_state(&self, course: &mut UnitChange<'_>) -> Result<()> {
        let active = course.unit.is_active();
        match self.state {
            Some(State::Started | State::Reloaded) if !active => course.start("start"),
            Some(State::Restarted) => course.start("restart"),
            Some(State::Reloaded) if !course.unit.can_reload => {
                return Err(Failure::new(format!("reload {}", self.name), "it cannot be reloaded")
                    .hint("use state = \"restarted\""));
            }
            Some(State::Reloaded) => {
                course.run("reload", Undo::Again);
                course.confirm();
            }
            Some(State::Stopped) if !matches!(course.unit.active.as_str(), "inactive" | "failed") => {
                course.run("stop", course.undo("start"));
                course.unit.active = "inactive".to_string();
            }
            _ => {}
        }
        course.once |= matches!(self.state, Some(State::Restarted | State::Reloaded));
        Ok(())
    }
}

/// The commands that a unit needs, and how it will be after them.
struct UnitChange<'a> {
    name: &'a str,
    unit: Unit,
    runs: Vec<Run>,
    once: bool,
}

impl UnitChange<'_> {
    fn run(&mut self, verb: &str, undo: Undo) {
        self.runs.push(systemd::run(verb, self.name, undo));
    }

    fn undo(&self, verb: &str) -> Undo {
        Undo::Command(systemd::systemctl(verb, self.name))
    }

    /// Starts it, also when it failed so often that systemd would refuse.
    fn start(&mut self, verb: &str) {
        if self.unit.active == "failed" {
            self.run("reset-failed", Undo::NotNeeded);
        }
        let undo = if self.unit.is_active() { Undo::Again } else { self.undo("stop") };
        self.run(verb, undo);
        self.confirm();
        self.once |= self.unit.only_runs();
        self.unit.active = if self.unit.only_runs() { "inactive" } else { "active" }.to_string();
    }

    fn confirm(&mut self) {
        let proof = self.unit.proof(self.name);
        if let Some(run) = self.runs.last_mut() {
            run.confirm = proof;
        }
    }

    fn plan(mut self, daemon_reload: bool) -> Plan {
        if daemon_reload && self.unit.stale {
            let mut reload = systemd::run("daemon-reload", self.name, Undo::Again);
            reload.command.argv.truncate(2);
            self.runs.insert(0, reload);
            self.unit.stale = false;
        }
        let after: Prediction = self.unit.prediction(self.name);
        let runs = self.runs.into_iter().map(|run| Run { predicts: vec![after.clone()], ..run });
        Plan { once: self.once, ..Plan::of(runs.map(Op::from).collect()) }
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
