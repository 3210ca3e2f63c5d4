//! Incident 6 on real hosts: taken, destroyed, restored, compared; and what is left when something dies on the way.
#![expect(clippy::disallowed_methods, reason = "tests poll what a host and a process do")]

use crate::stage::backups::{backup, fine, id, ids, windlass};
use crate::stage::s3;
use crate::stage::{Lab, Project, Report, Stage};
use std::path::Path;
use std::time::Duration;

const HOST: &str = "full1";

/// A tree with what trips over: odd names, links of both sorts, modes, owners, an empty folder, a file of holes.
const MAKE_TREE: &str = r#"
    rm -rf /srv/backup-test /srv/.backup-test* /srv/backup-test.before* && mkdir -p /srv/backup-test/empty '/srv/backup-test/a b' && cd /srv/backup-test &&
    printf one >one && printf 'x' >'-dash' && printf 'n' >"$(printf 'new\nline')" && printf 'u' >'ü' && printf 'q' >"quo'te\\" &&
    printf '\377' >"$(printf 'b\377d')" && ln -s one link && ln -s /nowhere dangling && ln one hard && printf s >'a b/secret' &&
    chmod 600 'a b/secret' && chmod 4755 one && chown 1234:4321 ü && chmod 1777 empty && truncate -s 1M holes &&
    printf log >noise.log && mkdir node_modules && printf dep >node_modules/x && setfattr -n user.note -v hi one 2>/dev/null; true
"#;

/// Everything about the tree that a restore must bring back.
const LOOK_AT_TREE: &str = "cd /srv/backup-test && find . -exec stat -c '%N %a %u:%g %F %Y' {} + | sort && \
     find . -type f -exec sha256sum {} + | sort && [ one -ef hard ]";

#[test]
fn files_go_and_come_back() {
    let Stage { host, project } = Stage::on(HOST);
    host.must(MAKE_TREE);
    let before = host.must(LOOK_AT_TREE);
    // An agent's directory may be there, from a test in which its usual one was full.
    let temporary = || host.sh("ls -d /tmp/windlass* /var/tmp/windlass*").stdout;
    let there = temporary();
    let playbook = backup("files = [\"/srv/backup-test\"]");

    let check = project.play(&playbook, HOST, "--check").exits(0);
    assert_eq!(check.outcomes(HOST), ["would_change"]);
    assert!(!project.path().join(".windlass/backups").exists(), "--check contacts no store");
    let report = project.play(&playbook, HOST, "").exits(0);
    assert_eq!(report.outcomes(HOST), ["changed"]);
    let id = id(&project);
    let notes = report.step(HOST, "kept")["notes"].to_string();
    assert!(notes.contains(&id) && notes.contains("files-srv-backup-test.tar"), "{notes}");
    fine(windlass(&project, &format!("backups verify {id}")));
    assert_eq!(temporary(), there, "nothing is left on the host");

    let refused = windlass(&project, &format!("backups restore {id} --yes"));
    assert_eq!(refused.code, 2, "something is there: {refused:#?}");
    assert_eq!(host.must(LOOK_AT_TREE), before);
    assert_eq!(windlass(&project, &format!("backups restore {id}")).code, 5, "nobody was asked");

    // Gone, and restored.
    host.must("rm -rf /srv/backup-test");
    assert_eq!(
        project
            .report(&format!("run playbook restore --hosts {HOST} -e backup={id} --check"))
            .exits(0)
            .outcomes(HOST),
        ["would_change"]
    );
    assert_eq!(host.sh("ls -d /srv/backup-test").code, 2, "--check restores nothing");
    fine(windlass(&project, &format!("backups restore {id} --yes")));
    assert_eq!(host.must(LOOK_AT_TREE), before);
    assert_eq!(host.must("ls -A /srv | grep backup-test"), "backup-test");

    // Spoiled, replaced, and undone.
    host.must("cd /srv/backup-test && rm -rf 'a b' && printf spoiled >one && printf new >later");
    let spoiled = host.must(LOOK_AT_TREE);
    fine(windlass(&project, &format!("backups restore {HOST}/test --replace --yes")));
    assert_eq!(host.must(LOOK_AT_TREE), before);
    assert_eq!(host.must("cat /srv/backup-test.before-*/later"), "new", "the old one is kept");
    fine(windlass(&project, "runs undo last"));
    assert_eq!(host.must(LOOK_AT_TREE), spoiled);
    assert_eq!(host.must("ls -A /srv | grep backup-test"), "backup-test");

    // Elsewhere, into folders that are not there, and away again.
    fine(windlass(&project, &format!("backups restore {id} --to /srv/elsewhere/deep/copy --yes")));
    assert_eq!(host.must(&LOOK_AT_TREE.replace("/srv/backup-test", "/srv/elsewhere/deep/copy")), before);
    fine(windlass(&project, "runs undo last"));
    assert_eq!(host.sh("ls -d /srv/elsewhere").code, 2);

    // A restore test, which leaves nothing, and changes nothing.
    let listing = host.must("ls -A /var/lib/windlass /srv");
    let tested = fine(windlass(&project, &format!("backups verify --restore {id}")));
    assert!(tested.stdout.contains("ok"), "{tested:?}");
    assert_eq!(host.must("ls -A /var/lib/windlass /srv"), listing);
    host.must("rm -rf /srv/backup-test");
}

