//! Flushes of the exporter that many requests share.
//!
//! On Cloud Run an instance may lose its processor as soon as its last response has ended, and what then lies in a buffer may
//! never get out. `instrument::FlushLayer` waits here before it lets a response end. A flush that had begun before a span ended
//! does not count for that span; the next one does, and counts for all spans that ended meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a response may be held back. A collector that does not answer must not make a service that slow for long: after
/// the first wait in vain nobody waits until a flush has succeeded again.
const LIMIT: Duration = Duration::from_secs(2);

/// Flushes on request. Clones share their flushes; the last one to go ends the thread behind them.
#[derive(Debug, Clone)]
pub struct Flusher {
    requests: mpsc::Sender<()>,
    progress: Arc<Progress>,
}

#[derive(Debug)]
struct Progress {
    flushes: Mutex<Flushes>,
    /// The number of the last flush that has ended.
    ended: watch::Sender<u64>,
    /// Whether somebody waited in vain, and no flush has succeeded since.
    is_overdue: AtomicBool,
}

/// Flushes are numbered from 1.
#[derive(Debug, Default)]
struct Flushes {
    begun: u64,
    requested: u64,
}

impl Flusher {
    /// Flushes this provider.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(provider: &SdkTracerProvider) -> std::io::Result<Self> {
        let provider = provider.clone();
        Self::of(move || provider.force_flush())
    }

    /// A flush blocks for as long as an export takes, so it has a thread of its own; one of the runtime's would also be waited
    /// for when the service ends.
    fn of(flush: impl Fn() -> OTelSdkResult + Send + 'static) -> std::io::Result<Self> {
        let (requests, requested) = mpsc::channel();
        let progress = Arc::new(Progress {
            flushes: Mutex::default(),
            ended: watch::Sender::new(0),
            is_overdue: AtomicBool::new(false),
        });
        let flusher = Self { requests, progress: progress.clone() };
        thread::Builder::new().name("flush-spans".to_owned()).spawn(move || {
            for () in requested {
                let number = progress.begin();
                // That an export failed is logged by the SDK.
                if flush().is_ok() {
                    progress.is_overdue.store(false, Ordering::Relaxed);
                }
                progress.ended.send_replace(number);
            }
        })?;
        Ok(flusher)
    }

    /// Asks that what has ended by now be exported, and does not wait for it. Gives the number of the flush that does.
    pub(crate) fn request(&self) -> u64 {
        let mut flushes = self.progress.flushes.lock().unwrap_or_else(PoisonError::into_inner);
        let number = flushes.begun + 1;
        if flushes.requested < number {
            flushes.requested = number;
            // The thread goes only after the last sender.
            let _ = self.requests.send(());
        }
        number
    }

    /// Resolves when what had ended by the call has been exported, or could not be, or two seconds have passed. The flush is
    /// asked for by the call itself, whether or not the future is polled.
    pub(crate) fn flushed(&self) -> impl Future<Output = ()> + Send + use<> {
        let (number, progress) = (self.request(), self.progress.clone());
        async move {
            if progress.is_overdue.load(Ordering::Relaxed) {
                return;
            }
            let mut ended = progress.ended.subscribe();
            if timeout(LIMIT, ended.wait_for(|ended| *ended >= number)).await.is_err()
                && !progress.is_overdue.swap(true, Ordering::Relaxed)
            {
                tracing::warn!("spans take long to export; responses no longer wait for them");
            }
        }
    }
}

impl Progress {
    /// The number of the flush that begins: who asks from now on gets the next one.
    fn begin(&self) -> u64 {
        let mut flushes = self.flushes.lock().unwrap_or_else(PoisonError::into_inner);
        flushes.begun += 1;
        flushes.begun
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use opentelemetry_sdk::error::OTelSdkError;
    use rstest::rstest;
    use tokio::time::Instant;

    use super::*;

    /// A flusher whose flushes say that they have begun, and end when they are told how.
    fn flusher() -> (Flusher, mpsc::Receiver<()>, mpsc::Sender<OTelSdkResult>) {
        let (begun, begins) = mpsc::channel();
        let (end, ends) = mpsc::channel::<OTelSdkResult>();
        let flusher = Flusher::of(move || {
            begun.send(()).unwrap();
            ends.recv().unwrap()
        });
        (flusher.unwrap(), begins, end)
    }

    #[rstest]
    #[case::exported(|| Ok(()))]
    #[case::refused(|| Err(OTelSdkError::AlreadyShutdown))]
    #[tokio::test]
    async fn a_flush_counts_for_those_alone_that_asked_before_it_began(
        #[case] result: fn() -> OTelSdkResult,
    ) {
        let (flusher, begins, end) = flusher();
        let first = flusher.flushed();
        begins.recv().unwrap();
        let mut late: Vec<_> = (0..50).map(|_| flusher.flushed().boxed()).collect();
        end.send(result()).unwrap();
        first.await;
        begins.recv().unwrap();
        assert!(late[0].as_mut().now_or_never().is_none(), "the second flush has not ended");
        end.send(result()).unwrap();
        join_all(late).await;
        assert!(begins.try_recv().is_err(), "two flushes for 51 spans");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_long() {
        let (flusher, begins, end) = flusher();
        let start = Instant::now();
        let first = flusher.flushed();
        begins.recv().unwrap();
        first.await;
        assert_eq!(start.elapsed(), LIMIT);
        flusher.flushed().await;
        assert_eq!(start.elapsed(), LIMIT, "the collector still does not answer");

        end.send(Ok(())).unwrap();
        begins.recv().unwrap();
        let again = flusher.flushed();
        assert!(again.now_or_never().is_none(), "it has answered");
    }
}
