//! Inventories of Ansible's and what becomes of them.

use super::*;
use crate::project::tests::project;
use expect_test::expect;

fn imported(files: &[(&str, &str)], path: &str) -> (String, Vec<String>) {
    let (project, folder) = project(files);
    let imported = import(&project, &folder.path().join(path), None).unwrap();
    (imported.text, imported.differences)
}

#[test]
fn an_inventory_becomes_one_file_that_says_the_same() {
    let hosts = "edge ansible_host=203.0.113.9 ansible_port=2222\n\
                 [web]\nweb[1:2] ansible_user=deploy\nedge\n[web:vars]\nport=8080\nansible_python_interpreter=/usr/bin/python3\n\
                 [all:vars]\nansible_ssh_common_args='-J ops@bastion'\n[prod:children]\nweb\n";
    let group = "domain: 'shop.example.com'\nurl: 'http://{{ ansible_host }}:{{ port }}'\nempty: null\nlist: [1, two, {a: b}]\n";
    let files = [
        ("playbooks/x", ""),
        ("ansible/hosts", hosts),
        ("ansible/group_vars/web.yml", group),
        ("ansible/host_vars/web1.yml", "port: 9090\n"),
    ];
    let (text, differences) = imported(&files, "ansible/hosts");
    assert_eq!(differences, Vec::<String>::new());
    expect![[r##"
        # Imported from ansible/hosts by `windlass import ansible`.

        [ssh]
        jump = "ops@bastion"

        [hosts.web1]

        [hosts.web1.ssh]
        user = "deploy"

        [hosts.web1.vars]
        port = 9090

        [hosts.web2]

        [hosts.web2.ssh]
        user = "deploy"

        [hosts.edge]
        address = "203.0.113.9"

        [hosts.edge.ssh]
        port = 2222

        [hosts.edge.vars]
        ansible_host = "203.0.113.9"

        [groups.web]
        hosts = ["web1", "web2", "edge"]
        # not imported: `ansible_python_interpreter` has no effect: hosts need no interpreter

        [groups.web.vars]
        domain = "shop.example.com"
        empty = "{{ none }}"
        list = [1, "two", { a = "b" }]
        port = 8080
        url = "http://{{ ansible_host }}:{{ port }}"

        [groups.prod]
        children = ["web"]
    "##]]
    .assert_eq(&text);
}

#[test]
fn what_files_beside_the_inventory_say_of_all_stays_stronger() {
    let files = [
        ("playbooks/x", ""),
        ("a/hosts.ini", "[web]\nweb1\nweb2\n[web:vars]\nport=1\n"),
        ("a/group_vars/all.yml", "port: 2\n"),
        ("a/host_vars/web2.yml", "port: 3\n"),
    ];
    let (text, differences) = imported(&files, "a/hosts.ini");
    assert_eq!(differences, Vec::<String>::new());
    assert!(text.contains("[hosts.web1.vars]\nport = 2\n"), "{text}");
}

#[test]
fn what_cannot_be_said_is_a_comment_and_a_difference() {
    let files = [("playbooks/x", ""), ("a.ini", "web1 ansible_password=secret host=3\n")];
    let (text, differences) = imported(&files, "a.ini");
    assert!(!text.contains("secret"), "{text}");
    assert!(
        text.contains("# not imported: the connection variable `ansible_password`: it is not read"),
        "{text}"
    );
    assert!(text.contains("# not imported: host: `host` is a name that windlass itself uses"), "{text}");
    assert_eq!(
        differences,
        [
            "web1: the variable `host` is not set and was 3",
            "web1: the connection variable `ansible_password`: it is not read"
        ]
    );
}

#[test]
fn what_ansible_vault_encrypted_is_a_comment_and_nothing_else_is_lost() {
    let files = [
        ("playbooks/x", ""),
        ("a/hosts.ini", "[web]\nweb1\n"),
        ("a/group_vars/web.yml", "pass: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\nport: 80\n"),
    ];
    let (text, differences) = imported(&files, "a/hosts.ini");
    assert!(text.contains("# not imported: pass: ansible-vault encrypted it"), "{text}");
    assert!(text.contains("port = 80"), "{text}");
    assert_eq!(differences.len(), 1, "{differences:?}");
}

#[test]
fn a_directory_keeps_the_groups_of_its_files() {
    let files = [
        ("playbooks/x", ""),
        ("dir/eu.ini", "[web]\nweb1\n"),
        ("dir/us.yml", "web: {hosts: {web2: {size: 3}}}\n"),
    ];
    let (text, differences) = imported(&files, "dir");
    assert_eq!(differences, Vec::<String>::new());
    assert!(text.contains("[groups.eu]\nhosts = [\"web1\"]\n"), "{text}");
}
