//! Tests of all rules at once, through the public interface alone.

mod captures;
mod connections;
mod contexts;
mod examples;
mod expected;
mod exports;
mod large;
mod logs;
mod losses;
mod platform;
mod precision;
mod registry;
mod robust;
mod root_causes;
mod services;
mod status;
mod support;
mod times;
mod verdicts;
