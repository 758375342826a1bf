//! How many services start at once, over all lanes.
//!
//! Starting is work for a processor, as a rule: where more services start than there are processors, all of them are ready late,
//! and nobody serves meanwhile. In turns, the services of the first lanes are driven while those of the next ones start. Instances that
//! requests cause take no turn: somebody waits for them already.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Gives services their turns to start, in the order in which they ask.
pub(super) struct Turns {
    /// One permit is one service that has a processor to start with.
    processors: Arc<Semaphore>,
    /// One permit is one service that starts, however long it takes.
    starts: Arc<Semaphore>,
    line: Mutex<()>,
}

/// A service's turn to start.
pub(super) struct Turn {
    processor: Option<OwnedSemaphorePermit>,
    _start: Option<OwnedSemaphorePermit>,
}

/// How long a start has a processor. One that takes longer waits for something, as a rule, and another one may compute meanwhile.
const LONGEST: Duration = Duration::from_secs(5);

impl Turns {
    /// Turns of as many services at once as there are processors, or, while starts take long, of as many as may start at all.
    pub(super) fn new(processors: usize, starts: usize) -> Turns {
        let [processors, starts] = [processors, starts].map(|permits| Arc::new(Semaphore::new(permits)));
        Turns { processors, starts, line: Mutex::default() }
    }

    /// Who holds this asks for turns alone: a lane for those of all its services.
    pub(super) async fn line(&self) -> MutexGuard<'_, ()> {
        self.line.lock().await
    }

    /// Waits for a turn.
    pub(super) async fn next(&self) -> Turn {
        // Nobody closes them.
        let start = self.starts.clone().acquire_owned().await.ok();
        Turn { processor: self.processors.clone().acquire_owned().await.ok(), _start: start }
    }
}

impl Turn {
    /// Starts a service. The next one has its turn when this is ready, or takes too long.
    pub(super) async fn start<T>(mut self, start: impl Future<Output = T>) -> T {
        let mut start = pin!(start);
        // waits on purpose: a process does not tell whether it computes or waits.
        match timeout(LONGEST, &mut start).await {
            Ok(started) => started,
            Err(_) => {
                self.processor.take();
                start.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn the_next_has_its_turn_when_one_is_ready() {
        let turns = Turns::new(1, 8);
        let turn = turns.next().await;
        let start = turn.start(async {
            assert!(turns.next().now_or_never().is_none());
        });
        start.await;
        assert!(turns.next().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_has_its_turn_when_one_takes_too_long() {
        let turns = Turns::new(1, 2);
        let begun = Instant::now();
        let first = tokio::spawn(turns.next().await.start(std::future::pending::<()>()));
        let second = turns.next().await;
        assert_eq!(begun.elapsed(), LONGEST);
        let second = tokio::spawn(second.start(std::future::pending::<()>()));
        // However long these take, there are no more.
        assert!(timeout(LONGEST * 2, turns.next()).await.is_err());
        first.abort();
        turns.next().await;
        assert!(!second.is_finished());
    }
}
