//! Servers for these tests: a gRPC one with reflection, an HTTP one, and one that writes the same bytes each time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use spanwise_demo_proto::FILE_DESCRIPTOR_SET;
use spanwise_demo_proto::backend_service::v1::backend_service_server::{
    BackendService, BackendServiceServer,
};
use spanwise_demo_proto::backend_service::v1::greet_request::Behavior;
use spanwise_demo_proto::backend_service::v1::{GreetRequest, GreetResult};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Status};

/// What the gRPC server serves besides its own service.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extras {
    pub(crate) reflection: bool,
    pub(crate) old_reflection: bool,
    pub(crate) health: bool,
}

struct Greeter;

#[tonic::async_trait]
impl BackendService for Greeter {
    type GreetManyStream = std::pin::Pin<Box<dyn Stream<Item = Result<GreetResult, Status>> + Send>>;

    async fn greet(
        &self,
        request: tonic::Request<GreetRequest>,
    ) -> Result<tonic::Response<GreetResult>, Status> {
        let traceparent = request.metadata().get("traceparent").and_then(|value| value.to_str().ok());
        let reply = format!("{} {}", request.get_ref().name, traceparent.unwrap_or("untraced"));
        match &request.get_ref().behavior {
            Some(Behavior::ErrorCode(code)) => Err(Status::new(Code::from_i32(*code), "as asked")),
            Some(Behavior::DelayMs(_)) => std::future::pending().await,
            _ => Ok(tonic::Response::new(GreetResult { reply })),
        }
    }

    async fn greet_many(
        &self,
        request: tonic::Request<GreetRequest>,
    ) -> Result<tonic::Response<Self::GreetManyStream>, Status> {
        let greetings = stream::iter(["one", "two"]).map(|reply| Ok(GreetResult { reply: reply.to_owned() }));
        Ok(tonic::Response::new(match &request.get_ref().behavior {
            Some(Behavior::FailAfter(_)) => {
                Box::pin(greetings.chain(stream::once(async { Err(Status::data_loss("as asked")) })))
            }
            Some(Behavior::DelayMs(_)) => Box::pin(greetings.chain(stream::pending())),
            _ => Box::pin(greetings),
        }))
    }
}

/// Starts the gRPC server; with an identity over TLS.
pub(crate) async fn grpc(extras: Extras, identity: Option<Identity>) -> SocketAddr {
    let (listener, address) = listen().await;
    let mut server = Server::builder();
    if let Some(identity) = identity {
        server = server.tls_config(ServerTlsConfig::new().identity(identity)).expect("TLS");
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
    };
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let router = server
        .add_service(BackendServiceServer::new(Greeter))
        .add_optional_service(extras.health.then_some(health))
        .add_optional_service(extras.reflection.then(|| reflection().build_v1().expect("descriptors")))
        .add_optional_service(
            extras.old_reflection.then(|| reflection().build_v1alpha().expect("descriptors")),
        );
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

/// Starts an HTTP server that says what it was asked, and counts its connections.
pub(crate) async fn http() -> (SocketAddr, watch::Receiver<usize>) {
    let (listener, address) = listen().await;
    let (count, connections) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.send_modify(|count| *count += 1);
            tokio::spawn(serve(stream));
        }
    });
    (address, connections)
}

/// Starts the same server behind TLS, where ALPN chooses the version; gives the PEM a client must trust.
pub(crate) async fn https() -> (SocketAddr, String) {
    let (listener, address) = listen().await;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a certificate");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            });
        }
    });
    (address, made.cert.pem())
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let server = auto::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service_fn(say)).await;
}

async fn say(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    if head.uri.path() == "/never" {
        std::future::pending::<()>().await;
    }
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let header = |name| head.headers.get(name).map_or("-", |value| value.to_str().unwrap_or("?"));
    let said = format!(
        "{} {} {:?} {} {}",
        head.method,
        head.uri.path_and_query().map_or("", |path| path.as_str()),
        head.version,
        header("x-asked"),
        String::from_utf8_lossy(&body)
    );
    let status = if head.uri.path() == "/missing" { 404 } else { 200 };
    let response = Response::builder().status(status).header("set-cookie", "secret=1");
    Ok(response.body(Full::new(Bytes::from(said))).expect("a response"))
}

/// Starts a server that answers every connection with these bytes and closes it.
pub(crate) async fn canned(bytes: &'static [u8]) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n")
                && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0)
            {}
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

/// An address at which nobody listens, for as long as the socket is held that nobody else can take it.
pub(crate) fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

/// A certificate for localhost, and the PEM a client must trust.
pub(crate) fn certificate() -> (Identity, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    (Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem()), made.cert.pem())
}

/// Long enough that it never passes in a test.
pub(crate) const LONG: Duration = Duration::from_secs(60);

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}
