//! What a dry run says is what happens then: a step that would fail fails beforehand with the same words, and what an undo
//! does, and leaves, is said before it.

use crate::stage::{Project, Stage};
use crate::undo_kinds::assert_same;

/// Steps that the host refuses, each with a part of the reason.
const REFUSED: &[(&str, &str)] = &[
    ("user = { name = 'e2e', uid = 0 }", "the user root has the id 0"),
    ("user = { name = 'e2e', groups = ['e2e-none'] }", "the host has no such group"),
    ("user = { name = 'daemon2', group = 'e2e-none' }", "the host has no such group"),
    ("user = { name = 'users' }", "a group of that name exists"),
    ("group = { name = 'e2e', gid = 0 }", "the group root has the id 0"),
    ("group = { name = 'root', state = 'absent' }", "it is the primary group of user root"),
    ("sysctl = { settings = { 'kernel.ostype' = 'x' } }", "the kernel lets no one change it"),
    ("sysctl = { settings = { 'vm.e2e' = '1' } }", "the kernel has no such setting"),
    ("mount = { path = '/srv/e2e', source = '/dev/e2e', fstype = 'ext4' }", "the host has no /dev/e2e"),
    (
        "mount = { path = '/srv/e2e', source = 'LABEL=e2e', fstype = 'ext4' }",
        "the host has no device with LABEL=e2e",
    ),
    (
        "mount = { path = '/srv/e2e', source = '/srv/none', fstype = 'none', options = 'bind' }",
        "the host has no /srv/none",
    ),
    ("mount = { path = '/srv/e2e', source = 'nas:/x', fstype = 'nfs' }", "the host has no mount.nfs"),
    (
        "become_user = 'postgres'\nsql = { database = 'postgres:///e2enone', query = 'create table t (a int)' }",
        "database \"e2enone\" does not exist",
    ),
    ("container = { name = 'e2e', image = 'lab/busybox', network = 'e2e' }", "the host has no network e2e"),
    (
        "container = { name = 'e2e', image = 'lab/busybox', ports = ['8080:80'] }",
        "port 8080 is already allocated: container app holds it",
    ),
    (
        "container = { name = 'e2e', image = 'lab/busybox', ports = ['127.0.0.1:80:80'] }",
        "port 80 is already allocated: process \"nginx\"",
    ),
    (
        "nginx_site = { name = 'e2e', content = 'server { listen 127.0.0.1:8393; }' }",
        "the configuration is broken already, before any change: nginx: [emerg] unknown directive",
    ),
];

#[test]
fn a_step_that_the_host_refuses_fails_under_check_as_it_does_then() {
    let Stage { host, project } = Stage::on("full").with(
        "rm -f /etc/nginx/sites-*/e2e; systemctl restart nginx; echo 'broken;' >/etc/nginx/conf.d/e2e.conf",
    );
    let name = &host.name;
    let mut wrong = Vec::new();
    for (step, reason) in REFUSED {
        let playbook = format!("[[steps]]\n{step}\n");
        let check = project.play(&playbook, name, "--check");
        let apply = project.play(&playbook, name, "");
        let (foretold, failure) = (check.failure(name), apply.failure(name));
        if (check.code, apply.code) != (2, 2) || foretold != failure || !failure.contains(reason) {
            wrong.push(format!(
                "{step}\n  check {}: {foretold}\n  apply {}: {failure}",
                check.code, apply.code
            ));
        }
    }
    host.must("rm -f /etc/nginx/conf.d/e2e.conf; nginx -t");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        host.sh("getent passwd e2e; getent group e2e; docker inspect e2e 2>/dev/null | grep Id").stdout,
        ""
    );
}

/// What the steps of a run or an undo say that they change.
fn changes(project: &Project, line: &str, code: i32) -> Vec<String> {
    project.report(line).exits(code);
    let run = project.export();
    let steps = run["hosts"][0]["steps"].as_array().expect("steps");
    let lines = steps.iter().flat_map(|step| step["changes"].as_array().cloned().unwrap_or_default());
    lines.map(|line| line.as_str().unwrap_or_default().to_string()).collect()
}

#[test]
fn a_user_whose_processes_run_is_not_removed_and_that_is_known_beforehand() {
    let Stage { host, project } = Stage::on("full").with(
        "pkill -KILL -u e2e-busy; userdel -rf e2e-busy 2>/dev/null; useradd -m e2e-busy; \
         setsid runuser -u e2e-busy -- sleep 987 </dev/null >/dev/null 2>&1 &",
    );
    let soon = std::time::Duration::from_secs(30);
    host.await_success("pgrep -u e2e-busy sleep", soon);
    let playbook = "[[steps]]\nuser = { name = 'e2e-busy', state = 'absent' }\n";
    for options in ["--check", ""] {
        let failure = project.play(playbook, &host.name, options).exits(2).failure(&host.name);
        assert!(failure.contains("processes run as that user: sleep ("), "{options}: {failure}");
    }
    host.must("pkill -u e2e-busy");
    host.await_success("! pgrep -u e2e-busy", soon);
    project.play(playbook, &host.name, "").exits(0);
    host.must("! id e2e-busy 2>/dev/null && rm -rf /home/e2e-busy");
}

