//! A tracing conformance test harness: starts services, drives requests, checks every span.
//!
//! The stages stand in crates of their own; here they are put together:
//!
//! - [`plan`] reads suite files and selects permutations,
//! - [`run()`] starts the services, drives the requests and lets the rules speak, telling reporters as it goes,
//! - [`ratchet`] lets pass what was there before,
//! - [`capture`] checks files that others recorded, without starting anything,
//! - [`demo`] is the demo inside the binary.
//!
//! The command line is the binary beside this library, and nothing else knows of arguments and exit codes.

pub mod capture;
#[cfg(feature = "demo")]
pub mod demo;
pub mod plan;
pub mod ratchet;
mod registry;
mod run;

pub use run::{Options, RunError, run, run_until};
pub use spanwise_check as check;
pub use spanwise_model as model;
pub use spanwise_report as report;
pub use spanwise_scenario as scenario;
