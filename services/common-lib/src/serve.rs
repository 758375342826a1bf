//! Serving a router over HTTP/1.1 and HTTP/2 (h2c) on one port, until it is time to stop.
//!
//! Both services use it, the gRPC one too: tonic's services are routes like others. The servers that axum and tonic bring let
//! connections run on when they are dropped, so a request that outlasts the grace period would still be open, its span with it,
//! when the exporter shuts down. Here every connection is a task that this function owns.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::Service as _;

use crate::instrument::Instrumentation;
use crate::start::{GRACE, UNWIND};

/// Streams that callers may cancel before they were accepted, on one connection. HTTP/2's protection against floods of resets
/// would close it after twenty, and with it the calls that nobody canceled.
const PENDING_RESETS: usize = 100_000;

/// Serves until `stop` is ready and what was in flight has ended, or five seconds later, when what is left is cut off. Either
/// way every request span has ended when this returns, so the exporter can shut down. Handlers find the peer's address as
/// `ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    instrumentation: &Instrumentation,
    stop: impl Future<Output = ()>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .max_pending_accept_reset_streams(PENDING_RESETS)
        // Many calls canceled at once are everyday here (deadlines); they must not cost the connection.
        .max_local_error_reset_streams(None);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
            // The results of ended connections would otherwise pile up.
            Some(_) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                not_accepted(&error).await;
                continue;
            }
        };
        // Small answers must not wait for the client's acknowledgment. Without it they are merely later.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
            // A router is always ready.
            router.clone().call(request)
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        connections.spawn(graceful.watch(connection));
    }
    drop(listener);
    if timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still open when the grace period ended");
    }
    connections.shutdown().await;
    // Streams of HTTP/2 are tasks of their own, which end soon after their connection.
    if timeout(UNWIND, instrumentation.idle()).await.is_err() {
        tracing::warn!("requests were still running after their connections had been closed");
    }
}

/// What failed is one connection that broke before it was accepted, or the process has too many files open.
async fn not_accepted(error: &std::io::Error) {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        // waits on purpose: a file may be closed meanwhile, and nothing tells when
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
