//! The SQL with which a MySQL or MariaDB database is restored: it knows no renaming of databases, only of tables.

use super::databases::Quoted;
use super::{Part, databases};
use crate::sql::Dialect;

/// The names that a database goes through.
pub struct Names<'a> {
    /// Its own.
    pub name: &'a str,
    /// Under which it is loaded.
    pub loading: &'a str,
    /// Where the tables go that are there.
    pub kept: &'a str,
}

const QUOTED: Quoted = Quoted { dialect: Dialect::MySql };

pub fn drop(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {};", QUOTED.name(name))
}

pub fn make(name: &str, part: &Part) -> String {
    format!("CREATE DATABASE {} {};", QUOTED.name(name), charset(part))
}

/// The tables of a database.
pub fn tables(name: &str) -> String {
    format!("SELECT table_name FROM information_schema.tables WHERE table_schema = {};", QUOTED.text(name))
}

/// Whether there is such a database.
pub fn is_there(name: &str) -> String {
    format!("SELECT 1 FROM information_schema.schemata WHERE schema_name = {};", QUOTED.text(name))
}

impl Names<'_> {
    /// What cannot change places, in either database.
    pub fn fixed(&self) -> String {
        let both = format!("({}, {})", QUOTED.text(self.name), QUOTED.text(self.loading));
        format!(
            "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables \
             WHERE table_schema IN {both} AND table_type <> 'BASE TABLE' \
             UNION SELECT CONCAT(trigger_schema, '.', trigger_name) FROM information_schema.triggers WHERE trigger_schema IN {both} \
             UNION SELECT CONCAT(routine_schema, '.', routine_name) FROM information_schema.routines WHERE routine_schema IN {both} \
             UNION SELECT CONCAT(event_schema, '.', event_name) FROM information_schema.events WHERE event_schema IN {both};"
        )
    }

    /// The tables that are there go aside, and the loaded ones take their place: a move a line.
    pub fn forward(&self) -> String {
        format!("{} {}", moves(self.name, self.kept), moves(self.loading, self.name))
    }

    /// The other way.
    pub fn backward(&self) -> String {
        format!("{} {}", moves(self.name, self.loading), moves(self.kept, self.name))
    }
}

fn moves(from: &str, to: &str) -> String {
    let quoted = "REPLACE(table_name, '`', '``')";
    let [from_name, to_name] = [from, to].map(|name| QUOTED.text(&QUOTED.name(name)));
    format!(
        "SELECT CONCAT({from_name}, '.`', {quoted}, '` TO ', {to_name}, '.`', {quoted}, '`') FROM information_schema.tables \
         WHERE table_schema = {};",
        QUOTED.text(from)
    )
}

/// As the one was that was dumped, where that is known.
fn charset(part: &Part) -> String {
    let known = |key: &str| databases::about(part, key);
    let plain = |text: &&str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match (known("charset").filter(plain), known("collation").filter(plain)) {
        (Some(charset), Some(collation)) => format!("CHARACTER SET {charset} COLLATE {collation}"),
        _ => String::new(),
    }
}
