//! Recordings of runs: the evidence as it was seen, from which [`crate::replay`] makes the same report without starting
//! anything.
//!
//! A recording is a folder. `run.json` holds what the run was asked for, as far as judging needs it; a line of `lanes.jsonl`
//! is what one start of services left behind (taps, log lines, process events, the driver's requests), and `exports.jsonl` holds
//! their export requests, in the lines that `spanwise collect --out` writes. Lines are written as the starts end, so a
//! run that is broken off leaves what it had.
//!
//! No secret is written. Evidence holds placeholders in place of them, of a payload that holds one stands there what was decoded
//! of it, and of suites only what they expect: no environment, header or body.

mod format;
mod plan;
mod read;
mod write;

pub use read::{Recording, ReplayError};
pub use write::{RecordError, Recorder};

pub(crate) use read::Entry;
pub(crate) use write::Encoded;
