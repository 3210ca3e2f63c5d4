//! The tables, as a list of migrations. `PRAGMA user_version` says how many have been applied.

use crate::model::{Doing, Failure, Result};
use rusqlite::{Connection, TransactionBehavior};

/// Each takes the database one version further. A released one is never changed.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE runs (
        run TEXT PRIMARY KEY,
        epoch INTEGER NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        of_run TEXT,
        who TEXT NOT NULL,
        pattern TEXT NOT NULL,
        checked INTEGER NOT NULL,
        journaled INTEGER NOT NULL,
        params TEXT NOT NULL,
        playbook TEXT NOT NULL,
        inventory TEXT NOT NULL,
        started TEXT NOT NULL,
        ended TEXT,
        exit INTEGER,
        interrupted INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE hosts (
        run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        host TEXT NOT NULL,
        place INTEGER NOT NULL,
        outcome TEXT,
        failure TEXT,
        attempt INTEGER NOT NULL DEFAULT 0,
        started TEXT,
        ended TEXT,
        settled_by TEXT,
        PRIMARY KEY (run, host)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX hosts_unsettled ON hosts (host) WHERE outcome IS NULL OR outcome = 'unknown';
    CREATE TABLE steps (
        place INTEGER PRIMARY KEY,
        run TEXT NOT NULL,
        host TEXT NOT NULL,
        step INTEGER NOT NULL,
        item INTEGER,
        name TEXT NOT NULL,
        outcome TEXT NOT NULL,
        took_ms INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        changes TEXT NOT NULL,
        diff TEXT,
        notes TEXT NOT NULL,
        failure TEXT,
        ignored INTEGER NOT NULL,
        status INTEGER,
        stdout BLOB,
        stderr BLOB,
        total INTEGER,
        FOREIGN KEY (run, host) REFERENCES hosts ON DELETE CASCADE
    ) STRICT;
    CREATE INDEX steps_of_host ON steps (run, host);
",
    "
    ALTER TABLE steps ADD COLUMN findings TEXT NOT NULL DEFAULT '[]';
",
    "
    ALTER TABLE runs ADD COLUMN schedule TEXT;
    ALTER TABLE runs ADD COLUMN slot TEXT;
    CREATE INDEX runs_of_schedule ON runs (schedule, slot) WHERE schedule IS NOT NULL;
",
    "
    ALTER TABLE steps ADD COLUMN undo TEXT;
",
];

/// Brings the tables to the newest version. A database of a later windlass is refused, not touched.
pub fn migrate(database: &mut Connection) -> Result<()> {
    let doing = "prepare the record of runs";
    let version = version(database)?;
    if version > MIGRATIONS.len() {
        let why = format!("it was written by a later windlass (its version is {version})");
        return Err(Failure::new(doing, why).hint("use that windlass, or another --project folder"));
    }
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    let change = database.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing)?;
    // Another controller may have been faster while this one waited for the lock.
    for migration in MIGRATIONS.iter().skip(self::version(&change)?) {
        change.execute_batch(migration).doing(doing)?;
    }
    change.pragma_update(None, "user_version", MIGRATIONS.len() as i64).doing(doing)?;
    change.commit().doing(doing)
}

fn version(database: &Connection) -> Result<usize> {
    let version = database.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0));
    version.map(|version| version as usize).doing("read the version of the record of runs")
}
