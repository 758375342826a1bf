//! Lines that services wrote.

use serde::{Deserialize, Serialize};

use crate::Source;

/// One line a service wrote to its standard output or error; secrets are replaced before it gets here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Who wrote it.
    pub source: Source,
    /// Where to.
    pub stream: Stream,
    /// When it was read, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// The line without its line break; bytes that are not UTF-8 are replaced, very long lines are cut.
    pub line: String,
}

/// Standard output or standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
