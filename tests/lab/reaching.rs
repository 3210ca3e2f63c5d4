//! Other ways to a host than one connection of its own: behind a bastion, as a container, many sessions at once, secrets and
//! facts of other hosts on the way.

use crate::stage::{Host, Lab, Project};

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
    let [bastion, small] = lab.hosts(["full1", "small1"]);
    let inner: String = (1..=8)
        .map(|number| {
            format!(
                "[hosts.n{number}]\naddress = {:?}\nssh.jump = \"root@{}\"\n",
                small.address, bastion.address
            )
        })
        .collect();
    let project = project(&lab, &inner);
    let before = logins(&bastion);
    let report = project.play(LOOK, "all", "-f 8").exits(0);
    (1..=8).for_each(|number| assert_eq!(report.outcome(&format!("n{number}")), "ok"));
    assert_eq!(logins(&bastion) - before, 1);
}

#[test]
fn a_crowd_of_first_contacts_places_one_agent() {
    let lab = Lab::get();
    let host = lab.host("full2");
    host.forget_windlass();
    let project = project(&lab, &format!("[hosts.\"n[01-64]\"]\naddress = {:?}\n", host.address));
    let report = project.play(LOOK, "all", "-f 64 --wait 5m").exits(0);
    for number in 1..=64 {
        assert_eq!(report.system(&format!("n{number:02}")), "agent");
    }
    assert_eq!(host.must("ls -A /root/.cache/windlass-0 | wc -l").trim(), "1");
}

#[test]
fn facts_of_another_host_are_read_first_and_secrets_reach_the_step() {
    let lab = Lab::get();
    // The other host is ours too: another test may restart its sshd.
    let [host, other] = lab.hosts(["small1", "full1"]);
    let project = Project::new(&lab);
    project.write("token", "hunter2-hunter2\n");
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
