//! Work that takes a while beside fronts that must not wait for it: the stamps of what they see are evidence.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does work without keeping other tasks from this thread, where the runtime has threads to give.
pub(super) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // A runtime of one thread, as `#[tokio::test]` makes it, has no other to do it on; a replay needs no runtime.
        _ => work(),
    }
}
