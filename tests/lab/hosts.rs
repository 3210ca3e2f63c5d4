//! Getting to hosts: users, login shells, sudo, host keys, and hosts where no agent can run.

use crate::stage::{Host, Lab, Project, Stage};

/// Says who it is; changes nothing.
const WHO: &str = "[[steps]]\nname = \"who\"\n[steps.command]\nargv = [\"id\", \"-un\"]\n";

/// Who a command on the host runs as.
#[track_caller]
fn runs_as(project: &Project, options: &str, user: &str) {
    let report = project.play(WHO, "full1", options).exits(0);
    assert_eq!(
        report.step("full1", "who")["output"]["stdout"].as_str(),
        Some(&*format!("{user}\n")),
        "{report:#?}"
    );
}

/// Why a login cannot be worked.
#[track_caller]
fn unreachable(options: &str) -> String {
    let lab = Lab::get();
    let _host = lab.host("full1");
    let report = Project::new(&lab).play(WHO, "full1", options).exits(4);
    assert_eq!(report.outcome("full1"), "unreachable");
    report.failure("full1")
}

#[test]
fn users_are_themselves_until_they_become_root() {
    let Stage { host: _host, project } = Stage::on("full1");
    runs_as(&project, "", "root");
    runs_as(&project, "-u deploy", "deploy");
    runs_as(&project, "-u deploy -b", "root");
    runs_as(&project, "-b", "root");
}

