//! Armed changes. Before a step changes what could lock everybody out (sshd, firewall), something outside of this process
//! and of its connection is started, which takes the step back unless it is disarmed in time. It is disarmed when the
//! controller has logged in again, or when this process has rolled the step back itself.
//!
//! What is armed has a file in `armed/` of the host's state directory, an entry in the journal, a process that waits
//! (`windlass-agent --guard`), and where systemd runs a unit for the next boot.

use super::entry::Entry;
use super::holder::LockHolder;
use super::journal::{self, Journal};
use super::link::Link;
use super::seal::Seal;
use super::state_dir::StateDir;
use super::undo::log::LaterLog;
use super::undo::{self, Undoer};
use super::wait;
use crate::model::event::StepEnded;
use crate::model::guard::Guard;
use crate::model::job::RunId;
use crate::model::op::{Command, Meta};
use crate::model::outcome::{HostOutcome, StepOutcome};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::redact::Redactor;
use crate::system::{Lock, Probe, System};
use std::path::Path;
use std::time::{Duration, Instant};

/// A live agent rolls back by itself what was not confirmed. It gets so long beyond the time before it is ended.
const GRACE: Duration = Duration::from_secs(60);

/// The lock is free soon after the process that held it was killed.
const FREE_WITHIN: Duration = Duration::from_secs(10);

/// Between two looks whether the lock is free.
const EVERY: Duration = Duration::from_millis(500);

/// Where systemd reads units that people put there.
const UNITS: &str = "/etc/systemd/system";

/// What is reported when a confirmation did not come.
pub const CONFIRM: &str = "confirm the change over a new connection";

/// Starts a program that nobody waits for: it leaves this session by itself.
const DETACH: &str = r#""$@" </dev/null >/dev/null 2>&1 &"#;

/// What the current step is armed with.
pub struct Armed {
    /// Names the changes.
    pub watch: Watch,
    /// How they are confirmed.
    pub guard: Guard,
    /// When the host was armed.
    pub since: Instant,
}

/// Names what is watched over: the changes of a run after a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Whose changes.
    pub run: RunId,
    /// Those after this one.
    pub change: u32,
}

impl Watch {
    fn name(&self) -> String {
        format!("{}.{}", self.run, self.change)
    }

    fn read(name: &str) -> Option<Self> {
        let (run, change) = name.rsplit_once('.')?;
        Some(Watch { run: RunId::try_from(run.to_string()).ok()?, change: change.parse().ok()? })
    }

    /// Exists as long as the changes are armed.
    fn mark(&self, state: &StateDir) -> HostPath {
        state.armed().join(self.name())
    }

    /// With what the journal is sealed: the second line of the mark.
    fn seal(&self, host: &dyn Probe, state: &StateDir) -> Result<Seal> {
        let mark = host.read(&self.mark(state))?.unwrap_or_default();
        Ok(Seal::read(String::from_utf8_lossy(&mark).lines().nth(1).unwrap_or_default()))
    }

    fn unit(&self) -> String {
        format!("windlass-guard-{}-{}", self.run, self.change)
    }

    fn unit_file(&self) -> HostPath {
        HostPath::from(UNITS).join(format!("{}.service", self.unit()))
    }

    /// What makes systemd start the unit at the next boot. It does not know of it before: it is not needed until then.
    fn wanted(&self) -> HostPath {
        HostPath::from(UNITS).join("multi-user.target.wants").join(format!("{}.service", self.unit()))
    }

    /// The files of systemd that the watch consists of.
    pub fn unit_files(&self) -> Vec<HostPath> {
        vec![self.wanted(), self.unit_file()]
    }

    fn arguments(&self, state: &StateDir, wait: Duration) -> Vec<String> {
        let words = [
            "--guard".to_string(),
            state.path().to_string(),
            self.run.to_string(),
            self.change.to_string(),
            wait.as_millis().to_string(),
        ];
        words.to_vec()
    }

    fn is_armed(&self, entries: &[Entry]) -> bool {
        let of_this = |entry: &&Entry| match entry {
            Entry::Armed { change, .. } | Entry::Disarmed { change, .. } => *change == self.change,
            _ => false,
        };
        matches!(entries.iter().rfind(of_this), Some(Entry::Armed { .. }))
    }
}

