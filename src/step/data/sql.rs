//! SQL that one database is asked, or changed by.

use crate::model::digest::Digest;
use crate::model::op::{Answer, Command, Condition, Plan, Prediction, Run, Undo};
use crate::model::{Failure, Result, Value, Values};
use crate::sql::answer::{Rows, ServerError};
use crate::sql::client::{ASK, Client, Script, Shape};
use crate::sql::split::{self, Piece};
use crate::sql::url::Database;
use crate::sql::{Dialect, reach};
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;

/// Runs SQL in a database, through the database's own client (`psql`, `mariadb` or `mysql`) on the host or in a
/// container: exactly one of `query` and `file`. It is run each time, and counts as a change, unless `unless` shows that
/// nothing is to be done, or `read_only` says that it only asks. An error names the statement, its line and SQLSTATE. For
/// tables, use migrations: the step kind `migrate`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sql {
    /// `postgres://user:password@host:port/name` or `mysql://…`, as seen from where the client runs. `postgres:///name` is
    /// a socket; root asks there as the system's user of the role's name, `postgres` when none is named. Keep one with a
    /// password in a param of type `secret`.
    database: Database,
    /// The statements.
    query: Option<String>,
    /// A file below `files/` with the statements.
    file: Option<String>,
    /// A running container that has the client. The host's own is used when not given.
    container: Option<String>,
    /// It only asks: one statement, which runs under `--check` too, in a transaction that cannot write; `register` gets
    /// `rows`, a map of texts for each, and `value`, the first cell.
    #[serde(default)]
    read_only: bool,
    /// A query that only asks: when its first cell is true, or a number other than 0, there is nothing to do. It must say
    /// so afterwards.
    unless: Option<String>,
    /// All statements in one transaction; true when not given. MySQL and MariaDB commit what changes tables at once all
    /// the same.
    #[serde(default = "yes")]
    transaction: bool,
}

impl Kind for Sql {
    const NAME: &'static str = "sql";
    const RESULT: &'static [&'static str] =
        &["rows", "value", "status", "stdout", "stdout_lines", "stderr", "stderr_lines"];
    const KEYS: &'static [(&'static str, KeyUse)] = &[("file", KeyUse::Text)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "sessions that are over go"
[steps.sql]
database = "postgres://shop@127.0.0.1/shop"     # one with a password: "{{ database }}", a param of type secret
query = "DELETE FROM sessions WHERE expires_at < now()"
unless = "SELECT count(*) = 0 FROM sessions WHERE expires_at < now()"

[[steps]]
name = "how many orders wait"
register = "waiting"                            # waiting.value, waiting.rows
[steps.sql]
database = "mysql://root@/shop"
container = "shop-db"
query = "SELECT count(*) AS orders FROM orders WHERE state = 'waiting'"
read_only = true

[[steps]]
name = "statistics are fresh"
[steps.sql]
database = "postgres:///shop"
file = "statistics.sql"                         # below files/
transaction = false                             # VACUUM runs outside of one
"#;
}

impl Step for Sql {
    fn check(&self) -> Result<(), WrongKey> {
        let key = match (&self.query, &self.file) {
            (Some(_), None) => "query",
            (None, Some(_)) => "file",
            _ => return Err(WrongKey::new("", "give exactly one of query and file")),
        };
        let count = split::statements(self.dialect(), self.text())
            .map_err(|wrong| WrongKey::new(key, wrong.told()))?
            .len();
        match (count, &self.unless) {
            (0, _) => Err(WrongKey::new(key, "it holds no statement")),
            (_, Some(_)) if self.read_only => {
                Err(WrongKey::new("read_only", "a query that only asks is always run: leave unless out"))
            }
            (2.., _) if self.read_only => {
                Err(WrongKey::new(key, "a query that only asks must be one statement"))
            }
            (_, Some(unless)) => one_statement(self.dialect(), unless),
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let client = Client::on(host, &self.database, self.container.as_deref())?;
        if self.read_only {
            return self.look(host, &client);
        }
        let undo = Undo::impossible("no one knows what undoes SQL: restore a backup, or run the opposite");
        let run = Run { undo, ..Run::from(self.command(&client)) };
        let Some(unless) = &self.unless else {
            self.expect_reachable(host, &client)?;
            return Ok(Plan { once: true, ..Plan::of(vec![run.into()]) });
        };
        let question = self.question(&client, unless);
        let answer = host.ask(&question)?;
        if answer == done(self.dialect()) {
            return Ok(Plan::nothing());
        }
        if host.pretends() {
            return Ok(Plan::awaiting(Condition::Succeeds { command: question }));
        }
        let rows = self.read(&question, &answer)?;
        if rows.first().is_some_and(is_true) {
            return Ok(Plan::nothing());
        }
        let predicts = vec![Prediction { argv: question.argv, answer: done(self.dialect()) }];
        Ok(Plan::of(vec![Run { predicts, ..run }.into()]))
    }

    fn explain(&self, run: &Run, answer: &Answer) -> Option<Failure> {
        Some(self.refused(&run.command, answer, &self.script()))
    }
}

impl Sql {
    fn dialect(&self) -> Dialect {
        self.database.dialect
    }

