//! Whether the record of a run is as it was written. A database whose pages were damaged can still be a good database; a
//! digest of a run's rows, made when it ends, finds that too.

use crate::model::hexadecimal;
use crate::model::job::RunId;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest as _, Sha256};

/// All rows of a run, in an order that does not change.
const ROWS: [&str; 3] = [
    "SELECT * FROM runs WHERE run = ?1",
    "SELECT * FROM hosts WHERE run = ?1 ORDER BY host",
    "SELECT * FROM steps WHERE run = ?1 ORDER BY place",
];

/// The column that holds the digest.
const COLUMN: &str = "digest";

/// Writes the digest of a run that is complete now.
pub fn seal(database: &Connection, run: &RunId) -> rusqlite::Result<()> {
    let digest = digest(database, run)?;
    database.execute("UPDATE runs SET digest = ?2 WHERE run = ?1", params![run.as_str(), digest]).map(drop)
}

/// Whether the rows of a run are as they were written; `None` when it has no digest: it goes on, died, or is of an older
/// windlass.
pub fn is_whole(database: &Connection, run: &RunId) -> rusqlite::Result<Option<bool>> {
    let select = "SELECT digest FROM runs WHERE run = ?1";
    let written = database.query_row(select, [run.as_str()], |row| row.get::<_, Option<String>>(0));
    match written.optional()?.flatten() {
        None => Ok(None),
        Some(written) => Ok(Some(digest(database, run)? == written)),
    }
}

/// Columns are named and empty ones left out, so that a column that a later version adds changes nothing.
fn digest(database: &Connection, run: &RunId) -> rusqlite::Result<String> {
    let mut hasher = Sha256::new();
    for select in ROWS {
        let mut select = database.prepare_cached(select)?;
        let names: Vec<String> = select.column_names().map(str::to_string).collect();
        let mut rows = select.query([run.as_str()])?;
        while let Some(row) = rows.next()? {
            hasher.update(b"row\n");
            for (index, name) in names.iter().enumerate().filter(|(_, name)| *name != COLUMN) {
                add(&mut hasher, name, row.get_ref(index)?);
            }
        }
    }
    Ok(hexadecimal::of(&hasher.finalize()))
}

fn add(hasher: &mut Sha256, name: &str, value: ValueRef<'_>) {
    let number;
    let (kind, bytes): (&str, &[u8]) = match value {
        ValueRef::Null => return,
        ValueRef::Integer(integer) => {
            number = integer.to_be_bytes();
            ("integer", &number)
        }
        ValueRef::Real(real) => {
            number = real.to_be_bytes();
            ("real", &number)
        }
        ValueRef::Text(text) => ("text", text),
        ValueRef::Blob(blob) => ("blob", blob),
    };
    hasher.update(format!("{name} {kind} {}\n", bytes.len()));
    hasher.update(bytes);
}
