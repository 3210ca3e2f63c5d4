//! sshd's settings, so that nobody is locked out: tested before they count, armed, and seen to be in force.

use crate::model::duration::TimeSpan;
use crate::model::guard::{Guard, WITHIN};
use crate::model::op::{Answer, Command, Content, Meta, Plan, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use effective::Effective;
use files::Files;
use serde::Deserialize;
use setting::Setting;
use std::collections::BTreeMap;

mod effective;
mod files;
mod logins;
mod setting;

/// What restarts sshd. Open sessions stay.
const RESTART: &[u8] = include_bytes!("sshd/restart.sh");

/// Sets settings of sshd: in a file of their own where the main file includes one, else in a block at the top of the
/// main file. The whole configuration is tested with `sshd -t` and `sshd -T` before it is written: a setting that an
/// earlier line overrules is an error that names the line. sshd is restarted (open sessions stay), and windlass logs in
/// anew; unless that works, the host rolls the change back by itself, even when windlass is cut off or killed. Passwords
/// are not turned off while no user could log in with a key. Settings of the file that are not named here stay.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sshd {
    /// sshd's keywords and their values: strings, numbers, booleans (yes and no), or lists of them.
    options: BTreeMap<String, Setting>,
    /// The file that holds them, below a directory that the main file includes.
    #[serde(default = "drop_in")]
    path: HostPath,
    /// sshd's main file.
    #[serde(default = "main_file")]
    config: HostPath,
    /// sshd's unit of systemd; `ssh` or `sshd`, whichever there is, when not given.
    service: Option<String>,
    /// Whether the change is rolled back unless a new connection confirms it; true when not given.
    #[serde(default = "yes")]
    armed: bool,
    /// How long the host waits for that before it rolls the change back; 40 seconds when not given.
    #[serde(default = "forty_seconds")]
    within: TimeSpan,
}

impl Kind for Sshd {
    const NAME: &'static str = "sshd";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "keys only, and no login as root"
[steps.sshd]
options = { PermitRootLogin = false, PasswordAuthentication = false, KbdInteractiveAuthentication = false }

[[steps]]
name = "sshd listens on another port, too"
[steps.sshd]
path = "/etc/ssh/sshd_config.d/00-windlass.conf"
config = "/etc/ssh/sshd_config"
service = "ssh"
armed = true        # rolled back unless a new connection confirms it …
within = "40s"      # … in this time
[steps.sshd.options]
Port = [22, 2222]
MaxAuthTries = 4
AllowUsers = ["deploy", "backup"]
"#;
}

impl Step for Sshd {
    fn check(&self) -> Result<(), WrongKey> {
        if self.options.is_empty() {
            return Err(WrongKey::new("options", "name at least one setting"));
        }
        let short = self.within.get() < SHORTEST || self.within.get() > LONGEST;
        if short {
            return Err(WrongKey::new("within", "give between 5 seconds and 10 minutes"));
        }
        self.options.iter().try_for_each(|(keyword, setting)| setting.check(keyword))
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let lines = self.lines();
        let files = Files::look(host, &self.config, &self.path)?;
        let text = files.with(&lines);
        let candidate = files.candidate(&text);
        let mut guard = Guard { within: self.within.get(), ..Guard::default() };
        let mut ops = wanted::file(host, &files.ours, Content::Bytes(text.into()), &Meta::default())?;
        if !ops.is_empty() {
            self.expect_sound(host, &files, &lines, &candidate, &mut guard)?;
        }
        if !ops.is_empty() || self.is_stale(host, &files.ours)? {
            ops.push(self.restart(&files.ours).into());
        }
        let guard = (self.armed && !ops.is_empty()).then_some(guard);
        Ok(Plan { guard, ..Plan::of(ops) })
    }
}

impl Sshd {
    fn lines(&self) -> Vec<(String, Vec<String>)> {
        self.options.iter().map(|(keyword, setting)| (keyword.clone(), setting.values(keyword))).collect()
    }

    /// The candidate is one that sshd takes, in which our settings win, and which leaves someone a way in.
    fn expect_sound(
        &self,
        host: &dyn Probe,
        files: &Files,
        lines: &[(String, Vec<String>)],
        candidate: &str,
        guard: &mut Guard,
    ) -> Result<()> {
        let Some(after) = effective::of(host, candidate)? else { return Ok(()) };
        let before = effective::of(host, &files.main)?.unwrap_or_default();
        // sshd reads no configuration without a host key.
        let keys = before.get("hostkey").iter().map(|key| format!("HostKey {key}\n"));
        let alone = files::text_of(lines) + &keys.collect::<String>();
        let wanted = effective::of(host, &alone)?.unwrap_or_default();
        let free = lines.iter().filter(|(keyword, _)| !keyword.eq_ignore_ascii_case("hostkey"));
        for (keyword, _) in free {
            if after.get(keyword) != wanted.get(keyword) {
                return Err(overruled(host, files, keyword, &after, &wanted)?);
            }
        }
        logins::expect_one(host, &before, &after)?;
        if before.ports() != after.ports() {
            guard.ports = after.ports();
            guard.ports_before = before.ports();
        }
        Ok(())
    }

    /// Whether the file was written after sshd was started: a run that was cut off in between is finished.
    fn is_stale(&self, host: &dyn Probe, file: &HostPath) -> Result<bool> {
        let answer = host.ask(&newer_than_sshd(file))?;
        Ok(answer.ok() && !answer.text().is_empty())
    }

    fn restart(&self, file: &HostPath) -> Run {
        let unit = self.service.iter().map(|unit| match unit.contains('.') {
            true => unit.clone(),
            false => format!("{unit}.service"),
        });
        let argv = ["/bin/sh", "-s", "--"].map(str::to_string).into_iter().chain(unit);
        let title = Some("systemctl restart ssh".to_string());
        let command = Command { stdin: RESTART.to_vec(), title, ..Command::new(argv) };
        let predicts = vec![Prediction { argv: newer_than_sshd(file).argv, answer: Answer::said(0, "") }];
        Run { undo: Undo::Again, predicts, ..Run::from(command) }
    }
}

/// sshd writes its pid file whenever it starts.
fn newer_than_sshd(file: &HostPath) -> Command {
    Command::new(["find", &file.to_string(), "-newer", "/run/sshd.pid"])
}

fn overruled(
    host: &dyn Probe,
    files: &Files,
    keyword: &str,
    after: &Effective,
    wanted: &Effective,
) -> Result<Failure> {
    let doing = format!("set {keyword} to {}", wanted.shown(keyword));
    let why = format!("it would be {}", after.shown(keyword));
    let failure = Failure::new(doing, why);
    Ok(match files.who_sets(host, keyword)? {
        Some(line) => {
            failure.hint(format!("{line} sets it too; take that out first, with a step of kind line"))
        }
        None => failure.hint("another line of sshd's configuration decides it; `sshd -T` shows the result"),
    })
}

/// Less leaves a login no time.
const SHORTEST: std::time::Duration = std::time::Duration::from_secs(5);

/// Nobody wants to be locked out for longer.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(600);

fn drop_in() -> HostPath {
    HostPath::from("/etc/ssh/sshd_config.d/00-windlass.conf")
}

fn main_file() -> HostPath {
    HostPath::from("/etc/ssh/sshd_config")
}

fn forty_seconds() -> TimeSpan {
    TimeSpan::seconds(WITHIN.as_secs())
}

fn yes() -> bool {
    true
}

#[cfg(all(test, feature = "controller"))]
mod tests;
