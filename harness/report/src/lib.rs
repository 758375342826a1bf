//! Reporters: one file each, all fed by the same events.
//!
//! The last stage. The run loop hands every [`RunEvent`] to every reporter, and calls `finish` once at the end, also
//! when the run was broken off: what is known by then is still shown. Reporters write to the writer they are given;
//! which one that is, and whether it wants color, is the command line's to say.
//!
//! - [`Terminal`]: trees and findings for a person, on standard output.
//! - [`Progress`]: what is going on, on standard error.
//! - [`Json`]: the report for programs; its schema is `fixtures/schema/report.schema.json`.
//! - [`details`]: trees and findings of one permutation, for a message that is no report.
//! - [`snapshot()`]: the text that a conformance snapshot holds.

use std::io;

use spanwise_model::RunEvent;

mod blocks;
mod findings;
mod json;
mod paint;
mod progress;
mod snapshot;
mod terminal;

pub use json::Json;
pub use progress::Progress;
pub use snapshot::snapshot;
pub use terminal::{Terminal, details};

/// Follows a run and writes about it.
pub trait Reporter {
    /// Takes the next event.
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()>;

    /// Writes what is still to be written. Called once, after the last event.
    fn finish(&mut self) -> io::Result<()>;
}
