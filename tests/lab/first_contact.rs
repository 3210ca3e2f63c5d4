//! First contact: the agent is placed whatever the host's disks and the network do, and only what we placed is run.

use crate::stage::{Host, Lab, Project, Stage};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// Changes nothing, so that no run waits for another one's lock.
const LOOK: &str = "[[steps]]\nname = \"look\"\n[steps.command]\nargv = [\"true\"]\nread_only = true\n";

/// Where root's agent is.
const CACHE: &str = "/root/.cache/windlass-0";

/// A host that has never seen windlass. What a test alters on the way to the agent's directories is as before when this is
/// dropped, also when the test fails.
struct Unknown<'h>(&'h Host);

impl<'h> Unknown<'h> {
    fn of(host: &'h Host) -> Unknown<'h> {
        host.forget_windlass();
        Unknown(host)
    }
}

impl Drop for Unknown<'_> {
    fn drop(&mut self) {
        let agents = ["/root/.cache", "/run/user/0", "/var/tmp", "/dev/shm", "/tmp"]
            .map(|place| format!("{place}/windlass*"));
        self.0.sh(&format!("chmod 755 /root/.cache; rm -rf /srv/e2e-js {}", agents.join(" ")));
    }
}

#[test]
fn an_agent_that_was_altered_is_replaced_before_it_runs() {
    let Stage { host, project } = Stage::on("full1");
    let _unknown = Unknown::of(&host);
    project.play(LOOK, "full1", "").exits(0);
    let digest = host.must(&format!("cd {CACHE} && sha256sum *"));
    host.must(&format!("printf XXXX | dd of=$(ls {CACHE}/*) bs=1 seek=100000 conv=notrunc status=none"));
    let report = project.play(LOOK, "full1", "").exits(0);
    assert!(report.uploaded("full1"), "{report:#?}");
    assert_eq!(host.must(&format!("cd {CACHE} && sha256sum *")), digest);
}

#[test]
fn a_directory_that_others_can_exchange_is_not_used() {
    let Stage { host, project } = Stage::on("full1");
    let _unknown = Unknown::of(&host);
    host.must("mkdir -p /root/.cache && chmod 777 /root/.cache");
    let report = project.play(LOOK, "full1", "").exits(0);
    assert_eq!(report.system("full1"), "agent");
    assert_eq!(host.sh(&format!("ls {CACHE}/*")).code, 2, "nothing is placed there");
    host.must("ls /run/user/0/windlass-0/* /var/tmp/windlass-0/* 2>/dev/null | grep -q .");
}

/// File systems of 1 MiB on some of the host's directories, until it is dropped.
struct Small<'h> {
    host: &'h Host,
    places: &'h [&'h str],
}

/// The directory of root's logins, which systemd mounts and unmounts with them unless it is configured to keep it.
const KEEP: &str = "loginctl enable-linger root; until mountpoint -q /run/user/0; do sleep 0.1; done; \
    mount -o remount,size=1m /run/user/0";

