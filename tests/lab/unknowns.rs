//! How many steps of each shipped playbook a dry run leaves `unknown` on a prepared host. Each figure is the most there may
//! be, and is lowered when one falls.

use crate::stage::{Lab, Project, Report, Stage};
use std::fs;

/// Each playbook with what it takes, and how many of its steps stay unknown.
const PLAYBOOKS: &[(&str, &str, usize)] = &[
    ("backup", "files=[\"/etc/nginx\"]", 0),
    ("blue-green", "name=app image=lab/hello port=8080 site=app", 1),
    ("cleanup", "", 0),
    ("deploy-overlay", "source=app dest=/srv/e2e-unknown", 0),
    ("env-audit", "source=app env_file=app/.env", 0),
    ("fix-dns", "", 3),
    ("imports-audit", "source=app", 0),
    ("migrate", "dir=migrations database=postgres://postgres@/postgres", 0),
    ("overlay", "source=app dest=/srv/e2e-unknown", 0),
    ("port-audit", "", 0),
    ("provision", "keys=KEYS", 0),
    ("readiness", "", 0),
    ("resources", "", 0),
    ("tree-audit", "source=app dest=/srv/e2e-unknown", 0),
];

/// The rest need a site, a backup or a release of their own: their tests hold what a dry run says of them.
const ELSEWHERE: &[&str] = &["nginx-port", "restore", "rollback"];

#[test]
fn a_dry_run_of_each_shipped_playbook_leaves_no_more_unknown_than_before() {
    let Stage { host, project } =
        Stage::on("full2").with("mkdir -p /srv/e2e-unknown; rm -f /etc/docker/daemon.json");
    project.write("app/a.mjs", "import './b.mjs';\nconsole.log(process.env.HOME);\n");
    project.write("app/b.mjs", "export {};\n");
    project.write("app/.env", "HOME=/\n");
    project.write("migrations/0001_first.sql", "CREATE TABLE first (number int);\n");
    let mut worse = Vec::new();
    for (playbook, vars, most) in PLAYBOOKS {
        let unknown = unknown_steps(&dry_run(&project, &host.name, playbook, vars), &host.name);
        println!("{playbook}: {} unknown {unknown:?}", unknown.len());
        if unknown.len() > *most {
            worse.push(format!("{playbook}: {unknown:?}"));
        }
        let vague = unknown.iter().find(|(_, why)| why.is_empty());
        assert!(vague.is_none(), "{playbook} does not say what it waits for: {vague:?}");
    }
    host.must("rmdir /srv/e2e-unknown");
    assert!(worse.is_empty(), "more is unknown than before: {worse:#?}");
}

#[test]
fn every_shipped_playbook_has_its_figure() {
    let mut known: Vec<&str> =
        PLAYBOOKS.iter().map(|(name, ..)| *name).chain(ELSEWHERE.iter().copied()).collect();
    known.sort_unstable();
    let shipped = fs::read_dir("playbooks").expect("they are here").flatten();
    let mut shipped: Vec<String> = shipped
        .filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".toml")?.to_string()))
        .collect();
    shipped.sort_unstable();
    assert_eq!(shipped, known);
}

/// A run that ends because an audit found something has looked at everything.
fn dry_run(project: &Project, host: &str, playbook: &str, vars: &str) -> Report {
    let key = fs::read_to_string(Lab::get().identity().with_extension("pub")).expect("the lab has a key");
    let keys = format!("[\"{}\"]", key.trim());
    let vars = vars.split_whitespace().flat_map(|var| ["-e".to_string(), var.replace("KEYS", &keys)]);
    let line = format!("run playbook {playbook} --hosts {host} --check --output jsonl");
    let report = Report::read(project.windlass(line.split_whitespace().map(str::to_string).chain(vars)));
    assert!([0, 2].contains(&report.code), "{playbook}: {report:#?}");
    report
}

/// The names of the unknown steps, each with what it says it waits for.
fn unknown_steps(report: &Report, host: &str) -> Vec<(String, String)> {
    let unknown = report.steps(host).into_iter().filter(|(_, outcome)| *outcome == "unknown");
    let why = |name: &str| report.step(host, name)["notes"][0].as_str().unwrap_or_default().to_string();
    unknown.map(|(name, _)| (name.to_string(), why(name))).collect()
}
