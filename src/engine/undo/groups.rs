//! The changes of a run by the step that made them, newest first: an undo reports each as a step of its own.

use super::OpenChange;
use crate::engine::entry::Entry;

/// What one step changed.
#[derive(Clone, Debug)]
pub struct Group {
    /// The step's place in the job.
    pub step: u32,
    /// What it is called.
    pub name: String,
    /// Its changes, newest first.
    pub open: Vec<OpenChange>,
}

/// The open changes by step. Names come from what the journal says of the steps.
pub fn groups(entries: &[Entry], open: Vec<OpenChange>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for one in open {
        match groups.last_mut().filter(|group| group.step == one.step) {
            Some(group) => group.open.push(one),
            None => groups.push(Group { step: one.step, name: name_of(entries, &one), open: vec![one] }),
        }
    }
    groups
}

fn name_of(entries: &[Entry], one: &OpenChange) -> String {
    let ended = entries.iter().find_map(|entry| match entry {
        Entry::Step(ended) if ended.step == one.step => Some(ended.name.clone()),
        _ => None,
    });
    ended.unwrap_or_else(|| one.what.clone())
}
