//! Another tool's migrations: it does the work, while a session of the database's own client holds the lock and keeps the
//! record.

use super::record::{self, Record};
use super::script::RECORDED;
use super::{Migrate, NO_UNDO, environment, unknown};
use crate::model::digest::Digest;
use crate::model::op::{Answer, Command, Plan, Prediction, Run, Undo};
use crate::model::words::Words;
use crate::model::{Failure, Result};
use crate::sql::answer::ServerError;
use crate::sql::client::{Client, Script, Shape};
use crate::system::Probe;

const TOOL: &str = include_str!("tool.sh");
const SESSION: &str = include_str!("session.sh");

/// How `tool.sh` ends when another controller has done it meanwhile, and when there was no session.
const ALREADY_APPLIED: i32 = 10;
const NO_SESSION: i32 = 20;

/// What a status command is foretold to say.
const PREDICTED: &str = "windlass: predicted";

/// What is to be run, if anything.
pub fn plan(step: &Migrate, host: &dyn Probe, client: &Client, words: &Words) -> Result<Plan> {
    let question = record::question(client, &step.table);
    if let Some(status) = &step.status {
        let asked = beside(step, status);
        let answer = host.ask(&asked)?;
        if host.pretends() && answer.text() != PREDICTED {
            return Ok(unknown(asked));
        }
        if answer.ok() {
            return Ok(Plan::nothing());
        }
        if answer.status == Answer::NO_PROGRAM {
            let why = answer.last_words().unwrap_or_else(|| "there is no such program".to_string());
            let doing = format!("ask whether {} has something to apply", asked.shown());
            return Err(Failure::new(doing, why).hint("correct status, or install it in a step before"));
        }
        // Only for the schema in which the record is: the status decides.
        let Some(record) = Record::read(host, client, &question, &step.table)? else {
            return Ok(unknown(question));
        };
        let answer = Answer::said(0, PREDICTED);
        let run = Run {
            predicts: vec![Prediction { argv: asked.argv, answer }],
            ..run(step, client, words, &record)
        };
        return Ok(Plan::of(vec![run.into()]));
    }
    let Some(mut record) = Record::read(host, client, &question, &step.table)? else {
        return Ok(unknown(question));
    };
    let version = version(step);
    if record.tools.contains(&version) {
        return Ok(Plan::nothing());
    }
    let run = run(step, client, words, &record);
    record.tools.push(version);
    Ok(Plan::of(vec![Run { predicts: vec![record.prediction(&question.argv)], ..run }.into()]))
}

/// What a refused run means, where the session was refused and not the tool.
pub fn explain(step: &Migrate, run: &Run, answer: &Answer) -> Option<Failure> {
    let error = ServerError::read(step.database.dialect, answer).filter(|_| answer.status == NO_SESSION)?;
    Some(Failure::new(format!("run {}", run.command.shown()), error.told()))
}

fn beside(step: &Migrate, words: &Words) -> Command {
    let environment = environment(&step.environment);
    Command { environment, directory: step.directory.clone(), ..Command::new(words.to_vec()) }
}

fn run(step: &Migrate, client: &Client, words: &Words, record: &Record) -> Run {
    let (begin, finish, before, after) = sql(step, record);
    let mut session = client.command(&format!("{RECORDED}{SESSION}"), &["lock"], Shape::Bare, "");
    if let Some(user) = &client.user {
        session.argv.splice(0..0, ["runuser", "-u", user, "--"].map(str::to_string));
    }
    let password = if session.stdin.is_empty() { "none" } else { "password" };
    let count = session.argv.len().to_string();
    let own = ["sh", "-c", TOOL, "windlass", password, &begin.text, &finish.text, &before, &after, &count];
    let command = Command {
        argv: own.iter().map(|word| word.to_string()).chain(session.argv).chain(words.to_vec()).collect(),
        stdin: session.stdin,
        program: words.to_vec().into_iter().next(),
        title: Some(format!("{} with the lock of {}", Command::new(words.to_vec()).shown(), step.database)),
        ..beside(step, words)
    };
    Run { idle: Some(ALREADY_APPLIED), undo: Undo::impossible(NO_UNDO), ..Run::from(command) }
}

/// What the session does before the tool, after it, and around the exit status of one that failed.
fn sql(step: &Migrate, record: &Record) -> (Script, Script, String, String) {
    let scripts = super::Scripts { table: record.table.clone(), ..step.scripts() };
    let dialect = step.database.dialect;
    let (table, version) = (scripts.table(), version(step));
    let name: String = step.command.iter().map(|words| Command::new(words.to_vec()).shown()).collect();
    let name: String = name.chars().take(NAME_LETTERS).collect();
    let texts = [version.as_str(), &name, &digest(step)].map(|text| dialect.literal(text)).join(", ");
    let of = format!("WHERE version = {}", dialect.literal(&version));

    let mut begin = scripts.locked();
    if step.status.is_none() {
        scripts.stop_when_done(&mut begin, &version, "= 'applied'");
    }
    begin.own(&format!("DELETE FROM {table} {of}"));
    begin.own(&format!(
        "INSERT INTO {table} (version, name, checksum, state, run) VALUES ({texts}, 'failed', {})",
        scripts.run()
    ));
    begin.own("SELECT 'windlass: ready'");
    let mut finish = Script::new(dialect);
    finish.own(&format!("UPDATE {table} SET state = 'applied', finished_at = {} {of}", scripts.now()));
    let mut failed = Script::new(dialect);
    failed.own(&format!("UPDATE {table} SET error = 'exit status STATUS' {of}"));
    let (before, after) = failed.text.split_once("STATUS").unwrap_or_default();
    (begin, finish, before.to_string(), after.to_string())
}

/// The table's column holds so many.
const NAME_LETTERS: usize = 255;

/// The directory's content as a version of its own.
fn version(step: &Migrate) -> String {
    format!("{}{}", record::TOOL, &digest(step)[..super::files::SHORT])
}

fn digest(step: &Migrate) -> String {
    let all: String = step.dir.iter().map(|file| format!("{}\0{}\0", file.name, file.text)).collect();
    Digest::of(all.as_bytes()).to_string()
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the script is tried, which only a shell can do")]
    fn the_script_begins_no_session_for_a_tool_that_is_not_there() {
        let words =
            ["windlass", "none", "", "", "", "", "2", "no-such-session", "x", "no-such-tool", "deploy"];
        let ended = std::process::Command::new("/bin/sh").args(["-c", TOOL]).args(words).output().unwrap();
        assert_eq!(ended.status.code(), Some(Answer::NO_PROGRAM));
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "no-such-tool: not found\n");
    }
}
