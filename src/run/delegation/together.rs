//! The hosts that do a play together, where they have steps run on one another: how far each is, and which of them others
//! wait for.

use crate::model::delegation::{PlayPart, PlayPlace};
use crate::model::job::HostWork;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of them.
#[derive(Debug, Default)]
pub struct Together {
    /// By the host that runs a step and the step's index: where the step is, and the hosts that have it run there.
    asked_of: BTreeMap<(String, u32), (PlayPlace, BTreeSet<String>)>,
    /// Those of them that are not past the step, of the hosts that do their play now.
    left: BTreeMap<(String, u32), (PlayPlace, BTreeSet<String>)>,
    /// The hosts that do their play now.
    hosts: BTreeSet<String>,
    /// How far each is.
    places: BTreeMap<String, PlayPlace>,
}

impl Together {
    /// Knows which steps a host has run on others. Handlers are run by each host in its own time.
    pub fn expect(&mut self, host: &str, work: &HostWork) {
        for step in work.all_steps() {
            let Some(on) = &step.on else { continue };
            let Some(place) = PlayPlace::of(work, step.index) else { continue };
            for other in on.hosts().filter(|_| place.part != PlayPart::Handlers) {
                let asked = self.asked_of.entry((other.clone(), step.index));
                asked.or_insert_with(|| (place, BTreeSet::new())).1.insert(host.to_string());
            }
        }
    }

    /// These hosts do their play together from now on, and no others.
    pub fn begin(&mut self, batch: &[String]) {
        self.hosts = batch.iter().cloned().collect();
        let of_batch = self.asked_of.iter().filter(|((on, _), _)| self.hosts.contains(on));
        let left = of_batch.map(|(key, (place, hosts))| {
            let is_before = |host: &&String| self.places.get(*host).is_none_or(|at| at <= place);
            let hosts = hosts.intersection(&self.hosts).filter(is_before);
            (key.clone(), (*place, hosts.cloned().collect()))
        });
        self.left = left.collect();
    }

    /// A host is so far; whether another one that waits may go on now.
    pub fn at(&mut self, host: &str, place: PlayPlace) -> bool {
        let before = self.places.entry(host.to_string()).or_default();
        *before = place.max(*before);
        self.pass(host, Some(place))
    }

    /// A host has ended; whether another one that waits may go on now.
    pub fn gone(&mut self, host: &str) -> bool {
        self.hosts.remove(host);
        self.pass(host, None)
    }

    fn pass(&mut self, host: &str, place: Option<PlayPlace>) -> bool {
        let mut frees = false;
        for (of, hosts) in self.left.values_mut() {
            if place.is_none_or(|place| place > *of) && hosts.remove(host) {
                frees |= hosts.is_empty();
            }
        }
        frees
    }

    /// Whether the hosts that have `on` run this step are past it.
    pub fn are_past(&self, on: &str, step: u32) -> bool {
        self.left.get(&(on.to_string(), step)).is_none_or(|(_, hosts)| hosts.is_empty())
    }

    /// Where `on` has to be before it runs a step for the host `of`: as far as that one, where both do their play together.
    pub fn not_before(&self, of: &str, on: &str) -> Option<PlayPlace> {
        let both = self.hosts.contains(of) && self.hosts.contains(on);
        both.then(|| self.places.get(of).copied().unwrap_or_default())
    }
}
