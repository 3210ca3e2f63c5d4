//! Waits for requests from threads: the store's functions are synchronous, and its requests run on a runtime of their
//! own, so that it does not matter from where they are called.

use std::sync::{LazyLock, mpsc};
use tokio::runtime::{Builder, Runtime};

/// Requests wait for the network most of the time: two threads serve many.
const THREADS: usize = 2;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime =
        Builder::new_multi_thread().worker_threads(THREADS).thread_name("store").enable_all().build();
    // Without threads nothing at all can be done.
    runtime.expect("start the threads of the store")
});

/// The result of the work.
pub fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, receiver) = mpsc::sync_channel(1);
    RUNTIME.spawn(async move {
        // It is waited for, below.
        let _received = sender.send(work.await);
    });
    receiver.recv().expect("the work does not panic")
}

/// Lets work go on in the background.
pub fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    RUNTIME.spawn(work)
}
