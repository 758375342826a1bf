//! Load for span collectors: prepared batches, and a client that sends them as fast as they are taken; and captures to
//! check.
//!
//! The binary `spanwise-load` drives any collector with it, the criterion benchmark our own in process. It measures;
//! it asserts nothing.

pub mod batch;
pub mod capture;
pub mod client;
pub mod process;
mod telemetry;
