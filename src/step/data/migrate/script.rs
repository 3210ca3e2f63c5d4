//! The scripts that apply a file, record what was there before, and settle what stopped: each one session, which takes
//! the lock, looks at the record once more, and only then does something.

use super::files::File;
use super::{NO_UNDO, Resolved};
use crate::model::op::{Command, Run, Undo};
use crate::sql::Dialect;
use crate::sql::client::{Client, Script, Shape};
use crate::sql::reach;
use crate::sql::split::{self, Piece};
use crate::sql::url::Database;
use std::time::Duration;

/// Runs a script and records what the server refused.
const APPLY: &str = include_str!("apply.sh");

/// What tasks that write into the record begin with.
pub(super) const RECORDED: &str = include_str!("recorded.sh");

/// How `apply.sh` ends when another controller has done it meanwhile.
const ALREADY_APPLIED: i32 = 10;

/// The first of the two numbers of our advisory lock; the second is the table's. `WIND`, as a number.
const LOCK_CLASS: u32 = 0x5749_4e44;

/// What the scripts of one database have in common.
#[derive(Clone, Debug)]
pub struct Scripts<'a> {
    pub database: &'a Database,
    pub container: Option<&'a str>,
    /// The record's table.
    pub table: String,
    /// For locks.
    pub wait: Duration,
}

/// How a file is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApplyMode {
    /// With its row in one transaction.
    Whole,
    /// Statement by statement, its row telling how far it came.
    Stepwise,
}

