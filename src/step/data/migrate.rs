//! Migrations: SQL files that a database gets once each, in order.

mod clone;
mod explain;
mod files;
mod record;
mod script;
mod tool;

use crate::model::duration::TimeSpan;
use crate::model::op::{Answer, Condition, Op, Plan, Run};
use crate::model::path::HostPath;
use crate::model::words::environment;
use crate::model::words::{Word, Words};
use crate::model::{Failure, Result, Value, Values};
use crate::sql::client::Client;
use crate::sql::url::Database;
use crate::step::{KeyUse, Kind, NamedText, Step, WrongKey};
use crate::system::Probe;
use files::{File, Version};
use record::{Record, Row, State};
use script::Scripts;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Why a migration is not undone.
const NO_UNDO: &str = "migrations are not undone: write one that reverses it, or restore a backup";

/// Applies the SQL files of a directory that a database has not had yet, in the order of the numbers that their names
/// begin with, and keeps a record of them in a table of that database. Under PostgreSQL a file and its record are one
/// transaction, unless it holds what cannot be in one (`CREATE INDEX CONCURRENTLY`) or a line `-- windlass:
/// no-transaction`; MySQL and MariaDB commit each statement that changes tables, so a file that fails there is half
/// applied: dirty, which is reported with its statement and what to type next. Two controllers at once apply each file
/// once. With `command` another tool does the work, and lock and record are kept all the same. `register` gets
/// `version` and `pending`. `runs undo` does not undo a migration; files ending in `.down.sql` are never run.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Migrate {
    /// A directory below `files/`, or of the project: `001_users.sql`, `002_orders.up.sql`, `20240131_x/migration.sql`.
    #[cfg_attr(feature = "controller", schemars(with = "String"))]
    dir: Vec<NamedText>,
    /// `postgres://user:password@host:port/name` or `mysql://…`, as seen from where the client runs; see the step kind
    /// `sql`. Keep one with a password in a param of type `secret`.
    database: Database,
    /// A running container that has the database's client. The host's own is used when not given.
    container: Option<String>,
    /// The table of the record; `windlass_migrations` when not given. One that another tool made is refused.
    #[serde(default = "own_table")]
    table: String,
    /// First apply the files to a copy of the database, which is made for this and dropped in any case. It needs a role
    /// that may create databases, the dump program, and as much free disk as the database has.
    #[serde(default)]
    try_on_clone: bool,
    /// The database had the files up to this number before windlass knew it: they are recorded and not run. It counts
    /// only while nothing is recorded.
    baseline: Option<Word>,
    /// Let files be applied whose number is below one that was applied already, as merged branches bring them.
    #[serde(default)]
    out_of_order: bool,
    /// How to resolve what stopped earlier: `applied:NUMBER` when the file, as it is now, is in the database;
    /// `retry:NUMBER` when all that a dirty file did was undone by hand, and it may run again. Empty is nothing.
    #[serde(default)]
    resolve: String,
    /// How long to wait for the lock that another controller holds, and for tables that others use; 1 minute when not
    /// given.
    #[serde(default = "a_minute")]
    lock_timeout: TimeSpan,
    /// A tool that applies migrations itself, as a list or a line: `npx prisma migrate deploy`. It is run on the host
    /// when the directory's content is not recorded yet.
    command: Option<Words>,
    /// A command that only looks, as a list or a line: it exits 0 when the tool has nothing to apply. It counts instead
    /// of the directory's content.
    status: Option<Words>,
    /// Where `command` and `status` run; `/` when not given.
    directory: Option<HostPath>,
    /// Added to the environment of `command` and `status`.
    #[serde(default)]
    environment: BTreeMap<String, Word>,
}

impl Kind for Migrate {
    const NAME: &'static str = "migrate";
    const RESULT: &'static [&'static str] = &["version", "pending"];
    const KEYS: &'static [(&'static str, KeyUse)] = &[("dir", KeyUse::Texts)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the database has its tables"
[steps.migrate]
dir = "migrations"                              # below files/: 001_users.sql, 002_orders.sql
database = "postgres://shop@127.0.0.1/shop"     # one with a password: "{{ database }}", a param of type secret
container = "shop-db"
try_on_clone = true
baseline = "001"                                # the table of 001 was there before windlass
resolve = ""                                    # "{{ resolve }}": windlass runs retry last -e resolve=applied:2
lock_timeout = "5m"
table = "windlass_migrations"
out_of_order = true

[[steps]]
name = "prisma's migrations are applied"
[steps.migrate]
dir = "prisma/migrations"
database = "mysql://shop@127.0.0.1/shop"
command = "npx prisma migrate deploy"
status = ["npx", "prisma", "migrate", "status"]
directory = "/srv/shop"
environment = { DATABASE_URL = "mysql://shop@127.0.0.1/shop" }
"#;
}

