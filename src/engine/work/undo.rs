//! Undoes an earlier run on its host, as a run of its own: steps, changes and diffs are reported, its journal says what it
//! does, and what it does can be undone in turn.

use crate::engine::entry::Entry;
use crate::engine::guard::{self, Watch};
use crate::engine::journal::{self, Journal};
use crate::engine::link::Link;
use crate::engine::seal::Seal;
use crate::engine::start;
use crate::engine::state_dir::StateDir;
use crate::engine::undo::access::{self, Order};
use crate::engine::undo::log::{NoLog, OwnLog, RunLog, UndoLog};
use crate::engine::undo::{self, Group, Left, OpenChange, Undoer, Undone, failure_of, open_changes};
use crate::model::event::{Event, StepEnded};
use crate::model::guard::{Guard, WITHIN};
use crate::model::job::{Job, Mode, RunId};
use crate::model::outcome::{HostEnd, HostOutcome, StepOutcome};
use crate::model::{Failure, Result};
use crate::redact::Redactor;
use crate::system::System;
use crate::system::pretend::Pretend;
use std::time::Instant;

/// Undoes the run `of` on this host.
pub fn undo_run(job: &Job, host: &dyn System, state: &StateDir, link: &dyn Link, of: &RunId) -> HostEnd {
    let mut journal = Journal::new(host, state.clone(), job);
    let seal = Seal::of(&job.envelope, of);
    let ended = journal::read_opened(host, state, of, &seal).and_then(|entries| {
        let entries = entries.unwrap_or_default();
        journal.hide(seal.secrets_in(&entries));
        match (nothing_to_do(link, of, &entries), job.work.mode) {
            (Some(end), _) => Ok(end),
            (None, Mode::Apply) => apply(job, host, state, link, of, &mut journal),
            (None, Mode::Check) => check(job, host, state, link, of, &entries, &journal),
        }
    });
    let end = ended.unwrap_or_else(|failure| HostEnd::because(HostOutcome::Failed, failure));
    let redactor = journal.secrets().redactor();
    let end = HostEnd { failure: end.failure.map(|failure| redactor.failure(failure)), ..end };
    match journal.end(end.outcome) {
        Ok(()) => end,
        Err(failure) => HostEnd::because(HostOutcome::Failed, end.failure.unwrap_or(failure)),
    }
}

fn apply(
    job: &Job,
    host: &dyn System,
    state: &StateDir,
    link: &dyn Link,
    of: &RunId,
    journal: &mut Journal<'_>,
) -> Result<HostEnd> {
    let same_run = *of == job.envelope.run;
    if same_run {
        journal.resume()?;
    }
    let found = start::start(journal, link)?;
    // With the lock nothing changes it any more.
    let seal = Seal::of(&job.envelope, of);
    let entries = journal::read_opened(host, state, of, &seal)?.unwrap_or_default();
    let over = (!same_run).then(|| undo::last_entry(host, state, of));
    let undoer = Undoer { host, saved: state.saved(of), over, diff: job.work.diff, pretends: false };
    let redactor = journal.secrets().redactor().clone();
    let mut work = UndoWork::new(job, link, undoer, redactor, of, &entries);
    work.notes = found;
    let groups = undo::groups(&entries, open_changes(&entries, 0));
    match same_run {
        true => work.all(&groups, &mut OwnLog(journal))?,
        false => {
            if let Some(end) = work.guarded(&access::order(&entries, groups), &entries, journal)? {
                return Ok(end);
            }
        }
    }
    let end = work.end();
    if end.outcome == HostOutcome::Undone {
        journal::append(host, state, of, &[Entry::End { outcome: HostOutcome::Undone }])?;
    }
    Ok(end)
}

/// Shows what an undo would do.
fn check(
    job: &Job,
    host: &dyn System,
    state: &StateDir,
    link: &dyn Link,
    of: &RunId,
    entries: &[Entry],
    journal: &Journal<'_>,
) -> Result<HostEnd> {
    let pretend = Pretend::over(host);
    pretend.furnish(state.path());
    let (saved, over) = (state.saved(of), Some(undo::last_entry(host, state, of)));
    let undoer = Undoer { host: &pretend, saved, over, diff: job.work.diff, pretends: true };
    let redactor = journal.secrets().redactor().clone();
    let mut work = UndoWork::new(job, link, undoer, redactor, of, entries);
    let groups = undo::groups(entries, open_changes(entries, 0));
    let Order { access, rest, last } = access::order(entries, groups);
    work.all(access.iter().chain(&rest).chain(&last), &mut NoLog)?;
    Ok(work.end())
}

/// Why there is nothing to undo, when there is not.
fn nothing_to_do(link: &dyn Link, of: &RunId, entries: &[Entry]) -> Option<HostEnd> {
    if !open_changes(entries, 0).is_empty() {
        return None;
    }
    let undone = entries.iter().any(|entry| matches!(entry, Entry::Undone { .. }));
    let why = if undone { "is undone already" } else { "changed nothing here" };
    let name = format!("undo run {of}");
    let ended = StepEnded::new(0, name, StepOutcome::Ok);
    link.send(Event::StepEnded(StepEnded { notes: vec![format!("run {of} {why}")], ..ended }));
    Some(HostEnd::of(HostOutcome::Ok))
}

