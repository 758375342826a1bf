//! The metadata server of an instance: what `metadata.google.internal` says to a container, its tokens above all.
//!
//! The run loop starts one for every instance and names it in `GCE_METADATA_HOST`. Google's page "Container runtime contract"
//! of Cloud Run has the paths. Beside them stands what `oauth2.googleapis.com` gives to those who have a file with a key
//! (`grant`). Not emulated is waiting for changes, which no instance of Cloud Run has.

mod grant;
mod respond;
mod tree;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use http::StatusCode;
use wiremock::{Mock, MockServer, matchers};

use crate::CloudRunError;
use crate::identity::{Account, Identity};
use respond::Responder;

/// Where the public keys of the run are, as on `www.googleapis.com`. No header is asked for there.
pub const JWKS_PATH: &str = "/oauth2/v3/certs";

/// Where tokens are granted for a key or a refresh token, as on `oauth2.googleapis.com`. No header is asked for there.
pub const TOKEN_PATH: &str = "/token";

/// The header by which server and client know each other.
const FLAVOR: &str = "metadata-flavor";

/// What an instance is told of itself.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The id of the project.
    pub project: String,
    /// The number of the project.
    pub project_number: u64,
    /// The region, such as `us-central1`.
    pub region: String,
    /// The id of the instance, which on Cloud Run is no number.
    pub id: String,
    /// The account that it runs as.
    pub account: Account,
    /// How long its tokens are good; whole seconds.
    pub token_lifetime: Duration,
}

impl Instance {
    /// The zone in the form that the metadata server has. Which one an instance of Cloud Run is told is not documented: it is
    /// made of the region.
    fn zone(&self) -> String {
        format!("projects/{}/zones/{}-1", self.project_number, self.region)
    }
}

/// A request that a metadata server got. It holds no token, neither one that was given nor one that came along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataRequest {
    /// The path, as `/computeMetadata/v1/instance/id`.
    pub path: String,
    /// Names and values of the query, decoded, in their order: `audience` of an ID token, `scopes` of an access token.
    pub query: Vec<(String, String)>,
    /// What was answered.
    pub status: StatusCode,
    /// When it was answered.
    pub at: SystemTime,
}

/// The metadata server of one instance. It ends when it is dropped.
pub struct MetadataServer {
    server: Option<MockServer>,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<MetadataRequest>>>,
}

impl MetadataServer {
    /// Starts a server on a free loopback port.
    ///
    /// # Errors
    /// No port could be opened.
    pub async fn start(identity: Arc<Identity>, instance: Instance) -> Result<MetadataServer, CloudRunError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(CloudRunError::Bind)?;
        let address = listener.local_addr().map_err(CloudRunError::Bind)?;
        // The mock server's own record would hold headers; what may be kept is in `asked`.
        let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
        let asked = Arc::default();
        let responder =
            Responder { identity, tree: tree::of(&instance), instance, asked: Arc::clone(&asked) };
        Mock::given(matchers::any()).respond_with(responder).mount(&server).await;
        Ok(MetadataServer { server: Some(server), address, asked })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as `GCE_METADATA_HOST` has it: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What was asked up to now, in its order.
    pub fn asked(&self) -> Vec<MetadataRequest> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MetadataServer {
    fn drop(&mut self) {
        // The mock server waits for a lock of tokio when it is dropped, by turning in a circle. Inside a task that has used
        // up its budget such a lock is never given, so the budget is lifted.
        let server = self.server.take();
        let dropped = tokio::task::unconstrained(async move { drop(server) }).now_or_never();
        debug_assert!(dropped.is_some(), "nothing is awaited");
    }
}
