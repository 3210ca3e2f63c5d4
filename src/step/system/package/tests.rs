//! Packages over a pretended host: what is installed, what is asked, what apt is asked to do.

use super::apt;
use crate::model::op::{Op, Undo};
use crate::system::pretend::Pretend;
use crate::testing::{self, answer, answer_to, apply, parse, planned, pretend_a_change};
use expect_test::expect;

/// A host with apt and these packages, of those that are asked for.
fn host(asked: &[&str], rows: &str) -> Pretend<'static> {
    let host = testing::host(&[("/usr/bin/apt-get", "")]);
    answer_to(&host, apt::installed_question(asked).argv, 1, rows);
    host
}

fn simulate(host: &Pretend<'_>, what: &str, said: &str) {
    answer(host, &format!("apt-get --simulate {what}"), 0, said);
}

const INST_NGINX: &str = "\
Inst nginx-common (1.22.1-9 Debian:12.8/stable [all])
Inst nginx (1.22.1-9 Debian:12.8/stable [amd64])
Conf nginx (1.22.1-9 Debian:12.8/stable [amd64])
";

#[test]
fn installs_what_is_missing_and_says_how() {
    let host = host(&["nginx", "curl"], "curl amd64 7.88.1 installed\n");
    simulate(&host, "install nginx --no-install-recommends", INST_NGINX);
    let told = apply(&host, "package", "names = ['nginx', 'curl']\nrecommends = false").unwrap();
    expect![[r#"
        run apt-get install nginx --no-install-recommends -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold
    "#]]
    .assert_eq(&told);
}

#[test]
fn leaves_what_is_already_so() {
    let there = host(&["curl"], "curl amd64 7.88.1-10 installed\n");
    for keys in ["name = 'curl'", "name = 'curl=7.88.1-10'", "name = 'curl=7.88*'"] {
        assert_eq!(apply(&there, "package", keys).unwrap(), "");
    }
    let gone = host(&["curl"], "curl amd64 7.88.1-10 config-files\n");
    assert_eq!(apply(&gone, "package", "name = 'curl'\nstate = 'absent'").unwrap(), "");
}

#[test]
fn tells_the_versions_that_are_installed() {
    let host = host(&["curl"], "curl amd64 7.88.1-10 installed\n");
    let plan = parse("package", "name = 'curl'").unwrap().plan(&host).unwrap();
    assert_eq!(plan.result["packages"]["curl"], "7.88.1-10");
}

#[test]
fn another_version_is_installed_over_it() {
    let host = host(&["curl"], "curl amd64 7.88.1-10 installed\n");
    simulate(
        &host,
        "install curl=7.74* --allow-downgrades",
        "Inst curl [7.88.1-10] (7.74.0-1 Debian:11 [amd64])\n",
    );
    let told = apply(&host, "package", "name = 'curl=7.74*'").unwrap();
    assert!(told.starts_with("run apt-get install 'curl=7.74*' --allow-downgrades "), "{told}");
}

#[test]
fn latest_is_what_apt_would_upgrade() {
    let host = host(&["curl"], "curl amd64 7.88.1-10 installed\n");
    simulate(&host, "install curl", "Inst curl [7.88.1-10] (7.88.1-12 Debian:12 [amd64])\n");
    assert!(
        apply(&host, "package", "name = 'curl'\nstate = 'latest'")
            .unwrap()
            .starts_with("run apt-get install curl ")
    );
    assert_eq!(apply(&host, "package", "name = 'curl'\nstate = 'latest'").unwrap(), "");
}

#[test]
fn what_it_did_is_taken_back_exactly() {
    let host = host(&["nginx"], "");
    let said = "Remv lighttpd [1.4.69]\nInst libx [1.0] (1.1 Debian:12 [amd64])\nInst nginx (1.22.1-9 Debian:12 [amd64])\n";
    simulate(&host, "install nginx", said);
    let plan = parse("package", "name = 'nginx'").unwrap().plan(&host).unwrap();
    let [Op::Run(run)] = &plan.ops[..] else { panic!("{plan:?}") };
    let Undo::Asked { command: undo, question } = &run.undo else { panic!("{run:?}") };
    let shown = undo.shown();
    assert_eq!(shown, "apt-get install libx=1.0 nginx- lighttpd=1.4.69 --allow-downgrades");
    assert_eq!(question.shown(), "apt-cache madison libx=1.0 lighttpd=1.4.69");
    assert_eq!(undo.argv[4..], ["libx=1.0", "nginx-", "lighttpd=1.4.69"], "dpkg was not asked");
    assert_eq!(run.command.environment["DEBIAN_FRONTEND"], "noninteractive");
}

#[test]
fn undo_removes_configuration_that_is_new_and_marks_dependencies_again() {
    let host = host(&["nginx"], "");
    let said = "Remv lighttpd [1.4.69]\nInst libx [1.0] (1.1 Debian:12 [amd64])\nInst nginx-common (1 D [all])\nInst nginx (1 D [all])\n";
    simulate(&host, "install nginx", said);
    let before = "known nginx-common config-files\nknown libx installed\nauto libx\nauto lighttpd\naccount root\noffered libx 1.0\noffered lighttpd 1.4.70\n";
    answer(&host, "/bin/sh -s -- libx nginx-common nginx lighttpd libx=1.0 lighttpd=1.4.69", 0, before);
    let plan = parse("package", "name = 'nginx'").unwrap().plan(&host).unwrap();
    let [Op::Run(run)] = &plan.ops[..] else { panic!("{plan:?}") };
    let Undo::Asked { command: undo, question } = &run.undo else { panic!("{run:?}") };
    let words = ["libx=1.0", "nginx-common-", "nginx_", "lighttpd=1.4.69", "+libx", "+lighttpd", "@root"];
    assert_eq!(undo.argv[4..], words);
    assert_eq!(question.argv[3..], ["libx=1.0", "lighttpd=1.4.69"]);
    let leaves = "an undo cannot restore lighttpd 1.4.69: no package source has it any more";
    assert_eq!(run.leaves.as_deref(), Some(leaves));
}

#[test]
fn removes_and_installs_again_the_same_version() {
    let host = host(&["apache2"], "apache2 amd64 2.4.62 installed\n");
    simulate(&host, "remove apache2", "Remv apache2 [2.4.62]\n");
    let told = apply(&host, "package", "name = 'apache2'\nstate = 'absent'").unwrap();
    assert!(told.starts_with("run apt-get remove apache2 -y "), "{told}");
}

#[test]
fn old_package_lists_are_refreshed_first() {
    let host = host(&["nginx"], "");
    simulate(&host, "install nginx", INST_NGINX);
    let keys = "name = 'nginx'\nupdate = true\ncache_valid = '90m'";
    assert_eq!(planned(&host, "package", keys).unwrap(), "run apt-get update -q\n");
    answer_to(&host, apt::fresh_question(90).argv, 0, "/var/lib/apt/periodic/update-stamp\n");
    assert!(planned(&host, "package", keys).unwrap().starts_with("run apt-get install nginx "));
}

#[test]
fn package_lists_are_not_refreshed_for_what_is_there() {
    let host = host(&["curl"], "curl amd64 7.88.1 installed\n");
    assert_eq!(apply(&host, "package", "name = 'curl'\nupdate = true").unwrap(), "");
}

#[test]
fn an_interrupted_dpkg_is_repaired_first() {
    let host = testing::host(&[("/usr/bin/apt-get", ""), ("/var/lib/dpkg/updates/0001", "")]);
    answer_to(&host, apt::installed_question(&["nginx"]).argv, 1, "");
    simulate(&host, "install nginx", INST_NGINX);
    let told = planned(&host, "package", "name = 'nginx'").unwrap();
    let first = "run dpkg --configure --pending --force-confdef --force-confold\n";
    assert!(told.starts_with(first), "{told}");
}

#[test]
fn a_name_that_nobody_knows_fails_before_anything_is_done() {
    let host = host(&["nginxx"], "");
    answer(&host, "apt-get --simulate install nginxx", 100, "E: Unable to locate package nginxx\n");
    let failure = apply(&host, "package", "name = 'nginxx'").unwrap_err();
    expect![[r#"
        run apt-get --simulate install nginxx: exit status 100: E: Unable to locate package nginxx
          hint: check the name, or refresh the package lists with update = true"#]]
    .assert_eq(&failure.to_string());
}

#[test]
fn after_pretended_changes_apt_cannot_know() {
    let host = host(&["docker-ce"], "");
    answer(&host, "apt-get --simulate install docker-ce", 100, "E: Unable to locate package docker-ce\n");
    pretend_a_change(&host);
    assert!(
        planned(&host, "package", "name = 'docker-ce'")
            .unwrap()
            .starts_with("run apt-get install docker-ce ")
    );
}

#[test]
fn a_name_that_others_provide_is_refused() {
    let host = host(&["mail-transport-agent"], "");
    simulate(&host, "install mail-transport-agent", "Inst exim4 (4.96 Debian:12 [all])\n");
    let failure = apply(&host, "package", "name = 'mail-transport-agent'").unwrap_err();
    expect![[r#"
        install mail-transport-agent: it is no package by itself; apt would install exim4
          hint: name the package that is meant"#]]
    .assert_eq(&failure.to_string());
}

#[test]
fn other_package_managers_are_refused() {
    let failure = apply(&testing::host(&[]), "package", "name = 'nginx'").unwrap_err();
    expect![[r#"
        look for apt-get: the host has none; packages are installed only with apt so far
          hint: run the host's own package manager with a step of kind command"#]]
    .assert_eq(&failure.to_string());
}

#[test]
fn names_that_apt_would_misread_are_refused() {
    for name in ["nginx-", "-y", "", "a b", "nginx=", "Nginx", "nginx=1;2"] {
        let failure = parse("package", &format!("names = ['curl', '{name}']")).err().unwrap();
        let why = format!("read package.names[1]: {name:?} is not a package; write name or name=version");
        assert_eq!(failure.to_string(), why);
    }
    for name in ["g++", "libstdc++6", "libc6:i386", "postgresql-15=15.8-0+deb12u1", "linux-image-6.1*=6*"] {
        assert_eq!(parse("package", &format!("name = '{name}'")).is_ok(), !name.contains("6.1*="));
    }
}

#[test]
fn the_script_waits_for_the_lock_and_touches_its_stamp() {
    let folder = tempfile::tempdir().unwrap();
    // Fails twice with the lock's message, then succeeds.
    let command = r#"n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n; [ "$n" -ge 2 ] || { echo "E: Could not get lock x"; exit 100; }; echo fine"#;
    let script = include_str!("patient.sh").replace("sleep 2", ":");
    #[expect(clippy::disallowed_methods, reason = "the script itself is what is tested, without a host")]
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", &script, "sh", "10", "/bin/sh", "-c", command])
        .current_dir(folder.path())
        .env("STAMP", folder.path().join("deep/stamp"))
        .output()
        .unwrap();
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stdout)), (Some(0), "fine\n"));
    assert!(folder.path().join("deep/stamp").exists());
}