    fn text(&self) -> &str {
        self.query.as_deref().or(self.file.as_deref()).unwrap_or_default()
    }

    fn pieces(&self) -> Vec<Piece<'_>> {
        // `check` has split it already.
        split::statements(self.dialect(), self.text()).unwrap_or_default()
    }

    fn command(&self, client: &Client) -> Command {
        let command = client.command(ASK, &["run"], Shape::Headed, &self.script().text);
        Command { title: Some(self.title()), ..command }
    }

    fn title(&self) -> String {
        let pieces = self.pieces();
        let first = pieces.first().map(Piece::shown).unwrap_or_default();
        match pieces.len() {
            1 => format!("`{first}` on {}", self.database),
            count => format!("{count} statements on {}: `{first}` …", self.database),
        }
    }

    fn script(&self) -> Script {
        let mut script = Script::new(self.dialect());
        let pieces = self.pieces();
        let alone = pieces.iter().any(|piece| reach::forbids_transaction(self.dialect(), piece));
        let whole = self.transaction && !alone && pieces.len() > 1;
        if whole {
            script.own("START TRANSACTION");
        }
        for (index, piece) in pieces.iter().enumerate() {
            script.statement("", index + 1, piece);
        }
        if whole {
            script.own("COMMIT");
        }
        script
    }

    /// Fails when the database cannot be asked at all: it does not exist, or refuses the login. After pretended changes it
    /// may be there by then.
    fn expect_reachable(&self, host: &dyn Probe, client: &Client) -> Result<()> {
        if host.pretends() {
            return Ok(());
        }
        let question = self.question(client, REACHABLE);
        let answer = host.ask(&question)?;
        match answer.ok() {
            true => Ok(()),
            false => Err(self.refused(&question, &answer, &self.only_asking(REACHABLE))),
        }
    }

    /// A question whose words tell it from every other of this database.
    fn question(&self, client: &Client, query: &str) -> Command {
        let about = format!("question {}", &Digest::of(query.as_bytes()).to_string()[..ABOUT_LETTERS]);
        client.question(&about, Shape::Headed, &self.only_asking(query).text)
    }

    fn only_asking(&self, query: &str) -> Script {
        let mut script = Script::new(self.dialect());
        script.own("START TRANSACTION READ ONLY");
        for piece in split::statements(self.dialect(), query).unwrap_or_default() {
            script.statement("", 1, &piece);
        }
        script
    }

    /// Asks at once. After pretended changes the answer would be about the past: then the wait for it is all there is.
    fn look(&self, host: &dyn Probe, client: &Client) -> Result<Plan> {
        let question = self.question(client, self.text());
        if host.pretends() {
            return Ok(Plan::awaiting(Condition::Succeeds { command: question }));
        }
        let answer = host.ask(&question)?;
        let rows = self.read(&question, &answer)?;
        let value = rows.first().map_or(Value::Null, Value::from);
        let result = Values::from_iter([("rows".to_string(), rows.maps()), ("value".to_string(), value)]);
        Ok(Plan { result, ..Plan::nothing() })
    }

    fn read(&self, question: &Command, answer: &Answer) -> Result<Rows> {
        if !answer.ok() {
            let asked = self.only_asking(self.unless.as_deref().unwrap_or(self.text()));
            return Err(self.refused(question, answer, &asked));
        }
        let doing = format!("run {}", question.shown());
        Rows::headed(self.dialect(), answer).map_err(|why| Failure::new(doing, why))
    }

