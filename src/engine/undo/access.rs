//! Which changes can cut windlass off when they are undone: sshd, firewall, accounts, keys, sudo's rules.
//!
//! They are recognised by what the journal says: that they were armed, and by the paths and programs that decide who gets
//! into a Unix host. So no step kind need be named here, and a `file` step that writes `authorized_keys` counts too.

use super::{Group, OpenChange};
use crate::engine::entry::{Entry, Reversal};
use crate::model::op::Command;
use std::collections::BTreeSet;
use std::path::Path;

/// Below these, files decide who gets in.
const PLACES: [&str; 7] =
    ["/etc/ssh", "/etc/sudoers", "/etc/sudoers.d", "/etc/pam.d", "/etc/passwd", "/etc/shadow", "/etc/group"];

/// Programs that remove a way in for good.
const PROGRAMS: [&str; 4] = ["userdel", "deluser", "groupdel", "delgroup"];

/// The changes of a run, in the order in which they are undone.
#[derive(Debug, Default)]
pub struct Order {
    /// What can cut windlass off: ways in that were closed are restored first, then those that were opened are removed.
    pub access: Vec<Group>,
    /// The rest.
    pub rest: Vec<Group>,
    /// What removes a way in for good. Nothing can roll that back, so it comes when another way in is proved.
    pub last: Vec<Group>,
}

/// Sorts groups by what undoing them does to windlass's own access.
pub fn order(entries: &[Entry], groups: Vec<Group>) -> Order {
    let armed = armed_steps(entries);
    let mut order = Order::default();
    let mut opened = Vec::new();
    for mut group in groups {
        let last: Vec<OpenChange> = group.open.iter().filter(|one| is_for_good(one)).cloned().collect();
        group.open.retain(|one| !is_for_good(one));
        if !last.is_empty() {
            order.last.push(Group { open: last, ..group.clone() });
        }
        match (group.open.is_empty(), armed.contains(&group.step), group.open.iter().any(is_access)) {
            (true, ..) => {}
            (false, true, _) => order.access.push(group),
            (false, false, true) => opened.push(group),
            (false, false, false) => order.rest.push(group),
        }
    }
    order.access.extend(opened);
    order
}

/// The ports on which sshd listened before the run, when it moved it: the oldest armed step that did knows.
pub fn ports_before(entries: &[Entry]) -> Vec<u16> {
    let armed = entries.iter().filter_map(|entry| match entry {
        Entry::Armed { ports_before, .. } if !ports_before.is_empty() => Some(ports_before.clone()),
        _ => None,
    });
    armed.into_iter().next().unwrap_or_default()
}

fn armed_steps(entries: &[Entry]) -> BTreeSet<u32> {
    let armed = entries.iter().filter_map(|entry| match entry {
        Entry::Armed { step, .. } => Some(*step),
        _ => None,
    });
    armed.collect()
}

fn is_access(one: &OpenChange) -> bool {
    match &one.reversal {
        Reversal::Restore { path, .. } | Reversal::Meta { path, .. } => decides_who_gets_in(path),
        _ => false,
    }
}

fn decides_who_gets_in(path: &Path) -> bool {
    let named = |part: &str| path.components().any(|other| other.as_os_str() == part);
    let keys = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("authorized_keys"));
    keys || named(".ssh") || PLACES.iter().any(|place| path.starts_with(place))
}

fn is_for_good(one: &OpenChange) -> bool {
    match &one.reversal {
        Reversal::Command(command)
        | Reversal::Asked { command, .. }
        | Reversal::CommandOver { command, .. } => removes_account(command),
        _ => false,
    }
}

fn removes_account(command: &Command) -> bool {
    command.argv.iter().any(|word| PROGRAMS.contains(&word.rsplit('/').next().unwrap_or(word)))
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::engine::entry::Left;

    fn file(change: u32, step: u32, path: &str) -> OpenChange {
        let reversal = Reversal::Restore {
            path: path.into(),
            before: Vec::new(),
            left: Left::Absent,
            around: Vec::new(),
        };
        OpenChange {
            change,
            step,
            what: format!("write {path}"),
            reversal,
            within: None,
            forward: None,
            leaves: None,
            broke: false,
        }
    }

    fn user(change: u32, step: u32) -> OpenChange {
        let reversal =
            Reversal::Command(Command::new(["/bin/sh", "-s", "--", "/etc/passwd", "deploy", "userdel"]));
        OpenChange {
            change,
            step,
            what: "run useradd deploy".to_string(),
            reversal,
            within: None,
            forward: None,
            leaves: None,
            broke: false,
        }
    }

    fn steps(groups: &[Group]) -> Vec<u32> {
        groups.iter().map(|group| group.step).collect()
    }

    #[test]
    fn ways_in_are_restored_before_ways_in_are_removed_and_accounts_go_last() {
        let open = vec![
            file(6, 5, "/etc/motd"),
            file(5, 4, "/etc/ssh/sshd_config.d/00-windlass.conf"),
            file(4, 3, "/etc/sudoers.d/deploy"),
            file(3, 2, "/home/deploy/.ssh/authorized_keys"),
            user(2, 1),
            file(1, 0, "/etc/hostname"),
        ];
        let armed =
            Entry::Armed { change: 4, step: 4, name: "sshd".to_string(), agent: 1, ports_before: vec![22] };
        let order = order(std::slice::from_ref(&armed), crate::engine::undo::groups(&[], open));
        assert_eq!(steps(&order.access), [4, 3, 2]);
        assert_eq!((steps(&order.rest), steps(&order.last)), (vec![5, 0], vec![1]));
        assert_eq!(ports_before(&[armed]), [22]);
    }
}
