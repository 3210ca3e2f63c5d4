//! Migrations over a pretended host: what is recorded, what is asked, what is run.

use super::*;
use crate::model::op::Command;
use crate::system::pretend::Pretend;
use crate::testing::{answer, answer_to, apply, host, parse, planned, pretend_a_change};
use expect_test::expect;

const POSTGRES: &str = "postgres://al:hunter2@db/app";
const MARIADB: &str = "mysql://al:hunter2@db/app";

const FILES: &[(&str, &str)] = &[
    ("001_users.sql", "BEGIN;\ncreate table users (id int);\nCOMMIT;\n"),
    ("002_index.sql", "-- first\ncreate index concurrently i on users (id);\nselect 1;\n"),
    ("003_rows.up.sql", "insert into users values (1);\n"),
    ("003_rows.down.sql", "delete from users;\n"),
];

/// The keys of a step with these files.
fn keys(url: &str, files: &[(&str, &str)], more: &str) -> String {
    let files: Vec<String> =
        files.iter().map(|(name, text)| format!("{{ name = {name:?}, text = {text:?} }}")).collect();
    format!("dir = [{}]\ndatabase = '{url}'\n{more}", files.join(", "))
}

fn step(url: &str, files: &[(&str, &str)], more: &str) -> Migrate {
    toml::from_str(&keys(url, files, more)).unwrap()
}

/// The words of the question for the record.
fn question(url: &str) -> Vec<String> {
    let step = step(url, FILES, "");
    record::question(&Client { database: &step.database, container: None, user: None }, &step.table).argv
}

/// A host whose database has these rows: `1 applied`; their checksums are those of [`FILES`].
fn database(url: &str, rows: &[&str]) -> Pretend<'static> {
    let separator = if url == POSTGRES { "\u{1f}" } else { "\t" };
    let schema = if url == POSTGRES { "public" } else { "" };
    let files = step(url, FILES, "").files().unwrap();
    let mut lines = vec![["server", schema, "1000", ""].join(separator)];
    for row in rows {
        let (version, state) = row.split_once(' ').unwrap();
        let file = files.iter().find(|file| file.version.as_str() == version);
        let checksum = file.map_or("0123456789ab", File::short);
        lines.push(["row", version, checksum, state, "2", "ERROR 1 (2) at line 3: no"].join(separator));
    }
    let host = host(&[]);
    answer_to(&host, question(url), 0, &(lines.join("\n") + "\n"));
    host
}

fn refused(host: &Pretend<'_>, keys: &str) -> String {
    planned(host, "migrate", keys).unwrap_err().to_string()
}

/// What a client would read, on fewer lines and without what comes before every script.
fn script(url: &str, file: usize) -> String {
    let step = step(url, FILES, "");
    let files = step.files().unwrap();
    let text = step.scripts().all(&[&files[file]]).text;
    let start = text.find("state <> 'failed'").unwrap();
    text[start..]
        .replace("\n;\n", ";\n")
        .replace("\n;;windlass;;\n", ";\n")
        .replace(&files[file].checksum, "CHECKSUM")
}

#[test]
fn what_is_pending_is_applied_in_order_and_then_nothing_is() {
    for url in [POSTGRES, MARIADB] {
        let host = database(url, &["1 applied"]);
        let told = apply(&host, "migrate", &keys(url, FILES, "")).unwrap();
        assert_eq!(
            told,
            "run migration 002_index.sql on app on db\nrun migration 003_rows.up.sql on app on db\n"
        );
        assert_eq!(apply(&host, "migrate", &keys(url, FILES, "")).unwrap(), "");
    }
}

#[test]
fn what_was_refused_whole_is_pending_again() {
    let host = database(POSTGRES, &["1 baseline", "2 applied", "3 failed"]);
    let told = planned(&host, "migrate", &keys(POSTGRES, FILES, "")).unwrap();
    assert_eq!(told, "run migration 003_rows.up.sql on app on db\n");
}

