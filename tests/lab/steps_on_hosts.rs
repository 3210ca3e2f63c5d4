//! Step kinds where the system matters: apt, systemd, nginx, and values that travel between steps.

use crate::stage::{Lab, Project, Stage};

/// One step, run twice: what it does first, what it does then.
#[track_caller]
fn twice(project: &Project, step: &str, first: &str, second: &str) {
    for outcome in [first, second] {
        let report = project.play(&format!("[[steps]]\n{step}"), "full1", "").exits(0);
        assert_eq!(report.outcomes("full1"), [outcome], "{step}: {report:#?}");
    }
}

/// Why one step fails.
#[track_caller]
fn fails(project: &Project, step: &str) -> String {
    let report = project.play(&format!("[[steps]]\n{step}"), "full1", "").exits(2);
    assert_eq!(report.outcome("full1"), "failed");
    report.failure("full1")
}

#[test]
fn packages_are_installed_and_removed() {
    let Stage { host, project } = Stage::on("full1");
    twice(&project, "[steps.package]\nname = \"nginx\"", "ok", "ok");
    let unknown = fails(&project, "[steps.package]\nname = \"no-such-package-e2e\"");
    assert!(unknown.contains("no-such-package-e2e"), "{unknown}");

    // A package of our own in a source of our own: the hosts have no network.
    host.sh("apt-get remove -y e2e-probe");
    let offered = |version: u32| {
        host.must(&format!(
        "mkdir -p /tmp/e2e-deb/tree/DEBIAN && cd /tmp/e2e-deb && \
         printf 'Package: e2e-probe\\nVersion: {version}\\nArchitecture: all\\nMaintainer: x <x@example.com>\\nDescription: x\\n' >tree/DEBIAN/control && \
         dpkg-deb --build tree e2e-probe.deb && sum=$(sha256sum e2e-probe.deb | cut -d' ' -f1) && \
         {{ cat tree/DEBIAN/control; echo Filename: ./e2e-probe.deb; echo Size: $(stat -c %s e2e-probe.deb); echo SHA256: $sum; }} >Packages && \
         echo 'deb [trusted=yes] file:/tmp/e2e-deb ./' >/etc/apt/sources.list.d/e2e.list && \
         apt-get update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/e2e.list -o Dir::Etc::sourceparts=-"
        ));
    };
    offered(1);
    let installed = "dpkg-query -W -f '${Status}' e2e-probe";
    twice(&project, "[steps.package]\nname = \"e2e-probe\"", "changed", "ok");
    assert_eq!(host.must(installed), "install ok installed");
    twice(&project, "[steps.package]\nname = \"e2e-probe\"\nstate = \"absent\"", "changed", "ok");
    assert!(!host.sh(installed).stdout.contains("ok installed"));

    // What the source does not have any more cannot be restored, which is known before the upgrade and before its undo.
    twice(&project, "[steps.package]\nname = \"e2e-probe\"", "changed", "ok");
    offered(2);
    project.write(
        "playbooks/upgrade.toml",
        "[[steps]]\npackage = { name = \"e2e-probe\", state = \"latest\" }\n",
    );
    let says = |words: &str, code: i32, lost: &str| {
        let finished = project.windlass(words.split(' '));
        assert!(finished.code == code && finished.stdout.contains(lost), "{words}: {finished:#?}");
    };
    let lost = "an undo cannot restore e2e-probe 1: no package source has it any more";
    says("run playbook upgrade --hosts full1 --check", 0, lost);
    says("run playbook upgrade --hosts full1", 0, lost);
    says("runs undo last --check", 2, lost);
    says("runs undo last", 2, "e2e-probe is 2, since no package source has 1 any more");
    host.must("apt-get remove -y e2e-probe");
    host.must("rm -r /tmp/e2e-deb /etc/apt/sources.list.d/e2e.list");
}