    /// The failure of a script, with the statement that the server refused.
    fn refused(&self, command: &Command, answer: &Answer, script: &Script) -> Failure {
        let Some(error) = ServerError::read(self.dialect(), answer) else {
            return reach::failed(&self.database, self.container.as_deref(), command, answer);
        };
        let failure = Failure::new(format!("run {}", command.shown()), error.told());
        let pieces = self.pieces();
        let number = error.line.and_then(|line| script.place_at(line)).map(|(_, number)| number);
        match number.and_then(|number| Some((number, pieces.get(number - 1)?))) {
            Some((number, piece)) if pieces.len() > 1 => {
                failure.hint(format!("it is statement {number}, in line {}: {}", piece.line, piece.shown()))
            }
            _ => failure,
        }
    }
}

/// Every database answers it.
const REACHABLE: &str = "SELECT 1";

/// So many letters of a digest tell a few questions apart.
const ABOUT_LETTERS: usize = 12;

/// What a question answers once everything it asks for is done. Its cell names the prediction.
fn done(dialect: Dialect) -> Answer {
    match dialect {
        Dialect::Postgres => Answer::said(0, "predicted\u{1e}t\n"),
        Dialect::MySql => Answer::said(0, "predicted\n1\n"),
    }
}

/// `t` and `f` are PostgreSQL's; `1` and `0` MySQL's.
fn is_true(cell: &str) -> bool {
    match cell {
        "t" | "true" => true,
        other => other.parse::<f64>().is_ok_and(|number| number != 0.0),
    }
}

fn one_statement(dialect: Dialect, query: &str) -> Result<(), WrongKey> {
    let statements =
        split::statements(dialect, query).map_err(|wrong| WrongKey::new("unless", wrong.told()))?;
    match statements.len() {
        1 => Ok(()),
        _ => Err(WrongKey::new("unless", "it must be one statement")),
    }
}

