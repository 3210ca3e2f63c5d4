//! Whether a database has its tables.

use super::TIME;
use crate::model::finding::{Finding, Verdict};
use crate::model::op::{Answer, Command};
use crate::sql::answer::{ServerError, bare};
use crate::sql::client::{Client, Shape};
use crate::sql::url::Database;
use crate::sql::{Dialect, reach};
use crate::system::Probe;
use serde::Deserialize;

/// Asked of PostgreSQL: tables that are not in `public` have their schema before their name.
const OF_POSTGRES: &str = "SELECT CASE schemaname WHEN 'public' THEN tablename ELSE schemaname || '.' || tablename END \
     FROM pg_catalog.pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1;\n";

/// Asked of MySQL.
const OF_MYSQL: &str = "SELECT table_name FROM information_schema.tables \
     WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY 1;\n";

/// Names the question in messages.
const ABOUT: &str = "tables";

/// The tables of a database: how many, or which.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tables {
    /// `postgres:///shop`, `mysql://root@localhost/shop`: as seen from the host, or from inside the container.
    database: Database,
    /// The container in which the database's client is asked.
    container: Option<String>,
    /// Exactly so many.
    count: Option<usize>,
    /// So many, or more.
    at_least: Option<usize>,
    /// These; one that is not in PostgreSQL's `public` with its schema, `audit.entries`.
    #[serde(default)]
    names: Vec<String>,
}

impl Tables {
    /// Refuses an item that expects nothing.
    pub fn check(&self) -> Result<(), String> {
        match self.count.is_none() && self.at_least.is_none() && self.names.is_empty() {
            true => Err("give count, at_least or names".to_string()),
            false => Ok(()),
        }
    }

    /// Whether they are there.
    pub fn look(&self, host: &dyn Probe) -> Vec<Finding> {
        match self.there(host) {
            Ok(tables) => self.judge(&tables),
            Err((verdict, why)) => {
                let found =
                    |what: String, wanted: String| Finding::new("tables", what, verdict, &why).wanted(wanted);
                let names = self.names.iter().map(|name| found(self.of(name), "is there".to_string()));
                self.wanted_count()
                    .map(|wanted| found(self.place(), wanted))
                    .into_iter()
                    .chain(names)
                    .collect()
            }
        }
    }

    /// The names of all tables; else what came of asking.
    fn there(&self, host: &dyn Probe) -> Result<Vec<String>, (Verdict, String)> {
        let unseen = |why: &dyn std::fmt::Display| (Verdict::Unknown, why.to_string());
        let container = self.container.as_deref();
        let client = Client::on(host, &self.database, container).map_err(|failure| unseen(&failure))?;
        let sql = match self.database.dialect {
            Dialect::Postgres => OF_POSTGRES,
            Dialect::MySql => OF_MYSQL,
        };
        let question = Command { timeout: Some(TIME), ..client.question(ABOUT, Shape::Bare, sql) };
        let answer = host.ask(&question).map_err(|failure| unseen(&failure))?;
        if !answer.ok() {
            return Err(self.refused(&question, &answer));
        }
        let rows = bare(self.database.dialect, &answer).map_err(|why| unseen(&why))?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
    }

    /// What the server itself refuses is not as wanted; a server that could not be asked is unknown.
    fn refused(&self, question: &Command, answer: &Answer) -> (Verdict, String) {
        match ServerError::read(self.database.dialect, answer) {
            Some(error) => (Verdict::Fail, error.message),
            None => {
                let failure = reach::failed(&self.database, self.container.as_deref(), question, answer);
                (Verdict::Unknown, failure.why)
            }
        }
    }

    fn judge(&self, tables: &[String]) -> Vec<Finding> {
        let many = tables.len();
        let fits =
            self.count.is_none_or(|count| many == count) && self.at_least.is_none_or(|least| many >= least);
        let counted = self.wanted_count().map(|wanted| {
            Finding::new("tables", self.place(), Verdict::of(fits), format!("{many} tables"))
                .wanted(wanted)
                .detail("tables", many)
        });
        let named = self.names.iter().map(|name| {
            let there = tables.contains(name);
            let seen = if there { "it is there" } else { "it is not there" };
            Finding::new("tables", self.of(name), Verdict::of(there), seen).wanted("is there")
        });
        counted.into_iter().chain(named).collect()
    }

    fn wanted_count(&self) -> Option<String> {
        match (self.count, self.at_least) {
            (Some(count), _) => Some(format!("{count} tables")),
            (None, Some(least)) => Some(format!("at least {least} tables")),
            (None, None) => None,
        }
    }

    fn of(&self, table: &str) -> String {
        format!("{table} in {}", self.place())
    }

    fn place(&self) -> String {
        match &self.container {
            Some(container) => format!("{} in {container}", self.database),
            None => self.database.to_string(),
        }
    }
}
