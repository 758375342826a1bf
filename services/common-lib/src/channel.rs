//! gRPC channels, insecure and secure, from a URL.
//!
//! The backend client and both gRPC exporters open theirs here, so that one rule says when a channel is secure.

use http::Uri;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

/// A URL that names no gRPC server.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The text is no URL, or has no host, or a scheme other than `http` and `https`.
    #[error("{0:?} is not an http or https url")]
    Url(String),
    /// TLS could not be set up: no trusted certificate authority.
    #[error("cannot set up a secure channel to {0:?}")]
    Tls(String, #[source] tonic::transport::Error),
}

/// Where a channel leads, as its CLIENT spans name it.
#[derive(Debug, Clone, PartialEq)]
pub struct Address {
    /// The host, without brackets around an IPv6 address.
    pub host: String,
    /// The port; that of the scheme where the URL has none.
    pub port: u16,
}

/// A channel that connects when it is first used, and where it leads. `https://` or port 443 means TLS, with the
/// platform's certificate authorities or those of `SSL_CERT_FILE`. Must be called inside a tokio runtime.
///
/// # Errors
/// The URL cannot be used, or it is secure and no authority is trusted.
pub fn lazy(url: &str, user_agent: Option<&str>) -> Result<(Channel, Address), ChannelError> {
    let (origin, address) = parse(url)?;
    let refused = |_| ChannelError::Url(url.to_owned());
    let secure = origin.scheme() == Some(&Scheme::HTTPS);
    let mut endpoint = Endpoint::from(origin)
        .tcp_nodelay(true)
        // Many calls cancelled at once are everyday here (deadlines); they must not cost the connection.
        .http2_max_local_error_reset_streams(None);
    if let Some(user_agent) = user_agent {
        endpoint = endpoint.user_agent(user_agent.to_owned()).map_err(refused)?;
    }
    if secure {
        let tls = ClientTlsConfig::new().with_native_roots();
        endpoint = endpoint.tls_config(tls).map_err(|error| ChannelError::Tls(url.to_owned(), error))?;
    }
    Ok((endpoint.connect_lazy(), address))
}

/// The origin to connect to, with the scheme it really has, and the address for spans.
fn parse(url: &str) -> Result<(Uri, Address), ChannelError> {
    let refused = || ChannelError::Url(url.to_owned());
    let text = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = text.parse().map_err(|_| refused())?;
    let authority: &Authority = uri.authority().ok_or_else(refused)?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => authority.port_u16() == Some(443),
        _ => return Err(refused()),
    };
    let address = Address {
        host: authority.host().trim_matches(['[', ']']).to_owned(),
        port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
    };
    let mut parts = Parts::default();
    parts.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority.clone());
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    let origin = Uri::from_parts(parts).map_err(|_| refused())?;
    Ok((origin, address))
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
        let (found, address) = parse(url).unwrap();
        assert_eq!((found.to_string().as_str(), address), (origin, Address { host: host.to_owned(), port }));
    }

    #[rstest]
    #[case("")]
    #[case("unix:///tmp/socket")]
    #[case("http://")]
    #[case("two words")]
    fn refused(#[case] url: &str) {
        assert!(parse(url).is_err(), "{url:?}");
    }
}
