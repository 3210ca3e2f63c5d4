//! Incident 3: wholesale replacement destroys production. A tree laid over a folder on real hosts, with what only
//! production had; ten thousand files; undo; what attackers on the host and in archives try.
#![expect(clippy::disallowed_methods, reason = "archives are made with tar, as people make them")]

use crate::stage::{Host, Project, Stage};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Instant;

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
         ln -s ../other/logs logs && chown -R 1000:1000 . && chown -h 1000:1000 logs"
    ));
}

const OVERLAY: &str = "run playbook overlay --hosts full1 -e source=app -e dest=/srv/e2e-app";

#[test]
fn what_only_production_has_survives() {
    let Stage { host, project } = Stage::on("full1");
    application(&project);

    // What they did: `rm -rf` and `tar xzf` of what is here.
    production(&host, "/srv/e2e-scratch");
    host.must("cd /srv/e2e-scratch && rm -rf src uploads .env logs && mkdir src && echo 2 >src/routes.js");
    assert_ne!(host.sh("test -e /srv/e2e-scratch/src/hotfix.js").code, 0, "the incident: it is gone");
    host.must("rm -rf /srv/e2e-scratch");

    production(&host, "/srv/e2e-app");
    let before = digest(&host, "/srv/e2e-app");
    let check = project.report(&format!("{OVERLAY} --check")).exits(0);
    assert_eq!(digest(&host, "/srv/e2e-app"), before, "--check changes nothing");

    let apply = project.report(OVERLAY).exits(0);
    assert_eq!(apply.outcome("full1"), "changed", "{apply:#?}");
    let name = "app is copied over /srv/e2e-app";
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

    let again = project.report(OVERLAY).exits(0);
    assert_eq!(again.outcome("full1"), "ok", "{again:#?}");

    project.report(&format!("runs undo {}", run_of(&apply.events))).exits(0);
    assert_eq!(digest(&host, "/srv/e2e-app"), before, "undo is byte for byte");
    host.must("rm -rf /srv/e2e-app");
}

/// The name of the run of this report.
fn run_of(events: &[Value]) -> String {
    events[0]["run"].as_str().expect("a name").to_string()
}

#[test]
fn what_left_the_source_goes_unless_it_was_edited() {
    let Stage { host, project } = Stage::on("full1");
    application(&project);
    production(&host, "/srv/e2e-app");
    project.report(OVERLAY).exits(0);
    host.must("echo by-hand >>/srv/e2e-app/package.json; echo mine >/srv/e2e-app/bin/mine");
    let before = digest(&host, "/srv/e2e-app");

    fs::remove_dir_all(project.path().join("files/app/bin")).unwrap();
    for gone in ["package.json", "main.js", "src/routes.js"] {
        fs::remove_file(project.path().join("files/app").join(gone)).unwrap();
    }
    let apply = project.report(OVERLAY).exits(0);
    let notes = apply.step("full1", "app is copied over /srv/e2e-app")["notes"].to_string();
    assert!(notes.contains("stays because it was changed there since: /srv/e2e-app/package.json"), "{notes}");
    let there = host.must("cd /srv/e2e-app && find . ! -type d | sort | xargs");
    // src/routes.js was there before windlass came, so it is not windlass' to remove.
    assert_eq!(
        there,
        "./.env ./bin/mine ./logs ./package.json ./src/hotfix.js ./src/index.js ./src/routes.js ./uploads/cat.jpg"
    );
    assert_eq!(project.report(OVERLAY).exits(0).outcome("full1"), "ok");

    project.report(&format!("runs undo {}", run_of(&apply.events))).exits(0);
    assert_eq!(digest(&host, "/srv/e2e-app"), before);
    host.must("rm -rf /srv/e2e-app");
}

/// Files that are all different, a hundred in each folder.
fn many_files(project: &Project, count: usize) {
    for number in 0..count {
        let path = project.path().join(format!("files/many/{:03}/{number}.js", number / 100));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("// {number}\n").repeat(150)).unwrap();
    }
}

const MANY: &str = "run playbook overlay --hosts full1 -e source=many -e dest=/srv/e2e-many";
const MANY_STEP: &str = "many is copied over /srv/e2e-many";

/// How long something takes, printed with the output of the test.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    eprintln!("{what}: {:.2} s", began.elapsed().as_secs_f64());
    done
}

/// What the step says of what differs.
fn differ(step: &Value) -> String {
    let notes: Vec<String> = serde_json::from_value(step["notes"].clone()).unwrap();
    notes.into_iter().find(|note| note.contains("differ")).unwrap_or_default()
}

