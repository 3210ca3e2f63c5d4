//! The SQL with which a PostgreSQL database is restored: made, dropped, renamed.

use super::Part;
use super::databases::{Quoted, about};
use crate::sql::Dialect;

/// The database of a server in which others are made and renamed.
pub const MAINTENANCE: &str = "postgres";

const QUOTED: Quoted = Quoted { dialect: Dialect::Postgres };

/// Whether there is such a database.
pub fn is_there(name: &str) -> String {
    format!("SELECT 1 FROM pg_database WHERE datname = {};", QUOTED.text(name))
}

pub fn drop(name: &str) -> String {
    let name_of = QUOTED.name(name);
    format!("SET client_min_messages = warning;\n{}\nDROP DATABASE IF EXISTS {name_of};", terminate(name))
}

/// As the one was that was dumped: owner, encoding and locale are not in the dump.
pub fn make(part: &Part, name: &str, owners: bool) -> String {
    let mut sql = format!("CREATE DATABASE {} TEMPLATE template0", QUOTED.name(name));
    for (key, word) in [("encoding", "ENCODING"), ("collate", "LC_COLLATE"), ("ctype", "LC_CTYPE")] {
        if let Some(value) = about(part, key) {
            sql.push_str(&format!(" {word} {}", QUOTED.text(value)));
        }
    }
    if let Some(owner) = about(part, "owner").filter(|_| owners) {
        sql.push_str(&format!(" OWNER {}", QUOTED.name(owner)));
    }
    sql + ";"
}

/// `from` gets the name, and the one that has it is called `kept`: both or none. Nobody gets in between, so that neither
/// is refused.
pub fn switch(name: &str, from: &str, kept: Option<&str>) -> String {
    let rename = |from: &str, to: &str| {
        format!("ALTER DATABASE {} RENAME TO {};\n", QUOTED.name(from), QUOTED.name(to))
    };
    let Some(kept) = kept else { return rename(from, name) };
    let closed = format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false;\n", QUOTED.name(name));
    let renames = format!("BEGIN;\n{}{}COMMIT;\n", rename(name, kept), rename(from, name));
    [closed, terminate(name), "\n".to_string(), renames, allow(kept)].concat()
}

/// Lets everybody in again.
pub fn allow(name: &str) -> String {
    format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true;\n", QUOTED.name(name))
}

fn terminate(name: &str) -> String {
    let name = QUOTED.text(name);
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {name} AND pid <> pg_backend_pid();"
    )
}
