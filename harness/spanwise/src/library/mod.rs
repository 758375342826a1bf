//! The library: what a test calls. `harness` and `service` say what runs, `run` and `request` drive it, `answer` and `trace` are
//! what comes of it, `conform` asserts. The services themselves are a session of the run loop (`run/session.rs`).
//!
//! The manual is the first page of the crate.

mod answer;
mod collector;
mod conform;
mod error;
mod harness;
mod request;
mod run;
mod runtime;
mod service;
mod shared;
mod trace;

pub use answer::Answer;
pub use collector::Collector;
pub use conform::Conformance;
pub use error::HarnessError;
pub use harness::Harness;
pub use request::Request;
pub use run::{Run, ServiceOfRun};
pub use service::{Service, TaskEnd};
pub use shared::Shared;
pub use trace::Trace;
