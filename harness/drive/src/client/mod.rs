//! The driver's clients: HTTP/1.1, HTTP/2 and gRPC, in plaintext and over TLS.
//!
//! Everything a request carries is the caller's to say, trace context included; the client adds only what the protocol
//! needs. Whatever comes back, or does not, is an [`Answer`].

mod answer;
mod connect;
mod descriptors;
mod exchange;
mod grpc;
mod http;
mod pool;

use std::sync::Arc;

pub use answer::Answer;
pub use descriptors::Descriptors;
pub use grpc::GrpcCall;
pub use http::HttpRequest;

pub(crate) use grpc::health;

use crate::DriveError;
use connect::Connector;
use pool::Pools;

/// Sends requests; cheap to clone, the clones share connections.
///
/// Requests to one URL share one HTTP/2 connection, or as many HTTP/1.1 connections as there are requests at once.
#[derive(Clone)]
pub struct Client {
    connector: Arc<Connector>,
    pools: Arc<Pools>,
}

impl Client {
    /// A client that trusts one certificate authority (PEM), and without one no certificate at all.
    pub fn new(ca_pem: Option<&str>) -> Result<Client, DriveError> {
        Ok(Client { connector: Arc::new(Connector::new(ca_pem)?), pools: Arc::default() })
    }

    /// A client for `http://` URLs.
    pub(crate) fn plaintext() -> Client {
        Client { connector: Arc::new(Connector::plaintext()), pools: Arc::default() }
    }
}
