//! Incident 8, whole: a container behind nginx is replaced under load, with a way back from everything that fails.

use crate::stage::{Host, Report, Stage};
use std::time::Duration;

const SITE: &str = "/etc/nginx/sites-enabled/e2e-shop";

/// Comments and odd spacing must survive each swap.
const CONF: &str = "# hand-made: keep 127.0.0.1:8091 out of the logs\nupstream shop {\n\tserver   127.0.0.1:8090  max_fails=0; # the app\n}\n\
                    server {\n  listen 8099;\n  server_name shop.example.com;\n  location / { proxy_pass http://shop; }\n}\n";

/// How long a container may take in these tests at most.
const SOON: Duration = Duration::from_secs(60);

/// A page that says which version it is, and takes a moment, so that requests are always under way.
fn build(host: &Host, version: &str, command: &str) {
    let page = format!("#!/bin/sh\\nsleep 0.05\\necho Content-Type: text/plain\\necho\\necho {version}\\n");
    let dockerfile = format!(
        "FROM lab/busybox\nRUN mkdir -p /www/cgi-bin && printf '{page}' >/www/cgi-bin/version && chmod 755 /www/cgi-bin/version\nCMD {command}\n"
    );
    host.write("/tmp/windlass-build/Dockerfile", dockerfile);
    host.must(&format!("docker build -q -t e2eshop:{version} /tmp/windlass-build"));
}

const SERVE: &str = "[\"httpd\",\"-f\",\"-p\",\"80\",\"-h\",\"/www\"]";

fn clean(host: &Host) {
    host.must(&format!(
        "rm -f {SITE}; nginx -s reload; rm -rf /tmp/windlass-build /srv/e2e-load; \
         docker ps -aq --filter name=^/e2eshop | xargs -r docker rm -f >/dev/null; \
         docker images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' | grep ^e2eshop | xargs -r docker rmi -f >/dev/null; \
         docker image prune -f >/dev/null"
    ));
}

/// The incident's start: a container made by hand behind nginx.
fn start_by_hand(host: &Host) {
    clean(host);
    for version in ["v1", "v2", "v3"] {
        build(host, version, SERVE);
    }
    host.must(
        "docker run -d --name e2eshop --stop-timeout 1 --restart always -p 127.0.0.1:8090:80 e2eshop:v1",
    );
    host.write(SITE, CONF);
    host.must("systemctl is-active nginx || systemctl start nginx; nginx -t && nginx -s reload");
    host.await_success(&format!("{VERSION} | grep v1"), SOON);
}

const VERSION: &str = "curl -sf -H 'Host: shop.example.com' http://127.0.0.1:8099/cgi-bin/version";

fn names(host: &Host) -> Vec<String> {
    let names = host.must("docker ps -a --format '{{.State}} {{.Names}}' | grep e2eshop | sort");
    names.lines().map(|line| line.split("-until-").next().unwrap_or_default().to_owned()).collect()
}

/// Swaps to a version. The app answers slowly to SIGTERM, so that it is killed after a second.
fn swap(stage: &Stage, version: &str, more: &str) -> Report {
    let host = &stage.host.name;
    let line = format!(
        "run playbook blue-green --hosts {host} -e name=e2eshop -e image=e2eshop:{version} -e port=80 -e site={SITE} \
         -e health=/cgi-bin/version -e within=15s {more}"
    );
    stage.project.report(&line)
}

/// Clients on the host that ask without a pause; every answer that is not a 200 with a version is counted, with the exit
/// code of curl and the seconds it took. A busy machine may keep a client waiting, so only a minute is too long.
fn load(host: &Host) {
    let client = "while [ -e /srv/e2e-load/client.sh ]; do \
                  answer=$(curl -s -m 60 -o /srv/e2e-load/body.$1 -w '%{http_code} %{exitcode} %{time_total}' -H 'Host: shop.example.com' http://127.0.0.1:8099/cgi-bin/version); \
                  case $answer.$(cat /srv/e2e-load/body.$1) in 200*.v?) echo >>/srv/e2e-load/good ;; *) echo $answer >>/srv/e2e-load/bad ;; esac; done; \
                  touch /srv/e2e-load/ended.$1";
    host.write("/srv/e2e-load/client.sh", client);
    host.must("for n in 1 2; do setsid sh /srv/e2e-load/client.sh $n >/dev/null 2>&1 & done");
    host.await_success("[ $(wc -l </srv/e2e-load/good) -gt 20 ]", SOON);
}

