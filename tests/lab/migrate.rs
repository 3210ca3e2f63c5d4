//! Incident 5 and what belongs to it, on hosts with PostgreSQL and MariaDB.

use crate::stage::contained;
use crate::stage::{Finished, Host, Lab, Project, Report};
use std::time::Duration;

/// It must appear nowhere.
const PASSWORD: &str = "Canary-7f3a:@/%";
const PASSWORD_IN_URL: &str = "Canary-7f3a%3A%40%2F%25";

/// A database of one test's own, and its role; both go with it.
struct Database<'a> {
    host: &'a Host,
    kind: Kind,
    name: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Postgres,
    MariaDb,
}

impl<'a> Database<'a> {
    fn postgres(host: &'a Host, name: &'static str) -> Self {
        let database = Database { host, kind: Kind::Postgres, name };
        database.remove();
        database.admin(&format!("CREATE ROLE {name} LOGIN CREATEDB PASSWORD '{PASSWORD}'"));
        database.admin(&format!("CREATE DATABASE {name} OWNER {name}"));
        database
    }

    fn mariadb(host: &'a Host, name: &'static str) -> Self {
        let database = Database { host, kind: Kind::MariaDb, name };
        database.remove();
        database.admin(&format!("CREATE DATABASE {name}"));
        database.admin(&format!("CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'"));
        database.admin(&format!("GRANT ALL ON {name}.* TO {name}@'%'"));
        database.admin(&format!("GRANT ALL ON `windlass_try_%`.* TO {name}@'%'"));
        database
    }

    /// Its URL as applications have it.
    fn url(&self) -> String {
        let name = self.name;
        match self.kind {
            Kind::Postgres => format!("postgres://{name}:{PASSWORD_IN_URL}@127.0.0.1/{name}"),
            Kind::MariaDb => format!("mysql://{name}:{PASSWORD_IN_URL}@127.0.0.1:3306/{name}"),
        }
    }

    /// What a query says, as the database's own administrator.
    #[track_caller]
    fn says(&self, query: &str) -> String {
        self.host.write("/tmp/migrate-query", query);
        match self.kind {
            Kind::Postgres => {
                self.host.must(&format!("su postgres -c 'psql -qAtX {} </tmp/migrate-query'", self.name))
            }
            Kind::MariaDb => self.host.must(&format!("mariadb -N {} </tmp/migrate-query", self.name)),
        }
    }

    fn admin(&self, statement: &str) {
        self.host.write("/tmp/migrate-query", statement);
        match self.kind {
            Kind::Postgres => {
                self.host.must("su postgres -c 'psql -qX -v ON_ERROR_STOP=1 </tmp/migrate-query'")
            }
            Kind::MariaDb => self.host.must("mariadb </tmp/migrate-query"),
        };
    }

    fn remove(&self) {
        let name = self.name;
        match self.kind {
            Kind::Postgres => {
                self.admin(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                self.admin(&format!("DROP ROLE IF EXISTS {name}"));
            }
            Kind::MariaDb => {
                self.admin(&format!("DROP DATABASE IF EXISTS {name}"));
                self.admin(&format!("DROP USER IF EXISTS {name}@'%'"));
            }
        }
    }

    /// The record: number, state and how many times it is there.
    fn record(&self) -> String {
        self.says("SELECT concat(version, ' ', state) FROM windlass_migrations ORDER BY version")
    }

    /// Copies that a try left behind.
    fn copies(&self) -> String {
        match self.kind {
            Kind::Postgres => {
                self.says("SELECT datname FROM pg_database WHERE datname LIKE 'windlass_try_%'")
            }
            Kind::MariaDb => self.says("SHOW DATABASES LIKE 'windlass_try_%'"),
        }
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.remove();
        }
    }
}

/// A project with these migrations.
fn project(lab: &Lab, files: &[(&str, &str)]) -> Project {
    let project = Project::new(lab);
    for (name, text) in files {
        project.write(&format!("files/migrations/{name}"), text);
    }
    project
}

/// The shipped playbook on a database whose URL is in the environment.
fn migrate(project: &Project, url: &str, more: &str) -> Report {
    migrate_on(project, "full3", url, more)
}

fn migrate_on(project: &Project, hosts: &str, url: &str, more: &str) -> Report {
    Report::read(crate::stage::finish(command(project, hosts, url, more).args(["--output", "jsonl"])))
}

