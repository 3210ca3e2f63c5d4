//! Opens an SQLite database so that what it acknowledges survives a power cut, and sees damage before it is relied on.

use super::schema;
use crate::model::{Failure, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use std::path::Path;
use std::time::Duration;

/// How long a transaction waits for those of other controllers of the same project.
const BUSY: Duration = Duration::from_secs(10);

/// A database up to this size, in bytes, is checked whole when it is opened (about 10 ms); of a larger one only the
/// tables of runs and hosts, which say what may have been started.
const CHECKED_WHOLE: u64 = 8 * 1024 * 1024;

/// Opens an existing file.
pub fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let database = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    database.busy_timeout(BUSY)?;
    database.pragma_update(None, "foreign_keys", true)?;
    database.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    database.pragma_update(None, "synchronous", "full")?;
    examine(&database, path)?;
    Ok(database)
}

/// Fails as a damaged database does when this one is.
fn examine(database: &Connection, path: &Path) -> rusqlite::Result<()> {
    let size = path.metadata().map_or(0, |file| file.len());
    let checks: &[&str] = match size {
        0..=CHECKED_WHOLE => &["PRAGMA quick_check(1)"],
        _ => &["PRAGMA quick_check(runs)", "PRAGMA quick_check(hosts)"],
    };
    for check in checks {
        let verdict: String = database.query_row(check, [], |row| row.get(0))?;
        if verdict != "ok" {
            let corrupt = ffi::Error::new(ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(corrupt, Some(verdict)));
        }
    }
    match schema::is_damaged(database)? {
        false => Ok(()),
        true => {
            let why = "its tables are not those that it says it has".to_string();
            Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(why)))
        }
    }
}

/// Whether the database can no longer be relied on.
pub fn damaged(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// The result as people read it.
pub fn explained<T>(result: rusqlite::Result<T>, doing: &str) -> Result<T> {
    result.map_err(|error| {
        if let rusqlite::Error::FromSqlConversionFailure(..) = error {
            return Failure::new(doing, format!("a row of the record is damaged: {error}")).hint(
                "windlass runs check shows which runs are damaged; windlass runs show RUN shows the others",
            );
        }
        let failure = Failure::new(doing, &error);
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => failure.hint("free space on the disk that holds the project"),
            Some(ErrorCode::DatabaseBusy) => failure.hint("another windlass is writing; repeat the command"),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                failure.hint("make the project's directory .windlass writable for you")
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                failure.hint("the next run sets the damaged file aside and starts a new one")
            }
            _ => failure,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_cannot_be_read_is_said_to_be_damaged() {
        let error = rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, "what?".into());
        let failure = explained::<()>(Err(error), "list the runs").unwrap_err().to_string();
        assert!(failure.starts_with("list the runs: a row of the record is damaged: "), "{failure}");
        assert!(failure.contains("windlass runs check shows which runs are damaged"), "{failure}");
    }
}
