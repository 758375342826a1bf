//! A tracing conformance test harness: starts services, drives requests, checks every span.
//!
//! The stages stand in crates of their own; here they are put together:
//!
//! - [`plan`] reads suite files and selects permutations,
//! - [`run()`] starts the services, drives the requests and lets the rules speak, telling reporters as it goes,
//! - [`ratchet`] lets pass what was there before,
//! - [`record`] writes down what a run sees, from which [`replay()`] makes its report again,
//! - [`capture`] checks files that others recorded, without starting anything,
//! - [`init`] writes a first suite for a folder,
//! - [`demo`] is the demo inside the binary.
//!
//! # Rules of your own
//!
//! A rule is a static, handed over in [`Options::rules`]; it runs after the catalogue, over the same observations:
//!
//! ```
//! use spanwise::check::{Check, Engine, Family, Profile, Rule};
//! use spanwise::model::{Evidence, Level, notation};
//!
//! static SPAN_NAME_TOO_LONG: Rule = Rule {
//!     name: "span-name-too-long",
//!     family: Family::Custom,
//!     level: Level::Violation,
//!     profile: Profile::Otel, // the least demanding profile that runs it
//!     since: "1.0.0",
//!     evidence: &[Evidence::Spans],
//!     explains: &[],
//!     explanation: "",
//!     check: Check::One(|index, findings| {
//!         for node in index.nodes() {
//!             findings.looked();
//!             if node.name.len() > 40 {
//!                 findings.on_span(node, "The name does not fit into our dashboards.").actual(&node.name);
//!             }
//!         }
//!     }),
//! };
//!
//! let options = spanwise::Options { rules: vec![&SPAN_NAME_TOO_LONG], ..Default::default() };
//! # let text = "web INTERNAL \"read the configuration of every tenant again\"";
//! # let observation = notation::parse(text)?;
//! # let engine = Engine::new(options.profile).with_rules(&options.rules)?;
//! # let checked = engine.check(&observation);
//! # assert!(checked.findings.iter().any(|finding| finding.rule == "span-name-too-long"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The command line is the binary beside this library, and nothing else knows of arguments and exit codes.

pub mod capture;
#[cfg(feature = "demo")]
pub mod demo;
pub mod init;
pub mod plan;
pub mod ratchet;
pub mod record;
mod registry;
mod run;

pub use record::{Recorder, Recording, ReplayError};
pub use run::{Options, Replayed, RunError, replay, run, run_until};
pub use spanwise_check as check;
pub use spanwise_model as model;
pub use spanwise_report as report;
pub use spanwise_scenario as scenario;
