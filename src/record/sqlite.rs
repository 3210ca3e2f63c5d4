//! The store of one controller: an SQLite database in the project's folder `.windlass`.

use super::folder::{self, Alive};
use super::open::{connect, damaged, explained};
use super::store::{RunLine, RunList, RunState, RunStore};
use super::{Clean, RunRecord, change, rows, schema, whole};
use crate::engine::start::RUNS_KEPT;
use crate::model::event::StepEnded;
use crate::model::job::RunId;
use crate::model::outcome::HostOutcome;
use crate::model::run::{RunEvent, RunEventKind, RunIntent, now};
use crate::model::{Doing, Failure, Result};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

mod prune;

/// An epoch is the time of its run, or one more than the last; one that is so far ahead is none, in milliseconds.
const BELIEVED: i64 = 10 * 365 * 24 * 3600 * 1000;

/// Runs in `.windlass/state.db`.
pub struct Sqlite {
    folder: PathBuf,
    database: Connection,
    /// Which file it is, so that a run sees when it is removed or replaced.
    file: Option<(u64, u64)>,
    /// Holds the copy that is read of a project that cannot be written to.
    copy: Option<TempDir>,
    /// The runs that this controller is at work on, and how many steps of each host have been kept.
    running: HashMap<RunId, Running>,
}

struct Running {
    _alive: Alive,
    steps_of_host: HashMap<String, usize>,
}

/// An open store, and what the reader must know of how it was found.
pub struct Opened {
    /// The store.
    pub store: Sqlite,
    /// For example that a damaged database has been set aside. Whole sentences, one each.
    pub notices: Vec<String>,
}

impl Sqlite {
    /// Opens the store in `folder` (a project's `.windlass`), making what is missing. A damaged database is renamed
    /// to `state.db.corrupt-TIME`, which `notices` has; a new one then takes its place.
    pub fn open(folder: &Path) -> Result<Opened> {
        folder::make(folder)?;
        let _alone = Alive::hold(folder, "opening")?;
        let path = folder.join("state.db");
        let mut notices = Vec::new();
        if path.metadata().is_ok_and(|file| file.len() == 0) {
            notices.push(format!("{} was empty: the record of earlier runs is lost", path.display()));
        }
        folder::make_file(&path)?;
        let database = match connect(&path) {
            Err(error) if damaged(&error) => {
                let aside = folder::set_aside(&path, now())?;
                notices.push(aside_notice(&path, &aside, &error));
                folder::make_file(&path)?;
                connect(&path)
            }
            opened => opened,
        };
        let mut database = explained(database, &format!("open {}", path.display()))?;
        schema::migrate(&mut database)?;
        let store = Sqlite {
            folder: folder.to_path_buf(),
            database,
            file: folder::identity(&path),
            copy: None,
            running: HashMap::new(),
        };
        Ok(Opened { store, notices })
    }

    /// Opens the store to read it; `None` when nothing has ever been run there. A project that cannot be written to is read
    /// too.
    pub fn open_existing(folder: &Path) -> Result<Option<Opened>> {
        match folder.join("state.db").exists() {
            false => Ok(None),
            true if folder::is_writable(folder) => Sqlite::open(folder).map(Some),
            true => Sqlite::open_copy(folder).map(Some),
        }
    }

    /// SQLite writes beside a database that it only reads, so a copy is read.
    pub(super) fn open_copy(folder: &Path) -> Result<Opened> {
        let doing = format!("read {}", folder.join("state.db").display());
        let copy = tempfile::tempdir().doing(&doing)?;
        folder::copy(folder, copy.path()).doing(&doing)?;
        let mut database = explained(connect(&copy.path().join("state.db")), &doing)?;
        schema::migrate(&mut database)?;
        let (folder, running) = (folder.to_path_buf(), HashMap::new());
        let store = Sqlite { folder, database, file: None, copy: Some(copy), running };
        Ok(Opened { store, notices: Vec::new() })
    }

    /// The ended runs whose record is not as it was written, and how many runs there are.
    pub fn damaged_runs(&self) -> Result<(Vec<String>, usize)> {
        let doing = "check the record of runs";
        let verdict: rusqlite::Result<String> =
            self.database.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
        match explained(verdict, doing)? {
            fine if fine == "ok" => {}
            bad => {
                let hint = "save what is of use with `windlass runs export`, then remove .windlass/state.db";
                return Err(Failure::new(doing, bad).hint(hint));
            }
        }
        let runs = self.database.prepare("SELECT run FROM runs ORDER BY epoch").and_then(|mut select| {
            select.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
        });
        let runs = explained(runs, doing)?;
        let is_damaged =
            |run: &&String| !RunId::try_from((*run).clone()).is_ok_and(|run| !self.is_damaged(&run));
        Ok((runs.iter().filter(is_damaged).cloned().collect(), runs.len()))
    }