fn command(project: &Project, hosts: &str, url: &str, more: &str) -> std::process::Command {
    let line =
        format!("run playbook migrate --hosts {hosts} -e dir=migrations -e database=env:DATABASE_URL {more}");
    let mut command = project.command();
    command.env("DATABASE_URL", url).args(line.split_whitespace());
    command
}

const ACCOUNTS: &[(&str, &str)] = &[
    ("001_accounts.sql", "CREATE TABLE accounts (id integer PRIMARY KEY, state varchar(20));\n"),
    (
        "002_people.sql",
        "-- who they are\nINSERT INTO accounts VALUES (1, 'new');\nINSERT INTO accounts VALUES (2, 'old');\n",
    ),
    ("README.md", "not SQL"),
];

/// A site that answers as long as its table is there.
const SITE: &str = r#"
const { execFile } = require('child_process');
require('http').createServer((request, response) => {
    execFile('su', ['postgres', '-c', 'psql -qAtX migrate_incident -c "SELECT count(*) FROM accounts"'], (error, count) => {
        response.writeHead(error ? 502 : 200);
        response.end(error ? 'Not found\n' : count);
    });
}).listen(3977, '127.0.0.1');
"#;

#[test]
fn a_site_without_its_tables_gets_them() {
    let lab = Lab::get();
    let host = lab.host("full3");
    let database = Database::postgres(&host, "migrate_incident");
    let project = project(&lab, ACCOUNTS);
    host.write("/tmp/migrate-site.js", SITE);
    host.must("systemctl reset-failed migrate-site 2>/dev/null; systemctl stop migrate-site 2>/dev/null; systemd-run --unit migrate-site node /tmp/migrate-site.js");
    let health = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:3977/";
    host.await_success(&format!("[ $({health}) = 502 ]"), Duration::from_secs(30));

    let check = migrate(&project, &database.url(), "--check").exits(0);
    assert_eq!(host.must(health), "502", "--check changes nothing");
    let changes =
        |report: &Report| report.step("full3", "the database has its migrations")["changes"].clone();
    assert_eq!(
        changes(&check),
        serde_json::json!([
            "run migration 001_accounts.sql on migrate_incident on 127.0.0.1",
            "run migration 002_people.sql on migrate_incident on 127.0.0.1"
        ])
    );
    assert_eq!(check.outcomes("full3"), ["would_change"]);

    let apply = migrate(&project, &database.url(), "").exits(0);
    assert_eq!((apply.outcomes("full3"), changes(&apply)), (vec!["changed"], changes(&check)));
    assert_eq!(
        (host.must(health).as_str(), host.must("curl -s http://127.0.0.1:3977/").as_str()),
        ("200", "2")
    );
    assert_eq!(database.record(), "1 applied\n2 applied");
    let run = project.export()["run"].as_str().map(str::to_string);
    let recorded =
        database.says("SELECT DISTINCT run FROM windlass_migrations WHERE finished_at >= started_at");
    assert_eq!(Some(recorded), run);

    for more in ["", "--check", "-e try_on_clone=true"] {
        assert_eq!(migrate(&project, &database.url(), more).exits(0).outcomes("full3"), ["ok"], "{more}");
    }
    host.must("systemctl stop migrate-site");
}

/// 003 as it was first written, and as it has to be.
const CONSTRAINT: &str =
    "ALTER TABLE accounts ADD CONSTRAINT state_known CHECK (state IN ('new', 'closed'));\n";
const MAPPED: &str = "UPDATE accounts SET state = 'closed' WHERE state = 'old';\n";

