//! Ansible's inventories: the JSON of dynamic ones, and what its connection variables mean.

use super::file::{File, FileGroup, FileHost};
use super::name::HostName;
use super::script;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::host::{OneOrMany, SshSettings};
use crate::model::{Value, Values};
use crate::setting::{Origin, Setting};
use crate::source::Place;
use std::collections::BTreeMap;
use std::path::Path;

/// Runs an executable inventory and reads what it prints.
pub fn run(program: &Path, name: &str, stem: &str) -> Result<File, Diagnostics> {
    let parse = |text: &str| -> Result<Values, Diagnostics> {
        serde_json::from_str(text).map_err(|error| {
            let problem = Diagnostic::elsewhere(format!("read what {name} printed: {error}"));
            problem.hint("it should print Ansible's dynamic inventory JSON").into()
        })
    };
    let mut answer = parse(&script::run(program, name, &["--list"])?)?;
    let meta = answer.shift_remove("_meta");
    let place = Place::outside(name);
    let mut problems = Diagnostics::default();
    let mut file = groups(stem, &answer, &place, &mut problems);
    for host in &mut file.hosts {
        let vars = match &meta {
            Some(meta) => meta.pointer("/hostvars").and_then(|all| all.get(host.name.as_str())).cloned(),
            // Without `_meta` the program is asked for each host, as Ansible does.
            None => problems
                .keep(
                    script::run(program, name, &["--host", host.name.as_str()])
                        .map_err(Diagnostics::from)
                        .and_then(|text| parse(&text)),
                )
                .map(Value::Object),
        };
        let vars = vars.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        set_host(host, vars, &place);
    }
    problems.unless_errors(file)
}

fn groups(stem: &str, answer: &Values, place: &Place, problems: &mut Diagnostics) -> File {
    let mut file = File { stem: stem.to_string(), ..File::default() };
    let mut hosts = BTreeMap::new();
    for (name, said) in answer {
        let group = group(name, said, place);
        for (host, _) in &group.hosts {
            match HostName::parse(host) {
                Ok(host) => drop(hosts.entry(host.clone()).or_insert(FileHost::named(host, place.clone()))),
                Err(why) => problems.push(Diagnostic::elsewhere(format!("read what {place} printed: {why}"))),
            }
        }
        match name.as_str() {
            "all" => {
                file.ssh =
                    connection(said.get("vars").and_then(Value::as_object).unwrap_or(&Values::new())).1;
                file.vars = group.vars;
            }
            "ungrouped" => {}
            _ => file.groups.push(group),
        }
    }
    file.hosts = hosts.into_values().collect();
    file
}

fn group(name: &str, said: &Value, place: &Place) -> FileGroup {
    let strings = |value: Option<&Value>| -> Vec<(String, Place)> {
        let list = value.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(|name| (name.to_string(), place.clone())).collect()
    };
    let empty = Values::new();
    let vars = said.get("vars").and_then(Value::as_object).unwrap_or(&empty);
    FileGroup {
        hosts: strings(if said.is_array() { Some(said) } else { said.get("hosts") }),
        children: strings(said.get("children")),
        vars: settings(vars, place, &Origin::Group(name.to_string())),
        ssh: connection(vars).1,
        ..FileGroup::named(name, place.clone())
    }
}

/// Gives a host the variables that another tool knows it by.
pub fn set_host(host: &mut FileHost, vars: Values, place: &Place) {
    let (address, ssh) = connection(&vars);
    host.address = address.map(|address| (address, place.clone()));
    host.ssh = ssh;
    host.vars.extend(settings(&vars, place, &Origin::Host(host.name.to_string())));
}

/// The variables as they are: a program's output is never a template.
pub fn settings(vars: &Values, place: &Place, origin: &Origin) -> Vec<Setting> {
    let setting = |(name, value): (&String, &Value)| Setting {
        literal: true,
        ..Setting::new(name, value.clone(), place, origin.clone())
    };
    vars.iter().map(setting).collect()
}

/// Address and ssh settings that Ansible's variables stand for.
pub fn connection(vars: &Values) -> (Option<String>, SshSettings) {
    let text = |names: &[&str]| {
        let value = names.iter().find_map(|name| vars.get(&format!("ansible_{name}")))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_string))
    };
    let ssh = SshSettings {
        user: text(&["user", "ssh_user"]).map(OneOrMany::One),
        port: text(&["port", "ssh_port"]).and_then(|port| port.parse().ok()),
        identity: text(&["ssh_private_key_file", "private_key_file"]).map(OneOrMany::One),
        becomes: text(&["become"])
            .map(|word| matches!(word.to_lowercase().as_str(), "true" | "yes" | "on" | "1")),
        become_user: text(&["become_user"]),
        become_method: text(&["become_method"]),
        ..SshSettings::default()
    };
    (text(&["host", "ssh_host"]), ssh)
}
