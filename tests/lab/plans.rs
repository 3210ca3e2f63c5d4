//! A saved plan over several real hosts, one of which moves before it is applied.

use crate::stage::{Lab, Project};

const PLAYBOOK: &str = "[[steps]]\nname = \"page\"\n[steps.file]\npath = \"/srv/e2e/page\"\ncontent = \"new\\n\"\n\
    [[steps]]\nname = \"count\"\n[steps.command]\nshell = \"echo ran >>/srv/e2e/runs\"\n";

#[test]
fn one_host_that_has_moved_holds_up_all_unless_partial() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full3", "noexec1"]);
    let project = Project::new(&lab);
    hosts.iter().for_each(|host| {
        host.must("rm -rf /srv/e2e && mkdir -p /srv/e2e && echo old >/srv/e2e/page");
    });
    project.write("playbooks/it.toml", PLAYBOOK);
    let windlass = |line: &str| project.windlass(line.split(' '));
    let made = windlass("plan playbook it --hosts full3,noexec1 -o it.plan");
    assert_eq!(made.code, 0, "{made:#?}");
    hosts[1].must("echo edited >/srv/e2e/page");

    let refused = windlass("apply it.plan");
    assert_eq!(refused.code, 7, "{refused:#?}");
    assert!(refused.stdout.contains("noexec1") && refused.stdout.contains("step `page`"), "{refused:#?}");
    assert_eq!(hosts[0].must("cat /srv/e2e/page"), "old", "no host is changed");

    let partial = windlass("apply it.plan --partial");
    assert_eq!(partial.code, 7, "{partial:#?}");
    assert_eq!(hosts[0].must("cat /srv/e2e/page /srv/e2e/runs"), "new\nran");
    assert_eq!(hosts[1].must("cat /srv/e2e/page; ls /srv/e2e"), "edited\npage");

    hosts.iter().for_each(|host| {
        host.must("rm -f /srv/e2e/runs && echo old >/srv/e2e/page");
    });
    let applied = windlass("apply it.plan");
    assert_eq!(applied.code, 0, "{applied:#?}");
    assert!(hosts.iter().all(|host| host.must("cat /srv/e2e/page /srv/e2e/runs") == "new\nran"));
}
