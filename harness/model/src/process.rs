//! What happened to a service process.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::Source;

/// Something that happened to a service process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEvent {
    /// Which instance.
    pub source: Source,
    /// When, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// What.
    pub kind: ProcessEventKind,
}

/// What happened to a service process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessEventKind {
    /// It was started.
    Spawned,
    /// It was ready to serve.
    Ready,
    /// It was seen to listen; one event a socket.
    Listening {
        /// The address it bound: `0.0.0.0` or `[::]` where it serves all interfaces.
        address: SocketAddr,
        /// Whether its port is the one that the environment variable `PORT` told it.
        on_port: bool,
    },
    /// It got no processor any more, as an instance without a request does.
    Frozen,
    /// It got the processor back.
    Thawed,
    /// It was sent SIGTERM.
    Terminated,
    /// The grace period passed and it was killed.
    Killed,
    /// It ended: the exit code, or the signal that ended it.
    Exited {
        /// Exit code, where it exited.
        code: Option<i32>,
        /// Signal number, where a signal ended it.
        signal: Option<i32>,
    },
}