#[test]
fn units_are_stopped_started_enabled_and_restarted() {
    let Stage { host, project } = Stage::on("full1");
    host.must("systemctl reset-failed nginx; systemctl enable --now nginx");
    let service = |more: &str| format!("[steps.service]\nname = \"nginx\"\n{more}\n");
    let active = || host.sh("systemctl is-active nginx").stdout.trim().to_owned();

    twice(&project, &service("state = \"stopped\"\nenabled = false"), "changed", "ok");
    assert_eq!((active().as_str(), host.sh("systemctl is-enabled nginx").code), ("inactive", 1));
    twice(&project, &service("state = \"started\"\nenabled = true"), "changed", "ok");
    assert_eq!((active().as_str(), host.sh("systemctl is-enabled nginx").code), ("active", 0));
    let pid = host.must("systemctl show -p MainPID nginx");
    twice(&project, &service("state = \"restarted\""), "changed", "changed");
    assert_ne!(host.must("systemctl show -p MainPID nginx"), pid);
}

#[test]
fn a_unit_that_fails_shows_its_journal() {
    let Stage { host, project } = Stage::on("full1");
    let unknown = fails(&project, "[steps.service]\nname = \"e2e-none\"\nstate = \"started\"");
    assert!(unknown.contains("e2e-none"), "{unknown}");

    let unit = "[Service]\nExecStart=/bin/sh -c 'echo the port is taken by e2e >&2; exit 3'\n";
    host.write("/etc/systemd/system/e2e-fails.service", unit);
    host.must("systemctl daemon-reload");
    let failure = fails(&project, "[steps.service]\nname = \"e2e-fails\"\nstate = \"started\"");
    host.must("rm /etc/systemd/system/e2e-fails.service; systemctl daemon-reload; systemctl reset-failed");
    assert!(failure.contains("e2e-fails") && failure.contains("the port is taken by e2e"), "{failure}");
}

#[test]
fn nginx_answers() {
    let Stage { host, project } = Stage::on("full1");
    host.must("systemctl start nginx");
    let page = "[steps.http]\nurl = \"http://127.0.0.1:80/\"\n";
    twice(&project, page, "ok", "ok");
    twice(&project, "[steps.wait_for]\nport = 80\nwithin = \"10s\"\n", "ok", "ok");
    twice(&project, "[steps.wait_for]\nport = 9\nstate = \"closed\"\nwithin = \"10s\"\n", "ok", "ok");
    let missing = fails(&project, "[steps.http]\nurl = \"http://127.0.0.1:80/e2e-none\"\n");
    assert!(missing.contains("404"), "{missing}");
    let words = fails(&project, &format!("{page}matches = \"no such words\"\n"));
    assert!(words.contains("no such words"), "{words}");
    let closed = fails(&project, "[steps.wait_for]\nport = 9\nwithin = \"1s\"\nevery = \"200ms\"\n");
    assert!(closed.contains("127.0.0.1:9") && closed.contains("1 s"), "{closed}");
}

#[test]
fn commands_and_scripts_run_once_where_something_shows_that_they_did() {
    let Stage { host, project } = Stage::on("full1");
    project.write("files/make.sh", "#!/bin/sh\nprintf '%s|' \"$@\" \"$WORD\" >>/srv/e2e/made\n");
    host.must("rm -rf /srv/e2e; mkdir -p /srv/e2e");
    let creates = "[steps.command]\nargv = [\"touch\", \"/srv/e2e/a b\"]\ncreates = \"/srv/e2e/a b\"\n";
    twice(&project, creates, "changed", "ok");
    let check = "[steps.command]\nshell = \"echo x >>\\\"$FILE\\\"\"\nenvironment = { FILE = \"/srv/e2e/checked\" }\ncheck = [\"test\", \"-s\", \"/srv/e2e/checked\"]\n";
    twice(&project, check, "changed", "ok");
    let script =
        "[steps.script]\nfile = \"make.sh\"\nargs = [\"a b\", \"'$x\"]\nenvironment = { WORD = \"w\" }\n";
    twice(&project, script, "changed", "changed");
    assert_eq!(host.read("/srv/e2e/made").as_deref(), Some("a b|'$x|w|a b|'$x|w|"));
    let failure = fails(&project, "[steps.command]\nshell = \"echo out of paper >&2; exit 7\"\n");
    assert!(failure.contains('7') && failure.contains("out of paper"), "{failure}");
}