#[test]
fn an_undo_does_what_its_dry_run_says() {
    let Stage { host, project } = Stage::on("full").with(
        "rm -rf /srv/e2e; mkdir -p /srv/e2e; userdel -r e2e 2>/dev/null; useradd -m e2e; \
         for member in zoe ann; do useradd e2e-$member 2>/dev/null; done; groupdel e2e-team 2>/dev/null; groupadd e2e-team; \
         for member in e2e e2e-zoe e2e-ann; do gpasswd --add $member e2e-team >/dev/null; done; \
         echo x >/srv/e2e/file; perl -e 'my ($p, $n, $v) = (\"/srv/e2e/file\", \"trusted.note\", \"x\"); syscall(188, $p, $n, $v, 1, 0) == 0 or die $!'",
    );
    let name = &host.name;
    let state = "grep e2e /etc/passwd /etc/group /etc/gshadow /etc/shadow; ls -ln /srv/e2e";
    let before = host.must(state);
    let playbook = "[[steps]]\nfile = { path = '/srv/e2e/file', owner = 'nobody', mode = '0600' }\n\
                    [[steps]]\nabsent = { path = '/srv/e2e/file' }\n\
                    [[steps]]\nuser = { name = 'e2e', password = '$6$a$b', groups = ['daemon'] }\n\
                    [[steps]]\nuser = { name = 'e2e', lock = true, groups = [] }\n";
    project.play(playbook, name, "").exits(0);
    let foretold = changes(&project, "runs undo last --check", 0);
    let done = changes(&project, "runs undo last", 0);
    assert_eq!(foretold, done);
    assert_same(&before, &host.must(state));
    assert!(
        host.must("grep ^e2e-team: /etc/group").ends_with(":e2e,e2e-zoe,e2e-ann"),
        "members keep their order"
    );
    host.must("userdel -r e2e; userdel e2e-zoe; userdel e2e-ann; groupdel e2e-team; rm -r /srv/e2e");
}

#[test]
fn a_paused_container_is_paused_again_and_one_that_was_never_started_is_not_pruned() {
    let Stage { host, project } = Stage::on("full").with(
        "docker rm -f e2e e2e-created >/dev/null 2>&1; docker run -d --name e2e lab/busybox sleep 999 >/dev/null; docker pause e2e >/dev/null; \
         docker create --name e2e-created lab/busybox true >/dev/null",
    );
    let name = &host.name;
    let playbook = "[[steps]]\ncontainer = { name = 'e2e', state = 'absent' }\n\
                    [[steps]]\ndocker_prune = { containers = '0s' }\n";
    let check = project.play(playbook, name, "--check").exits(0);
    assert!(!format!("{:?}", check.events).contains("''"), "each command names its container: {check:#?}");
    project.play(playbook, name, "").exits(0);
    assert_eq!(host.must("docker inspect --format '{{.State.Status}}' e2e-created"), "created");
    project.report("runs undo last").exits(0);
    assert_eq!(host.must("docker inspect --format '{{.State.Status}}' e2e"), "paused");
    host.must("docker rm -f e2e e2e-created");
}

