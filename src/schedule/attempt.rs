//! One run of one schedule, from its claim to what is said of it. A person, a timer of systemd and `windlass serve` all
//! start this.
//!
//! The claim is durable before the run is started. The run's own record is durable before it contacts any host, and it
//! holds the schedule's lock for as long as it lives. So a process that comes after a process that was killed knows which of
//! three things happened: nothing was started (then it is started), it went on to its end (then that is what counts), or
//! it was cut off (then it is tried again where it did not end well, as `runs retry` does).

use super::decide::{Decision, Moment, decide, overlapped};
use super::files::{Folder, RunLock};
use super::notify::{self, Channel};
use super::outcome::{FinishedRun, Outcome, Trigger};
use super::state::Claim;
use super::{Overlap, Schedule, shown};
use crate::model::run::Scheduled;
use crate::model::{Doing, Failure, Result};
use crate::record::{RunRecord, RunState, RunStore, Sqlite};
use jiff::Timestamp;
use process::{Ending, Process};
use std::path::PathBuf;
use std::time::{Duration, Instant};

mod process;

/// A run that is killed so many times is given up.
const ATTEMPTS: u32 = 3;

/// How often a lock that another run holds is asked for.
const POLL: Duration = Duration::from_millis(250);

/// Why times that come while a run is going on are left out.
const OVERLAPPED: &str = "the run before was still going on";

/// Exit code of a run that was interrupted.
const INTERRUPTED: u8 = 130;

/// What an attempt needs.
pub struct ScheduleAttempt<'a> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// Where it can be reported.
    pub channels: &'a [Channel],
    /// The project's folder.
    pub root: PathBuf,
    /// The project's `.windlass`.
    pub state: PathBuf,
    /// windlass itself.
    pub program: PathBuf,
    /// What asks for it.
    pub ask: Ask,
}

/// What asks for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Its time has come, or someone thinks so: it runs when one is due.
    Due,
    /// A person: it runs now.
    Hand,
}