#[test]
fn a_file_is_fetched_from_each_host() {
    let lab = Lab::get();
    let _hosts = lab.hosts(["full1", "small1", "noexec1"]);
    let project = Project::new(&lab);
    let fetch = "[[steps]]\n[steps.fetch]\npath = \"/etc/hostname\"\n";
    let names = ["full1", "small1", "noexec1"];
    let first = project.play(fetch, "full1,small1,noexec1", "").exits(0);
    let second = project.play(fetch, "full1,small1,noexec1", "").exits(0);
    for name in names {
        assert_eq!(project.read(&format!("fetched/{name}/etc/hostname")), format!("{name}\n"));
        assert_eq!((first.outcome(name), second.outcome(name)), ("changed", "ok"));
    }
}

const VALUES: &str = r#"
[vars]
words = ["a b", "c'd"]
[[steps]]
name = "each"
loop = "{{ words }}"
register = "said"
[steps.command]
argv = ["echo", "{{ item }}"]
read_only = true
[[steps]]
name = "page"
notify = "told"
[steps.template]
source = "page"
path = "/srv/e2e/page"
[[steps]]
name = "left out"
when = "facts.hostname != host.name"
[steps.command]
argv = ["false"]
[[steps]]
name = "third time"
register = "tries"
retries = 4
delay = "10ms"
until = "tries.stdout | trim | int >= 3"
[steps.command]
shell = "echo x >>/srv/e2e/tries; wc -l </srv/e2e/tries"
[[handlers]]
name = "told"
[handlers.command]
shell = "echo x >>/srv/e2e/told"
"#;

#[test]
fn values_travel_between_steps() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full1", "small1", "noexec1"]);
    let project = Project::new(&lab);
    project.write(
        "templates/page",
        "{{ facts.hostname }}:{{ said.results | map(attribute='stdout') | map('trim') | join('+') }}\n",
    );
    for host in &hosts {
        host.must("rm -rf /srv/e2e; mkdir -p /srv/e2e");
    }
    let report = project.play(VALUES, "full1,small1,noexec1", "").exits(0);
    let again = project.play(VALUES, "full1,small1,noexec1", "").exits(0);
    for host in &hosts {
        let name = &host.name;
        assert_eq!(report.outcomes(name), ["ok", "changed", "skipped", "changed", "changed"], "{name}");
        assert_eq!(host.read("/srv/e2e/page"), Some(format!("{name}:a b+c'd\n")));
        assert_eq!(report.step(name, "third time")["tries"], 3);
        assert_eq!(again.outcomes(name), ["ok", "ok", "skipped", "changed"], "{name}");
        assert_eq!(host.read("/srv/e2e/told").as_deref(), Some("x\n"), "the handler ran once");
    }
}

#[test]
fn a_file_is_replaced_and_its_mode_stays() {
    let stage = Stage::on("small1").with("printf old >/srv/page; chmod 600 /srv/page");
    stage.converges("[[steps]]\nfile = { path = \"/srv/page\", content = \"new\" }\n");
    assert_eq!(stage.host.must("cat /srv/page; stat -c %a /srv/page"), "new600");
}

#[test]
fn what_is_mounted_is_not_replaced_and_that_is_known_beforehand() {
    let Stage { host, project } = Stage::on("full1")
        .with("mkdir -p /srv/e2e; cd /srv/e2e; touch from at; mountpoint -q at || mount --bind from at");
    let step = "[[steps]]\n[steps.file]\npath = \"/srv/e2e/at\"\ncontent = \"new\"\n";
    for options in ["--check", ""] {
        let failure = project.play(step, "full1", options).exits(2).failure("full1");
        assert!(failure.contains("write /srv/e2e/at: something is mounted there"), "{options}: {failure}");
        assert!(failure.contains("change it where it is mounted from"), "{options}: {failure}");
    }
    host.must("umount /srv/e2e/at");
}
