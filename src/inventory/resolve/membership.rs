//! Which hosts are in which group, and which group is above which.

use super::Whole;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::HostName;
use crate::inventory::ansible::{ALL, UNGROUPED};
use std::collections::{BTreeMap, BTreeSet};

impl<'a> Whole<'a> {
    /// Gives each group the hosts of its children, until nothing moves any more.
    pub(super) fn spread_members(&mut self) {
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

    pub(super) fn is_in(&self, host: &HostName, group: &str) -> bool {
        self.members.get(group).is_some_and(|members| members.contains(host.as_str()))
    }

    /// All groups but `all`, parents before children, then by priority, then by name: the stronger one comes later.
    pub(super) fn groups_by_depth(&self, problems: &mut Diagnostics) -> Option<Vec<&'a str>> {
        let names =
            self.group_names().into_iter().chain(self.members.contains_key(UNGROUPED).then_some(UNGROUPED));
        let mut depths: BTreeMap<&str, usize> =
            names.filter(|name| *name != ALL).map(|name| (name, 0)).collect();
        // A path without a loop is at most as long as there are groups.
        for _ in 0..=depths.len() {
            let mut moved = false;
            for (parent, children) in &self.children {
                let below = depths[parent] + 1;
                for child in children.iter().filter(|child| **child != ALL) {
                    moved |= depths[child] < below;
                    depths.entry(child).and_modify(|depth| *depth = below.max(*depth));
                }
            }
            if !moved {
                let ranked = depths.into_iter().map(|(name, depth)| (depth, self.priority(name), name));
                let order: BTreeSet<_> = ranked.collect();
                return Some(order.into_iter().map(|(_, _, name)| name).collect());
            }
        }
        self.report_loop(problems);
        None
    }

    fn priority(&self, group: &str) -> i64 {
        let said = self.groups.get(group).into_iter().flatten();
        said.map(|group| group.priority).rfind(|priority| *priority != 1).unwrap_or(1)
    }

    fn report_loop(&self, problems: &mut Diagnostics) {
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

    /// Adds the hosts for which `when` of a group holds. It sees variables without those of constructed groups.
    pub(super) fn add_constructed(&mut self, order: &[&'a str], problems: &mut Diagnostics) -> bool {
        let groups = self.groups.iter().flat_map(|(name, said)| said.iter().map(|group| (*name, *group)));
        let constructed: Vec<_> =
            groups.filter_map(|(name, group)| Some((name, group.when.as_ref()?))).collect();
        let mut found: Vec<(&'a str, &'a str)> = Vec::new();
        for host in self.in_order.iter().filter(|_| !constructed.is_empty()) {
            let groups = self.groups_of(host, order);
            let settings = self.settings(host, &groups);
            let values = self.values(host, &groups, &settings);
            for (name, (expression, place)) in &constructed {
                match values.truth(expression) {
                    Ok(true) => found.push((name, host.as_str())),
                    Ok(false) => {}
                    Err(failure) => {
                        let failure = crate::model::Failure {
                            doing: format!("decide whether {host} is in the group `{name}`"),
                            ..failure
                        };
                        problems.push(Diagnostic::failure(&failure, place));
                    }
                }
            }
        }
        for (group, host) in &found {
            self.members.entry(group).or_default().insert(host);
            self.order.join(group, host);
        }
        self.spread_members();
        !found.is_empty()
    }

    /// The groups of a host, weakest first, without `all`.
    pub(super) fn groups_of(&self, host: &HostName, order: &[&'a str]) -> Vec<&'a str> {
        order.iter().filter(|group| self.is_in(host, group)).copied().collect()
    }
}