impl ScheduleAttempt<'_> {
    /// Does it and returns the exit code: the run's own, or 0 when there was nothing to do.
    pub async fn make(&self) -> Result<u8> {
        let folder = Folder::open(&self.state)?;
        let made = match self.lock(&folder).await? {
            Some(lock) => self.locked(&folder, &lock).await,
            None => Ok(0),
        };
        // The scheduler sends its notices while the next run may begin already.
        if self.ask == Ask::Due && folder.is_held("serve.lock") {
            return made;
        }
        for line in notify::deliver(self.schedule, self.channels, &folder, &self.root).await? {
            self.say(&line);
        }
        made
    }

    /// The lock; `None` when another run has it and that settles what is due.
    async fn lock(&self, folder: &Folder) -> Result<Option<RunLock>> {
        let name = &self.schedule.name;
        let deadline = Instant::now() + self.schedule.timeout;
        loop {
            if let Some(lock) = folder.hold_run(name)? {
                return Ok(Some(lock));
            }
            let holder = folder.holder(name);
            let since =
                holder.as_ref().map(|holder| format!(" since {}", shown(holder.since, self.schedule)));
            let pid = holder.map(|holder| format!(", process {}", holder.pid));
            let going =
                format!("a run of it is going on{}{}", since.unwrap_or_default(), pid.unwrap_or_default());
            if self.ask == Ask::Hand {
                return Err(Failure::new(format!("run schedule {name}"), going).hint("wait for it to end"));
            }
            if self.schedule.overlap == Overlap::Skip || Instant::now() >= deadline {
                self.say(&going);
                return Ok(None);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What is to be done while nobody else can run it.
    async fn locked(&self, folder: &Folder, lock: &RunLock) -> Result<u8> {
        let mut exit = 0;
        loop {
            match self.decide(folder)? {
                Decision::Resume(claim) => match self.resume(folder, lock, claim).await? {
                    Some(code) => exit = code,
                    None => return Ok(INTERRUPTED),
                },
                Decision::LeaveOut { slot, many, why } => self.leave_out(folder, slot, many, why)?,
                _ if self.ask == Ask::Hand => {
                    let now = Timestamp::now();
                    let claim = self.change(folder, |state| state.claim(now, Trigger::Hand, now))?;
                    return Ok(self.first(folder, lock, claim).await?.unwrap_or(INTERRUPTED));
                }
                Decision::Run { slot, trigger, missed } => {
                    let now = Timestamp::now();
                    let claim = self.change(folder, |state| {
                        if missed > 0 {
                            state.leave_out(slot, missed, "made up for by the next run");
                        }
                        state.claim(slot, trigger, now)
                    })?;
                    return Ok(self.first(folder, lock, claim).await?.unwrap_or(INTERRUPTED));
                }
                Decision::Nothing { .. } => {
                    if exit == 0 {
                        self.say("nothing is due");
                    }
                    return Ok(exit);
                }
            }
        }
    }

    /// Whoever asks has waited for the schedule's delay already.
    fn decide(&self, folder: &Folder) -> Result<Decision> {
        let now = Timestamp::now();
        let moment = Moment { now, delay: Duration::ZERO, busy: false };
        self.change(folder, |state| decide(self.schedule, state, moment))
    }

    fn leave_out(&self, folder: &Folder, slot: Timestamp, many: u64, why: &str) -> Result<()> {
        self.change(folder, |state| state.leave_out(slot, many, why))?;
        self.say_left_out(slot, many, why);
        Ok(())
    }

    fn say_left_out(&self, slot: Timestamp, many: u64, why: &str) {
        let before = if many > 1 { format!(" and {} before it", many - 1) } else { String::new() };
        self.say(&format!("{}{before} left out: {why}", shown(slot, self.schedule)));
    }

    /// A claim that is new: the playbook is run.
    async fn first(&self, folder: &Folder, lock: &RunLock, claim: Claim) -> Result<Option<u8>> {
        let what = ["run".into(), "playbook".into(), self.schedule.playbook.clone()];
        let hosts = self.schedule.hosts.iter().flat_map(|hosts| ["--hosts".to_string(), hosts.clone()]);
        let words = what.into_iter().chain(hosts).collect();
        self.say(&format!(
            "the run of {} begins: {}",
            shown(claim.slot, self.schedule),
            claim.trigger.shown()
        ));
        self.go(folder, lock, claim, words).await
    }

    /// A claim of a process that was killed.
    async fn resume(&self, folder: &Folder, lock: &RunLock, claim: Claim) -> Result<Option<u8>> {
        let slot = shown(claim.slot, self.schedule);
        let record = self.record(&claim)?;
        match record.as_ref().map(|(record, state)| (record, *state)) {
            Some((_, RunState::Ended(exit))) if exit != INTERRUPTED => {
                self.say(&format!("the run of {slot} finished, though the process that started it did not"));
                self.end(folder, &claim, Some(exit), None, record.map(|(record, _)| record))?;
                Ok(Some(exit))
            }
            _ if claim.attempt >= ATTEMPTS => {
                let why = format!("it was ended {ATTEMPTS} times before it had got to its end");
                self.say(&format!("the run of {slot} is given up: {why}"));
                let lost = Some((Outcome::Lost, why));
                self.end(folder, &claim, None, lost, record.map(|(record, _)| record))?;
                Ok(Some(2))
            }
            None => {
                self.say(&format!("the run of {slot} was claimed and not started: its starter was killed"));
                let claim = self.change(folder, |state| state.resume(&claim, Timestamp::now()))?;
                self.first(folder, lock, claim).await
            }
            Some((record, _)) => {
                let run = record.intent.run.to_string();
                self.say(&format!(
                    "the run of {slot} ({run}) was cut off: it is tried again where it did not end well"
                ));
                let claim = self.change(folder, |state| state.resume(&claim, Timestamp::now()))?;
                self.go(folder, lock, claim, vec!["runs".into(), "retry".into(), run]).await
            }
        }
    }

    /// Starts windlass with these words, and waits for its end. `None` when it was interrupted and is to be resumed.
    async fn go(
        &self,
        folder: &Folder,
        lock: &RunLock,
        claim: Claim,
        words: Vec<String>,
    ) -> Result<Option<u8>> {
        let mut words = [vec!["--project".to_string(), self.root.display().to_string()], words].concat();
        if self.ask == Ask::Due {
            words.push("--quiet".into());
        }
        if let Some(file) = self.write_vars(folder)? {
            words.extend(["--var".to_string(), format!("@{}", file.display())]);
        }
        let scheduled = Scheduled { name: self.schedule.name.clone(), slot: claim.slot };
        words.extend(["--scheduled".to_string(), scheduled.to_string()]);
        let process = Process::start(&self.program, &words, lock.for_run()?)?;
        let say = |line: &str| self.say(line);
        let (ending, exit) = process.end(self.schedule.timeout, &say).await?;
        let timed_out =
            || (Outcome::TimedOut, format!("it took longer than {}", seconds(self.schedule.timeout)));
        let special = match (ending, exit) {
            (_, Some(0)) => None,
            (Ending::TimeIsUp, _) => Some(timed_out()),
            (Ending::Terminated, None | Some(INTERRUPTED)) if claim.trigger != Trigger::Hand => {
                self.say("interrupted; it will be continued");
                return Ok(None);
            }
            (Ending::Itself, None) => {
                self.say("the run was killed");
                return Box::pin(self.resume(folder, lock, claim)).await;
            }
            (_, None | Some(INTERRUPTED)) => Some((Outcome::Interrupted, "it was interrupted".to_string())),
            _ => None,
        };
        let record = self.record(&claim)?.map(|(record, _)| record);
        self.end(folder, &claim, exit, special, record)?;
        Ok(Some(exit.unwrap_or(INTERRUPTED)))
    }

    fn end(
        &self,
        folder: &Folder,
        claim: &Claim,
        exit: Option<u8>,
        special: Option<(Outcome, String)>,
        record: Option<RunRecord>,
    ) -> Result<()> {
        let at = record.as_ref().and_then(|record| record.ended).unwrap_or_else(Timestamp::now);
        let ended = ended(claim, exit, special, record, at);
        let why = ended.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let took = crate::report::style::time(ended.took());
        let run = ended.run.as_ref().map(|run| format!(", run {run}")).unwrap_or_default();
        let line = format!(
            "the run of {} {}{why} ({took}{run})",
            shown(claim.slot, self.schedule),
            ended.outcome.shown()
        );
        let root = self.root.display().to_string();
        let delay = self.schedule.delay(&super::here(&self.root));
        let left_out = self.change(folder, |state| {
            // What came due before a run by hand began is covered by it.
            if claim.trigger == Trigger::Hand {
                state.settled = state.settled.max(claim.claimed);
            }
            state.end(ended, self.schedule, self.channels, &root);
            let overlapped = overlapped(self.schedule, state, (claim.began, at), delay);
            if let Some((slot, many)) = overlapped {
                state.leave_out(slot, many, OVERLAPPED);
            }
            overlapped
        })?;
        self.say(&line);
        if let Some((slot, many)) = left_out {
            self.say_left_out(slot, many, OVERLAPPED);
        }
        Ok(())
    }

    /// The newest run of this claim, when one was recorded.
    fn record(&self, claim: &Claim) -> Result<Option<(RunRecord, RunState)>> {
        let Some(opened) = Sqlite::open_existing(&self.state)? else { return Ok(None) };
        opened.notices.iter().for_each(|notice| self.say(notice));
        let Some((run, state)) = opened.store.scheduled(&self.schedule.name, claim.slot)? else {
            return Ok(None);
        };
        Ok(Some((opened.store.load(&run)?, state)))
    }

    /// The variables as a file that only we can read: a command's arguments can be seen by everybody.
    fn write_vars(&self, folder: &Folder) -> Result<Option<PathBuf>> {
        if self.schedule.vars.is_empty() {
            return Ok(None);
        }
        let text = toml::to_string(&self.schedule.vars).doing("write the variables of a schedule")?;
        let name = format!("{}.vars.toml", self.schedule.name);
        folder.replace(&name, text.as_bytes())?;
        Ok(Some(folder.path(&name)))
    }

    fn change<T>(&self, folder: &Folder, change: impl FnOnce(&mut super::state::State) -> T) -> Result<T> {
        let (result, notice) = folder.change(self.schedule, Timestamp::now(), change)?;
        notice.iter().for_each(|notice| self.say(notice));
        Ok(result)
    }

    fn say(&self, line: &str) {
        super::log::say(&format!("schedule {}: {line}", self.schedule.name));
    }
}

fn seconds(duration: Duration) -> String {
    crate::report::style::time(duration)
}

/// What came of a run, from its exit code and its record.
fn ended(
    claim: &Claim,
    exit: Option<u8>,
    special: Option<(Outcome, String)>,
    record: Option<RunRecord>,
    now: Timestamp,
) -> FinishedRun {
    let mut ended = FinishedRun {
        slot: claim.slot,
        trigger: claim.trigger,
        started: claim.claimed,
        ended: now,
        outcome: if exit == Some(0) { Outcome::Succeeded } else { Outcome::Failed },
        exit,
        run: None,
        hosts: Default::default(),
        bad_hosts: Vec::new(),
        why: None,
    };
    if let Some(record) = record {
        take_in(&mut ended, &record);
    } else if exit != Some(0) {
        let code = exit.map(|exit| format!(" (exit code {exit})")).unwrap_or_default();
        ended.why = Some(format!("it could not begin{code}; the log says why"));
    }
    if let Some((outcome, why)) = special {
        (ended.outcome, ended.why) = (outcome, Some(why));
    }
    ended
}

fn take_in(ended: &mut FinishedRun, record: &RunRecord) {
    use crate::model::outcome::HostOutcome;
    ended.run = Some(record.intent.run.clone());
    let outcome = |host: &crate::record::HostRecord| host.outcome.unwrap_or(HostOutcome::Unknown);
    for host in record.hosts() {
        *ended.hosts.entry(outcome(host).to_string()).or_default() += 1;
    }
    let bad =
        record.hosts().iter().filter(|host| !matches!(outcome(host), HostOutcome::Ok | HostOutcome::Changed));
    let named: Vec<String> = bad.clone().map(|host| host.host.clone()).take(super::outcome::NAMED).collect();
    let many = bad.count();
    if many > 0 {
        let names = crate::inventory::fold::fold(&named);
        ended.why = Some(format!("{many} of {} hosts did not end well: {names}", record.hosts().len()));
    }
    ended.bad_hosts = named;
}