#[test]
fn ten_thousand_files_and_then_one() {
    let Stage { host, project } = Stage::on("full1");
    many_files(&project, 10_000);
    host.must("rm -rf /srv/e2e-many && mkdir /srv/e2e-many && echo own >/srv/e2e-many/own");
    let before = digest(&host, "/srv/e2e-many");

    let first = timed("first", || project.report(MANY).exits(0));
    assert!(
        differ(first.step("full1", MANY_STEP)).starts_with("10000 of 10000 files differ"),
        "{}",
        differ(first.step("full1", MANY_STEP))
    );
    let changes = first.step("full1", MANY_STEP)["changes"].as_array().unwrap().len();
    assert!(changes < 100, "{changes} changes are reported one by one");
    let laid = digest(&host, "/srv/e2e-many");
    let again = timed("unchanged", || project.report(MANY).exits(0));
    assert_eq!((again.outcome("full1"), differ(again.step("full1", MANY_STEP)).as_str()), ("ok", ""));

    project.write("files/many/042/4242.js", "changed\n");
    let one = timed("one changed", || project.report(MANY).exits(0));
    assert_eq!(differ(one.step("full1", MANY_STEP)), "1 of 10000 files differ; 8 bytes of them travel");
    assert_eq!(one.step("full1", MANY_STEP)["changes"].as_array().unwrap().len(), 1);
    timed("undo of one", || project.report("runs undo last").exits(0));
    assert_eq!(digest(&host, "/srv/e2e-many"), laid);

    let first = run_of(&first.events);
    timed("undo of all", || project.report(&format!("runs undo {first}")).exits(0));
    assert_eq!(digest(&host, "/srv/e2e-many"), before);
    host.must("rm -rf /srv/e2e-many");
}

#[test]
fn a_killed_agent_leaves_nothing_behind() {
    let Stage { host, project } = Stage::on("full1");
    many_files(&project, 3000);
    host.must("rm -rf /srv/e2e-many && mkdir -p /srv/e2e-many/000 && echo old >/srv/e2e-many/000/1.js");
    let before = digest(&host, "/srv/e2e-many");
    let kill = "for n in $(seq 3000); do \
                    if [ -n \"$(find /srv/e2e-many -name '.*.windlass-*' -print -quit)\" ]; then \
                        for p in /proc/[0-9]*; do case $(readlink $p/exe) in */windlass-*) kill -KILL ${p#/proc/} ;; esac; done; exit 0; \
                    fi; sleep 0.01; done; exit 1";
    let left = "find /srv/e2e-many /var/lib/windlass -name '.*.windlass-*' | wc -l";
    let killed = || {
        let report = std::thread::scope(|scope| {
            let killer = scope.spawn(|| host.sh(kill).code);
            let report = project.report(MANY);
            assert_eq!(killer.join().unwrap(), 0, "there was a moment to kill it");
            report
        });
        assert_eq!(report.outcome("full1"), "unknown", "{report:#?}");
        assert_ne!(host.must(left), "0", "it left something behind");
        run_of(&report.events)
    };

    let run = killed();
    project.report(&format!("runs undo {run}")).exits(0);
    assert_eq!((digest(&host, "/srv/e2e-many"), host.must(left).as_str()), (before, "0"));

    killed();
    let retried = project.report(MANY).exits(0);
    assert_eq!((retried.outcome("full1"), host.must(left).as_str()), ("changed", "0"));
    assert_eq!(host.must("find /srv/e2e-many -type f | wc -l"), "3000");
    assert_eq!(project.report(MANY).exits(0).outcome("full1"), "ok");
    host.must("rm -rf /srv/e2e-many");
}

#[test]
fn a_host_without_an_agent_gets_the_same() {
    let Stage { host, project } = Stage::on("noexec1");
    application(&project);
    host.must("rm -rf /srv/e2e-app && mkdir -p /srv/e2e-app && echo own >/srv/e2e-app/own && echo old >/srv/e2e-app/package.json");
    let list = "cd /srv/e2e-app && find . | sort | while read -r p; do stat -c '%n %a %u' \"$p\"; [ -d \"$p\" ] || cat \"$p\"; done";
    let before = host.must(list);
    let line = "run playbook overlay --hosts noexec1 -e source=app -e dest=/srv/e2e-app";
    let first = project.report(line).exits(0);
    assert_eq!((first.system("noexec1"), first.outcome("noexec1")), ("sh", "changed"));
    assert_eq!(host.read("/srv/e2e-app/main.js").as_deref(), Some("require('./routes')\n"));
    assert_eq!(project.report(line).exits(0).outcome("noexec1"), "ok");
    project.report(&format!("runs undo {}", run_of(&first.events))).exits(0);
    assert_eq!(host.must(list), before);
    host.must("rm -rf /srv/e2e-app");
}

