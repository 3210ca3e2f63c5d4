//! Databases, Redis and volumes: taken, destroyed, restored, compared.
#![expect(clippy::disallowed_methods, reason = "grep looks for what must not be there")]

use crate::stage::backups::{backup, fine, id, windlass};
use crate::stage::contained;
use crate::stage::{Host, Lab, Project, Stage};
use std::time::Duration;

const HOST: &str = "full3";

/// It must appear nowhere.
const PASSWORD: &str = "Canary-51ad@:/";
const PASSWORD_IN_URL: &str = "Canary-51ad%40%3A%2F";

/// What a query says, as PostgreSQL's administrator.
fn postgres(host: &Host, database: &str, sql: &str) -> String {
    host.write("/tmp/backup-query", sql);
    host.must(&format!("su postgres -c 'psql -qAtX -v ON_ERROR_STOP=1 {database} </tmp/backup-query'"))
}

fn mariadb(host: &Host, database: &str, sql: &str) -> String {
    host.write("/tmp/backup-query", sql);
    host.must(&format!("mariadb -N {database} </tmp/backup-query"))
}

/// A database with a table, whose owner is another than who restores it.
fn make_postgres(host: &Host, name: &str) {
    drop_postgres(host, name);
    postgres(host, "postgres", &format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"));
    postgres(host, "postgres", &format!("CREATE DATABASE {name} OWNER {name}"));
    let sql = "CREATE TABLE people (id int PRIMARY KEY, name text); INSERT INTO people SELECT n, 'p' || n FROM generate_series(1, 1000) n;";
    postgres(host, name, &format!("SET ROLE {name}; {sql}"));
}

fn drop_postgres(host: &Host, name: &str) {
    let like = format!("SELECT datname FROM pg_database WHERE datname LIKE '{name}%'");
    for database in postgres(host, "postgres", &like).lines() {
        postgres(host, "postgres", &format!("DROP DATABASE \"{database}\" WITH (FORCE)"));
    }
    postgres(host, "postgres", &format!("DROP ROLE IF EXISTS {name}"));
}

/// What must be the same afterwards.
fn look_at_postgres(host: &Host, name: &str) -> String {
    let owner = "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()";
    postgres(
        host,
        name,
        &format!(
            "{owner}; SELECT tableowner FROM pg_tables WHERE tablename = 'people'; SELECT count(*), md5(string_agg(name, ',' ORDER BY id)) FROM people"
        ),
    )
}

fn drop_mariadb(host: &Host, name: &str) {
    let like =
        format!("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '{name}%'");
    for database in mariadb(host, "", &like).lines() {
        mariadb(host, "", &format!("DROP DATABASE `{database}`"));
    }
}

fn make_mariadb(host: &Host, name: &str) {
    drop_mariadb(host, name);
    mariadb(host, "", &format!("CREATE DATABASE {name} CHARACTER SET latin1"));
    mariadb(
        host,
        name,
        "CREATE TABLE parents (id int PRIMARY KEY, name varchar(20)) CHARACTER SET utf8mb4; \
         CREATE TABLE children (id int PRIMARY KEY, parent int, picture blob, FOREIGN KEY (parent) REFERENCES parents (id)); \
         INSERT INTO parents VALUES (1, 'é😀'), (2, 'b'); INSERT INTO children VALUES (1, 1, x'00ff0a0d1a'), (2, 2, NULL);",
    );
}

fn look_at_mariadb(host: &Host, name: &str) -> String {
    mariadb(host, name, "CHECKSUM TABLE parents, children; SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = DATABASE(); SELECT hex(name) FROM parents; SELECT hex(picture) FROM children")
        .replace(name, "it")
}

fn no_canary(project: &Project, what: &str) {
    let found = crate::stage::finish(
        std::process::Command::new("grep").args(["-rl", "Canary-51ad"]).arg(project.path()),
    );
    assert_eq!(found.stdout, "", "{what}");
}

#[test]
fn postgres_goes_and_comes_back() {
    let Stage { host, project } = Stage::on(HOST);
    let name = "backup_pg";
    make_postgres(&host, name);
    let before = look_at_postgres(&host, name);
    let keys = format!(
        "postgres = [{{ database = \"{name}\", assertion = \"SELECT count(*) = 1000 FROM people\" }}, \
         {{ database = \"{name}\", format = \"plain\" }}]"
    );
    assert_eq!(project.play(&backup(&keys), HOST, "--check").exits(0).outcomes(HOST), ["would_change"]);
    project.play(&backup(&keys), HOST, "").exits(0);
    let id = id(&project);

    fine(windlass(&project, &format!("backups verify --restore {id}")));
    let like = format!("SELECT datname FROM pg_database WHERE datname LIKE '{name}%'");
    assert_eq!(postgres(&host, "postgres", &like), name, "the test's databases are gone");

    for part in ["postgres-backup_pg.dump", "postgres-backup_pg.sql"] {
        let line = format!("backups restore {id} --part {part} --yes");
        let refused = windlass(&project, &line);
        assert!(refused.code == 2 && refused.stdout.contains("is there already"), "{refused:?}");

        postgres(&host, "postgres", &format!("DROP DATABASE {name}"));
        fine(windlass(&project, &line));
        assert_eq!(look_at_postgres(&host, name), before, "{part}");

        // Somebody is connected, and something has changed since.
        postgres(&host, name, "DELETE FROM people WHERE id > 5");
        let spoiled = look_at_postgres(&host, name);
        host.must(&format!(
            "systemd-run --unit backup-client --property=User=postgres psql {name} -c 'SELECT pg_sleep(600)'"
        ));
        host.await_success(&format!("[ $(su postgres -c \"psql -qAtX -c \\\"SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND datname = '{name}'\\\"\") = 1 ]"), Duration::from_secs(30));
        fine(windlass(&project, &format!("{line} --replace")));
        assert_eq!(look_at_postgres(&host, name), before, "{part}");
        host.sh("systemctl reset-failed backup-client");
        fine(windlass(&project, "runs undo last"));
        assert_eq!(look_at_postgres(&host, name), spoiled, "{part}");
        assert_eq!(postgres(&host, "postgres", &like), name);

        fine(windlass(&project, &format!("{line} --to {name}_copy")));
        assert_eq!(look_at_postgres(&host, &format!("{name}_copy")).lines().last(), before.lines().last());
        postgres(&host, "postgres", &format!("DROP DATABASE {name}_copy"));
    }
    drop_postgres(&host, name);
}

#[test]
fn a_password_is_in_no_record_and_on_no_host() {
    let Stage { host, project } = Stage::on(HOST);
    let name = "backup_password";
    make_postgres(&host, name);
    postgres(&host, "postgres", &format!("ALTER ROLE {name} CREATEDB"));
    let url = format!("postgres://{name}:{PASSWORD_IN_URL}@127.0.0.1/{name}");
    let report = project.play(&backup(&format!("postgres = [\"{url}\"]")), HOST, "").exits(0);
    assert!(!format!("{report:?}").contains("Canary-51ad"));
    let line = format!("backups restore {} --to {name}_copy --yes", id(&project));
    let refused = windlass(&project, &line);
    assert!(refused.code == 2 && refused.stdout.contains("no password supplied"), "{refused:?}");
    let mut command = project.command();
    command.env("URL", &url).args(line.split_whitespace()).args(["--database", "env:URL"]);
    let restored = fine(crate::stage::finish(&mut command));
    assert!(restored.stdout.contains("which no host keeps"), "{restored:?}");
    assert_eq!(postgres(&host, &format!("{name}_copy"), "SELECT count(*) FROM people"), "1000");
    std::fs::remove_file(project.path().join("playbooks/it.toml")).expect("the test wrote it");
    no_canary(&project, "no password is in the project");
    host.must("! grep -rl Canary-51ad /var/lib/windlass /tmp /root 2>/dev/null");
    drop_postgres(&host, name);
}

#[test]
fn a_dump_that_does_not_restore_is_found_out() {
    let Stage { host, project } = Stage::on(HOST);
    let name = "backup_wrong";
    make_postgres(&host, name);
    let keys = format!(
        "postgres = [{{ database = \"{name}\", assertion = \"SELECT count(*) > 5000 FROM people\" }}]"
    );
    project.play(&backup(&keys), HOST, "").exits(0);
    let tested = windlass(&project, &format!("backups verify --restore {}", id(&project)));
    assert!(tested.code == 2 && tested.stdout.contains("the assertion is not true"), "{tested:?}");
    let like = format!("SELECT datname FROM pg_database WHERE datname LIKE '{name}%'");
    assert_eq!(postgres(&host, "postgres", &like), name, "the test's database is gone");

    // Its roles are not there: nothing is half restored, and without owners it works.
    let id = id(&project);
    postgres(&host, "postgres", &format!("DROP DATABASE {name}; "));
    postgres(&host, "postgres", &format!("DROP ROLE {name}"));
    let refused = windlass(&project, &format!("backups restore {id} --yes"));
    assert!(refused.code == 2, "{refused:?}");
    assert_eq!(postgres(&host, "postgres", &like), "", "nothing is left of it");
    fine(windlass(&project, &format!("backups restore {id} --no-owners --yes")));
    assert_eq!(postgres(&host, name, "SELECT count(*) FROM people"), "1000");
    drop_postgres(&host, name);
}

#[test]
fn mariadb_goes_and_comes_back() {
    let Stage { host, project } = Stage::on(HOST);
    let name = "backup_my";
    make_mariadb(&host, name);
    let before = look_at_mariadb(&host, name);
    let keys =
        format!("mysql = [{{ database = \"{name}\", assertion = \"SELECT count(*) = 2 FROM children\" }}]");
    project.play(&backup(&keys), HOST, "").exits(0);
    let id = id(&project);
    fine(windlass(&project, &format!("backups verify --restore {id}")));
    let like =
        format!("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '{name}%'");
    assert_eq!(mariadb(&host, "", &like), name);

    let line = format!("backups restore {id} --yes");
    assert_eq!(windlass(&project, &line).code, 2, "something is there");
    mariadb(&host, "", &format!("DROP DATABASE {name}"));
    fine(windlass(&project, &line));
    assert_eq!(look_at_mariadb(&host, name), before);

    mariadb(&host, name, "DELETE FROM children WHERE id = 1; CREATE TABLE later (id int)");
    fine(windlass(&project, &format!("{line} --replace")));
    assert_eq!(look_at_mariadb(&host, name), before);
    assert_eq!(mariadb(&host, name, "SHOW TABLES"), "children\nparents");
    fine(windlass(&project, "runs undo last"));
    assert_eq!(mariadb(&host, name, "SHOW TABLES; SELECT id FROM children"), "children\nlater\nparents\n2");
    assert_eq!(mariadb(&host, "", &like), name);

    // What MySQL cannot move keeps everything where it is.
    mariadb(&host, name, "CREATE VIEW seen AS SELECT 1");
    let refused = windlass(&project, &format!("{line} --replace"));
    assert!(refused.code == 2 && refused.stdout.contains(&format!("{name}.seen")), "{refused:?}");
    assert_eq!(mariadb(&host, name, "SELECT id FROM children"), "2");
    assert_eq!(mariadb(&host, "", &like), name);
    fine(windlass(&project, &format!("{line} --to {name}_copy")));
    assert_eq!(look_at_mariadb(&host, &format!("{name}_copy")), before);
    drop_mariadb(&host, name);
}

#[test]
fn databases_in_containers_go_and_come_back() {
    let lab = Lab::get();
    let host = lab.host(HOST);
    for (key, database) in [("postgres", &contained::POSTGRES), ("mysql", &contained::MARIADB)] {
        let project = Project::new(&lab);
        contained::start(&host, database);
        let ask = |query: &str| contained::ask(&host, database, query);
        ask("CREATE TABLE people (id int PRIMARY KEY, name varchar(20));");
        ask("INSERT INTO people VALUES (1, 'one'), (2, 'two'), (3, 'three');");
        let keys = format!(
            "{key} = [{{ database = \"{}\", container = \"contained-db\", assertion = \"SELECT count(*) = 3 FROM people\" }}]",
            database.url
        );
        assert_eq!(project.play(&backup(&keys), HOST, "--check").exits(0).outcomes(HOST), ["would_change"]);
        project.play(&backup(&keys), HOST, "").exits(0);
        let id = id(&project);
        fine(windlass(&project, &format!("backups verify --restore {id}")));

        ask("DELETE FROM people WHERE id > 1;");
        let refused = windlass(&project, &format!("backups restore {id} --yes"));
        assert!(refused.code == 2 && refused.stdout.contains("is there already"), "{refused:?}");
        fine(windlass(&project, &format!("backups restore {id} --yes --replace")));
        assert_eq!(ask("SELECT count(*) FROM people;"), "3");
        fine(windlass(&project, "runs undo last"));
        assert_eq!(ask("SELECT count(*) FROM people;"), "1");
        host.must("docker rm -f contained-db");
    }
}

#[test]
fn redis_a_volume_and_a_container_go_and_come_back() {
    let Stage { host, project } = Stage::on(HOST);
    host.must("docker rm -f backup-box 2>/dev/null; docker volume rm backup-vol 2>/dev/null; true");
    host.must("redis-cli set backup:key value >/dev/null; redis-cli save >/dev/null");
    host.must("docker create --name backup-box -e SECRET=x -v backup-vol:/data lab/busybox true >/dev/null");
    let data = host.must("docker volume inspect --format '{{.Mountpoint}}' backup-vol");
    host.must(&format!(
        "printf kept >{data}/file && chown 33:33 {data}/file && chmod 700 {data} && chown 33 {data}"
    ));
    let keys = "redis = [\"127.0.0.1:6379\"]\nvolumes = [\"backup-vol\"]\ncontainers = [{ name = \"backup-box\", export = true }]";
    assert_eq!(project.play(&backup(keys), HOST, "--check").exits(0).outcomes(HOST), ["would_change"]);
    project.play(&backup(keys), HOST, "").exits(0);
    let id = id(&project);
    fine(windlass(&project, &format!("backups verify --restore {id}")));

    let look = format!("stat -c '%n %a %u:%g' {data} {data}/*; cat {data}/file");
    let before = host.must(&look);
    host.must("docker rm backup-box >/dev/null; docker volume rm backup-vol >/dev/null");
    fine(windlass(&project, &format!("backups restore {id} --part volume-backup-vol.tar --yes")));
    assert_eq!(host.must(&look), before);
    fine(windlass(&project, "runs undo last"));
    assert_eq!(host.sh("docker volume inspect backup-vol").code, 1);

    // What Redis had is a file for it to start from.
    host.must("redis-cli del backup:key >/dev/null; systemctl stop redis-server");
    let rdb = "--part redis-127.0.0.1-6379.rdb --to /var/lib/redis/dump.rdb --replace --yes";
    fine(windlass(&project, &format!("backups restore {id} {rdb}")));
    host.must("systemctl start redis-server");
    host.await_success("[ \"$(redis-cli get backup:key)\" = value ]", Duration::from_secs(30));

    fine(windlass(
        &project,
        &format!("backups restore {id} --part container-backup-box.json --to /tmp/box.json --yes"),
    ));
    assert!(host.must("cat /tmp/box.json").contains("SECRET=x"));
    host.must("redis-cli del backup:key >/dev/null; rm /tmp/box.json");
}

const KILL_AGENT: &str = "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */windlass-*) kill -KILL ${p#/proc/} && exit 0 ;; esac; done; exit 1";

#[test]
fn a_restore_test_that_was_killed_leaves_nothing() {
    let Stage { host, project } = Stage::on(HOST);
    let name = "backup_killed";
    make_postgres(&host, name);
    let assertion = "SELECT pg_sleep(3)::text = ''";
    let keys = format!("postgres = [{{ database = \"{name}\", assertion = \"{assertion}\" }}]");
    project.play(&backup(&keys), HOST, "").exits(0);
    let line = format!("backups verify --restore {}", id(&project));
    let asks = "[ \"$(su postgres -c \"psql -qAtX -c \\\"SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND pid <> pg_backend_pid()\\\"\")\" != 0 ]";
    let killed = std::thread::scope(|scope| {
        let testing = scope.spawn(|| windlass(&project, &line));
        host.await_success(asks, Duration::from_secs(60));
        host.must(KILL_AGENT);
        testing.join().expect("it ends")
    });
    assert_eq!(killed.code, 2, "{killed:?}");
    let like = format!("SELECT datname FROM pg_database WHERE datname LIKE '{name}%'");
    fine(windlass(&project, &line));
    assert_eq!(postgres(&host, "postgres", &like), name);
    drop_postgres(&host, name);
}
