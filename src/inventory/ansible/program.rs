//! Dynamic inventories: programs in any language that print Ansible's inventory JSON.

use super::{ALL, Draft, Variable};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::file::File;
use crate::inventory::script;
use crate::model::{Value, Values};
use crate::source::Place;
use crate::template;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// What a program printed: its groups, and the variables of its hosts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// By name, without `_meta`.
    pub groups: Values,
    /// By host.
    pub hosts: Values,
}

impl Answer {
    /// For the record.
    pub fn to_text(&self) -> String {
        // Maps with text as keys can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Reads an answer from its text.
pub fn printed(stem: &str, name: &str, text: &str, problems: &mut Diagnostics) -> Result<File, Diagnostics> {
    let answer = serde_json::from_str(text)
        .map_err(|error| Diagnostic::elsewhere(format!("read what {name} printed: {error}")))?;
    Ok(read(stem, name, &answer, problems))
}

/// Asks a program for everything: with `--list`, and with `--host` for each host where that gives no `_meta`.
pub fn ask(program: &Path, name: &str) -> Result<Answer, Diagnostics> {
    let mut groups = object(name, &script::run(program, name, &["--list"])?)?;
    let meta = groups.shift_remove("_meta");
    if let Some(hosts) = meta.as_ref().and_then(|meta| meta.get("hostvars")) {
        let hosts = hosts.as_object().cloned();
        let hosts = hosts.ok_or_else(|| wrong(name, "`_meta.hostvars` must be an object"))?;
        return Ok(Answer { groups, hosts });
    }
    let mut hosts = Values::new();
    for host in names(&groups) {
        let text = script::run(program, name, &["--host", &host])?;
        let vars = if text.trim().is_empty() { Values::new() } else { object(name, &text)? };
        hosts.insert(host, Value::Object(vars));
    }
    Ok(Answer { groups, hosts })
}

fn object(name: &str, text: &str) -> Result<Values, Diagnostics> {
    template::json_values(text).map_err(|failure| {
        let problem = Diagnostic::elsewhere(format!("read what {name} printed: {}", failure.why));
        problem.hint("it should print Ansible's dynamic inventory JSON").into()
    })
}

fn wrong(name: &str, why: &str) -> Diagnostic {
    Diagnostic::elsewhere(format!("read what {name} printed: {why}"))
}

/// The hosts that the groups name, each once.
fn names(groups: &Values) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (group, said) in groups {
        let said = Said::of(group, said);
        let own = said.is_host.then_some(group.as_str());
        let new = own.into_iter().chain(said.hosts.into_iter().filter_map(Value::as_str));
        names.extend(new.map(str::to_string));
    }
    names
}

/// What is said of one group, in any of the forms that there are.
#[derive(Default)]
struct Said<'a> {
    hosts: Vec<&'a Value>,
    vars: Option<&'a Value>,
    children: Option<&'a Value>,
    /// The group is the only host of itself.
    is_host: bool,
}

impl<'a> Said<'a> {
    /// A list is one of hosts. An object without `hosts`, `vars` and `children` is the variables of one host that has
    /// the group's name.
    fn of(group: &str, said: &'a Value) -> Said<'a> {
        let Some(object) = said.as_object() else {
            return Said { hosts: elements(said), ..Said::default() };
        };
        if !["hosts", "vars", "children"].iter().any(|key| object.contains_key(*key)) {
            return Said { vars: Some(said), is_host: group != ALL, ..Said::default() };
        }
        let hosts = object.get("hosts").map(elements).unwrap_or_default();
        Said { hosts, vars: object.get("vars"), children: object.get("children"), is_host: false }
    }
}

/// The elements of a list; what is none stands for itself, and is reported as no name.
fn elements(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |list| list.iter().collect())
}

fn read(stem: &str, name: &str, answer: &Answer, problems: &mut Diagnostics) -> File {
    let place = Place::outside(name);
    let mut draft = Draft::new(stem, problems);
    for (name, value) in &answer.groups {
        let said = Said::of(name, value);
        let Some(group) = draft.group(name, &place) else { continue };
        if said.is_host {
            drop(draft.host(name, None, Some(group), &place));
        }
        for host in &said.hosts {
            match host.as_str() {
                Some(host) => drop(draft.host(host, None, Some(group), &place)),
                None => draft.problem(format!("the hosts of `{name}` must be a list of names"), &place),
            }
        }
        vars(&mut draft, said.vars, name, &place, |draft, variable| draft.group_var(group, variable));
        children(&mut draft, group, name, said.children, &place);
    }
    host_vars(&mut draft, answer, &place);
    draft.file
}

fn children(draft: &mut Draft<'_>, group: usize, name: &str, children: Option<&Value>, place: &Place) {
    let list = match children {
        None => return,
        Some(Value::Array(list)) => list,
        Some(_) => return draft.problem(format!("the children of `{name}` must be a list of names"), place),
    };
    for child in list {
        match child.as_str() {
            Some(child) if draft.group(child, place).is_some() => draft.child(group, child, place),
            Some(_) => {}
            None => draft.problem(format!("the children of `{name}` must be a list of names"), place),
        }
    }
}

fn host_vars(draft: &mut Draft<'_>, answer: &Answer, place: &Place) {
    let names: Vec<_> = draft.file.hosts.iter().map(|host| host.name.clone()).collect();
    for host in names {
        let said = answer.hosts.get(host.as_str());
        vars(draft, said, host.as_str(), place, |draft, variable| draft.host_var(&host, variable));
    }
}

/// The variables as they are: a program's output is never a template.
fn vars(
    draft: &mut Draft<'_>,
    said: Option<&Value>,
    of: &str,
    place: &Place,
    mut add: impl FnMut(&mut Draft<'_>, Variable),
) {
    match said {
        None => {}
        Some(Value::Object(vars)) => {
            for (name, value) in vars {
                let (name, value) = (name.clone(), value.clone());
                add(draft, Variable { name, value, place: place.clone(), literal: true });
            }
        }
        Some(_) => draft.problem(format!("the variables of `{of}` must be an object"), place),
    }
}