#[test]
fn what_sync_tells_beforehand_is_what_it_does() {
    let Stage { host, project } = Stage::on("full1");
    application(&project);
    for kind in ["sync", "archive"] {
        production(&host, "/srv/e2e-sync");
        let before = digest(&host, "/srv/e2e-sync");
        let mut command = std::process::Command::new("tar");
        crate::stage::finish(
            command.current_dir(project.path().join("files")).args(["-czf", "app.tgz", "-C", "app", "."]),
        );
        let source = if kind == "sync" { "app" } else { "app.tgz" };
        let step = format!(
            "[[steps]]\nname = \"laid\"\n[steps.{kind}]\nsource = \"{source}\"\ndest = \"/srv/e2e-sync\"\nowner = \"deploy\"\n"
        );
        let check = project.play(&step, "full1", "--check --diff").exits(0);
        assert_eq!(digest(&host, "/srv/e2e-sync"), before);
        let apply = project.play(&step, "full1", "--diff").exits(0);
        for part in ["changes", "diff"] {
            assert_eq!(check.step("full1", "laid")[part], apply.step("full1", "laid")[part], "{kind}");
        }
        assert_eq!(host.read("/srv/e2e-sync/src/hotfix.js").as_deref(), Some("patched\n"));
        let again = project.play(&step, "full1", "").exits(0);
        assert_eq!(again.outcome("full1"), "ok", "{again:#?}");
        if kind == "sync" {
            let strict = project.play(&format!("{step}extra = \"fail\"\n"), "full1", "").exits(2);
            assert!(strict.failure("full1").contains("hotfix.js"), "{}", strict.failure("full1"));
        }
        project.report(&format!("runs undo {}", run_of(&apply.events))).exits(0);
        assert_eq!(digest(&host, "/srv/e2e-sync"), before, "{kind}: undo is byte for byte");
    }
    host.must("rm -rf /srv/e2e-sync");
}

#[test]
fn archives_are_laid_out_and_hostile_ones_refused_here() {
    let Stage { host, project } = Stage::on("small1");
    application(&project);
    let tar = |line: &str| {
        let mut command = std::process::Command::new("tar");
        crate::stage::finish(command.current_dir(project.path().join("files")).args(line.split(' ')))
    };
    assert_eq!(tar("-czf app-1.tar.gz app").code, 0);
    assert_eq!(tar("-cf hostile.tar --transform=s,app/package.json,../../etc/windlass-e2e, app").code, 0);
    host.must("rm -rf /opt/e2e-app /etc/windlass-e2e");
    let step = |source: &str| {
        format!(
            "[[steps]]\n[steps.archive]\nsource = \"{source}\"\ndest = \"/opt/e2e-app\"\nstrip = 1\nlayer = \"app\"\n"
        )
    };

    assert_eq!(project.play(&step("app-1.tar.gz"), "small1", "").exits(0).outcome("small1"), "changed");
    assert!(host.must("cat /opt/e2e-app/bin/start").contains("node"));
    assert_eq!(project.play(&step("app-1.tar.gz"), "small1", "").exits(0).outcome("small1"), "ok");

    fs::remove_file(project.path().join("files/app/package.json")).unwrap();
    assert_eq!(tar("--zstd -cf app-2.tar.zst app").code, 0);
    assert_eq!(project.play(&step("app-2.tar.zst"), "small1", "").exits(0).outcome("small1"), "changed");
    assert_eq!(host.read("/opt/e2e-app/package.json"), None, "it left the source with the new version");

    let refused = project.play(&step("hostile.tar"), "small1", "").exits(5);
    assert!(
        refused.stderr.contains("../../etc/windlass-e2e: its path leads out of the archive"),
        "{}",
        refused.stderr
    );
    assert_eq!(host.read("/etc/windlass-e2e"), None);
    host.must("rm -rf /opt/e2e-app");
}

/// Whoever owns the folder puts a link where a directory is expected.
#[test]
fn links_in_the_folder_lead_nowhere() {
    let Stage { host, project } = Stage::on("full1");
    application(&project);
    host.must("rm -rf /srv/e2e-app /srv/e2e-out && mkdir -p /srv/e2e-app /srv/e2e-out && ln -s /srv/e2e-out /srv/e2e-app/src");
    let report = project.report(OVERLAY).exits(2);
    let failure = report.failure("full1");
    assert!(
        failure.contains("/srv/e2e-app/src is a symbolic link there and a directory in the source"),
        "{failure}"
    );
    assert_eq!(host.must("find /srv/e2e-out /srv/e2e-app | wc -l"), "3", "nothing was written");
    host.must("rm -rf /srv/e2e-app /srv/e2e-out");
}
