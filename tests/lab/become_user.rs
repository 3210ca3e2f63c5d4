//! Becoming another user with a password: sudo and su, right and wrong, on a host that has an agent and on one that has
//! none.

use crate::stage::{Finished, Stage};
use std::time::{Duration, Instant};

const WHO: &str = "[[steps]]\nname = \"who\"\n[steps.command]\nargv = [\"id\", \"-un\"]\n";
/// A wrong password ends within this: sudo itself waits two seconds, and never for a third try.
const AT_ONCE: Duration = Duration::from_secs(30);

/// full1, as this user, with a password to become root.
fn stage(user: &str, password: &str, method: &str) -> Stage {
    let stage = Stage::on("full1");
    let inventory = stage.project.read("inventories/lab.toml");
    let path = stage.project.path().join("password");
    stage.project.write("password", format!("{password}\n"));
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, private).unwrap();
    let settings = format!(
        "[ssh]\nuser = {user:?}\nbecome = true\nbecome_method = {method:?}\nbecome_password_from = \"file:{}\"\n",
        path.display()
    );
    stage.project.write("windlass.toml", settings);
    stage.project.write("inventories/lab.toml", inventory.replace("user = \"root\"\n", ""));
    stage
}

fn command(stage: &Stage, text: &str) -> Finished {
    stage.project.windlass(["run", "command", "--hosts", "full1", "--", text])
}

/// On first contact, then with the agent there, and for a plain command, to which the password does not get.
fn works_as_root(stage: &Stage) {
    for _ in 0..2 {
        let report = stage.project.play(WHO, "full1", "").exits(0);
        assert_eq!(report.step("full1", "who")["output"]["stdout"].as_str(), Some("root\n"), "{report:#?}");
    }
    let output = command(stage, "id -un; cat; echo end");
    assert!(output.stdout.contains("root") && output.stdout.contains("end"), "{output:?}");
    assert!(!output.stdout.contains("lab-secret"), "{output:?}");
}

#[test]
fn a_password_is_given_to_sudo_once_and_ends_in_nothing_else() {
    let stage = stage("pwsudo", "lab-secret", "sudo");
    stage.host.forget_windlass();
    stage.host.must("rm -rf /root/.cache/windlass* /home/pwsudo/.cache; rm -rf /run/sudo/ts/pwsudo");
    works_as_root(&stage);
}

#[test]
fn a_password_that_is_not_needed_is_not_asked_for() {
    let stage = stage("deploy", "wrong", "sudo");
    let report = stage.project.play(WHO, "full1", "").exits(0);
    assert_eq!(report.step("full1", "who")["output"]["stdout"].as_str(), Some("root\n"));
}

#[test]
fn a_wrong_password_ends_at_once_and_counts_once() {
    let stage = stage("pwsudo", "wrong", "sudo");
    stage.host.must("rm -rf /run/sudo/ts/pwsudo; journalctl --rotate -q; true");
    let failures =
        || stage.host.must("journalctl -q -t sudo --no-pager | grep -c 'authentication failure' || true");
    let before: u32 = failures().trim().parse().unwrap();
    let started = Instant::now();
    let report = stage.project.play(WHO, "full1", "").exits(4);
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    let failure = report.failure("full1");
    assert!(failure.contains("become root: sudo refused the password"), "{failure}");
    assert!(failures().trim().parse::<u32>().unwrap() <= before + 1);
    let output = command(&stage, "id -un");
    assert!(output.stdout.contains("sudo refused the password"), "{output:?}");
}

#[test]
fn su_takes_the_password_of_the_other_user() {
    let right = stage("nosudo", "root-secret", "su");
    right.host.must("echo root:root-secret | chpasswd");
    let report = right.project.play(WHO, "full1", "");
    let output = command(&right, "id -un");
    right.host.must("usermod --password '*' root");
    assert_eq!(report.step("full1", "who")["output"]["stdout"].as_str(), Some("root\n"), "{report:#?}");
    assert!(output.stdout.contains("root"), "{output:?}");
    drop(right);
    let wrong = stage("nosudo", "wrong", "su");
    let failure = wrong.project.play(WHO, "full1", "").exits(4).failure("full1");
    assert!(failure.contains("become root: su refused the password"), "{failure}");
}

#[test]
fn doas_takes_the_password_of_the_login_user_where_it_asks_for_one() {
    let stage = stage("pwsudo", "lab-secret", "doas");
    stage
        .host
        .must("rm -rf /root/.cache/windlass* /home/pwsudo/.cache; install -m 600 /dev/null /etc/doas.conf");
    stage.host.must("echo 'permit pwsudo as root' >/etc/doas.conf");
    works_as_root(&stage);
    stage.project.write("password", "wrong\n");
    let started = Instant::now();
    let failure = stage.project.play(WHO, "full1", "").exits(4).failure("full1");
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    assert!(failure.contains("become root: doas refused the password"), "{failure}");
    // Not asked for: then the password is given to no one.
    stage.host.must("echo 'permit nopass pwsudo as root' >/etc/doas.conf");
    stage.project.play(WHO, "full1", "").exits(0);
    stage.host.must("echo 'permit nopass deploy as root' >/etc/doas.conf");
    let failure = stage.project.play(WHO, "full1", "").exits(4).failure("full1");
    assert!(failure.contains("Operation not permitted"), "{failure}");
}
