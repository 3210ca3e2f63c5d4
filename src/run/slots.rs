//! How many hosts are worked at once. A host has a slot while it does something, and none while it waits for its next play; where
//! hosts run steps for others beside their own, none either while it waits for one of them, which may need the slot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of a run.
#[derive(Clone)]
pub struct Slots {
    free: Arc<Semaphore>,
    held: Arc<Mutex<Held>>,
    /// Hosts that run steps for others have steps of their own.
    lends: bool,
}

#[derive(Default)]
struct Held {
    by_host: BTreeMap<String, OwnedSemaphorePermit>,
    ended: BTreeSet<String>,
}

impl Slots {
    /// For so many hosts at once. `lends`: some run steps for others beside their own.
    pub fn new(forks: usize, lends: bool) -> Self {
        Slots { free: Arc::new(Semaphore::new(forks.max(1))), held: Arc::default(), lends }
    }

    /// A slot, as soon as there is one.
    pub async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed, so there is always a slot in the end.
        self.free.clone().acquire_owned().await.ok()
    }

    /// A slot, if there is one now.
    pub fn try_acquire(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().try_acquire_owned().ok()
    }

    /// Keeps a host's slot until it waits or ends.
    pub fn hold(&self, host: &str, slot: Option<OwnedSemaphorePermit>) {
        let mut held = self.held();
        if let Some(slot) = slot.filter(|_| !held.ended.contains(host)) {
            held.by_host.insert(host.to_string(), slot);
        }
    }

    /// The host waits for its next play.
    pub fn release(&self, host: &str) {
        drop(self.take(host));
    }

    /// The host waits for another one.
    pub fn lend(&self, host: &str) {
        if self.lends {
            self.release(host);
        }
    }

    /// The host need not wait any more, and goes on as soon as there is a slot.
    pub async fn regain(&self, host: &str) {
        if self.lends && !self.held().by_host.contains_key(host) {
            self.hold(host, self.acquire().await);
        }
    }

    /// The slot of a host.
    pub fn take(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        self.held().by_host.remove(host)
    }

    /// A host that has ended takes no slot any more.
    pub fn leave(&self, host: &str) {
        let mut held = self.held();
        held.ended.insert(host.to_string());
        held.by_host.remove(host);
    }

    /// Plain data that is never left half changed, so a panic elsewhere does not spoil it.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_waits_for_another_lends_its_slot_where_hosts_serve_each_other() {
        for (lends, free) in [(true, 1), (false, 0)] {
            let slots = Slots::new(1, lends);
            slots.hold("web1", slots.acquire().await);
            slots.lend("web1");
            assert_eq!(slots.free.available_permits(), free);
            slots.regain("web1").await;
            assert_eq!(slots.free.available_permits(), 0);
            slots.release("web1");
            assert_eq!(slots.free.available_permits(), 1);
        }
    }

    #[tokio::test]
    async fn a_host_that_has_ended_keeps_none() {
        let slots = Slots::new(1, true);
        slots.leave("web1");
        slots.regain("web1").await;
        assert_eq!(slots.free.available_permits(), 1);
    }
}
