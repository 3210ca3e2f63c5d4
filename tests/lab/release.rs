//! Incidents 3 and 7 on real hosts: a new release beside the old one, behind nginx, systemd, pm2 and compose.

use crate::stage::{Host, Lab, Project, Report};
use std::time::Duration;

/// Answers with its version, and needs a file that only production has. On SIGTERM and SIGINT it answers what it has
/// accepted, then ends.
const INDEX: &str = r#"
const http = require('http');
const fs = require('fs');
const settings = require('../config.production.json');
const version = require('./version');
const server = http.createServer((request, response) => {
  response.setHeader('Connection', 'close');
  if (request.url === '/health' && version.sick) {
    console.error('the shop is sick');
    response.statusCode = 500;
  }
  response.end(`${settings.name} ${version.number}\n`);
});
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => server.close(() => process.exit(0)));
}
server.listen(process.env.LISTEN_FDS ? { fd: 3 } : settings.port);
"#;

/// A host with an application at a place of its own, and the project that deploys it.
struct Shop {
    host: Host,
    project: Project,
    dest: &'static str,
    vars: Vec<(&'static str, &'static str)>,
}

impl Shop {
    fn new(host: &str, dest: &'static str, vars: &[(&'static str, &'static str)]) -> Shop {
        let lab = Lab::get();
        let host = lab.host(host);
        host.must(&format!("rm -rf {dest} {dest}.releases {dest}.shared {dest}.kept"));
        let project = Project::new(&lab);
        let vars = [&[("source", "shop"), ("dest", dest)][..], vars].concat();
        Shop { host, project, dest, vars }
    }

    /// The app's first version, as a person put it there by hand, with what only production has.
    fn with_app(self, port: u16) -> Shop {
        let dest = self.dest;
        self.host.write(&format!("{dest}/src/index.js"), INDEX);
        self.host.write(&format!("{dest}/src/version.js"), "module.exports = { number: 1 };\n");
        let settings = format!("{{\"name\": \"production\", \"port\": {port}}}\n");
        self.host.write(&format!("{dest}/config.production.json"), settings);
        self.host.write(&format!("{dest}/src/only-here.js"), "// patched at night\n");
        self.version("number: 1");
        self
    }

    /// The source here, at this version.
    fn version(&self, what: &str) {
        self.project.write("files/shop/src/index.js", INDEX);
        self.project.write("files/shop/src/version.js", format!("module.exports = {{ {what} }};\n"));
    }

    fn play(&self, playbook: &str, vars: &[(&str, &str)], more: &[&str]) -> Report {
        let mut words = vec!["run".to_string(), "playbook".to_string(), playbook.to_string()];
        words.extend([
            "--hosts".to_string(),
            self.host.name.clone(),
            "--output".to_string(),
            "jsonl".to_string(),
        ]);
        for (name, value) in vars {
            words.extend(["-e".to_string(), format!("{name}={value}")]);
        }
        words.extend(more.iter().map(|word| word.to_string()));
        Report::read(self.project.windlass(words))
    }

    fn deploy(&self) -> Report {
        self.play("deploy-overlay", &self.vars, &[])
    }

    /// The same with some variables set anew.
    fn deploy_with(&self, vars: &[(&str, &str)], more: &[&str]) -> Report {
        let all: Vec<_> = self.vars.iter().copied().chain(vars.iter().copied()).collect();
        self.play("deploy-overlay", &all, more)
    }

    fn back(&self, to: &str) -> Report {
        let known = ["dest", "restart", "health", "user", "within"];
        let mut vars: Vec<_> = self.vars.iter().copied().filter(|(name, _)| known.contains(name)).collect();
        vars.push(("to", to));
        self.play("rollback", &vars, &[])
    }

    /// Takes the newest run back.
    fn undo(&self) -> Report {
        Report::read(self.project.windlass(["runs", "undo", "last", "--output", "jsonl"]))
    }

    fn release(&self) -> String {
        self.host.must(&format!("basename \"$(readlink {})\"", self.dest))
    }

    fn record(&self, release: &str) -> String {
        self.host.read(&format!("{}.releases/{release}.json", self.dest)).unwrap_or_default()
    }

