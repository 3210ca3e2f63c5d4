//! Tests of the reader and of the kind.

use super::ports::{self, Port};
use crate::testing::{apply, host, text};
use proptest::prelude::*;

const FILE: &str = r#"# 3001:3000
version: "3.8"
x-note: |
  ports:
    - "3001:3000"
services:
  db:
    image: postgres:15
    ports: ["127.0.0.1:5432:5432", '3001-3005:3001-3005/udp', { target: 90, published: 9090 }]
  "web":
    image: app:3001   # 3001
    environment:
      PORT: 3001
      URL: "http://x:3001"
    command: >
      serve
      ports:
    ports:
      # - "3001:1"
      - "3001:3001"   # 3001
      - 127.0.0.1:13001:3001/tcp
      - "[::1]:8081:3000"
      - '${PORT:-8080}:80'
      - "${OTHER}:81"
      - 82
      - target: 3000
        published: "4000"
        mode: host
      - published: 4001
        target: 3001
    labels:
    - "3001:3001"
volumes:
  data: {}
"#;

/// A host with this compose file, on which a step moves a port.
fn moved(text: &str, keys: &str) -> Result<String, String> {
    let host = host(&[("/srv/app/docker-compose.yml", text), ("/srv/app/.env", "A=1\nexport OTHER=5\n")]);
    let keys = format!("file = '/srv/app/docker-compose.yml'\n{keys}");
    let told = apply(&host, "compose_port", &keys).map_err(|failure| failure.to_string())?;
    let again = apply(&host, "compose_port", &keys).expect("it is as wanted");
    assert_eq!(again, "");
    assert_eq!(told.is_empty(), crate::testing::text(&host, "/srv/app/docker-compose.yml") == text);
    Ok(self::text(&host, "/srv/app/docker-compose.yml"))
}

/// The one line that differs.
fn changed(new: &str) -> &str {
    let mut lines = FILE.lines().zip(new.lines()).filter(|(old, new)| old != new);
    let (_, line) = lines.next().expect("a line differs");
    assert_eq!((lines.next(), new.lines().count()), (None, FILE.lines().count()));
    line.trim()
}

#[test]
fn what_is_not_read_matters_only_where_it_may_be_meant() {
    let file = |ports: &str| {
        format!(
            "x-p: &p\n  - \"9100:80\"\nservices:\n  other:\n    {ports}\n  web:\n    ports: [\"3001:3000\"]\n"
        )
    };
    for unread in ["ports: *p", "ports: 80"] {
        let moved = |keys: &str| moved(&file(unread), &format!("from = 3001\nto = 3002\n{keys}"));
        assert!(moved("service = 'web'").unwrap().contains("[\"3002:3000\"]"), "{unread}");
        assert!(moved("service = 'other'").unwrap_err().contains("docker-compose.yml:5"), "{unread}");
        assert!(moved("").unwrap_err().contains("another one than other"), "{unread}");
    }
}

#[test]
fn a_list_that_two_services_share_is_not_changed() {
    let file = "services:\n  web:\n    ports: &p\n      - \"3001:3000\"\n  other:\n    ports: *p\n";
    let told = moved(file, "service = 'web'\nfrom = 3001\nto = 3002").unwrap_err();
    assert!(told.contains("service other, line 6, uses the same list of ports"), "{told}");
}

