//! Incident 4: nobody knows what production holds. 46 of 92 files that only the host has, 11 imports that point nowhere,
//! a variable that is read and not set, another that is still a placeholder; and that no value is ever shown.

use crate::stage::{Host, Lab, Project, Report, Stage};
use serde_json::Value;
use std::fs;

const FULL: &str = "--hosts full1";

/// What a step found on the host: `fail only there old/7.js`.
fn found(report: &Report) -> Vec<String> {
    let steps =
        report.events.iter().filter(|event| event["event"] == "step_ended" || event["type"] == "step_ended");
    let findings = steps.flat_map(|event| event["findings"].as_array().cloned().unwrap_or_default());
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_string();
    findings
        .map(|one| {
            format!(
                "{} {} {}: {}",
                text(&one, "verdict"),
                text(&one, "group"),
                text(&one, "what"),
                text(&one, "seen")
            )
        })
        .collect()
}

fn starting<'f>(found: &'f [String], start: &str) -> Vec<&'f String> {
    found.iter().filter(|line| line.starts_with(start)).collect()
}

/// Audits look and change nothing: everything below a folder.
fn digest(host: &Host, folder: &str) -> String {
    host.must(&format!("cd {folder} && find . -exec stat -c '%n %F %a %u %Y' {{}} + | sort | sha256sum"))
}

/// 46 files here, in a project that is about to be deployed.
fn application(project: &Project) {
    for number in 0..46 {
        project.write(&format!("files/app/src/part{number}.js"), format!("module.exports = {number}\n"));
    }
}

