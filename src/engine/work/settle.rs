//! What became of an earlier run whose verdict did not arrive.

use crate::engine::entry::Entry;
use crate::engine::state_dir::StateDir;
use crate::engine::{guard, journal};
use crate::model::event::Event;
use crate::model::job::RunId;
use crate::model::outcome::HostOutcome;
use crate::system::Probe;
use std::collections::BTreeSet;

/// What the host's journal says of a run whose verdict did not arrive; nothing while its changes are armed, since they
/// may be rolled back yet.
pub(super) fn settle(host: &dyn Probe, state: &StateDir, run: &RunId) -> Option<Event> {
    if guard::armed(host, state).is_ok_and(|armed| armed.iter().any(|watch| watch.run == *run)) {
        return None;
    }
    let entries = journal::read(host, state, run).ok().flatten();
    let mut steps = Vec::new();
    let mut outcome = None;
    let mut beside = BTreeSet::new();
    for entry in entries.unwrap_or_default() {
        match entry {
            Entry::Background { step } => drop(beside.insert(step)),
            Entry::Step(ended) => {
                beside.remove(&ended.step);
                // Between two steps nothing was half done but for what ran in the background.
                let cut_off = if beside.is_empty() { HostOutcome::Cancelled } else { HostOutcome::Unknown };
                outcome = outcome.map(|_| cut_off);
                steps.push(ended);
            }
            Entry::End { outcome: ended } => outcome = Some(ended),
            // Unless an end follows, the run was cut off within a step: what that step came to is not known.
            Entry::Intent { .. } | Entry::Undoing { .. } => outcome = Some(HostOutcome::Unknown),
            Entry::Start { .. }
            | Entry::Secrets(_)
            | Entry::Undone { .. }
            | Entry::Armed { .. }
            | Entry::Disarmed { .. }
            | Entry::Redone { .. }
            | Entry::NoChange { .. }
            | Entry::Broke { .. } => {}
        }
    }
    Some(Event::Settled { run: run.clone(), outcome, steps })
}
