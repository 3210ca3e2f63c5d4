//! Writes events into the store on a thread of its own, many in one transaction: what arrives while one is made
//! durable goes into the next.

use super::{Clean, RunStore};
use crate::model::bounds;
use crate::model::event::Event;
use crate::model::job::RunId;
use crate::model::run::{HostEvent, RunEvent, RunEventKind};
use crate::model::{Doing, Failure, Result};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Events that may wait to be written; a process that adds one more waits as well.
const WAITING: usize = 4096;

/// The same in bytes: steps with large diffs and findings.
const BYTES_WAITING: usize = 16 * 1024 * 1024;

/// How often it is looked whether the thread that makes room still lives.
const LOOK: Duration = Duration::from_secs(1);

/// Takes the events of one run.
pub struct Writer {
    events: SyncSender<Clean<RunEvent>>,
    waiting: Arc<Waiting>,
    failed: Arc<OnceLock<Failure>>,
    thread: JoinHandle<Box<dyn RunStore>>,
}

impl Writer {
    /// Starts to write what happens in `run`, which has been begun in `store`.
    pub fn start(store: Box<dyn RunStore>, run: RunId) -> Result<Writer> {
        let (events, arriving) = sync_channel(WAITING);
        let failed = Arc::new(OnceLock::new());
        let tell = Arc::clone(&failed);
        let waiting = Arc::new(Waiting::default());
        let taken = Arc::clone(&waiting);
        let write = move || write_all(store, &run, &arriving, &tell, &taken);
        let thread = Builder::new().name("record".into()).spawn(write).doing("start the record's thread")?;
        Ok(Writer { events, waiting, failed, thread })
    }

    /// Hands over an event. Fails once an earlier one could not be written: start nothing more then. Waits while the
    /// disk is behind by thousands of events.
    pub fn event(&self, event: Clean<RunEvent>) -> Result<()> {
        self.waiting.add(size_of_event(&event), &|| self.thread.is_finished());
        if self.events.send(event).is_err() || self.failed.get().is_some() {
            return self.verdict();
        }
        Ok(())
    }

    /// Returns the store once every event is durable.
    pub fn finish(self) -> Result<Box<dyn RunStore>> {
        let Writer { events, failed, thread, .. } = self;
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

/// How many bytes wait to be written.
#[derive(Default)]
struct Waiting {
    bytes: Mutex<usize>,
    room: Condvar,
}

impl Waiting {
    /// Waits for room. What is larger than all room waits until nothing else does.
    fn add(&self, size: usize, is_over: &dyn Fn() -> bool) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        while *bytes > 0 && *bytes + size > BYTES_WAITING && !is_over() {
            bytes = self.room.wait_timeout(bytes, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        *bytes += size;
    }

    fn take(&self, size: usize) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *bytes = bytes.saturating_sub(size);
        self.room.notify_all();
    }
}

fn size_of_event(event: &RunEvent) -> usize {
    match &event.what {
        RunEventKind::Host { event: HostEvent::Said(Event::StepEnded(step)), .. } => bounds::size(step),
        RunEventKind::Host { event: HostEvent::Said(Event::Settled { steps, .. }), .. } => {
            steps.iter().map(bounds::size).sum()
        }
        _ => size_of::<RunEvent>(),
    }
}

/// After a failure events are only taken, so that hosts which are at work can finish what they have in hand.
fn write_all(
    mut store: Box<dyn RunStore>,
    run: &RunId,
    arriving: &Receiver<Clean<RunEvent>>,
    failed: &OnceLock<Failure>,
    waiting: &Waiting,
) -> Box<dyn RunStore> {
    while let Ok(first) = arriving.recv() {
        let batch: Vec<_> = std::iter::once(first).chain(arriving.try_iter().take(WAITING)).collect();
        if failed.get().is_none()
            && let Err(failure) = store.events(run, &batch)
        {
            failed.get_or_init(|| failure);
        }
        waiting.take(batch.iter().map(|event| size_of_event(event)).sum());
    }
    store
}