#[test]
fn what_production_holds_is_reported() {
    let Stage { host, project } = Stage::on("full1");
    application(&project);
    host.must("rm -rf /srv/audit-app /var/lib/windlass && mkdir -p /srv/audit-app/old");
    host.must("cd /srv/audit-app/old && for i in $(seq 46); do echo $i >hand$i.js; done");
    let audit = format!("run playbook tree-audit {FULL} -e source=app -e dest=/srv/audit-app");

    // Before windlass ever deployed there: two sides, and it says so.
    let report = project.report(&audit).exits(2);
    let lines = found(&report);
    assert_eq!(starting(&lines, "fail only there ").len(), 46, "{lines:#?}");
    assert!(lines.last().unwrap().contains("only two sides were compared"), "{lines:#?}");

    // 92 files, of which 46 only the host has.
    project.report(&format!("run playbook overlay {FULL} -e source=app -e dest=/srv/audit-app")).exits(0);
    assert_eq!(host.must("find /srv/audit-app -type f | wc -l"), "92", "the incident is there");
    let lines = found(&project.report(&audit).exits(2));
    assert_eq!(starting(&lines, "fail only there old/hand").len(), 46, "{lines:#?}");
    assert_eq!(lines.last().unwrap(), "info tree /srv/audit-app: 92 files there: 46 same, 46 only there");

    // Edited there by hand, changed here since, and both.
    host.must("cd /srv/audit-app/src && echo hotfix >part1.js && echo hotfix >part2.js && rm part3.js && chmod 600 part4.js");
    project.write("files/app/src/part2.js", "module.exports = 'new'\n");
    project.write("files/app/src/part5.js", "module.exports = 'new'\n");
    project.write("files/app/src/part46.js", "module.exports = 46\n");
    fs::remove_file(project.path().join("files/app/src/part6.js")).unwrap();
    let before = digest(&host, "/srv/audit-app");
    let check = found(&project.report(&format!("{audit} --check -e exclude=[\"old\"]")).exits(2));
    let lines = found(&project.report(&format!("{audit} -e exclude=[\"old\"]")).exits(2));
    expect_test::expect![[r#"
        fail edited by hand src/part1.js: changed there since it was deployed
        fail edited by hand src/part2.js: changed there since it was deployed, and here too
        fail edited by hand src/part3.js: removed there since it was deployed
        fail edited by hand src/part4.js: its mode was changed there since it was deployed
        info only here src/part46.js: it was not deployed yet
        info pending src/part5.js: changed here since it was deployed
        info pending src/part6.js: no longer here; it is still as it was deployed
        info tree /srv/audit-app: 45 files there: 40 same, 1 only here, 4 edited by hand, 2 pending
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
    assert_eq!(check, lines, "--check tells the same");
    assert_eq!(digest(&host, "/srv/audit-app"), before, "nothing was touched");
    host.must("rm -rf /srv/audit-app");
}

/// What an app of that size looks like: 92 files, of which 11 import something that is not there.
fn production(host: &Host, folder: &str) {
    host.must(&format!("rm -rf {folder} && mkdir -p {folder}/src/lib {folder}/node_modules/left-pad"));
    host.must(&format!("cd {folder} && echo 'module.exports = 1' >node_modules/left-pad/index.js"));
    host.must(&format!("cd {folder} && for i in $(seq 80); do echo \"require('./lib/Db'); require('fs'); require('left-pad')\" >src/part$i.js; done"));
    host.must(&format!("cd {folder} && echo 'module.exports = 1' >src/lib/Db.js"));
    host.write(
        &format!("{folder}/package.json"),
        r#"{ "dependencies": { "left-pad": "1", "express": "4" } }"#,
    );
    for number in 1..=8 {
        host.write(
            &format!("{folder}/src/lost{number}.js"),
            format!("// {number}\nrequire('./gone{number}')\n"),
        );
    }
    host.write(&format!("{folder}/src/case.js"), "import db from './lib/db.js'\n");
    host.write(
        &format!("{folder}/src/types.ts"),
        "import type { Row } from './lib/rows'\nimport { a } from '@/lib/x'\n",
    );
    host.write(
        &format!("{folder}/src/modules.js"),
        "require('express')\nrequire('axios')\ntry { require('fsevents') } catch {}\n",
    );
}

#[test]
fn imports_of_missing_files_are_reported_with_their_lines() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full1", "small1"]);
    let project = Project::new(&lab);
    for host in &hosts {
        production(host, "/srv/audit-imports");
        let before = digest(host, "/srv/audit-imports");
        let audit = format!("run playbook imports-audit --hosts {} -e dest=/srv/audit-imports", host.name);
        let report = project.report(&audit).exits(2);
        let lines = found(&report);
        let failing = starting(&lines, "fail imports ");
        assert_eq!(failing.len(), 11, "{lines:#?}");
        assert!(
            lines.contains(&"fail imports src/lost8.js:2: ./gone8 does not exist".to_string()),
            "{lines:#?}"
        );
        assert!(
            lines.contains(&"fail imports src/case.js:1: ./lib/db.js does not exist".to_string()),
            "{lines:#?}"
        );
        assert_eq!(
            starting(&lines, "fail modules express: package.json declares it, and it is not installed").len(),
            1
        );
        assert_eq!(starting(&lines, "fail modules axios: no package.json declares it").len(), 1);
        assert_eq!(
            starting(&lines, "info imports 1 import: name what does not exist, and the failure is caught")
                .len(),
            1
        );
        assert!(lines.last().unwrap().contains("imports in 92 files exist"), "{lines:#?}");
        let hints = serde_json::to_string(&report.events).unwrap();
        assert!(hints.contains("src/lib/Db.js differs in capital letters only"), "{hints}");
        assert_eq!(
            found(&project.report(&format!("{audit} --check")).exits(2)),
            lines,
            "--check tells the same"
        );
        assert_eq!(digest(host, "/srv/audit-imports"), before, "nothing was touched");

        // Repaired, the same playbook is content, and again.
        host.must("cd /srv/audit-imports && rm src/lost* src/case.js src/types.ts src/modules.js");
        for _ in 0..2 {
            assert_eq!(project.report(&audit).exits(0).outcome(&host.name), "ok");
        }
        host.must("rm -rf /srv/audit-imports");
    }
}

#[test]
fn imports_of_a_folder_here_are_looked_through_once() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full1", "full2"]);
    let project = Project::new(&lab);
    project.write("files/app/a.js", "import './b.js'\n");
    let report = project.report("run playbook imports-audit --hosts full -e source=app").exits(2);
    let lines = found(&report);
    assert_eq!(starting(&lines, "fail imports a.js:1: ./b.js does not exist").len(), 1, "{lines:#?}");
    assert_eq!(report.outcome(&hosts[1].name), "failed", "it fails with the host that looked");
    project.write("files/app/b.js", "");
    project.report("run playbook imports-audit --hosts full -e source=app").exits(0);
    assert!(
        project
            .report("run playbook imports-audit --hosts full")
            .exits(2)
            .failure("full1")
            .contains("give source")
    );
}

