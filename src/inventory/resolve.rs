//! Puts the files of an inventory together: who is in which group, and what wins where they differ.

use super::file::{File, FileGroup, FileHost};
use super::{Group, Host, HostName, Inventory};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Values;
use crate::model::host::SshSettings;
use crate::source::Place;
use crate::template::Templates;
use std::collections::{BTreeMap, BTreeSet};

/// Puts the files together. `weakest` are the ssh settings of `windlass.toml`.
pub fn resolve(files: &[File], weakest: &SshSettings, problems: &mut Diagnostics) -> Inventory {
    let whole = Whole::of(files, problems);
    let order = whole.groups_by_depth(problems);
    let mut inventory = Inventory::default();
    for (name, said) in &whole.hosts_in_order() {
        let groups: Vec<String> = order.iter().filter(|group| whole.is_in(name, group)).cloned().collect();
        inventory.hosts.push(whole.host(name, said, groups, weakest, problems));
    }
    for group in &order {
        let hosts =
            inventory.hosts.iter().filter(|host| host.groups.contains(group)).map(|host| host.name.clone());
        let children =
            whole.children.get(group.as_str()).into_iter().flatten().map(|child| child.to_string());
        inventory
            .groups
            .insert(group.clone(), Group { hosts: hosts.collect(), children: children.collect() });
    }
    inventory
}

