//! Which facts of other hosts a playbook refers to: `hosts['db1'].facts.addresses`. They are read before its jobs are made.

use crate::inventory::Inventory;
use crate::playbook::check;
use crate::playbook::{Playbook, Step};
use crate::project::Project;
use crate::setting::Setting;
use crate::template::{Form, Scanned};
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// The names of facts by host; empty for nearly every playbook.
pub type Wanted = BTreeMap<String, BTreeSet<String>>;

/// A fact of a host that is named by a variable.
const BY_VARIABLE: &str = r"hosts\[[^\]]*\]\s*(?:\.|\[')facts(?:\.|'\]\.|'\]\[')([a-z_]+)";

/// The facts that the playbook, the variables of hosts and of the command line refer to.
pub fn wanted(
    project: &Project,
    inventory: &Inventory,
    playbook: &Playbook,
    command_line: &[Setting],
) -> Wanted {
    let mut wanted = Wanted::new();
    let mut texts: Vec<(String, Form)> = Vec::new();
    let steps: Vec<&Step> = playbook.all_steps().collect();
    for step in &steps {
        let templates = check::template_files(project, step);
        texts.extend(check::texts(step).into_iter().chain(templates).map(|text| (text.text, text.form)));
    }
    let of_hosts = inventory.hosts.iter().flat_map(|host| &host.vars);
    let of_steps = steps.iter().flat_map(|step| &step.vars);
    for setting in of_hosts.chain(&playbook.vars).chain(of_steps).chain(command_line) {
        check::strings_of(&setting.value, &mut |text| {
            // Thousands of hosts have variables, and hardly one of them names another host.
            let may = text.contains("hosts") && text.contains("facts");
            if may && !texts.iter().any(|(known, _)| known == text) {
                texts.push((text.to_string(), Form::Text));
            }
        });
    }
    for (text, form) in texts.iter().filter(|(text, _)| text.contains("facts")) {
        if let Ok(scanned) = check::scanned(text, *form) {
            add(&mut wanted, text, &scanned, inventory);
        }
    }
    wanted
}

fn add(wanted: &mut Wanted, text: &str, scanned: &Scanned, inventory: &Inventory) {
    let uses = || scanned.uses.iter().filter(|used| used.name == "hosts");
    for used in uses() {
        if let [host, facts, fact, ..] = &used.path[..]
            && facts == "facts"
        {
            wanted.entry(host.clone()).or_default().insert(fact.clone());
        }
    }
    if !uses().any(|used| used.path.is_empty()) {
        return;
    }
    let facts = Regex::new(BY_VARIABLE)
        .map(|regex| regex.captures_iter(text).map(|found| found[1].to_string()).collect::<BTreeSet<_>>());
    let facts = facts.unwrap_or_default();
    for host in hosts_meant(scanned, inventory).into_iter().filter(|_| !facts.is_empty()) {
        wanted.entry(host).or_default().extend(facts.iter().cloned());
    }
}

/// The hosts of the groups that a template names; all hosts when it names none.
fn hosts_meant(scanned: &Scanned, inventory: &Inventory) -> Vec<String> {
    let groups = scanned.uses.iter().filter(|used| used.name == "groups");
    let groups: Vec<_> = groups.filter_map(|used| inventory.groups.get(used.path.first()?)).collect();
    match groups.is_empty() {
        true => inventory.hosts.iter().map(|host| host.name.to_string()).collect(),
        false => groups.iter().flat_map(|group| &group.hosts).map(ToString::to_string).collect(),
    }
}
