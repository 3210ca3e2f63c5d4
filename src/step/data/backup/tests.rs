//! What backup plans on hosts that are only supposed.

use crate::model::op::{Command, Op};
use crate::model::{Failure, Result, Value};
use crate::step::data::backup::Backup;
use crate::testing::{answer, answer_to, host, parse};
use expect_test::expect;

/// The parts that would be sent, a line each: name and what writes it.
fn parts(host: &dyn crate::system::Probe, keys: &str) -> Result<String> {
    let plan = parse("backup", keys)?.plan(host)?;
    assert!(plan.once, "it is taken each time");
    let [Op::Backup(backup)] = &plan.ops[..] else { panic!("{:?}", plan.ops) };
    let line = |part: &crate::model::backup::Part| format!("{}: {}\n", part.label.name, shown(&part.command));
    Ok(backup.parts.iter().map(line).collect())
}

fn shown(command: &Command) -> String {
    match &command.title {
        Some(title) => title.clone(),
        None => format!("{} < {}", command.argv.join(" "), String::from_utf8_lossy(&command.stdin)),
    }
}

fn wrong(keys: &str) -> String {
    parse("backup", keys).map(drop).unwrap_err().to_string()
}

#[test]
fn each_thing_is_a_part() {
    let host = host(&[("/etc/nginx/nginx.conf", ""), ("/srv/a b/x", "")]);
    answer(
        &host,
        "docker volume inspect --format {{.Mountpoint}} uploads",
        0,
        "/var/lib/docker/volumes/uploads/_data\n",
    );
    answer(&host, "docker container inspect shop", 0, "[]");
    let told = parts(
        &host,
        "files = ['/etc/nginx', { path = '/srv/a b', exclude = ['*.log'] }]\nredis = ['127.0.0.1:6379', { address = '/run/redis.sock', container = 'cache' }]\n\
         volumes = ['uploads']\ncontainers = [{ name = 'shop', export = true }]",
    );
    expect![[r#"
        files-etc-nginx.tar: tar of /etc/nginx
        files-srv-a-b.tar: tar of /srv/a b
        redis-127.0.0.1-6379.rdb: dump of Redis at 127.0.0.1:6379
        redis-cache--run-redis.sock.rdb: dump of Redis at /run/redis.sock
        volume-uploads.tar: tar of the volume uploads
        container-shop.json: docker container inspect shop < 
        container-shop.tar: docker container export shop < 
    "#]]
    .assert_eq(&told.unwrap());
}

/// Lets the host answer what makes a database up.
fn answer_about(host: &crate::system::pretend::Pretend<'_>, source: &str, stdout: &str) {
    struct Asked<'a>(&'a dyn crate::system::Probe, std::cell::RefCell<Vec<Vec<String>>>);
    let asked = Asked(host, std::cell::RefCell::default());
    impl crate::system::Probe for Asked<'_> {
        fn stat(&self, path: &std::path::Path) -> Result<Option<crate::system::Stat>> {
            self.0.stat(path)
        }
        fn read(&self, path: &std::path::Path) -> Result<Option<Vec<u8>>> {
            self.0.read(path)
        }
        fn read_at(&self, path: &std::path::Path, offset: u64, length: usize) -> Result<Vec<u8>> {
            self.0.read_at(path, offset, length)
        }
        fn list(&self, path: &std::path::Path) -> Result<Vec<std::ffi::OsString>> {
            self.0.list(path)
        }
        fn digest(&self, path: &std::path::Path) -> Result<Option<crate::model::digest::Digest>> {
            self.0.digest(path)
        }
        fn ask(&self, question: &Command) -> Result<crate::model::op::Answer> {
            self.1.borrow_mut().push(question.argv.clone());
            self.0.ask(question)
        }
        fn observe(&self, condition: &crate::model::op::Condition) -> Result<crate::model::op::Observed> {
            self.0.observe(condition)
        }
    }
    let _refused = parse("backup", source).and_then(|step| step.plan(&asked));
    let last = asked.1.borrow().last().cloned().expect("something is asked");
    answer_to(host, last, 0, stdout);
}

