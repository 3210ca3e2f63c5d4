//! Tests of the kind: what is moved, what proves it, and what is refused.

use crate::model::op::{Condition, Op, Run, Wait};
use crate::system::pretend::Pretend;
use crate::testing::{answer, answer_to, apply, host, parse, planned, pretend_a_change, text};
use expect_test::expect;

const MAIN: &str = "/etc/nginx/nginx.conf";
const SITE: &str = "/etc/nginx/sites-enabled/app";
const HTTP: &str =
    "pid /run/nginx.pid;\nerror_log /var/log/nginx/error.log;\nhttp { include sites-enabled/*; }\n";
const APP: &str = "upstream app { server 127.0.0.1:3001; }
server { listen 443 ssl; server_name app.example.com; location / { proxy_pass http://app; } }
server { listen 80; location / { proxy_pass http://localhost:3001/; } } # 3001
";

/// A host on which nginx runs with these files.
fn nginx(files: &[(&str, &str)]) -> Pretend<'static> {
    let host = host(files);
    answer(
        &host,
        "nginx -V",
        0,
        "nginx version: nginx/1.22\nconfigure arguments: --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf --error-log-path=/var/log/nginx/error.log --pid-path=/run/nginx.pid\n",
    );
    answer(&host, "nginx -t", 0, "");
    answer(&host, "/bin/sh -s -- workers /run/nginx.pid", 0, "11\n12\n");
    host
}

fn app() -> Pretend<'static> {
    nginx(&[(MAIN, HTTP), (SITE, APP)])
}

fn moving(more: &str) -> String {
    format!("file = '{SITE}'\nfrom = 3001\nto = 3002\n{more}")
}

fn refused(host: &Pretend<'_>, keys: &str) -> String {
    planned(host, "nginx_port", keys).unwrap_err().to_string()
}

/// The reload of a plan.
fn reload(host: &Pretend<'_>, keys: &str) -> Run {
    let plan = parse("nginx_port", keys).unwrap().plan(host).unwrap();
    let Some(Op::Run(run)) = plan.ops.last() else { panic!("{plan:?}") };
    (**run).clone()
}

#[test]
fn writes_tests_and_reloads() {
    let host = app();
    let told = apply(&host, "nginx_port", &moving("")).unwrap();
    expect![[r#"
        wait until 127.0.0.1:3002 accepts connections
        wait until localhost:3002 accepts connections
        write /etc/nginx/sites-enabled/app
        run nginx -t
        run nginx -s reload
    "#]]
    .assert_eq(&told);
    assert_eq!(
        text(&host, SITE),
        APP.replace("127.0.0.1:3001", "127.0.0.1:3002").replace("localhost:3001", "localhost:3002")
    );
}

#[test]
fn the_reload_is_proven_by_workers_log_and_answers() {
    let host = nginx(&[(MAIN, HTTP), (SITE, APP), ("/var/log/nginx/error.log", "old\n")]);
    let run = reload(&host, &moving("probe = '/up'\nstatus = [204]\nwithin = 3"));
    let words = |command: &crate::model::op::Command| command.argv[3..].to_vec();
    assert_eq!(
        run.confirm.as_ref().map(words).unwrap(),
        ["reloaded", "/run/nginx.pid", "11 12", "/var/log/nginx/error.log", "4"]
    );
    assert_eq!(
        run.advice.question.as_ref().map(words).unwrap(),
        ["complaints", "/var/log/nginx/error.log", "4"]
    );
    let asked = |wait: &Wait| match &wait.condition {
        Condition::Http(check) => {
            format!("{} {:?} {:?} {:?}", check.url, check.headers, check.status, wait.within)
        }
        Condition::Succeeds { command } => {
            format!("{} {:?}", command.argv[3..].join(" "), command.environment)
        }
        other => panic!("{other:?}"),
    };
    expect![[r#"
        http://127.0.0.1:80/up {} [204] 3s
        https://app.example.com:443/up {"CONNECT_TO": "::127.0.0.1:443", "SECONDS_LEFT": "5", "STATUS": " 204 "}"#]]
    .assert_eq(&run.waits.iter().map(asked).collect::<Vec<_>>().join("\n"));
}

#[test]
fn listens_are_moved_when_asked_and_asked_at_their_new_port() {
    let site =
        "server { listen [::]:3001; listen 3001 default_server; location / { proxy_pass http://a:9; } }";
    let host = nginx(&[(MAIN, HTTP), (SITE, site)]);
    let told = refused(&host, &moving(""));
    assert_eq!(
        told,
        "move port 3001 to 3002 in /etc/nginx/sites-enabled/app: nothing there sends requests to port 3001, nor to 3002\n  hint: it names port 9 (proxy_pass at /etc/nginx/sites-enabled/app:1)"
    );
    let run = reload(&host, &moving("listen = true"));
    let Condition::Http(check) = &run.waits[0].condition else { panic!("{run:?}") };
    assert_eq!((check.url.as_str(), run.waits.len()), ("http://[::1]:3002/", 1));
    apply(&host, "nginx_port", &moving("listen = true")).unwrap();
    assert_eq!(text(&host, SITE), site.replace("3001", "3002"));
}

#[test]
fn upstreams_are_found_wherever_they_stand_and_includes_followed() {
    let host = nginx(&[
        (MAIN, "http { include conf.d/*.conf; include sites-enabled/*; }"),
        (
            "/etc/nginx/conf.d/up.conf",
            "upstream app { server 127.0.0.1:3001; }\nupstream other { server 127.0.0.1:3001; }",
        ),
        ("/etc/nginx/snippets/p", "proxy_pass http://app;"),
        (SITE, "server { location / { include snippets/p; } }"),
        ("/etc/nginx/sites-enabled/b", "server { location / { proxy_pass http://127.0.0.1:3001; } }"),
    ]);
    let told = apply(&host, "nginx_port", &moving("probe = ''")).unwrap();
    assert_eq!(told, "write /etc/nginx/conf.d/up.conf\nrun nginx -t\nrun nginx -s reload\n");
    assert_eq!(
        text(&host, "/etc/nginx/conf.d/up.conf"),
        "upstream app { server 127.0.0.1:3002; }\nupstream other { server 127.0.0.1:3001; }"
    );
}

#[test]
fn the_whole_configuration_is_moved_by_its_main_file() {
    let host = app();
    let keys = format!("file = '{MAIN}'\nfrom = 3001\nto = 3002\nprobe = ''\naddresses = ['10.0.0.1']");
    assert!(refused(&host, &keys).contains("nothing there sends requests to port 3001"));
    let keys = keys.replace("10.0.0.1", "127.0.0.1");
    assert!(apply(&host, "nginx_port", &keys).unwrap().starts_with("write /etc/nginx/sites-enabled/app\n"));
    assert!(!text(&host, SITE).contains(":3001"), "localhost is 127.0.0.1");
}

#[test]
fn what_is_moved_already_is_looked_at_all_the_same() {
    let moved = APP.replace("3001", "3002");
    let host = nginx(&[(MAIN, HTTP), (SITE, &moved)]);
    let serving = format!("/bin/sh -s -- current /run/nginx.pid {SITE}");
    answer(&host, &serving, 0, "current\n");
    assert_eq!(planned(&host, "nginx_port", &moving("probe = ''")).unwrap(), "");
    let told = planned(&host, "nginx_port", &moving("")).unwrap();
    assert!(told.starts_with("wait until http://127.0.0.1:80/ answers as wanted\n"), "{told}");
    answer(&host, &serving, 0, "stale\n");
    let told = planned(&host, "nginx_port", &moving("")).unwrap();
    assert_eq!(told, "run nginx -t\nrun nginx -s reload\n");
    answer(&host, &serving, 3, "");
    let not_running = refused(&host, &moving(""));
    assert!(
        not_running.starts_with("look at nginx: it is not running: /run/nginx.pid holds no pid"),
        "{not_running}"
    );
}

#[test]
fn after_pretended_changes_nothing_is_asked_and_nothing_called_fine() {
    let host = app();
    pretend_a_change(&host);
    let told = planned(&host, "nginx_port", &moving("")).unwrap();
    assert_eq!(told, "write /etc/nginx/sites-enabled/app\nrun nginx -t\nrun nginx -s reload\n");
    let host = nginx(&[(MAIN, HTTP), (SITE, &APP.replace("3001", "3002"))]);
    pretend_a_change(&host);
    let told = planned(&host, "nginx_port", &moving("")).unwrap();
    assert!(told.starts_with("wait until http://127.0.0.1:80/ answers as wanted\n"), "{told}");
}

#[test]
fn what_cannot_be_moved_is_refused_before_any_change() {
    let host = app();
    host.settle();
    answer_to(
        &host,
        vec!["nginx".into(), "-t".into()],
        1,
        "nginx: [emerg] unknown directive \"x\" in /etc/nginx/a:1\nnginx: configuration file /etc/nginx/nginx.conf test failed\n",
    );
    let broken = refused(&host, &moving(""));
    assert!(
        broken.starts_with("run nginx -t: the configuration is broken already, before any change"),
        "{broken}"
    );

    let host = nginx(&[(MAIN, HTTP), (SITE, APP), ("/etc/nginx/sites-available/old", APP)]);
    let unread = refused(&host, &moving("").replace(SITE, "/etc/nginx/sites-available/old"));
    assert!(unread.contains("nginx does not read this file: nothing includes it"), "{unread}");
    let missing = refused(&host, &moving("").replace(SITE, "/etc/nginx/none"));
    assert_eq!(missing, "move port 3001 to 3002 in /etc/nginx/none: there is no such file");

    let host = nginx(&[(MAIN, HTTP), (SITE, "server { listen 80 }")]);
    assert!(
        refused(&host, &moving("")).starts_with("read /etc/nginx/sites-enabled/app:1:20: unexpected \"}\"")
    );
    let bare = crate::testing::host(&[(MAIN, HTTP), (SITE, APP)]);
    assert!(refused(&bare, &moving("")).starts_with("look for nginx: the host has no such program"));
}

#[test]
fn a_table_of_values_is_left_alone_and_said_to_be() {
    let site = "map $host $b { default 127.0.0.1:3001; }\nserver { location / { proxy_pass http://$b; } location /a { proxy_pass http://127.0.0.1:3001; } }";
    let host = nginx(&[(MAIN, HTTP), (SITE, site)]);
    let plan = parse("nginx_port", &moving("")).unwrap().plan(&host).unwrap();
    assert_eq!(
        plan.notes,
        ["left alone: /etc/nginx/sites-enabled/app:1 names port 3001 in a table of values"]
    );
    assert_eq!(plan.result["places"], serde_json::json!(["/etc/nginx/sites-enabled/app:2"]));
}

#[test]
fn keys_that_cannot_be_meant_are_refused() {
    let refused = |keys: &str| parse("nginx_port", keys).err().unwrap().to_string();
    assert_eq!(refused("file = '/x'\nfrom = 0\nto = 2"), "read nginx_port.from: 0 is no port");
    assert_eq!(
        refused("file = '/x'\nfrom = 2\nto = 2"),
        "read nginx_port.to: 2 is the port that is named already"
    );
    assert_eq!(
        refused("file = '/x'\nfrom = 1\nto = 2\nprobe = 'up'"),
        "read nginx_port.probe: \"up\" is no path: it must begin with /"
    );
    assert_eq!(
        refused("file = '/x'\nfrom = 1\nto = 2\nstatus = []"),
        "read nginx_port.status: name at least one status that is fine"
    );
}