/// Ends the clients: how many answers were good, and the bad ones.
fn count(host: &Host) -> (usize, String) {
    host.must("mv /srv/e2e-load/client.sh /srv/e2e-load/client");
    host.await_success("[ $(ls /srv/e2e-load/ended.* | wc -l) = 2 ]", 2 * SOON);
    let good = host.must("wc -l </srv/e2e-load/good").trim().parse().expect("a number");
    (good, host.read("/srv/e2e-load/bad").unwrap_or_default())
}

#[test]
fn swaps_under_load_fail_no_request() {
    let stage = Stage::on("full");
    let Stage { host, project } = &stage;
    start_by_hand(host);
    load(host);

    let check = swap(&stage, "v2", "--check").exits(0);
    assert_eq!(check.step(&host.name, "the new container serves")["outcome"], "would_change", "{check:#?}");
    assert_eq!((host.read(SITE).as_deref(), names(host)), (Some(CONF), vec!["running e2eshop".to_owned()]));

    let mut last = String::new();
    for version in ["v2", "v3", "v1", "v2"] {
        let report = swap(&stage, version, "").exits(0);
        assert_eq!(report.outcome(&host.name), "changed", "{report:#?}");
        assert_eq!(host.must(VERSION), version);
        last = project.export()["run"].as_str().expect("a name").to_owned();
    }
    let port = host.must(&format!("sed -n 's/.*server   127.0.0.1:\\([0-9]*\\)  max_fails.*/\\1/p' {SITE}"));
    assert_eq!(host.read(SITE), Some(CONF.replace("127.0.0.1:8090", &format!("127.0.0.1:{port}"))));
    let again = swap(&stage, "v2", "").exits(0);
    assert_eq!(again.outcome(&host.name), "ok", "{again:#?}");

    project.report(&format!("runs undo {last}")).exits(0);
    assert_eq!(host.must(VERSION), "v1", "the one before serves again");

    let (good, bad) = count(host);
    println!("{good} good answers while swapping");
    assert!(good > 100, "{good}");
    assert_eq!(bad, "", "of {good} requests these failed");
    clean(host);
}

#[test]
fn a_version_that_never_answers_leaves_the_old_one() {
    let stage = Stage::on("full");
    let Stage { host, .. } = &stage;
    start_by_hand(host);
    load(host);
    build(host, "deaf", "[\"sh\",\"-c\",\"echo waiting for DATABASE_URL >&2; sleep 1000\"]");
    build(host, "dead", "[\"sh\",\"-c\",\"echo cannot open /data >&2; exit 7\"]");

    for (version, words) in [("deaf", "waiting for DATABASE_URL"), ("dead", "cannot open /data")] {
        let failure = swap(&stage, version, "-e within=5s").exits(2).failure(&host.name);
        assert!(failure.contains(words), "{failure}");
        assert_eq!(
            (host.read(SITE).as_deref(), names(host)),
            (Some(CONF), vec!["running e2eshop".to_owned()])
        );
    }
    // nginx refuses the configuration as a whole: the site is not even touched.
    host.write("/etc/nginx/conf.d/e2e-broken.conf", "server { listen 8098; no_such_directive on; }\n");
    let failure = swap(&stage, "v2", "").exits(2).failure(&host.name);
    host.must("rm /etc/nginx/conf.d/e2e-broken.conf");
    assert!(failure.contains("no_such_directive"), "{failure}");
    assert_eq!((host.read(SITE).as_deref(), names(host)), (Some(CONF), vec!["running e2eshop".to_owned()]));

    // It passes its test and cannot be used: a port is taken. Only the missing new workers tell.
    host.write("/etc/nginx/conf.d/e2e-taken.conf", "server { listen 127.0.0.1:8080; }\n");
    let failure = swap(&stage, "v2", "").exits(2).failure(&host.name);
    host.must("rm /etc/nginx/conf.d/e2e-taken.conf");
    assert!(failure.contains("continues with its old configuration"), "{failure}");
    assert_eq!(host.read(SITE).as_deref(), Some(CONF));
    // nginx could not take up the old configuration either, which it never left: the new container goes all the same.
    assert_eq!(names(host), ["running e2eshop"]);
    swap(&stage, "v2", "").exits(0);
    assert_eq!(host.must(VERSION), "v2");
    assert!(!names(host).contains(&"running e2eshop-next".to_owned()));

    assert_eq!(count(host).1, "");
    clean(host);
}