#[test]
fn a_copy_fails_in_place_of_the_database() {
    let lab = Lab::get();
    let host = lab.host("full3");
    for database in [Database::postgres(&host, "migrate_copy"), Database::mariadb(&host, "migrate_copy")] {
        let project = project(&lab, ACCOUNTS);
        migrate(&project, &database.url(), "").exits(0);
        project.write("files/migrations/003_states.sql", format!("\n{CONSTRAINT}"));
        let before = database.says("SELECT * FROM windlass_migrations");

        let report = migrate(&project, &database.url(), "-e try_on_clone=true").exits(2);
        let failure = report.failure("full3");
        let code =
            if database.kind == Kind::Postgres { "SQLSTATE 23514" } else { "SQLSTATE 23000, error 4025" };
        for part in
            [code, "state_known", "statement 1, 003_states.sql:2: ALTER TABLE accounts", "this was the copy"]
        {
            assert!(failure.contains(part), "{part}: {failure}");
        }
        assert_eq!(
            database.says("SELECT * FROM windlass_migrations"),
            before,
            "the database was not touched"
        );
        assert_eq!(database.copies(), "");

        project.write("files/migrations/003_states.sql", format!("{MAPPED}{CONSTRAINT}"));
        let check = migrate(&project, &database.url(), "-e try_on_clone=true --check").exits(0);
        assert_eq!(database.says("SELECT * FROM windlass_migrations"), before);
        let apply = migrate(&project, &database.url(), "-e try_on_clone=true").exits(0);
        assert_eq!(
            (check.outcomes("full3"), apply.outcomes("full3")),
            (vec!["would_change"], vec!["changed"])
        );
        assert_eq!(
            (database.record().as_str(), database.copies().as_str()),
            ("1 applied\n2 applied\n3 applied", "")
        );
    }
}

#[test]
fn a_transaction_that_fails_leaves_its_error_and_nothing_else() {
    let lab = Lab::get();
    let host = lab.host("full3");
    let database = Database::postgres(&host, "migrate_whole");
    let project = project(&lab, ACCOUNTS);
    project.write(
        "files/migrations/002_people.sql",
        "CREATE TABLE people (id int);\nSELECT *\n  FROM nobody;\n",
    );

    let failure = migrate(&project, &database.url(), "").exits(2).failure("full3");
    assert!(failure.contains("relation \"nobody\" does not exist (SQLSTATE 42P01), in statement 2, 002_people.sql:2: SELECT * FROM nobody"), "{failure}");
    assert_eq!(database.record(), "1 applied\n2 failed");
    assert!(database.says("SELECT error FROM windlass_migrations WHERE version = '2'").contains("42P01"));
    assert_eq!(database.says("SELECT to_regclass('people') IS NULL"), "t");

    project.write(
        "files/migrations/002_people.sql",
        "CREATE TABLE people (id int);\nCREATE INDEX CONCURRENTLY i ON people (id);\n",
    );
    migrate(&project, &database.url(), "").exits(0);
    assert_eq!(database.record(), "1 applied\n2 applied");
}

#[test]
fn a_dirty_file_is_resolved_with_the_command_that_is_shown() {
    let lab = Lab::get();
    let host = lab.host("full3");
    let database = Database::mariadb(&host, "migrate_dirty");
    let project = project(&lab, ACCOUNTS);
    let half =
        "CREATE TABLE half (id int);\nALTER TABLE nothing ADD COLUMN x int;\nCREATE TABLE rest (id int);\n";
    project.write("files/migrations/003_half.sql", half);
    project.write("files/migrations/004_after.sql", "CREATE TABLE afterwards (id int);\n");

    let first = migrate(&project, &database.url(), "").exits(2).failure("full3");
    let second = migrate(&project, &database.url(), "").exits(2).failure("full3");
    for failure in [&first, &second] {
        for part in ["half applied (dirty)", "003_half.sql:2: ALTER TABLE nothing", "42S02"] {
            assert!(failure.contains(part), "{part}: {failure}");
        }
    }
    assert_eq!(database.record(), "1 applied\n2 applied\n3 dirty");
    assert_eq!(database.says("SELECT statement FROM windlass_migrations WHERE state = 'dirty'"), "2");

    // The wrong file is mended and its half is rolled back; then the command of the error is typed, word for word.
    database.says("DROP TABLE half");
    project.write("files/migrations/003_half.sql", half.replace("nothing ADD", "accounts ADD"));
    let retried = typed(&project, &database, &second, "retry:3");
    assert_eq!(retried.code, 0, "{retried:?}");
    assert_eq!(database.record(), "1 applied\n2 applied\n3 applied\n4 applied");
    assert_eq!(migrate(&project, &database.url(), "").exits(0).outcomes("full3"), ["ok"]);

    // And the other way: the rest is done by hand.
    project.write("files/migrations/005_half.sql", "CREATE TABLE five (id int);\nDROP TABLE nothing;\n");
    let failure = migrate(&project, &database.url(), "").exits(2).failure("full3");
    let settled = typed(&project, &database, &failure, "applied:5");
    assert_eq!(settled.code, 0, "{settled:?}");
    assert!(database.record().ends_with("5 applied"));
}

