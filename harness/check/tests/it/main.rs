//! Tests of all rules at once, through the public interface alone.

mod captures;
mod connections;
mod contexts;
mod differences;
mod examples;
mod expected;
mod exports;
mod front_end;
mod large;
mod logs;
mod losses;
mod platform;
mod platforms;
mod precision;
mod registry;
mod robust;
mod root_causes;
mod services;
mod status;
mod support;
mod times;
mod verdicts;
