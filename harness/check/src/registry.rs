//! All rules, family by family, in the order of the catalogue.
//!
//! Each family lists its own in `rules/<family>/mod.rs`; the engine, `explain` and the rule page read them here.

use crate::{Rule, rules};

/// Every rule.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    rules::FAMILIES.iter().flat_map(|family| family.iter().copied())
}

/// A rule by name.
pub fn find(name: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.name == name)
}
