//! Databases: loaded under another name, and renamed once they are whole.

use super::postgres::MAINTENANCE;
use super::{Part, PartPlan, Restore, is_there, letters, mysql, postgres};
use crate::model::backup::PartKind;
use crate::model::op::{Advice, Command, Run, Undo};
use crate::model::{Failure, Result};
use crate::sql::answer::bare;
use crate::sql::client::{Client, Shape};
use crate::sql::url::Database;
use crate::sql::{Dialect, reach};
use crate::system::Probe;

const POSTGRES: &str = include_str!("postgres.sh");
const POSTGRES_BACK: &str = include_str!("postgres-back.sh");
const MYSQL: &str = include_str!("mysql.sh");
const MYSQL_BACK: &str = include_str!("mysql-back.sh");

/// What to try, by what the client says. A backup's own URL has no password.
const HINTS: &[(&str, &str)] = &[
    (
        "no password supplied",
        "it asks for a password: give its URL: database = \"env:NAME\" (--database env:NAME)",
    ),
    ("ccess denied", "it asks for a password: give its URL: database = \"env:NAME\" (--database env:NAME)"),
    ("does not exist", "if it is a role: create it first, or restore with owners = false (--no-owners)"),
];

/// The same for a restore that is only tried. mariadb-dump writes the columns of a view whose definer is gone with the
/// database's name, so that the view loads under that name only.
pub fn advice(part: &Part, step: &Restore) -> Advice {
    let mut hints: Vec<(String, String)> =
        HINTS.iter().map(|(said, hint)| (said.to_string(), hint.to_string())).collect();
    if let Some(name) = database_of(part, step) {
        let hint = format!(
            "a view names its columns with {name}, as one whose definer is gone does: it loads only as {name}; restore \
             it without to, or give the view a definer that exists and back up again"
        );
        hints.push((format!("Unknown column '{name}."), hint));
    }
    Advice { hints, question: None }
}

/// The name of the database that was backed up, in MySQL and MariaDB.
fn database_of(part: &Part, step: &Restore) -> Option<String> {
    let from = part.from.get("database").and_then(|value| value.as_str());
    let from = from.and_then(|url| Database::try_from(url.to_string()).ok());
    let database = from.or(step.database.clone()).filter(|database| database.dialect == Dialect::MySql);
    database.map(|database| database.name)
}

/// PostgreSQL cuts longer names off.
const NAME: usize = 63;

/// A database that is restored, and the names that it goes through.
pub struct Target {
    /// The server, and the name that it gets.
    pub database: Database,
    /// Where its client is run.
    pub container: Option<String>,
    /// Under which it is loaded.
    pub loading: String,
    /// What the one that is there is called afterwards.
    pub kept: String,
}

/// How the server writes its names and texts.
pub struct Quoted {
    /// Whose they are.
    pub dialect: Dialect,
}

impl Target {
    /// Where this part goes. `loading` begins the name under which it is loaded.
    pub fn of(step: &Restore, host: &dyn Probe, part: &Part, loading: &str) -> Result<Self> {
        let doing = || format!("restore {}", part.label.name);
        let text = |key: &str| part.from.get(key).and_then(|value| value.as_str()).map(str::to_string);
        let from =
            text("database").map(Database::try_from).transpose().map_err(|why| Failure::new(doing(), why))?;
        let given = step.database.clone().or(from).ok_or_else(|| {
            Failure::new(doing(), "nothing says which database it is")
                .hint("give its URL: database = \"env:NAME\" (--database env:NAME)")
        })?;
        let wanted = match part.label.name.starts_with("mysql") {
            true => Dialect::MySql,
            false => Dialect::Postgres,
        };
        if given.dialect != wanted {
            return Err(Failure::new(doing(), "the URL of database is of another kind of server"));
        }
        let database = match &step.to {
            Some(name) => given.named(name),
            None => given,
        };
        // A container of the host it came from says nothing about the server of a URL that is given.
        let container =
            step.container.clone().or_else(|| text("container").filter(|_| step.database.is_none()));
        let run = host.brought().map_or_else(String::new, |brought| brought.run.to_string());
        let loading = with_end(
            &database.name,
            &format!("_{loading}_{}", letters(&format!("{}{}", step.backup.id, part.label.name))),
        );
        let kept = with_end(&database.name, &format!("_before_{}", letters(&run)));
        Ok(Target { database, container, loading, kept })
    }

    /// The server's database in which others are made.
    pub fn maintenance(&self) -> Database {
        match self.database.dialect {
            Dialect::Postgres => self.database.named(MAINTENANCE),
            Dialect::MySql => self.database.named("information_schema"),
        }
    }
}

impl Quoted {
    /// A name, in which dots are dots.
    pub fn name(&self, name: &str) -> String {
        match self.dialect {
            Dialect::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
            Dialect::MySql => format!("`{}`", name.replace('`', "``")),
        }
    }

    pub fn text(&self, text: &str) -> String {
        self.dialect.literal(text)
    }
}

