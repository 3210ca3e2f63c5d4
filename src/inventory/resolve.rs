//! Puts the files of an inventory together: who is in which group, and what wins where they differ.

mod host;
mod membership;
mod order;
mod others;

use super::ansible::outside::BeforeContact;
use super::ansible::{ALL, UNGROUPED, VarsFiles};
use super::file::{File, FileGroup, FileHost, Form};
use super::{Group, HostName, Inventory};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Value;
use crate::model::host::SshSettings;
use crate::project::Project;
use crate::source::Place;
use crate::template::Templates;
use order::Order;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Puts the files of a project together. `vars_files` reads what stands beside the
/// files, once it is known which groups and hosts there are.
pub fn resolve(
    files: &[File],
    project: &Project,
    vars_files: impl FnOnce(&BTreeSet<&str>, &BTreeSet<&str>, &mut Diagnostics) -> Vec<VarsFiles>,
    problems: &mut Diagnostics,
) -> Inventory {
    let mut whole = Whole::of(files, project, problems);
    let groups = whole.group_names().into_iter().chain([ALL, UNGROUPED]).collect();
    whole.vars_files = vars_files(&groups, &whole.host_names(), problems);
    let mut order = whole.groups_by_depth(problems).unwrap_or_default();
    if whole.add_constructed(&order, problems) {
        order = whole.groups_by_depth(problems).unwrap_or_default();
    }
    whole.inventory(&order, &project.config.ssh, problems)
}

/// All files at once, with the hosts that each group has through its children.
struct Whole<'a> {
    hosts: BTreeMap<&'a HostName, Described<'a>>,
    /// In the order in which the files name them.
    in_order: Vec<&'a HostName>,
    groups: BTreeMap<&'a str, Vec<&'a FileGroup>>,
    /// The groups that files make for their hosts; not those of Ansible's forms, which have no `group_vars`.
    implicit: BTreeSet<&'a str>,
    children: BTreeMap<&'a str, BTreeSet<&'a str>>,
    members: BTreeMap<&'a str, BTreeSet<&'a str>>,
    order: Order<'a>,
    vars_files: Vec<VarsFiles>,
    templates: Templates,
    /// The project's directory, below which the names of sources are.
    root: &'a Path,
    /// What templates may look at beyond their own host, once one does: variables by host, and hosts by group.
    others: OnceCell<(Value, Value)>,
}

/// What the files say of one host.
#[derive(Default)]
struct Described<'a> {
    files: Vec<&'a File>,
    said: Vec<&'a FileHost>,
}

