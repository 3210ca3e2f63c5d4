//! In which order hosts come: as Ansible lists them. The hosts of a group are its own, as they are written, then those of its
//! children, then those of their children.

use crate::inventory::ansible::{ALL, UNGROUPED};
use crate::inventory::file::{File, Form};
use std::collections::{BTreeMap, BTreeSet};

/// What is written, in its order.
pub struct Order<'a> {
    /// The hosts of each group itself.
    hosts: BTreeMap<&'a str, Vec<&'a str>>,
    /// The children of each group.
    children: BTreeMap<&'a str, Vec<&'a str>>,
    /// What is below `all`: files in TOML with their hosts, and groups.
    tops: Vec<Top<'a>>,
    /// The groups, in the order in which they are named first.
    pub groups: Vec<&'a str>,
}

/// What is below a group.
#[derive(Clone, Copy)]
enum Top<'a> {
    File(&'a File),
    Group(&'a str),
}

impl<'a> Order<'a> {
    /// The order of files.
    pub fn of(files: &'a [File], implicit: &BTreeSet<&'a str>) -> Order<'a> {
        let mut order =
            Order { hosts: BTreeMap::new(), children: BTreeMap::new(), tops: Vec::new(), groups: Vec::new() };
        for file in files {
            order.add(file, implicit);
        }
        let children: BTreeSet<&str> = order.children.values().flatten().copied().collect();
        order.tops.retain(|top| !matches!(top, Top::Group(name) if children.contains(name)));
        order
    }

    fn add(&mut self, file: &'a File, implicit: &BTreeSet<&'a str>) {
        if implicit.contains(file.stem.as_str()) {
            self.name(&file.stem);
            let hosts = file.hosts.iter().map(|host| host.name.as_str());
            self.hosts.entry(&file.stem).or_default().extend(hosts);
        }
        if file.form == Form::Toml {
            self.tops.push(Top::File(file));
        }
        for group in &file.groups {
            self.name(&group.name);
            self.tops.push(Top::Group(&group.name));
            self.hosts
                .entry(&group.name)
                .or_default()
                .extend(group.hosts.iter().map(|(host, _)| host.as_str()));
            let children = group.children.iter().map(|(child, _)| child.as_str());
            self.children.entry(&group.name).or_default().extend(children);
        }
    }

    fn name(&mut self, group: &'a str) {
        if !self.groups.contains(&group) {
            self.groups.push(group);
        }
    }

    /// Adds a host to a group that is computed.
    pub fn join(&mut self, group: &'a str, host: &'a str) {
        self.hosts.entry(group).or_default().push(host);
    }

    /// Leaves only those hosts in `ungrouped` that are in no other group.
    pub fn keep_ungrouped(&mut self, is_ungrouped: impl Fn(&str) -> bool) {
        if let Some(hosts) = self.hosts.get_mut(UNGROUPED) {
            hosts.retain(|host| is_ungrouped(host));
        }
    }

    /// The hosts of a group in their order. Those of `all` are not complete where a host is in no group.
    pub fn hosts_of(&self, group: &str) -> Vec<&'a str> {
        let mut found: Vec<&str> = self.own(group).collect();
        let mut level = self.children_of(group);
        if group == ALL {
            level.insert(0, Top::Group(UNGROUPED));
            level.extend(&self.tops);
        }
        let mut seen: BTreeSet<&str> = BTreeSet::from([group]);
        while !level.is_empty() {
            level.retain(|top| !matches!(top, Top::Group(name) if !seen.insert(name)));
            for top in &level {
                match top {
                    Top::File(file) => found.extend(file.hosts.iter().map(|host| host.name.as_str())),
                    Top::Group(name) => found.extend(self.own(name)),
                }
            }
            let groups = level.iter().filter_map(|top| match top {
                Top::Group(name) => Some(name),
                Top::File(_) => None,
            });
            level = groups.flat_map(|name| self.children_of(name)).collect();
        }
        let mut known = BTreeSet::new();
        found.retain(|host| known.insert(*host));
        found
    }

    fn own(&self, group: &str) -> impl Iterator<Item = &'a str> {
        self.hosts.get(group).into_iter().flatten().copied()
    }

    fn children_of(&self, group: &str) -> Vec<Top<'a>> {
        self.children.get(group).into_iter().flatten().map(|name| Top::Group(name)).collect()
    }
}