    /// Whether the record of a run is not as it was written.
    pub fn is_damaged(&self, run: &RunId) -> bool {
        whole::is_whole(&self.database, run).unwrap_or(Some(false)) == Some(false)
    }

    /// Fails when the file is gone that is written to: what is written would be lost with this process.
    fn expect_file(&self, doing: &str) -> Result<()> {
        let path = self.folder.join("state.db");
        if self.copy.is_some() || self.file.is_none() || folder::identity(&path) == self.file {
            return Ok(());
        }
        let why = format!("{} was removed or replaced while the run went on", path.display());
        Err(Failure::new(doing, why).hint(
            "what the run did is in the journals on its hosts; the next run that reaches them resolves it",
        ))
    }

    /// The newest run of a schedule for one of its times, and how far it is.
    pub fn scheduled(&self, schedule: &str, slot: Timestamp) -> Result<Option<(RunId, RunState)>> {
        let select =
            "SELECT run, exit FROM runs WHERE schedule = ?1 AND slot = ?2 ORDER BY epoch DESC LIMIT 1";
        let read = |row: &rusqlite::Row| Ok((rows::word::<RunId>(row, 0)?, row.get::<_, Option<u8>>(1)?));
        let found = self.database.query_row(select, params![schedule, slot.to_string()], read).optional();
        let found = explained(found, &format!("look for a run of schedule {schedule}"))?;
        Ok(found.map(|(run, exit)| (run.clone(), self.state(&run, exit))))
    }

    /// Lets the database have no more pages than it has and `more`: a full disk, for tests.
    #[cfg(test)]
    pub fn limit_pages(&mut self, more: i64) {
        let pages: i64 = self.database.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        self.database.pragma_update_and_check(None, "max_page_count", pages + more, |_| Ok(())).unwrap();
    }

    fn begin_in(change: Transaction, intent: &RunIntent) -> rusqlite::Result<u64> {
        // An epoch of the far future is damage, and would never be left behind again.
        let believed = intent.started.as_millisecond() + BELIEVED;
        let select = "SELECT coalesce(max(epoch), 0) FROM runs WHERE epoch <= ?1";
        let last: i64 = change.query_row(select, [believed], |row| row.get(0))?;
        // Not below the clock, so that it goes on growing when the database is lost: hosts remember the epoch. In
        // milliseconds, so that two projects of one person, each with a run in this second, do not refuse each other.
        let epoch = (last + 1).max(intent.started.as_millisecond()) as u64;
        rows::insert_run(&change, intent, epoch)?;
        change.commit()?;
        Ok(epoch)
    }