#[test]
fn what_an_undo_leaves_is_named_beforehand() {
    let Stage { host, project } = Stage::on("full").with(
        "rm -rf /srv/e2e; mkdir -p /srv/e2e; docker rm -f e2e_web_1 e2e-web-1 >/dev/null 2>&1; docker volume rm e2e_data 2>/dev/null; \
         printf 'services:\\n  web:\\n    image: lab/busybox\\n    command: [sleep, \"999\"]\\n    volumes: [\"data:/data\"]\\nvolumes:\\n  data: {}\\n' >/srv/e2e/docker-compose.yml; \
         printf '[Service]\\nExecStart=/bin/sh -c \"test -e /srv/e2e/ok && exec sleep 999\"\\n' >/etc/systemd/system/e2e.service; systemctl daemon-reload; \
         systemctl stop e2e; systemctl start e2e; for n in $(seq 100); do systemctl is-failed e2e && break; sleep 0.1; done; \
         touch /srv/e2e/ok; systemctl is-failed e2e",
    );
    let name = &host.name;
    let playbook = "[[steps]]\ncompose = { dir = '/srv/e2e', project = 'e2e', stays = '0s' }\n\
                    [[steps]]\nservice = { name = 'e2e', state = 'started' }\n";
    let left = [
        "an undo leaves the volumes that it makes; docker volume rm e2e_data removes them",
        "an undo leaves the unit inactive; it was failed",
    ];
    for options in ["--check", ""] {
        project.play(playbook, name, options).exits(0);
        let recap =
            project.windlass(["runs", "show", project.export()["run"].as_str().expect("a name")]).stdout;
        left.iter().for_each(|why| assert!(recap.contains(why), "{options}: {why}: {recap}"));
    }
    let undone = project.report("runs undo last").exits(2);
    assert_eq!(undone.outcome(name), "partly_undone");
    left.iter().for_each(|why| assert!(undone.failure(name).contains(why), "{why}: {undone:#?}"));
    assert_eq!(host.must("docker volume ls -q | grep ^e2e"), "e2e_data");
    host.must(
        "docker volume rm e2e_data; rm -r /srv/e2e /etc/systemd/system/e2e.service; systemctl daemon-reload",
    );
}

#[test]
fn a_unit_file_that_the_same_run_would_write_is_verified_beforehand() {
    let Stage { host, project } = Stage::on("full").with(
        "printf '[Service]\\nExecStart=/bin/sleep 999\\n' >/etc/systemd/system/e2e.service; systemctl daemon-reload; systemctl start e2e",
    );
    let playbook = |line: &str| {
        format!(
            "[[steps]]\nfile = {{ path = '/etc/systemd/system/e2e.service', content = \"[Service]\\n{line}\\n\" }}\n\
             [[steps]]\nservice = {{ name = 'e2e', state = 'restarted' }}\n"
        )
    };
    let wrong = playbook("Type=oneshoot\\nRestart=no");
    for options in ["--check", ""] {
        let failure = project.play(&wrong, &host.name, options).exits(2).failure(&host.name);
        assert!(failure.contains("systemd refuses its unit file"), "{options}: {failure}");
        assert!(!failure.contains("/tmp/"), "{failure}");
    }
    let right = playbook("ExecStart=/bin/sleep 998");
    for options in ["--check", ""] {
        project.play(&right, &host.name, options).exits(0);
    }
    // A unit that there is not yet, and a drop-in of one.
    let new = wrong.replace("e2e", "e2e-new");
    let drop_in = "[[steps]]\nfile = { path = '/etc/systemd/system/e2e.service.d/10-e2e.conf', content = \"[Service]\\nType=oneshoot\\nExecStart=\\n\" }\n\
                   [[steps]]\nservice = { name = 'e2e', state = 'restarted' }\n";
    host.must("rm -f /etc/systemd/system/e2e-new.service");
    for (playbook, file) in [(new.as_str(), "e2e-new.service"), (drop_in, "10-e2e.conf")] {
        for options in ["--check", ""] {
            let failure = project.play(playbook, &host.name, options).exits(2).failure(&host.name);
            assert!(failure.contains("systemd refuses its unit file"), "{options}: {failure}");
            assert!(failure.contains(file) && !failure.contains("/tmp/"), "{failure}");
        }
    }
    // The drop-in is there by now, and a step removes it.
    let mended = "[[steps]]\nabsent = { path = '/etc/systemd/system/e2e.service.d/10-e2e.conf' }\n\
                  [[steps]]\nservice = { name = 'e2e', state = 'restarted' }\n";
    for options in ["--check", ""] {
        project.play(mended, &host.name, options).exits(0);
    }
    host.must("systemctl stop e2e; rm -r /etc/systemd/system/e2e*; systemctl daemon-reload");
}

