//! Faults of networks, disks and programs on real hosts. `tests/faults.toml` is the table of all of them.

use crate::stage::{Host, Lab, Project, Report, Stage};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; nothing waits so long when all is well.
pub const SOON: Duration = Duration::from_secs(60);

/// No fault may hold a run for longer.
pub const PATIENCE: Duration = Duration::from_secs(90);

const WHO: &str = "[[steps]]\nname = \"who\"\n[steps.command]\nargv = [\"id\", \"-un\"]\n";

/// Rules in a host's firewall that spoil its connections. They are gone when this is dropped.
pub struct Spoiled<'host>(&'host Host);

impl Spoiled<'_> {
    fn input<'host>(host: &'host Host, rule: &str) -> Spoiled<'host> {
        Spoiled::on(host, "input", rule)
    }

    /// A rule for what comes in (`input`) or goes out (`output`).
    pub fn on<'host>(host: &'host Host, hook: &str, rule: &str) -> Spoiled<'host> {
        Spoiled::mend(host);
        // A rule about new connections needs their tracking, which comes later than everything else.
        let priority = if rule.contains("ct state") { 0 } else { -300 };
        let table =
            format!("table inet e2e_fault {{ chain spoil {{ type filter hook {hook} priority {priority}; ");
        host.must(&format!("nft '{table}{rule}; }}; }}'"));
        Spoiled(host)
    }

    fn mend(host: &Host) {
        let created = "table inet e2e_fault {}; delete table inet e2e_fault";
        host.sh(&format!("nft '{created}'"));
    }
}

impl Drop for Spoiled<'_> {
    fn drop(&mut self) {
        Spoiled::mend(self.0);
    }
}

/// Sets what a host's table in the inventory says about `ssh`.
pub fn set_ssh(project: &Project, host: &str, settings: &str) {
    let head = format!("[hosts.{host}]\n");
    let inventory = project.read("inventories/lab.toml");
    assert!(inventory.contains(&head), "{inventory}");
    let changed = inventory.replace(&head, &format!("{head}ssh = {{ {settings} }}\n"));
    project.write("inventories/lab.toml", changed);
}

/// What a run reports, and that it did not wait for longer than any fault may hold it.
#[track_caller]
fn in_time(run: impl FnOnce() -> Report) -> Report {
    let started = Instant::now();
    let report = run();
    let took = started.elapsed();
    assert!(took < PATIENCE, "it took {took:?}: {report:#?}");
    report
}

#[test]
fn a_host_that_does_not_answer_is_unreachable_and_holds_up_no_other() {
    let lab = Lab::get();
    let [full, _small] = lab.hosts(["full3", "small1"]);
    let project = Project::new(&lab);
    set_ssh(&project, "full3", "connect_timeout = \"3s\"");
    for (rule, word) in [
        ("tcp dport 22 drop", "no answer within 3 s"),
        ("tcp dport 22 reject with tcp reset", "connection refused"),
        ("tcp dport 22 reject", "connection refused"),
    ] {
        let _spoiled = Spoiled::input(&full, rule);
        let report = in_time(|| project.play(WHO, "full3,small1", "")).exits(4);
        assert_eq!([report.outcome("full3"), report.outcome("small1")], ["unreachable", "changed"], "{rule}");
        assert!(report.failure("full3").contains(word), "{rule}: {}", report.failure("full3"));
    }
    project.play(WHO, "full3", "").exits(0);
}

#[test]
fn a_name_that_does_not_resolve_is_unreachable_and_holds_up_no_other() {
    let Stage { host, project } = Stage::on("small1");
    let inventory = project.read("inventories/lab.toml");
    project.write("inventories/lab.toml", inventory + "\n[hosts.lost]\naddress = \"lost.invalid\"\n");
    let report = in_time(|| project.play(WHO, "lost,small1", "")).exits(4);
    assert_eq!([report.outcome("lost"), report.outcome(&host.name)], ["unreachable", "changed"]);
    assert!(report.failure("lost").contains("lost.invalid"), "{}", report.failure("lost"));
}

/// A command that goes on until the test opens its gate, or for a good minute, and leaves a mark each time that it runs.
const GATED: &str = "[[steps]]\nname = \"gate\"\n[steps.command]\n\
    shell = \"echo ran >>/srv/e2e/runs; for n in $(seq 1000); do [ ! -e /srv/e2e/open ] || break; sleep 0.0871; done; touch /srv/e2e/through\"\n\
    creates = \"/srv/e2e/through\"\n";

