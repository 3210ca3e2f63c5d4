//! Which runs a rule keeps, and the removal of the others.

use super::{Sqlite, explained, rows};
use crate::model::job::RunId;
use crate::model::keep::{Counters, Keep, Retention};
use crate::model::run::RunKind;
use crate::model::{Failure, Result};
use crate::record::{RunLine, RunState, RunStore};
use std::collections::{HashMap, HashSet};

/// What a list of runs does not say of one.
struct Ties {
    /// The run that it retries or undoes.
    of: Option<RunId>,
    /// Some host has not said yet how it ended there.
    is_open: bool,
}

impl Sqlite {
    /// The verdict on each run that can be read, newest first. Beside what the rule keeps stays what something still needs.
    pub fn judge(&self, keep: &Keep) -> Result<Vec<Retention<RunLine>>> {
        let mut counters = Counters::of(keep)?;
        let ties = explained(self.ties(), "look which runs are needed")?;
        let lines = self.list(usize::MAX)?.lines;
        let oldest = lines.len().saturating_sub(1);
        let mut schedules = HashSet::new();
        let judged = lines.into_iter().enumerate().map(|(at, line)| {
            let mut kept = counters.keep(line.started, at == oldest);
            if line.state == RunState::Running {
                kept.push("it goes on".to_string());
            }
            if ties.get(&line.run).is_none_or(|ties| ties.is_open) {
                kept.push("a host has not said yet how it ended".to_string());
            }
            // The schedule asks by it which of its times have had their run.
            if let Some(scheduled) = &line.scheduled
                && schedules.insert(scheduled.name.clone())
            {
                kept.push(format!("the newest of schedule {}", scheduled.name));
            }
            Retention { of: line, kept }
        });
        let mut judged: Vec<Retention<RunLine>> = judged.collect();
        let stay: HashSet<RunId> =
            judged.iter().filter(|verdict| verdict.is_kept()).map(|verdict| verdict.of.run.clone()).collect();
        for verdict in judged.iter_mut().filter(|verdict| !verdict.is_kept()) {
            let of = ties.get(&verdict.of.run).and_then(|ties| ties.of.as_ref());
            let undone = of.filter(|of| verdict.of.kind == RunKind::Undo && stay.contains(of));
            verdict.kept.extend(undone.map(|of| format!("it undid {of}, which stays")));
        }
        Ok(judged)
    }

    fn ties(&self) -> rusqlite::Result<HashMap<RunId, Ties>> {
        let mut select = self.database.prepare(
            "SELECT run, of_run, journaled AND NOT checked AND EXISTS (SELECT 1 FROM hosts WHERE hosts.run = runs.run \
             AND (outcome IS NULL OR outcome = 'unknown') AND settled_by IS NULL) FROM runs",
        )?;
        let read = |row: &rusqlite::Row| {
            // One that cannot be read is not judged, and stays.
            let of = row.get::<_, Option<String>>(1)?.and_then(|of| RunId::try_from(of).ok());
            Ok(rows::word::<RunId>(row, 0).ok().zip(Some(Ties { of, is_open: row.get(2)? })))
        };
        let ties = select.query_map([], read)?;
        ties.filter_map(rusqlite::Result::transpose).collect()
    }

    /// Removes runs for good, and gives their room back to the disk. All of them or none.
    pub fn remove(&mut self, runs: &[RunId]) -> Result<()> {
        let doing = "remove runs from the record";
        if self.copy.is_some() {
            return Err(Failure::new(doing, format!("{} cannot be written to", self.folder.display())));
        }
        self.expect_file(doing)?;
        explained(self.remove_in(runs), doing)?;
        // Another windlass that is at work here keeps the file as large as it is; the room is used again.
        let _later = self.database.execute_batch("VACUUM");
        Ok(())
    }

    fn remove_in(&mut self, runs: &[RunId]) -> rusqlite::Result<()> {
        let change = self.change()?;
        for run in runs {
            for table in ["steps", "hosts", "runs"] {
                change.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [run.as_str()])?;
            }
        }
        change.commit()
    }
}
