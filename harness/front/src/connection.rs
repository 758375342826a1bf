//! One connection of a caller: TLS where the front speaks it, the byte tap, hyper, and the service's side.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use spanwise_model::Source;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::byte_tap::{Refused, Watch, Watched};
use crate::forward::forward;
use crate::front::{FrontOptions, UpstreamProtocol};
use crate::tunnel::Tunnel;
use crate::upstream::{Address, MAX_HEADER_LIST, MAX_HEADERS, RESET_STREAMS, Upstream};
use crate::{Policy, TapLog};

/// What the exchanges of one connection share.
pub(crate) struct Connection {
    pub(crate) from: Option<Source>,
    pub(crate) to: Source,
    pub(crate) tls: bool,
    pub(crate) peer: SocketAddr,
    pub(crate) protocol: UpstreamProtocol,
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) log: Arc<TapLog>,
    upstream: Arc<Upstream>,
    /// The service's side of each instance that a policy chose.
    instances: Mutex<HashMap<SocketAddr, Arc<Upstream>>>,
    pub(crate) watch: Watch,
    /// What the connection goes on as, once its service has agreed to another protocol.
    tunnel: Mutex<Option<Tunnel>>,
}

impl Connection {
    /// The service's side: that of the front, or of one instance.
    pub(crate) fn upstream(&self, instance: Option<SocketAddr>) -> Arc<Upstream> {
        let Some(address) = instance else { return self.upstream.clone() };
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        let connect = || Arc::new(Upstream::new(Address::new(Some(address))));
        instances.entry(address).or_insert_with(connect).clone()
    }

    /// HTTP is over on this connection when the answer at hand has been written.
    pub(crate) fn goes_on_as(&self, tunnel: Tunnel) {
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }

    fn take_tunnel(&self) -> Option<Tunnel> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Serves a connection until either side closes it.
pub(crate) async fn serve(stream: TcpStream, peer: SocketAddr, options: Arc<FrontOptions>, address: Address) {
    // Small frames must not wait for each other; a socket that refuses the option serves all the same.
    let _ = stream.set_nodelay(true);
    match &options.tls {
        None => serve_stream(stream, peer, &options, address).await,
        Some(tls) => {
            let acceptor = tokio_rustls::TlsAcceptor::from(tls.config.clone());
            // A caller that does not trust the certificate ends here, and knows why better than we do.
            if let Ok(stream) = acceptor.accept(stream).await {
                serve_stream(stream, peer, &options, address).await;
            }
        }
    }
}

async fn serve_stream<S>(stream: S, peer: SocketAddr, options: &FrontOptions, address: Address)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let refused = Refused {
        log: options.log.clone(),
        from: options.from.clone(),
        to: options.to.clone(),
        tls: options.tls.is_some(),
    };
    let watch = Watch::new(refused);
    let connection = Arc::new(Connection {
        from: options.from.clone(),
        to: options.to.clone(),
        tls: options.tls.is_some(),
        peer,
        protocol: options.protocol,
        policy: options.policy.clone(),
        log: options.log.clone(),
        upstream: Arc::new(Upstream::new(address)),
        instances: Mutex::default(),
        watch: watch.clone(),
        tunnel: Mutex::default(),
    });
    let requests = connection.clone();
    let service = service_fn(move |request: Request<Incoming>| forward(requests.clone(), request));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().preserve_header_case(true).auto_date_header(false).max_headers(MAX_HEADERS);
    server
        .http2()
        .auto_date_header(false)
        // How many streams are served at once is the service's to say; what is too much for it waits here.
        .max_concurrent_streams(None)
        .max_pending_accept_reset_streams(RESET_STREAMS)
        .max_local_error_reset_streams(None)
        .max_header_list_size(MAX_HEADER_LIST);
    let served = server
        .serve_connection_with_upgrades(TokioIo::new(Watched::new(stream, watch.clone())), service)
        .await;
    // How the connection ended is in the taps of its exchanges, but for a request that became none.
    let unread = served.as_ref().err().and_then(|error| error.downcast_ref::<hyper::Error>());
    if let Some(error) = unread.filter(|error| error.is_parse()) {
        // A target that is too long by itself counts as too large, too, though hyper answers 414 to it.
        watch.http1_refused(if error.is_parse_too_large() { 431 } else { 400 });
    }
    if let Some(tunnel) = connection.take_tunnel() {
        tunnel.run().await;
    }
}
