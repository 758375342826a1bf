//! From a URL to a connection that takes requests.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use spanwise_model::HttpVersion;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::DriveError;

/// Where requests go: scheme, host and port of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) is_tls: bool,
    host: String,
    port: u16,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Target, DriveError> {
        let unusable = || DriveError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| unusable())?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(unusable()),
        };
        let host = uri.host().ok_or_else(unusable)?;
        // An IPv6 address stands in brackets in URLs, and nowhere else.
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = address.unwrap_or(host).to_owned();
        Ok(Target { is_tls, host, port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }) })
    }
}

impl fmt::Display for Target {
    /// The authority: `localhost:40123`, `[::1]:40123`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A connection that takes requests.
pub(super) enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Opens connections.
pub(super) struct Connector {
    tls: Option<Arc<ClientConfig>>,
}

impl Connector {
    pub(super) fn plaintext() -> Connector {
        Connector { tls: None }
    }

    pub(super) fn new(ca_pem: Option<&str>) -> Result<Connector, DriveError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem.unwrap_or_default().as_bytes()) {
            let certificate = certificate.map_err(|error| DriveError::Authority(error.to_string()))?;
            roots.add(certificate).map_err(|error| DriveError::Authority(error.to_string()))?;
        }
        // The provider is named, so that nobody has to install one for the process.
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| DriveError::Authority(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Connector { tls: Some(Arc::new(config)) })
    }

    /// Opens a connection; the error says in words why there is none.
    pub(super) async fn connect(&self, target: &Target, version: HttpVersion) -> Result<Sender, String> {
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await;
        let stream = stream.map_err(|error| format!("no connection to {target}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| format!("no connection to {target}: {error}"))?;
        if !target.is_tls {
            return handshake(stream, version).await;
        }
        let protocol: &[u8] = match version {
            HttpVersion::Http1 => b"http/1.1",
            HttpVersion::Http2 => b"h2",
        };
        let tls = self.tls.as_ref().ok_or("this client has no TLS")?;
        let name = ServerName::try_from(target.host.clone()).map_err(|error| format!("TLS: {error}"))?;
        let connector = TlsConnector::from(tls.clone());
        let connecting = connector.with_alpn(vec![protocol.to_vec()]).connect(name, stream);
        let stream = connecting.await.map_err(|error| format!("TLS: {error}"))?;
        handshake(stream, version).await
    }
}

async fn handshake<S>(stream: S, version: HttpVersion) -> Result<Sender, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| format!("no HTTP connection: {error}");
    // A connection's own task ends when its last sender and its last exchange are gone.
    match version {
        HttpVersion::Http1 => {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
            tokio::spawn(connection);
            sender.ready().await.map_err(failed)?;
            Ok(Sender::Http1(sender))
        }
        HttpVersion::Http2 => {
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .max_local_error_reset_streams(None)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(failed)?;
            tokio::spawn(connection);
            Ok(Sender::Http2(sender))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, host: &str, authority: &str) {
        let target = Target::parse(url).expect("a URL");
        assert_eq!((target.host.as_str(), target.to_string().as_str()), (host, authority));
        assert!(ServerName::try_from(target.host).is_ok(), "{url}");
    }

    #[test]
    fn an_ipv6_address_has_brackets_in_the_authority_alone() {
        check("http://localhost", "localhost", "localhost:80");
        check("https://127.0.0.1:8443", "127.0.0.1", "127.0.0.1:8443");
        check("https://[::1]", "::1", "[::1]:443");
        check("http://[::1]:8080/", "::1", "[::1]:8080");
    }
}