pub fn plan(step: &Restore, host: &dyn Probe, part: &Part) -> Result<PartPlan> {
    let target = Target::of(step, host, part, "restoring")?;
    let maintenance = target.maintenance();
    let client = Client::on(host, &maintenance, target.container.as_deref())?;
    let there = is_there_already(host, &client, &target)?;
    if there && !step.replace {
        return Err(is_there(
            &format!("restore {}", part.label.name),
            &format!("the database {}", target.database),
        ));
    }
    let work = Work { step, part, target: &target, client: &client, there };
    let command = match target.database.dialect {
        Dialect::Postgres => work.postgres(),
        Dialect::MySql => work.mysql(),
    };
    let title = Some(format!("restore {} into {}", part.label.name, target.database));
    // No password is kept on the host, and without it nobody can take this back.
    let undo = match target.database.has_password() {
        true => Undo::Impossible("it takes a password, which no host keeps".to_string()),
        false => Undo::Command(work.back()),
    };
    let mut notes = Vec::new();
    if there {
        notes.push(format!("the old one is kept as {}: drop it when it is not needed any more", target.kept));
    }
    if matches!(undo, Undo::Impossible(_)) {
        notes.push(format!(
            "{} asks for a password, which no host keeps: `runs undo` leaves it as it is",
            target.database
        ));
    }
    let run = Run {
        input: Some(part.asset.clone()),
        undo,
        advice: advice(part, step),
        ..Run::from(Command { title, ..command })
    };
    Ok(PartPlan { ops: vec![run.into()], notes })
}

/// What the scripts are given.
struct Work<'a> {
    step: &'a Restore,
    part: &'a Part,
    target: &'a Target,
    client: &'a Client<'a>,
    there: bool,
}

impl Work<'_> {
    fn postgres(&self) -> Command {
        let Target { database, loading, kept, .. } = self.target;
        let words = [
            "restore",
            &postgres::drop(loading),
            &postgres::make(self.part, loading, self.step.owners),
            format_of(self.part),
            self.how(),
            &postgres::switch(&database.name, loading, self.there.then_some(kept)),
            &postgres::allow(&database.name),
            &database.target(MAINTENANCE),
            &database.target(loading),
        ];
        let options: &[&str] = if self.step.owners { &[] } else { &["--no-owner", "--no-privileges"] };
        let options: Vec<String> = options.iter().map(|word| word.to_string()).collect();
        self.client.command_with(POSTGRES, &words, &options, "")
    }

    fn mysql(&self) -> Command {
        let Target { database, kept, .. } = self.target;
        let loading = if self.there { &self.target.loading } else { &database.name };
        let words = [
            "restore",
            self.how(),
            &mysql::drop(loading),
            &mysql::make(loading, self.part),
            &database.target(loading),
            &self.names().fixed(),
            &mysql::make(kept, self.part),
            &self.names().forward(),
        ];
        self.client.command_with(MYSQL, &words, &database.connection(), "")
    }

    fn names(&self) -> mysql::Names<'_> {
        let Target { database, loading, kept, .. } = self.target;
        mysql::Names { name: &database.name, loading, kept }
    }

    fn how(&self) -> &'static str {
        if self.there { "replace" } else { "new" }
    }

    /// What takes it back, from wherever it stopped.
    fn back(&self) -> Command {
        let Target { database, loading, kept, .. } = self.target;
        let command = match database.dialect {
            Dialect::Postgres => {
                let words = [
                    "roll back",
                    self.how(),
                    &postgres::is_there(kept),
                    &postgres::is_there(loading),
                    &postgres::switch(&database.name, kept, Some(loading)),
                    &postgres::drop(loading),
                    &postgres::drop(&database.name),
                    &postgres::allow(&database.name),
                ];
                self.client.command_with(POSTGRES_BACK, &words, &[database.target(MAINTENANCE)], "")
            }
            Dialect::MySql => {
                let words = [
                    "roll back",
                    self.how(),
                    &mysql::drop(&database.name),
                    &mysql::drop(loading),
                    &mysql::make(loading, self.part),
                    &mysql::tables(loading),
                    &mysql::is_there(kept),
                    &mysql::drop(kept),
                    &self.names().backward(),
                ];
                self.client.command_with(MYSQL_BACK, &words, &database.connection(), "")
            }
        };
        Command { title: Some(format!("put back the database {database}")), ..command }
    }
}

/// Under check the answer may be about the past, and then nothing is there.
fn is_there_already(host: &dyn Probe, client: &Client, target: &Target) -> Result<bool> {
    let sql = match target.database.dialect {
        Dialect::Postgres => postgres::is_there(&target.database.name),
        Dialect::MySql => mysql::is_there(&target.database.name),
    };
    let question = client.question(
        &format!("whether there is a database {}", target.database.name),
        Shape::Bare,
        &format!("{sql}\n"),
    );
    let answer = host.ask(&question)?;
    if !answer.ok() {
        return Err(reach::failed(client.database, client.container, &question, &answer));
    }
    let rows = bare(client.database.dialect, &answer)
        .map_err(|why| Failure::new(format!("run {}", question.shown()), why))?;
    Ok(!rows.is_empty())
}

/// A name with an end of ours, cut so that the end stays.
fn with_end(name: &str, end: &str) -> String {
    let mut kept = name.to_string();
    while kept.len() + end.len() > NAME {
        kept.pop();
    }
    kept + end
}

pub fn format_of(part: &Part) -> &'static str {
    match part.label.kind {
        PartKind::PgDump => "custom",
        _ => "plain",
    }
}

/// What only the host knew of a part's database.
pub fn about<'a>(part: &'a Part, key: &str) -> Option<&'a str> {
    part.about.as_ref()?.get(key)?.as_str()
}
