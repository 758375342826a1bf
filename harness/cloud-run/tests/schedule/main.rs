//! The life cycle of a service's instances, over a runtime that starts nothing: step by step (`cycle`), by steps that chance
//! picks (`chance`), and with threads that get in each other's way (`threads`).

mod chance;
mod cycle;
mod fake;
mod threads;
mod world;