/// Types the line of a hint that ends in `resolve`.
fn typed(project: &Project, database: &Database, failure: &str, resolve: &str) -> Finished {
    let line = failure.lines().find(|line| line.contains(resolve)).unwrap_or_else(|| panic!("{failure}"));
    let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != "once").collect();
    assert_eq!(words[0], "windlass", "{line}");
    let mut command = project.command();
    // The record knows where the secret is and not what it is; a person still has it in the environment.
    command.env("DATABASE_URL", database.url()).args(&words[1..]);
    crate::stage::finish(&mut command)
}

#[test]
fn disorder_is_refused_and_an_existing_database_is_taken_over() {
    let lab = Lab::get();
    let host = lab.host("full3");
    for database in [Database::postgres(&host, "migrate_order"), Database::mariadb(&host, "migrate_order")] {
        let project = project(&lab, ACCOUNTS);
        let url = database.url();
        let run = |more: &str| migrate(&project, &url, more);
        database.says("CREATE TABLE accounts (id integer PRIMARY KEY, state varchar(20))");
        if database.kind == Kind::Postgres {
            database.says("ALTER TABLE accounts OWNER TO migrate_order");
            let failure = run("").exits(2).failure("full3");
            assert!(failure.contains("42P07") && failure.contains("set baseline to its number"), "{failure}");
        }
        let check = run("-e baseline=001 --check").exits(0);
        let apply = run("-e baseline=001").exits(0);
        assert_eq!(check.steps("full3"), [("the database has its migrations", "would_change")]);
        assert_eq!(apply.outcomes("full3"), ["changed"]);
        assert_eq!(database.record(), "1 baseline\n2 applied");

        project.write("files/migrations/002_people.sql", "SELECT 1;\n");
        let failure = run("").exits(2).failure("full3");
        assert!(failure.contains("look at 002_people.sql: it was applied with the checksum "), "{failure}");
        assert!(failure.contains("-e resolve=applied:2"), "{failure}");
        run("-e resolve=applied:2").exits(0);
        assert_eq!(run("").exits(0).outcomes("full3"), ["ok"]);

        project.write("files/migrations/004_four.sql", "CREATE TABLE four (id int);\n");
        run("").exits(0);
        project.write("files/migrations/003_three.sql", "CREATE TABLE three (id int);\n");
        let failure = run("").exits(2).failure("full3");
        assert!(
            failure.contains("003_three.sql: it was never applied, and 4, which comes after it, was"),
            "{failure}"
        );
        run("-e out_of_order=true").exits(0);
        assert_eq!(database.record(), "1 baseline\n2 applied\n3 applied\n4 applied");
    }
}

#[test]
fn two_controllers_apply_each_file_once() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full3", "full2"]);
    let database = Database::postgres(&hosts[0], "migrate_race");
    let slow: &[(&str, &str)] = &[
        (
            "001_slow.sql",
            "CREATE TABLE applied (file int);\nSELECT pg_sleep(2);\nINSERT INTO applied VALUES (1);\n",
        ),
        ("002_more.sql", "INSERT INTO applied VALUES (2);\nSELECT pg_sleep(1);\n"),
    ];
    // One database for both hosts: full3's listens to full2 for as long as this takes.
    let config = "/etc/postgresql/15/main/conf.d/migrate.conf";
    hosts[0].write(config, "listen_addresses = '*'\n");
    hosts[0].must("cp -p /etc/postgresql/15/main/pg_hba.conf /tmp/migrate-hba; echo 'host migrate_race migrate_race all scram-sha-256' >>/etc/postgresql/15/main/pg_hba.conf; systemctl restart postgresql");
    let url = database.url().replace("127.0.0.1", &hosts[0].address);

    let projects = [project(&lab, slow), project(&lab, slow)];
    let start = |project: &Project, host: &str| {
        let mut command = command(project, host, &url, "--output jsonl");
        std::thread::spawn(move || Report::read(crate::stage::finish(&mut command)))
    };
    let running = [start(&projects[0], "full3"), start(&projects[1], "full2")];
    let report = running.map(|run| run.join().expect("it ends"));
    let rows = database.says("SELECT string_agg(file::text, ' ' ORDER BY file) FROM applied");
    let record = database.record();

    hosts[0].must(&format!("rm {config}; cp -p /tmp/migrate-hba /etc/postgresql/15/main/pg_hba.conf; systemctl restart postgresql"));
    assert_eq!((report[0].code, report[1].code), (0, 0), "{report:#?}");
    assert_eq!((rows.as_str(), record.as_str()), ("1 2", "1 applied\n2 applied"));
    let mut outcomes = [report[0].outcome("full3"), report[1].outcome("full2")];
    outcomes.sort();
    assert!(outcomes.contains(&"changed"), "{outcomes:?}");
}