    fn releases(&self) -> Vec<String> {
        let list = self.host.must(&format!("ls {}.releases", self.dest));
        list.lines().filter(|name| name.len() == 4).map(str::to_owned).collect()
    }

    /// Every file, link, mode and owner of what serves.
    fn tree(&self) -> String {
        self.host.must(&format!(
            "cd -P {}/ && find . -printf '%P %y %m %U:%G %l\\n' | sort && find . -type f | sort | xargs sha256sum",
            self.dest
        ))
    }

    fn says(&self, url: &str) -> String {
        self.host.sh(&format!("curl -s -m 10 {url}")).stdout.trim().to_owned()
    }
}

/// Somebody on the host who asks a URL all the time, one request after the other.
struct Client<'a>(&'a Host);

impl Client<'_> {
    fn asks<'a>(host: &'a Host, url: &str) -> Client<'a> {
        host.must("touch /tmp/asking && : >/tmp/asked");
        host.must(&format!(
            "setsid sh -c 'while [ -e /tmp/asking ]; do \
             if said=$(curl -sf -m 20 {url} 2>&1); then echo \"ok $said\"; else echo \"failed $? $said\"; fi; \
             done >/tmp/asked' >/dev/null 2>&1 </dev/null &"
        ));
        host.await_success("grep -q ok /tmp/asked", Duration::from_secs(20));
        Client(host)
    }

    /// How many were answered; panics when one was not.
    #[track_caller]
    fn saw_no_error(self) -> usize {
        let lines = self.0.must("cat /tmp/asked");
        let failed: Vec<_> = lines.lines().filter(|line| line.starts_with("failed")).collect();
        assert!(failed.is_empty(), "{failed:?} of {}", lines.lines().count());
        lines.lines().count()
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.0.sh("rm -f /tmp/asking; sleep 0.3");
    }
}

const SHOP: &str = "http://127.0.0.1:8102";

/// A Node.js app behind a socket of systemd's: connections wait there while the service restarts.
fn shop() -> Shop {
    let vars = [
        ("check", "[\"node --check src/index.js\", \"node --check src/version.js\"]"),
        ("restart", "shop"),
        ("health", "http://127.0.0.1:8102/health"),
        ("within", "5s"),
    ];
    let shop = Shop::new("full1", "/srv/shop", &vars).with_app(8102);
    let host = &shop.host;
    host.write(
        "/etc/systemd/system/shop.socket",
        "[Socket]\nListenStream=127.0.0.1:8102\n[Install]\nWantedBy=sockets.target\n",
    );
    host.write(
        "/etc/systemd/system/shop.service",
        "[Unit]\nRequires=shop.socket\n[Service]\nExecStart=/usr/bin/node /srv/shop/src/index.js\n",
    );
    host.must("systemctl daemon-reload && systemctl restart shop.socket && systemctl reset-failed 'shop*'; systemctl restart shop");
    host.await_success(&format!("curl -sf {SHOP}/health"), Duration::from_secs(20));
    shop
}