fn yes() -> bool {
    true
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::testing::{answer_to, apply, host, parse, planned, pretend_a_change};

    fn keys(more: &str) -> String {
        format!("database = 'postgres://al:hunter2@db/app'\n{more}")
    }

    fn step(more: &str) -> Sql {
        toml::from_str(&keys(more)).unwrap()
    }

    /// The words of the question that a step asks.
    fn asked(step: &Sql, query: &str) -> Vec<String> {
        let client = Client { database: &step.database, container: None, user: None };
        step.question(&client, query).argv
    }

    #[test]
    fn several_statements_are_one_transaction_where_that_can_be() {
        let script = |more| step(more).script().text.replace("\n;\n", ";\n");
        assert_eq!(
            script("query = 'delete from a; delete from b;'"),
            "START TRANSACTION;\ndelete from a;\ndelete from b;\nCOMMIT;\n"
        );
        assert_eq!(script("query = 'delete from a'"), "delete from a;\n");
        assert_eq!(script("query = 'select 1; vacuum a'"), "select 1;\nvacuum a;\n");
        assert_eq!(script("query = 'select 1; select 2'\ntransaction = false"), "select 1;\nselect 2;\n");
    }

    #[test]
    fn a_database_that_cannot_be_asked_is_known_beforehand() {
        let host = host(&[]);
        let stderr = "psql: error: FATAL:  database \"app\" does not exist";
        let mut run = Run::from(Command::new(["true"]));
        let answer =
            Answer { status: 2, stderr: stderr.into(), total: stderr.len() as u64, ..Answer::default() };
        run.predicts.push(Prediction { argv: asked(&step("query = 'select 1'"), REACHABLE), answer });
        host.suppose(&run);
        host.settle();
        let failure = planned(&host, "sql", &keys("query = 'delete from a'")).unwrap_err().to_string();
        assert!(failure.contains("database \"app\" does not exist"), "{failure}");
        pretend_a_change(&host);
        assert!(planned(&host, "sql", &keys("query = 'delete from a'")).is_ok(), "it may be made by then");
    }

    /// A host whose database answers.
    fn reachable() -> crate::system::pretend::Pretend<'static> {
        let host = host(&[]);
        answer_to(&host, asked(&step("query = 'select 1'"), REACHABLE), 0, "c\u{1e}1\n");
        host
    }

    #[test]
    fn it_is_told_without_its_password() {
        let told = apply(&reachable(), "sql", &keys("query = 'delete from a'")).unwrap();
        assert_eq!(told, "run `delete from a` on app on db\n");
        let told = planned(&reachable(), "sql", &keys("query = 'delete from a; vacuum'")).unwrap();
        assert_eq!(told, "run 2 statements on app on db: `delete from a` …\n");
    }

    #[test]
    fn a_question_decides_and_must_hold_afterwards() {
        let more = "query = 'delete from a'\nunless = 'select count(*) = 0 from a'";
        for (cell, told) in [("f", "run `delete from a` on app on db\n"), ("t", ""), ("1", "")] {
            let host = host(&[]);
            answer_to(
                &host,
                asked(&step(more), "select count(*) = 0 from a"),
                0,
                &format!("c\u{1e}{cell}\n"),
            );
            assert_eq!(apply(&host, "sql", &keys(more)).unwrap(), told, "{cell}");
        }
    }

    #[test]
    fn what_only_asks_is_registered() {
        let more = "query = 'select a, b from t'\nread_only = true";
        let host = host(&[]);
        answer_to(&host, asked(&step(more), "select a, b from t"), 0, "a\u{1f}b\u{1e}1\u{1f}\u{15}\n");
        let plan = step(more).plan(&host).unwrap();
        assert!(plan.is_empty());
        assert_eq!(
            serde_json::to_string(&plan.result).unwrap(),
            r#"{"rows":[{"a":"1","b":null}],"value":"1"}"#
        );
    }

    #[test]
    fn after_pretended_changes_no_answer_counts() {
        for more in ["query = 'select 1'\nread_only = true", "query = 'select 1'\nunless = 'select true'"] {
            let host = host(&[]);
            answer_to(&host, asked(&step(more), "select true"), 0, "c\u{1e}t\n");
            pretend_a_change(&host);
            let told = planned(&host, "sql", &keys(more)).unwrap();
            assert!(
                told.starts_with("wait until question ") && told.ends_with(" on app on db succeeds\n"),
                "{told}"
            );
        }
    }

    #[test]
    fn an_error_names_the_statement() {
        let step = step("query = '''\nselect 1;\n\ndelete from\n  nothing;'''");
        let run = Run::from(step.command(&Client { database: &step.database, container: None, user: None }));
        let stderr =
            "psql:<stdin>:6: ERROR:  42P01: relation \"nothing\" does not exist\nLOCATION:  x, y.c:1\n";
        let answer = Answer { status: 3, stderr: stderr.into(), ..Answer::default() };
        assert_eq!(
            step.explain(&run, &answer).unwrap().to_string(),
            "run 2 statements on app on db: `select 1` …: relation \"nothing\" does not exist (SQLSTATE 42P01)\n  \
             hint: it is statement 2, in line 3: delete from nothing"
        );
        let answer =
            Answer { status: 2, stderr: "psql: error: connection refused".into(), ..Answer::default() };
        let told = step.explain(&run, &answer).unwrap().to_string();
        assert!(told.ends_with("hint: is the server up, and is the URL right as seen from there?"), "{told}");
    }

    #[test]
    fn refuses_keys_that_do_not_fit_together() {
        let refused = |more: &str| parse("sql", &keys(more)).err().unwrap().to_string();
        for (more, why) in [
            ("container = 'db'", "read the keys of sql: give exactly one of query and file"),
            ("query = '-- nothing'", "read sql.query: it holds no statement"),
            ("query = \"select 'a\"", "read sql.query: line 1: the quote ' is not closed"),
            (
                "file = 'a; b'\nread_only = true",
                "read sql.file: a query that only asks must be one statement",
            ),
            ("query = 'a'\nunless = 'a; b'", "read sql.unless: it must be one statement"),
            (
                "query = 'a'\nread_only = true\nunless = 'a'",
                "read sql.read_only: a query that only asks is always run: leave unless out",
            ),
        ] {
            assert_eq!(refused(more), why);
        }
        let wrong = parse("sql", "database = 'redis://x'\nquery = 'a'").err().unwrap().to_string();
        assert_eq!(wrong, "read sql.database: it begins with neither postgres:// nor mysql://");
    }
}
