//! A collector of a few lines that takes every export protocol on one port, with or without TLS, and keeps the bytes.
//!
//! The process tests start one for each case. It judges nothing.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::authority::{self, authority};

/// One request that came.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    /// Its path.
    pub(crate) path: String,
    /// Its `user-agent`.
    pub(crate) user_agent: String,
    /// Its `authorization`; empty if it has none.
    pub(crate) authorization: String,
    /// Its body; for gRPC with the five bytes before the message.
    pub(crate) body: Bytes,
}

/// What has come, and what the next answers are to be; shared with the connections.
#[derive(Clone, Default)]
struct Exports {
    seen: Arc<Mutex<Vec<Export>>>,
    refusals: Arc<Mutex<Vec<&'static str>>>,
    /// Whether the next request is never to be answered.
    ignores: Arc<AtomicBool>,
    came: Arc<Notify>,
}

/// A collector; it ends when it is dropped.
pub(crate) struct Collector {
    /// Where it listens.
    pub(crate) url: String,
    /// A PEM file with the authority that its certificate is from.
    pub(crate) authority: PathBuf,
    exports: Exports,
    task: JoinHandle<()>,
}

impl Collector {
    /// Starts one on a free port.
    pub(crate) async fn start(secure: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let signer = authority();
        let acceptor = authority::acceptor(&signer, &["h2", "http/1.1"]);
        let authority = authority::file(&signer, &port.to_string());
        let exports = Exports::default();
        let url = format!("{}://localhost:{port}", if secure { "https" } else { "http" });
        let task = tokio::spawn(accept(listener, secure.then_some(acceptor), exports.clone()));
        Self { url, authority, exports, task }
    }

    /// What has come so far.
    pub(crate) fn exports(&self) -> Vec<Export> {
        self.exports.seen.lock().unwrap().clone()
    }

    /// Answers the next gRPC request with this status instead of OK.
    pub(crate) fn refuse_next(&self, grpc_status: &'static str) {
        self.exports.refusals.lock().unwrap().push(grpc_status);
    }

    /// Leaves the next request without an answer.
    pub(crate) fn ignore_next(&self) {
        self.exports.ignores.store(true, Ordering::SeqCst);
    }

    /// Waits for a request that nobody has waited for yet.
    pub(crate) async fn came(&self) {
        let came = tokio::time::timeout(Duration::from_secs(60), self.exports.came.notified()).await;
        came.expect("an export within a minute");
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, exports: Exports) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let (acceptor, exports) = (acceptor.clone(), exports.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, exports.clone()));
            let builder = auto::Builder::new(TokioExecutor::new());
            // A connection that breaks shows in the exports that are missing.
            let _ = match acceptor {
                None => builder.serve_connection(TokioIo::new(tcp), service).await,
                Some(acceptor) => {
                    let tls = acceptor.accept(tcp).await.unwrap();
                    builder.serve_connection(TokioIo::new(tls), service).await
                }
            };
        });
    }
}

type Answer = StreamBody<
    futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, std::convert::Infallible>>>,
>;

/// Success, in the protocol of the request.
async fn answer(request: Request<Incoming>, exports: Exports) -> Result<Response<Answer>, hyper::Error> {
    let text =
        |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let (content_type, user_agent) = (text("content-type"), text("user-agent"));
    let authorization = text("authorization");
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    exports.seen.lock().unwrap().push(Export { path, user_agent, authorization, body });
    exports.came.notify_one();
    if exports.ignores.swap(false, Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let mut frames = Vec::new();
    if content_type.starts_with("application/grpc") {
        let status = exports.refusals.lock().unwrap().pop().unwrap_or("0");
        if status == "0" {
            // An empty message.
            frames.push(Ok(Frame::data(Bytes::from_static(&[0; 5]))));
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        frames.push(Ok(Frame::trailers(trailers)));
    } else if content_type == "application/json" {
        frames.push(Ok(Frame::data(Bytes::from_static(b"{}"))));
    }
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Ok(Response::builder().header("content-type", content_type).body(body).unwrap())
}
