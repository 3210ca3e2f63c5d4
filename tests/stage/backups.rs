//! Backups taken and looked at as a person would.

use super::{Finished, Project};

/// A playbook of one step.
pub fn backup(keys: &str) -> String {
    format!("[[steps]]\nname = \"kept\"\nregister = \"kept\"\n[steps.backup]\nname = \"test\"\n{keys}\n")
}

pub fn ids(project: &Project) -> Vec<String> {
    let listed = project.windlass(["backups", "list", "--output", "json"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let entries = listed.as_array().or_else(|| listed["backups"].as_array()).expect("a list").clone();
    entries.iter().map(|entry| entry["id"].as_str().expect("an id").to_string()).collect()
}

/// The newest backup.
pub fn id(project: &Project) -> String {
    let mut ids = ids(project);
    ids.sort();
    ids.pop().expect("there is one")
}

pub fn windlass(project: &Project, line: &str) -> Finished {
    project.windlass(line.split_whitespace())
}

#[track_caller]
pub fn fine(finished: Finished) -> Finished {
    assert_eq!(finished.code, 0, "{finished:#?}");
    finished
}
