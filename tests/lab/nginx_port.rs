//! Incident 2, its nginx half, on real hosts: a port is moved where nginx's syntax says that it is one, nothing else
//! changes by a byte, and whatever goes wrong, the old configuration serves.

use crate::stage::{Host, Lab, Project};
use std::time::Duration;

const AVAILABLE: &str = "/etc/nginx/sites-available/e2e";

/// A site as people have them, with all that `sed -i s/3001/3002/g` would spoil: CRLF, and no newline at the end.
const SITE: &str = "# the app, proxy_pass http://127.0.0.1:3001 until it moves\r
map $http_x_e2e $e2e { default 3001; \"3001\" x3001; }\r
upstream e2e { server 127.0.0.1:3001 max_fails=3; server 127.0.0.1:13001 down; keepalive 3001; }\r
server {\r
\tlisten 127.0.0.1:8301;\r
\tserver_name e2e.example.com;\r
\tadd_header X-Old \"port ;{ 3001 }\";\r
\taccess_log /var/log/nginx/e2e-3001.log;\r
\tset $backend '127.0.0.1:3001';\r
\tinclude snippets/e2e.conf;\r
\tlocation /variable { proxy_pass http://$backend/; }\r
\tlocation = /3001 { return 204; }\r
}";

const SNIPPET: &str = "location / { proxy_pass http://e2e; } # 3001\n";

/// What the playbook under test does, in one step.
fn moving(more: &str) -> String {
    format!(
        "[[steps]]\nname = \"move\"\n[steps.nginx_port]\nfile = \"{AVAILABLE}\"\nfrom = 3001\nto = 3002\nwithin = \"3s\"\n{more}\n"
    )
}

/// A host without anything of an earlier test.
fn reset(host: &Host) {
    host.must(
        "rm -rf /etc/nginx/sites-*/e2e* /etc/nginx/snippets/e2e* /etc/nginx/conf.d/e2e* /srv/e2e; \
         systemctl stop 'e2e-*' 2>/dev/null; systemctl reset-failed; systemctl restart nginx",
    );
}

/// Something that serves this word on a port.
fn serve(host: &Host, port: u16, word: &str) {
    host.write(&format!("/srv/e2e/{port}/index.html"), word);
    host.must(&format!(
        "systemd-run --unit e2e-{port} busybox httpd -f -p 127.0.0.1:{port} -h /srv/e2e/{port}"
    ));
    host.await_success(&format!("curl -sf http://127.0.0.1:{port}/"), Duration::from_secs(10));
}

/// The site, enabled; the app as it was on 3001, and as it is on 3002.
fn site(host: &Host, site: &str) {
    reset(host);
    serve(host, 3001, "old");
    host.write(AVAILABLE, site);
    host.write("/etc/nginx/snippets/e2e.conf", SNIPPET);
    host.must(&format!("ln -s {AVAILABLE} /etc/nginx/sites-enabled/e2e && nginx -t && nginx -s reload"));
    host.await_success("curl -sf http://127.0.0.1:8301/ | grep -q old", Duration::from_secs(10));
}

/// The command that takes this run back.
fn undo_of(report: &crate::stage::Report) -> String {
    format!("runs undo {}", report.events[0]["run"].as_str().expect("events name their run"))
}

fn page(host: &Host, path: &str) -> String {
    host.sh(&format!("curl -s http://127.0.0.1:8301{path}")).stdout
}

fn workers(host: &Host) -> String {
    host.must("pgrep -f 'nginx: worker process$' | sort | tr '\\n' ' '")
}

/// The failed step changed nothing: the file is as it was, and what it says is what is served.
#[track_caller]
fn as_before(host: &Host, text: &str) {
    assert_eq!(host.read(AVAILABLE).as_deref(), Some(text));
    host.await_success("curl -sf http://127.0.0.1:8301/ | grep -q old", Duration::from_secs(10));
}

#[test]
fn a_port_is_moved_and_nothing_else_changes() {
    let lab = Lab::get();
    let host = lab.host("full1");
    site(&host, SITE);
    serve(&host, 3002, "new");
    let sed = host.must(&format!("sed s/3001/3002/g {AVAILABLE}"));
    assert!(sed.contains("13002") && sed.contains("e2e-3002.log"), "what people did by hand");
    let project = Project::new(&lab);
    let before = workers(&host);

    let check = project.play(&moving("probe = \"/\""), "full1", "--check").exits(0);
    assert_eq!(check.outcomes("full1"), ["would_change"]);
    assert_eq!((host.read(AVAILABLE).as_deref(), workers(&host)), (Some(SITE), before.clone()));

    let report = project.play(&moving("probe = \"/\""), "full1", "").exits(0);
    assert_eq!(report.outcomes("full1"), ["changed"]);
    assert_eq!(check.step("full1", "move")["changes"], report.step("full1", "move")["changes"]);
    let expected = SITE
        .replace("server 127.0.0.1:3001 max", "server 127.0.0.1:3002 max")
        .replace("'127.0.0.1:3001'", "'127.0.0.1:3002'");
    assert_eq!(host.read(AVAILABLE), Some(expected));
    assert_eq!(host.read("/etc/nginx/snippets/e2e.conf").as_deref(), Some(SNIPPET));
    assert_eq!((page(&host, "/"), page(&host, "/variable")), ("new".to_owned(), "new".to_owned()));
    let after = workers(&host);
    assert_ne!(after, before);

    let again = project.play(&moving("probe = \"/\""), "full1", "").exits(0);
    assert_eq!(
        (again.outcomes("full1"), workers(&host)),
        (vec!["ok"], after),
        "the second run changes nothing"
    );

    project.report(&undo_of(&report)).exits(0);
    as_before(&host, SITE);
    reset(&host);
}

#[test]
fn a_port_that_somebody_holds_is_noticed_although_nginx_says_nothing() {
    let lab = Lab::get();
    let host = lab.host("full1");
    let text = SITE.replace("127.0.0.1:8301;", "127.0.0.1:8301; listen 127.0.0.1:3101;");
    site(&host, &text);
    serve(&host, 3102, "somebody else");

    host.must(&format!("sed -i 's/listen 127.0.0.1:3101/listen 127.0.0.1:3102/' {AVAILABLE}"));
    host.must("nginx -t && : >/var/log/nginx/error.log && nginx -s reload");
    host.await_success("grep -q 'still could not bind' /var/log/nginx/error.log", Duration::from_secs(30));
    assert_eq!(
        host.sh("curl -sf http://127.0.0.1:3101/").stdout,
        "old",
        "the incident: exit 0, and the old one serves"
    );
    host.write(AVAILABLE, &text);
    host.must("nginx -s reload");

    let project = Project::new(&lab);
    let step = moving("listen = true").replace("3001", "3101").replace("3002", "3102");
    let report = project.play(&step, "full1", "").exits(2);
    let failure = report.failure("full1");
    assert!(failure.contains("run nginx -s reload: it exited 0, but"), "{failure}");
    assert!(failure.contains("bind() to 127.0.0.1:3102 failed (98: Address already in use)"), "{failure}");
    assert!(failure.contains("something else listens there"), "{failure}");
    as_before(&host, &text);
    assert_eq!(host.sh("curl -sf http://127.0.0.1:3101/").stdout, "old");
    assert_eq!(host.sh("curl -sf http://127.0.0.1:3102/").stdout, "somebody else");
    reset(&host);
}

#[test]
fn listens_are_moved_when_asked() {
    let lab = Lab::get();
    let host = lab.host("full2");
    site(&host, &SITE.replace("8301", "8301 default_server"));
    let project = Project::new(&lab);
    let step =
        moving("listen = true").replace("from = 3001", "from = 8301").replace("to = 3002", "to = 8302");
    project.play(&step, "full2", "").exits(0);
    assert_eq!(host.sh("curl -sf http://127.0.0.1:8302/").stdout, "old");
    assert_ne!(host.sh("curl -sf http://127.0.0.1:8301/").code, 0);
    reset(&host);
}

#[test]
fn a_configuration_that_nginx_refuses_is_put_back() {
    let lab = Lab::get();
    let host = lab.host("full2");
    let text = SITE.replace("127.0.0.1:8301;", "127.0.0.1:8301; listen 127.0.0.1:3001 default_server;");
    let text = text.replace("127.0.0.1:3001 max", "127.0.0.1:3009 max");
    reset(&host);
    serve(&host, 3009, "old");
    host.write(
        "/etc/nginx/sites-enabled/e2e-other",
        "server { listen 127.0.0.1:3002 default_server; return 204; }",
    );
    host.write(AVAILABLE, &text);
    host.write("/etc/nginx/snippets/e2e.conf", SNIPPET);
    host.must(&format!("ln -s {AVAILABLE} /etc/nginx/sites-enabled/e2e && nginx -t && nginx -s reload"));
    let before = workers(&host);

    let report = Project::new(&lab).play(&moving("listen = true\nprobe = \"\""), "full2", "").exits(2);
    let failure = report.failure("full2");
    assert!(
        failure.contains("run nginx -t") && failure.contains("a duplicate default server for 127.0.0.1:3002"),
        "{failure}"
    );
    as_before(&host, &text);
    // Of the workers that were there, those of the reload above may have ended since.
    let after = workers(&host);
    let stayed = |worker: &str| before.split_whitespace().any(|old| old == worker);
    assert!(after.split_whitespace().all(stayed), "nginx was not even reloaded: {before} then {after}");
    reset(&host);
}

#[test]
fn a_site_that_does_not_answer_gets_its_old_port_back() {
    let lab = Lab::get();
    let host = lab.host("full2");
    site(&host, SITE);
    let project = Project::new(&lab);

    let report = project.play(&moving(""), "full2", "").exits(2);
    let failure = report.failure("full2");
    assert!(failure.contains("wait until 127.0.0.1:3002 accepts connections: not within 3 s"), "{failure}");
    as_before(&host, SITE);

    // It accepts connections and does not speak HTTP.
    let deaf = "require('net').createServer(one => one.destroy()).listen(3002, '127.0.0.1')";
    host.write("/srv/e2e/deaf.js", deaf);
    host.must("systemd-run --unit e2e-3002 node /srv/e2e/deaf.js");
    host.await_success("ss -ltn | grep -q 127.0.0.1:3002", Duration::from_secs(10));
    let report = project.play(&moving(""), "full2", "").exits(2);
    let failure = report.failure("full2");
    assert!(
        failure.contains("wait until http://127.0.0.1:8301/ answers as wanted: not within 3 s"),
        "{failure}"
    );
    assert!(failure.contains("upstream"), "the log says why: {failure}");
    as_before(&host, SITE);
    reset(&host);
}

/// A file counts as newer than nginx's workers from two seconds on.
fn workers_grow_old(host: &Host) {
    let youngest = "ps -o etimes= --ppid $(cat /run/nginx.pid) | sort -n | head -n 1";
    host.await_success(&format!("[ $({youngest}) -gt 2 ]"), Duration::from_secs(30));
}

#[test]
fn a_run_that_was_cut_off_before_the_reload_is_finished() {
    let lab = Lab::get();
    let host = lab.host("full2");
    site(&host, SITE);
    serve(&host, 3002, "new");
    workers_grow_old(&host);
    host.write(AVAILABLE, SITE.replace("127.0.0.1:3001 max", "127.0.0.1:3002 max"));
    let project = Project::new(&lab);
    let step = moving("addresses = [\"127.0.0.1\"]\nprobe = \"/\"");
    let report = project.play(&step, "full2", "").exits(0);
    assert_eq!((report.outcomes("full2"), page(&host, "/")), (vec!["changed"], "new".to_owned()));

    workers_grow_old(&host);
    host.must(&format!("touch {AVAILABLE}"));
    let report = project.play(&step, "full2", "").exits(0);
    assert_eq!(
        report.step("full2", "move")["changes"],
        serde_json::json!(["run nginx -t", "run nginx -s reload"])
    );
    let report = project.play(&step, "full2", "").exits(0);
    assert_eq!(report.outcomes("full2"), ["ok"]);
    reset(&host);
}

#[test]
fn a_site_is_put_in_place_or_the_old_one_stays() {
    let lab = Lab::get();
    let host = lab.host("full2");
    reset(&host);
    let project = Project::new(&lab);
    let step = |more: &str| format!("[[steps]]\n[steps.nginx_site]\nname = \"e2e\"\n{more}\n");
    let content = |inside: &str| {
        step(&format!("content = \"server {{ listen 127.0.0.1:8301; {inside} }}\"\nprobe = \"/\""))
    };
    let good = content("location / { return 200 old; }");

    for outcome in ["changed", "ok"] {
        let report = project.play(&good, "full2", "").exits(0);
        assert_eq!((report.outcomes("full2"), page(&host, "/").as_str()), (vec![outcome], "old"));
    }
    let report = project.play(&content("no_such_directive on;"), "full2", "").exits(2);
    assert!(
        report.failure("full2").contains("unknown directive \"no_such_directive\""),
        "{}",
        report.failure("full2")
    );
    let report = project.play(&content("return 503;"), "full2", "").exits(2);
    assert!(report.failure("full2").contains("answered 503"), "{}", report.failure("full2"));
    host.await_success("curl -sf http://127.0.0.1:8301/ | grep -q old", Duration::from_secs(10));

    for outcome in ["changed", "ok"] {
        let report = project.play(&step("state = \"absent\""), "full2", "").exits(0);
        assert_eq!((report.outcomes("full2"), page(&host, "/").as_str()), (vec![outcome], ""));
    }
    assert_eq!(host.read(AVAILABLE), None);
    project.report("runs undo last");
    reset(&host);
}

const COMPOSE: &str = "/srv/e2e/app/docker-compose.yml";

const COMPOSE_TEXT: &str = "version: '3'  # 3001:80
services:
  web:
    image: lab/busybox
    command: httpd -f -p 80 -h /www
    ports:
      - \"127.0.0.1:3001:80\"   # 3001
";

/// The playbook as people type it.
fn line(host: &Host, more: &str) -> String {
    let name = &host.name;
    format!(
        "run playbook nginx-port --hosts {name} -e file={AVAILABLE} -e from=3001 -e to=3002 -e compose_file={COMPOSE} {more}"
    )
}

/// A site before a compose service that is not up yet.
fn before_compose(host: &Host) -> String {
    reset(host);
    host.sh("docker rm -f $(docker ps -aq --filter label=com.docker.compose.project=app)");
    host.write(COMPOSE, COMPOSE_TEXT);
    let text =
        SITE.replace("\tlocation = /3001 {", "\tlocation = /down { return 503; }\r\n\tlocation = /3001 {");
    host.write(AVAILABLE, &text);
    host.write("/etc/nginx/snippets/e2e.conf", SNIPPET);
    host.must(&format!("ln -s {AVAILABLE} /etc/nginx/sites-enabled/e2e && nginx -t && nginx -s reload"));
    text
}

fn down(host: &Host) {
    host.must(&format!("docker-compose --file {COMPOSE} down"));
    reset(host);
}

#[test]
fn a_port_that_an_orphan_holds_is_left_to_it() {
    let lab = Lab::get();
    let host = lab.host("full1");
    let text = before_compose(&host);
    let orphan = "docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port 3001 -container-ip 172.17.0.250 -container-port 80";
    host.must(&format!("systemd-run --unit e2e-orphan sh -c 'exec {orphan} 3>/dev/null'"));
    host.await_success("ss -ltn | grep -q 127.0.0.1:3001", Duration::from_secs(10));
    let up = host.sh(&format!("docker-compose --file {COMPOSE} up --detach"));
    assert!(up.code != 0 && format!("{up:?}").contains("already"), "the incident: {up:?}");
    host.must(&format!("docker-compose --file {COMPOSE} rm --stop --force"));
    let project = Project::new(&lab);

    let check = project.report(&line(&host, "--check")).exits(0);
    assert_eq!(host.read(COMPOSE).as_deref(), Some(COMPOSE_TEXT), "--check changes nothing");
    let report = project.report(&line(&host, "")).exits(0);
    // compose reads its file itself, so that what it would do with a file that is only pretended is unknown.
    assert_eq!(check.outcomes("full1"), ["ok", "ok", "would_change", "ok", "unknown", "would_change"]);
    assert_eq!(report.outcomes("full1"), ["ok", "ok", "changed", "ok", "changed", "changed"]);
    assert_eq!(host.read(COMPOSE), Some(COMPOSE_TEXT.replace("127.0.0.1:3001:80", "127.0.0.1:3002:80")));
    assert_eq!(page(&host, "/"), "app is up\n");

    let again = project.report(&line(&host, "")).exits(0);
    assert_eq!(again.outcome("full1"), "ok", "{again:#?}");
    host.must("systemctl stop e2e-orphan");
    let undone = project.report(&undo_of(&report)).exits(0);
    assert_eq!(undone.outcome("full1"), "undone");
    assert_eq!(host.read(COMPOSE).as_deref(), Some(COMPOSE_TEXT));
    assert_eq!(host.read(AVAILABLE), Some(text));
    down(&host);
}

#[test]
fn a_service_that_ran_runs_again_on_its_old_port_when_the_site_does_not_answer() {
    let lab = Lab::get();
    let host = lab.host("full2");
    let text = before_compose(&host);
    host.must(&format!("docker-compose --file {COMPOSE} up --detach"));
    host.await_success("curl -sf http://127.0.0.1:8301/ | grep -q 'app is up'", Duration::from_secs(20));

    let report = Project::new(&lab).report(&line(&host, "-e probe=/down -e within=3s")).exits(2);

    assert_eq!(report.outcome("full2"), "undone", "{report:#?}");
    assert!(report.failure("full2").contains("answered 503"), "{}", report.failure("full2"));
    assert_eq!(host.read(COMPOSE).as_deref(), Some(COMPOSE_TEXT));
    assert_eq!(host.read(AVAILABLE), Some(text));
    host.await_success("curl -sf http://127.0.0.1:8301/ | grep -q 'app is up'", Duration::from_secs(20));
    down(&host);
}

#[test]
fn a_new_port_that_somebody_holds_is_refused_by_name() {
    let lab = Lab::get();
    let host = lab.host("full2");
    let text = before_compose(&host);
    serve(&host, 3002, "somebody else");

    let report = Project::new(&lab).report(&line(&host, "")).exits(2);

    assert_eq!(report.outcome("full2"), "undone", "{report:#?}");
    let failure = report.failure("full2");
    assert!(failure.contains("port 3002 is held already by") && failure.contains("e2e-3002"), "{failure}");
    assert_eq!(host.read(COMPOSE).as_deref(), Some(COMPOSE_TEXT));
    assert_eq!(host.read(AVAILABLE), Some(text));
    reset(&host);
}
