//! Reporters: one file each, all fed by the same events.
//!
//! The last stage. The run loop hands every [`RunEvent`] to every reporter, and calls `finish` once at the end, also
//! when the run was broken off: what is known by then is still shown. Reporters write to the writer they are given;
//! which one that is, and whether it wants color, is the command line's to say.
//!
//! - [`Terminal`]: trees and findings for a person, on standard output.
//! - [`Progress`]: what is going on, in lines on standard error; [`Bar`]: the same where that is a terminal.
//! - [`Json`]: the report for programs; its schema is `fixtures/schema/report.schema.json`. [`Merged`] reads it back.
//! - [`Junit`]: for CI servers.
//! - [`Markdown`]: the summary of a job; [`Annotations`]: what GitHub shows in the suite file.
//! - [`described`]: all about one permutation, for a message that is no report.
//! - [`snapshot()`]: the text that a conformance snapshot holds.

use std::io;

use spanwise_model::RunEvent;

mod annotations;
mod bar;
mod blocks;
mod causes;
mod document;
mod findings;
mod json;
mod junit;
mod markdown;
mod merged;
mod page;
mod paint;
mod progress;
mod rounds;
mod snapshot;
mod terminal;
mod told;

pub use annotations::Annotations;
pub use bar::Bar;
pub use json::Json;
pub use junit::Junit;
pub use markdown::Markdown;
pub use merged::{MergeError, Merged};
pub use page::described;
pub use progress::Progress;
pub use snapshot::snapshot;
pub use terminal::Terminal;

/// Follows a run and writes about it.
pub trait Reporter {
    /// Takes the next event.
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()>;

    /// Writes what is still to be written. Called once, after the last event.
    fn finish(&mut self) -> io::Result<()>;
}
