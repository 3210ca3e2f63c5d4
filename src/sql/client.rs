//! A database's own client as a command: on the host, or inside a container.

use super::Dialect;
use super::split::Piece;
use super::url::Database;
use crate::model::Result;
use crate::model::op::Command;
use crate::system::Probe;
use std::path::Path;

/// What every task begins with.
const CLIENT: &str = include_str!("client.sh");

/// Runs SQL from standard input.
pub const ASK: &str = include_str!("ask.sh");

/// What ends a statement for the mysql client, so that it never looks for semicolons itself.
const MYSQL_END: &str = ";;windlass;;";

/// How a host reaches a database.
#[derive(Clone, Debug)]
pub struct Client<'a> {
    /// Which.
    pub database: &'a Database,
    /// The container in which the client is run.
    pub container: Option<&'a str>,
    /// As whom the client is run, when not as the one who runs windlass there.
    pub user: Option<String>,
}

/// What the script is called to itself; the word that says what it is for is the third behind it.
const NAME: &str = "windlass";

/// The first of the words with which a command of [`Client`] was made.
pub fn about(command: &Command) -> Option<&str> {
    let name = command.argv.iter().position(|word| word == NAME)?;
    command.argv.get(name + 3).map(String::as_str)
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The names of the columns, then rows.
    Headed,
    /// Rows alone.
    Bare,
}

impl<'a> Client<'a> {
    /// A client on this host. Databases let in by a socket, as the user that the system says: for them root becomes the
    /// role's namesake, `postgres` when the URL names none.
    pub fn on(host: &dyn Probe, database: &'a Database, container: Option<&'a str>) -> Result<Self> {
        let mut client = Client { database, container, user: None };
        if container.is_none()
            && database.by_peer()
            && host.ask(&Command::new(["id", "-un"]))?.text() == "root"
        {
            client.user = peer(host, database)?;
        }
        Ok(client)
    }

    /// A command that does `task` (what follows `client.sh`), whose own words come first, with `sql` on standard input.
    pub fn command(&self, task: &str, words: &[&str], shape: Shape, sql: &str) -> Command {
        let format: &[&str] = match (self.database.dialect, shape) {
            (Dialect::Postgres, Shape::Headed) => HEADED,
            (Dialect::Postgres, Shape::Bare) => BARE,
            (Dialect::MySql, Shape::Headed) => &[],
            (Dialect::MySql, Shape::Bare) => &["--skip-column-names"],
        };
        let format = format.iter().map(|word| word.to_string());
        self.command_with(task, words, &format.chain(self.database.arguments()).collect::<Vec<_>>(), sql)
    }

    /// The same, with the client's own arguments.
    pub fn command_with(&self, task: &str, words: &[&str], arguments: &[String], sql: &str) -> Command {
        let mut argv: Vec<String> = Vec::new();
        if let Some(container) = self.container {
            let exec = ["docker", "exec", "--interactive", "--env", "WINDLASS_RUN", container];
            argv.extend(exec.map(str::to_string));
        }
        let kind = match self.database.dialect {
            Dialect::Postgres => "postgres",
            Dialect::MySql => "mysql",
        };
        let password = self.database.password_line();
        let has_password = if password.is_some() { "password" } else { "none" };
        let text = format!("{CLIENT}\n{task}");
        argv.extend(["sh", "-c", &text, NAME, kind, has_password].map(str::to_string));
        argv.extend(words.iter().map(|word| word.to_string()));
        argv.extend(arguments.iter().cloned());
        let first = password.map(|line| line + "\n").unwrap_or_default();
        let stdin = [first, sql.to_string()].concat().into_bytes();
        Command { argv, stdin, user: self.user.clone(), ..Command::default() }
    }

    /// A command that only asks. `about` distinguishes it from other questions and names it in messages.
    pub fn question(&self, about: &str, shape: Shape, sql: &str) -> Command {
        let command = self.command(ASK, &[about], shape, sql);
        Command { title: Some(format!("{about} on {}", self.database)), ..command }
    }
}

/// Cells and records end with letters that no text holds; what is null is another.
const HEADED: &[&str] = &[
    "--no-align",
    "--field-separator=\u{1f}",
    "--record-separator=\u{1e}",
    "--pset=footer=off",
    "--pset=null=\u{15}",
];

const BARE: &[&str] = &["--no-align", "--tuples-only", "--field-separator=\u{1f}"];

/// SQL as a client reads it from standard input, and which of its lines are which statement's.
#[derive(Clone, Debug)]
pub struct Script {
    dialect: Dialect,
    /// The text.
    pub text: String,
    lines: usize,
    places: Vec<StatementLines>,
}

/// The lines of a script that hold a statement of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct StatementLines {
    first: usize,
    last: usize,
    file: String,
    statement: usize,
}