#[test]
fn a_run_that_was_killed_at_odd_seconds_is_resumed() {
    killed_runs_are_resumed(["1", "3", "5"]);
}

#[test]
fn a_run_that_was_killed_at_other_seconds_is_resumed() {
    killed_runs_are_resumed(["2", "4", "7"]);
}

fn killed_runs_are_resumed(seconds_until_kill: [&str; 3]) {
    let stage = Stage::on("full");
    let Stage { host, project } = &stage;
    start_by_hand(host);
    load(host);
    for (round, seconds) in seconds_until_kill.into_iter().enumerate() {
        let version = ["v2", "v3", "v1"][round % 3];
        let mut windlass = project.command();
        let line = format!(
            "run playbook blue-green --hosts {} -e name=e2eshop -e image=e2eshop:{version} -e port=80 -e site={SITE} -e health=/cgi-bin/version",
            host.name
        );
        let mut child = windlass
            .args(line.split_whitespace())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        // Somewhere in the swap, a different stage each time.
        host.must(&format!("sleep {seconds}"));
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
        // The whole machine could have gone: the agent is killed too. What it ran may go on for a moment.
        host.must(
            "for process in /proc/[0-9]*; do case $(readlink $process/exe) in \
             */windlass-*) kill -KILL ${process#/proc/} ;; esac; done; true",
        );
        swap(&stage, version, "").exits(0);
        assert_eq!(host.must(VERSION), version);
        assert!(!names(host).contains(&"running e2eshop-next".to_owned()));
        assert_eq!(
            names(host).iter().filter(|name| name.starts_with("running")).count(),
            1,
            "{:?}",
            names(host)
        );
        assert_eq!(swap(&stage, version, "").exits(0).outcome(&host.name), "ok");
    }
    assert_eq!(count(host).1, "");
    clean(host);
}

/// dockerd ends every container when it is restarted without live-restore; a restart policy brings them back.
#[test]
fn a_dockerd_that_is_restarted_in_the_middle_costs_no_version() {
    let stage = Stage::on("full");
    let Stage { host, project } = &stage;
    start_by_hand(host);
    // The new version is not ready for some seconds, so that the restart comes in the middle of the swap.
    build(host, "v2", "[\"sh\",\"-c\",\"sleep 6; exec httpd -f -p 80 -h /www\"]");
    let mut command = project.command();
    let line = format!(
        "run playbook blue-green --hosts {} -e name=e2eshop -e image=e2eshop:v2 -e port=80 -e site={SITE} -e health=/cgi-bin/version -e within=40s",
        host.name
    );
    command.args(line.split_whitespace());
    let run = std::thread::spawn(move || crate::stage::finish(&mut command));
    let seen =
        host.sh("timeout 120 sh -c 'until docker inspect e2eshop-next; do sleep 0.1; done' >/dev/null 2>&1");
    if seen.code != 0 {
        panic!("no new container was seen: {:?}", run.join());
    }
    host.must("systemctl reset-failed docker; systemctl restart docker");
    let finished = run.join().expect("it ends");
    host.await_app();

    // Whatever became of that run, one of both versions serves, and the next run ends what was begun.
    host.await_success(&format!("{VERSION} | grep v"), SOON);
    if finished.code != 0 {
        assert!(names(host).contains(&"running e2eshop".to_owned()), "{:?} {finished:?}", names(host));
    }
    swap(&stage, "v2", "-e within=40s").exits(0);
    assert_eq!(host.must(VERSION), "v2");
    let running = names(host).into_iter().filter(|name| name.starts_with("running")).collect::<Vec<_>>();
    assert_eq!(running, ["running e2eshop"]);
    clean(host);
}

#[test]
fn a_first_deployment_and_an_archive() {
    let stage = Stage::on("full");
    let Stage { host, project } = &stage;
    start_by_hand(host);
    host.must("docker rm -f e2eshop");
    project.write("files/shop.tar", host.bytes("docker save e2eshop:v2"));
    host.must("docker rmi e2eshop:v2");

    let report = swap(&stage, "v2", "-e archive=shop.tar").exits(0);
    assert_eq!((report.outcome(&host.name), host.must(VERSION).as_str()), ("changed", "v2"));
    assert_eq!(swap(&stage, "v2", "-e archive=shop.tar").exits(0).outcome(&host.name), "ok");

    // What was kept long enough is removed by the next run.
    swap(&stage, "v3", "-e keep_old=0").exits(0);
    assert_eq!(names(host), ["running e2eshop"]);
    clean(host);
}
