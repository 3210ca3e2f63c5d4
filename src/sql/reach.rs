//! How far statements reach, and why a client did not reach its database.

use super::Dialect;
use super::split::Piece;
use super::url::Database;
use crate::model::Failure;
use crate::model::op::{Answer, Command};
use crate::model::refusal::refused;

/// Whether the server refuses this statement inside a transaction.
pub fn forbids_transaction(dialect: Dialect, piece: &Piece) -> bool {
    let begins = |words: &[&str]| piece.begins_with(words);
    match dialect {
        Dialect::MySql => false,
        Dialect::Postgres => {
            piece.has("CONCURRENTLY") && !begins(&["REFRESH"])
                || begins(&["VACUUM"])
                || begins(&["ALTER", "SYSTEM"])
                || reaches_objects_of_the_server(piece) && !piece.has("ROLE") && !piece.has("USER")
                || piece.has("SUBSCRIPTION") && (begins(&["CREATE"]) || begins(&["DROP"]))
        }
    }
}

/// Whether a statement begins or ends a transaction itself.
pub fn controls_transaction(piece: &Piece) -> bool {
    let first = piece.words.first().map(String::as_str).unwrap_or_default();
    match first {
        "START" => piece.begins_with(&["START", "TRANSACTION"]),
        "PREPARE" => piece.begins_with(&["PREPARE", "TRANSACTION"]),
        "ROLLBACK" => !piece.has("TO"),
        "BEGIN" => !piece.begins_with(&["BEGIN", "NOT", "ATOMIC"]),
        first => ["COMMIT", "END", "ABORT"].contains(&first),
    }
}

/// Whether a statement changes rows and nothing else: all that MySQL can roll back.
pub fn only_rows(piece: &Piece) -> bool {
    let first = piece.words.first().map(String::as_str).unwrap_or_default();
    ["INSERT", "UPDATE", "DELETE", "REPLACE", "SELECT", "WITH"].contains(&first)
}

/// Whether a statement reaches beyond its database, so that trying it on a copy would change the server.
pub fn beyond_database(dialect: Dialect, piece: &Piece) -> bool {
    let begins = |words: &[&str]| piece.begins_with(words);
    reaches_objects_of_the_server(piece)
        || begins(&["ALTER", "SYSTEM"])
        || begins(&["SET", "GLOBAL"])
        || begins(&["SET", "PERSIST"])
        || dialect == Dialect::MySql && ["USE", "GRANT", "REVOKE"].iter().any(|word| begins(&[*word]))
}

fn reaches_objects_of_the_server(piece: &Piece) -> bool {
    let mut words = piece.words.iter().map(String::as_str);
    let (first, second) =
        (words.next().unwrap_or_default(), words.find(|word| !["OR", "REPLACE"].contains(word)));
    let of_server = ["ROLE", "USER", "DATABASE", "TABLESPACE", "GROUP"];
    ["CREATE", "ALTER", "DROP"].contains(&first)
        && second.is_some_and(|second| of_server.contains(&second))
        && !piece.begins_with(&["CREATE", "USER", "MAPPING"])
}

/// What psql adds behind an error: where in the server's source it arose, from which file a password came, a question.
const ASIDES: &[&str] = &["LOCATION:", "password retrieved from file", "Is the server running"];

/// An answer whose last line of standard error is the client's reason.
fn without_asides(answer: &Answer) -> Answer {
    let stderr = String::from_utf8_lossy(&answer.stderr);
    let is_aside = |line: &&str| ASIDES.iter().any(|aside| line.trim_start().starts_with(aside));
    let kept: Vec<&str> = stderr.lines().filter(|line| !is_aside(line)).collect();
    Answer { stderr: kept.join("\n").into_bytes(), ..answer.clone() }
}