#[test]
fn every_entry_is_read() {
    let shown = |one: &ports::Published| {
        let port = match &one.port {
            Port::Number(number, at) => format!("{number}={}", &FILE[at.clone()]),
            Port::Default { variable, number, at } => format!("{variable}:{number}={}", &FILE[at.clone()]),
            other => format!("{other:?}"),
        };
        format!("{}:{} {port} -> {}/{}\n", one.service, one.line, one.target, one.protocol)
    };
    let read = ports::read(FILE).unwrap();
    assert_eq!(read.services, ["db", "web"]);
    expect_test::expect![[r#"
        db:9 5432=5432 -> 5432/tcp
        db:9 Range(3001, 3005) -> 3001-3005/udp
        db:9 9090=9090 -> 90/tcp
        web:20 3001=3001 -> 3001/tcp
        web:21 13001=13001 -> 3001/tcp
        web:22 8081=8081 -> 3000/tcp
        web:23 PORT:8080=8080 -> 80/tcp
        web:24 Other("${OTHER}") -> 81/tcp
        web:25 Left -> 82/tcp
        web:26 4000=4000 -> 3000/tcp
        web:29 4001=4001 -> 3001/tcp
    "#]]
    .assert_eq(&read.published.iter().map(shown).collect::<String>());
}

#[test]
fn only_the_published_port_is_replaced() {
    for (from, line) in [
        (3001, r#"- "7000:3001"   # 3001"#),
        (13001, "- 127.0.0.1:7000:3001/tcp"),
        (8081, r#"- "[::1]:7000:3000""#),
        (8080, "- '${PORT:-7000}:80'"),
        (4000, r#"published: "7000""#),
        (4001, "- published: 7000"),
        (
            5432,
            "ports: [\"127.0.0.1:7000:5432\", '3001-3005:3001-3005/udp', { target: 90, published: 9090 }]",
        ),
        (
            9090,
            "ports: [\"127.0.0.1:5432:5432\", '3001-3005:3001-3005/udp', { target: 90, published: 7000 }]",
        ),
    ] {
        let new = moved(FILE, &format!("from = {from}\nto = 7000")).unwrap();
        assert_eq!(changed(&new), line);
    }
}

#[test]
fn line_ends_and_lists_without_indent_stay() {
    let text =
        "services:\r\n  web:\r\n    ports:\r\n    - \"3001:3000\"\r\n    - 3001:3000/udp\r\n    image: x";
    assert_eq!(
        moved(text, "from = 3001\nto = 7").unwrap(),
        "services:\r\n  web:\r\n    ports:\r\n    - \"7:3000\"\r\n    - 7:3000/udp\r\n    image: x"
    );
    let flow = "services:\n  web:\n    ports: [ # several\n      80:80, \"3001:1\"\n    ]\n";
    assert_eq!(moved(flow, "from = 3001\nto = 7").unwrap(), flow.replace("3001", "7"));
}

#[test]
fn what_is_not_clear_is_refused_with_its_lines() {
    let refused = |text: &str, keys: &str| moved(text, keys).unwrap_err();
    let doing = "move port 3001 to 3002 in /srv/app/docker-compose.yml: ";
    let to = |from: u16, to: u16| format!("from = {from}\nto = {to}");
    let two = "services:\n  a:\n    ports: [\"3001:1\"]\n  b:\n    ports:\n      - 3001:2\n";
    assert_eq!(
        refused(two, &to(3001, 3002)),
        format!(
            "{doing}port 3001 is published more than once: line 3 (a to 1), line 6 (b to 2)\n  hint: name the service, or change the file by hand"
        )
    );
    let new = moved(two, "from = 3001\nto = 3002\nservice = 'b'").unwrap();
    assert_eq!(new, two.replace("3001:2", "3002:2"));
    assert!(
        refused(two, "from = 3001\nto = 3002\nservice = 'c'")
            .contains("it has no service c\n  hint: it has a, b")
    );
    assert_eq!(
        refused(FILE, &to(3002, 7000)),
        "move port 3002 to 7000 in /srv/app/docker-compose.yml: line 9 publishes the range 3001-3005, of which no single port can be moved\n  hint: write its ports one by one"
    );
    assert_eq!(
        refused(FILE, &to(3001, 4000)),
        "move port 3001 to 4000 in /srv/app/docker-compose.yml: port 4000 is published already: web, line 26\n  hint: choose a port that is free"
    );
    let none = refused("services:\n  a:\n    ports: ['${X}:1', 5:6]\n", &to(3001, 3002));
    assert_eq!(
        none,
        format!(
            "{doing}nothing in it publishes port 3001, nor 3002\n  hint: it publishes ${{X}} (a, line 3), 5 (a, line 3)"
        )
    );
    let set = refused("services:\n  a:\n    ports: ['${OTHER-3001}:1']\n", &to(3001, 3002));
    assert!(set.contains("the default on line 3 is not used: OTHER is set in /srv/app/.env:2"), "{set}");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    let refused = |text: &str| moved(text, "from = 1\nto = 2").unwrap_err();
    for (text, why) in [
        ("web:\n  ports: []\n", ":1: there is no services: at the beginning of a line"),
        ("services: {web: {}}\n", ":1: it is written in one line; only indented blocks are read here"),
        ("services:\n  web: { ports: [] }\n", ":2: the service is written in one line"),
        ("services:\n  web:\n    ports: *p\n", ":3: *p is an alias; what stands elsewhere is not changed"),
        ("services:\n  web:\n    ports: ['1:1',\n", ":3: the list that begins here has no ]"),
        ("services:\n  web:\n    ports: []\n    ports: []\n", ":4: a second ports: of the same service"),
        ("services:\n  a:\nservices:\n  b:\n", ":3: a second services: begins here"),
    ] {
        let failure = refused(text);
        assert!(failure.starts_with(&format!("read /srv/app/docker-compose.yml{why}")), "{failure}");
    }
    let host = host(&[]);
    let failure = apply(&host, "compose_port", "file = '/x'\nfrom = 1\nto = 2").unwrap_err();
    assert_eq!(failure.to_string(), "move port 1 to 2 in /x: there is no such file");
}

#[test]
fn keys_that_ask_for_nothing_are_refused() {
    let refused = |keys: &str| crate::testing::parse("compose_port", keys).err().unwrap().to_string();
    assert_eq!(refused("file = '/x'\nfrom = 0\nto = 2"), "read compose_port.from: 0 is no port");
    assert_eq!(
        refused("file = '/x'\nfrom = 2\nto = 2"),
        "read compose_port.to: 2 is the port that is published already"
    );
}

proptest! {
    #[test]
    fn reading_never_panics(pieces in prop::collection::vec(prop::sample::select(vec![
        "services:", "ports:", "  web:", "\n", "\r\n", "  ", "    ", "- ", "-", "[", "]", "{", "}", ",", ":", "\"", "'",
        "3001:3000", "${P:-1}", "#", " #", "é", "published: 1", "&a", "*a", "x", "\t",
    ]), 0..40)) {
        let text = format!("services:\n  a:\n    ports:{}", pieces.concat());
        for text in [pieces.concat(), text] {
            if let Ok(read) = ports::read(&text) {
                for one in read.published {
                    if let (Some(number), Some(at)) = (one.port.number(), one.port.at()) {
                        prop_assert_eq!(text[at].parse::<u16>().ok(), Some(number));
                    }
                }
            }
        }
    }
}

/// What is written with anchors, tags and merge keys is read as it is meant, or said not to be.
#[test]
fn ports_that_stand_elsewhere_are_not_taken_for_none() {
    let base = "x-base: &base\n  image: x\n  ports:\n    - \"3001:80\"\nservices:\n  web:\n";
    let from = "from = 3001\nto = 3999";
    for taken in ["    <<: *base\n", "    <<: [*other, *base]\n", "    <<:\n      - *base\n"] {
        let why = moved(&format!("{base}{taken}"), from).unwrap_err();
        assert!(
            why.contains("its ports are those of *base; give the service a list of its own first"),
            "{why}"
        );
    }
    let own = format!("{base}    <<: *base\n    ports: [\"3001:80\"]\n");
    assert!(moved(&own, from).unwrap().contains("ports: [\"3999:80\"]"));
    let without =
        "x-log: &log\n  driver: x\nservices:\n  job:\n    <<: *log\n  web:\n    ports: [\"3001:80\"]\n";
    assert!(moved(without, from).unwrap().contains("3999:80"));
    let extends =
        |form: &str| format!("services:\n  base:\n    ports: [\"3001:80\"]\n  web:\n    extends:{form}\n");
    for form in [" base", "\n      service: base", " { service: base }"] {
        let why = moved(&extends(form), &format!("service = 'web'\n{from}")).unwrap_err();
        assert!(why.contains("its ports are those of base"), "{why}");
        assert!(moved(&extends(form), &format!("service = 'base'\n{from}")).unwrap().contains("3999:80"));
    }
}

#[test]
fn anchors_and_tags_are_no_part_of_a_port() {
    let from = "service = 'web'\nfrom = 3001\nto = 3999";
    let list = |list: &str| format!("services:\n  web:\n    ports:{list}\n");
    for written in [
        " !override\n      - \"3001:80\"",
        " !override [\"3001:80\"]",
        "\n      - &m \"3001:80\"",
        " [&m '3001:80']",
    ] {
        assert!(moved(&list(written), from).unwrap().contains("3999:80"), "{written}");
    }
    for shared in ["\n      - *m", " [*m]"] {
        let both = format!("{}  two:\n    ports:{shared}\n", list("\n      - &m \"3001:80\""));
        let why = moved(&both, from).unwrap_err();
        assert!(why.contains("service two, line ") && why.contains("uses the same list of ports"), "{why}");
    }
}