#[test]
fn a_run_keeps_its_backups_in_s3_as_long_as_configured() {
    let Stage { host, project } = Stage::on(HOST);
    let folder = tempfile::tempdir().unwrap();
    let server = s3::S3::start(folder.path());
    project.write("windlass.toml", server.table_with_keys("offsite"));
    host.must(MAKE_TREE);
    let before = host.must(LOOK_AT_TREE);
    let line =
        "run playbook backup --hosts full1 -e files=[\"/srv/backup-test\"] -e to=offsite -e keep={last=2}";
    for _ in 0..3 {
        assert_eq!(project.report(line).exits(0).outcomes(HOST), ["changed"]);
    }
    assert_eq!(crate::stage::backups::ids(&project).len(), 2, "the oldest is gone");
    let id = id(&project);
    fine(windlass(&project, "backups verify --all"));
    host.must("rm -rf /srv/backup-test");
    fine(windlass(&project, &format!("backups restore {id} --yes")));
    assert_eq!(host.must(LOOK_AT_TREE), before);
    host.must("rm -rf /srv/backup-test");
}

#[test]
fn what_is_left_out_and_what_changes_meanwhile() {
    let Stage { host, project } = Stage::on(HOST);
    host.must(MAKE_TREE);
    let keys = "files = [{ path = \"/srv/backup-test\", exclude = [\"node_modules\", \"*.log\"] }, \"/etc/hostname\"]";
    project.play(&backup(keys), HOST, "").exits(0);
    host.must("rm -rf /srv/backup-test");
    let id = id(&project);
    fine(windlass(&project, &format!("backups restore {id} --part files-srv-backup-test.tar --yes")));
    assert_eq!(host.must("cd /srv/backup-test && ls -d node_modules noise.log one 2>/dev/null; true"), "one");
    let both = windlass(&project, &format!("backups restore {id} --to /srv/both --yes"));
    assert!(both.code == 5 && both.stderr.contains("choose one with parts"), "{both:?}");

    // A file that grows all the time: what was read is kept, and it is said.
    host.must("systemd-run --unit backup-writer sh -c 'while :; do head -c 100000 /dev/zero >>/srv/backup-test/growing; [ $(stat -c %s /srv/backup-test/growing) -lt 50000000 ] || : >/srv/backup-test/growing; done'");
    let report = project.play(&backup("files = [\"/srv/backup-test\"]"), HOST, "");
    host.must("systemctl stop backup-writer; rm -rf /srv/backup-test");
    assert_eq!(report.exits(0).outcomes(HOST), ["changed"]);

    let missing = project.play(&backup("files = [\"/srv/nothing\"]"), HOST, "").exits(2);
    assert!(
        missing.failure(HOST).contains("back up /srv/nothing: there is no such file or directory"),
        "{missing:?}"
    );
    let check = project.play(&backup("postgres = [\"no_such_database\"]"), HOST, "--check").exits(2);
    assert!(check.failure(HOST).contains("no_such_database"), "{check:?}");
}