/// An undo at work.
pub struct UndoWork<'a> {
    job: &'a Job,
    link: &'a dyn Link,
    undoer: Undoer<'a>,
    /// Takes the secrets of the undone run out of what is said: its controller may not know them any more.
    redactor: Redactor,
    of: &'a RunId,
    numbers: Numbers,
    undone: usize,
    left: Vec<Left>,
    stopped: bool,
    /// What the next step of it says beside its changes.
    notes: Vec<String>,
    /// Commands that run once more when all files are restored.
    repeated: Vec<OpenChange>,
}

/// The numbers of an undo's steps: newest first, after those of the run itself where it undoes its own changes, so that no
/// record takes the one for the other.
struct Numbers {
    first: u32,
    /// The number of the run's last step.
    last: u32,
}

impl Numbers {
    fn of(job: &Job, of: &RunId, entries: &[Entry]) -> Self {
        let made = entries.iter().filter_map(|entry| match entry {
            Entry::Intent { step, .. } => Some(*step),
            Entry::Step(ended) => Some(ended.step),
            _ => None,
        });
        let last = made.max().unwrap_or(0);
        let in_job = job.work.all_steps().map(|step| step.index).max().unwrap_or(0);
        let first = if *of == job.envelope.run { last.max(in_job) + 1 } else { 0 };
        Numbers { first, last }
    }

    /// Of the undo of this step.
    fn undo(&self, step: u32) -> u32 {
        self.first + 2 * (self.last.saturating_sub(step))
    }

    /// Of what follows that.
    fn repeat(&self, step: u32) -> u32 {
        self.undo(step) + 1
    }

    /// Of what follows all others.
    fn repeat_all(&self) -> u32 {
        self.first + 2 * (self.last + 1)
    }
}

/// What watches over an undo until a new login confirms it.
struct Watched {
    watch: Watch,
    ports: Vec<u16>,
    until: Instant,
}

impl<'a> UndoWork<'a> {
    /// One that has done nothing yet. `redactor` knows the secrets of the run, `entries` are what its journal says.
    pub fn new(
        job: &'a Job,
        link: &'a dyn Link,
        undoer: Undoer<'a>,
        redactor: Redactor,
        of: &'a RunId,
        entries: &[Entry],
    ) -> Self {
        UndoWork {
            job,
            link,
            undoer,
            redactor,
            of,
            numbers: Numbers::of(job, of, entries),
            undone: 0,
            left: Vec::new(),
            stopped: false,
            notes: Vec::new(),
            repeated: Vec::new(),
        }
    }

