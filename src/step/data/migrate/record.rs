//! The record of migrations, a table in the database itself: how it is asked for, read, and foretold.

use super::files::{File, SHORT, Version};
use crate::model::op::{Answer, Command, Prediction};
use crate::model::{Failure, Result};
use crate::sql::Dialect;
use crate::sql::answer::{ServerError, bare};
use crate::sql::client::{Client, Script, Shape};
use crate::sql::reach;
use crate::system::Probe;

/// What is known of a database's migrations.
#[derive(Clone, Debug)]
pub struct Record {
    /// The table, with the schema in which it is or would be.
    pub table: String,
    /// The database's size in bytes.
    pub size: u64,
    /// Where the server keeps its files; empty when it does not say.
    pub folder: String,
    /// What is recorded of files.
    pub rows: Vec<Row>,
    /// The versions of directories that tools have applied.
    pub tools: Vec<String>,
    dialect: Dialect,
}

/// A recorded migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub version: Version,
    /// The first letters of its checksum.
    pub checksum: String,
    /// What became of it.
    pub state: State,
    /// The statement that was begun last, counted from 1.
    pub statement: usize,
    /// What the server said when it stopped.
    pub error: String,
}

/// What became of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was applied.
    Applied,
    /// The database had it before there was a record.
    Baseline,
    /// It was begun and did not come to its end.
    Dirty,
    /// It was refused and left nothing behind.
    Failed,
}

/// The columns without which a table of this name is another tool's.
pub const COLUMNS: &[&str] =
    &["version", "name", "checksum", "state", "statement", "started_at", "finished_at", "run", "error"];

/// The question for the record of `table`.
pub fn question(client: &Client, table: &str) -> Command {
    let sql = match client.database.dialect {
        Dialect::Postgres => postgres_question(table),
        Dialect::MySql => mysql_question(table),
    };
    client.question(&format!("the record {table}"), Shape::Bare, &sql.text)
}

impl Record {
    /// Asks for the record; `None` when changes were pretended and the answer would be about the past.
    pub fn read(
        host: &dyn Probe,
        client: &Client,
        question: &Command,
        table: &str,
    ) -> Result<Option<Record>> {
        let answer = host.ask(question)?;
        let doing = || format!("read {table} of {}", client.database);
        if host.pretends() && !String::from_utf8_lossy(&answer.stdout).contains(PREDICTED) {
            return Ok(None);
        }
        if !answer.ok() {
            return Err(match ServerError::read(client.database.dialect, &answer) {
                Some(error) => Failure::new(doing(), error.told()),
                None => reach::failed(client.database, client.container, question, &answer),
            });
        }
        let lines = bare(client.database.dialect, &answer).map_err(|why| Failure::new(doing(), why))?;
        Record::of(client.database.dialect, table, &lines)
            .map(Some)
            .map_err(|failure| Failure { doing: doing(), ..failure })
    }

    fn of(dialect: Dialect, table: &str, lines: &[Vec<String>]) -> Result<Record> {
        let mut record = Record {
            table: table.to_string(),
            size: 0,
            folder: String::new(),
            rows: Vec::new(),
            tools: Vec::new(),
            dialect,
        };
        for line in lines {
            let cell = |index: usize| line.get(index).map(String::as_str).unwrap_or_default();
            match cell(0) {
                "server" => {
                    record.table = match cell(1) {
                        "" => table.to_string(),
                        schema => format!("{schema}.{}", table.rsplit('.').next().unwrap_or(table)),
                    };
                    record.size = cell(2).parse().unwrap_or(0);
                    record.folder = cell(3).to_string();
                }
                "columns" => refuse_others(cell(1))?,
                "row" if cell(1).starts_with(TOOL) && cell(3) == "applied" => {
                    record.tools.push(cell(1).to_string())
                }
                "row" => record.rows.extend(row_of(line)),
                _ => {}
            }
        }
        Ok(record)
    }

    /// The row of a number.
    pub fn row(&self, version: &Version) -> Option<&Row> {
        self.rows.iter().find(|row| row.version == *version)
    }

    /// Whether a file has still to be applied.
    pub fn is_pending(&self, file: &File) -> bool {
        self.row(&file.version).is_none_or(|row| row.state == State::Failed)
    }

    /// Supposes that a file is recorded.
    pub fn put(&mut self, file: &File, state: State) {
        let (version, checksum) = (file.version.clone(), file.short().to_string());
        self.rows.retain(|row| row.version != version);
        self.rows.push(Row { version, checksum, state, statement: 0, error: String::new() });
    }

    /// What the question will be answered when the record is as this one.
    pub fn prediction(&self, question: &[String]) -> Prediction {
        let separator = match self.dialect {
            Dialect::Postgres => "\u{1f}",
            Dialect::MySql => "\t",
        };
        let schema = self.table.rsplit_once('.').map(|(schema, _)| schema).unwrap_or_default();
        let size = self.size.to_string();
        let mut lines = vec![["server", schema, &size, &self.folder, PREDICTED].join(separator)];
        for row in &self.rows {
            let statement = row.statement.to_string();
            let cells =
                ["row", row.version.as_str(), &row.checksum, row.state.as_str(), &statement, &row.error];
            lines.push(cells.join(separator));
        }
        lines.extend(self.tools.iter().map(|tool| ["row", tool, "", "applied", "0", ""].join(separator)));
        Prediction { argv: question.to_vec(), answer: Answer::said(0, lines.join("\n") + "\n") }
    }

