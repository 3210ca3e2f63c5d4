//! Items of every sort, as they are wanted and as they are not.

use crate::system::pretend::Pretend;
use crate::testing::{answer, answer_to, found, host, parse, pretend_a_change};

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_string).collect()
}

fn unit(host: &Pretend<'_>, name: &str, said: &str) {
    let question = format!("systemctl show --property=LoadState,ActiveState,SubState,Result -- {name}");
    answer(host, &question, 0, said);
}

#[test]
fn services_are_asked_as_each_of_them_answers() {
    let host = host(&[]);
    unit(&host, "nginx.service", "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\n");
    unit(&host, "app.service", "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n");
    unit(&host, "none.timer", "LoadState=not-found\nActiveState=inactive\nSubState=dead\nResult=success\n");
    answer(&host, "pg_isready -t 5 -h 127.0.0.1 -p 5432", 2, "127.0.0.1:5432 - no response");
    answer(&host, "docker exec cache redis-cli -h 127.0.0.1 -p 6379 ping", 0, "PONG\n");
    answer(&host, "redis-cli -h ::1 -p 6379 ping", 0, "NOAUTH Authentication required.\n");
    answer(&host, "mysqladmin --no-defaults --connect-timeout=5 --protocol=tcp -h db -P 3306 ping", 127, "");
    let keys = r#"services = ["nginx", "app", "none.timer", { postgres = "127.0.0.1:5432" },
        { redis = "127.0.0.1:6379", container = "cache" }, { redis = "[::1]:6379" }, { mysql = "db:3306" }]"#;
    expect_test::expect![[r#"
        pass    services nginx: active (running) (wanted: active)
        fail    services app: failed (exit-code) (wanted: active)
        fail    services none.timer: there is no such unit (wanted: active)
        fail    services postgres 127.0.0.1:5432: 127.0.0.1:5432 - no response (wanted: answers)
        pass    services redis 127.0.0.1:6379 in cache: it answers (wanted: answers)
        pass    services redis [::1]:6379: it answers (wanted: answers)
        unknown services mysql db:3306: there is no mysqladmin (wanted: answers)
    "#]]
    .assert_eq(&found(&host, "check", keys).unwrap());
}

#[test]
fn files_are_there_and_whole() {
    let host = host(&[("/srv/model", "0123456789"), ("/srv/empty", "")]);
    let keys = r#"files = ["/srv/model", "/srv", { path = "/srv/model", min_size = "1 KiB" },
        { path = "/srv/empty", min_size = 0 }, { path = "/srv", min_size = 1 }, "/none", "none"]"#;
    expect_test::expect![[r#"
        pass    files /srv/model: 10 B (wanted: is there)
        pass    files /srv: a directory (wanted: is there)
        fail    files /srv/model: 10 B (wanted: a file of at least 1.0 KiB)
        fail    files /srv/empty: 0 B (wanted: a file of at least 0 B)
        fail    files /srv: a directory (wanted: a file of at least 1 B)
        fail    files /none: it is not there (wanted: is there)
        unknown files none: look at none: a path on a host must begin with / (wanted: is there)
    "#]]
    .assert_eq(&found(&host, "check", keys).unwrap());
}

#[test]
fn images_and_containers_are_inspected() {
    let host = host(&[]);
    let inspected = |what: &str, form: &str, name: &str, status: i32, said: &str| {
        let argv = ["docker", what, "inspect", "--format", form, "--", name].map(str::to_string).to_vec();
        answer_to(&host, argv, status, said);
    };
    inspected("image", "{{.Id}}", "shop:2", 0, "sha256:0123456789abcdef\n");
    inspected("image", "{{.Id}}", "shop:3", 1, "");
    let form = r#"{"state":{{json .State}},"image":{{json .Config.Image}},"restarts":{{.RestartCount}}}"#;
    let state = |state: &str| format!(r#"{{"state":{state},"image":"shop:2","restarts":3}}"#);
    inspected("container", form, "app", 0, &state(r#"{"Status":"running"}"#));
    inspected(
        "container",
        form,
        "sick",
        0,
        &state(r#"{"Status":"running","Health":{"Status":"unhealthy"}}"#),
    );
    inspected("container", form, "gone", 0, &state(r#"{"Status":"exited","ExitCode":137}"#));
    let keys = r#"images = ["shop:2", "shop:3"]
        containers = ["app", { name = "app", healthy = true }, { name = "app", image = "shop:1" }, "sick", "gone"]"#;
    expect_test::expect![[r#"
        pass    images shop:2: it is there (0123456789ab) (wanted: is there)
        unknown images shop:3: docker gives no answer (exit status 1) (wanted: is there)
        pass    containers app: running (wanted: runs)
        fail    containers app: running, it has no health check (wanted: runs, healthy)
        fail    containers app: running, of shop:2 (wanted: runs, of shop:1)
        fail    containers sick: running, unhealthy (wanted: runs)
        fail    containers gone: exited (exit status 137) (wanted: runs)
    "#]]
    .assert_eq(&found(&host, "check", keys).unwrap());
}

#[test]
fn variables_are_set_and_their_values_not_told() {
    let file =
        "# A=no\nURL=postgres://u:hunter2@db/x\nexport KEY = 'your-key-here'\nEMPTY=\"\"\nURL2=\"a=b\"\n";
    let host = host(&[("/srv/.env", file)]);
    let form = "{{range .Config.Env}}{{println .}}{{end}}";
    let mut argv = words("docker container inspect --format");
    argv.extend([form, "--", "app"].map(str::to_string));
    answer_to(&host, argv, 0, "PATH=/bin\nSECRET=hunter2\n");
    let keys = r#"env = [{ file = "/srv/.env", names = ["URL", "URL2", "KEY", "EMPTY", "A"] },
        { file = "/none", names = ["X"] }, { container = "app", names = ["SECRET", "X"] }]"#;
    let told = found(&host, "check", keys).unwrap();
    assert!(!told.contains("hunter2"));
    expect_test::expect![[r#"
        pass    env URL in /srv/.env: it is set (wanted: set)
        pass    env URL2 in /srv/.env: it is set (wanted: set)
        fail    env KEY in /srv/.env: it is still a placeholder (wanted: set)
        fail    env EMPTY in /srv/.env: it is empty (wanted: set)
        fail    env A in /srv/.env: it is not set (wanted: set)
        fail    env X in /none: the file is not there (wanted: set)
        pass    env SECRET in container app: it is set (wanted: set)
        fail    env X in container app: it is not set (wanted: set)
    "#]]
    .assert_eq(&told);
}

#[test]
fn what_is_seen_before_changes_are_made_is_unknown() {
    let host = host(&[("/srv/model", "x")]);
    pretend_a_change(&host);
    let told = found(
        &host,
        "check",
        "files = ['/srv/model']\nhttp = ['http://127.0.0.1/']\nservices = [{ port = 80 }]",
    )
    .unwrap();
    assert_eq!(told.lines().filter(|line| line.starts_with("unknown ")).count(), 3, "{told}");
}

#[test]
fn refuses_items_that_say_too_little_or_too_much() {
    for (keys, told) in [
        (
            "services = [{ container = 'a' }]",
            "check.services[0]: give exactly one of unit, postgres, mysql, redis and port",
        ),
        (
            "services = ['a', { unit = 'a', port = 1 }]",
            "check.services[1]: give exactly one of unit, postgres, mysql, redis and port",
        ),
        ("services = [{ postgres = 'db' }]", "check.services[0]: an address is written as 127.0.0.1:5432"),
        (
            "services = [{ unit = 'a', container = 'b' }]",
            "check.services[0]: only a server is asked inside a container",
        ),
        (
            "services = [{ unti = 'a' }]",
            "check.services[0]: unknown field `unti`, expected one of `unit`, `postgres`, `mysql`, `redis`, `port`, `host`, `container`",
        ),
        ("http = ['example.com']", "check.http[0]: \"example.com\" does not begin with http:// or https://"),
        ("env = [{ names = ['A'] }]", "check.env[0]: give exactly one of file and container"),
        ("env = [{ file = '/a', names = [] }]", "check.env[0]: name at least one variable"),
    ] {
        assert_eq!(parse("check", keys).err().unwrap().to_string(), format!("read {told}"));
    }
}

#[test]
fn tables_are_counted_and_named() {
    let host = host(&[]);
    let item = |name: &str| -> crate::sql::url::Database { name.to_string().try_into().unwrap() };
    let ask = |database: &crate::sql::url::Database, container: Option<&str>, status: i32, said: &str| {
        let client = crate::sql::client::Client { database, container, user: None };
        let question = client.question("tables", crate::sql::client::Shape::Bare, "");
        answer_to(&host, question.argv, status, said);
    };
    answer(&host, "id -un", 0, "deploy\n");
    ask(&item("postgres:///shop"), None, 0, "orders\nusers\naudit.entries\n");
    ask(&item("mysql://root@localhost/crm"), Some("db"), 1, "");
    let keys = r#"tables = [{ database = "postgres:///shop", count = 3, names = ["users", "audit.entries", "none"] },
        { database = "postgres:///shop", at_least = 4 },
        { database = "mysql://root@localhost/crm", container = "db", count = 1 }]"#;
    expect_test::expect![[r#"
        pass    tables shop: 3 tables (wanted: 3 tables)
        pass    tables users in shop: it is there (wanted: is there)
        pass    tables audit.entries in shop: it is there (wanted: is there)
        fail    tables none in shop: it is not there (wanted: is there)
        fail    tables shop: 3 tables (wanted: at least 4 tables)
        unknown tables crm on localhost in db: exit status 1, and it said nothing (wanted: 1 tables)
    "#]]
    .assert_eq(&found(&host, "check", keys).unwrap());
}
