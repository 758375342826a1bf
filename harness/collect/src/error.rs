//! What can go wrong before a listener listens.

use std::io;
use std::net::SocketAddr;

/// Why a collector could not listen, or its recording could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The address is taken or not one of this machine.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// `listen` was called outside a tokio runtime.
    #[error("a collector needs a tokio runtime to listen")]
    NoRuntime,
    /// The recording, or the first or last line, could not be written.
    #[error("cannot write {what}")]
    Write {
        /// What was to be written.
        what: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
}
