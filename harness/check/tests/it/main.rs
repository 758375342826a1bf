//! Tests of all rules at once, through the public interface alone.

mod connections;
mod examples;
mod exports;
mod precision;
mod registry;
mod robust;
mod root_causes;
mod status;
mod support;
mod times;
mod verdicts;