/// Arms the changes of the current step from here on.
pub fn arm(
    host: &dyn System,
    journal: &mut Journal<'_>,
    watch: &Watch,
    step: u32,
    name: &str,
    program: &str,
    guard: &Guard,
) -> Result<()> {
    let state = journal.state().clone();
    host.make_dir(&state.armed(), &Meta { mode: Some(0o700), ..Meta::default() })?;
    let private = Meta { mode: Some(0o600), ..Meta::default() };
    // What undoes the change without a controller can then read what undoes it.
    let seal = journal.secrets().seal().text().unwrap_or_default();
    let mark = format!("{}\n{seal}\n", journal.secrets().redactor().text(name).replace('\n', " "));
    host.write(&watch.mark(&state), &mut mark.as_bytes(), &private)?;
    let (name, ports_before) = (name.to_string(), guard.ports_before.clone());
    let agent = std::process::id();
    journal.note(Entry::Armed { change: watch.change, step, name, agent, ports_before })?;
    let started = survive_boot(host, &state, watch, program)
        .and_then(|()| start(host, &state, watch, program, guard.within));
    if started.is_err() {
        journal.note(Entry::Disarmed { change: watch.change, confirmed: false })?;
        forget(host, &state, watch)?;
    }
    started
}

/// Starts what waits: as a unit of systemd, which no end of a session touches, else as a process of its own.
fn start(host: &dyn System, state: &StateDir, watch: &Watch, program: &str, within: Duration) -> Result<()> {
    let arguments = watch.arguments(state, within);
    let unit = format!("--unit={}", watch.unit());
    let systemd = ["systemd-run", "--quiet", "--collect", "--property=Type=exec", &unit, program];
    let words = |first: &[&str]| -> Vec<String> {
        first.iter().map(|word| word.to_string()).chain(arguments.clone()).collect()
    };
    if runs_systemd(host)? && host.run(&Command::new(words(&systemd)))?.ok() {
        return Ok(());
    }
    let command = Command::new(words(&["/bin/sh", "-c", DETACH, "sh", program]));
    let answer = host.run(&command)?;
    match answer.ok() {
        true => Ok(()),
        false => {
            let why = answer.last_words().unwrap_or_else(|| format!("exit status {}", answer.status));
            Err(Failure::new("arm the change", format!("what would roll it back cannot be started: {why}")))
        }
    }
}

/// A host that is booted while it is armed takes the changes back then. An agent in a directory that a boot empties
/// cannot.
fn survive_boot(host: &dyn System, state: &StateDir, watch: &Watch, program: &str) -> Result<()> {
    let fleeting = ["/run/", "/dev/", "/tmp/"].iter().any(|folder| program.starts_with(folder));
    let root_of_systemd = runs_systemd(host)? && state.path().starts_with("/var/lib");
    if fleeting || !root_of_systemd {
        return Ok(());
    }
    let command = watch.arguments(state, Duration::ZERO).join(" ");
    let text = format!(
        "[Unit]\nDescription=windlass rolls back a change that was not confirmed before the reboot\n\
         After=network.target ssh.service sshd.service nftables.service ufw.service\n\n\
         [Service]\nType=oneshot\nExecStart={program} {command}\n"
    );
    let wanted = watch.wanted();
    host.make_dir(wanted.parent().unwrap_or(Path::new(UNITS)), &Meta::default())?;
    host.write(&watch.unit_file(), &mut text.as_bytes(), &Meta::default())?;
    host.link(&wanted, &watch.unit_file())
}

fn runs_systemd(host: &dyn Probe) -> Result<bool> {
    Ok(host.stat(Path::new("/run/systemd/system"))?.is_some())
}

/// Takes away what says that changes are armed.
pub fn forget(host: &dyn System, state: &StateDir, watch: &Watch) -> Result<()> {
    [watch.wanted(), watch.unit_file(), watch.mark(state)].iter().try_for_each(|path| host.remove(path))
}

/// Waits, and takes the changes back unless they are disarmed by then: what the armed process does. `end` kills an agent
/// that neither ends nor takes its changes back.
pub fn watch(
    host: &dyn System,
    state: &StateDir,
    watch: &Watch,
    time: Duration,
    end: &dyn Fn(u32),
) -> Result<()> {
    let disarmed = || matches!(host.stat(&watch.mark(state)), Ok(None));
    if !wait::pause(time, &disarmed) {
        return Ok(());
    }
    if !lock_within(host, state, watch, GRACE)? {
        if disarmed() {
            return Ok(());
        }
        agent_of(host, state, watch)?.into_iter().for_each(end);
        if !lock_within(host, state, watch, FREE_WITHIN)? {
            return Err(Failure::new("roll back what was not confirmed", "the host's lock is not released"));
        }
    }
    take_back(host, state, watch).map(drop)
}

/// Tries until the lock is ours, or there is no reason any more.
fn lock_within(host: &dyn System, state: &StateDir, watch: &Watch, time: Duration) -> Result<bool> {
    let until = Instant::now() + time;
    let holder = LockHolder::text_of("windlass, which rolls back an unconfirmed change", &watch.run);
    loop {
        if host.lock(&state.lock(), &holder)? == Lock::Ours {
            return Ok(true);
        }
        let disarmed = || matches!(host.stat(&watch.mark(state)), Ok(None));
        if Instant::now() >= until || !wait::pause(EVERY, &disarmed) {
            return Ok(false);
        }
    }
}