/// All files at once, with the hosts that each group has through its children.
struct Whole<'a> {
    files: &'a [File],
    hosts: BTreeMap<&'a HostName, Vec<&'a FileHost>>,
    groups: BTreeMap<&'a str, Vec<&'a FileGroup>>,
    children: BTreeMap<&'a str, BTreeSet<&'a str>>,
    members: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Whole<'a> {
    fn of(files: &'a [File], problems: &mut Diagnostics) -> Whole<'a> {
        let mut whole = Whole {
            files,
            hosts: BTreeMap::new(),
            groups: BTreeMap::new(),
            children: BTreeMap::new(),
            members: BTreeMap::new(),
        };
        for file in files {
            whole.groups.entry(&file.stem).or_default();
            whole.add_hosts(file, problems);
            file.groups.iter().for_each(|group| whole.groups.entry(&group.name).or_default().push(group));
        }
        whole.check_names(problems);
        whole.spread_members();
        whole
    }

    fn add_hosts(&mut self, file: &'a File, problems: &mut Diagnostics) {
        let mut seen: BTreeMap<&HostName, &Place> = BTreeMap::new();
        for host in &file.hosts {
            if let Some(first) = seen.insert(&host.name, &host.place) {
                let problem = Diagnostic::error(format!("`{}` is described twice", host.name), &host.place);
                problems.push(problem.label(format!("first at {first}")));
            }
            self.hosts.entry(&host.name).or_default().push(host);
            self.members.entry(&file.stem).or_default().insert(host.name.as_str());
        }
    }

    /// Every name in a group must be that of a host or of a group.
    fn check_names(&mut self, problems: &mut Diagnostics) {
        let names: BTreeSet<&str> = self.hosts.keys().map(|name| name.as_str()).collect();
        for group in self.files.iter().flat_map(|file| &file.groups) {
            for (host, place) in &group.hosts {
                match names.contains(host.as_str()) {
                    true => drop(self.members.entry(&group.name).or_default().insert(host)),
                    false => problems.push(
                        Diagnostic::error(format!("there is no host called `{host}`"), place)
                            .nearest(host, names.iter().copied()),
                    ),
                }
            }
            for (child, place) in &group.children {
                match self.groups.contains_key(child.as_str()) {
                    true => drop(self.children.entry(&group.name).or_default().insert(child)),
                    false => problems.push(
                        Diagnostic::error(format!("there is no group called `{child}`"), place)
                            .nearest(child, self.groups.keys().copied()),
                    ),
                }
            }
        }
    }

    /// Gives each group the hosts of its children, until nothing moves any more.
    fn spread_members(&mut self) {
        loop {
            let mut moved = false;
            for (group, children) in &self.children {
                let gained: Vec<&str> =
                    children.iter().filter_map(|child| self.members.get(child)).flatten().copied().collect();
                let members = self.members.entry(group).or_default();
                gained.into_iter().for_each(|host| moved |= members.insert(host));
            }
            if !moved {
                return;
            }
        }
    }

    fn is_in(&self, host: &HostName, group: &str) -> bool {
        self.members.get(group).is_some_and(|members| members.contains(host.as_str()))
    }

    fn hosts_in_order(&self) -> Vec<(&'a HostName, Vec<&'a FileHost>)> {
        let mut seen = BTreeSet::new();
        let named = self.files.iter().flat_map(|file| &file.hosts).map(|host| &host.name);
        named.filter(|name| seen.insert(*name)).map(|name| (name, self.hosts[name].clone())).collect()
    }

    /// All groups, parents before children, and by name where neither is above the other.
    fn groups_by_depth(&self, problems: &mut Diagnostics) -> Vec<String> {
        let mut depths: BTreeMap<&str, usize> = self.groups.keys().map(|name| (*name, 0)).collect();
        // A path without a loop is at most as long as there are groups.
        for _ in 0..=self.groups.len() {
            let mut moved = None;
            for (parent, children) in &self.children {
                let below = depths[parent] + 1;
                for child in children.iter().filter(|child| depths[*child] < below).collect::<Vec<_>>() {
                    depths.insert(child, below);
                    moved = Some(*child);
                }
            }
            if moved.is_none() {
                let mut order: Vec<_> = depths.into_iter().map(|(name, depth)| (depth, name)).collect();
                order.sort();
                return order.into_iter().map(|(_, name)| name.to_string()).collect();
            }
        }
        self.tell_loop(problems);
        Vec::new()
    }

    fn tell_loop(&self, problems: &mut Diagnostics) {
        let in_loop = |start: &str| {
            let mut waiting: Vec<&str> = self.children.get(start).into_iter().flatten().copied().collect();
            let mut seen = BTreeSet::new();
            while let Some(name) = waiting.pop().filter(|_| !seen.contains(start)) {
                if seen.insert(name) {
                    waiting.extend(self.children.get(name).into_iter().flatten());
                }
            }
            seen.contains(start)
        };
        let names: Vec<&str> = self.children.keys().copied().filter(|name| in_loop(name)).collect();
        let place = names.first().and_then(|name| self.groups[name].first()).map(|group| &group.place);
        let message = format!("these groups are children of each other: {}", names.join(", "));
        problems.push(Diagnostic { place: place.cloned(), ..Diagnostic::elsewhere(message) });
    }

    fn host(
        &self,
        name: &HostName,
        said: &[&'a FileHost],
        groups: Vec<String>,
        weakest: &SshSettings,
        problems: &mut Diagnostics,
    ) -> Host {
        let files = self.files.iter().filter(|file| file.hosts.iter().any(|host| host.name == *name));
        let of_groups = || groups.iter().filter_map(|group| self.groups.get(group.as_str())).flatten();
        let mut ssh = weakest.clone();
        let mut vars = Vec::new();
        for file in files {
            ssh = file.ssh.clone().or(ssh);
            vars.extend(file.vars.iter().cloned());
        }
        for group in of_groups() {
            ssh = group.ssh.clone().or(ssh);
            vars.extend(group.vars.iter().cloned());
        }
        for host in said {
            ssh = host.ssh.clone().or(ssh);
            vars.extend(host.vars.iter().cloned());
        }
        let given = address(name, said, problems);
        let address_given = given.is_some();
        let address = given.unwrap_or_else(|| name.to_string());
        Host { name: name.clone(), address, address_given, ssh, groups, vars }
    }
}

/// The one address that the files give, rendered with `name`.
fn address(name: &HostName, said: &[&FileHost], problems: &mut Diagnostics) -> Option<String> {
    let context: Values = ["name", "inventory_hostname"]
        .map(|key| (key.to_string(), name.as_str().into()))
        .into_iter()
        .collect();
    let mut found: Option<(String, &Place)> = None;
    for (source, place) in said.iter().filter_map(|host| host.address.as_ref()) {
        let rendered = Templates::new(&BTreeMap::new()).text(source, &context);
        let Ok(address) = rendered.map_err(|failure| problems.push(Diagnostic::failure(&failure, place)))
        else {
            continue;
        };
        if let Err(why) = HostName::parse(&address) {
            problems.push(Diagnostic::error(format!("not an address: {why}"), place));
        }
        match &found {
            Some((first, at)) if *first != address => {
                let problem = Diagnostic::error(format!("`{name}` has two addresses"), place);
                problems.push(problem.label(format!("`{first}` at {at}")));
            }
            _ => found = Some((address, place)),
        }
    }
    found.map(|(address, _)| address)
}
