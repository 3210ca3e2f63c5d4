//! Databases, as their own dump programs write them.

use super::{Planned, label};
use crate::docker;
use crate::model::backup::PartKind;
use crate::model::op::{Accept, Command};
use crate::model::{Failure, Result, Value, Values};
use crate::sql::answer::bare;
use crate::sql::client::{Client, Shape};
use crate::sql::url::Database;
use crate::sql::{Dialect, reach};
use crate::system::Probe;
use serde::Deserialize;
use serde_json::json;

pub const POSTGRES: Dialect = Dialect::Postgres;
pub const MYSQL: Dialect = Dialect::MySql;

const DUMP: &str = include_str!("dump.sh");

/// Asked of PostgreSQL: what a dump does not tell of its database.
const OF_DATABASE: &str = "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype \
     FROM pg_database WHERE datname = current_database();\n";

/// The same, asked of MySQL.
const OF_MYSQL: &str = "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata \
     WHERE schema_name = DATABASE();\n";

/// A database, however it was written.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name on this host's own server, or a URL.
    database: String,
    /// Who asks, where the URL does not say it.
    user: Option<String>,
    /// The container in which the dump program is run.
    container: Option<String>,
    /// `custom` or `plain`; of PostgreSQL only.
    format: Option<Format>,
    /// SQL that a restore test must answer with true.
    assertion: Option<String>,
}

/// What pg_dump writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For `pg_restore`.
    Custom,
    /// SQL.
    Plain,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Source")
    }
}

impl From<String> for Source {
    fn from(database: String) -> Self {
        Source { database, user: None, container: None, format: None, assertion: None }
    }
}

/// A database of a known dialect.
pub struct Typed<'a> {
    source: &'a Source,
    dialect: Dialect,
}

/// What only the host knows of the databases, by part.
#[derive(Default)]
pub struct About(Values);

impl Source {
    pub fn check(&self, dialect: Dialect) -> Result<(), String> {
        self.read(dialect)?;
        if let Some(container) = self.container.as_ref().filter(|name| !docker::is_name(name)) {
            return Err(format!("{container:?} is not a name that Docker takes"));
        }
        match (dialect, self.format) {
            (Dialect::MySql, Some(_)) => Err("format is PostgreSQL's; this is always SQL".to_string()),
            _ => Ok(()),
        }
    }

    pub fn typed(&self, dialect: Dialect) -> Typed<'_> {
        Typed { source: self, dialect }
    }

    fn read(&self, dialect: Dialect) -> Result<Database, String> {
        let database = match self.database.contains("://") {
            true => Database::try_from(self.database.clone())?,
            false => Database::on_this_machine(dialect, &self.database)?,
        };
        if database.dialect != dialect {
            return Err("its URL is of another kind of database".to_string());
        }
        database.asked_by(self.user.as_deref())
    }
}

impl Typed<'_> {
    fn database(&self) -> Result<Database> {
        // `check` has read it already.
        self.source.read(self.dialect).map_err(|why| Failure::new("read the database to back up", why))
    }

    pub fn planned(&self, assertion: Option<&str>) -> Planned {
        let container = self.source.container.as_deref().unwrap_or_default();
        let database = self.database().ok();
        let name = database.as_ref().map_or("", |database| database.name.as_str());
        let (kind, of) = match (self.dialect, self.source.format) {
            (Dialect::Postgres, Some(Format::Plain)) => (PartKind::Sql, "postgres"),
            (Dialect::Postgres, _) => (PartKind::PgDump, "postgres"),
            (Dialect::MySql, _) => (PartKind::Sql, "mysql"),
        };
        let from = json!({
            "database": database.as_ref().map(Database::without_password),
            "container": self.source.container,
            "assertion": self.source.assertion.as_deref().or(assertion),
        });
        Planned { label: label(kind, of, &[container, name].join("-")), from }
    }

    /// The command that dumps it. What a dump does not tell is asked now, which shows too whether it can be reached.
    pub fn command(
        &self,
        host: &dyn Probe,
        password: Option<&str>,
        part: &str,
        about: &mut About,
    ) -> Result<(Command, Accept)> {
        let database = self.database()?.with_password_over_network(password);
        let client = Client::on(host, &database, self.source.container.as_deref())?;
        if !host.pretends() {
            about.0.insert(part.to_string(), ask_about(host, &client)?);
        }
        let format = match self.source.format {
            Some(Format::Plain) => "plain",
            _ => "custom",
        };
        let mut arguments = database.connection();
        arguments.push(match self.dialect {
            Dialect::Postgres => database.target(&database.name),
            Dialect::MySql => database.name.clone(),
        });
        let command = client.command_with(DUMP, &["dump", format], &arguments, "");
        Ok((Command { title: Some(format!("dump of {database}")), ..command }, Accept::Zero))
    }
}

impl About {
    /// Writes it as a part of its own.
    pub fn command(self) -> (Command, Accept) {
        let stdin = Value::Object(self.0).to_string().into_bytes();
        (Command { stdin, ..Command::new(["cat"]) }, Accept::Zero)
    }
}

fn ask_about(host: &dyn Probe, client: &Client) -> Result<Value> {
    let (sql, keys): (_, &[&str]) = match client.database.dialect {
        Dialect::Postgres => (OF_DATABASE, &["owner", "encoding", "collate", "ctype"]),
        Dialect::MySql => (OF_MYSQL, &["charset", "collation"]),
    };
    let question = client.question("what makes the database up", Shape::Bare, sql);
    let answer = host.ask(&question)?;
    if !answer.ok() {
        return Err(reach::failed(client.database, client.container, &question, &answer));
    }
    let doing = || format!("run {}", question.shown());
    let rows = bare(client.database.dialect, &answer).map_err(|why| Failure::new(doing(), why))?;
    match rows.into_iter().next().filter(|row| row.len() == keys.len()) {
        Some(row) => {
            Ok(keys.iter().map(|key| key.to_string()).zip(row.into_iter().map(Value::from)).collect())
        }
        None => Err(Failure::new(doing(), "it answered something else")),
    }
}
