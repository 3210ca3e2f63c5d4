//! The steps of a playbook that put hosts into groups, and the groups that these may make.

use super::{Playbook, Step, check};
use crate::inventory::pattern::matcher::Matcher;
use crate::source::Node;
use crate::step::KeyUse;

/// The steps that put hosts into groups, with their indices, in their order.
pub fn steps(playbook: &Playbook) -> impl Iterator<Item = (usize, &Step)> {
    playbook.all_steps().enumerate().filter(|(_, step)| is_grouping(step))
}

/// Whether a step puts hosts into groups.
pub fn is_grouping(step: &Step) -> bool {
    keys(step, KeyUse::Group).next().is_some()
}

/// What a step's keys of one use are set to.
pub fn keys(step: &Step, wanted: KeyUse) -> impl Iterator<Item = &Node> {
    let names = step.kind.keys.iter().filter(move |(_, key_use)| *key_use == wanted);
    names.filter_map(move |(name, _)| step.keys.get(name))
}

/// Whether a step of the playbook may make a group of this name.
pub fn may_make(playbook: &Playbook, name: &str) -> bool {
    let mut may = false;
    for (_, step) in steps(playbook) {
        for node in keys(step, KeyUse::Group).chain(keys(step, KeyUse::Parents)) {
            check::strings_of(&node.value(), &mut |text| {
                may |= Matcher::of_names([pattern(text)]).matches(name);
            });
        }
    }
    may
}

/// The names that a template may give: `*` stands for what is known only for a host.
fn pattern(template: &str) -> String {
    if template.contains("{%") {
        return "*".to_string();
    }
    let mut pattern = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        pattern.push_str(before);
        pattern.push('*');
        rest = after.split_once("}}").map_or("", |(_, rest)| rest);
    }
    (pattern + rest).trim().replace(' ', "-")
}
