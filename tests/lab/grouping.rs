//! Groups by facts of real hosts, which are read before the first step.

use crate::stage::{Lab, Project};

const GROUPING: &str = r#"
[[steps]]
name = "by system"
[steps.group_by]
key = "systemd_{{ facts.systemd }}"
parents = ["by_init"]

[[steps]]
name = "what it sees"
[steps.file]
path = "/tmp/e2e-grouping"
content = "{{ group_names | select('match', 'systemd|by_') | join(',') }} {{ tool | default('none') }} {{ groups['by_init'] | join(',') }}\n"

[[steps]]
name = "only with systemd"
when = "'systemd_True' in group_names"
[steps.command]
argv = ["true"]
"#;

#[test]
fn hosts_join_groups_by_their_facts_and_get_their_variables() {
    let lab = Lab::get();
    let hosts = lab.hosts(["full3", "small1"]);
    let project = Project::new(&lab);
    project.write("inventories/group_vars/systemd_True.yml", "tool: systemctl\n");
    let report = project.play(GROUPING, "full3,small1", "").exits(0);
    assert_eq!(hosts[0].must("cat /tmp/e2e-grouping"), "by_init,systemd_True systemctl full3,small1");
    assert_eq!(hosts[1].must("cat /tmp/e2e-grouping"), "by_init,systemd_False none full3,small1");
    assert_eq!(report.outcomes("small1"), ["ok", "changed", "skipped"]);
    assert_eq!(report.outcomes("full3"), ["ok", "changed", "changed"]);
    hosts.iter().for_each(|host| {
        host.must("rm -f /tmp/e2e-grouping");
    });
}

#[test]
fn a_host_that_cannot_say_its_facts_is_unreachable_and_the_others_go_on() {
    let lab = Lab::get();
    let hosts = lab.hosts(["small1"]);
    let project = Project::new(&lab);
    project.write(
        "inventories/gone.toml",
        "[hosts.gone]\naddress = \"127.0.0.1\"\nssh = { port = 9, connect_timeout = \"2s\" }\n",
    );
    let report = project.play(GROUPING, "small1,gone", "").exits(4);
    assert_eq!(hosts[0].must("cat /tmp/e2e-grouping"), "by_init,systemd_False none small1");
    assert!(report.failure("gone").contains("refused"), "{}", report.failure("gone"));
    hosts[0].must("rm -f /tmp/e2e-grouping");
}