#[test]
fn two_projects_on_one_host_apply_each_file_once() {
    let lab = Lab::get();
    let host = lab.host("full3");
    let database = Database::mariadb(&host, "migrate_two");
    let slow: &[(&str, &str)] = &[
        (
            "001_slow.sql",
            "CREATE TABLE applied (file int);\nSELECT sleep(2);\nINSERT INTO applied VALUES (1);\n",
        ),
        ("002_more.sql", "INSERT INTO applied VALUES (2);\n"),
    ];
    let projects = [project(&lab, slow), project(&lab, slow)];
    let url = database.url();
    let running = [&projects[0], &projects[1]].map(|project| {
        let mut command = command(project, "full3", &url, "--output jsonl");
        std::thread::spawn(move || Report::read(crate::stage::finish(&mut command)))
    });
    let report = running.map(|run| run.join().expect("it ends"));
    assert!(report.iter().any(|report| report.code == 0), "{report:#?}");
    // The host has one lock: the other run reports it, or comes afterwards and finds the work done.
    for project in &projects {
        assert_eq!(migrate(project, &url, "").exits(0).outcomes("full3"), ["ok"]);
    }
    assert_eq!(database.says("SELECT group_concat(file ORDER BY file) FROM applied"), "1,2");
}

#[test]
fn a_database_in_a_container_is_migrated_there() {
    let lab = Lab::get();
    let host = lab.host("full3");
    for database in [&contained::POSTGRES, &contained::MARIADB] {
        contained::start(&host, database);
        let url = database.url;
        let project = project(&lab, ACCOUNTS);

        let missing = migrate(&project, url, "-e container=nobody").exits(2).failure("full3");
        assert!(missing.contains("the container nobody must run"), "{missing}");
        let check = migrate(&project, url, "-e container=contained-db -e try_on_clone=true --check").exits(0);
        let apply = migrate(&project, url, "-e container=contained-db -e try_on_clone=true").exits(0);
        assert_eq!(
            (check.outcomes("full3"), apply.outcomes("full3")),
            (vec!["would_change"], vec!["changed"])
        );
        let ask = |query: &str| contained::ask(&host, database, query);
        assert_eq!(ask("SELECT count(*) FROM accounts;"), "2");
        assert_eq!(ask("SELECT count(*) FROM windlass_migrations WHERE run <> '';"), "2");
        assert_eq!(migrate(&project, url, "-e container=contained-db").exits(0).outcomes("full3"), ["ok"]);
        host.must("docker rm -f contained-db");
    }
}

#[test]
fn a_lock_that_is_held_is_waited_for_and_then_reported() {
    let lab = Lab::get();
    let host = lab.host("full3");
    for database in [Database::postgres(&host, "migrate_held"), Database::mariadb(&host, "migrate_held")] {
        let (client, held) = match database.kind {
            Kind::Postgres => (
                "psql -qX migrate_held",
                "SELECT pg_advisory_lock(1464421956, hashtext('public.windlass_migrations')); CREATE TABLE held (x int);",
            ),
            Kind::MariaDb => (
                "mariadb migrate_held",
                "SELECT GET_LOCK(CONCAT('windlass:', SHA1(CONCAT(DATABASE(), 'windlass_migrations'))), 0); CREATE TABLE held (x int);",
            ),
        };
        // In short sleeps: a server notices only between two statements that its client is gone.
        let sleep =
            if database.kind == Kind::Postgres { "SELECT pg_sleep(1);\n" } else { "SELECT sleep(1);\n" };
        host.write("/tmp/migrate-held", format!("{held}\n{}", sleep.repeat(120)));
        let user = if database.kind == Kind::Postgres { "postgres" } else { "root" };
        host.must(&format!(
            "systemctl stop migrate-held 2>/dev/null; systemd-run -q --unit migrate-held --uid {user} sh -c '{client} </tmp/migrate-held'"
        ));
        let tables = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'held'";
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while database.says(tables) != "1" {
            assert!(std::time::Instant::now() < deadline, "nobody holds the lock");
        }
        let project = project(&lab, ACCOUNTS);
        let failure = migrate(&project, &database.url(), "-e lock_timeout=1s").exits(2).failure("full3");
        assert!(
            failure.contains("another run holds the lock: wait, or give a longer lock_timeout"),
            "{failure}"
        );
        host.must("systemctl stop migrate-held");
        assert_eq!(migrate(&project, &database.url(), "").exits(0).outcomes("full3"), ["changed"]);
    }
}

