//! Units for systemd: a timer and a service for each schedule, or one service for `windlass serve`. Pure texts.

use super::Schedule;
use crate::model::{Failure, Result};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

pub mod calendar;

/// The first line of every unit of ours; the project's folder follows.
const MARK: &str = "# Written by `windlass schedule install` for ";

/// What units are made for.
#[derive(Clone, Debug)]
pub struct Site {
    /// The project's folder.
    pub root: PathBuf,
    /// windlass itself.
    pub program: PathBuf,
    /// As whom runs are started: a name or a number.
    pub user: String,
    /// Folders that runs may write to, besides the project's state.
    pub writable: Vec<PathBuf>,
}

/// A unit's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name, with its type.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// After its time limit a run is given so long to settle with its hosts, before systemd kills it.
const SETTLE_SECS: u64 = 120;

/// What runs may do on this machine: read it, write the project's state, connect. `%` and `$` are not special in them.
const HARDENING: &str = "\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
UMask=0077
";

/// A timer and a service for each schedule.
pub fn timers(site: &Site, schedules: &[Schedule], now: Timestamp) -> Result<Vec<Unit>> {
    let prefix = site.prefix()?;
    let mut units = Vec::new();
    for schedule in schedules {
        let name = format!("{prefix}-{}", schedule.name);
        units.push(Unit { name: format!("{name}.service"), text: service(site, schedule)? });
        units.push(Unit { name: format!("{name}.timer"), text: timer(site, schedule, now)? });
    }
    if !schedules.is_empty() {
        units.extend(check(site, &prefix)?);
    }
    Ok(units)
}

/// The service of `windlass serve`.
pub fn server(site: &Site, listen: Option<&str>) -> Result<Vec<Unit>> {
    let listen = listen.map(|address| format!(" --listen {address}")).unwrap_or_default();
    let text = format!(
        "{head}[Unit]\nDescription=windlass: schedules of {root}\n{AFTER}\n\
         [Service]\nType=notify\nNotifyAccess=main\nExecStart={program} --project {quoted} serve{listen}\n\
         Restart=always\nRestartSec=5\nWatchdogSec=120\nKillMode=mixed\nTimeoutStopSec=240\n{common}\n\
         [Install]\nWantedBy=multi-user.target\n",
        head = site.head(),
        root = description(&site.root),
        program = quoted(&site.program)?,
        quoted = quoted(&site.root)?,
        common = site.common()?,
    );
    Ok(vec![Unit { name: format!("{}-serve.service", site.prefix()?), text }])
}

/// Whether a unit's text was written for this project.
pub fn is_ours(text: &str, root: &Path) -> bool {
    text.lines().next().and_then(|line| line.strip_prefix(MARK)) == Some(&root.display().to_string())
}

/// Names must be reachable before a run can begin.
const AFTER: &str = "Wants=network-online.target\nAfter=network-online.target\n";

fn service(site: &Site, schedule: &Schedule) -> Result<String> {
    let seconds = schedule.timeout.as_secs() + SETTLE_SECS;
    Ok(format!(
        "{head}[Unit]\nDescription=windlass: schedule {name} of {root}\n{AFTER}\n\
         [Service]\nType=oneshot\nExecStart={program} --project {quoted} schedule run {name} --due\n\
         TimeoutStartSec={seconds}\nTimeoutStopSec={SETTLE_SECS}\nKillMode=mixed\n{common}",
        head = site.head(),
        name = schedule.name,
        root = description(&site.root),
        program = quoted(&site.program)?,
        quoted = quoted(&site.root)?,
        common = site.common()?,
    ))
}

fn timer(site: &Site, schedule: &Schedule, now: Timestamp) -> Result<String> {
    let lines = calendar::lines(&schedule.slots, schedule.timezone.as_deref(), now)?;
    let lines: String = lines.iter().map(|line| format!("OnCalendar={line}\n")).collect();
    let jitter = match schedule.jitter.as_secs() {
        0 => String::new(),
        seconds => format!("RandomizedDelaySec={seconds}\nFixedRandomDelay=yes\n"),
    };
    let persistent = if schedule.catch_up { "Persistent=yes\n" } else { "" };
    Ok(format!(
        "{head}[Unit]\nDescription=windlass: schedule {name} of {root}, {cron}\n\n\
         [Timer]\n{lines}AccuracySec=1s\n{jitter}{persistent}\n[Install]\nWantedBy=timers.target\n",
        head = site.head(),
        name = schedule.name,
        root = description(&site.root),
        cron = schedule.slots.cron.text(),
    ))
}

/// Looks every quarter of an hour whether a schedule is late, since no timer notices that it did not elapse.
fn check(site: &Site, prefix: &str) -> Result<Vec<Unit>> {
    let service = format!(
        "{head}[Unit]\nDescription=windlass: whether schedules of {root} are late\n{AFTER}\n\
         [Service]\nType=oneshot\nExecStart={program} --project {quoted} schedule check\n\
         SuccessExitStatus=2\nTimeoutStartSec=900\n{common}",
        head = site.head(),
        root = description(&site.root),
        program = quoted(&site.program)?,
        quoted = quoted(&site.root)?,
        common = site.common()?,
    );
    let timer = format!(
        "{head}[Unit]\nDescription=windlass: whether schedules of {root} are late\n\n\
         [Timer]\nOnCalendar=*:00/15\nRandomizedDelaySec=60\n\n[Install]\nWantedBy=timers.target\n",
        head = site.head(),
        root = description(&site.root),
    );
    let name = |kind: &str| format!("{prefix}-check.{kind}");
    Ok(vec![Unit { name: name("service"), text: service }, Unit { name: name("timer"), text: timer }])
}

impl Site {
    /// How the names of its units begin: `windlass-shop`.
    pub fn prefix(&self) -> Result<String> {
        let name = self.root.file_name().unwrap_or_default().to_string_lossy();
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let name: String = name.chars().map(plain).collect();
        match name.trim_matches('_').is_empty() {
            true => Err(Failure::new("name the units", format!("{} has no plain name", self.root.display()))),
            false => Ok(format!("windlass-{name}")),
        }
    }

    fn head(&self) -> String {
        format!("{MARK}{}\n", self.root.display())
    }

    /// What all services have.
    fn common(&self) -> Result<String> {
        let state = [self.root.join(".windlass"), self.root.join("fetched")];
        let mut writable = String::new();
        for path in state.iter().chain(&self.writable) {
            writable += &format!("ReadWritePaths=-{}\n", escaped(path)?);
        }
        Ok(format!("User={}\n{HARDENING}{writable}", self.user))
    }
}

/// A path as one word of a command line.
fn quoted(path: &Path) -> Result<String> {
    Ok(format!("\"{}\"", escaped(path)?.replace('$', "$$")))
}

/// A path in which nothing is special.
fn escaped(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    let text = text.filter(|text| !text.contains(['"', '\\', '\'']));
    let text = text.ok_or_else(|| {
        let why = "it has quotes, backslashes or control characters in its name";
        Failure::new(format!("write {} into a unit", path.display()), why).hint("move it elsewhere")
    })?;
    Ok(text.replace('%', "%%"))
}

/// A path in a comment or description, on one line.
fn description(path: &Path) -> String {
    path.display().to_string().replace(char::is_control, " ").replace('%', "%%")
}

#[cfg(test)]
mod tests;