impl Step for Migrate {
    fn check(&self) -> Result<(), WrongKey> {
        let wrong = |key: &'static str| move |why: String| WrongKey::new(key, why);
        self.resolved().map_err(wrong("resolve"))?;
        self.baseline().map_err(wrong("baseline"))?;
        let fits = |letter: char| letter.is_alphanumeric() || "_.".contains(letter);
        if self.table.is_empty() || !self.table.chars().all(fits) {
            return Err(WrongKey::new("table", "a table's name has letters, digits and _"));
        }
        if self.command.is_none() {
            for (given, key) in [(self.status.is_some(), "status"), (self.directory.is_some(), "directory")] {
                if given {
                    return Err(WrongKey::new(key, "it belongs to command, which is not given"));
                }
            }
            let files = File::of(&self.dir).map_err(wrong("dir"))?;
            return self.scripts().check(&files, self.try_on_clone).map_err(wrong("dir"));
        }
        let own = [(self.try_on_clone, "try_on_clone"), (self.baseline.is_some(), "baseline")];
        match own.into_iter().find(|(given, _)| *given) {
            Some((_, key)) => Err(WrongKey::new(key, "command's tool keeps its own order: leave this out")),
            None => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let client = Client::on(host, &self.database, self.container.as_deref())?;
        if let Some(words) = &self.command {
            return tool::plan(self, host, &client, words);
        }
        let question = record::question(&client, &self.table);
        let record = Record::read(host, &client, &question, &self.table)?;
        let Some(record) = record else { return Ok(unknown(question)) };
        self.plan_with(host, &client, &question.argv, record)
    }

    fn explain(&self, run: &Run, answer: &Answer) -> Option<Failure> {
        match self.command {
            Some(_) => tool::explain(self, run, answer),
            None => self.scripts().explain(&self.files().ok()?, run, answer),
        }
    }
}

impl Migrate {
    fn files(&self) -> Result<Vec<File>> {
        File::of(&self.dir).map_err(|why| Failure::new("read the migrations", why))
    }

    fn scripts(&self) -> Scripts<'_> {
        Scripts {
            database: &self.database,
            container: self.container.as_deref(),
            table: self.table.clone(),
            wait: self.lock_timeout.get(),
        }
    }

    fn plan_with(
        &self,
        host: &dyn Probe,
        client: &Client,
        question: &[String],
        mut record: Record,
    ) -> Result<Plan> {
        let files = self.files()?;
        let scripts = Scripts { table: record.table.clone(), ..self.scripts() };
        let mut runs: Vec<Run> = Vec::new();
        let mut add = |run: Run, record: &Record| {
            runs.push(Run { predicts: vec![record.prediction(question)], ..run });
        };
        if let Some(baselined) = self.baselined(&files, &record)? {
            baselined.iter().for_each(|file| record.put(file, State::Baseline));
            add(scripts.baseline(client, &baselined), &record);
        }
        if let Some(settled) = self.settled(&files, &record)? {
            record.rows.retain(|row| row.version != settled.file.version);
            if settled.applied {
                record.put(settled.file, State::Applied);
            }
            add(scripts.settle(client, &settled), &record);
        }
        self.refuse_disorder(&files, &record)?;
        let pending: Vec<&File> = files.iter().filter(|file| record.is_pending(file)).collect();
        let mut notes = record.missing(&files);
        if self.try_on_clone && !pending.is_empty() {
            notes.extend(clone::space(host, client, &record)?);
            add(clone::attempt(host, &scripts, client, &pending)?, &record);
        }
        for file in &pending {
            record.put(file, State::Applied);
            add(scripts.apply(client, file), &record);
        }
        let result = result_of(&record, &pending);
        Ok(Plan { result, notes, ..Plan::of(runs.into_iter().map(Op::from).collect()) })
    }

