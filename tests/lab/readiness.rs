//! Incidents 9 and 10: what a deployment needs and has, what hosts have left. Both playbooks only look, which is shown.

use crate::stage::{Host, Lab, Project};
use serde_json::{Value, json};

/// What the deployment of the test needs: twelve things are there, six are not as they should be.
const SHOP: &str = r#"
services = ["nginx", "none", { postgres = "127.0.0.1:5432" }, { redis = "127.0.0.1:6379" }, { port = 22 }]
http = [{ url = "http://127.0.0.1:8080/", matches = "." }, "http://127.0.0.1/none"]
images = ["lab/busybox", "shop:9"]
containers = ["app", "gone"]
tables = [{ database = "postgres:///readiness", count = 2, names = ["users"] }]
files = ["/srv/readiness/index.js", { path = "/srv/readiness/model", min_size = "1 MiB" }]
env = [{ file = "/srv/readiness/.env", names = ["DATABASE_URL", "SECRET_KEY"] }]
"#;

/// Everything on the host that a look could have touched: files with their times, packages' state left out, and docker's.
const TREES: &str = "for tree in /etc /root /home /srv /opt /usr/local /var/lib/windlass /var/lib/postgresql/15/main/base; do \
    find $tree -xdev -type f -printf '%p %s %m %u %T@\\n' 2>/dev/null; done | grep -v -e pg_internal -e /base/ | sort; \
    ls -l /var/lib/windlass 2>&1; docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}'; \
    docker images --no-trunc; docker volume ls -q";

fn deployed(host: &Host) {
    host.forget_windlass();
    host.reset_docker();
    host.write("/srv/readiness/index.js", "console.log('shop')\n");
    host.write("/srv/readiness/model", "half of it");
    host.write(
        "/srv/readiness/.env",
        "DATABASE_URL=postgres://u:hunter2@db/shop\nSECRET_KEY=your-secret-key-here\n",
    );
    let sql = "drop database if exists readiness; create database readiness";
    for statement in sql.split("; ") {
        host.must(&format!("cd / && runuser -u postgres -- psql -qc '{statement}'"));
    }
    host.must("cd / && runuser -u postgres -- psql -qd readiness -c 'create table users (id int); create table orders (id int)'");
}

fn json(project: &Project, line: &str, code: i32) -> Value {
    let ended = project.windlass(line.split_whitespace().chain(["--output", "json"]));
    assert_eq!(ended.code, code, "{ended:?}");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

/// `verdict group what` of everything that was found.
fn found(document: &Value, verdict: &str) -> Vec<String> {
    let steps = document["hosts"][0]["steps"].as_array().expect("steps");
    let findings = steps.iter().flat_map(|step| step["findings"].as_array().expect("findings"));
    let text = |value: &Value| value.as_str().expect("a text").to_string();
    findings
        .filter(|finding| finding["verdict"] == verdict)
        .map(|finding| format!("{} {}", text(&finding["group"]), text(&finding["what"])))
        .collect()
}

#[test]
fn a_report_says_what_is_ready_and_what_is_not() {
    let lab = Lab::get();
    let host = lab.host("full1");
    deployed(&host);
    let project = Project::new(&lab);
    project.write("shop.toml", SHOP);
    let run = "run playbook readiness --hosts full1 -e @shop.toml -e disk_free_min=1%";
    project.windlass(run.split_whitespace());
    let before = host.must(TREES);

    let report = json(&project, run, 2);

    assert_eq!(host.must(TREES), before, "it only looks");
    assert_eq!(host.sh("test -e /var/lib/windlass/runs").code, 1, "there is no journal");
    assert_eq!(
        found(&report, "fail"),
        [
            "services none",
            "http http://127.0.0.1/none",
            "images shop:9",
            "containers gone",
            "files /srv/readiness/model",
            "env SECRET_KEY in /srv/readiness/.env",
        ]
    );
    assert_eq!(found(&report, "unknown"), Vec::<String>::new());
    let checks = &report["hosts"][0]["checks"];
    let (pass, fail) = (checks["pass"].as_u64().unwrap(), checks["fail"].as_u64().unwrap());
    assert_eq!((fail, &checks["percent"]), (6, &json!(pass * 100 / (pass + fail))));
    assert!(!report.to_string().contains("hunter2") && !report.to_string().contains("your-secret"));

    let check = json(&project, &format!("{run} --check"), 2);
    assert_eq!(check["hosts"][0]["checks"], *checks, "--check says the same");

    let markdown = project.windlass(["runs", "show", "last-check", "--output", "markdown"]).stdout;
    assert!(markdown.contains("| **fail** | images shop:9 | it is not there | is there |"), "{markdown}");
    host.must("rm -rf /srv/readiness; cd / && runuser -u postgres -- psql -qc 'drop database readiness'");
}

#[test]
fn what_is_ready_is_a_hundred_percent() {
    let lab = Lab::get();
    let host = lab.host("full2");
    host.reset_docker();
    let project = Project::new(&lab);
    project.write(
        "ok.toml",
        "services = [\"nginx\", \"redis-server\"]\nimages = [\"lab/busybox\"]\ncontainers = [\"app\"]\n",
    );
    let report = json(&project, "run playbook readiness --hosts full2 -e @ok.toml -e disk_free_min=1%", 0);
    assert_eq!(report["hosts"][0]["checks"]["percent"], 100);
    assert_eq!(report["hosts"][0]["outcome"], "ok");
}

#[test]
fn a_fleet_is_one_table_and_limits_fail() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full1", "full2"]);
    hosts.iter().for_each(Host::reset_docker);
    let project = Project::new(&lab);
    let run = "run playbook resources --hosts full -e disk_free_min=1%";
    project.windlass(run.split_whitespace());
    let before: Vec<String> = hosts.iter().map(|host| host.must(TREES)).collect();

    let fine = project.windlass(run.split_whitespace());

    assert_eq!(fine.code, 0, "{fine:?}");
    let after: Vec<String> = hosts.iter().map(|host| host.must(TREES)).collect();
    assert_eq!(after, before, "it only looks");
    let mut table = fine.stdout.lines().skip_while(|line| !line.contains("load 5 min"));
    let title = table.next().unwrap_or_else(|| panic!("{}", fine.stdout));
    for column in ["disk /", "cpu busy", "memory free", "swap free", "network in", "containers restarts"] {
        assert!(title.contains(column), "{column} in {title}");
    }
    assert!(table.next().unwrap().starts_with("full1 ") && table.next().unwrap().starts_with("full2 "));

    let over = json(
        &project,
        "run playbook resources --hosts full -e disk_free_min=99% -e memory_free_min=100% -e load_max=0",
        2,
    );
    assert!(found(&over, "fail").contains(&"disk /".to_string()));
    assert!(found(&over, "fail").contains(&"memory free".to_string()), "one step's failure hides no other");
}

#[test]
fn a_host_without_agent_and_docker_tells_what_it_has() {
    let lab = Lab::get();
    let hosts = lab.hosts(["noexec1", "small1"]);
    let project = Project::new(&lab);
    let report = json(&project, "run playbook resources --hosts noexec1,small1 -e disk_free_min=1%", 0);
    for host in report["hosts"].as_array().unwrap() {
        assert_eq!(host["checks"]["unknown"], 0, "{host:#}");
    }
    drop(hosts);
}
