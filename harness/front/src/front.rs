//! A front: a loopback listener of its own for one caller, one service and one channel.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use spanwise_model::Source;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::connection::serve;
use crate::tls::ServerTls;
use crate::upstream::Address;
use crate::{FrontError, Policy, TapLog, Transparent};

/// What a front is to be.
pub struct FrontOptions {
    /// Who calls through it; every caller has a front of its own.
    pub from: Option<Source>,
    /// The service behind it.
    pub to: Source,
    /// Where that service is; may be set later, because the front's URL is needed before the service is started.
    pub upstream: Option<SocketAddr>,
    /// What the front speaks to the service.
    pub protocol: UpstreamProtocol,
    /// TLS towards the caller, where the channel is a secure one.
    pub tls: Option<ServerTls>,
    /// What a platform does at this hop.
    pub policy: Arc<dyn Policy>,
    /// Where exchanges are recorded.
    pub log: Arc<TapLog>,
}

/// What a front speaks to the service, always in plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UpstreamProtocol {
    /// What the caller speaks.
    #[default]
    AsCaller,
    /// HTTP/1.1, whatever the caller speaks.
    Http1,
    /// HTTP/2 without TLS, whatever the caller speaks.
    H2c,
}

/// A running front. Dropping it closes the listener and every connection through it.
pub struct Front {
    address: SocketAddr,
    is_tls: bool,
    upstream: Address,
    accepting: JoinHandle<()>,
}

impl FrontOptions {
    /// A transparent front without TLS that speaks to the service what the caller speaks.
    pub fn new(from: Option<Source>, to: Source, log: Arc<TapLog>) -> FrontOptions {
        let (upstream, protocol, tls, policy) =
            (None, UpstreamProtocol::default(), None, Arc::new(Transparent));
        FrontOptions { from, to, upstream, protocol, tls, policy, log }
    }
}

impl Front {
    /// Opens a front on a free port of 127.0.0.1; it takes connections when this returns.
    pub async fn start(options: FrontOptions) -> Result<Front, FrontError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(FrontError::Bind)?;
        let address = listener.local_addr().map_err(FrontError::Bind)?;
        let upstream = Address::new(options.upstream);
        let is_tls = options.tls.is_some();
        let accepting = tokio::spawn(accept(listener, Arc::new(options), upstream.clone()));
        Ok(Front { address, is_tls, upstream, accepting })
    }

    /// The address callers connect to.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL callers are given, without a path: `http://127.0.0.1:40123`, or `https://` where the front speaks TLS.
    /// The certificate is good for `localhost` and `127.0.0.1`.
    pub fn url(&self, host: &str) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{host}:{}", self.address.port())
    }

    /// Says where the service is, or is now. Requests that come before the first time are answered 503.
    pub fn set_upstream(&self, address: SocketAddr) {
        self.upstream.set(address);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Takes connections for as long as the front lives; they end with this task, because it holds them.
async fn accept(listener: TcpListener, options: Arc<FrontOptions>, upstream: Address) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An accept that fails concerns the one connection that went away; out of descriptors, the next
                // attempt waits until another task has run and perhaps closed some.
                match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(serve(stream, peer, options.clone(), upstream.clone()));
                    }
                    Err(_) => tokio::task::yield_now().await,
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