impl Script {
    /// An empty one.
    pub fn new(dialect: Dialect) -> Self {
        let mut script = Script { dialect, text: String::new(), lines: 1, places: Vec::new() };
        if dialect == Dialect::MySql {
            script.push(&format!("DELIMITER {MYSQL_END}"));
        }
        script
    }

    /// A line for the client itself.
    pub fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1 + line.matches('\n').count();
    }

    /// A statement of windlass's own.
    pub fn own(&mut self, sql: &str) {
        self.push(sql);
        self.push(match self.dialect {
            Dialect::Postgres => ";",
            Dialect::MySql => MYSQL_END,
        });
    }

    /// A statement of a user's file: number `statement` of `file`.
    pub fn statement(&mut self, file: &str, statement: usize, piece: &Piece) {
        let first = self.lines;
        self.own(piece.statement);
        self.places.push(StatementLines { first, last: self.lines - 1, file: file.to_string(), statement });
    }

    /// Of which file, and which of its statements, a line is.
    pub fn place_at(&self, line: usize) -> Option<(&str, usize)> {
        let place = self.places.iter().find(|place| place.first <= line && line <= place.last)?;
        Some((&place.file, place.statement))
    }
}

/// The user of the host who is let in: one that the host itself knows.
fn peer(host: &dyn Probe, database: &Database) -> Result<Option<String>> {
    let wanted = match (&database.user, database.dialect) {
        (Some(user), _) => user,
        (None, Dialect::Postgres) => "postgres",
        (None, Dialect::MySql) => return Ok(None),
    };
    let users = host.read(Path::new("/etc/passwd"))?.unwrap_or_default();
    let users = String::from_utf8_lossy(&users);
    let known = users.lines().any(|line| line.split(':').next() == Some(wanted));
    Ok(known.then(|| wanted.to_string()))
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::sql::split::statements;
    use crate::testing::{answer, host};

    fn database(url: &str) -> Database {
        Database::try_from(url.to_string()).unwrap()
    }

    #[test]
    fn the_password_is_on_standard_input_and_nowhere_else() {
        let database = database("postgres://al:hunter2@db/app");
        let client = Client { database: &database, container: None, user: None };
        let command = client.question("the tables", Shape::Bare, "select 1;");
        assert_eq!(command.stdin, b"*:*:*:*:hunter2\nselect 1;");
        assert!(!command.argv.join(" ").contains("hunter2"));
        assert_eq!(command.argv[3..7], ["windlass", "postgres", "password", "the tables"]);
        assert_eq!(
            (command.shown().as_str(), about(&command)),
            ("the tables on app on db", Some("the tables"))
        );
    }

    #[test]
    fn a_container_runs_its_own_client() {
        let database = database("mysql://root@/shop");
        let client = Client { database: &database, container: Some("db"), user: None };
        let command = client.question("q", Shape::Headed, "select 1");
        assert_eq!(
            command.argv[..8],
            ["docker", "exec", "--interactive", "--env", "WINDLASS_RUN", "db", "sh", "-c"]
        );
        assert_eq!(command.argv[9..], ["windlass", "mysql", "none", "q", "--user=root", "--database=shop"]);
    }

    #[test]
    fn over_a_socket_root_becomes_whom_the_database_lets_in() {
        let host = host(&[("/etc/passwd", "root:x:0:0::/:/bin/sh\npostgres:x:5:5::/:/bin/sh\n")]);
        let user = |url| {
            let database = database(url);
            Client::on(&host, &database, None).unwrap().user
        };
        assert_eq!(user("postgres:///app"), None, "not root");
        answer(&host, "id -un", 0, "root\n");
        assert_eq!(user("postgres:///app").as_deref(), Some("postgres"));
        assert_eq!(user("postgres://nobody@/app"), None, "the host has no such user");
        assert_eq!(user("postgres://al:pw@/app"), None);
        assert_eq!(user("postgres://al@db/app"), None);
        assert_eq!(user("mysql:///app"), None);
    }

    #[test]
    fn lines_of_a_script_lead_back_to_statements() {
        for (dialect, lines) in [(Dialect::Postgres, [3, 5, 6]), (Dialect::MySql, [4, 6, 7])] {
            let mut script = Script::new(dialect);
            script.own("begin");
            for (number, piece) in statements(dialect, "select 1;select\n2").unwrap().iter().enumerate() {
                script.statement("f", number + 1, piece);
            }
            let found = lines.map(|line| script.place_at(line));
            assert_eq!(found, [Some(("f", 1)), Some(("f", 2)), Some(("f", 2))], "{}", script.text);
            assert_eq!(script.place_at(1), None);
        }
    }
}
