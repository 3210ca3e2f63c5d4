//! How the steps of a playbook follow each other: when each runs, what notifies which handler, what waits for what.

use crate::playbook::Playbook;
use crate::playbook::background::Waits;
use std::collections::BTreeMap;

/// How the steps of a playbook follow each other.
pub(super) struct Sequence {
    /// When each step runs, by its index.
    pub(super) order: Vec<usize>,
    /// The handlers that each step notifies, by its index.
    pub(super) notified: Vec<Vec<usize>>,
    /// What each handler is notified by.
    pub(super) handler_keys: Vec<String>,
    /// From when on each name may be what a step registers or sets.
    pub(super) given_from: BTreeMap<String, usize>,
    /// Which steps wait for which.
    pub(super) waits: Waits,
}

impl Sequence {
    pub(super) fn of(playbook: &Playbook) -> Self {
        let order = order_of(playbook);
        let waits = playbook.waits();
        Sequence {
            notified: playbook.all_steps().map(|step| playbook.notified(step)).collect(),
            handler_keys: playbook.handler_keys(),
            given_from: given_from(playbook, &order, &waits),
            order,
            waits,
        }
    }
}

/// When each step of a playbook runs, by its index.
pub(super) fn order_of(playbook: &Playbook) -> Vec<usize> {
    let mut order = vec![0; playbook.all_steps().count()];
    playbook.running_order().enumerate().for_each(|(at, index)| order[index] = at);
    order
}

/// From when on each name may be what a step registers or sets: after that step, and for `set` in a loop from its second
/// element on.
fn given_from(playbook: &Playbook, order: &[usize], waits: &Waits) -> BTreeMap<String, usize> {
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (index, step) in playbook.all_steps().enumerate() {
        let at = order[playbook.known_with(waits, index)];
        for name in step.gives() {
            let feeds_itself = step.items.is_some() && step.sets().any(|entry| entry.key == name);
            let from = if feeds_itself { at } else { at + 1 };
            first.entry(name.to_string()).and_modify(|known| *known = from.min(*known)).or_insert(from);
        }
    }
    first
}
