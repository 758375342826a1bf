//! The rules, a folder a family and a file a rule.
//!
//! A family's `mod.rs` names its files and lists its rules in the order of the catalogue.

mod expectation;
mod export;
mod labels;
mod linkage;
mod logs;
mod platform;
mod propagation;
mod status;
mod time;

pub(crate) use platform::token;

use crate::Rule;

/// The families in the order of the catalogue.
pub(crate) static FAMILIES: &[&[&Rule]] = &[
    linkage::ALL,
    propagation::ALL,
    labels::ALL,
    status::ALL,
    time::ALL,
    export::ALL,
    logs::ALL,
    platform::ALL,
    expectation::ALL,
];
