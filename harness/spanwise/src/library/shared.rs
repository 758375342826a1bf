//! One run for all tests of a binary.

use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;

use super::{Harness, HarnessError, Run};

/// A run that the tests of one binary share, in a `static`: services that take seconds to start do so once.
///
/// ```
/// use spanwise::{Harness, Shared};
///
/// static SHOP: Shared = Shared::new(|| Harness::from_suite("spanwise.yaml"));
///
/// // In each test:
/// # async fn orders() -> Result<(), spanwise::HarnessError> {
/// let answer = SHOP.run().await.get("/order").await?;
/// # Ok(())
/// # }
/// ```
///
/// Every `#[tokio::test]` has a runtime that ends with it, so the run has one of its own, which lasts as long as the
/// process; at its end the services are killed, because nobody drops a `static`. Requests of tests side by side are told apart by their
/// trace ids. What came without one of these belongs to nobody then: a service that loses the context shows as a trace in which
/// spans are missing, and as two traces only in a run of its own.
pub struct Shared {
    harness: fn() -> Harness,
    started: OnceCell<Started>,
}

struct Started {
    run: Run,
    /// Everything of the run runs on it.
    _runtime: Runtime,
}

impl Shared {
    /// What is to be started when it is first asked for.
    pub const fn new(harness: fn() -> Harness) -> Shared {
        Shared { harness, started: OnceCell::const_new() }
    }

    /// The run, which the first to ask starts.
    ///
    /// # Panics
    /// Where it does not start, with the reason.
    pub async fn run(&self) -> &Run {
        match self.try_run().await {
            Ok(run) => run,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`Shared::run`]. Who asks after one that did not start tries again.
    ///
    /// # Errors
    /// As [`Harness::start`].
    pub async fn try_run(&self) -> Result<&Run, HarnessError> {
        let start = || async {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let runtime = runtime.map_err(|error| HarnessError::Setup(error.into()))?;
            let harness = (self.harness)();
            let started = super::run::on_runtime(runtime.handle(), async move { harness.start().await }).await;
            match started {
                Ok(run) => Ok(Started { run, _runtime: runtime }),
                Err(error) => {
                    // A runtime must not be dropped where others are waited for.
                    runtime.shutdown_background();
                    Err(error)
                }
            }
        };
        self.started.get_or_try_init(start).await.map(|started| &started.run)
    }
}
