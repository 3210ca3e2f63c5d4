//! Ansible's YAML inventories: groups with `hosts`, `vars` and `children`, nested as deep as wanted.

use super::names::names_and_port;
use super::{Draft, Variable};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::file::File;
use crate::keys::wrong_type;
use crate::model::Value;
use crate::source::{Data, Entry, Node, Place, Source};
use crate::yaml;
use std::sync::Arc;

/// Reads a YAML inventory; JSON is YAML too.
pub fn read(stem: &str, source: &Arc<Source>, problems: &mut Diagnostics) -> File {
    let node = yaml::parse(source, problems);
    let mut draft = Draft::new(stem, problems);
    match node {
        Some(node) if node.get("plugin").is_some() => {
            draft.problems.push(plugin(source, node.place_of("plugin")))
        }
        Some(Node { data: Data::Table(groups), .. }) => {
            for entry in &groups {
                group(&mut draft, entry);
            }
        }
        Some(node) => draft.problems.push(wrong_type(&node, "a map of groups")),
        None if draft.problems.errors() > 0 => {}
        None => draft.problems.push(Diagnostic::error("the inventory is empty", &Place::whole(source))),
    }
    draft.file
}

/// Whether the text is a map in YAML.
pub fn fits(source: &Arc<Source>) -> bool {
    let mut problems = Diagnostics::default();
    let node = yaml::parse(source, &mut problems);
    problems.errors() == 0 && node.is_some_and(|node| node.entries().is_some())
}

fn plugin(source: &Source, place: &Place) -> Diagnostic {
    Diagnostic::error("this configures a plugin of Ansible, which is not run here", place).hint(format!(
        "make a program that runs `ansible-inventory -i {} --list`, and put that into the inventories",
        source.name
    ))
}

fn group(draft: &mut Draft<'_>, entry: &Entry) -> Option<usize> {
    let entries = match &entry.node.data {
        Data::Table(entries) => entries.as_slice(),
        Data::Scalar(Value::Null) => &[],
        _ => {
            let problem = wrong_type(&entry.node, "a map with hosts, vars or children").warning();
            draft.problems.push(problem.hint("it is not read as a group"));
            return None;
        }
    };
    let group = draft.group(&entry.key, &entry.place)?;
    for part in entries {
        match part.key.as_str() {
            "vars" => vars(draft, group, &part.node),
            "children" => children(draft, group, &part.node),
            "hosts" => hosts(draft, group, &part.node),
            other => {
                let problem = Diagnostic::error(format!("`{other}` is not read"), &part.place).warning();
                let problem = problem.label("a group has hosts, vars and children");
                draft.problems.push(problem.nearest(other, ["hosts", "vars", "children"]));
            }
        }
    }
    Some(group)
}

/// The entries of a section. A text stands for a map with that key.
fn entries(draft: &mut Draft<'_>, node: &Node) -> Vec<Entry> {
    match &node.data {
        Data::Table(entries) => entries.clone(),
        Data::Scalar(Value::Null) => Vec::new(),
        Data::Scalar(Value::String(name)) => {
            let nothing = Node { place: node.place.clone(), data: Data::Scalar(Value::Null) };
            vec![Entry { key: name.clone(), place: node.place.clone(), node: nothing }]
        }
        _ => {
            draft.problems.push(wrong_type(node, "a map"));
            Vec::new()
        }
    }
}

fn vars(draft: &mut Draft<'_>, group: usize, node: &Node) {
    for entry in entries(draft, node) {
        draft.group_var(group, variable(&entry));
    }
}

fn children(draft: &mut Draft<'_>, parent: usize, node: &Node) {
    for entry in entries(draft, node) {
        if group(draft, &entry).is_some() {
            draft.child(parent, &entry.key, &entry.place);
        }
    }
}

fn hosts(draft: &mut Draft<'_>, group: usize, node: &Node) {
    for entry in entries(draft, node) {
        let (names, port) = match names_and_port(&entry.key) {
            Ok(found) => found,
            Err(why) => {
                draft.problem(why, &entry.place);
                continue;
            }
        };
        // What is false in Python is an empty map to Ansible.
        let vars = match &entry.node.data {
            Data::Table(vars) => vars.as_slice(),
            Data::List(list) if list.is_empty() => &[],
            Data::Scalar(value) if is_false(value) => &[],
            _ => {
                draft.problems.push(wrong_type(&entry.node, "a map of variables"));
                continue;
            }
        };
        for name in names {
            let Some(host) = draft.host(&name, port, Some(group), &entry.place) else { break };
            vars.iter().for_each(|var| draft.host_var(&host, variable(var)));
        }
    }
}

fn is_false(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
        || value.as_str() == Some("")
        || value.as_f64() == Some(0.0)
}

fn variable(entry: &Entry) -> Variable {
    Variable {
        name: entry.key.clone(),
        value: entry.node.value(),
        place: entry.place.clone(),
        literal: false,
    }
}