#[test]
fn production_only_files_survive_and_who_asks_sees_no_error() {
    let shop = shop();
    let host = &shop.host;

    // The incident: the tree is replaced by what is here.
    host.must("cp -a /srv/shop /srv/shop.kept && rm -rf /srv/shop/* && mkdir /srv/shop/src");
    host.write("/srv/shop/src/index.js", INDEX);
    host.write("/srv/shop/src/version.js", "module.exports = { number: 2 };\n");
    host.must("systemctl restart shop");
    assert_ne!(shop.says(SHOP), "production 2", "without its settings it cannot start");
    host.must("rm -rf /srv/shop && mv /srv/shop.kept /srv/shop; systemctl reset-failed 'shop*'; systemctl restart shop.socket shop");
    let before = shop.tree();

    shop.version("number: 2");
    let check = shop.deploy_with(&[], &["--check", "--diff"]).exits(0);
    assert_eq!(check.steps("full1")[0].1, "would_change");
    assert!(
        check.step("full1", "a new release of /srv/shop serves")["diff"]
            .to_string()
            .contains("src/version.js")
    );
    assert_eq!(host.sh("ls /srv/shop.releases").code, 2, "--check makes nothing");

    let client = Client::asks(host, SHOP);
    let apply = shop.deploy().exits(0);
    assert_eq!(apply.outcome("full1"), "changed");
    assert_eq!(shop.says(SHOP), "production 2");
    assert!(client.saw_no_error() > 5);
    assert_eq!(host.read("/srv/shop/src/only-here.js").as_deref(), Some("// patched at night\n"));
    assert_eq!(shop.release(), "0002");

    let pid = "systemctl show --property MainPID shop";
    let running = host.must(pid);
    assert_eq!(shop.deploy().exits(0).outcome("full1"), "ok");
    assert_eq!(host.must(pid), running, "nothing changed, so nothing is restarted");

    let run = apply.events[0]["run"].as_str().expect("every line names its run");
    Report::read(shop.project.windlass(["runs", "undo", run, "--output", "jsonl"])).exits(0);
    assert_eq!(shop.says(SHOP), "production 1");
    assert_eq!(shop.tree(), before);
    assert_eq!(host.sh("ls -d /srv/shop.releases").code, 2, "nothing of it is left");
}

#[test]
fn what_does_not_pass_never_serves_and_what_does_not_answer_is_gone_back_from() {
    let shop = shop();
    let host = &shop.host;
    shop.version("number: 2");
    shop.deploy().exits(0);
    let before = shop.tree();

    shop.version("number: 3, {");
    let client = Client::asks(host, SHOP);
    let report = shop.deploy().exits(2);
    assert!(report.failure("full1").contains("node --check src/version.js"), "{}", report.failure("full1"));
    assert!(report.failure("full1").contains("SyntaxError"), "{}", report.failure("full1"));
    client.saw_no_error();
    assert_eq!((shop.tree(), shop.release().as_str()), (before.clone(), "0002"));
    assert_eq!(shop.releases(), ["0001", "0002"], "the stage is gone");

    shop.version("number: 4, sick: true");
    let client = Client::asks(host, SHOP);
    let report = shop.deploy().exits(2);
    assert_eq!(report.outcome("full1"), "undone", "{report:#?}");
    assert!(report.failure("full1").contains("500"), "{}", report.failure("full1"));
    assert!(
        report.failure("full1").contains("the shop is sick"),
        "its last log lines: {}",
        report.failure("full1")
    );
    client.saw_no_error();
    assert_eq!(
        (shop.says(SHOP).as_str(), shop.tree(), shop.release().as_str()),
        ("production 2", before, "0002")
    );
    assert!(shop.record("0003").contains("\"state\":\"bad\""), "{}", shop.record("0003"));

    let report = shop.back("3").exits(2);
    assert!(report.failure("full1").contains("it is known to be bad"), "{}", report.failure("full1"));
    assert_eq!(shop.release(), "0002");

    shop.version("number: 5");
    shop.deploy().exits(0);
    assert_eq!((shop.release().as_str(), shop.says(SHOP).as_str()), ("0004", "production 5"));
    shop.back("previous").exits(0);
    assert_eq!(
        (shop.release().as_str(), shop.says(SHOP).as_str()),
        ("0002", "production 2"),
        "not the bad one"
    );
    shop.undo().exits(0);
    assert_eq!((shop.release().as_str(), shop.says(SHOP).as_str()), ("0004", "production 5"));

    // One that ends at once, so often that systemd would start it no more.
    shop.version("get number() { process.exit(1); }");
    shop.deploy().exits(2);
    assert_eq!((shop.release().as_str(), shop.says(SHOP).as_str()), ("0004", "production 5"));
}

