//! What connection variables of Ansible make of a host.

use super::*;

#[test]
fn connection_variables_are_honoured_or_named() {
    let ini = "[inner]\ndb1 ansible_host='{{ prefix }}.1' ansible_ssh_common_args='-J ops@b1' ansible_become=yes\n\
               old ansible_password=secret\n[inner:vars]\nprefix=10.9.9\nansible_python_interpreter=/usr/bin/python3\n";
    let inventory = load(&[("inventories/x.ini", ini)]).unwrap();
    let [db1, old] = inventory.hosts.as_slice() else { panic!() };
    assert_eq!(db1.address, "10.9.9.1");
    assert_eq!(serde_json::to_string(&db1.ssh).unwrap(), r#"{"jump":"ops@b1","become":true}"#);
    assert!(old.refused.plain().contains("the connection variable `ansible_password`: it is not read"));
    assert!(inventory.warnings.plain().contains("`ansible_python_interpreter` has no effect"));
    assert!(inventory.check_reachable(["db1"]).is_ok());
    assert!(inventory.check_reachable(["db1", "old"]).is_err());
}

/// Ansible passes `ansible_ssh_args` on before its own options, and the other arguments behind them.
#[test]
fn of_arguments_and_variables_the_one_that_ssh_sees_first_counts() {
    let ini = "[t]\na ansible_user=ann ansible_port=23 ansible_ssh_args='-l bob -p 24 -i k1' \
               ansible_ssh_private_key_file=k2 ansible_ssh_extra_args='-o IdentityFile=k3'\n\
               b ansible_user=ann ansible_port=23 ansible_ssh_common_args='-l bob -o Port=24 -o ConnectTimeout=9' \
               ansible_ssh_extra_args='-o ConnectTimeout=8' ansible_private_key_file=k1 ansible_ssh_private_key_file=k2\n\
               c ansible_user=ann ansible_ssh_user=bob ansible_ssh_port=24 ansible_port=23 ansible_sudo=no ansible_become=yes\n\
               d ansible_host_key_checking=no ansible_ssh_common_args='-o StrictHostKeyChecking=yes'\n\
               e ansible_host_key_checking=yes ansible_ssh_common_args='-o StrictHostKeyChecking=no'\n\
               f ansible_host_key_checking=yes\n\
               g ansible_ssh_args='-o User=bob' ansible_ssh_common_args='-J b1 -o HostName=h2' ansible_host=h1\n";
    let inventory = load(&[("inventories/x.ini", ini)]).unwrap();
    let ssh = |host: &Host| serde_json::to_string(&host.ssh).unwrap();
    let all: Vec<_> = inventory.hosts.iter().map(ssh).collect();
    let expected = [
        r#"{"user":"bob","port":24,"identity":["k1","k2","k3"]}"#,
        r#"{"user":"ann","port":23,"identity":"k2","connect_timeout":9}"#,
        r#"{"user":"bob","port":24,"become":true}"#,
        r#"{"host_key":"accept-new"}"#,
        r#"{"host_key":"accept-new"}"#,
        r#"{"host_key":"strict"}"#,
        r#"{"user":"bob","jump":"b1","options":["HostName=h2"]}"#,
    ];
    assert_eq!(all, expected);
}

#[test]
fn connection_variables_know_where_their_host_is_named_and_the_environment() {
    let ini = "[t]\na ansible_ssh_private_key_file='{{ inventory_dir }}/keys/{{ inventory_hostname }}'\n\
               b ansible_user=\"{{ lookup('env', 'WINDLASS_UNSET') | default('ann', true) }}\" ansible_host={{home}}\n\
               c ansible_ssh_common_args='-F {{ playbook_dir }}/ssh.cfg'\n\
               d ansible_user=\"{{ lookup('pipe', 'whoami') }}\"\n\
               e ansible_user=\"{{ lookup('file', 'user') }}\" ansible_ssh_private_key_file='{{ inventory_file }}.key'\n\
               [t:vars]\nhome={{ lookup('env', 'HOME') | basename }}\n";
    let (project, folder) = project(&[("inventories/x.ini", ini), ("user", "deploy\n")]);
    let inventory = Inventory::load(&project, &[]).unwrap();
    let root = folder.path().canonicalize().unwrap().display().to_string();
    let ssh = |host: &Host| serde_json::to_string(&host.ssh).unwrap().replace(&root, "ROOT");
    let refused = |host: &Host| host.refused.plain();
    let [a, b, c, d, e] = inventory.hosts.as_slice() else { panic!() };
    assert_eq!(ssh(a), r#"{"identity":"ROOT/inventories/keys/a"}"#);
    assert_eq!((ssh(b), b.address_given), (r#"{"user":"ann"}"#.to_string(), true));
    assert!(
        refused(c).contains("`playbook_dir` is not known here") && refused(c).contains("inventory_dir"),
        "{}",
        refused(c)
    );
    assert!(refused(d).contains("`whoami` is not run while the inventory is read"), "{}", refused(d));
    assert_eq!(ssh(e), r#"{"user":"deploy","identity":"ROOT/inventories/x.ini.key"}"#);
}