#[test]
fn a_file_and_its_row_are_one_transaction() {
    expect![[r#"
        state <> 'failed') > 0 AS windlass_done \gset
        \if :windlass_done
        DO $$ BEGIN RAISE EXCEPTION 'windlass: already applied'; END $$;
        \endif
        START TRANSACTION;
        DELETE FROM "windlass_migrations" WHERE version = '1' AND state = 'failed';
        create table users (id int);
        INSERT INTO "windlass_migrations" (version, name, checksum, state, finished_at, run) VALUES ('1', '001_users.sql', 'CHECKSUM', 'applied', clock_timestamp(), :'windlass_run');
        COMMIT;
        DISCARD ALL;
    "#]]
    .assert_eq(&script(POSTGRES, 0));
}

#[test]
fn what_cannot_be_in_one_is_applied_step_by_step() {
    for (url, file) in [(POSTGRES, 1), (MARIADB, 1)] {
        let text = script(url, file);
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
        assert!(at("'dirty', NULL") < at("SET statement = 1"), "{text}");
        assert!(at("SET statement = 1") < at("create index concurrently i"), "{text}");
        assert!(at("create index concurrently i") < at("SET statement = 2"), "{text}");
        assert!(at("select 1") < at("SET state = 'applied'"), "{text}");
        assert!(!text.contains("START TRANSACTION"), "{text}");
    }
    assert!(script(MARIADB, 2).contains("START TRANSACTION"), "rows alone can be taken back");
    let alone = step(POSTGRES, &[("1_a.sql", "-- windlass: no-transaction\nselect 1;")], "");
    let files = alone.files().unwrap();
    assert!(alone.scripts().all(&[&files[0]]).text.contains("'dirty', NULL"));
}

#[test]
fn a_dirty_file_stops_everything_and_says_what_to_type() {
    let host = database(MARIADB, &["1 applied", "2 dirty"]);
    let told = refused(&host, &keys(MARIADB, FILES, ""));
    expect![[r#"
        look at migration 002_index.sql of app on db: it is half applied (dirty): it stopped at statement 2 of 2, 002_index.sql:3: select 1: ERROR 1 (2) at line 3: no
          hint: find out what of it is in the database, then type one of these two:
            windlass runs retry last -e resolve=retry:2     once all that it did is undone by hand: it runs again
            windlass runs retry last -e resolve=applied:2   once all that it should do is done by hand"#]]
    .assert_eq(&told);
}

#[test]
fn a_person_settles_what_is_dirty() {
    for (resolve, told) in [
        (
            "retry:002",
            "run record of app on db: 002_index.sql is to be run again\nrun migration 002_index.sql on app on db\nrun migration 003_rows.up.sql on app on db\n",
        ),
        (
            "applied:2",
            "run record of app on db: 002_index.sql is marked as applied\nrun migration 003_rows.up.sql on app on db\n",
        ),
    ] {
        let host = database(MARIADB, &["1 applied", "2 dirty"]);
        let keys = keys(MARIADB, FILES, &format!("resolve = '{resolve}'"));
        assert_eq!(apply(&host, "migrate", &keys).unwrap(), told);
        assert_eq!(apply(&host, "migrate", &keys).unwrap(), "", "what is settled stays so");
    }
}

#[test]
fn a_changed_file_and_a_late_one_are_refused() {
    let host = database(POSTGRES, &["1 applied", "3 applied"]);
    let late = refused(&host, &keys(POSTGRES, FILES, ""));
    assert_eq!(
        late,
        "look at 002_index.sql: it was never applied, and 3, which comes after it, was\n  hint: give it a number after the last one, or set out_of_order = true"
    );
    let told = planned(&host, "migrate", &keys(POSTGRES, FILES, "out_of_order = true")).unwrap();
    assert_eq!(told, "run migration 002_index.sql on app on db\n");

    let changed = [("001_users.sql", "create table people (id int);"), FILES[1], FILES[2]];
    let told = refused(&host, &keys(POSTGRES, &changed, ""));
    assert!(told.starts_with("look at 001_users.sql: it was applied with the checksum "), "{told}");
    let accepted = keys(POSTGRES, &changed, "resolve = 'applied:1'\nout_of_order = true");
    assert!(
        planned(&host, "migrate", &accepted)
            .unwrap()
            .starts_with("run record of app on db: 001_users.sql is marked as applied\n")
    );
}

#[test]
fn an_existing_database_is_taken_over_once() {
    let keys = keys(POSTGRES, FILES, "baseline = '002'");
    let host = database(POSTGRES, &[]);
    assert_eq!(
        apply(&host, "migrate", &keys).unwrap(),
        "run baseline of app on db: 2 files up to 002_index.sql\nrun migration 003_rows.up.sql on app on db\n"
    );
    let refused = database(POSTGRES, &["1 failed"]);
    assert!(planned(&refused, "migrate", &keys).unwrap().starts_with("run baseline of app on db: 2 files"));
    let recorded = database(POSTGRES, &["1 applied"]);
    assert_eq!(
        planned(&recorded, "migrate", &keys).unwrap(),
        "run migration 002_index.sql on app on db\nrun migration 003_rows.up.sql on app on db\n"
    );
}

#[test]
fn a_table_of_another_tool_is_refused() {
    let host = host(&[]);
    answer_to(
        &host,
        question(POSTGRES),
        0,
        "server\u{1f}public\u{1f}1\u{1f}\ncolumns\u{1f}version inserted_at\n",
    );
    expect![[r#"
        read windlass_migrations of app on db: another tool made this table: its columns are version inserted_at
          hint: name a table of windlass's own with the key table, and say with baseline what the database has already"#]]
    .assert_eq(&refused(&host, &keys(POSTGRES, FILES, "")));
}

#[test]
fn what_is_gone_is_reported() {
    let host = database(POSTGRES, &["1 applied", "2 applied", "3 applied", "4 applied"]);
    let plan = step(POSTGRES, FILES, "").plan(&host).unwrap();
    assert_eq!(plan.notes, ["recorded as applied, and not in the directory: 4"]);
    assert_eq!(serde_json::to_string(&plan.result).unwrap(), r#"{"version":"4","pending":[]}"#);
}

#[test]
fn after_pretended_changes_nobody_knows() {
    let host = database(POSTGRES, &["1 applied"]);
    pretend_a_change(&host);
    let told = planned(&host, "migrate", &keys(POSTGRES, FILES, "")).unwrap();
    assert_eq!(told, "wait until the record windlass_migrations on app on db succeeds\n");
}

#[test]
fn a_copy_is_tried_first_when_there_is_room() {
    let keys = keys("postgres://al@localhost/app", FILES, "try_on_clone = true");
    let step: Migrate = toml::from_str(&keys).unwrap();
    let client = Client { database: &step.database, container: None, user: None };
    let host = host(&[]);
    let argv = record::question(&client, &step.table).argv;
    answer_to(&host, argv, 0, "server\u{1f}public\u{1f}1000000\u{1f}/data\n");
    answer(
        &host,
        "df -Pk /data",
        0,
        "Filesystem 1024-blocks Used Available Capacity Mounted\n/dev/a 9 9 1024 9% /\n",
    );
    let told = planned(&host, "migrate", &keys).unwrap_err().to_string();
    assert_eq!(
        told,
        "make a copy of app on localhost: it would take 65 MiB, and /data has 1 MiB left\n  hint: free disk space, or migrate without try_on_clone"
    );
    answer(
        &host,
        "df -Pk /data",
        0,
        "Filesystem 1024-blocks Used Available Capacity Mounted\n/dev/a 9 9 102400 9% /\n",
    );
    let told = planned(&host, "migrate", &keys).unwrap();
    assert!(told.starts_with("run 3 migrations on a copy of app on localhost\nrun migration 001"), "{told}");
}

#[test]
fn what_reaches_beyond_a_copy_is_refused_before_anything_is_contacted() {
    let wrong = |url, text: &str, more: &str| {
        parse("migrate", &keys(url, &[("1_a.sql", text)], more)).err().unwrap().to_string()
    };
    for (url, text, more, why) in [
        (
            POSTGRES,
            "\ncreate role x;",
            "try_on_clone = true",
            "1_a.sql:2: create role x: this reaches beyond the database, so a copy cannot be tried with it",
        ),
        (
            MARIADB,
            "delete from app.users;",
            "try_on_clone = true",
            "1_a.sql:1: delete from app.users: this reaches beyond the database, so a copy cannot be tried with it",
        ),
        (MARIADB, "use other;", "", "1_a.sql:1: use other: the URL names the database"),
        (
            POSTGRES,
            "select 1; commit; select 2;",
            "",
            "1_a.sql:1: commit: each file is one transaction already; leave this out, or begin the file with `-- windlass: no-transaction`",
        ),
        (POSTGRES, "select 'a", "", "1_a.sql:1: the quote ' is not closed"),
    ] {
        assert_eq!(wrong(url, text, more), format!("read migrate.dir: {why}"));
    }
    assert_eq!(
        wrong(POSTGRES, "", "resolve = 'yes'"),
        "read migrate.resolve: \"yes\" is neither applied:NUMBER nor retry:NUMBER"
    );
    assert_eq!(
        wrong(POSTGRES, "", "table = 'a b'"),
        "read migrate.table: a table's name has letters, digits and _"
    );
    assert_eq!(
        wrong(POSTGRES, "", "status = 'x'"),
        "read migrate.status: it belongs to command, which is not given"
    );
    assert_eq!(
        wrong(POSTGRES, "", "command = 'x'\ntry_on_clone = true"),
        "read migrate.try_on_clone: command's tool keeps its own order: leave this out"
    );
}

#[test]
fn an_error_is_traced_to_its_statement() {
    let host = database(POSTGRES, &[]);
    let step = step(POSTGRES, FILES, "");
    let plan = step.plan(&host).unwrap();
    let Op::Run(run) = &plan.ops[0] else { panic!("{plan:?}") };
    let text = String::from_utf8(run.command.stdin.clone()).unwrap();
    // The first line is the password, which the script takes away.
    let line = text.lines().skip(1).position(|line| line.starts_with("create table")).unwrap() + 2;
    let stderr = format!("psql:<stdin>:{line}: ERROR:  42P07: relation \"users\" already exists\n");
    let answer = Answer { status: 3, stderr: stderr.into(), ..Answer::default() };
    assert_eq!(
        step.explain(run, &answer).unwrap().to_string(),
        "run migration 001_users.sql on app on db: relation \"users\" already exists (SQLSTATE 42P07), in statement 1, 001_users.sql:2: create table users (id int)\n  \
         hint: nothing of this file was applied; when the database had it before windlass knew it, set baseline to its number"
    );
}

#[test]
fn a_tool_is_run_when_its_folder_is_new() {
    let more = "command = 'npx prisma migrate deploy'\ndirectory = '/srv/app'\nenvironment = { A = 1 }";
    for url in [POSTGRES, MARIADB] {
        let host = database(url, &[]);
        let told = apply(&host, "migrate", &keys(url, FILES, more)).unwrap();
        assert_eq!(told, "run npx prisma migrate deploy with the lock of app on db\n");
        assert_eq!(apply(&host, "migrate", &keys(url, FILES, more)).unwrap(), "");
        let told = apply(&host, "migrate", &keys(url, &FILES[..1], more)).unwrap();
        assert_eq!(told, "run npx prisma migrate deploy with the lock of app on db\n");
    }
}

#[test]
fn a_tools_own_status_decides_where_there_is_one() {
    let keys = keys(POSTGRES, FILES, "command = 'deploy'\nstatus = 'is-done'");
    let host = database(POSTGRES, &[]);
    answer(&host, "is-done", 1, "");
    assert_eq!(apply(&host, "migrate", &keys).unwrap(), "run deploy with the lock of app on db\n");
    assert_eq!(apply(&host, "migrate", &keys).unwrap(), "");
}

#[test]
fn a_tool_that_is_not_there_has_not_been_started() {
    let more = "command = 'deploy now'\nstatus = 'is-done'";
    let host = database(POSTGRES, &[]);
    answer(&host, "is-done", 127, "");
    let failure = step(POSTGRES, FILES, more).plan(&host).unwrap_err();
    assert_eq!(failure.doing, "ask whether is-done has something to apply");
    answer(&host, "is-done", 1, "");
    let plan = step(POSTGRES, FILES, more).plan(&host).unwrap();
    let [Op::Run(run)] = &plan.ops[..] else { panic!("{plan:?}") };
    assert_eq!(run.command.program.as_deref(), Some("deploy"));
}

#[test]
fn no_argument_holds_the_password() {
    for more in ["", "command = 'deploy'"] {
        for url in [POSTGRES, MARIADB] {
            let plan = step(url, FILES, more).plan(&database(url, &[])).unwrap();
            for op in &plan.ops {
                let Op::Run(run) = op else { panic!("{op:?}") };
                let Command { argv, environment, stdin, .. } = &run.command;
                assert!(!format!("{argv:?}{environment:?}").contains("hunter2"));
                assert!(String::from_utf8_lossy(stdin).contains("hunter2"));
            }
        }
    }
}