#[test]
fn facts_of_hosts_are_shown_as_they_are() {
    let Stage { host, project } = Stage::on("full1");
    let shown = project.windlass(["facts", "full1", "--output", "json"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let facts: serde_json::Value = serde_json::from_str(&shown.stdout).expect("it is JSON");
    assert_eq!(facts["full1"]["hostname"].as_str(), Some(host.must("hostname").trim()));
    assert_eq!(facts["full1"]["systemd"].as_bool(), Some(true));
    let shown = project.windlass(["facts", "full1"]).stdout;
    assert!(shown.starts_with("full1\n") && shown.contains("\n  os.id "), "{shown}");

    // A host that cannot be asked does not hide the others.
    let both = project.windlass(["facts", "full1,127.0.0.9:1,"]);
    assert_eq!(both.code, 4, "{both:?}");
    assert!(both.stdout.starts_with("full1\n") && both.stderr.contains("127.0.0.9"), "{both:?}");
}

#[test]
fn login_shells_of_all_kinds_work() {
    let Stage { host: _host, project } = Stage::on("full1");
    for user in ["noisy", "fish", "tcsh", "ash"] {
        runs_as(&project, &format!("-u {user}"), user);
    }
}

#[test]
fn a_user_without_sudo_reads_so() {
    expect_test::expect![[r#"
        become root: exit status 1: sudo: a password is required
        give the login the right to sudo without a password, or pass --ask-become-pass"#]]
    .assert_eq(&unreachable("-u nosudo -b"));
}

#[test]
fn sudo_that_wants_a_password_names_the_option() {
    expect_test::expect![[r#"
        become root: exit status 1: sudo: a password is required
        give the login the right to sudo without a password, or pass --ask-become-pass"#]]
    .assert_eq(&unreachable("-u pwsudo -b"));
}

#[test]
fn logins_that_allow_nothing_say_what_they_said() {
    expect_test::expect![[r#"
        start the agent: exit status 1: This account is currently not available.
        try the same login by hand: ssh HOST /bin/sh -c true"#]]
    .assert_eq(&unreachable("-u nologin"));
    expect_test::expect![[r#"
        start the agent: exit status 0: only this is allowed here
        try the same login by hand: ssh HOST /bin/sh -c true"#]]
    .assert_eq(&unreachable("-u forced"));
}

/// A project whose known_hosts holds, for full1, the key of `of`, or none.
fn knowing(lab: &Lab, of: Option<&Host>, full1: &Host) -> Project {
    let project = Project::new(lab);
    let known = std::fs::read_to_string(lab.known_hosts()).expect("the lab wrote it");
    let key = of.map(|of| {
        let line = known.lines().find(|line| line.contains(&of.address)).expect("the lab knows its hosts");
        let (_, key) = line.split_once(' ').expect("names come before the key");
        format!("{} {key}\n", full1.address)
    });
    project.write("known_hosts", key.unwrap_or_default());
    let path = project.path().join("known_hosts").display().to_string();
    let inventory = project.read("inventories/lab.toml");
    project.write("inventories/lab.toml", inventory.replace(&lab.known_hosts().display().to_string(), &path));
    project
}

fn fingerprint(host: &Host) -> String {
    let line = host.must("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key");
    line.split(' ').nth(1).expect("ssh-keygen prints bits and fingerprint").to_owned()
}

#[test]
fn an_unknown_host_key_is_refused() {
    let lab = Lab::get();
    let host = lab.host("full1");
    let report = knowing(&lab, None, &host).play(WHO, "full1", "").exits(4);
    let failure = report.failure("full1");
    assert!(
        failure.contains("its host key is not known") && failure.contains(&fingerprint(&host)),
        "{failure}"
    );
    assert!(failure.contains("ssh-keyscan"), "{failure}");
}

#[test]
fn a_changed_host_key_is_refused_with_both_fingerprints() {
    let lab = Lab::get();
    let [host, other] = lab.hosts(["full1", "full2"]);
    let report = knowing(&lab, Some(&other), &host).play(WHO, "full1", "").exits(4);
    let failure = report.failure("full1");
    for part in ["the host key has changed", &fingerprint(&host), &fingerprint(&other), "ssh-keygen -f"] {
        assert!(failure.contains(part), "{part} in {failure}");
    }
    let known = knowing(&lab, Some(&host), &host);
    known.play(WHO, "full1", "").exits(0);
}

#[test]
fn a_host_that_is_down_does_not_hold_up_the_others() {
    let lab = Lab::get();
    let [host, _other] = lab.hosts(["full1", "full2"]);
    let project = Project::new(&lab);
    let closed = format!("\n[hosts.closed]\naddress = \"{}\"\nssh = {{ port = 9 }}\n", host.address);
    project.write("inventories/lab.toml", &(project.read("inventories/lab.toml") + &closed));

    let report = project.play(WHO, "full,closed", "").exits(4);
    assert_eq!([report.outcome("full1"), report.outcome("full2")], ["changed", "changed"]);
    assert_eq!(report.outcome("closed"), "unreachable");
    assert!(report.failure("closed").contains("connection refused"), "{}", report.failure("closed"));

    let fails = WHO.replace("\"id\", \"-un\"", "\"grep\", \"full2\", \"/etc/hostname\"");
    let report = project.play(&fails, "full,closed", "").exits(6);
    let outcomes = ["full1", "full2", "closed"].map(|host| report.outcome(host));
    assert_eq!(outcomes, ["failed", "changed", "unreachable"]);
}

#[test]
fn the_agent_is_uploaded_once_and_again_when_it_is_broken() {
    let lab = Lab::get();
    let host = lab.host("full1");
    host.forget_windlass();
    let project = Project::new(&lab);
    let uploads = || {
        let report = project.play(WHO, "full1", "").exits(0);
        assert_eq!(report.system("full1"), "agent");
        report.uploaded("full1")
    };

    assert!(uploads(), "there was none");
    assert!(!uploads(), "it is there");
    let agent = host.must("ls /root/.cache/windlass-0/*");
    host.must(&format!("truncate -s 4096 {agent}"));
    assert!(uploads(), "it was broken");
    assert!(!uploads(), "it is whole again");
    assert_eq!(host.must("ls /root/.cache/windlass-0/*"), agent, "nothing is left beside it");
}

/// One step of every kind that writes files.
const FILES: &str = r#"
[[steps]]
[steps.directory]
path = "/srv/e2e/folder/inner"
mode = "0750"
[[steps]]
[steps.file]
path = "/srv/e2e/file"
content = "one\ntwo ' \" $x \\ ü\nno newline at the end"
mode = "0640"
[[steps]]
[steps.file]
path = "/srv/e2e/bytes"
source = "bytes"
[[steps]]
[steps.template]
path = "/srv/e2e/templated"
source = "page"
[[steps]]
[steps.symlink]
path = "/srv/e2e/link"
target = "folder/inner"
[[steps]]
[steps.line]
path = "/srv/e2e/given"
line = "key = new"
match = "^key ="
[[steps]]
[steps.block]
path = "/srv/e2e/given"
content = "a\nb"
[[steps]]
[steps.json]
path = "/srv/e2e/given.json"
merge = { b = { c = [1, 2] } }
[[steps]]
[steps.absent]
path = "/srv/e2e/gone"
"#;

#[test]
fn a_host_without_exec_is_worked_through_sh_with_the_same_results() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full1", "small1", "noexec1"]);
    let project = Project::new(&lab);
    project.write("files/bytes", "\u{0}\u{1}\u{7f}\r\n\t".repeat(1000));
    project.write("templates/page", "{% for n in range(3) %}{{ n }};{% endfor %}\n");
    for host in &hosts {
        host.must("rm -rf /srv/e2e; mkdir -p /srv/e2e/gone/below");
        host.write("/srv/e2e/given", "# kept\nkey = old\n");
        host.write("/srv/e2e/given.json", "{\n    \"a\" : 1\n}\n");
    }

    let hosts_pattern = "full1,small1,noexec1";
    let check = project.play(FILES, hosts_pattern, "--check").exits(0);
    let first = project.play(FILES, hosts_pattern, "").exits(0);
    let second = project.play(FILES, hosts_pattern, "").exits(0);

    let systems = hosts.each_ref().map(|host| first.system(&host.name));
    assert_eq!(systems, ["agent", "agent", "sh"]);
    for host in &hosts {
        assert_eq!(check.outcomes(&host.name), ["would_change"; 9], "{}", host.name);
        assert_eq!(first.outcomes(&host.name), ["changed"; 9], "{}", host.name);
        assert_eq!(second.outcomes(&host.name), ["ok"; 9], "{}", host.name);
    }
    let trees = hosts.each_ref().map(tree);
    assert!(trees[0].contains("/srv/e2e/templated"), "{}", trees[0]);
    assert_eq!(trees[0], trees[1]);
    assert_eq!(trees[0], trees[2]);
    for host in &hosts {
        host.must("rm -rf /srv/e2e");
    }
}

/// Every path below /srv/e2e with mode, owner, link target and digest.
fn tree(host: &Host) -> String {
    host.must(
        "cd /srv/e2e && find /srv/e2e | sort | while read -r path; do \
           stat -c '%n %a %u %g %F' \"$path\"; \
           if [ -L \"$path\" ]; then readlink \"$path\"; elif [ -f \"$path\" ]; then sha256sum <\"$path\"; fi; \
         done",
    )
}