impl Scripts<'_> {
    /// Refuses files that cannot be applied as they are.
    pub fn check(&self, files: &[File], on_copy: bool) -> Result<(), String> {
        if self.dialect() == Dialect::MySql && self.table.contains('.') {
            return Err("the record is a table of the database itself: leave the database out of its name"
                .to_string());
        }
        files.iter().try_for_each(|file| self.check_file(file, on_copy))
    }

    fn check_file(&self, file: &File, on_copy: bool) -> Result<(), String> {
        let pieces = split::statements(self.dialect(), &file.text)
            .map_err(|refused| format!("{}:{}: {}", file.name, refused.line, refused.why))?;
        let at = |piece: &Piece| format!("{}:{}: {}", file.name, piece.line, piece.shown());
        let inner = without_frame(&pieces);
        let frame = inner.iter().find(|piece| reach::controls_transaction(piece));
        if let Some(piece) = frame.filter(|_| self.way(file, inner) == ApplyMode::Whole) {
            return Err(format!(
                "{}: each file is one transaction already; leave this out, or begin the file with `-- windlass: no-transaction`",
                at(piece)
            ));
        }
        if let Some(piece) =
            inner.iter().find(|piece| self.dialect() == Dialect::MySql && piece.begins_with(&["USE"]))
        {
            return Err(format!("{}: the URL names the database", at(piece)));
        }
        match inner.iter().find(|piece| on_copy && self.leaves_copy(piece)) {
            Some(piece) => Err(format!(
                "{}: this reaches beyond the database, so a copy cannot be tried with it",
                at(piece)
            )),
            None => Ok(()),
        }
    }

    /// Whether a statement that is meant for a copy would change something else.
    fn leaves_copy(&self, piece: &Piece) -> bool {
        let own = self.database.name.to_lowercase();
        let text = piece.statement.to_lowercase();
        let named = self.dialect() == Dialect::MySql
            && [format!("{own}."), format!("`{own}`.")].iter().any(|name| names(&text, name));
        named || reach::beyond_database(self.dialect(), piece)
    }

    /// Applies a file.
    pub fn apply(&self, client: &Client, file: &File) -> Run {
        let mut script = self.locked();
        self.add_file(&mut script, file);
        let words = [&format!("apply {}", file.version), &self.error_before(file), &self.error_after(file)];
        let command = client.command(
            &format!("{RECORDED}{APPLY}"),
            &words.map(String::as_str),
            Shape::Bare,
            &script.text,
        );
        let title = Some(format!("migration {} on {}", file.name, self.database));
        let undo = Undo::impossible(NO_UNDO);
        Run { idle: Some(ALREADY_APPLIED), undo, ..Run::from(Command { title, ..command }) }
    }

    /// Records files as had before.
    pub fn baseline(&self, client: &Client, files: &[&File]) -> Run {
        let mut script = self.locked();
        for file in files {
            script.own(&self.forget(file, "failed"));
            script.own(&self.insert(file, "baseline"));
        }
        let last = files.last().map_or("", |file| file.name.as_str());
        self.record_only(
            client,
            &script,
            format!("baseline of {}: {} files up to {last}", self.database, files.len()),
        )
    }

    /// Records what a person has settled.
    pub fn settle(&self, client: &Client, settled: &Resolved) -> Run {
        let mut script = self.locked();
        let file = settled.file;
        let table = self.table();
        let version = self.literal(file.version.as_str());
        script.own(&match settled.applied {
            true => format!(
                "UPDATE {table} SET state = 'applied', checksum = {}, finished_at = {} WHERE version = {version}",
                self.literal(&file.checksum),
                self.now()
            ),
            false => format!("DELETE FROM {table} WHERE version = {version} AND state = 'dirty'"),
        });
        let what = if settled.applied { "marked as applied" } else { "to be run again" };
        self.record_only(client, &script, format!("record of {}: {} is {what}", self.database, file.name))
    }

    fn record_only(&self, client: &Client, script: &Script, title: String) -> Run {
        let command =
            client.command(&format!("{RECORDED}{APPLY}"), &["record", "", ""], Shape::Bare, &script.text);
        let undo = Undo::impossible("the record of migrations is not undone");
        Run { undo, ..Run::from(Command { title: Some(title), ..command }) }
    }

    /// All of these files in one session, for a copy.
    pub fn all(&self, files: &[&File]) -> Script {
        let mut script = self.locked();
        for file in files {
            self.add_file(&mut script, file);
            if self.dialect() == Dialect::Postgres {
                script.own("DISCARD ALL");
            }
        }
        script
    }

    /// A session with the lock, and the record's table.
    pub fn locked(&self) -> Script {
        let mut script = Script::new(self.dialect());
        match self.dialect() {
            Dialect::Postgres => self.lock_postgres(&mut script),
            Dialect::MySql => self.lock_mysql(&mut script),
        }
        script
    }

    fn lock_postgres(&self, script: &mut Script) {
        script.own("SET client_min_messages = warning");
        script.own(&format!("SET lock_timeout = {}", self.wait.as_millis()));
        script.push("\\o /dev/null");
        script
            .own(&format!("SELECT pg_advisory_lock({LOCK_CLASS}, hashtext({}))", self.literal(&self.table)));
        script.push("\\o");
        script.own(&format!("CREATE TABLE IF NOT EXISTS {} ({POSTGRES_COLUMNS})", self.table()));
        script.own("RESET client_min_messages");
    }

    fn lock_mysql(&self, script: &mut Script) {
        let seconds = self.wait.as_secs().max(1);
        script
            .own(&format!("SET SESSION lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}"));
        let name = self.literal(&self.table);
        script.own(&format!(
            "SET @windlass = GET_LOCK(CONCAT('windlass:', SHA1(CONCAT(DATABASE(), {name}))), {seconds})"
        ));
        self.stop_unless(script, "@windlass <=> 1", LOCKED);
        script.own(&format!("CREATE TABLE IF NOT EXISTS {} ({MYSQL_COLUMNS})", self.table()));
    }

    /// MySQL has no branches outside of procedures: what is prepared then is a query of a table that does not exist.
    fn stop_unless(&self, script: &mut Script, condition: &str, why: &str) {
        script.own(&format!("SET @windlass = IF({condition}, 'DO 0', 'SELECT 1 FROM `{why}`')"));
        script.own("PREPARE windlass FROM @windlass");
        script.own("EXECUTE windlass");
    }

    /// Stops the session when the record has the number already.
    pub fn stop_when_done(&self, script: &mut Script, version: &str, states: &str) {
        let count = format!(
            "SELECT count(*) FROM {} WHERE version = {} AND state {states}",
            self.table(),
            self.literal(version)
        );
        match self.dialect() {
            Dialect::MySql => self.stop_unless(script, &format!("({count}) = 0"), DONE),
            Dialect::Postgres => {
                script.push(&format!("SELECT ({count}) > 0 AS windlass_done \\gset"));
                script.push("\\if :windlass_done");
                script.own(&format!("DO $$ BEGIN RAISE EXCEPTION '{DONE}'; END $$"));
                script.push("\\endif");
            }
        }
    }

    pub(super) fn add_file(&self, script: &mut Script, file: &File) {
        // `check` has split it already.
        let pieces = split::statements(self.dialect(), &file.text).unwrap_or_default();
        let inner = without_frame(&pieces);
        self.stop_when_done(script, file.version.as_str(), "<> 'failed'");
        match self.way(file, inner) {
            ApplyMode::Whole => self.add_whole(script, file, inner),
            ApplyMode::Stepwise => self.add_stepwise(script, file, inner),
        }
    }

    fn add_whole(&self, script: &mut Script, file: &File, pieces: &[Piece]) {
        script.own("START TRANSACTION");
        script.own(&self.forget(file, "failed"));
        for (index, piece) in pieces.iter().enumerate() {
            script.statement(&file.name, index + 1, piece);
        }
        script.own(&self.insert(file, "applied"));
        script.own("COMMIT");
    }

    fn add_stepwise(&self, script: &mut Script, file: &File, pieces: &[Piece]) {
        let version = self.literal(file.version.as_str());
        let update = |set: &str| format!("UPDATE {} SET {set} WHERE version = {version}", self.table());
        script.own(&self.forget(file, "failed"));
        script.own(&self.insert(file, "dirty"));
        for (index, piece) in pieces.iter().enumerate() {
            script.own(&update(&format!("statement = {}", index + 1)));
            script.statement(&file.name, index + 1, piece);
        }
        script.own(&update(&format!("state = 'applied', finished_at = {}", self.now())));
    }

    pub(super) fn way(&self, file: &File, pieces: &[Piece]) -> ApplyMode {
        let whole = match self.dialect() {
            Dialect::Postgres => {
                !pieces.iter().any(|piece| reach::forbids_transaction(Dialect::Postgres, piece))
            }
            Dialect::MySql => pieces.iter().all(reach::only_rows),
        };
        if whole && !file.runs_alone() { ApplyMode::Whole } else { ApplyMode::Stepwise }
    }

    fn insert(&self, file: &File, state: &str) -> String {
        let finished = if state == "dirty" { "NULL" } else { self.now() };
        let texts = [file.version.as_str(), &file.name, &file.checksum, state].map(|text| self.literal(text));
        format!(
            "INSERT INTO {} (version, name, checksum, state, finished_at, run) VALUES ({}, {finished}, {})",
            self.table(),
            texts.join(", "),
            self.run()
        )
    }

    fn forget(&self, file: &File, state: &str) -> String {
        format!(
            "DELETE FROM {} WHERE version = {} AND state = '{state}'",
            self.table(),
            self.literal(file.version.as_str())
        )
    }

    /// The time as it is, which in PostgreSQL is not that of the transaction.
    pub fn now(&self) -> &'static str {
        match self.dialect() {
            Dialect::Postgres => "clock_timestamp()",
            Dialect::MySql => "CURRENT_TIMESTAMP",
        }
    }

    /// The name of the run, as `apply.sh` passes it to the client.
    pub fn run(&self) -> &'static str {
        match self.dialect() {
            Dialect::Postgres => ":'windlass_run'",
            Dialect::MySql => "@windlass_run",
        }
    }

    /// What stands before the error's bytes when they are recorded. A whole file has left no row behind.
    fn error_before(&self, file: &File) -> String {
        let pieces = split::statements(self.dialect(), &file.text).unwrap_or_default();
        let texts =
            [file.version.as_str(), &file.name, &file.checksum].map(|text| self.literal(text)).join(", ");
        let bytes = match self.dialect() {
            Dialect::Postgres => "encode(decode('",
            Dialect::MySql => "CONVERT(UNHEX('",
        };
        match self.way(file, without_frame(&pieces)) {
            ApplyMode::Stepwise => format!("UPDATE {} SET error = {bytes}", self.table()),
            ApplyMode::Whole => format!(
                "INSERT INTO {} (version, name, checksum, state, run, error) VALUES ({texts}, 'failed', {}, {bytes}",
                self.table(),
                self.run()
            ),
        }
    }

    fn error_after(&self, file: &File) -> String {
        let pieces = split::statements(self.dialect(), &file.text).unwrap_or_default();
        let bytes = match self.dialect() {
            Dialect::Postgres => "', 'hex'), 'escape')",
            Dialect::MySql => "') USING latin1)",
        };
        let version = self.literal(file.version.as_str());
        match (self.way(file, without_frame(&pieces)), self.dialect()) {
            (ApplyMode::Stepwise, _) => format!("{bytes} WHERE version = {version} AND state = 'dirty';"),
            (ApplyMode::Whole, Dialect::Postgres) => format!(
                "{bytes}) ON CONFLICT (version) DO UPDATE SET error = EXCLUDED.error, run = EXCLUDED.run WHERE {}.state = 'failed';",
                self.table()
            ),
            (ApplyMode::Whole, Dialect::MySql) => {
                format!(
                    "{bytes}) ON DUPLICATE KEY UPDATE error = IF(state = 'failed', VALUES(error), error);"
                )
            }
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.database.dialect
    }

    /// The table as SQL names it.
    pub fn table(&self) -> String {
        self.dialect().identifier(&self.table)
    }

    fn literal(&self, text: &str) -> String {
        self.dialect().literal(text)
    }
}