#[test]
fn files_behind_nginx_from_an_archive_are_never_missing() {
    let shop = Shop::new(
        "full2",
        "/srv/site",
        &[("source", "site.tar"), ("keep", "2"), ("shared", "[\"uploads/\"]")],
    );
    let host = &shop.host;
    host.write("/srv/site/index.html", "one\n");
    host.write("/srv/site/uploads/picture", "mine\n");
    host.write("/srv/site/only-here.html", "kept\n");
    host.must("chmod -R a+rX /srv/site");
    host.write("/etc/nginx/conf.d/site.conf", "server { listen 127.0.0.1:8101; root /srv/site; }\n");
    host.must("systemctl reload-or-restart nginx");
    let site = "http://127.0.0.1:8101";
    host.await_success(&format!("curl -sf {site}/"), Duration::from_secs(20));

    let client = Client::asks(host, &format!("{site}/index.html"));
    for number in ["two", "three", "four", "five"] {
        archive(&shop.project, number);
        shop.deploy().exits(0);
        assert_eq!(shop.says(site), number);
        host.write("/srv/site/uploads/picture", format!("mine since {number}\n"));
    }
    assert!(client.saw_no_error() > 20);
    let five = shop.tree();
    archive(&shop.project, "six");
    shop.deploy().exits(0);
    shop.undo().exits(0);
    assert_eq!(shop.tree(), five);
    archive(&shop.project, "five");
    assert_eq!(shop.deploy().exits(0).outcome("full2"), "ok");
    assert_eq!(shop.says(&format!("{site}/uploads/picture")), "mine since five");
    assert_eq!(shop.says(&format!("{site}/only-here.html")), "kept");
    assert_eq!(shop.releases(), ["0005"], "two good ones were kept, and the newer one was taken back");
    host.must("rm /etc/nginx/conf.d/site.conf && systemctl reload nginx");
}

/// `files/site.tar` with an index that says `text`.
#[expect(clippy::disallowed_methods, reason = "a person packs it with tar")]
fn archive(project: &Project, text: &str) {
    project.write("build/index.html", format!("{text}\n"));
    let mut tar = std::process::Command::new("tar");
    tar.current_dir(project.path()).args(["-C", "build", "-cf", "files/site.tar", "."]);
    assert_eq!(crate::stage::finish(&mut tar).code, 0);
}

#[test]
fn an_app_of_pm2_in_cluster_mode_is_reloaded_without_a_gap() {
    let vars = [
        ("check", "[\"node --check src/version.js\"]"),
        ("restart", "pm2:api"),
        ("user", "deploy"),
        ("health", "http://127.0.0.1:8103/health"),
        ("within", "10s"),
    ];
    let shop = Shop::new("full2", "/srv/api", &vars).with_app(8103);
    let host = &shop.host;
    let pm2 = |words: &str| format!("cd / && runuser -u deploy -- env HOME=/home/deploy pm2 {words}");
    host.must("chown -R deploy:deploy /srv/api");
    host.sh(&pm2("delete api"));
    host.must(&pm2("start /srv/api/src/index.js --name api -i 2 --cwd /srv/api"));
    let url = "http://127.0.0.1:8103";
    host.await_success(&format!("curl -sf {url}/health"), Duration::from_secs(30));

    shop.version("number: 2");
    let client = Client::asks(host, url);
    shop.deploy().exits(0);
    assert!(client.saw_no_error() > 5);
    assert_eq!(shop.says(url), "production 2");
    assert_eq!(host.must("stat -c %U /srv/api/src/version.js"), "deploy");
    assert_eq!(shop.deploy().exits(0).outcome("full2"), "ok");

    shop.version("number: 3, sick: true");
    let report = shop.deploy().exits(2);
    assert_eq!(report.outcome("full2"), "undone", "{report:#?}");
    assert!(report.failure("full2").contains("the shop is sick"), "{}", report.failure("full2"));
    assert_eq!(shop.says(url), "production 2");
    host.must(&pm2("delete api"));
    host.must(&pm2("kill"));
}

