//! The HTTP client of the OTLP/HTTP exporters: hyper on tokio, plaintext and TLS.
//!
//! `telemetry` hands it to `opentelemetry-otlp`, as does who makes an exporter of their own. The batch processor exports from a thread of its own that knows no
//! tokio, so every request runs as a task of the runtime and the thread waits for its result. The clients the exporter offers
//! itself either fail on that thread or bring a second TLS stack.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_http::{HttpClient, HttpError};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::util::BoxCloneSyncService;
use tower::{Service as _, ServiceExt as _, service_fn};

use crate::cloud_run::{Tokens, is_for_google};

/// An answer to an export is a few bytes; more than this is no collector.
const MAX_ANSWER: usize = 1 << 20;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connector = BoxCloneSyncService<Uri, TokioIo<Stream>, BoxError>;

/// Sends requests on the runtime it was made in.
#[derive(Debug, Clone)]
pub struct OtlpHttpClient {
    client: Client<Connector, Full<Bytes>>,
    timeout: Duration,
    runtime: Handle,
    tokens: Option<Tokens>,
}

impl OtlpHttpClient {
    /// A client whose requests may take this long, response included. Must be called inside a tokio runtime.
    pub fn new(timeout: Duration) -> Self {
        let connector: Connector = BoxCloneSyncService::new(service_fn(connect));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, timeout, runtime: Handle::current(), tokens: None }
    }

    /// The same, with these tokens for Google where they may go ([`is_for_google`]) and no other credentials were given.
    #[must_use]
    pub fn with_tokens(self, tokens: Option<Tokens>) -> Self {
        Self { tokens, ..self }
    }
}

#[tonic::async_trait]
impl HttpClient for OtlpHttpClient {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let is_secure = request.uri().scheme() == Some(&Scheme::HTTPS);
        let may_carry = is_secure && is_for_google(request.uri().host().unwrap_or_default());
        let tokens =
            self.tokens.clone().filter(|_| may_carry && !request.headers().contains_key(AUTHORIZATION));
        let exchange = async move {
            if let Some(tokens) = tokens {
                request.headers_mut().insert(AUTHORIZATION, tokens.token().await?.bearer());
            }
            let response = client.request(request.map(Full::new)).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        let timeout = self.timeout;
        self.runtime.spawn(async move { tokio::time::timeout(timeout, exchange).await? }).await?
    }
}

async fn connect(uri: Uri) -> Result<TokioIo<Stream>, BoxError> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let tcp = connector.ready().await?.call(uri.clone()).await?.into_inner();
    if uri.scheme_str() != Some("https") {
        return Ok(TokioIo::new(Stream::Plain(tcp)));
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned())?;
    let tls = TlsConnector::from(crate::tls::client_config()?).connect(name, tcp).await?;
    Ok(TokioIo::new(Stream::Tls(Box::new(tls))))
}

/// A connection with or without TLS.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
