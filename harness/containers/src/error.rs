//! What can go wrong with containers. Reasons are text: the errors of the engine's client hold more words than reasons, and one
//! image that cannot be had is told of to every service that wants it.

use std::time::Duration;

use spanwise_model::Source;

/// Why a service could not be started in a container.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ContainerError {
    /// No container engine answers.
    #[error("no container engine answers: {0}; start Docker, or say in DOCKER_HOST where it is")]
    NoEngine(String),
    /// The network of the run could not be made.
    #[error("the run's container network cannot be made: {0}")]
    Network(String),
    /// What stands in for the harness in a container's network does not work.
    #[error("the forwarder before {service} does not work: {reason}")]
    Forwarder {
        /// The service.
        service: Source,
        /// Why.
        reason: String,
    },
    /// The program that builds images is missing.
    #[error("images are built by the program `docker`, which does not run: {0}")]
    NoBuilder(String),
    /// An image that does not build.
    #[error("the image of {dockerfile} does not build{output}")]
    Build {
        /// The Dockerfile.
        dockerfile: String,
        /// The last lines of the build's output, each on a line of its own.
        output: String,
    },
    /// An image that is not there and cannot be pulled.
    #[error("the image {image} is not on this machine and cannot be pulled: {reason}")]
    Pull {
        /// The image.
        image: String,
        /// Why.
        reason: String,
    },
    /// An image that takes too long to be built or pulled.
    #[error("{image} was not there after {} s, and what makes it was ended", .within.as_secs())]
    ImageNotThere {
        /// `the image of web/Dockerfile`, `the image shop:1.2`.
        image: String,
        /// How long it was given.
        within: Duration,
    },
    /// The engine did not start the container.
    #[error("the container of {service} cannot be started: {reason}")]
    Start {
        /// The service.
        service: Source,
        /// Why.
        reason: String,
    },
    /// The container ended before the service was ready.
    #[error("{service} exited with code {code} before it was ready{output}")]
    Exited {
        /// The service.
        service: Source,
        /// The container's exit code; more than 128 where a signal ended it.
        code: i64,
        /// The last lines it wrote, each on a line of its own; empty when it wrote none.
        output: String,
    },
    /// The service was not ready in time, and its container was removed.
    #[error("{service} was not ready after {} ms: {waited_for}{output}", .within.as_millis())]
    NotReady {
        /// The service.
        service: Source,
        /// How long it was given.
        within: Duration,
        /// What was waited for, and what was seen of it.
        waited_for: String,
        /// The last lines it wrote, each on a line of its own; empty when it wrote none.
        output: String,
    },
}

/// An error of the engine with its causes in one line; those that only repeat what was said are left out.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(&format!(": {said}"));
        }
        cause = error.source();
    }
    text
}
