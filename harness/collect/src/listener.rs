//! Ports: one for each source, speaking every protocol that it admits.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use spanwise_model::Source;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::intake::Intake;
use crate::{Behavior, CollectError, Store, serve};

/// The mock backend: a store, and the listeners that fill it.
#[derive(Clone, Debug)]
pub struct Collector {
    store: Arc<Store>,
}

/// What a collector is made with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How many bytes of payloads the store keeps before it refuses more with `RESOURCE_EXHAUSTED`;
    /// `None` for no bound.
    pub max_memory: Option<u64>,
}

/// Whom a listener stands for when OTLP comes in. Cloud Trace v2 requests are always judged as Google's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persona {
    /// Any collector: takes everything that can be parsed.
    #[default]
    Otlp,
    /// Google's Telemetry API: what it would refuse is recorded as such.
    Google,
}

/// Which protocols a port serves; others are answered like unknown paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols {
    /// OTLP over gRPC.
    pub otlp_grpc: bool,
    /// OTLP over HTTP, protobuf and JSON.
    pub otlp_http: bool,
    /// Cloud Trace v2, over gRPC and REST.
    pub cloud_trace: bool,
}

impl Protocols {
    /// Every protocol on one port.
    pub const ALL: Protocols = Protocols { otlp_grpc: true, otlp_http: true, cloud_trace: true };
    /// None, to be built upon.
    pub const NONE: Protocols = Protocols { otlp_grpc: false, otlp_http: false, cloud_trace: false };
}

/// How to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Whose payloads come in here; `None` where anyone's may.
    pub source: Option<Source>,
    /// Where anyone's may: those that are known, by their `service.name`.
    pub senders: HashMap<String, Source>,
    /// Whom the listener stands for.
    pub persona: Persona,
    /// Where to listen; port 0 for a free one.
    pub address: SocketAddr,
    /// What to speak.
    pub protocols: Protocols,
    /// How to misbehave.
    pub behavior: Behavior,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions {
            source: None,
            senders: HashMap::new(),
            persona: Persona::Otlp,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            protocols: Protocols::ALL,
            behavior: Behavior::default(),
        }
    }
}

/// A port that listens until this is dropped or closed; connections end with it.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    intake: Arc<Intake>,
    accepting: JoinHandle<()>,
    /// Said once, to the accepting task and to every connection.
    closing: watch::Sender<bool>,
}

/// How long a peer may take to let go of its connection once the port is closed: a request in flight has come in whole by
/// then, or never will.
const GRACE: Duration = Duration::from_secs(5);

impl Listener {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL, `http://127.0.0.1:40123`, as `OTEL_EXPORTER_OTLP_ENDPOINT` takes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on all that comes in is kept by another collector.
    pub fn deliver_to(&self, collector: &Collector) {
        self.intake.deliver_to(collector.store.clone());
    }

    /// Closes the port, and waits until requests in flight are answered. When this returns, all that was ever acknowledged
    /// is in the store, and nothing more is.
    pub async fn close(mut self) {
        self.closing.send_replace(true);
        // Whoever does not let go in time is cut off when this is dropped.
        if tokio::time::timeout(GRACE, &mut self.accepting).await.is_err() {
            self.accepting.abort();
            let _ = (&mut self.accepting).await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Collector {
    /// A collector with an empty store, listening nowhere yet.
    pub fn new(options: Options) -> Collector {
        Collector { store: Arc::new(Store::new(options.max_memory)) }
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Listens on a free loopback port for one service instance. Connections are accepted once this has returned.
    ///
    /// # Errors
    /// When no port can be bound, or outside a tokio runtime.
    pub fn listen(&self, source: Source, persona: Persona) -> Result<Listener, CollectError> {
        self.listen_with(ListenOptions { source: Some(source), persona, ..ListenOptions::default() })
    }

    /// Listens as the options say.
    ///
    /// # Errors
    /// When the address cannot be bound, or outside a tokio runtime.
    pub fn listen_with(&self, options: ListenOptions) -> Result<Listener, CollectError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| CollectError::NoRuntime)?;
        let bind = |address| {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(listener)
        };
        let failed = |source| CollectError::Bind { address: options.address, source };
        let listener = bind(options.address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let intake = Arc::new(Intake::new(self.store.clone(), options));
        let closing = watch::Sender::new(false);
        let accepting = runtime.spawn(accept(listener, intake.clone(), closing.subscribe()));
        Ok(Listener { address, intake, accepting, closing })
    }
}

/// Accepts connections until it is told to close, and then ends when they have; or until it is aborted, which ends them too.
async fn accept(listener: tokio::net::TcpListener, intake: Arc<Intake>, mut closing: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    // Declared last, it is dropped first: when connections end, the port is free already.
    let listener = listener;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.changed() => break,
        };
        // An accept that fails (out of descriptors, a peer gone already) says nothing of the next one.
        let Ok((stream, _)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        // Small answers must not wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        connections.spawn(serve_connection(stream, intake.clone(), closing.clone()));
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection until the peer ends it or, once it is told to close, until its requests in flight are answered.
async fn serve_connection(
    stream: tokio::net::TcpStream,
    intake: Arc<Intake>,
    mut closing: watch::Receiver<bool>,
) {
    let service = hyper::service::service_fn(move |request| {
        let intake = intake.clone();
        async move { Ok::<_, Infallible>(serve::serve(intake, request).await) }
    });
    let server = server();
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    // A connection that breaks is the peer's business; what it had sent in full is in the store.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Windows are wide, so that a batch of megabytes arrives without a round trip for every 64 KiB.
fn server() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http2()
        .initial_stream_window_size(8 << 20)
        .initial_connection_window_size(16 << 20)
        .max_pending_accept_reset_streams(100_000)
        .max_local_error_reset_streams(None);
    server
}
