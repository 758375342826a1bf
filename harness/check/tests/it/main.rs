//! Tests of all rules at once, through the public interface alone.

mod examples;
mod precision;
mod registry;
mod robust;
mod root_causes;
mod support;