impl<'a> Whole<'a> {
    fn of(files: &'a [File], project: &'a Project, problems: &mut Diagnostics) -> Whole<'a> {
        let mut whole = Whole {
            hosts: BTreeMap::new(),
            in_order: Vec::new(),
            groups: BTreeMap::new(),
            implicit: BTreeSet::new(),
            children: BTreeMap::new(),
            members: BTreeMap::new(),
            order: Order::of(&[], &BTreeSet::new()),
            vars_files: Vec::new(),
            templates: Templates::new(&BTreeMap::new()).with_outside(Arc::new(BeforeContact::new(project))),
            root: &project.root,
            others: OnceCell::new(),
        };
        for group in files.iter().flat_map(|file| &file.groups) {
            whole.groups.entry(&group.name).or_default().push(group);
        }
        for file in files {
            whole.add_hosts(file, problems);
            whole.add_implicit(file, problems);
        }
        whole.order = Order::of(files, &whole.implicit);
        whole.add_members(files, problems);
        whole.spread_members();
        whole.add_ungrouped();
        whole
    }

    fn add_hosts(&mut self, file: &'a File, problems: &mut Diagnostics) {
        let mut seen: BTreeMap<&HostName, &Place> = BTreeMap::new();
        for host in &file.hosts {
            if let Some(first) = seen.insert(&host.name, &host.place) {
                let problem = Diagnostic::error(format!("`{}` is described twice", host.name), &host.place);
                problems.push(problem.label(format!("first at {first}")));
            }
            let described = self.hosts.entry(&host.name).or_insert_with(|| {
                self.in_order.push(&host.name);
                Described::default()
            });
            described.files.push(file);
            described.said.push(host);
            self.members.entry(ALL).or_default().insert(host.name.as_str());
        }
    }

    /// The group of a file's hosts, which gives way to a group that is called so.
    fn add_implicit(&mut self, file: &'a File, problems: &mut Diagnostics) {
        let stem = file.stem.as_str();
        if let Some(group) = self.groups.get(stem).and_then(|groups| groups.first()) {
            let message =
                format!("the group `{stem}` has only the hosts that it names, and not all of its file's");
            let problem = Diagnostic::error(message, &group.place).warning();
            let more_hosts = file.hosts.len() > group.hosts.len() && !self.implicit.contains(stem);
            if more_hosts && stem != ALL && stem != UNGROUPED {
                problems.push(problem.hint("rename the file or the group"));
            }
            return;
        }
        if stem == ALL || stem.is_empty() {
            return;
        }
        let members = self.members.entry(stem).or_default();
        members.extend(file.hosts.iter().map(|host| host.name.as_str()));
        self.implicit.insert(stem);
    }

    /// Every name in a group must be that of a host or of a group.
    fn add_members(&mut self, files: &'a [File], problems: &mut Diagnostics) {
        for group in files.iter().flat_map(|file| &file.groups) {
            for (host, place) in &group.hosts {
                match self.host_names().contains(host.as_str()) {
                    true => drop(self.members.entry(&group.name).or_default().insert(host)),
                    false => problems.push(
                        Diagnostic::error(format!("there is no host called `{host}`"), place)
                            .nearest(host, self.host_names()),
                    ),
                }
            }
            for (child, place) in &group.children {
                match self.group_names().contains(child.as_str()) {
                    true if group.name == ALL => {}
                    true => drop(self.children.entry(&group.name).or_default().insert(child)),
                    false => problems.push(
                        Diagnostic::error(format!("there is no group called `{child}`"), place)
                            .nearest(child, self.group_names()),
                    ),
                }
            }
        }
    }

    fn group_names(&self) -> BTreeSet<&'a str> {
        self.groups.keys().chain(&self.implicit).copied().collect()
    }

    fn host_names(&self) -> BTreeSet<&'a str> {
        self.hosts.keys().map(|name| name.as_str()).collect()
    }

    /// Hosts of Ansible's forms that are in no group but their file's are in `ungrouped`, and no others.
    fn add_ungrouped(&mut self) {
        let of_ansible =
            |described: &Described| described.files.iter().all(|file| file.form == Form::Ansible);
        let grouped: BTreeSet<&str> = self
            .members
            .iter()
            .filter(|(group, _)| ![ALL, UNGROUPED].contains(group) && !self.implicit.contains(*group))
            .flat_map(|(_, members)| members.iter().copied())
            .collect();
        let hosts = self
            .hosts
            .iter()
            .filter(|(name, described)| of_ansible(described) && !grouped.contains(name.as_str()));
        let ungrouped: BTreeSet<&str> = hosts.map(|(name, _)| name.as_str()).collect();
        match ungrouped.is_empty() && !self.groups.contains_key(UNGROUPED) {
            true => {}
            false => drop(self.members.insert(UNGROUPED, ungrouped)),
        }
        let members = self.members.get(UNGROUPED);
        self.order.keep_ungrouped(|host| members.is_some_and(|members| members.contains(host)));
    }

    /// Makes the hosts of the inventory, and its groups.
    fn inventory(&self, order: &[&'a str], weakest: &SshSettings, problems: &mut Diagnostics) -> Inventory {
        let mut inventory = Inventory::default();
        let named: BTreeMap<&str, &HostName> =
            self.in_order.iter().map(|name| (name.as_str(), *name)).collect();
        let hosts_of = |group: &str| {
            let written = self.order.hosts_of(group).into_iter().filter_map(|host| named.get(host).copied());
            // Those that no line puts into the group come last.
            let mut seen = BTreeSet::new();
            let all = written.chain(self.in_order.iter().copied());
            all.filter(|host| self.is_in(host, group) && seen.insert(*host)).collect::<Vec<&HostName>>()
        };
        for name in hosts_of(ALL) {
            inventory.hosts.push(self.host(name, order, weakest, problems));
        }
        inventory.named.hosts = self.in_order.iter().map(|name| (*name).clone()).collect();
        let is_shown = |group: &&&str| {
            **group != UNGROUPED || self.members.get(**group).is_some_and(|all| !all.is_empty())
        };
        for group in order.iter().filter(is_shown) {
            let children = self.children.get(group).into_iter().flatten();
            let group_of = Group {
                hosts: hosts_of(group).into_iter().cloned().collect(),
                children: children.map(|child| child.to_string()).collect(),
            };
            inventory.groups.insert(group.to_string(), group_of);
        }
        let computed = order.iter().filter(|group| !self.order.groups.contains(group));
        let groups = self.order.groups.iter().chain(computed);
        inventory.named.groups = groups.map(|group| group.to_string()).collect();
        inventory
    }
}
