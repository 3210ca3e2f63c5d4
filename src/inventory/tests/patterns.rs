//! Patterns beside the hosts that Ansible chooses for them. `tests/ansible-inventory/generate` makes the results.

use super::*;
use serde_json::Value;

const CASES: &str = include_str!("../../../tests/ansible-inventory/patterns.txt");
const EXPECTED: &str = include_str!("../../../tests/ansible-inventory/patterns.json");

/// Patterns that choose other hosts than Ansible does, with the reason. Everything else chooses the same ones in the same
/// order, or is refused where Ansible chooses none.
const DIFFERENT: &[(&str, &[&str])] = &[
    (
        "windlass prints hosts as ranges of their names, and reads what it prints; in Ansible they are places",
        &["web[1-2]", "web[1-3]", "b[1-2]"],
    ),
    (
        "ranges and lists of names, for which Ansible chooses no host",
        &[
            "db[1,3]",
            "n[1-2]",
            "n[10-12]",
            "n[10:12]",
            "n[1]",
            "n[12]",
            "n[1,2]",
            "app-[01-03]",
            "app-[01:03]",
            "app-[01-02]",
            "app-0[1-2]",
            "z[1]",
            "203.0.113.[7-8]",
            "203.0.113.[7:8]",
            "rack[1-2]",
            "rack[1:2]",
            "rack[1,2]",
            "rack[1]",
            "rack[0-9]",
            "rack[10]",
            "r[1-4]",
            "r[1:4]",
            "r[10]",
            "r[1-10]",
            "r[3]",
            "all,!rack[1-2]",
        ],
    ),
    (
        "a glob that matches the word `all` is every host in Ansible, though its manual says otherwise",
        &["a*", "al*", "[!wd]*", "*[!0-9]", "?*", "???", "[ab]*", "[a-c]*", "[!r]*"],
    ),
];

/// Patterns that are refused though Ansible chooses hosts, with the reason.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "names of hosts or places, and both exist",
        &[
            "web[1]",
            "web[2]",
            "web[0-1]",
            "web[2-9]",
            "web1[0]",
            "web1[0-1]",
            "db[1]",
            "db[1-3]",
            "n1[0-9]",
            "n1[0-2]",
            "n1[0]",
            "n[0-9][0-9]",
            "n[0-1][0-2]",
            "*[0-9]",
            "*[1-3]",
            "n*[1-2]",
            "b[2]",
            "b[0-1]",
            "rack1[0]",
            "rack1[0-1]",
            "rack[1-2][0]",
            "r1[0]",
        ],
    ),
    ("a range of numbers or one character, and both exist", &["web[10-12]*"]),
    (
        "no host or group has the name, and a wrong name is an error",
        &["web,nosuch", "web,!nosuch", "web:nosuch"],
    ),
    ("this machine is a host where an inventory names it", &["localhost", "127.0.0.1"]),
    ("a bracket is missing", &["web]", "web[", "web[1", "web[1:2"]),
    ("places from the end, which Ansible reads as one character", &["web[-2:]", "web[-2:-1]"]),
];

#[test]
fn patterns_choose_the_hosts_that_ansible_chooses() {
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    let mut wrong = Vec::new();
    let mut seen = [0, 0];
    for case in CASES.split("=== ").skip(1) {
        let (name, files) = case.split_once('\n').unwrap();
        let (inventory, patterns) = files.split_once("--- patterns\n").unwrap();
        let (project, _folder) = project(&[("inventories/inv.ini", inventory.split_once('\n').unwrap().1)]);
        let inventory = Inventory::load(&project, &[]).unwrap();
        for pattern in patterns.lines() {
            let want = &expected[name][pattern];
            let want: Option<Vec<String>> = serde_json::from_value(want.clone()).unwrap();
            let got = match inventory.select(pattern, &project) {
                Ok(hosts) => Some(hosts.iter().map(|host| host.name.to_string()).collect::<Vec<_>>()),
                Err(_) => None,
            };
            let listed =
                |list: &[(&str, &[&str])]| list.iter().any(|(_, patterns)| patterns.contains(&pattern));
            let is_none = want.as_ref().is_none_or(Vec::is_empty);
            let found = [got.is_some() && got != want, got.is_none() && !is_none];
            for (seen, found) in seen.iter_mut().zip(found) {
                *seen += usize::from(found);
            }
            if found != [listed(DIFFERENT), listed(REFUSED)] {
                wrong.push(format!("{name} `{pattern}`\n  want {want:?}\n  got  {got:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
    let count = |list: &[(&str, &[&str])]| list.iter().map(|(_, patterns)| patterns.len()).sum::<usize>();
    assert_eq!(seen, [count(DIFFERENT), count(REFUSED)]);
}