    fn change(&mut self) -> rusqlite::Result<Transaction<'_>> {
        self.database.transaction_with_behavior(TransactionBehavior::Immediate)
    }

    fn events_in(&mut self, run: &RunId, events: &[Clean<RunEvent>]) -> rusqlite::Result<()> {
        let Sqlite { database, running, .. } = self;
        let change = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut unused, mut ended) = (HashMap::new(), false);
        let kept = running.get_mut(run).map_or(&mut unused, |running| &mut running.steps_of_host);
        for event in events {
            match &event.what {
                RunEventKind::Host { host, event: of_host } => {
                    change::host_event(&change, run, host, event.at, of_host, kept)?
                }
                RunEventKind::Interrupted => {
                    change.execute("UPDATE runs SET interrupted = 1 WHERE run = ?1", [run.as_str()])?;
                }
                RunEventKind::Ended { exit } => {
                    change.execute(
                        "UPDATE runs SET ended = ?2, exit = ?3 WHERE run = ?1",
                        params![run.as_str(), event.at.to_string(), exit],
                    )?;
                    ended = true;
                }
                RunEventKind::Started { .. } | RunEventKind::Note(_) => {}
            }
        }
        if ended {
            whole::seal(&change, run)?;
        }
        change.commit()
    }

    fn load_in(&self, run: &RunId) -> rusqlite::Result<Option<RunRecord>> {
        let select = format!("SELECT {} FROM runs WHERE run = ?1", rows::RUN);
        let found = self.database.query_row(&select, [run.as_str()], rows::run).optional()?;
        let Some(mut record) = found else { return Ok(None) };
        let select = format!("SELECT {} FROM hosts WHERE run = ?1 ORDER BY place", rows::HOST);
        let mut hosts = self.database.prepare(&select)?;
        let mut hosts =
            hosts.query_map([run.as_str()], rows::host_or_why)?.collect::<rusqlite::Result<Vec<_>>>()?;
        let select = format!("SELECT {} FROM steps WHERE run = ?1 AND host = ?2 ORDER BY place", rows::STEP);
        let mut steps = self.database.prepare(&select)?;
        let died = self.state(run, record.exit) == RunState::Died;
        for host in &mut hosts {
            host.steps = steps
                .query_map(params![run.as_str(), host.host], rows::step_or_why)?
                .collect::<Result<_, _>>()?;
            if died {
                host.outcome.get_or_insert(rows::outcome_of_dead(record.intent.check));
            }
        }
        record.set_hosts(hosts);
        Ok(Some(record))
    }

    fn list_in(&self, limit: usize) -> rusqlite::Result<RunList> {
        let select = format!("SELECT {} FROM runs ORDER BY epoch DESC LIMIT ?1", rows::RUN);
        let mut select = self.database.prepare(&select)?;
        let mut found = select.query([limit as i64])?;
        let mut list = RunList::default();
        // One run that cannot be read hides none of the others.
        while let Some(row) = found.next()? {
            match rows::run(row) {
                Ok(record) => list.lines.push(self.line(record)?),
                Err(_) => list.unreadable.push(row.get(0).unwrap_or_else(|_| "a run without a name".into())),
            }
        }
        Ok(list)
    }

    fn line(&self, record: RunRecord) -> rusqlite::Result<RunLine> {
        let intent = record.intent;
        let state = self.state(&intent.run, record.exit);
        let outcomes = self.outcomes(&intent.run, state == RunState::Died, intent.check)?;
        let undone = self.undone(&intent.run)?;
        Ok(RunLine {
            run: intent.run,
            kind: intent.kind,
            name: intent.name,
            who: intent.who,
            pattern: intent.pattern,
            check: intent.check,
            started: intent.started,
            scheduled: intent.scheduled,
            state,
            outcomes,
            undone,
        })
    }

    /// On how many hosts a later run has taken this one back.
    fn undone(&self, run: &RunId) -> rusqlite::Result<usize> {
        let mut select = self.database.prepare_cached(
            "SELECT count(DISTINCT host) FROM hosts JOIN runs USING (run) \
             WHERE of_run = ?1 AND kind = 'undo' AND outcome = 'undone'",
        )?;
        select.query_row([run.as_str()], |row| row.get::<_, i64>(0)).map(|many| many as usize)
    }

    fn outcomes(&self, run: &RunId, died: bool, check: bool) -> rusqlite::Result<Vec<(HostOutcome, usize)>> {
        let missing = if died { Some(rows::outcome_of_dead(check).as_str()) } else { None };
        let mut select = self.database.prepare_cached(
            "SELECT coalesce(outcome, ?2) AS how, count(*) AS many FROM hosts \
             WHERE run = ?1 AND how IS NOT NULL GROUP BY how ORDER BY many DESC, how",
        )?;
        let counted = select.query_map(params![run.as_str(), missing], |row| {
            let many: i64 = row.get(1)?;
            Ok((rows::word(row, 0).unwrap_or(HostOutcome::Unknown), many as usize))
        })?;
        counted.collect()
    }

    fn find_in(&self, text: &str) -> rusqlite::Result<Vec<RunId>> {
        let mut select = self.database.prepare(
            "SELECT run FROM runs WHERE (?1 = 'last' AND NOT checked AND kind NOT IN ('undo', 'unlock')) \
             OR (?1 = 'last-check' AND checked AND kind NOT IN ('undo', 'unlock')) \
             OR (?1 = 'last-undo' AND NOT checked AND kind = 'undo') \
             OR substr(run, 1, length(?1)) = ?1 OR substr(run, -length(?1)) = ?1 ORDER BY epoch DESC LIMIT 4",
        )?;
        let found = select.query_map([text], |row| rows::word(row, 0))?;
        found.collect()
    }

    fn state(&self, run: &RunId, exit: Option<u8>) -> RunState {
        match exit {
            Some(exit) => RunState::Ended(exit),
            None if folder::is_alive(&self.folder, run.as_str()) => RunState::Running,
            None => RunState::Died,
        }
    }

    /// Whether the result of a run on a host did not arrive, even if a later run has settled it.
    pub fn was_lost(&self, run: &RunId, host: &str) -> Result<bool> {
        let lost = || {
            let mut select = self.database.prepare_cached(
                "SELECT 1 FROM hosts JOIN runs USING (run) WHERE run = ?1 AND host = ?2 AND journaled AND NOT checked \
                 AND (outcome IS NULL OR outcome = 'unknown' OR settled_by IS NOT NULL)",
            )?;
            select.exists([run.as_str(), host])
        };
        explained(lost(), &format!("look whether the result of run {run} on {host} was lost"))
    }

    fn unsettled_in(&self, host: &str) -> rusqlite::Result<Vec<RunId>> {
        let mut select = self.database.prepare_cached(
            "SELECT run FROM hosts JOIN runs USING (run) \
             WHERE host = ?1 AND (outcome IS NULL OR outcome = 'unknown') AND journaled AND NOT checked \
             ORDER BY epoch DESC LIMIT ?2",
        )?;
        // A run whose name is damaged can be settled by none, and must not fail each later run.
        // Of older ones the host has no journal: nothing more can become known.
        let found = select.query_map(params![host, RUNS_KEPT as i64], |row| Ok(rows::word(row, 0).ok()))?;
        // What was unknown while it went on may be known now, so it is asked for again.
        let mut runs: Vec<RunId> =
            found.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>()?;
        runs.reverse();
        Ok(runs)
    }
}

