//! A service, or another unit of systemd.

use crate::model::op::{Condition, Plan, Undo};
use crate::model::path::HostPath;
use crate::model::{Failure, Result, Values};
use crate::step::{Kind, Step, WrongKey};
use crate::system::{FileKind, Probe, Stat};
use crate::systemd::{self, OWN_UNITS, Unit};
use change::{UnitChange, is_disabled, is_enabled, is_masked};
use serde::Deserialize;

/// Starts, stops, restarts or enables a unit of systemd: at least one of `state`, `enabled` and `masked`. After a start the
/// unit is looked at: a service that ends at once is a failure that shows what it wrote. An alias stands for its unit. A
/// oneshot that does not remain active is run each time by `started`. `register` gets `active` and `enabled`, systemd's words.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The unit: `nginx`, `backup.timer`, `getty@tty1`.
    name: String,
    /// `started` or `stopped`; `restarted` or `reloaded` act each time, which is what handlers want. Both start what
    /// does not run.
    state: Option<State>,
    /// Whether it starts when the host boots. Units that its unit file names in `Also=` are enabled and disabled with it, and
    /// named in a note.
    enabled: Option<bool>,
    /// Whether nothing at all can start it. A unit that is not installed yet can be masked, so that its package does not
    /// start it.
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
    const RESULT: &'static [&'static str] = &["active", "enabled"];
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
        if self.name.trim_end_matches(".service").ends_with('@') {
            let why = format!(
                "{:?} is a template: give an instance, for example {}tty1",
                self.name,
                self.name.trim_end_matches(".service")
            );
            return Err(WrongKey::new("name", why));
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
        let (name, unit) = systemd::find(host, &self.name)?;
        if unit.load == "not-found" {
            return self.plan_unknown(host);
        }
        let mut change = UnitChange::of(host, &self.name, &name, unit.clone());
        // What undo does in the reverse order must be possible: a unit is enabled before it is started and disabled after
        // it was stopped, and the mask is the first to go and the last to come.
        self.unmask(&mut change)?;
        self.expect_loaded(host, &name, &change.unit)?;
        self.expect_taken(host, &name, &unit)?;
        self.enable(&mut change)?;
        self.set_state(&mut change)?;
        self.disable(&mut change)?;
        self.expect_room_for_mask(host, &unit)?;
        self.mask(&mut change)?;
        change.notes.extend(self.restarters(host, &unit)?);
        Ok(Plan { result: registered(&unit), ..change.plan(self.daemon_reload) })
    }
}

impl Service {
    /// A unit that is not there can be masked, so that it does not start when it is installed. After changes that are only
    /// pretended no one knows what units there will be.
    fn plan_unknown(&self, host: &dyn Probe) -> Result<Plan> {
        if self.masked == Some(true) {
            return self.plan_mask_only(host);
        }
        if !host.pretends() {
            return Err(systemd::unknown(host, &self.name));
        }
        self.expect_taken(host, &self.name, &Unit::default())?;
        let condition = Condition::Succeeds { command: systemd::systemctl("cat", &self.name) };
        Ok(Plan::awaiting(condition))
    }

    fn plan_mask_only(&self, host: &dyn Probe) -> Result<Plan> {
        let unit = Unit { load: "not-found".to_string(), active: "inactive".to_string(), ..Unit::default() };
        let mut change = UnitChange::of(host, &self.name, &self.name, unit.clone());
        self.mask(&mut change)?;
        let near = systemd::alike(host, &self.name).map(|near| format!("; it has {near}"));
        let note = format!("the host has no unit {} yet{}", self.name, near.unwrap_or_default());
        change.notes.push(note);
        Ok(Plan { result: registered(&unit), ..change.plan(false) })
    }