#[test]
fn an_encrypted_backup_is_read_by_who_has_the_identity() {
    let lab = Lab::get();
    let [host, _other] = lab.hosts([HOST, "full2"]);
    let project = Project::new(&lab);
    let identity = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    project.write("age.key", identity);
    host.must("mkdir -p /srv/backup-secret && printf hidden-text >/srv/backup-secret/file");
    let recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
    let keys = format!("files = [\"/srv/backup-secret\"]\nencrypt_to = [\"{recipient}\"]");
    project.play(&backup(&keys), HOST, "").exits(0);
    let id = id(&project);
    host.must("rm -rf /srv/backup-secret");
    let locked = windlass(&project, &format!("backups restore {id} --yes"));
    assert!(locked.code == 5 && locked.stderr.contains("it is encrypted"), "{locked:?}");
    fine(windlass(&project, &format!("backups restore {id} --hosts full2 --age-identity age.key --yes")));
    let there = _other.must("cat /srv/backup-secret/file; rm -rf /srv/backup-secret");
    assert_eq!(there, "hidden-text", "on another host");
    fine(windlass(&project, &format!("backups verify --restore {id} --on full2 --age-identity age.key")));

    // One that cannot be opened does not keep the others from being tested.
    host.must("mkdir -p /srv/backup-open && printf text >/srv/backup-open/file");
    project.play(&backup("files = [\"/srv/backup-open\"]"), HOST, "").exits(0);
    let all = windlass(&project, "backups verify --restore --all --on full2");
    let untested = format!("test 2 backups: not tested: {id}");
    assert!(all.code == 2 && all.stderr.contains(&untested), "{all:?}");
    assert!(all.stderr.contains("--age-identity FILE"), "{all:?}");
    assert!(all.stdout.contains("1 file, as backed up"), "{all:?}");
}

/// Everything that a store has, by name; nothing else may be in it.
fn left_in_store(project: &Project) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => walk(&entry.path(), found),
                false => found.push(entry.path().display().to_string()),
            }
        }
    }
    let mut found = Vec::new();
    walk(&project.path().join(".windlass/backups"), &mut found);
    found.retain(|path| !path.ends_with("/backups/README.md"));
    found
}

/// Bytes that do not compress, made on the host as they are read.
const LARGE: &str = "/srv/backup-large";

#[test]
fn whoever_dies_on_the_way_leaves_no_entry() {
    let Stage { host, project } = Stage::on(HOST);
    host.must(&format!("mkdir -p {LARGE} && head -c 400000000 /dev/urandom >{LARGE}/noise"));
    let playbook = backup(&format!("files = [\"{LARGE}\"]"));
    let taking = project.path().join(".windlass/backups/.taking");
    let is_taking = || {
        std::fs::read_dir(&taking)
            .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir())))
    };
    let await_taking = || {
        let started = std::time::Instant::now();
        while !is_taking() {
            assert!(started.elapsed() < Duration::from_secs(60), "it never began");
            std::thread::sleep(Duration::from_millis(5));
        }
    };

    // The controller is killed: the host gives up by itself.
    let running = project.start(&playbook, HOST);
    await_taking();
    running.kill();
    assert!(ids(&project).is_empty());
    host.await_success("! pgrep -x tar", Duration::from_secs(30));
    host.await_success(NO_AGENT, Duration::from_secs(30));

    // What it left is removed by the next one, whose agent is killed.
    let report = std::thread::scope(|scope| {
        let play = scope.spawn(|| project.play(&playbook, HOST, ""));
        host.await_success(KILL_AGENT, Duration::from_secs(60));
        play.join().expect("it ends")
    });
    assert_eq!((report.outcome(HOST), report.code), ("unknown", 2), "{report:?}");
    assert!(ids(&project).is_empty());
    assert_eq!(left_in_store(&project), [""; 0]);

    // The command is killed.
    let report = std::thread::scope(|scope| {
        let play = scope.spawn(|| project.play(&playbook, HOST, ""));
        host.await_success("pkill -KILL -x tar", Duration::from_secs(60));
        play.join().expect("it ends")
    });
    assert_eq!(report.outcome(HOST), "failed");
    assert!(
        report.failure(HOST).contains("tar of /srv/backup-large: SIGKILL ended it"),
        "{}",
        report.failure(HOST)
    );
    assert_eq!((ids(&project), left_in_store(&project)), (Vec::new(), Vec::new()));

    // And then all goes well.
    project.play(&playbook, HOST, "").exits(0);
    assert_eq!(ids(&project).len(), 1);
    host.must(&format!("rm -rf {LARGE}"));
}

