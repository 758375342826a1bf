//! Runs services in containers, in which Google's endpoints lead to the run's mock.
//!
//! The run loop connects to the [`Engine`] once a run, where a suite has a service with an image, and starts each instance of it
//! with a [`ContainerLaunch`]: the [`Container`] is then an [`spanwise_drive::Instance`] like any other. What the names in its
//! network lead to is the run loop's to say; nothing here knows what is behind them.
//!
//! # The network of a container
//!
//! Each instance has two containers. The first is the forwarder, FROM scratch around one static program that this library
//! carries; the second is the service, which shares the network of the first. In that network
//!
//! - 127.0.0.1 has the harness's listeners at the ports that they have outside, so that every URL means the same in and out;
//! - names such as `cloudtrace.googleapis.com` are addresses of loopback, at the ports that the real ones have, and so what a
//!   production image has built in leads to the mock of this very instance.
//!
//! The forwarder hands everything on over connections that the harness makes (`tunnel`): one port of it is published, on
//! loopback. Nothing of the harness listens where another machine could reach it, no port below 1024 is opened outside a
//! container, and no engine has to know a way from a container to the host.

mod container;
mod engine;
mod error;
mod forwarder;
mod held;
mod image;
mod tunnel;

pub use container::{Container, ContainerLaunch, Name};
pub use engine::Engine;
pub use error::ContainerError;
pub use image::{Build, Image};

/// The label of everything that is made here: images that are kept have it, too.
pub const LABEL: &str = "dev.spanwise";
/// The label whose value is the run.
const RUN_LABEL: &str = "dev.spanwise.run";

/// What marks the containers and networks of a run, as filters of the engine want it: `dev.spanwise.run=RUN`.
pub fn mark(run: &str) -> String {
    format!("{RUN_LABEL}={run}")
}