#[test]
fn what_systemd_does_not_notice_is_read_before_the_unit_is_restarted() {
    let Stage { host, project } = Stage::on("full").with(
        "rm -rf /etc/systemd/system/e2e.service*; printf '[Service]\\nExecStart=/bin/sleep 999\\n' >/usr/lib/systemd/system/e2e.service; \
         systemctl daemon-reload; systemctl start e2e",
    );
    let restart = "[[steps]]\nservice = { name = 'e2e', state = 'restarted' }\n";
    let drop_in = "[[steps]]\nfile = { path = '/etc/systemd/system/e2e.service.d/a.conf', content = \"[Service]\\nEnvironment=A=1\\n\" }\n";
    let own = "[[steps]]\nfile = { path = '/etc/systemd/system/e2e.service', content = \"[Service]\\nExecStart=/bin/sleep 998\\n\" }\n";
    for (file, property, wanted) in [(drop_in, "Environment", "A=1"), (own, "ExecStart", "sleep 998")] {
        let playbook = format!("{file}{restart}");
        for options in ["--check", ""] {
            let report = project.play(&playbook, &host.name, options).exits(0);
            let said = format!("{:?}", report.events);
            assert!(said.contains("run systemctl daemon-reload"), "{options}: {said}");
        }
        let shown = host.must(&format!("systemctl show -p {property} e2e"));
        assert!(shown.contains(wanted), "{shown}");
        assert_eq!(project.play(file, &host.name, "").exits(0).outcome(&host.name), "ok");
    }
    host.must("ln -s /dev/null /etc/systemd/system/e2e.service.d/masked.conf; systemctl daemon-reload");
    let other = format!("{}{restart}", drop_in.replace("A=1", "A=2"));
    project.play(&other, &host.name, "--check").exits(0);
    let started = restart.replace("restarted", "started");
    assert_eq!(project.play(&started, &host.name, "").exits(0).outcome(&host.name), "ok");
    host.must("systemctl stop e2e; rm -r /etc/systemd/system/e2e.service* /usr/lib/systemd/system/e2e.service; systemctl daemon-reload");
}

#[test]
fn what_compose_needs_from_outside_is_known_beforehand() {
    let Stage { host, project } = Stage::on("full").with(
        "rm -rf /srv/e2e; mkdir -p /srv/e2e; docker network rm e2e-edge >/dev/null 2>&1; docker rm -f e2e_web_1 e2e-web-1 e2e-port >/dev/null 2>&1; \
         printf 'version: \"3.8\"\\nservices:\\n  web:\\n    image: lab/busybox\\n    command: [sleep, \"999\"]\\n    ports: [\"8097:80\"]\\n    networks: [edge]\\n\
         networks:\\n  edge:\\n    external: true\\n    name: e2e-edge\\n' >/srv/e2e/docker-compose.yml",
    );
    let playbook = "[[steps]]\ncompose = { dir = '/srv/e2e', project = 'e2e', stays = '0s' }\n";
    let of_service = playbook.replace("stays", "services = ['web'], stays");
    let fails = |why: &str| {
        for (playbook, options) in
            [playbook, &of_service].into_iter().flat_map(|it| [(it, "--check"), (it, "")])
        {
            let failure = project.play(playbook, &host.name, options).exits(2).failure(&host.name);
            assert!(failure.contains(why), "{options}: {failure}");
        }
    };
    fails("its files use the external network e2e-edge, which does not exist");
    host.must(
        "docker network create e2e-edge; docker run -d --name e2e-port -p 8097:80 lab/busybox sleep 999",
    );
    fails("port 8097 is already allocated: container e2e-port holds it");
    host.must("docker rm -f e2e-port");
    project.play(playbook, &host.name, "").exits(0);
    // What its own containers hold is free for them.
    host.must("sed -i 's/999/998/' /srv/e2e/docker-compose.yml");
    for options in ["--check", ""] {
        project.play(playbook, &host.name, options).exits(0);
    }
    host.must("cd /srv/e2e && docker rm -f $(docker ps -aq --filter label=com.docker.compose.project=e2e) && docker network rm e2e-edge; rm -r /srv/e2e");
}

#[test]
fn stray_files_of_any_name_go_and_holes_stay_holes() {
    let Stage { host, project } = Stage::on("small1").with(
        "rm -rf /srv/e2e; mkdir -p /srv/e2e; cd /srv/e2e; touch -d '2020-01-01 00:00' \"$(printf 'old-\\377.bak')\" \"$(printf 'old-a\\nb.bak')\" old-c.bak; \
         truncate -s 64M disk 2>/dev/null || dd if=/dev/null of=disk bs=1 seek=67108864 2>/dev/null; printf end >>disk",
    );
    let name = &host.name;
    let report =
        project.play("[[steps]]\nstray_files = { globs = ['/srv/e2e/old-*.bak'] }\n", name, "").exits(0);
    let said = format!("{:?}", report.events);
    assert!(said.contains("/srv/e2e/old-\\\\\\\\xff.bak") || said.contains("old-\\\\xff.bak"), "{said}");
    assert_eq!(host.must("ls /srv/e2e"), "disk");
    project.play("[[steps]]\nabsent = { path = '/srv/e2e/disk' }\n", name, "").exits(0);
    project.report("runs undo last").exits(0);
    let taken: u64 = host.must("du -k /srv/e2e/disk | cut -f1").trim().parse().expect("a number");
    assert!(taken < 1024, "{taken} KiB");
    assert_eq!(host.must("tail -c 3 /srv/e2e/disk; stat -c %s /srv/e2e/disk"), "end67108867");
    host.must("rm -r /srv/e2e");
}
