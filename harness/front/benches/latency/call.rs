//! One gRPC-like call: its service, its connection and itself. The benchmarks of this crate and of what stands on it use it.

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use criterion::Criterion;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

/// How many calls are in flight in the rows "at once".
const AT_ONCE: usize = 64;

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let message = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::new(message).with_trailers(async { Some(Ok(trailers)) });
    Ok(Response::builder().header("content-type", "application/grpc").body(body).expect("a response"))
}

/// Starts a service that answers with what it was sent.
pub(crate) async fn service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    address
}

async fn connect(address: SocketAddr, ca_pem: Option<&str>) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let builder = http2::Builder::new(TokioExecutor::new());
    let Some(ca_pem) = ca_pem else {
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        return sender;
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("a certificate")).expect("a root");
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS");
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

async fn call(mut sender: SendRequest<Full<Bytes>>) -> Bytes {
    let request = Request::post("http://localhost/service.v1.Service/Method")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01")
        .body(Full::new(Bytes::from_static(b"\0\0\0\0\x05hello")))
        .expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    response.into_body().collect().await.expect("a body").to_bytes()
}

/// Measures calls one after another and many at once; over TLS where there is a certificate to trust.
pub(crate) fn measure(
    criterion: &mut Criterion,
    runtime: &Runtime,
    way: &str,
    address: SocketAddr,
    ca_pem: Option<&str>,
) {
    let sender = runtime.block_on(connect(address, ca_pem));
    criterion.bench_function(&format!("one call/{way}"), |bencher| {
        bencher.iter(|| black_box(runtime.block_on(call(sender.clone()))));
    });
    criterion.bench_function(&format!("{AT_ONCE} calls at once/{way}"), |bencher| {
        bencher.iter(|| black_box(runtime.block_on(join_all((0..AT_ONCE).map(|_| call(sender.clone()))))));
    });
}
