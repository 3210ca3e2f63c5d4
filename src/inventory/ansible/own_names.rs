//! Variables that cannot be set: names that Ansible, or windlass, gives a value itself.

use super::at;
use crate::diagnostic::Diagnostics;
use crate::setting::{RESERVED, Setting};
use std::collections::BTreeSet;

/// Names whose values in an inventory Ansible replaces by its own.
const OF_ANSIBLE: &[&str] = &[
    "ansible_check_mode",
    "ansible_diff_mode",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_playbook_python",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "playbook_dir",
];

/// Which names were warned of, so that each is warned of once in a file.
#[derive(Default)]
pub struct OwnNames(BTreeSet<String>);

impl OwnNames {
    /// Whether a variable is kept. Of one that is not, and of one that no expression can read, there is a warning.
    pub fn keep(&mut self, setting: &Setting, problems: &mut Diagnostics) -> bool {
        let name = setting.name.as_str();
        let is_kept = !OF_ANSIBLE.contains(&name);
        let is_hidden = RESERVED.contains(&name);
        if (!is_kept || is_hidden) && self.0.insert(name.to_string()) {
            let why = match is_kept {
                false => "Ansible sets it itself",
                true => "windlass uses the name itself; choose another one",
            };
            problems.push(at(format!("the variable `{name}` is not used: {why}"), &setting.place).warning());
        }
        is_kept
    }
}