/// Values that must never leave the host; their forms are looked for everywhere.
const CANARIES: &[&str] = &["canary-secret-one", "canary-secret-two", "canary-secret-three", "canary-broken"];

#[test]
fn variables_are_compared_and_values_never_shown() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full1", "noexec1"]);
    for host in &hosts {
        let project = Project::new(&lab);
        let mut code = String::from("connect(process.env.DATABASE_URL)\nlisten(process.env.PORT ?? 3000)\n");
        for number in 1..79 {
            code.push_str(&format!("use(process.env.SETTING_{number})\n"));
        }
        project.write("files/app/src/index.js", &code);
        project.write(
            "files/app/compose.yaml",
            "services:\n  app:\n    image: app:${TAG:-1}\n    environment:\n      REDIS_URL: redis://redis\n",
        );
        project.write("files/app/.env.example", "DATABASE_URL=postgres://user:password@host/db\n");
        let mut env = String::from("# production\n");
        for number in 1..37 {
            env.push_str(&format!("SETTING_{number}={}-{number}\n", CANARIES[0]));
        }
        env.push_str(&format!(
            "export SETTING_37=\"{}\n{}\"\nSETTING_38=your-{}-here\nUNUSED='{}'\n",
            CANARIES[1], CANARIES[1], CANARIES[2], CANARIES[2]
        ));
        env.push_str(&format!("{} is no assignment\n", CANARIES[3]));
        host.write("/srv/audit.env", &env);
        host.must("chmod 600 /srv/audit.env");

        let audit =
            format!("run playbook env-audit --hosts {} -e source=app -e env_file=/srv/audit.env", host.name);
        let report = project.report(&audit).exits(2);
        let lines = found(&report);
        assert!(
            lines.contains(&"fail environment DATABASE_URL: not set, and read by src/index.js:1".to_string()),
            "{lines:#?}"
        );
        assert!(
            lines.contains(
                &"fail environment SETTING_38: a placeholder in /srv/audit.env:40: it begins with your-"
                    .to_string()
            ),
            "{lines:#?}"
        );
        assert_eq!(starting(&lines, "pass environment SETTING_").len(), 37);
        assert_eq!(starting(&lines, "fail environment SETTING_").len(), 41);
        assert_eq!(
            starting(&lines, "info environment 2 variables: not set, and there is a default: PORT, TAG")
                .len(),
            1,
            "{lines:#?}"
        );
        assert_eq!(
            starting(&lines, "info environment 1 variable: set, and read by nothing that was found: UNUSED")
                .len(),
            1
        );
        assert_eq!(
            starting(&lines, "fail files /srv/audit.env:42: it has no = after its name").len(),
            1,
            "{lines:#?}"
        );

        project.report(&format!("{audit} --check --diff -v")).exits(2);
        let screens = [
            project.windlass(audit.split(' ')),
            project.windlass(["runs", "show", "last-check"]),
            project.windlass(["runs", "export", "last-check"]),
        ];
        let seen = format!("{report:?}{screens:?}");
        nothing_shown(&seen, "on the screen");
        for file in fs::read_dir(project.path().join(".windlass")).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap_or_default();
            nothing_shown(&String::from_utf8_lossy(&bytes), &path.display().to_string());
        }
        let on_host = host
            .sh("grep -rl canary /var/lib/windlass /root/.local/state/windlass /tmp/windlass* 2>/dev/null");
        assert_eq!(on_host.stdout, "", "nor kept there");

        let whole: String = (1..79).map(|number| format!("SETTING_{number}=x-{number}\n")).collect();
        host.write("/srv/audit.env", format!("{whole}DATABASE_URL=postgres://app:s3cret@db/app\n"));
        for _ in 0..2 {
            assert_eq!(project.report(&audit).exits(0).outcome(&host.name), "ok");
        }
        host.must("rm /srv/audit.env");
    }
}

#[track_caller]
fn nothing_shown(text: &str, place: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} {place}");
    }
}