#[test]
fn a_copy_that_an_interrupted_try_left_is_made_anew() {
    let lab = Lab::get();
    let host = lab.host("full3");
    for database in [Database::postgres(&host, "migrate_left"), Database::mariadb(&host, "migrate_left")] {
        let slow =
            if database.kind == Kind::Postgres { "SELECT pg_sleep(3);\n" } else { "SELECT sleep(3);\n" };
        let project = project(&lab, &[("001_slow.sql", slow)]);
        let mut command = command(&project, "full3", &database.url(), "-e try_on_clone=true");
        let run = std::thread::spawn(move || crate::stage::finish(&mut command));
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        let copy = loop {
            match database.copies() {
                none if none.is_empty() => assert!(std::time::Instant::now() < deadline, "no copy was made"),
                copy => break copy,
            }
        };
        assert_eq!(run.join().expect("it ends").code, 0);
        assert_eq!(database.copies(), "");

        // What a host that lost power in the middle has: the copy, half done.
        let owner = if database.kind == Kind::Postgres { " OWNER migrate_left" } else { "" };
        database.admin(&format!("CREATE DATABASE {copy}{owner}"));
        project.write("files/migrations/002_more.sql", ACCOUNTS[0].1);
        migrate(&project, &database.url(), "-e try_on_clone=true").exits(0);
        assert_eq!((database.copies().as_str(), database.record().as_str()), ("", "1 applied\n2 applied"));
    }
}

#[test]
fn another_tool_does_the_work_under_the_lock() {
    let lab = Lab::get();
    let host = lab.host("full3");
    for database in [Database::postgres(&host, "migrate_tool"), Database::mariadb(&host, "migrate_tool")] {
        let project = project(&lab, &[("schema.prisma", "model one"), ("0_init/migration.sql", "SELECT 1;")]);
        let tool = "test -n \"$DATABASE_URL\" || exit 9\necho ran >>/srv/migrate-tool/runs\n[ ! -e /srv/migrate-tool/fail ]\n";
        host.must("rm -rf /srv/migrate-tool; mkdir -p /srv/migrate-tool");
        host.write("/srv/migrate-tool/tool.sh", tool);
        let url = database.url();
        let run_tool = |tool: &str, more: &str| {
            let mut command = command(&project, "full3", &url, more);
            command.args([
                "-e",
                &format!("command={tool}"),
                "-e",
                "directory=/srv/migrate-tool",
                "--output",
                "jsonl",
            ]);
            Report::read(crate::stage::finish(&mut command))
        };
        let run = |more: &str| run_tool("sh tool.sh", more);
        assert_eq!(run("--check").exits(0).outcomes("full3"), ["would_change"]);
        assert_eq!(host.read("/srv/migrate-tool/runs"), None);
        assert_eq!(run("").exits(0).outcomes("full3"), ["changed"]);
        assert_eq!(run("").exits(0).outcomes("full3"), ["ok"]);
        assert_eq!(host.must("wc -l </srv/migrate-tool/runs"), "1");

        host.must("touch /srv/migrate-tool/fail");
        project.write("files/migrations/1_more/migration.sql", "SELECT 2;");
        let failed = run_tool("no-such-tool deploy", "").exits(2);
        assert!(failed.failure("full3").contains("no-such-tool: no such program"), "{failed:#?}");
        assert!(!database.record().contains("failed"), "nothing is recorded of it: {}", database.record());
        let shown = project.windlass(["runs", "show", &failed.run()]);
        assert!(!shown.stdout.contains("can be undone"), "it was never started: {shown:?}");
        assert!(run("").exits(2).failure("full3").contains("exit status 1"));
        assert!(database.record().contains("failed"), "{}", database.record());
        host.must("rm /srv/migrate-tool/fail");
        run("").exits(0);
        assert!(!database.record().contains("failed"), "{}", database.record());
    }
    host.must("rm -r /srv/migrate-tool");
}

