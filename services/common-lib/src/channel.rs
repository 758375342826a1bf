//! gRPC channels, insecure and secure, from a URL.
//!
//! The backend client and both gRPC exporters open theirs here, so that one rule says when a channel is secure.

use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

/// Where a channel leads: parsed from a URL, whose scheme may be left out. `https://` or port 443 means TLS.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The host as spans name it, without brackets around an IPv6 address.
    pub host: String,
    /// The port; that of the scheme where the URL has none.
    pub port: u16,
    /// Scheme, host and port to connect to; the scheme is the one that is really spoken.
    origin: Uri,
}

/// The text is no URL, or has no host, or a scheme other than `http` and `https`.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("not an http or https url")]
pub struct NoTarget;

/// TLS could not be set up: no certificate authority is trusted.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up a secure channel to {origin}")]
pub struct ChannelError {
    origin: Uri,
    source: tonic::transport::Error,
}

/// An endpoint to open a channel to, with TLS where the target asks for it: the platform's certificate authorities are
/// trusted, or those of `SSL_CERT_FILE`.
///
/// # Errors
/// The target is secure and no authority is trusted.
pub fn endpoint(target: &Target) -> Result<Endpoint, ChannelError> {
    let endpoint = Endpoint::from(target.origin.clone())
        .tcp_nodelay(true)
        // Many calls cancelled at once are everyday here (deadlines); they must not cost the connection.
        .http2_max_local_error_reset_streams(None);
    if !target.is_secure() {
        return Ok(endpoint);
    }
    endpoint
        .tls_config(ClientTlsConfig::new().with_native_roots())
        .map_err(|source| ChannelError { origin: target.origin.clone(), source })
}

/// A channel that connects when it is first used. Must be called inside a tokio runtime.
///
/// # Errors
/// As [`endpoint`].
pub fn lazy(target: &Target) -> Result<Channel, ChannelError> {
    Ok(endpoint(target)?.connect_lazy())
}

impl Target {
    /// Whether TLS is spoken there.
    pub fn is_secure(&self) -> bool {
        self.origin.scheme() == Some(&Scheme::HTTPS)
    }

    /// The URL by which the service there knows itself: no path, and no port where it is that of the scheme.
    pub fn audience(&self) -> String {
        let scheme = self.origin.scheme_str().unwrap_or_default();
        let host = self.origin.host().unwrap_or_default();
        match self.port {
            443 if self.is_secure() => format!("{scheme}://{host}"),
            80 if !self.is_secure() => format!("{scheme}://{host}"),
            port => format!("{scheme}://{host}:{port}"),
        }
    }
}

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(url: &str) -> Result<Self, NoTarget> {
        let text = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = text.parse().map_err(|_| NoTarget)?;
        let authority: &Authority = uri.authority().ok_or(NoTarget)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => authority.port_u16() == Some(443),
            _ => return Err(NoTarget),
        };
        let mut parts = Parts::default();
        parts.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            origin: Uri::from_parts(parts).map_err(|_| NoTarget)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://localhost:9000", "http://localhost:9000/", "localhost", 9000)]
    #[case("https://backend.example", "https://backend.example/", "backend.example", 443)]
    #[case("https://backend.example:8443/", "https://backend.example:8443/", "backend.example", 8443)]
    #[case("http://backend.example:443", "https://backend.example:443/", "backend.example", 443)]
    #[case("backend.example:443", "https://backend.example:443/", "backend.example", 443)]
    #[case("backend.example:80", "http://backend.example:80/", "backend.example", 80)]
    #[case("http://[::1]:50051", "http://[::1]:50051/", "::1", 50051)]
    fn urls(#[case] url: &str, #[case] origin: &str, #[case] host: &str, #[case] port: u16) {
        let found: Target = url.parse().unwrap();
        assert_eq!(found, Target { host: host.to_owned(), port, origin: origin.parse().unwrap() });
    }

    #[rstest]
    #[case("https://backend.example/greet?x=1", "https://backend.example")]
    #[case("backend.example:443", "https://backend.example")]
    #[case("https://[::1]:8443", "https://[::1]:8443")]
    #[case("http://backend.example", "http://backend.example")]
    fn audiences(#[case] url: &str, #[case] expected: &str) {
        assert_eq!(url.parse::<Target>().unwrap().audience(), expected);
    }

    #[rstest]
    #[case("")]
    #[case("unix:///tmp/socket")]
    #[case("http://")]
    #[case("two words")]
    fn refused(#[case] url: &str) {
        assert_eq!(url.parse::<Target>(), Err(NoTarget), "{url:?}");
    }
}