    /// What was applied once and is not in the directory any more.
    pub fn missing(&self, files: &[File]) -> Vec<String> {
        let done = self.rows.iter().filter(|row| row.state.is_done());
        let gone = done.filter(|row| !files.iter().any(|file| file.version == row.version));
        let numbers: Vec<&str> = gone.map(|row| row.version.as_str()).collect();
        match numbers.is_empty() {
            true => Vec::new(),
            false => vec![format!("recorded as applied, and not in the directory: {}", numbers.join(", "))],
        }
    }
}

/// What the version of a tool's directory begins with.
pub const TOOL: &str = "tool ";

/// Marks an answer that only check mode gives.
const PREDICTED: &str = "predicted";

impl State {
    /// As it is kept in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Applied => "applied",
            State::Baseline => "baseline",
            State::Dirty => "dirty",
            State::Failed => "failed",
        }
    }

    /// Whether the database has it.
    pub fn is_done(self) -> bool {
        matches!(self, State::Applied | State::Baseline)
    }
}

/// A line of the answer; those of tools, whose version is no number, are not about files.
fn row_of(line: &[String]) -> Option<Row> {
    let [_, version, checksum, state, statement, error] = line else { return None };
    let states = [State::Applied, State::Baseline, State::Failed];
    Some(Row {
        version: Version::read(version).ok()?,
        checksum: checksum.clone(),
        // What this windlass does not know is for a person to look at.
        state: states.into_iter().find(|known| known.as_str() == state).unwrap_or(State::Dirty),
        statement: statement.parse().unwrap_or(0),
        error: error.clone(),
    })
}

fn refuse_others(columns: &str) -> Result<()> {
    let there: Vec<&str> = columns.split(' ').collect();
    match COLUMNS.iter().all(|column| there.contains(column)) {
        true => Ok(()),
        false => Err(Failure::new("", format!("another tool made this table: its columns are {columns}"))
            .hint("name a table of windlass's own with the key table, and say with baseline what the database has already")),
    }
}

fn quoted_list(dialect: Dialect) -> String {
    COLUMNS.iter().map(|column| dialect.literal(column)).collect::<Vec<_>>().join(", ")
}

fn postgres_question(table: &str) -> Script {
    let dialect = Dialect::Postgres;
    let (schema, name) = match table.rsplit_once('.') {
        Some((schema, name)) => (dialect.literal(schema), name),
        None => ("coalesce(current_schema(), 'public')".to_string(), table),
    };
    let name = dialect.literal(name);
    let columns = quoted_list(dialect);
    let mut script = Script::new(dialect);
    // Only some roles may see where the server keeps its files.
    script.own(&format!(
        "SELECT 'server', {schema}, pg_database_size(current_database()), CASE WHEN pg_has_role(current_user, \
         'pg_read_all_settings', 'MEMBER') THEN current_setting('data_directory') ELSE '' END"
    ));
    script.push(&format!(
        "SELECT count(*) > 0 AS windlass_there, count(*) FILTER (WHERE column_name IN ({columns})) = {} AS windlass_ours, \
         quote_ident({schema}) || '.' || quote_ident({name}) AS windlass_table FROM information_schema.columns \
         WHERE table_schema = {schema} AND table_name = {name} \\gset",
        COLUMNS.len()
    ));
    script.push("\\if :windlass_there");
    script.own(&format!(
        "SELECT 'columns', string_agg(column_name, ' ') FROM information_schema.columns WHERE table_schema = {schema} AND \
         table_name = {name}"
    ));
    script.push("\\endif");
    script.push("\\if :windlass_ours");
    script.own(&format!("SELECT {} FROM :windlass_table ORDER BY started_at, version", cells()));
    script.push("\\endif");
    script
}

/// The cells of a row: the error only of what is dirty, since a record may be long.
fn cells() -> String {
    format!(
        "'row', version, left(checksum, {SHORT}), state, statement, CASE WHEN state = 'dirty' THEN coalesce(error, '') ELSE '' END"
    )
}

fn mysql_question(table: &str) -> Script {
    let dialect = Dialect::MySql;
    let of_table = format!("table_schema = DATABASE() AND table_name = {}", dialect.literal(table));
    let mut script = Script::new(dialect);
    script.own(
        "SELECT 'server', '', (SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables \
         WHERE table_schema = DATABASE()), @@datadir",
    );
    script.own(&format!(
        "SELECT 'columns', GROUP_CONCAT(column_name SEPARATOR ' ') FROM information_schema.columns WHERE {of_table} \
         HAVING COUNT(*) > 0"
    ));
    let rows = format!("SELECT {} FROM {} ORDER BY started_at, version", cells(), dialect.identifier(table));
    script.own(&format!(
        "SET @windlass = IF((SELECT COUNT(*) FROM information_schema.columns WHERE {of_table} AND column_name IN ({})) = {}, \
         {}, 'DO 0')",
        quoted_list(dialect),
        COLUMNS.len(),
        dialect.literal(&rows)
    ));
    script.own("PREPARE windlass FROM @windlass");
    script.own("EXECUTE windlass");
    script
}