pub(super) const LOCKED: &str = "windlass: another session holds the lock";
const DONE: &str = "windlass: already applied";

const POSTGRES_COLUMNS: &str = "version varchar(64) PRIMARY KEY, name varchar(255) NOT NULL, checksum varchar(64) NOT NULL, \
     state varchar(16) NOT NULL, statement integer NOT NULL DEFAULT 0, started_at timestamptz NOT NULL DEFAULT \
     CURRENT_TIMESTAMP, finished_at timestamptz, run varchar(80), error text";

const MYSQL_COLUMNS: &str = "version varchar(64) PRIMARY KEY, name varchar(255) NOT NULL, checksum varchar(64) NOT NULL, \
     state varchar(16) NOT NULL, statement integer NOT NULL DEFAULT 0, started_at datetime NOT NULL DEFAULT \
     CURRENT_TIMESTAMP, finished_at datetime NULL, run varchar(80) NULL, error text NULL";

/// Many files begin with BEGIN and end with COMMIT; windlass does the same.
pub(super) fn without_frame<'p, 'a>(pieces: &'p [Piece<'a>]) -> &'p [Piece<'a>] {
    match pieces {
        [first, inner @ .., last] if begins(first) && ends(last) => inner,
        _ => pieces,
    }
}

fn begins(piece: &Piece) -> bool {
    reach::controls_transaction(piece) && ["BEGIN", "START"].contains(&piece.words[0].as_str())
}

fn ends(piece: &Piece) -> bool {
    reach::controls_transaction(piece) && ["COMMIT", "END"].contains(&piece.words[0].as_str())
}

/// Whether a text names something of this database: the name stands at the beginning of a word.
fn names(text: &str, name: &str) -> bool {
    let in_a_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
    text.match_indices(name).any(|(at, _)| !text[..at].chars().next_back().is_some_and(in_a_word))
}