impl<'h> Small<'h> {
    fn on(host: &'h Host, places: &'h [&'h str]) -> Small<'h> {
        host.must(KEEP);
        for place in places {
            host.must(&format!("mkdir -p {place} && mount -t tmpfs -o size=1m,mode=1777 none {place}"));
        }
        Small { host, places }
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        self.places.iter().for_each(|place| drop(self.host.sh(&format!("umount -l {place}"))));
        self.host.sh("mount -o remount,size=400m /run/user/0; loginctl disable-linger root");
    }
}

#[test]
fn a_full_cache_leads_to_the_next_directory_and_then_to_the_sh() {
    let Stage { host, project } = Stage::on("full1");
    let _unknown = Unknown::of(&host);
    {
        let _full = Small::on(&host, &["/root/.cache"]);
        let report = project.play(LOOK, "full1", "").exits(0);
        assert_eq!(report.system("full1"), "agent");
        host.must("ls /var/tmp/windlass-0/*");
    }
    host.forget_windlass();
    {
        let _full = Small::on(&host, &["/root/.cache", "/var/tmp", "/dev/shm", "/tmp"]);
        let report = project.play(LOOK, "full1", "").exits(0);
        assert_eq!(report.system("full1"), "sh", "{report:#?}");
        assert_eq!(host.must("find /root/.cache /var/tmp /dev/shm /tmp -path '*windlass-0*' -type f"), "");
    }
}

/// Listens here for the host's sshd. The first connection is cut once it has carried `bytes` to the host; later ones are
/// left alone.
fn cutting(host: &Host, bytes: usize) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let address = format!("{}:22", host.address);
    thread::spawn(move || {
        for (count, client) in listener.incoming().flatten().enumerate() {
            let server = TcpStream::connect(&address).expect("sshd listens");
            let limit = if count == 0 { bytes } else { usize::MAX };
            pass(&server, &client, usize::MAX);
            pass(&client, &server, limit);
        }
    });
    port
}

/// Hands bytes on, up to the limit; then both ends are closed.
fn pass(from: &TcpStream, to: &TcpStream, limit: usize) {
    let (mut from, mut to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
    thread::spawn(move || {
        let mut left = limit;
        let mut buffer = [0; 16 * 1024];
        while left > 0
            && let Ok(read) = from.read(&mut buffer)
            && read > 0
            && to.write_all(&buffer[..read]).is_ok()
        {
            left = left.saturating_sub(read);
        }
        for end in [&from, &to] {
            // It may be closed already.
            let _closed = end.shutdown(Shutdown::Both);
        }
    });
}

#[test]
fn an_upload_that_is_cut_is_started_over() {
    let lab = Lab::get();
    let host = lab.host("full1");
    let _unknown = Unknown::of(&host);
    let project = Project::new(&lab);
    let known_hosts = project.path().join("known_hosts");
    let port = cutting(&host, 400_000);
    let cut = format!(
        "\n[hosts.cut]\naddress = \"127.0.0.1\"\nssh = {{ port = {port}, host_key = \"accept-new\", known_hosts = {known_hosts:?} }}\n"
    );
    project.write("inventories/lab.toml", &(project.read("inventories/lab.toml") + &cut));
    let report = project.play(LOOK, "cut", "").exits(0);
    assert_eq!((report.outcome("cut"), report.system("cut")), ("ok", "agent"), "{report:#?}");
    assert_eq!(host.must(&format!("ls -A {CACHE} | wc -l")).trim(), "1", "nothing is left beside the agent");
}

/// More than one person starts; the scripts themselves are tried by 64 at once where they are.
#[test]
fn many_runs_at_once_all_place_the_agent() {
    const RUNS: usize = 8;
    let Stage { host, project } = Stage::on("full1");
    let _unknown = Unknown::of(&host);
    project.write("playbooks/it.toml", LOOK);
    let running: Vec<_> = (0..RUNS).map(|_| project.start(LOOK, "full1")).collect();
    for run in running {
        let report = run.end().exits(0);
        assert_eq!(report.system("full1"), "agent", "{report:#?}");
    }
    assert_eq!(host.must(&format!("ls -A {CACHE} | wc -l")).trim(), "1");
}

#[test]
fn only_a_host_whose_imports_are_audited_gets_the_agent_that_parses_javascript() {
    let Stage { host, project } = Stage::on("full1");
    let _unknown = Unknown::of(&host);
    host.must("mkdir -p /srv/e2e-js && echo \"import './gone.js'\" >/srv/e2e-js/a.mjs");
    let size = || host.must(&format!("cat {CACHE}/* | wc -c")).trim().parse::<u64>().expect("a number");
    project.play(LOOK, "full1", "").exits(0);
    let small = size();
    let audit = "[[steps]]\nname = \"audit\"\n[steps.imports_audit]\ndest = \"/srv/e2e-js\"\n";
    let report = project.play(audit, "full1", "").exits(2);
    assert!(report.uploaded("full1"), "it has the small one only");
    assert!(report.failure("full1").contains("imports a.mjs:1"), "{}", report.failure("full1"));
    assert!(size() > 2 * small, "both are there, and the second is larger");
    assert!(!project.play(audit, "full1", "").exits(2).uploaded("full1"), "it is there now");
}
