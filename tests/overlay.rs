//! Incident 3: wholesale replacement destroys production. A tree laid over a folder on real hosts, with what only
//! production had; ten thousand files; undo; what attackers on the host and in archives try.
mod common;

use common::{Host, Lab, Project};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// Everything about a tree that undo must bring back: types, modes, owners, link targets, bytes.
fn digest(host: &Host, folder: &str) -> String {
    host.must(&format!(
        "cd {folder} && {{ find . ! -type l -exec stat -c '%n %F %a %u %g' {{}} + | sort; \
         find . -type l -exec sh -c 'for l; do echo \"$l $(readlink \"$l\") $(stat -c %u:%g \"$l\")\"; done' sh {{}} + | sort; \
         find . -type f -exec sha256sum {{}} + | sort; }} | sha256sum"
    ))
}

/// What a deployment of a small application has here.
fn application(project: &Project) {
    for (path, content) in [
        ("files/app/src/index.js", "require('./routes')\n"),
        ("files/app/src/routes.js", "module.exports = 2\n"),
        ("files/app/package.json", "{}\n"),
        ("files/app/bin/start", "#!/bin/sh\nexec node src/index.js\n"),
    ] {
        project.write(path, content);
    }
    let start = project.path().join("files/app/bin/start");
    fs::set_permissions(start, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("src/index.js", project.path().join("files/app/main.js")).unwrap();
}

/// Production: an older deployment, and what only production has.
fn production(host: &Host, folder: &str) {
    host.must(&format!(
        "rm -rf {folder} && mkdir -p {folder}/src {folder}/uploads && cd {folder} && \
         echo 'module.exports = 1' >src/routes.js && echo 'DATABASE_URL=x' >.env && chmod 600 .env && \
         echo patched >src/hotfix.js && echo cat >uploads/cat.jpg && chmod 2775 uploads && \
         ln -s ../shared/logs logs && chown -R 1000:1000 . && chown -h 1000:1000 logs"
    ));
}

const OVERLAY: &str = "run playbook overlay --hosts full1 -e source=app -e dest=/srv/e2e-app";

#[test]
#[ignore = "needs the lab: ./tests/run"]
fn what_only_production_has_survives() {
    let lab = Lab::get();
    let host = lab.host("full1");
    let project = Project::new(&lab);
    application(&project);

    // What they did: `rm -rf` and `tar xzf` of what is here.
    production(&host, "/srv/e2e-scratch");
    host.must("cd /srv/e2e-scratch && rm -rf src uploads .env logs && mkdir src && echo 2 >src/routes.js");
    assert_ne!(host.sh("test -e /srv/e2e-scratch/src/hotfix.js").code, 0, "the incident: it is gone");
    host.must("rm -rf /srv/e2e-scratch");

    production(&host, "/srv/e2e-app");
    let before = digest(&host, "/srv/e2e-app");
    let check = project.told(&format!("{OVERLAY} --check")).exits(0);
    assert_eq!(digest(&host, "/srv/e2e-app"), before, "--check changes nothing");

    let apply = project.told(OVERLAY).exits(0);
    assert_eq!(apply.outcome("full1"), "changed", "{apply:#?}");
    let name = "app lies over /srv/e2e-app";
    assert_eq!(check.step("full1", name)["changes"], apply.step("full1", name)["changes"]);
    assert_eq!(host.read("/srv/e2e-app/src/routes.js").as_deref(), Some("module.exports = 2\n"));
    assert_eq!(host.read("/srv/e2e-app/src/hotfix.js").as_deref(), Some("patched\n"));
    assert_eq!(
        host.must("stat -c '%a %U' /srv/e2e-app/.env /srv/e2e-app/uploads | xargs"),
        "600 deploy 2775 deploy"
    );
    assert_eq!(
        host.must("stat -c '%a %u:%g' /srv/e2e-app/bin/start"),
        "755 1000:1000",
        "it is the folder's owner's"
    );
    assert_eq!(
        host.must("readlink /srv/e2e-app/main.js; stat -c %u:%g /srv/e2e-app/main.js | xargs"),
        "src/index.js\n1000:1000"
    );

    let again = project.told(OVERLAY).exits(0);
    assert_eq!(again.outcome("full1"), "ok", "{again:#?}");

    project.told("runs undo last --hosts full1");
    let undone = project.windlass(["runs", "list"]);
    let first = runs(&undone.stdout).into_iter().rev().nth(1).expect("the run that changed something");
    project.told(&format!("runs undo {first}")).exits(0);
    assert_eq!(digest(&host, "/srv/e2e-app"), before, "undo is byte for byte");
    host.must("rm -rf /srv/e2e-app");
}

/// The names of runs in a table.
fn runs(table: &str) -> Vec<String> {
    let name = |line: &str| line.split_whitespace().next().map(str::to_string);
    table.lines().filter_map(name).filter(|name| name.starts_with("20")).collect()
}

#[test]
#[ignore = "needs the lab: ./tests/run"]
fn what_left_the_source_goes_unless_it_was_edited() {
    let lab = Lab::get();
    let host = lab.host("full1");
    let project = Project::new(&lab);
    application(&project);
    production(&host, "/srv/e2e-app");
    project.told(OVERLAY).exits(0);
    host.must("echo by-hand >>/srv/e2e-app/package.json; echo mine >/srv/e2e-app/bin/mine");
    let before = digest(&host, "/srv/e2e-app");

    fs::remove_dir_all(project.path().join("files/app/bin")).unwrap();
    for gone in ["package.json", "main.js", "src/routes.js"] {
        fs::remove_file(project.path().join("files/app").join(gone)).unwrap();
    }
    let apply = project.told(OVERLAY).exits(0);
    let notes = apply.step("full1", "app lies over /srv/e2e-app")["notes"].to_string();
    assert!(notes.contains("stays because it was changed there since: /srv/e2e-app/package.json"), "{notes}");
    let there = host.must("cd /srv/e2e-app && find . ! -type d | sort | xargs");
    // src/routes.js was there before windlass came, so it is not windlass' to remove.
    assert_eq!(
        there,
        "./.env ./bin/mine ./logs ./package.json ./src/hotfix.js ./src/index.js ./src/routes.js ./uploads/cat.jpg"
    );
    assert_eq!(project.told(OVERLAY).exits(0).outcome("full1"), "ok");

    let table = project.windlass(["runs", "list"]).stdout;
    let removing = runs(&table).into_iter().nth(1).expect("the run that removed");
    project.told(&format!("runs undo {removing}")).exits(0);
    assert_eq!(digest(&host, "/srv/e2e-app"), before);
    host.must("rm -rf /srv/e2e-app");
}