#[test]
fn a_compose_service_gets_the_new_release_and_the_old_one_back() {
    let vars =
        [("restart", "compose:web"), ("health", "http://127.0.0.1:8104/index.html"), ("within", "10s")];
    let shop = Shop::new("full1", "/srv/web", &vars);
    let host = &shop.host;
    host.reset_docker();
    host.must(
        "docker rm -f $(docker ps -aq --filter label=com.docker.compose.project=web) 2>/dev/null; true",
    );
    host.write(
        "/srv/web/docker-compose.yml",
        "version: '3'\nservices:\n  web:\n    image: lab/busybox\n    command: httpd -f -p 80 -h /page\n    stop_grace_period: 1s\n    ports: ['127.0.0.1:8104:80']\n    volumes: ['./page:/page:ro']\n",
    );
    host.write("/srv/web/page/index.html", "one\n");
    host.must("cd /srv/web && docker-compose up -d");
    let url = "http://127.0.0.1:8104/index.html";
    host.await_success(&format!("curl -sf {url}"), Duration::from_secs(30));
    let project = "docker inspect --format '{{ index .Config.Labels \"com.docker.compose.project\" }}' $(docker ps -q --filter publish=8104)";
    assert_eq!(host.must(project), "web");

    shop.project.write("files/shop/page/index.html", "two\n");
    shop.deploy().exits(0);
    assert_eq!((shop.says(url).as_str(), host.must(project).as_str()), ("two", "web"));
    assert_eq!(shop.deploy().exits(0).outcome("full1"), "ok");

    // Without its page the server ends at once.
    shop.project.write(
        "files/shop/docker-compose.yml",
        host.read("/srv/web/docker-compose.yml").unwrap().replace("/page:ro", "/elsewhere:ro"),
    );
    let report = shop.deploy().exits(2);
    assert_eq!(report.outcome("full1"), "undone", "{report:#?}");
    assert!(
        report.failure("full1").contains("change directory to '/page'"),
        "its last words: {}",
        report.failure("full1")
    );
    assert_eq!(shop.says(url), "two");
    host.must("docker-compose --project-directory /srv/web -f /srv/web/docker-compose.yml down -t 1");
}

#[test]
fn without_an_agent_it_is_the_same() {
    let shop = Shop::new("noexec1", "/srv/site", &[]);
    let host = &shop.host;
    host.write("/srv/site/index.html", "one\n");
    host.write("/srv/site/only-here.html", "kept\n");
    let before = shop.tree();
    shop.project.write("files/shop/index.html", "two\n");

    let report = shop.deploy_with(&[("check", "[\"grep two index.html\"]")], &[]).exits(0);

    assert_eq!(report.system("noexec1"), "sh");
    assert_eq!(
        (shop.release().as_str(), host.read("/srv/site/index.html").as_deref()),
        ("0002", Some("two\n"))
    );
    assert_eq!(host.read("/srv/site/only-here.html").as_deref(), Some("kept\n"));
    shop.undo().exits(0);
    assert_eq!(shop.tree(), before);
}

#[test]
fn a_run_that_was_cut_off_is_completed_by_the_next() {
    let shop = Shop::new("small1", "/srv/site", &[]);
    let host = &shop.host;
    host.write("/srv/site/index.html", "one\n");
    shop.project.write("files/shop/index.html", "two\n");
    let playbook =
        "[[steps]]\n[steps.release]\nsource = \"shop\"\ndest = \"/srv/site\"\ncheck = [\"sleep 6543\"]\n";
    let running = shop.project.start(playbook, "small1");
    host.await_success("pidof sleep", Duration::from_secs(30));
    running.kill();
    // The agent dies too, as a host does that loses power, in the middle of the check.
    host.must("check=$(pidof sleep); kill -KILL $(awk '/^PPid:/ { print $2 }' /proc/$check/status) $check");
    assert_eq!(host.read("/srv/site/index.html").as_deref(), Some("one\n"), "what serves was not touched");
    assert_eq!(shop.releases(), ["0002"], "the stage was left behind");
    host.write("/srv/site/upload", "written since\n");

    let report = shop.deploy().exits(0);
    assert_eq!(
        (report.outcome("small1"), host.read("/srv/site/index.html").as_deref()),
        ("changed", Some("two\n"))
    );
    assert_eq!(host.read("/srv/site/upload").as_deref(), Some("written since\n"));
    assert_eq!(shop.deploy().exits(0).outcome("small1"), "ok");
    assert_eq!(shop.releases(), ["0001", "0002"]);
}
