//! What happened to a service process.

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
