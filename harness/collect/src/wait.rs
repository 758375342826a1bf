//! Waiting until something has arrived: by notification, never by sleeping or polling.

use tokio::sync::watch;
use tokio::time::Instant;

use crate::Store;

impl Store {
    /// A receiver that sees how many export requests have come, and is notified of each.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Waits until the predicate gives something; `None` when it has not by the deadline.
    ///
    /// The predicate runs at once, then after arrivals; several that come together are one. It is called by the waiting
    /// task and should read no more of the store than it must.
    pub async fn wait_until<T>(
        &self,
        deadline: impl Into<Instant>,
        mut predicate: impl FnMut(&Store) -> Option<T>,
    ) -> Option<T> {
        let deadline = deadline.into();
        let mut changed = self.changed();
        loop {
            // Marked as seen before it is looked at: what comes in between notifies again.
            changed.borrow_and_update();
            if let Some(found) = predicate(self) {
                return Some(found);
            }
            // Arrivals that never pause must not outrun the deadline.
            if Instant::now() >= deadline {
                return None;
            }
            match tokio::time::timeout_at(deadline, changed.changed()).await {
                Ok(Ok(())) => {}
                // The sender lives in the store, so it is the deadline that ends the wait.
                Ok(Err(_)) | Err(_) => return None,
            }
        }
    }
}
