//! A fresh image: who gets in, in which order, and what becomes of it when root is locked out.

use crate::stage::{Host, Lab, Project};

/// What the provider gave root.
const PASSWORD: &str = "fresh-image-pass";

/// Keys for a user of ours, then root and passwords off.
const PROVISION: &str = r#"
[[steps]]
[steps.command]
argv = ["useradd", "--create-home", "--shell", "/bin/bash", "fresh"]
creates = "/home/fresh"
[[steps]]
[steps.directory]
path = "/home/fresh/.ssh"
mode = "0700"
owner = "fresh"
[[steps]]
[steps.file]
path = "/home/fresh/.ssh/authorized_keys"
source = "key.pub"
mode = "0600"
owner = "fresh"
[[steps]]
[steps.file]
path = "/etc/sudoers.d/fresh"
content = "fresh ALL=(ALL) NOPASSWD: ALL\n"
mode = "0440"
[[steps]]
name = "keys only"
[steps.sshd]
options = { PermitRootLogin = false, PasswordAuthentication = false, KbdInteractiveAuthentication = false }
"#;

/// The lab's host, which is as before when the test ends.
struct NewHost(Host);

impl Drop for NewHost {
    fn drop(&mut self) {
        old(&self.0);
    }
}

/// A host as a provider hands it out: nobody but root, with a password.
fn new_host(lab: &Lab) -> NewHost {
    let host = lab.host("full1");
    old(&host);
    host.must(&format!(
        "mv /root/.ssh/authorized_keys /root/.ssh/e2e-kept && echo root:{PASSWORD} | chpasswd && \
         printf 'PermitRootLogin yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication yes\n' \
         >/etc/ssh/sshd_config.d/10-e2e.conf && systemctl restart ssh"
    ));
    NewHost(host)
}

/// The lab's host again.
fn old(host: &Host) {
    host.must(
        "rm -rf /etc/ssh/sshd_config.d/00-windlass.conf /etc/ssh/sshd_config.d/10-e2e.conf /etc/sudoers.d/fresh; \
         ! test -e /root/.ssh/e2e-kept || mv /root/.ssh/e2e-kept /root/.ssh/authorized_keys; \
         usermod --password '*' root; ! id fresh >/dev/null 2>&1 || userdel -rf fresh; systemctl restart ssh",
    );
}

fn project(lab: &Lab, host: &Host) -> Project {
    let project = Project::without_inventory();
    let (identity, known) = (lab.identity(), lab.known_hosts());
    let key = std::fs::read_to_string(identity.with_extension("pub")).expect("the lab made it");
    project.write("files/key.pub", key);
    project.write("password", format!("{PASSWORD}\n"));
    let password = project.path().join("password");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&password, closed).expect("it is ours");
    project.write(
        "inventories/fresh.toml",
        format!(
            "[ssh]\nuser = [\"fresh\", \"root\"]\nbecome = true\nidentity = {identity:?}\nknown_hosts = {known:?}\n\
             password_from = \"file:{}\"\n[hosts.full1]\naddress = {:?}\n",
            password.display(),
            host.address
        ),
    );
    project
}

#[test]
fn a_fresh_image_is_taken_over_and_root_locked_out() {
    let lab = Lab::get();
    let fresh = new_host(&lab);
    let host = &fresh.0;
    let project = project(&lab, host);
    let hosts = project.windlass(["hosts"]).stdout;
    assert!(hosts.contains(&format!("fresh|root@{}", host.address)), "{hosts}");

    let report = project.play(PROVISION, "full1", "").exits(0);
    assert_eq!(report.outcomes("full1"), ["changed"; 5]);
    let sshd = host.must("sshd -T");
    assert!(sshd.contains("permitrootlogin no") && sshd.contains("passwordauthentication no"), "{sshd}");

    let again = project.play(PROVISION, "full1", "").exits(0);
    assert_eq!(again.outcome("full1"), "ok", "as the other user: {again:#?}");
    let root = project.report("run playbook it --hosts full1 -u root").exits(4);
    assert!(root.failure("full1").contains("as root"), "{}", root.failure("full1"));
}

#[test]
fn root_is_not_locked_out_while_nobody_else_gets_in() {
    let lab = Lab::get();
    let fresh = new_host(&lab);
    let host = &fresh.0;
    let project = project(&lab, host);
    let only = PROVISION.rsplit_once("[[steps]]").expect("the last step").1;

    let report = project.play(&format!("[[steps]]{only}"), "full1", "").exits(2);

    assert!(report.failure("full1").contains("confirm the change over a new connection"), "{report:#?}");
    assert!(host.must("sshd -T").contains("permitrootlogin yes"));
}