const NO_AGENT: &str =
    "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */windlass-*) exit 1 ;; esac; done";

/// Once tar runs below it.
const KILL_AGENT: &str = "pgrep -x tar && for p in /proc/[0-9]*; do case $(readlink $p/exe) in */windlass-*) kill -KILL ${p#/proc/} && exit 0 ;; esac; done; exit 1";

#[test]
fn a_full_store_is_a_failed_step() {
    let Stage { host, project } = Stage::on(HOST);
    host.must(&format!("mkdir -p {LARGE} && head -c 60000000 /dev/urandom >{LARGE}/noise"));
    project.write("windlass.toml", "[store.small]\nurl = \"small\"\nmax_size = \"10 MiB\"\n");
    let keys = format!("files = [\"{LARGE}\"]\nto = \"small\"");
    let report = project.play(&backup(&keys), HOST, "").exits(2);
    assert!(report.failure(HOST).contains("max_size"), "{}", report.failure(HOST));
    assert!(ids(&project).is_empty());
    host.await_success("! pgrep -x tar", Duration::from_secs(30));

    let unknown = project.play(&backup("files = [\"/etc\"]\nto = \"smal\""), HOST, "");
    assert!(unknown.code == 5 && unknown.stderr.contains("smal"), "{unknown:?}");
    host.must(&format!("rm -rf {LARGE}"));
}

#[test]
fn a_host_without_an_agent_says_so() {
    let Stage { host: _host, project } = Stage::on("small1");
    let report: Report = project.play(&backup("files = [\"/etc/hostname\"]"), "small1", "");
    match report.system("small1") {
        "sh" => assert!(report.exits(2).failure("small1").contains("cannot carry a stream")),
        _ => drop(report.exits(0)),
    }
}

/// Prints the most memory that the agent has ever had, in KiB, once it has ended.
const AGENT_MEMORY: &str = r#"
    agent() { for p in /proc/[0-9]*; do case $(readlink $p/exe) in */windlass-*) echo $p && return ;; esac; done; return 1; }
    for _ in $(seq 600); do p=$(agent) && break; sleep 0.05; done
    while m=$(awk '/^VmHWM/ { print $2 }' $p/status 2>/dev/null) && [ -n "$m" ]; do most=$m; sleep 0.02; done
    echo $most
"#;

#[test]
fn memory_is_bounded_on_both_sides() {
    let Stage { host, project } = Stage::on(HOST);
    host.must(&format!("mkdir -p {LARGE} && head -c 60000000 /dev/urandom >{LARGE}/noise"));
    project.play("[[steps]]\n[steps.debug]\nmessage = \"the agent is there\"\n", HOST, "").exits(0);
    let watched = |line: &str| {
        std::thread::scope(|scope| {
            let agent = scope.spawn(|| host.must(AGENT_MEMORY).parse::<u64>().expect("a number"));
            let mut child = project
                .command()
                .args(line.split_whitespace())
                .stdout(std::process::Stdio::null())
                .spawn()
                .expect("it starts");
            let mut controller = 0;
            let status = loop {
                controller = controller.max(most_memory(child.id()));
                if let Some(status) = child.try_wait().expect("it is our child") {
                    break status;
                }
                std::thread::sleep(Duration::from_millis(10));
            };
            assert!(status.success(), "{line}");
            (agent.join().expect("it ends") / 1024, controller / 1024)
        })
    };
    project.write("playbooks/it.toml", backup(&format!("files = [\"{LARGE}\"]")));
    let taken = watched(&format!("run playbook it --hosts {HOST}"));
    host.must(&format!("rm -rf {LARGE}"));
    let restored = watched(&format!("run playbook restore --hosts {HOST} -e backup={HOST}/test"));
    host.must(&format!("rm -rf {LARGE}"));
    println!("60 MB: agent and controller took {taken:?} MiB to take it and {restored:?} MiB to restore it");
    for (agent, controller) in [taken, restored] {
        assert!(agent < 64 && controller < 160, "{taken:?} {restored:?}");
    }
}

fn most_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse().ok()).unwrap_or(0)
}