    /// Says what can start a unit again that is stopped.
    fn restarters(&self, host: &dyn Probe, unit: &Unit) -> Result<Vec<String>> {
        if self.state != Some(State::Stopped) || self.masked == Some(true) {
            return Ok(Vec::new());
        }
        let mut notes = Vec::new();
        for trigger in &unit.triggered_by {
            if systemd::look(host, trigger)?.is_active() {
                notes.push(format!("{trigger} is active and can start {} again: stop it too", self.name));
            }
        }
        Ok(notes)
    }

    fn unmask(&self, change: &mut UnitChange<'_>) -> Result<()> {
        if self.masked != Some(false) || !is_masked(&change.unit) {
            return Ok(());
        }
        let install = change.install()?;
        match install.masks() {
            [false, false] => {
                let why = "its package masks it: its unit file is a link to /dev/null";
                let hint = format!("put a unit file of your own into {OWN_UNITS}");
                return Err(Failure::new(format!("unmask {}", self.name), why).hint(hint));
            }
            [lasting, until_boot] => {
                if lasting {
                    change.run("unmask", install.undo("mask"));
                }
                if until_boot {
                    change.run_for("unmask", "--runtime", install.undo("mask"));
                }
            }
        }
        // What was under the mask is seen once it is gone; until then, the usual.
        (change.unit.load, change.unit.file) = ("loaded".to_string(), "disabled".to_string());
        Ok(())
    }

    /// A mask is a link where an administrator's own unit file would be. systemctl replaces none.
    fn expect_room_for_mask(&self, host: &dyn Probe, unit: &Unit) -> Result<()> {
        if self.masked != Some(true) || is_masked(unit) || unit.id.is_empty() {
            return Ok(());
        }
        let place = HostPath::from(OWN_UNITS).join(&unit.id);
        match host.stat(&place)? {
            Some(Stat { kind: FileKind::File, .. }) => {
                let why = format!("its unit file is {place}, where the mask would be");
                Err(Failure::new(format!("mask {}", self.name), why).hint("set enabled = false instead"))
            }
            _ => Ok(()),
        }
    }

    /// A mask that ends with the next boot is not enough.
    fn mask(&self, change: &mut UnitChange<'_>) -> Result<()> {
        if self.masked == Some(true) && (!is_masked(&change.unit) || change.unit.file == "masked-runtime") {
            let undo = change.install()?.undo("unmask");
            change.run("mask", undo);
            (change.unit.load, change.unit.file) = ("masked".to_string(), "masked".to_string());
        }
        Ok(())
    }

    fn expect_loaded(&self, host: &dyn Probe, name: &str, unit: &Unit) -> Result<()> {
        let looking = format!("look at service {}", self.name);
        match unit.load.as_str() {
            "masked" if self.masked == Some(true) || self.wants_nothing_of_it() => Ok(()),
            "masked" => Err(Failure::new(looking, "it is masked").hint("set masked = false")),
            "error" | "bad-setting" => Err(match systemd::refusal_now(host, name)? {
                Some(why) => Failure::new(looking, format!("systemd refuses its unit file: {why}"))
                    .hint("correct the unit file"),
                None => Failure::new(looking, format!("systemd cannot use its unit file ({})", unit.load))
                    .hint(format!("`systemctl status {}` on the host shows the line", self.name)),
            }),
            _ => Ok(()),
        }
    }

    /// A unit file that changed is read again first. One that systemd then refuses would leave the host without the unit.
    fn expect_taken(&self, host: &dyn Probe, name: &str, unit: &Unit) -> Result<()> {
        let may_be_stale = unit.stale || host.pretends();
        if !self.daemon_reload || !may_be_stale {
            return Ok(());
        }
        match systemd::refusal(host, name)? {
            None => Ok(()),
            Some(why) => {
                let failure = Failure::new(
                    format!("look at service {}", self.name),
                    format!("systemd refuses its unit file: {why}"),
                );
                Err(failure.hint("correct the unit file; systemd has not read it, so the unit is as it was"))
            }
        }
    }

