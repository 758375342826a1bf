//! One run for all tests of a binary.

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
/// Nobody drops a `static`: at the end of the process the services are killed. Requests of tests side by side are told apart by
/// their trace ids, so what came under another id belongs to none of them: a service that loses the context shows as spans that are
/// missing, and as a trace in two parts only where nothing else is under way.
pub struct Shared {
    harness: fn() -> Harness,
    run: OnceCell<Run>,
}

impl Shared {
    /// What is to be started when it is first asked for.
    pub const fn new(harness: fn() -> Harness) -> Shared {
        Shared { harness, run: OnceCell::const_new() }
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
        self.run.get_or_try_init(|| (self.harness)().start()).await
    }
}
