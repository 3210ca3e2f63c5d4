//! Writes events into the store on a thread of its own, many in one transaction: what arrives while one is made
//! durable goes into the next.

use super::{Clean, RunStore};
use crate::model::job::RunId;
use crate::model::run::RunEvent;
use crate::model::{Doing, Failure, Result};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};

/// Events that may wait to be written; whoever adds one more waits as well.
const WAITING: usize = 4096;

/// Takes the events of one run.
pub struct Writer {
    events: SyncSender<Clean<RunEvent>>,
    failed: Arc<OnceLock<Failure>>,
    thread: JoinHandle<Box<dyn RunStore>>,
}

impl Writer {
    /// Starts to write what happens in `run`, which has been begun in `store`.
    pub fn start(store: Box<dyn RunStore>, run: RunId) -> Result<Writer> {
        let (events, arriving) = sync_channel(WAITING);
        let failed = Arc::new(OnceLock::new());
        let tell = Arc::clone(&failed);
        let write = move || write_all(store, &run, &arriving, &tell);
        let thread = Builder::new().name("record".into()).spawn(write).doing("start the record's thread")?;
        Ok(Writer { events, failed, thread })
    }

    /// Hands over an event. Fails once an earlier one could not be written: start nothing more then. Waits while the
    /// disk is behind by thousands of events.
    pub fn event(&self, event: Clean<RunEvent>) -> Result<()> {
        if self.events.send(event).is_err() || self.failed.get().is_some() {
            return self.verdict();
        }
        Ok(())
    }

    /// Returns the store once every event is durable.
    pub fn finish(self) -> Result<Box<dyn RunStore>> {
        let Writer { events, failed, thread } = self;
        drop(events);
        let store =
            thread.join().map_err(|_| Failure::new("record the run", "the record's thread panicked"))?;
        failed.get().cloned().map_or(Ok(store), Err)
    }

    fn verdict(&self) -> Result<()> {
        let stopped = || Failure::new("record the run", "the record's thread has stopped");
        Err(self.failed.get().cloned().unwrap_or_else(stopped))
    }
}

/// After a failure events are only taken, so that hosts which are at work can finish what they have in hand.
fn write_all(
    mut store: Box<dyn RunStore>,
    run: &RunId,
    arriving: &Receiver<Clean<RunEvent>>,
    failed: &OnceLock<Failure>,
) -> Box<dyn RunStore> {
    while let Ok(first) = arriving.recv() {
        let batch: Vec<_> = std::iter::once(first).chain(arriving.try_iter().take(WAITING)).collect();
        if failed.get().is_none()
            && let Err(failure) = store.events(run, &batch)
        {
            failed.get_or_init(|| failure);
        }
    }
    store
}