    fn wants_nothing_of_it(&self) -> bool {
        self.enabled != Some(true) && matches!(self.state, None | Some(State::Stopped))
    }

    fn enable(&self, change: &mut UnitChange<'_>) -> Result<()> {
        if self.enabled != Some(true) {
            return Ok(());
        }
        match change.unit.file.as_str() {
            "disabled" | "enabled-runtime" | "linked" | "linked-runtime" => {
                change.enable(&change.install()?);
                change.unit.file = "enabled".to_string();
                Ok(())
            }
            "indirect" => self.enable_others(change),
            state @ ("static" | "transient" | "generated" | "bad" | "") => {
                let state = if state.is_empty() { "without a unit file" } else { state };
                let why = format!("it is {state}: nothing in it says when it would start");
                Err(Failure::new(format!("enable {}", self.name), why)
                    .hint("leave enabled out, or give its unit file an [Install] section"))
            }
            _ => Ok(()),
        }
    }

    /// A unit that is enabled through the units of its Also=, or whose only link has another name.
    fn enable_others(&self, change: &mut UnitChange<'_>) -> Result<()> {
        let install = change.install()?;
        if let Some((name, _)) = install.also.iter().find(|(_, unit)| is_masked(unit)) {
            let why = format!("it is enabled through {name} (Also= in its unit file), which is masked");
            let hint = format!("unmask {name} first: a service step with masked = false");
            return Err(Failure::new(format!("enable {}", self.name), why).hint(hint));
        }
        if install.also.is_empty() {
            change.enable(&install);
            change.unit.file = "enabled".to_string();
        } else if install.also.iter().any(|(_, unit)| is_disabled(unit)) {
            change.enable(&install);
        }
        Ok(())
    }

    fn disable(&self, change: &mut UnitChange<'_>) -> Result<()> {
        if self.enabled != Some(false) {
            return Ok(());
        }
        match change.unit.file.as_str() {
            "enabled" | "enabled-runtime" | "alias" => {
                let install = change.install()?;
                change.disable(&install);
                let left = if install.linked_from().is_some() { "linked" } else { "disabled" };
                change.unit.file = left.to_string();
                Ok(())
            }
            "indirect" => {
                let install = change.install()?;
                if install.also.is_empty() {
                    change.disable(&install);
                    change.unit.file = "disabled".to_string();
                } else if install.also.iter().any(|(_, unit)| is_enabled(unit)) {
                    change.disable(&install);
                }
                Ok(())
            }
            "generated" => {
                let why = "systemd makes it at each boot from another file, such as /etc/fstab";
                Err(Failure::new(format!("disable {}", self.name), why)
                    .hint("change that file, or set masked = true"))
            }
            _ => Ok(()),
        }
    }

    fn set_state(&self, change: &mut UnitChange<'_>) -> Result<()> {
        let active = change.unit.is_active();
        match self.state {
            Some(State::Started | State::Reloaded) if !active => change.start("start"),
            Some(State::Restarted) => change.start("restart"),
            Some(State::Reloaded) if !change.unit.can_reload => {
                return Err(Failure::new(format!("reload {}", self.name), "it cannot be reloaded")
                    .hint("use state = \"restarted\""));
            }
            Some(State::Reloaded) => {
                change.run("reload", Undo::Again);
                change.confirm();
            }
            Some(State::Stopped) if !matches!(change.unit.active.as_str(), "inactive" | "failed") => {
                change.run("stop", change.undo("start"));
                change.unit.active = "inactive".to_string();
            }
            _ => {}
        }
        change.once |= matches!(self.state, Some(State::Restarted | State::Reloaded));
        Ok(())
    }
}

fn registered(unit: &Unit) -> Values {
    let words = [("active", &unit.active), ("enabled", &unit.file)];
    words.into_iter().map(|(name, word)| (name.to_string(), word.as_str().into())).collect()
}

fn yes() -> bool {
    true
}

mod change;
#[cfg(all(test, feature = "controller"))]
mod tests;