impl RunStore for Sqlite {
    fn begin(&mut self, intent: &Clean<RunIntent>) -> Result<u64> {
        let doing = format!("record run {} in {}", intent.run, self.folder.join("state.db").display());
        self.expect_file(&doing)?;
        let alive = Alive::hold(&self.folder, intent.run.as_str())?;
        let started = self.change().and_then(|change| Sqlite::begin_in(change, intent));
        let epoch = explained(started, &doing)?;
        let running = Running { _alive: alive, steps_of_host: HashMap::new() };
        self.running.insert(intent.run.clone(), running);
        Ok(epoch)
    }

    fn events(&mut self, run: &RunId, events: &[Clean<RunEvent>]) -> Result<()> {
        let doing = format!("record what happened in run {run}");
        explained(self.events_in(run, events), &doing)?;
        self.expect_file(&doing)?;
        if events.iter().any(|event| matches!(event.what, RunEventKind::Ended { .. })) {
            self.running.remove(run);
        }
        Ok(())
    }

    fn unsettled(&self, host: &str) -> Result<Vec<RunId>> {
        let runs = explained(self.unsettled_in(host), &format!("look for unsettled runs of {host}"))?;
        let gone = |run: &RunId| !folder::is_alive(&self.folder, run.as_str());
        Ok(runs.into_iter().filter(gone).collect())
    }

    fn settle(
        &mut self,
        run: &RunId,
        host: &str,
        by: &RunId,
        outcome: Option<HostOutcome>,
        steps: &[StepEnded],
    ) -> Result<()> {
        let doing = format!("settle run {run} on {host}");
        let change = explained(self.change(), &doing)?;
        explained(
            change::settled(&change, run, host, by, outcome, steps).and_then(|()| change.commit()),
            &doing,
        )
    }

    fn list(&self, limit: usize) -> Result<RunList> {
        explained(self.list_in(limit), "list the runs")
    }

    fn find(&self, text: &str) -> Result<RunId> {
        let doing = format!("find run {text}");
        let found = explained(self.find_in(text), &doing)?;
        match found.as_slice() {
            [] => {
                Err(Failure::new(doing, none_such(text)).hint("name the run: windlass runs list shows them"))
            }
            [only] => Ok(only.clone()),
            [newest, ..] if text.starts_with("last") => Ok(newest.clone()),
            [first, second, ..] => {
                let why = format!("several begin or end like that: {first}, {second} …");
                Err(Failure::new(doing, why).hint("type more of its name"))
            }
        }
    }

    fn load(&self, run: &RunId) -> Result<RunRecord> {
        let doing = format!("read run {run}");
        explained(self.load_in(run), &doing)?
            .ok_or_else(|| Failure::new(doing, "there is no such run").hint("windlass runs list shows them"))
    }
}

fn none_such(text: &str) -> &'static str {
    match text {
        "last" => {
            "there are only dry runs and undos (last-check is the newest dry run, last-undo the newest undo)"
        }
        "last-check" => "there is no dry run",
        "last-undo" => "there is no undo",
        _ => "there is no such run",
    }
}

fn aside_notice(path: &Path, aside: &Path, error: &rusqlite::Error) -> String {
    format!(
        "{} is damaged ({error}) and was set aside as {}: runs recorded in it are not shown, cannot be undone, and \
         what they left unknown is not settled",
        path.display(),
        aside.display()
    )
}
