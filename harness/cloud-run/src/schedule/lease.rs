//! A place of a request at an instance.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use spanwise_model::Source;

use super::Shared;

/// A place of a request at an instance, which has a processor for as long as one of its leases lives. Dropping it gives the
/// place to the next in the queue.
pub struct Lease {
    /// Which instance.
    pub source: Source,
    /// Where it serves.
    pub address: SocketAddr,
    instance: u32,
    shared: Arc<Shared>,
}

impl Lease {
    pub(super) fn new(shared: Arc<Shared>, instance: u32, address: SocketAddr) -> Lease {
        Lease { source: Source::new(&shared.service, instance), address, instance, shared }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a place at {}", self.source)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.change(|state, runtime| state.released(self.instance, runtime));
    }
}
