//! Inventories of Ansible in all their forms. `ansible-inventory --list` is the reference for what they mean.

pub mod connection;
pub(crate) mod ini;
mod names;
pub mod outside;
mod own_names;
mod program;
mod python;
pub mod values;
mod vars_files;
mod words;
pub(crate) mod yaml;

pub use names::names_and_port;
pub use program::{ask, printed};
pub use vars_files::VarsFiles;

use super::file::{File, FileGroup, FileHost, Form};
use super::name::HostName;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Value;
use crate::setting::{Origin, Setting};
use crate::source::{Place, Source};
use own_names::OwnNames;
use std::collections::HashMap;
use std::sync::Arc;

/// The group of all hosts, which is there without being named.
pub const ALL: &str = "all";

/// The group of the hosts that are in no other.
pub const UNGROUPED: &str = "ungrouped";

/// Not a variable: which of two groups of one depth is stronger.
const PRIORITY: &str = "ansible_group_priority";

/// Reads an INI inventory.
pub fn ini(stem: &str, source: &Arc<Source>, problems: &mut Diagnostics) -> File {
    ini::read(stem, source, problems)
}

/// Reads a YAML inventory.
pub fn yaml(stem: &str, source: &Arc<Source>, problems: &mut Diagnostics) -> File {
    yaml::read(stem, source, problems)
}

/// Whether a text that no extension says the form of is YAML: Ansible tries that first.
pub fn looks_like_yaml(source: &Arc<Source>) -> bool {
    yaml::fits(source)
}

/// An inventory as it is read: hosts and groups are there once, whatever many lines say of them.
struct Draft<'p> {
    file: File,
    hosts: HashMap<HostName, usize>,
    groups: HashMap<String, usize>,
    own_names: OwnNames,
    problems: &'p mut Diagnostics,
}

/// A variable as it is read.
struct Variable {
    name: String,
    value: Value,
    place: Place,
    /// A program made it: it is no template.
    literal: bool,
}

impl Draft<'_> {
    fn new<'p>(stem: &str, problems: &'p mut Diagnostics) -> Draft<'p> {
        let file = File { stem: stem.to_string(), form: Form::Ansible, ..File::default() };
        Draft {
            file,
            hosts: HashMap::new(),
            groups: HashMap::new(),
            own_names: OwnNames::default(),
            problems,
        }
    }

    fn problem(&mut self, message: impl Into<String>, place: &Place) {
        self.problems.push(at(message, place));
    }

    fn warning(&mut self, message: impl Into<String>, place: &Place) {
        self.problems.push(at(message, place).warning());
    }

    /// The group of this name, created where it is new. A name that cannot be shown is refused.
    fn group(&mut self, name: &str, place: &Place) -> Option<usize> {
        if name.is_empty()
            || name.len() > 253
            || name.chars().any(|letter| letter.is_control() || letter == '/')
        {
            self.problem(format!("{name:?} cannot be the name of a group"), place);
            return None;
        }
        Some(*self.groups.entry(name.to_string()).or_insert_with(|| {
            self.file.groups.push(FileGroup::named(name, place.clone()));
            self.file.groups.len() - 1
        }))
    }

    fn child(&mut self, group: usize, child: &str, place: &Place) {
        let children = &mut self.file.groups[group].children;
        if !children.iter().any(|(known, _)| known == child) {
            children.push((child.to_string(), place.clone()));
        }
    }

    /// A host in a group. Its port counts where the host is named first, as in Ansible.
    fn host(
        &mut self,
        name: &str,
        port: Option<u16>,
        group: Option<usize>,
        place: &Place,
    ) -> Option<HostName> {
        let host = match HostName::parse(name) {
            Ok(host) => host,
            Err(why) => {
                let problem = at(why, place);
                self.problems.push(match name.split_once('@') {
                    Some((user, name)) => problem.hint(format!("write `{name} ansible_user={user}`")),
                    None => problem,
                });
                return None;
            }
        };
        match (self.hosts.get(&host), port) {
            (Some(_), Some(port)) => self.warning(
                format!(
                    "the port {port} of `{host}` is not used: only the first line of a host can give one"
                ),
                place,
            ),
            (Some(_), None) => {}
            (None, port) => self.add_host(host.clone(), port, place),
        }
        if let Some(group) = group {
            self.file.groups[group].hosts.push((name.to_string(), place.clone()));
        }
        Some(host)
    }

    fn add_host(&mut self, host: HostName, port: Option<u16>, place: &Place) {
        let mut described = FileHost::named(host.clone(), place.clone());
        let origin = Origin::Host(host.to_string());
        described.vars.extend(port.map(|port| Setting::new("ansible_port", port.into(), place, origin)));
        self.hosts.insert(host, self.file.hosts.len());
        self.file.hosts.push(described);
    }

    /// Sets a host's variable. Where a group has the host's name, Ansible sets the group's.
    fn host_var(&mut self, host: &HostName, variable: Variable) {
        if let Some(group) = self.groups.get(host.as_str()).copied() {
            self.warning(
                format!("`{host}` is a group too, so these variables are set for the whole group"),
                &variable.place,
            );
            return self.group_var(group, variable);
        }
        if let Some(at) = self.hosts.get(host) {
            let host = &mut self.file.hosts[*at];
            let setting = variable.setting(Origin::Host(host.name.to_string()));
            if self.own_names.keep(&setting, self.problems) {
                host.vars.push(setting);
            }
        }
    }

    fn group_var(&mut self, group: usize, variable: Variable) {
        let group = &mut self.file.groups[group];
        if variable.name != PRIORITY {
            let setting = variable.setting(Origin::Group(group.name.clone()));
            if self.own_names.keep(&setting, self.problems) {
                group.vars.push(setting);
            }
            return;
        }
        let text = variable.value.as_str().map_or_else(|| variable.value.to_string(), str::to_string);
        match text.trim().parse() {
            Ok(priority) => group.priority = priority,
            Err(_) => self.problem(format!("`{PRIORITY}` must be an integer"), &variable.place),
        }
    }
}

impl Variable {
    fn setting(self, origin: Origin) -> Setting {
        Setting { literal: self.literal, ..Setting::new(&self.name, self.value, &self.place, origin) }
    }
}

/// A problem at a place, or one that says what it read where that has no lines.
fn at(message: impl Into<String>, place: &Place) -> Diagnostic {
    match place.source.text.is_empty() {
        true => Diagnostic::elsewhere(format!("read {place}: {}", message.into())),
        false => Diagnostic::error(message, place),
    }
}