#[test]
fn a_database_is_asked_what_its_dump_does_not_tell() {
    let host = host(&[]);
    let keys = "postgres = [{ database = 'shop', container = 'db', user = 'shop' }]";
    answer_about(&host, keys, "shop\u{1f}UTF8\u{1f}C.UTF-8\u{1f}C\n");
    expect![[r#"
        postgres-db-shop.dump: dump of shop
        about.json: cat < {"postgres-db-shop.dump":{"owner":"shop","encoding":"UTF8","collate":"C.UTF-8","ctype":"C"}}
    "#]]
    .assert_eq(&parts(&host, keys).unwrap());
    let refused: Failure = parts(&crate::testing::host(&[]), keys).unwrap_err();
    assert!(refused.to_string().contains("run what makes the database up on shop"), "{refused}");
}

#[test]
fn a_password_is_on_standard_input_alone() {
    let host = host(&[]);
    let keys =
        "postgres = ['postgres://al@db/shop']\nredis = [{ password = 'hunter2' }]\npassword = 'hunter2'";
    answer_about(&host, keys, "al\u{1f}UTF8\u{1f}C\u{1f}C\n");
    let plan = parse("backup", keys).unwrap().plan(&host).unwrap();
    let Op::Backup(backup) = &plan.ops[0] else { panic!("{:?}", plan.ops) };
    for part in &backup.parts[..2] {
        let Command { argv, environment, stdin, .. } = &part.command;
        assert!(!format!("{argv:?}{environment:?}").contains("hunter2"), "{argv:?}");
        assert!(String::from_utf8_lossy(stdin).contains("hunter2"), "{argv:?}");
    }
}

#[test]
fn parts_have_different_names_and_tell_where_they_are_from() {
    let long = format!("/{}", "x".repeat(200));
    let keys: Value = serde_json::json!({
        "files": ["/a/b", "/a-b", "/a b", long],
        "mysql": [{ "database": "mysql://al:hunter2@[::1]:3307/a.b", "assertion": "SELECT 1" }],
        "assertion": "SELECT 2",
        "postgres": ["postgres://al:hunter2@h/db?sslmode=require"],
    });
    let backup: Backup = serde_json::from_value(keys).unwrap();
    let told: String =
        backup.planned().iter().map(|part| format!("{} {}\n", part.label.name, part.from)).collect();
    assert!(!told.contains("hunter2"));
    expect![[r#"
        files-a-b.tar {"path":"/a/b","exclude":[]}
        files-a-b-2.tar {"path":"/a-b","exclude":[]}
        files-a-b-3.tar {"path":"/a b","exclude":[]}
        files-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-LONG.tar FROM
        postgres-db.dump {"database":"postgresql://al@h/db?sslmode=require","container":null,"assertion":"SELECT 2"}
        mysql-a.b.sql {"database":"mysql://al@[::1]:3307/a.b","container":null,"assertion":"SELECT 1"}
        about.json null
    "#]]
    .assert_eq(&without_long(&told));
}

fn without_long(told: &str) -> String {
    let line = |line: &str| match line.split_once("xx-") {
        Some((head, _)) => format!("{head}xx-LONG.tar FROM\n"),
        None => format!("{line}\n"),
    };
    told.lines().map(line).collect()
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (keys, why) in [
        ("", "give at least one of files"),
        ("name = '../x'\nfiles = ['/etc']", "read backup.name: \"../x\" is not a name"),
        ("files = ['/']", "read backup.files[0]: a path there begins with / and names something below it"),
        ("files = ['/etc/../x']", "without . and .."),
        ("files = ['etc']", "begins with /"),
        ("postgres = ['mysql://a/b']", "read backup.postgres[0]: its URL is of another kind of database"),
        ("mysql = [{ database = 'a', format = 'custom' }]", "format is PostgreSQL's"),
        ("mysql = [{ database = 'a', container = '-x' }]", "is not a name that Docker takes"),
        ("redis = ['localhost']", "an address is written as 127.0.0.1:6379"),
        ("redis = ['-h:1']", "an address is written as 127.0.0.1:6379"),
        ("volumes = ['a/b']", "read backup.volumes[0]"),
        ("files = ['/etc']\nencrypt_to = ['me']", "it is not an age recipient"),
    ] {
        let told = wrong(keys);
        assert!(told.contains(why), "{keys}: {told}");
    }
}
