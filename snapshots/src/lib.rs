//! How results of the demo suite are compared with their reviewed snapshots. Used by `tests/conformance/main.rs`, which
//! drives the suite; nothing here starts anything.
//!
//! The snapshots stand beside this file's folder, a folder a suite and case: a file for each group of permutations that
//! must agree, with trees and findings ([`Groups`]), and one with what every rule said ([`Verdicts`]).
//! `cargo insta review` finds them because this is a package.

mod accepted;
mod group;
mod outcome;
mod stale;
mod verdicts;

use std::path::Path;

pub use group::Groups;
pub use stale::no_stale;
pub use verdicts::{Verdicts, case_of};

/// The folder that holds the accepted snapshots.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