/// The failure of a client that has no word of the server to tell.
pub fn failed(database: &Database, container: Option<&str>, command: &Command, answer: &Answer) -> Failure {
    let answer = &without_asides(answer);
    let failure = refused(command, answer);
    let stderr = String::from_utf8_lossy(&answer.stderr);
    let client = match database.dialect {
        Dialect::Postgres => "psql",
        Dialect::MySql => "mariadb or mysql",
    };
    let missing = answer.status == 127 || stderr.contains(": not found");
    match container {
        _ if failure.hint.is_some() => failure,
        Some(container) if stderr.contains("No such container") || stderr.contains("is not running") => {
            failure.hint(format!("look at `docker ps -a`: the container {container} must run"))
        }
        Some(container) if missing => {
            failure.hint(format!("the container {container} has no {client}, or the host no docker"))
        }
        None if missing => {
            failure.hint(format!("install {client} on the host, or name the container that has it"))
        }
        None if stderr.contains("eer authentication failed") => {
            failure.hint("over a socket the system's user counts: set become_user to the role's name")
        }
        _ if stderr.contains("assword") || stderr.contains("ccess denied") => {
            failure.hint("check user and password in the database's URL; in them, write @ : / as %-codes")
        }
        _ => failure.hint("is the server up, and is the URL right as seen from there?"),
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect::{MySql, Postgres};
    use super::*;
    use crate::sql::split::statements;

    fn is(dialect: Dialect, rule: impl Fn(&Piece) -> bool, text: &str) -> bool {
        rule(&statements(dialect, text).unwrap()[0])
    }

    #[test]
    fn the_client_s_reason_is_shown_and_not_what_it_adds() {
        let database = Database::try_from("postgres://al:pw@db/app".to_string()).unwrap();
        let why = |stderr: &str| {
            let answer = Answer { status: 2, stderr: stderr.into(), ..Answer::default() };
            failed(&database, None, &Command::new(["psql"]), &answer).why
        };
        let refused = "psql: error: connection to server at \"db\", port 5432 failed: FATAL:  no such user";
        for aside in
            ["password retrieved from file \"/proc/self/fd/3\"", "LOCATION:  auth_failed, auth.c:326"]
        {
            assert_eq!(why(&format!("{refused}\n{aside}\n")), format!("exit status 2: {refused}"));
        }
        assert_eq!(why("refused\n\tIs the server running on that host?\n"), "exit status 2: refused");
    }

    #[test]
    fn some_statements_run_outside_of_transactions() {
        for (text, alone) in [
            ("create unique index concurrently i on t (a)", true),
            ("drop index concurrently i", true),
            ("reindex table concurrently t", true),
            ("alter table t detach partition p concurrently", true),
            ("vacuum full t", true),
            ("create database x", true),
            ("alter system set a = 1", true),
            ("create subscription s connection 'x' publication p", true),
            ("create index i on t (a)", false),
            ("refresh materialized view concurrently v", false),
            ("create role app", false),
            ("alter type t add value 'x'", false),
        ] {
            assert_eq!(is(Postgres, |piece| forbids_transaction(Postgres, piece), text), alone, "{text}");
        }
    }

    #[test]
    fn some_statements_are_transactions() {
        for (text, controls) in [
            ("begin", true),
            ("START TRANSACTION", true),
            ("commit", true),
            ("rollback", true),
            ("rollback to savepoint a", false),
            ("start slave", false),
            ("begin not atomic select 1", false),
        ] {
            assert_eq!(is(MySql, controls_transaction, text), controls, "{text}");
        }
    }

    #[test]
    fn some_statements_reach_beyond_the_database() {
        for (text, beyond) in [
            ("create role app", true),
            ("drop database x", true),
            ("alter user app set search_path = a", true),
            ("create or replace user a", true),
            ("create user mapping for a server b", false),
            ("create table role (a int)", false),
            ("grant select on t to app", false),
        ] {
            assert_eq!(is(Postgres, |piece| beyond_database(Postgres, piece), text), beyond, "{text}");
        }
        assert!(is(MySql, |piece| beyond_database(MySql, piece), "use other"));
        assert!(
            is(MySql, only_rows, "insert into t values (1)")
                && !is(MySql, only_rows, "create table t (a int)")
        );
    }
}
