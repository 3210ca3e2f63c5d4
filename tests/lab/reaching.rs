//! Other ways to a host than one connection of its own: behind a bastion, as a container, many sessions at once, secrets and
//! facts of other hosts on the way.

use crate::stage::{Host, Lab, Project};
use std::thread;

/// Changes nothing.
const LOOK: &str =
    "[[steps]]\nname = \"look\"\nchanged_when = \"false\"\n[steps.command]\nargv = [\"true\"]\n";

/// A project with these hosts, reached as the lab is.
fn project(lab: &Lab, hosts: &str) -> Project {
    let project = Project::without_inventory();
    let (identity, known) = (lab.identity(), lab.known_hosts());
    project.write(
        "inventories/all.toml",
        format!("[ssh]\nuser = \"root\"\nidentity = {identity:?}\nknown_hosts = {known:?}\n{hosts}"),
    );
    project
}

/// How many logins sshd has accepted there.
fn logins(host: &Host) -> usize {
    let count = "journalctl --sync; journalctl -q -u ssh --no-pager | grep -c 'Accepted publickey' || :";
    host.must(count).trim().parse().expect("a number")
}

#[test]
fn one_connection_to_a_bastion_carries_all_hosts_behind_it() {
    let lab = Lab::get();
    let [bastion, small, noexec] = lab.hosts(["full1", "small1", "noexec1"]);
    let behind = |name: &str, address: &str| {
        format!("[hosts.{name}]\naddress = {address:?}\nssh.jump = \"root@{}\"\n", bastion.address)
    };
    let project = project(&lab, &(behind("small", &small.address) + &behind("noexec", &noexec.address)));
    let before = logins(&bastion);
    let report = project.play(LOOK, "all", "").exits(0);
    ["small", "noexec"].iter().for_each(|name| assert_eq!(report.outcome(name), "ok"));
    assert_eq!(logins(&bastion) - before, 1);
}

/// An sshd of its own beside the lab's, with these options and root's password `e2e-several`; both end with it.
struct OtherSshd<'a>(&'a Host, u16);

impl<'a> OtherSshd<'a> {
    fn start(host: &'a Host, port: u16, options: &str) -> OtherSshd<'a> {
        host.must(&format!(
            "echo root:e2e-several | chpasswd && mkdir -p /run/sshd && /usr/sbin/sshd -p {port} -o PidFile=/run/e2e-{port}.pid \
             -o PermitRootLogin=yes {options}"
        ));
        OtherSshd(host, port)
    }
}

impl Drop for OtherSshd<'_> {
    fn drop(&mut self) {
        self.0.must(&format!("kill \"$(cat /run/e2e-{}.pid)\"; usermod --password '*' root", self.1));
    }
}

/// A project with the host `n`, which is that sshd.
fn other_project(lab: &Lab, sshd: &OtherSshd<'_>) -> Project {
    let (host, port) = (&sshd.0.address, sshd.1);
    let project = project(
        lab,
        &format!("password_from = \"file:password\"\n[hosts.n]\naddress = {host:?}\nssh.port = {port}\n"),
    );
    let known = std::fs::read_to_string(lab.known_hosts()).expect("the lab wrote it");
    project.write("known", known.replace(&format!("{host} "), &format!("[{host}]:{port} ")));
    project.write_secret("password", "e2e-several\n");
    let all = project.read("inventories/all.toml");
    let known = |line: &str| match line.starts_with("known_hosts") {
        true => format!("known_hosts = {:?}\n", project.path().join("known")),
        false => format!(
            "{}\n",
            line.replace("file:password", &format!("file:{}", project.path().join("password").display()))
        ),
    };
    project.write("inventories/all.toml", all.lines().map(known).collect::<String>());
    project
}

#[test]
fn a_key_may_have_to_follow_a_password_or_the_other_way_round() {
    let lab = Lab::get();
    let host = lab.host("full2");
    for (port, methods) in [(2231, "publickey,password"), (2232, "password,publickey")] {
        let sshd = OtherSshd::start(
            &host,
            port,
            &format!("-o PasswordAuthentication=yes -o AuthenticationMethods={methods}"),
        );
        let report = other_project(&lab, &sshd).play(LOOK, "all", "").exits(0);
        assert_eq!(report.outcome("n"), "ok", "{methods}");
    }
}

#[test]
fn what_ssh_offers_by_default_is_offered() {
    let lab = Lab::get();
    let host = lab.host("full2");
    let few = [
        "-o KexAlgorithms=ecdh-sha2-nistp256",
        "-o KexAlgorithms=ecdh-sha2-nistp521",
        "-o MACs=hmac-sha1 -o Ciphers=aes128-ctr",
        "-o MACs=hmac-sha1-etm@openssh.com -o Ciphers=aes192-ctr",
    ];
    for (port, options) in (2233..).zip(few) {
        let sshd = OtherSshd::start(&host, port, options);
        let report = other_project(&lab, &sshd).play(LOOK, "all", "").exits(0);
        assert_eq!(report.outcome("n"), "ok", "{options}");
    }
}

#[test]
fn a_crowd_of_first_contacts_places_one_agent() {
    let lab = Lab::get();
    let host = lab.host("full2");
    host.forget_windlass();
    // Names of one host take turns within a run, so these are runs of their own.
    let run = |_| {
        let project = project(&lab, &format!("[hosts.n]\naddress = {:?}\n", host.address));
        thread::spawn(move || project.play(LOOK, "all", "--wait 5m"))
    };
    let running: Vec<_> = (0..16).map(run).collect();
    for run in running {
        assert_eq!(run.join().expect("it ends").exits(0).system("n"), "agent");
    }
    assert_eq!(host.must("ls -A /root/.cache/windlass-0 | wc -l").trim(), "1");
}

#[test]
fn facts_of_another_host_are_read_first_and_secrets_reach_the_step() {
    let lab = Lab::get();
    // The other host is ours too: another test may restart its sshd.
    let [host, other] = lab.hosts(["small1", "full1"]);
    let project = Project::new(&lab);
    project.write_secret("token", "hunter2-hunter2\n");
    let report = project.play(
        "[secrets]\ntoken = \"file:token\"\n[[steps]]\nname = \"write\"\nfile = { path = \"/srv/e2e-facts\", content = \"{{ token }} {{ hosts['full1'].facts.hostname }} {{ hosts['full1'].address }}\\n\" }\n",
        "small1",
        "",
    );
    let report = report.exits(0);
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
    let text = host.must("cat /srv/e2e-facts; rm /srv/e2e-facts");
    assert_eq!(text, format!("hunter2-hunter2 full1 {}", other.address));
}