fn agent_of(host: &dyn Probe, state: &StateDir, watch: &Watch) -> Result<Option<u32>> {
    let entries = journal::read(host, state, &watch.run)?.unwrap_or_default();
    Ok(entries.iter().rev().find_map(|entry| match entry {
        Entry::Armed { change, agent, .. } if *change == watch.change => Some(*agent),
        _ => None,
    }))
}

/// The changes that are armed on this host, by whichever run.
pub fn armed(host: &dyn Probe, state: &StateDir) -> Result<Vec<Watch>> {
    if host.stat(&state.armed())?.is_none() {
        return Ok(Vec::new());
    }
    let names = host.list(&state.armed())?;
    Ok(names.iter().filter_map(|name| Watch::read(name.to_str()?)).collect())
}

/// Takes back what earlier runs armed and did not live to have confirmed. The host's lock must be ours, so that their
/// agents have ended. Tells it, a line each.
pub fn undo_pending(host: &dyn System, state: &StateDir) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for watch in armed(host, state)? {
        if let Some(failure) = take_back(host, state, &watch)? {
            told.push(format!("run {}: {failure}", watch.run));
        }
    }
    Ok(told)
}

/// Taking back what was armed once is as risky as it was. Nothing is armed against it, since what was before is what was
/// asked for; but whether a new login works then is seen, and reported loudly.
pub fn try_login_after_undo(link: &dyn Link, entries: &[Entry]) -> Result<()> {
    let armed = entries.iter().rev().filter_map(|entry| match entry {
        Entry::Armed { ports_before, .. } => Some(ports_before),
        _ => None,
    });
    let armed: Vec<&Vec<u16>> = armed.collect();
    let Some(_) = armed.first() else { return Ok(()) };
    // The oldest one that moved sshd says where it listens again.
    let ports = armed.iter().rev().find(|ports| !ports.is_empty()).map_or(&[][..], |ports| &ports[..]);
    let until = Instant::now() + crate::model::guard::WITHIN;
    link.confirm(ports, until).map_err(|why| {
        let why = format!("the run is undone, and a new login does not work any more: {why}");
        Failure::new("log in after the undo", why).hint(
            "a user who is still logged in should not log out before sshd and the firewall allow a new login",
        )
    })
}

/// Takes the changes back and writes that down as the run's end; reports the failure. `None`: they are not armed any more.
fn take_back(host: &dyn System, state: &StateDir, watch: &Watch) -> Result<Option<Failure>> {
    let seal = watch.seal(host, state)?;
    let entries = journal::read_opened(host, state, &watch.run, &seal)?.unwrap_or_default();
    if !watch.is_armed(&entries) {
        forget(host, state, watch)?;
        return Ok(None);
    }
    let open = undo::open_changes(&entries, watch.change);
    let saved = state.saved(&watch.run);
    let over = Some(undo::last_entry(host, state, &watch.run));
    let undoer = Undoer { host, saved, over, diff: false, pretends: false };
    let undone = undoer.undo_all(&open, &mut LaterLog { host, state, run: &watch.run })?;
    let failure = match undone.failure("undo") {
        None => Failure::new(CONFIRM, "no confirmation came, so the host rolled the change back by itself")
            .hint("the change, or something at the same time, cut windlass off"),
        Some(left) => {
            let why = format!("no confirmation came, and the change could not be undone: {}", left.why);
            Failure::new(CONFIRM, why)
        }
    };
    let redactor = Redactor::new(seal.secrets_in(&entries));
    let failure = redactor.failure(failure);
    let mut written = vec![Entry::Disarmed { change: watch.change, confirmed: false }];
    let ended = failed_step(&entries, watch, &failure, undone.lines);
    written.extend(ended.map(|ended| Entry::Step(redactor.step(ended))));
    written.push(Entry::End { outcome: HostOutcome::Failed });
    journal::append(host, state, &watch.run, &written)?;
    forget(host, state, watch)?;
    Ok(Some(failure))
}

fn failed_step(entries: &[Entry], watch: &Watch, failure: &Failure, notes: Vec<String>) -> Option<StepEnded> {
    let armed = entries.iter().rev().find_map(|entry| match entry {
        Entry::Armed { change, step, name, .. } if *change == watch.change => Some((*step, name.clone())),
        _ => None,
    });
    let (step, name) = armed?;
    Some(StepEnded {
        notes,
        failure: Some(failure.clone()),
        ..StepEnded::new(step, name, StepOutcome::Failed)
    })
}