#[test]
fn a_password_is_seen_nowhere() {
    let lab = Lab::get();
    let host = lab.host("full3");
    host.forget_windlass();
    for database in [Database::postgres(&host, "migrate_secret"), Database::mariadb(&host, "migrate_secret")]
    {
        let slow =
            if database.kind == Kind::Postgres { "SELECT pg_sleep(2);\n" } else { "SELECT sleep(2);\n" };
        let project =
            project(&lab, &[("001_slow.sql", slow), ("002_wrong.sql", "SELECT wrong FROM nowhere;\n")]);
        // Arguments and environments of every process there, as root sees them, while it runs.
        host.must("rm -f /tmp/migrate-seen /tmp/migrate-done; systemd-run --unit migrate-look sh -c 'for i in $(seq 600); do [ ! -e /tmp/migrate-done ] || break; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr \"\\0\" \"\\n\"; sleep 0.1; done >/tmp/migrate-seen'");
        let mut command = command(&project, "full3", &database.url(), "--diff -v");
        let finished = crate::stage::finish(&mut command);
        host.must("touch /tmp/migrate-done");
        host.await_success("! systemctl is-active migrate-look", Duration::from_secs(60));
        assert_eq!(finished.code, 2, "{finished:?}");

        let mut seen = format!("{finished:?}{}", project.export());
        for folder in ["/tmp/migrate-seen", "/var/lib/windlass", "/tmp"] {
            seen += &host
                .sh(&format!("grep -rl -e Canary-7f3a {folder} --include='*' --exclude=migrate-query"))
                .stdout;
        }
        seen += &project.windlass(["runs", "show", "last"]).stdout;
        assert!(
            host.must("cat /tmp/migrate-seen").contains("windlass_migrations"),
            "the client was looked at"
        );
        assert!(!seen.contains("Canary"), "{seen}");
        assert!(!seen.contains("migrate-seen"), "{seen}");
    }
}

#[test]
fn sql_is_asked_and_reported() {
    let lab = Lab::get();
    let host = lab.host("full3");
    for database in [Database::postgres(&host, "migrate_sql"), Database::mariadb(&host, "migrate_sql")] {
        database.says("CREATE TABLE sessions (id int, note varchar(20)); INSERT INTO sessions VALUES (1, NULL), (2, 'a\tb')");
        if database.kind == Kind::Postgres {
            database.says("ALTER TABLE sessions OWNER TO migrate_sql");
        }
        let project = Project::new(&lab);
        let playbook = format!(
            "[[steps]]\nregister = 'before'\n[steps.sql]\ndatabase = '{url}'\nquery = 'SELECT id, note FROM sessions ORDER BY id'\nread_only = true\n\
             [[steps]]\nname = 'old ones go'\n[steps.sql]\ndatabase = '{url}'\nquery = 'DELETE FROM sessions WHERE id < 2; SELECT 1'\n\
             unless = 'SELECT count(*) = 0 FROM sessions WHERE id < 2'\n\
             [[steps]]\n[steps.debug]\nmessage = '{{{{ before.value }}}} {{{{ before.rows[-1].note }}}}'\n",
            url = database.url()
        );
        let check = project.play(&playbook, "full3", "--check").exits(0);
        assert_eq!(check.outcomes("full3"), ["ok", "would_change", "ok"]);
        assert_eq!(database.says("SELECT count(*) FROM sessions"), "2");
        let apply = project.play(&playbook, "full3", "").exits(0);
        assert_eq!(apply.outcomes("full3"), ["ok", "changed", "ok"]);
        assert!(format!("{apply:?}").contains(r"1 a\tb"), "{apply:?}");
        assert_eq!(database.says("SELECT count(*) FROM sessions"), "1");
        assert_eq!(project.play(&playbook, "full3", "").exits(0).outcomes("full3"), ["ok", "ok", "ok"]);

        let write = format!(
            "[[steps]]\n[steps.sql]\ndatabase = '{}'\nquery = 'DELETE FROM sessions'\nread_only = true\n",
            database.url()
        );
        let failure = project.play(&write, "full3", "").exits(2).failure("full3");
        assert!(failure.to_lowercase().contains("read-only") || failure.contains("READ ONLY"), "{failure}");
        assert_eq!(database.says("SELECT count(*) FROM sessions"), "1");
    }
}
