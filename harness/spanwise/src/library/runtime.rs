//! The threads on which everything of a run runs: proxies, the mock, services that are tasks.
//!
//! They are the run's own, so that it does not matter what the runtime of a test does: it may block its only thread, as
//! exporters do that flush, and it may end before a run that other tests share.

use tokio::runtime::Builder;
use tokio::task::JoinHandle;

/// A task that blocks, such as a tracer provider that is dropped, must not keep the mock from answering it.
const THREADS: usize = 2;

/// A runtime that can be dropped anywhere.
pub(super) struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    pub(super) fn start() -> std::io::Result<Runtime> {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(THREADS).thread_name("spanwise").enable_all();
        Ok(Runtime(Some(runtime.build()?)))
    }

    /// Does work on it, from whichever runtime it is asked; the work ends with the future.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let Some(runtime) = &self.0 else {
            unreachable!("it is taken when it is dropped, and then nobody asks")
        };
        let mut task = Task(runtime.spawn(work));
        match (&mut task.0).await {
            Ok(done) => done,
            // Nobody aborts it but who drops it, and its runtime outlives it.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Does work on it while this thread waits, whichever runtime's it is.
    pub(super) fn run_and_block(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = &self.0 else { return };
        let handle = runtime.handle().clone();
        // On a thread of a runtime nobody may wait for another one.
        let waiting = std::thread::spawn(move || handle.block_on(work));
        let _ = waiting.join();
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // To wait for its threads is not allowed on those of another runtime.
            runtime.shutdown_background();
        }
    }
}

/// Ends its work when nobody waits for it any more.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