    /// The files that an existing database is said to have had.
    fn baselined<'f>(&self, files: &'f [File], record: &Record) -> Result<Option<Vec<&'f File>>> {
        let baseline = self.baseline().map_err(|why| Failure::new("read migrate.baseline", why))?;
        let empty = record.rows.iter().all(|row| row.state == State::Failed);
        let Some(baseline) = baseline.filter(|_| empty) else { return Ok(None) };
        if !files.iter().any(|file| file.version == baseline) {
            let why = format!("no file has the number {baseline}");
            return Err(Failure::new("read migrate.baseline", why));
        }
        Ok(Some(files.iter().filter(|file| file.version <= baseline).collect()))
    }

    fn baseline(&self) -> Result<Option<Version>, String> {
        self.baseline
            .as_ref()
            .map(Word::as_str)
            .filter(|text| !text.is_empty())
            .map(Version::read)
            .transpose()
    }

    /// What `resolve` says: whether the file is applied, and which.
    fn resolved(&self) -> Result<Option<(bool, Version)>, String> {
        if self.resolve.is_empty() {
            return Ok(None);
        }
        let wrong = || format!("{:?} is neither applied:NUMBER nor retry:NUMBER", self.resolve);
        let (what, version) = self.resolve.split_once(':').ok_or_else(wrong)?;
        match what {
            "applied" => Ok(Some((true, Version::read(version)?))),
            "retry" => Ok(Some((false, Version::read(version)?))),
            _ => Err(wrong()),
        }
    }

    /// The dirty or changed file that `resolve` settles; nothing when it is settled already.
    fn settled<'f>(&self, files: &'f [File], record: &Record) -> Result<Option<Resolved<'f>>> {
        let doing = || format!("resolve {}", self.resolve);
        let resolved = self.resolved().map_err(|why| Failure::new(doing(), why))?;
        let Some((applied, version)) = resolved else { return Ok(None) };
        let Some(file) = files.iter().find(|file| file.version == version) else {
            return Err(Failure::new(doing(), format!("no file has the number {version}")));
        };
        let row = record.row(&version);
        let open =
            row.is_some_and(|row| row.state == State::Dirty || (applied && row.checksum != file.short()));
        Ok(open.then_some(Resolved { file, applied }))
    }

    /// A dirty file, one that was changed after it was applied, one that comes too late: each stops everything.
    fn refuse_disorder(&self, files: &[File], record: &Record) -> Result<()> {
        if let Some(row) = record.rows.iter().find(|row| row.state == State::Dirty) {
            let file = files.iter().find(|file| file.version == row.version);
            return Err(self.scripts().dirty(row, file));
        }
        for file in files {
            match record.row(&file.version) {
                Some(row) if row.state.is_done() && row.checksum != file.short() => {
                    return Err(changed(file, row));
                }
                _ => {}
            }
        }
        let last = record.rows.iter().filter(|row| row.state.is_done()).map(|row| &row.version).max();
        let late = files.iter().find(|file| record.is_pending(file) && Some(&file.version) < last);
        match (late, last) {
            (Some(file), Some(last)) if !self.out_of_order => Err(too_late(file, last)),
            _ => Ok(()),
        }
    }
}

/// A file that a person has looked after.
pub(super) struct Resolved<'a> {
    file: &'a File,
    /// It is in the database as it is; else it may run again.
    applied: bool,
}

fn changed(file: &File, row: &Row) -> Failure {
    let why = format!(
        "it was applied with the checksum {} and has {} now: a file that was applied must stay as it is",
        row.checksum,
        file.short()
    );
    Failure::new(format!("look at {}", file.name), why).hint(format!(
        "put the old text back and write a new file for what is new; or, when the database is as the file says now, run \
         `windlass runs retry last -e resolve=applied:{}`",
        file.version
    ))
}

fn too_late(file: &File, last: &Version) -> Failure {
    let why = format!("it was never applied, and {last}, which comes after it, was");
    Failure::new(format!("look at {}", file.name), why)
        .hint("give it a number after the last one, or set out_of_order = true")
}

fn result_of(record: &Record, pending: &[&File]) -> Values {
    let done = record.rows.iter().filter(|row| row.state.is_done());
    let version =
        done.map(|row| &row.version).max().map_or(Value::Null, |version| version.to_string().into());
    let pending: Vec<&str> = pending.iter().map(|file| file.name.as_str()).collect();
    Values::from_iter([("version".to_string(), version), ("pending".to_string(), pending.into())])
}

/// What only a question could tell that would now be answered about the past.
fn unknown(command: crate::model::op::Command) -> Plan {
    Plan::awaiting(Condition::Succeeds { command })
}

fn own_table() -> String {
    "windlass_migrations".to_string()
}

fn a_minute() -> TimeSpan {
    TimeSpan::seconds(60)
}

#[cfg(all(test, feature = "controller"))]
mod tests;
