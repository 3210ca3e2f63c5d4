//! Inventories as people write them, and what is said of those that are wrong.

mod connection;
mod corpus;
mod patterns;

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
    check(
        &[("inventories/prod.toml", PROD)],
        expect![[r#"
        rsm 203.0.113.10 in eu prod web by {"user":"eu","become":true,"connect_timeout":3}
          app_port=3002 (inventory file prod, inventories/prod.toml:3)
          domain="{{ name }}.example.com" (inventory file prod, inventories/prod.toml:4)
          role="any" (group eu, inventories/prod.toml:24)
          zone="eu" (group eu, inventories/prod.toml:24)
          role="web" (group web, inventories/prod.toml:20)
          domain="studio.example.com" (host rsm, inventories/prod.toml:11)
        web01 web01.example.com in eu prod web by {"user":"eu","port":2222,"become":true,"connect_timeout":3}
          app_port=3002 (inventory file prod, inventories/prod.toml:3)
          domain="{{ name }}.example.com" (inventory file prod, inventories/prod.toml:4)
          role="any" (group eu, inventories/prod.toml:24)
          zone="eu" (group eu, inventories/prod.toml:24)
          role="web" (group web, inventories/prod.toml:20)
        web02 web02.example.com in eu prod web by {"user":"eu","port":2222,"become":true,"connect_timeout":3}
          app_port=3002 (inventory file prod, inventories/prod.toml:3)
          domain="{{ name }}.example.com" (inventory file prod, inventories/prod.toml:4)
          role="any" (group eu, inventories/prod.toml:24)
          zone="eu" (group eu, inventories/prod.toml:24)
          role="web" (group web, inventories/prod.toml:20)
        web03 web03.example.com in eu prod web by {"user":"eu","port":2222,"become":true,"connect_timeout":3}
          app_port=3002 (inventory file prod, inventories/prod.toml:3)
          domain="{{ name }}.example.com" (inventory file prod, inventories/prod.toml:4)
          role="any" (group eu, inventories/prod.toml:24)
          zone="eu" (group eu, inventories/prod.toml:24)
          role="web" (group web, inventories/prod.toml:20)
    "#]],
    );
}

#[test]
fn programs_and_ini_are_read_as_ansible_does() {
    let program = r#"#!/bin/sh
echo '{"db": {"hosts": ["db1"], "vars": {"role": "{{ not_a_template }}"}}, "all": {"children": ["db"]},
 "_meta": {"hostvars": {"db1": {"ansible_host": "10.0.0.5", "ansible_port": 2200, "ansible_user": "root"}}}}'
"#;
    let ini = "solo ansible_host=10.0.0.9 note='a b'  # a comment\n[app]\napp[1:2] ansible_user=deploy\n[app:vars]\nport=80\n[site:children]\napp\n";
    check(
        &[("inventories/cloud", program), ("inventories/old.ini", ini)],
        expect![[r#"
            solo 10.0.0.9 in old ungrouped by {}
              ansible_host="10.0.0.9" (host solo, inventories/old.ini:1)
              note="a b" (host solo, inventories/old.ini:1)
            db1 10.0.0.5 in cloud db by {"user":"root","port":2200}
              role="{{ not_a_template }}" (group db, inventories/cloud)
              ansible_host="10.0.0.5" (host db1, inventories/cloud)
              ansible_port=2200 (host db1, inventories/cloud)
              ansible_user="root" (host db1, inventories/cloud)
            app1 app1 in old site app by {"user":"deploy"}
              port=80 (group app, inventories/old.ini:5)
              ansible_user="deploy" (host app1, inventories/old.ini:3)
            app2 app2 in old site app by {"user":"deploy"}
              port=80 (group app, inventories/old.ini:5)
              ansible_user="deploy" (host app2, inventories/old.ini:3)
        "#]],
    );
}

#[test]
fn what_is_wrong_is_pointed_at() {
    check(
        &[(
            "inventories/x.toml",
            "[host.a]\n[hosts.a]\naddres = 'x'\nvars = { facts = 1, a-b = 2 }\n[hosts.b]\naddress = 5\nssh = { usr = 'x' }\n[hosts.c]\nssh = { host_key = 'no' }\n[hosts.'-x']\n[hosts.'w[3-1]']\n[groups.'a b']\n",
        )],
        expect![[r#"
            error: unknown key `host`
             --> inventories/x.toml:1:2
              |
            1 | [host.a]
              |  ^^^^ not a key of an inventory
              |
              = hint: did you mean `hosts`?

            error: unknown key `addres`
             --> inventories/x.toml:3:1
              |
            3 | addres = 'x'
              | ^^^^^^ not a key of a host
              |
              = hint: did you mean `address`?

            error: `facts` is a name that windlass itself uses
             --> inventories/x.toml:4:10
              |
            4 | vars = { facts = 1, a-b = 2 }
              |          ^^^^^

            error: `a-b` cannot be the name of a variable
             --> inventories/x.toml:4:21
              |
            4 | vars = { facts = 1, a-b = 2 }
              |                     ^^^
              |
              = hint: use letters, digits and `_`, with a letter first

            error: expected a string, found an integer
             --> inventories/x.toml:6:11
              |
            6 | address = 5
              |           ^
              |
              = hint: put it in quotes: "5"

            error: unknown key `usr`
             --> inventories/x.toml:7:9
              |
            7 | ssh = { usr = 'x' }
              |         ^^^ not a key of `ssh`
              |
              = hint: did you mean `user`?

            error: invalid value: string "no", expected "strict", "accept-new" or a fingerprint "SHA256:…" as `ssh-keygen -l` prints it
             --> inventories/x.toml:9:20
              |
            9 | ssh = { host_key = 'no' }
              |                    ^^^^

            error: `-x` is no name: letters, digits and `.-_:` are allowed, a letter or digit first
              --> inventories/x.toml:10:8
               |
            10 | [hosts.'-x']
               |        ^^^^

            error: `[3-1]` ends before it begins
              --> inventories/x.toml:11:8
               |
            11 | [hosts.'w[3-1]']
               |        ^^^^^^^^

            error: `a b` is no name: letters, digits and `.-_:` are allowed, a letter or digit first
              --> inventories/x.toml:12:9
               |
            12 | [groups.'a b']
               |         ^^^^^
        "#]],
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
        expect![[r#"
            error: `web1` is described twice
             --> inventories/x.toml:3:8
              |
            3 | [hosts.'web[1-2]']
              |        ^^^^^^^^^^ first at inventories/x.toml:1

            warning: the group `y` has only the hosts that it names, and not all of its file's
             --> inventories/x.toml:7:9
              |
            7 | [groups.y]
              |         ^
              |
              = hint: rename the file or the group

            error: there is no host called `wbe1`
             --> inventories/x.toml:5:10
              |
            5 | hosts = ['wbe1']
              |          ^^^^^^
              |
              = hint: did you mean `web1`?

            error: there is no group called `eb`
             --> inventories/x.toml:6:23
              |
            6 | children = ['x', 'y', 'eb']
              |                       ^^^^
              |
              = hint: did you mean `web`?

            error: these groups are children of each other: web, y
             --> inventories/x.toml:4:9
              |
            4 | [groups.web]
              |         ^^^

            error: `web1` has two addresses
             --> inventories/y.toml:4:11
              |
            4 | address = '10.0.0.2'
              |           ^^^^^^^^^^ `10.0.0.1` at inventories/x.toml:2

            error: render `{{ nme }}`: `nme` is undefined
             --> inventories/y.toml:2:11
              |
            2 | address = '{{ nme }}'
              |           ^^^^^^^^^^^
              |
              = hint: did you mean `name`?
        "#]],
    );
    check(
        &[("inventories/x.toml", "[groups.a]\nchildren = ['b']\n[groups.b]\nchildren = ['a']\n")],
        expect![[r#"
            error: these groups are children of each other: a, b
             --> inventories/x.toml:1:9
              |
            1 | [groups.a]
              |         ^
        "#]],
    );
    check(
        &[("inventories/x", "#!/bin/sh\necho hello"), ("inventories/y.yml", "plugin: aws_ec2\n")],
        expect![[r#"
        error: read what inventories/x printed: expected value at line 1 column 1
         |
         = hint: it should print Ansible's dynamic inventory JSON

        error: this configures a plugin of Ansible, which is not run here
         --> inventories/y.yml:1:9
          |
        1 | plugin: aws_ec2
          |         ^^^^^^^
          |
          = hint: make a program that runs `ansible-inventory -i inventories/y.yml --list`, and put that into the inventories
    "#]],
    );
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
    expect![[r#"
        error: no host or group is called `wbe`
         |
         = hint: did you mean `web`?
    "#]]
    .assert_eq(&chosen("wbe"));
    expect![[r#"
        error: `(` is not a regular expression: found open group without closing ')'
    "#]]
    .assert_eq(&chosen("~("));
    expect![[r#"
        error: `rsm,!prod` chooses no host
    "#]]
    .assert_eq(&chosen("rsm,!prod"));
    expect![[r#"
        error: read nofile: no such file or directory
    "#]]
    .assert_eq(&chosen("@nofile"));
}

#[test]
fn groups_that_hosts_may_still_join_have_no_hosts_yet() {
    let (project, _folder) = project(&[(
        "inventories/prod.toml",
        "[hosts.web1]\n[hosts.web2]\n[groups.os_a]\nvars = { x = 1 }\n",
    )]);
    let inventory = Inventory::load(&project, &[]).unwrap();
    let chosen =
        |pattern: &str| match inventory.select_with(pattern, &project, &|name| name.starts_with("os_")) {
            Ok(hosts) => fold(hosts.iter().map(|host| host.name.as_str())),
            Err(problems) => problems.plain(),
        };
    assert_eq!(["os_a", "os_b", "os_*", "os_b[0]", "web1,&os_b"].map(chosen), [""; 5]);
    assert_eq!(chosen("all,!os_b"), "web[1-2]");
    assert_eq!(chosen("os_b,web2"), "web2");
    assert!(chosen("os_b,so_b").contains("no host or group is called `so_b`"));
    assert!(chosen("web1,!web1").contains("chooses no host"));
}

#[test]
fn patterns_of_ansible_slices_and_addresses_choose() {
    let ini = "[web]\nweb2\nweb1\nweb3\n[db]\ndb1\n";
    let (project, _folder) = project(&[("inventories/x.ini", ini)]);
    let chosen = |pattern: &str| {
        let mut inventory = Inventory::load(&project, &[]).unwrap();
        let added = inventory.add_addresses(pattern, &project);
        match added.and_then(|()| {
            Ok(inventory
                .select(pattern, &project)?
                .iter()
                .map(|host| host.name.to_string())
                .collect::<Vec<_>>())
        }) {
            Ok(names) => names.join(" "),
            Err(problems) => problems.plain(),
        }
    };
    assert_eq!(chosen("web:db:!web1"), "web2 web3 db1");
    assert_eq!(chosen("web:&web1"), "web1");
    assert_eq!(chosen("web[-1]"), "web3");
    assert_eq!(chosen("web[0:1]"), "web2 web1");
    assert_eq!(chosen("web[1:]"), "web1 web3");
    assert_eq!(
        chosen("web[-2:]"),
        "error: `web[-2:]` names no places of `web`: write web[0], web[-1], web[0:2] or web[2:]\n"
    );
    assert!(chosen("all:!wbe").contains("no host or group is called `wbe`"));
    assert_eq!(chosen("203.0.113.7,"), "203.0.113.7");
    assert_eq!(chosen("db,deploy@web9.example.com:2222,"), "db1 web9.example.com");
    expect![[r#"
        error: no host or group is called `203.0.113.7`
         |
         = hint: for a host that is in no inventory, end it with a comma: `203.0.113.7,`
    "#]]
    .assert_eq(&chosen("203.0.113.7"));
    expect![[r#"
        error: `web[2]` can be a host's name or a place in `web`, counted from 0; write `web2`, or `web[2:2]`
    "#]]
    .assert_eq(&chosen("web[2]"));
    assert!(chosen("web,!nosuch").contains("no host or group is called `nosuch`"));
}

#[test]
fn constructed_groups_have_the_hosts_for_which_their_expression_holds() {
    let toml = "[hosts.a]\nvars = { cpus = 16 }\n[hosts.b]\nvars = { cpus = 2 }\n[hosts.c]\n\
                [groups.big]\nwhen = 'cpus | default(0) > 8'\nvars = { size = 'big' }\n";
    let inventory = load(&[("inventories/x.toml", toml)]).unwrap();
    assert_eq!(inventory.groups["big"].hosts.iter().map(HostName::as_str).collect::<Vec<_>>(), ["a"]);
    assert_eq!(inventory.hosts[0].vars.last().unwrap().name, "cpus");
    assert!(inventory.hosts[0].vars.iter().any(|var| var.name == "size"));
}

#[test]
fn what_was_recorded_gives_the_same_inventory() {
    let program = "#!/bin/sh\necho '{\"web\": {\"hosts\": [\"w1\"]}, \"_meta\": {\"hostvars\": {\"w1\": {\"a\": 1}}}}'\n";
    let (project, _folder) = project(&[
        ("inventories/cloud", program),
        ("inventories/x.toml", "[hosts.a]\naddress = '10.0.0.1'\n"),
        ("inventories/group_vars/web.yml", "b: 2\n"),
    ]);
    let inventory = Inventory::load(&project, &[]).unwrap();
    let again = Inventory::recorded(&project, &inventory.to_record()).unwrap();
    let all = |inventory: &Inventory| inventory.hosts.iter().map(shown).collect::<String>();
    assert_eq!(all(&again), all(&inventory));
    assert!(all(&again).contains("b=2"));
    let paths = |inventory: &Inventory| {
        inventory.to_record().into_iter().map(|source| source.path).collect::<Vec<_>>()
    };
    assert_eq!(paths(&again), paths(&inventory));
}

#[test]
fn a_slice_is_one_of_places_where_hosts_are_called_like_its_range_too() {
    let ini = "[web]\nweb[1:5]\n[app]\nzz\n";
    let (project, _folder) = project(&[("inventories/a.ini", ini)]);
    let inventory = Inventory::load(&project, &[]).unwrap();
    let chosen = |pattern: &str| {
        let hosts = inventory.select(pattern, &project).unwrap();
        hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(chosen("web[1:2]"), "web2 web3");
    assert_eq!(chosen("web[3:]"), "web4 web5");
    assert_eq!(chosen("all:!web[0:3]"), "web5 zz");
    assert_eq!(chosen("web[1-2]"), "web1 web2");
}

#[test]
fn hosts_come_in_the_order_of_ansible() {
    let ini = "z\n[p:children]\nb\na\n[a]\na2\na1\n[b]\nb2\nb1\na2\n[c]\nc1\nz\n";
    let toml = "[hosts.t2]\n[hosts.t1]\n[groups.t]\nhosts = ['t1', 't2']\nchildren = ['c']\n";
    let (project, _folder) = project(&[("inventories/a.ini", ini), ("inventories/b.toml", toml)]);
    let inventory = Inventory::load(&project, &[]).unwrap();
    let chosen = |pattern: &str| {
        let hosts = inventory.select(pattern, &project).unwrap();
        hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(chosen("p"), "a2 a1 b2 b1");
    assert_eq!(chosen("c,b"), "c1 z b2 b1 a2");
    assert_eq!(chosen("b,c,&all,!b1"), "b2 a2 c1 z");
    assert_eq!(chosen("t"), "t1 t2 c1 z");
    assert_eq!(chosen("b[0],p[-1]"), "b2 b1");
    // Those of a file in TOML come as it names them.
    assert_eq!(chosen("all"), "t2 t1 a2 a1 b2 b1 c1 z");
}

#[test]
fn terms_with_two_meanings_are_refused_with_both_forms() {
    let ini = "[web]\nweb1\nweb2\nweb10\n[db]\ndb1\ndb3\n";
    let (project, _folder) = project(&[("inventories/a.ini", ini)]);
    let inventory = Inventory::load(&project, &[]).unwrap();
    let refused = |pattern: &str| match inventory.select(pattern, &project) {
        Ok(hosts) => fold(hosts.iter().map(|host| host.name.as_str())),
        Err(problems) => problems.plain(),
    };
    expect![[r#"
        error: `web[0-1]` can be names of hosts or places in `web`, counted from 0; write `web1`, or `web[0:1]`
        error: `web[2]` can be a host's name or a place in `web`, counted from 0; write `web2`, or `web[2:2]`
        error: `web1[0]` can be a host's name or a place in `web1`, counted from 0; write `web10`, or `web1[0:0]`
        error: `web[10-12]*` can be a range of numbers, or one character as in Ansible; write `web10`, or `web1,web2,web10`
        error: `db[0,1]` stands for hosts of which some do not exist; places in `db` are written `db[0],db[1]`
        error: `db[4:7]` chooses no host: `db` has 2, counted from 0
        error: no host or group is called `db[!13]`
         |
         = hint: did you mean `db`?
    "#]]
    .assert_eq(&["web[0-1]", "web[2]", "web1[0]", "web[10-12]*", "db[0,1]", "db[4:7]", "db[!13]"].map(refused).concat());
}
