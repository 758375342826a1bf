//! What can go wrong when services are started and requests are made. A request that gets no answer, or a bad one, is
//! no error but a result.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a service could not be started, or a request not be made.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The watcher process, which reaps the services if the harness dies, could not be started.
    #[error("could not start the watcher (`sh`), without which services could outlive the harness")]
    Watcher(#[source] io::Error),
    /// The run's folder could not be made.
    #[error("could not make a temporary folder")]
    Folder(#[source] io::Error),
    /// The program could not be started at all.
    #[error("could not start {program:?}: {reason}")]
    Spawn {
        /// The program.
        program: String,
        /// Why.
        reason: io::Error,
    },
    /// The folder that a service is to be built or started in is not there.
    #[error("there is no folder {} to start {service} in", .folder.display())]
    NoFolder {
        /// The service.
        service: String,
        /// The folder.
        folder: PathBuf,
    },
    /// A program that was named without a path, which `PATH` does not have.
    #[error(
        "could not start {program:?}: no folder of PATH has such a program; install it, or write where it is"
    )]
    NoProgram {
        /// The program.
        program: String,
    },
    /// What builds a service did not succeed.
    #[error("`{command}`, which builds {service}, {how}{output}")]
    Build {
        /// The service.
        service: String,
        /// Program and arguments.
        command: String,
        /// `exited with code 101`, `still ran after 1800 s and was killed`.
        how: String,
        /// The last lines it wrote, each on a line of its own; empty when it wrote none.
        output: String,
    },
    /// A service that should run already is not there.
    #[error("nothing serves at {address}, where {service} should run already: {reason}")]
    NotRunning {
        /// The service.
        service: String,
        /// `HOST:PORT`.
        address: String,
        /// How long it was waited for, and what was seen.
        reason: String,
    },
    /// No loopback port could be opened for a stub.
    #[error("could not open a loopback port for a stub")]
    Stub(#[source] io::Error),
    /// No port below the ephemeral range is free.
    #[error("no free port between 20000 and 31999")]
    NoPort,
    /// The service ended before it was ready.
    #[error("{service} {how} before it was ready{output}")]
    Exited {
        /// The service.
        service: String,
        /// `exited with code 1`, `was ended by signal 9`.
        how: String,
        /// The last lines it wrote, each on a line of its own; empty when it wrote none.
        output: String,
    },
    /// The service was not ready in time, and was ended.
    #[error("{service} was not ready after {} ms: {waited_for}{output}", .within.as_millis())]
    NotReady {
        /// The service.
        service: String,
        /// How long it was given.
        within: Duration,
        /// What was waited for, and what was seen of it.
        waited_for: String,
        /// The last lines it wrote, each on a line of its own; empty when it wrote none.
        output: String,
    },
    /// The certificate authority that the client shall trust cannot be read.
    #[error("the certificate authority cannot be read: {0}")]
    Authority(String),
    /// A URL that the client cannot send to.
    #[error("{0:?} is no URL of the form http://HOST:PORT or https://HOST:PORT")]
    Url(String),
    /// A request that HTTP cannot carry.
    #[error("the request cannot be sent: {0}")]
    Request(#[from] http::Error),
    /// The service's descriptors could not be had by server reflection.
    #[error("server reflection at {url} failed: {reason}")]
    Reflection {
        /// The service's URL.
        url: String,
        /// Why.
        reason: String,
    },
    /// Descriptors that do not fit together.
    #[error("the descriptors cannot be used: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// A method that the descriptors do not have.
    #[error("the service has no method {0:?}")]
    UnknownMethod(String),
    /// Other than one message for a method that takes one.
    #[error("{call} takes one message and no stream of them, so {messages} cannot be sent")]
    MessageCount {
        /// The method.
        call: String,
        /// How many messages there are.
        messages: usize,
    },
    /// A message that does not have the method's input type.
    #[error("the message does not fit {call}: {reason}")]
    Message {
        /// The method.
        call: String,
        /// Why.
        reason: String,
    },
}
