//! Inventories as people write them, and what is said of those that are wrong.

use super::*;
use crate::inventory::fold::fold;
use crate::project::tests::project;
use expect_test::{Expect, expect};

const PROD: &str = r#"
[vars]
app_port = 3002
domain = "{{ name }}.example.com"
[ssh]
user = "deploy"
become = true

[hosts.rsm]
address = "203.0.113.10"
vars = { domain = "studio.example.com" }

[hosts."web[01-03]"]
address = "{{ name }}.example.com"
[hosts."web[01-03]".ssh]
port = 2222

[groups.web]
hosts = ["rsm", "web[01-03]"]
vars = { role = "web" }

[groups.eu]
children = ["web"]
vars = { role = "any", zone = "eu" }
ssh = { user = "eu", connect_timeout = "3s" }
"#;

fn load(files: &[(&str, &str)]) -> Result<Inventory, Diagnostics> {
    let (project, _folder) = project(files);
    Inventory::load(&project, &[])
}

/// The hosts as resolved, or all that is wrong.
fn check(files: &[(&str, &str)], expected: Expect) {
    let text = match load(files) {
        Ok(inventory) => inventory.hosts.iter().map(shown).collect(),
        Err(problems) => problems.plain(),
    };
    expected.assert_eq(&text);
}

fn shown(host: &Host) -> String {
    let vars: Vec<_> = host
        .vars
        .iter()
        .map(|var| format!("{}={} ({}, {})", var.name, var.value, var.origin, var.place))
        .collect();
    let ssh = serde_json::to_string(&host.ssh).unwrap();
    format!("{} {} in {} by {ssh}\n  {}\n", host.name, host.address, host.groups.join(" "), vars.join("\n  "))
}

#[test]
fn files_groups_and_hosts_in_layers() {
    check(&[("inventories/prod.toml", PROD)], expect![[""]]);
}

#[test]
fn programs_and_ini_are_read_as_ansible_does() {
    let program = r#"#!/bin/sh
echo '{"db": {"hosts": ["db1"], "vars": {"role": "{{ not_a_template }}"}}, "all": {"children": ["db"]},
 "_meta": {"hostvars": {"db1": {"ansible_host": "10.0.0.5", "ansible_port": 2200, "ansible_user": "root"}}}}'
"#;
    let ini = "solo ansible_host=10.0.0.9 note='a b'  # a comment\n[app]\napp[1:2] ansible_user=deploy\n[app:vars]\nport=80\n[site:children]\napp\n";
    check(&[("inventories/cloud", program), ("inventories/old.ini", ini)], expect![[""]]);
}

#[test]
fn what_is_wrong_is_pointed_at() {
    check(
        &[(
            "inventories/x.toml",
            "[host.a]\n[hosts.a]\naddres = 'x'\nvars = { facts = 1, a-b = 2 }\n[hosts.b]\naddress = 5\nssh = { usr = 'x', host_key = 'no' }\n[hosts.'-x']\n[hosts.'w[3-1]']\n[groups.'a b']\n",
        )],
        expect![[""]],
    );
    check(
        &[
            (
                "inventories/x.toml",
                "[hosts.web1]\naddress = '10.0.0.1'\n[hosts.'web[1-2]']\n[groups.web]\nhosts = ['wbe1']\nchildren = ['x', 'y', 'eb']\n[groups.y]\nchildren = ['web']\n",
            ),
            (
                "inventories/y.toml",
                "[hosts.web2]\naddress = '{{ nme }}'\n[hosts.web1]\naddress = '10.0.0.2'\n",
            ),
        ],
        expect![[""]],
    );
    check(
        &[("inventories/x.toml", "[groups.a]\nchildren = ['b']\n[groups.b]\nchildren = ['a']\n")],
        expect![[""]],
    );
    check(&[("inventories/x", "#!/bin/sh\necho hello"), ("inventories/y.yml", "")], expect![[""]]);
}

#[test]
fn patterns_choose() {
    let (project, _folder) = project(&[
        ("inventories/prod.toml", PROD),
        ("inventories/b.toml", "[hosts.db1]"),
        ("retry", "web01\n# no\nweb03\n"),
    ]);
    let inventory = Inventory::load(&project, &[]).unwrap();
    let chosen = |pattern: &str| match inventory.select(pattern, &project) {
        Ok(hosts) => fold(hosts.iter().map(|host| host.name.as_str())),
        Err(problems) => problems.plain(),
    };
    assert_eq!(chosen("all"), "db1,rsm,web[01-03]");
    assert_eq!(chosen("prod"), "rsm,web[01-03]");
    assert_eq!(chosen("web*"), "rsm,web[01-03]");
    assert_eq!(chosen("web0?"), "web[01-03]");
    assert_eq!(chosen("web[01-02],db1"), "db1,web[01-02]");
    assert_eq!(chosen("!web02,prod,&eu"), "rsm,web[01,03]");
    assert_eq!(chosen("!prod"), "db1");
    assert_eq!(chosen("~web0[12]$"), "web[01-02]");
    assert_eq!(chosen("@retry"), "web[01,03]");
    expect![[""]].assert_eq(&chosen("wbe"));
    expect![[""]].assert_eq(&chosen("~("));
    expect![[""]].assert_eq(&chosen("rsm,!prod"));
    expect![[""]].assert_eq(&chosen("@nofile"));
}
