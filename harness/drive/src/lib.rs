//! Drives a run: starts services, waits until they are ready, sends HTTP and gRPC requests.
//!
//! The run loop makes one [`Launcher`] a run and starts every service with it; nothing that it started outlives the
//! harness, however the harness ends. It sends requests with one [`Client`], through the fronts; which trace context
//! a request carries is the caller's to say. What came back, what the services wrote and what happened to them are
//! words of the model: nothing here judges them.

mod clock;
mod error;
mod instance;

pub mod client;
pub mod launch;

pub use client::{Answer, Client, Descriptors, GrpcCall, HttpRequest};
pub use error::DriveError;
pub use instance::Instance;
pub use launch::{
    Build, Ended, History, Launch, Launcher, OnUnmatched, Output, Ready, Running, Service, Stub,
};
