//! One instance, as far as the state of a schedule knows it: it is frozen and thawed in turns, and nothing is decided here.

use std::net::SocketAddr;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Runtime;

/// An instance that starts or serves.
pub(super) enum Instance {
    Starting(Starting),
    Serving(Serving),
}

/// An instance that starts.
pub(super) struct Starting {
    /// Who warms the service up hears of the end of the start.
    pub(super) told: Option<oneshot::Sender<Result<(), String>>>,
    /// Its process is gone already, though the start may still say that it serves: both are told at the same time.
    pub(super) is_lost: bool,
}

/// An instance that serves.
pub(super) struct Serving {
    pub(super) address: SocketAddr,
    pub(super) leases: usize,
    pub(super) had_request: bool,
    is_frozen: bool,
    /// Since when it has no request.
    pub(super) idle_since: Option<Instant>,
    /// Whether somebody will ask whether its time without a request is over.
    pub(super) is_watched: bool,
}

impl Instance {
    pub(super) fn is_starting(&self) -> bool {
        matches!(self, Instance::Starting(_))
    }
}

impl Serving {
    /// One that has just got ready.
    pub(super) fn new(address: SocketAddr) -> Serving {
        Serving {
            address,
            leases: 0,
            had_request: false,
            is_frozen: false,
            idle_since: None,
            is_watched: false,
        }
    }

    /// Takes its processor away, unless it has none.
    pub(super) fn freeze(&mut self, number: u32, runtime: &dyn Runtime) {
        if !std::mem::replace(&mut self.is_frozen, true) {
            runtime.freeze(number);
        }
    }

    /// Gives its processor back, unless it has one.
    pub(super) fn thaw(&mut self, number: u32, runtime: &dyn Runtime) {
        if std::mem::replace(&mut self.is_frozen, false) {
            runtime.thaw(number);
        }
    }
}
