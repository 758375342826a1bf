//! The rules and the engine that runs them over observations.
//!
//! The run loop calls [`Engine::check`] for each permutation and [`Engine::compare`] for each group of permutations
//! that must agree; the command line calls [`explain`] and reads [`registry::rules`]. Nothing here does I/O, knows the
//! time, or judges anything but what an [`spanwise_model::Observation`] holds.
//!
//! A rule is one file below `rules/<family>/` and one line in its family's `mod.rs`; see the README of this crate.

mod across_platforms;
mod anchor;
pub mod conventions;
mod engine;
mod expected;
mod findings;
mod fold;
mod group;
mod headers;
pub mod index;
mod log_lines;
mod lost;
mod outcome;
mod profile;
pub mod registry;
mod render;
mod rule;
mod rules;
pub mod semconv;
mod verdicts;

pub use engine::{Checked, Engine, Member, NameTaken};
pub use findings::{Findings, Report};
pub use group::{Group, GroupFindings, GroupMember};
pub use index::{Hop, Index, Node};
pub use profile::{Levels, Profile};
pub use render::{explain, rules_page};
pub use rule::{Check, Family, Rule};
pub use verdicts::Verdicts;

/// A map that keeps the order in which its keys came, with the hashes of the index.
pub(crate) type Ordered<Key, Value> = indexmap::IndexMap<Key, Value, foldhash::fast::RandomState>;
