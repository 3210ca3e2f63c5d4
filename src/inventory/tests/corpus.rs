//! Inventories of Ansible beside what `ansible-inventory --list` says of them. `tests/ansible-inventory/generate` makes
//! the results.

use super::*;
use crate::model::{Value, Values};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

const CASES: &str = include_str!("../../../tests/ansible-inventory/cases.txt");
const EXPECTED: &str = include_str!("../../../tests/ansible-inventory/expected.json");

/// Read here though Ansible refuses it, or refused here though Ansible reads it, each with the reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("group-characters", "a group cannot have `/` in its name, which would be a path below group_vars"),
    ("port-too-big", "a port that cannot exist"),
    ("port-zero-yaml", "a port that cannot exist"),
    ("big-numbers", "an integer of more than 64 bits is text"),
    ("big-numbers-yaml", "an integer of more than 64 bits is text"),
    ("big-floats", "numbers that JSON does not have are text"),
    ("big-floats-yaml", "numbers that JSON does not have are text"),
    ("yaml-nan", "numbers that JSON does not have are text"),
    ("yaml-sexagesimal", "numbers that JSON does not have are text"),
    ("yaml-set", "a type that JSON does not have"),
    ("yaml-omap", "a type that JSON does not have"),
    ("yaml-pairs", "a type that JSON does not have"),
    ("yaml-timestamp", "a type that JSON does not have"),
    ("range-backwards-plain", "a range that is empty is a mistake"),
    ("keys-numbers", "`true` and `1` are two names"),
    ("hosts-numbers", "a number can be a name"),
    ("hosts-true", "`true` can be a name"),
    ("groups-numbers", "a number can be a name"),
    ("hosts-text-two", "no host has a comma in its name"),
    ("ini-host-user", "the user has a variable, and the error says so"),
    ("yaml-plugin", "plugins of Ansible are not run here, and the error says so"),
];

#[test]
fn every_inventory_is_what_ansible_makes_of_it() {
    let expected: Values = serde_json::from_str(EXPECTED).unwrap();
    let cases = cases();
    assert_eq!(cases.len(), expected.len(), "run tests/ansible-inventory/generate");
    assert!(cases.len() >= 60);
    let mut wrong = Vec::new();
    for (name, files) in cases {
        let want = plain(&expected[name]);
        let got = ours(&files, &want);
        let differs = DIFFERENT.iter().any(|(known, _)| *known == name);
        let same = equal(&got, &want);
        if same == differs {
            wrong.push(format!("{name}:\n  want {want}\n  got  {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// Imported, they lose something that windlass has no name for.
const LOSING: &[&str] = &["keys-numbers", "magic-variables-yaml", "unicode", "yaml-plain", "yaml-structures"];

#[test]
fn every_inventory_is_imported_with_nothing_lost() {
    let mut wrong = Vec::new();
    for (name, files) in cases() {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.trim(), *text)).collect();
        let (project, folder) = project(&files);
        let path = folder.path().join(files[0].0.split('/').next().unwrap());
        if Inventory::load(&project, std::slice::from_ref(&path)).is_err() {
            continue;
        }
        let lost = match import::import(&project, &path, None) {
            Ok(imported) => imported.differences.join("\n"),
            Err(problems) => problems.plain(),
        };
        if lost.is_empty() == LOSING.contains(&name) {
            wrong.push(format!("{name}: {lost}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The cases: a name and its files.
fn cases() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    let mut cases = Vec::new();
    for case in CASES.split("=== ").skip(1) {
        let (name, files) = case.split_once('\n').unwrap();
        let file = |text: &'static str| text.split_once('\n').unwrap();
        // Three dashes also begin a document in YAML; a file's head has a space and a name behind them.
        let starts: Vec<usize> = files.match_indices("--- ").map(|(at, _)| at).collect();
        let ends = starts.iter().skip(1).copied().chain([files.len()]);
        cases.push((
            name.trim(),
            starts.iter().zip(ends).map(|(from, to)| file(&files[from + 4..to])).collect(),
        ));
    }
    cases
}

/// What is read here. The groups that files make for their hosts are left out, where Ansible has none of the name.
fn ours(files: &[(&str, &str)], want: &Value) -> Value {
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.trim(), *text)).collect();
    let first = files[0].0.split('/').next().unwrap().to_string();
    let named: BTreeSet<&str> = want
        .as_object()
        .into_iter()
        .flat_map(|hosts| hosts.values())
        .filter_map(|host| host.get("groups")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let stems = files.iter().map(|(path, _)| stem(path)).filter(|stem| !named.contains(stem.as_str()));
    let stems: BTreeSet<String> = stems.collect();
    let (project, folder) = project(&files);
    match Inventory::load(&project, &[folder.path().join(first)]) {
        Err(_) => json!({ "error": true }),
        Ok(inventory) => Value::Object(inventory.hosts.iter().map(|host| described(host, &stems)).collect()),
    }
}

fn stem(path: &str) -> String {
    PathBuf::from(path).file_stem().unwrap().to_string_lossy().into_owned()
}

/// A host's groups without those that its files make, and its variables.
fn described(host: &Host, stems: &BTreeSet<String>) -> (String, Value) {
    let vars: Values = host.vars.iter().map(|var| (var.name.clone(), var.value.clone())).collect();
    let groups: BTreeSet<&String> = host.groups.iter().filter(|group| !stems.contains(*group)).collect();
    (host.name.to_string(), json!({ "groups": groups, "vars": vars }))
}

/// Without the marks that Ansible puts around texts that are no templates.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 && map.contains_key("__ansible_unsafe") => {
            map["__ansible_unsafe"].clone()
        }
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), plain(value))).collect::<Values>().into()
        }
        Value::Array(list) => list.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// The same whatever the order of keys.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => one == other,
    }
}
