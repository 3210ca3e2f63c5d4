//! The tables, as a list of migrations. `PRAGMA user_version` says how many have been applied.

use crate::model::{Doing, Failure, Result};
use rusqlite::{Connection, TransactionBehavior};

/// Each takes the database one version further and changes a table. A released one is never changed.
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
    "
    ALTER TABLE runs ADD COLUMN digest TEXT;
",
];

/// No windlass will ever have had so many versions of the tables: a larger number is damage.
const VERSIONS: i64 = 1000;

/// Whether the tables are not those that their version number promises, so that no statement could be relied on. Those of
/// a later windlass are not known.
pub fn is_damaged(database: &Connection) -> rusqlite::Result<bool> {
    let version = database.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    let known = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(..version));
    let made = Connection::open_in_memory()?;
    known.unwrap_or(MIGRATIONS).iter().try_for_each(|migration| made.execute_batch(migration))?;
    let as_made = tables(&made)? == tables(database)?;
    // A later version has other tables than this one, so that these with its number are damage too.
    Ok(if known.is_some() { !as_made } else { as_made || !(0..VERSIONS).contains(&version) })
}

/// Type, name, table and SQL of all that is in a database.
type Made = (String, String, String, Option<String>);

fn tables(database: &Connection) -> rusqlite::Result<Vec<Made>> {
    // What ANALYZE keeps is not ours.
    let select = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%' \
         ORDER BY name";
    let mut select = database.prepare(select)?;
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?.collect()
}

/// Brings the tables to the newest version. A database of a later windlass is refused, not touched.
pub fn migrate(database: &mut Connection) -> Result<()> {
    let doing = "prepare the record of runs";
    let version = version(database)?;
    if version > MIGRATIONS.len() {
        let why = format!("it was written by a later windlass (its version is {version})");
        return Err(Failure::new(doing, why).hint("use that windlass, or another --project directory"));
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