    /// Undoes groups one after the other, then has daemons read their restored files.
    pub fn all<'g>(
        &mut self,
        groups: impl IntoIterator<Item = &'g Group>,
        log: &mut dyn UndoLog,
    ) -> Result<()> {
        for group in groups {
            if self.link.stopping() {
                self.stopped = true;
                return Ok(());
            }
            let later = self.group(group, log)?;
            self.repeated.extend(later);
        }
        self.repeat_all(log)
    }

    /// Undoes what can cut windlass off first, armed, and goes on when a new login confirms it. `Some`: no login worked,
    /// and the undo was rolled back.
    fn guarded(
        &mut self,
        order: &Order,
        entries: &[Entry],
        journal: &mut Journal<'_>,
    ) -> Result<Option<HostEnd>> {
        let watched = self.arm(order, entries, journal)?;
        let unconfirmed = watched.is_some().then(Vec::new);
        let mut log = RunLog { journal, of: self.of, unconfirmed };
        for group in &order.access {
            let later = self.group(group, &mut log)?;
            self.repeat(self.numbers.repeat(group.step), &group.name, &later, &mut log)?;
        }
        if let Some(watched) = watched {
            if let Err(why) = self.link.confirm(&watched.ports, watched.until) {
                return self.roll_back(&watched.watch, log.journal, &why).map(Some);
            }
            log.confirm()?;
            disarm(log.journal, &watched.watch, true)?;
        }
        self.all(order.rest.iter().chain(&order.last), &mut log)?;
        if !order.access.is_empty() || !order.last.is_empty() {
            guard::try_login_after_undo(self.link, entries)?;
        }
        Ok(None)
    }

    /// Arms the host before the first change that can cut windlass off. Where nothing could roll it back without windlass,
    /// as on a host that is worked through its sh, that is said.
    fn arm(
        &mut self,
        order: &Order,
        entries: &[Entry],
        journal: &mut Journal<'_>,
    ) -> Result<Option<Watched>> {
        let Some(first) = order.access.first() else { return Ok(None) };
        let program = match self.link.guard() {
            Ok(program) => program,
            Err(failure) => {
                self.notes.push(format!("the undo is not armed: {}", failure.why));
                return Ok(None);
            }
        };
        let guard = Guard { within: WITHIN, ports: access::ports_before(entries), ports_before: Vec::new() };
        let watch = Watch { run: self.job.envelope.run.clone(), change: journal.changes() };
        guard::arm(
            self.undoer.host,
            journal,
            &watch,
            self.numbers.undo(first.step),
            "undo",
            &program,
            &guard,
        )?;
        let until = Instant::now() + guard.patience();
        Ok(Some(Watched { watch, ports: guard.ports, until }))
    }

    /// No new login works: what the undo did is undone in turn, as the guard would.
    fn roll_back(&self, watch: &Watch, journal: &mut Journal<'_>, why: &str) -> Result<HostEnd> {
        let rolled_back = undo::undo_current(journal, watch.change)?;
        let doing = format!("undo run {}", self.of);
        let failure = match rolled_back.failure(&doing) {
            None => {
                disarm(journal, watch, false)?;
                Failure::new(doing, format!("no new login works afterwards, so the undo was rolled back: {why}"))
                    .hint("the host is as the run left it; check which users, keys and ports it allows without the run")
            }
            Some(left) => Failure::new(
                doing,
                format!(
                    "no new login works afterwards ({why}), and not all of the undo could be rolled back: {}",
                    left.why
                ),
            ),
        };
        Ok(HostEnd::because(HostOutcome::Failed, failure))
    }

    /// Undoes what one step changed and reports it as a step. Returns what is to be repeated later.
    fn group(&mut self, group: &Group, log: &mut dyn UndoLog) -> Result<Vec<OpenChange>> {
        let began = Instant::now();
        let (step, name) = (self.numbers.undo(group.step), format!("undo {}", group.name));
        self.send(Event::StepStarted { step, item: None, name: name.clone() });
        let mut undone = Undone::default();
        let open: Vec<_> = group.open.iter().map(|one| OpenChange { step, ..one.clone() }).collect();
        self.undoer.undo(&open, log, &mut undone)?;
        self.report(step, name, undone, began, log)?;
        Ok(group.open.iter().filter(|one| one.reversal.is_repeated()).cloned().collect())
    }

    fn repeat(&mut self, step: u32, what: &str, later: &[OpenChange], log: &mut dyn UndoLog) -> Result<()> {
        if later.is_empty() {
            return Ok(());
        }
        let (began, name) = (Instant::now(), format!("undo {what}: read restored files"));
        self.send(Event::StepStarted { step, item: None, name: name.clone() });
        let mut undone = Undone::default();
        let later: Vec<_> = later.iter().map(|one| OpenChange { step, ..one.clone() }).collect();
        self.undoer.repeat(&later, log, &mut undone)?;
        self.report(step, name, undone, began, log)
    }

    /// Daemons read their files again only when some were restored.
    fn repeat_all(&mut self, log: &mut dyn UndoLog) -> Result<()> {
        let later = std::mem::take(&mut self.repeated);
        if self.undone == 0 && !self.left.iter().any(|left| left.in_part) {
            let changes: Vec<u32> = later.iter().map(|one| one.change).collect();
            return log.undone(&changes);
        }
        self.repeat(self.numbers.repeat_all(), "all", &later, log)
    }

    fn report(
        &mut self,
        step: u32,
        name: String,
        undone: Undone,
        began: Instant,
        log: &mut dyn UndoLog,
    ) -> Result<()> {
        let failure = undone.failure(&name);
        let outcome = match (&failure, undone.lines.is_empty(), self.undoer.pretends) {
            (Some(_), ..) => StepOutcome::Failed,
            (None, true, _) => StepOutcome::Ok,
            (None, false, true) => StepOutcome::WouldChange,
            (None, false, false) => StepOutcome::Changed,
        };
        self.undone += undone.changes.len();
        self.left.extend(undone.left);
        let ended = StepEnded {
            changes: undone.done.told(),
            diff: undone.diffs.told(),
            notes: std::mem::take(&mut self.notes),
            failure,
            took: began.elapsed(),
            ..StepEnded::new(step, name, outcome)
        };
        log.step_ended(&ended)?;
        self.send(Event::StepEnded(ended));
        Ok(())
    }

    fn send(&self, event: Event) {
        self.link.send(self.redactor.said(event));
    }

    /// How it ends.
    pub fn end(&self) -> HostEnd {
        if self.stopped {
            return HostEnd::of(HostOutcome::Cancelled);
        }
        match failure_of(&self.left, self.undone, &format!("undo run {}", self.of)) {
            None => HostEnd::of(HostOutcome::Undone),
            Some(failure) => HostEnd::because(HostOutcome::PartlyUndone, failure),
        }
    }
}

fn disarm(journal: &mut Journal<'_>, watch: &Watch, confirmed: bool) -> Result<()> {
    journal.note(Entry::Disarmed { change: watch.change, confirmed })?;
    guard::forget(journal.host(), journal.state(), watch)
}