#[test]
fn a_connection_that_goes_silent_is_given_up_and_its_step_runs_once() {
    let Stage { host, project } = Stage::on("full3").with("rm -rf /srv/e2e && mkdir -p /srv/e2e");
    set_ssh(&project, "full3", "keepalive = 1");
    let started = Instant::now();
    let run = project.start(GATED, "full3");
    host.await_success("test -e /srv/e2e/runs", SOON);
    let spoiled = Spoiled::input(&host, "tcp dport 22 drop");
    let report = run.end();
    let took = started.elapsed();
    assert_eq!(report.outcome("full3"), "unknown", "{report:#?}");
    assert!(took < PATIENCE, "{took:?}");

    drop(spoiled);
    host.must("touch /srv/e2e/open");
    host.await_success("test -e /srv/e2e/through", SOON);
    host.await_success("! ls -l /proc/[0-9]*/exe 2>/dev/null | grep -q /windlass-", SOON);
    project.play(GATED, "full3", "").exits(0);
    assert_eq!(host.must("cat /srv/e2e/runs"), "ran", "the command ran once");
}

#[test]
fn an_sshd_that_admits_few_logins_at_a_time_gets_all_of_them() {
    /// So many names of one host log in at once.
    const NAMES: usize = 16;
    // sshd takes the first MaxSessions that it reads and the last MaxStartups.
    let (first, last) = ("/etc/ssh/sshd_config.d/0-e2e.conf", "/etc/ssh/sshd_config.d/zz-e2e.conf");
    let Stage { host, project } = Stage::on("full3").with(&format!(
        "echo MaxSessions 1 >{first}; echo MaxStartups 2:100:2 >{last}; systemctl reload ssh; \
         [ $(sshd -T | grep -c -e '^maxsessions 1$' -e '^maxstartups 2:100:2$') = 2 ]"
    ));
    let mut inventory = project.read("inventories/lab.toml");
    for name in 0..NAMES {
        inventory += &format!("\n[hosts.crowd{name}]\naddress = \"{}\"\n", host.address);
    }
    project.write("inventories/lab.toml", inventory);
    let finished = project.windlass(["run", "command", "--hosts", "crowd*", "--", "true"]);
    host.must(&format!("rm {first} {last} && systemctl reload ssh"));
    assert_eq!(finished.code, 0, "{finished:#?}");
}

/// What a file system lacks, as mount's options or what is done to it afterwards, and what the failure says.
const DISKS: [(&str, &str, &str); 3] = [
    ("size=64k", "true", "no space left on device"),
    ("size=1m,nr_inodes=2", "true", "no space left on device"),
    ("size=1m", "mount -o remount,ro /srv/e2e-disk", "read-only file system"),
];

#[test]
fn a_disk_that_takes_nothing_more_keeps_the_old_file_and_no_other() {
    let page = format!(
        "[[steps]]\nname = \"page\"\n[steps.file]\npath = \"/srv/e2e-disk/page\"\ncontent = \"{}\"\n",
        "x".repeat(200_000)
    );
    for name in ["full3", "noexec1"] {
        let Stage { host, project } = Stage::on(name);
        for (options, then, words) in DISKS {
            host.must(&format!(
                "umount /srv/e2e-disk 2>/dev/null; mkdir -p /srv/e2e-disk && mount -t tmpfs -o {options} tmpfs /srv/e2e-disk && \
                 printf old >/srv/e2e-disk/page && {then}"
            ));
            let report = project.play(&page, name, "").exits(2);
            let left = host.must("cat /srv/e2e-disk/page; echo; ls -A /srv/e2e-disk");
            host.must("umount /srv/e2e-disk && rmdir /srv/e2e-disk");
            assert_eq!(report.outcome(name), "failed", "{name} {options}: {report:#?}");
            assert_eq!(left, "old\npage", "{name} {options}");
            let failure = report.failure(name).to_lowercase();
            assert!(failure.contains(words), "{name} {options}: {failure}");
        }
    }
}

#[test]
fn endless_output_is_bounded_and_counted() {
    for name in ["full3", "noexec1"] {
        let Stage { host: _host, project } = Stage::on(name);
        let yes = "[[steps]]\nname = \"yes\"\n[steps.command]\nshell = \"yes | head -c 100000000\"\n";
        let report = in_time(|| project.play(yes, name, "")).exits(0);
        let output = &report.step(name, "yes")["output"];
        let kept = output["stdout"].as_str().expect("it prints text").len();
        // Head and tail together, and the marker between them.
        assert!(kept > 0 && kept < (1 << 20) + 100, "{name}: {kept} bytes are kept");
        assert_eq!(output["total_bytes"], 100_000_000, "{name}");
    }
}
