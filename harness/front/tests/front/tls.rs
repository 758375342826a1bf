//! TLS ends at the front; the service behind it speaks plaintext.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use spanwise_front::tls::Authority;
use spanwise_front::{Front, TapLog, UpstreamProtocol};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::canned;
use crate::service::{Service, options};
use crate::wire::{connect, exchange, grpc, handshake};

/// A connection over TLS to a front that has its certificate of this authority.
pub(crate) async fn tls(
    address: SocketAddr,
    name: &str,
    ca_pem: &str,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("a certificate")).expect("a root");
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from(name.to_owned()).expect("a name"), stream)
        .await
}

async fn secure_front(service: &Service, authority: &Authority) -> (Front, Arc<TapLog>) {
    let log = Arc::new(TapLog::new());
    let mut options = options(&log, Some(service.addr));
    options.tls = Some(authority.server_tls());
    (Front::start(options).await.expect("a front"), log)
}

#[tokio::test]
async fn an_exchange_over_tls_is_the_one_in_plaintext() {
    let (service, authority) = (Service::start().await, Authority::new().expect("an authority"));
    let (front, log) = secure_front(&service, &authority).await;
    assert_eq!(front.url("localhost"), format!("https://localhost:{}", front.addr().port()));
    for name in ["localhost", "127.0.0.1"] {
        let stream = tls(front.addr(), name, authority.ca_pem(), &[b"h2", b"http/1.1"]).await.expect("TLS");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let through = exchange(&handshake(stream).await, grpc("/stream")).await;
        assert_eq!(through, exchange(&connect(service.addr).await, grpc("/stream")).await);
    }
    assert!(log.all().iter().all(|tap| tap.tls));
}

#[tokio::test]
async fn without_alpn_the_first_bytes_decide() {
    let (service, authority) = (Service::start().await, Authority::new().expect("an authority"));
    let (front, _log) = secure_front(&service, &authority).await;
    let stream = tls(front.addr(), "localhost", authority.ca_pem(), &[]).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    let shown = exchange(&handshake(stream).await, grpc("/trailers-only")).await;
    assert!(shown.starts_with("HEADERS 200"), "{shown}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_has_an_unknown_issuer() {
    let (service, authority) = (Service::start().await, Authority::new().expect("an authority"));
    let (front, log) = secure_front(&service, &authority).await;
    let other = Authority::new().expect("an authority");
    let refused = tls(front.addr(), "localhost", other.ca_pem(), &[b"h2"]).await.expect_err("no TLS");
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    assert!(log.is_empty());
}

#[tokio::test]
async fn behind_tls_a_service_of_http1_alone_serves_a_caller_of_http2() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
    let (service, authority) = (canned::http1(answer).await, Authority::new().expect("an authority"));
    let log = Arc::new(TapLog::new());
    let mut options = options(&log, Some(service));
    (options.tls, options.protocol) = (Some(authority.server_tls()), UpstreamProtocol::Http1);
    let front = Front::start(options).await.expect("a front");
    let stream =
        tls(front.addr(), "localhost", authority.ca_pem(), &[b"h2", b"http/1.1"]).await.expect("TLS");
    let get = http::Request::builder().uri("https://localhost/").body(()).expect("a request");
    let shown = exchange(&handshake(stream).await, (get, Default::default())).await;
    assert_eq!(shown, "HEADERS 200 content-length=3\nDATA 3 END_STREAM");
}
