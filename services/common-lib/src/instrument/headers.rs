//! Reading requests for the layers: carriers for the propagators, host and port, the gRPC method.
//!
//! It knows headers and URIs only, no spans.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::header::{FORWARDED, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use opentelemetry::propagation::{Extractor, Injector};

/// Writes context into headers. Names are lowered (gRPC metadata allows nothing else) and an empty value is left out: the
/// W3C propagator would otherwise send an empty `tracestate`.
pub(super) struct HeaderWriter<'a>(pub(super) &'a mut HeaderMap);

impl Injector for HeaderWriter<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (false, Ok(name), Ok(value)) =
            (value.is_empty(), HeaderName::from_bytes(key.as_bytes()), HeaderValue::from_str(&value))
        {
            self.0.insert(name, value);
        }
    }
}

/// Reads context from headers. A list that came in several lines is one list (W3C "Trace Context", section "tracestate Header",
/// and "Baggage"); of any other header the first line counts.
pub(super) struct HeaderReader<'a> {
    headers: &'a HeaderMap,
    joined: Vec<(&'static str, String)>,
}

impl<'a> HeaderReader<'a> {
    pub(super) fn new(headers: &'a HeaderMap) -> Self {
        let lines = |name| headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        let lists = ["baggage", "tracestate"].into_iter().filter(|name| lines(*name).nth(1).is_some());
        Self {
            headers,
            joined: lists.map(|name| (name, lines(name).collect::<Vec<_>>().join(","))).collect(),
        }
    }
}

impl Extractor for HeaderReader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let joined = self.joined.iter().find(|(name, _)| *name == key);
        joined.map_or_else(|| text(self.headers, key), |(_, list)| Some(list))
    }

    fn keys(&self) -> Vec<&str> {
        self.headers.keys().map(HeaderName::as_str).collect()
    }
}

/// A header's value as text, if it is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The scheme the client used: what the front end says it was, else that of the request.
pub(super) fn scheme<B>(request: &Request<B>) -> &str {
    let forwarded = text(request.headers(), "x-forwarded-proto").and_then(|list| list.split(',').next());
    match forwarded.map(str::trim) {
        Some("https") => "https",
        Some("http") => "http",
        _ => request.uri().scheme_str().unwrap_or("http"),
    }
}

/// The host and port the client addressed, from `:authority` or `Host`; without a port that of the scheme.
pub(super) fn server_address<B>(request: &Request<B>) -> Option<(String, u16)> {
    let host = || text(request.headers(), HOST.as_str())?.parse::<Authority>().ok();
    let authority = request.uri().authority().cloned().or_else(host)?;
    let port = authority.port_u16().unwrap_or(if scheme(request) == "https" { 443 } else { 80 });
    Some((authority.host().trim_matches(['[', ']']).to_owned(), port))
}

/// The client's address: the first that a front end names, else the peer's, as `serve` notes it down.
pub(super) fn client_address<B>(request: &Request<B>) -> Option<String> {
    let (headers, peer) = (request.headers(), request.extensions().get::<ConnectInfo<SocketAddr>>());
    let forwarded = text(headers, "x-forwarded-for").and_then(|list| list.split(',').next()).map(str::trim);
    let forwarded = forwarded.or_else(|| forwarded_for(text(headers, FORWARDED.as_str())?));
    let forwarded = forwarded.filter(|address| !address.is_empty()).map(str::to_owned);
    forwarded.or_else(|| peer.map(|ConnectInfo(peer)| peer.ip().to_string()))
}

/// The first `for=` of a `Forwarded` header (RFC 7239), without quotes.
fn forwarded_for(value: &str) -> Option<&str> {
    let mut pairs = value.split([',', ';']).filter_map(|pair| pair.trim().split_once('='));
    let (_, address) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    Some(address.trim_matches('"'))
}

/// `package.Service/Method` of a gRPC request's path.
pub(super) fn grpc_method(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[rstest]
    #[case::host("/", &[("host", "api.example:8080")], "http", Some(("api.example", 8080)))]
    #[case::default_port("/", &[("host", "api.example")], "http", Some(("api.example", 80)))]
    #[case::behind_a_front(
        "/", &[("host", "api.example"), ("x-forwarded-proto", "https")], "https", Some(("api.example", 443))
    )]
    #[case::authority("http://api.example:81/", &[("host", "other")], "http", Some(("api.example", 81)))]
    #[case::ipv6("/", &[("host", "[::1]:8080")], "http", Some(("::1", 8080)))]
    #[case::nonsense("/", &[("host", "a b"), ("x-forwarded-proto", "gopher")], "http", None)]
    fn addresses(
        #[case] uri: &str,
        #[case] headers: &[(&str, &str)],
        #[case] expected_scheme: &str,
        #[case] address: Option<(&str, u16)>,
    ) {
        let request = request(uri, headers);
        assert_eq!(scheme(&request), expected_scheme);
        assert_eq!(server_address(&request), address.map(|(host, port)| (host.to_owned(), port)));
    }

    #[rstest]
    #[case(&[], Some("192.0.2.1"))]
    #[case(&[("x-forwarded-for", "203.0.113.9, 10.0.0.1")], Some("203.0.113.9"))]
    #[case(&[("forwarded", "for=\"203.0.113.9\";proto=https")], Some("203.0.113.9"))]
    #[case(&[("x-forwarded-for", "")], Some("192.0.2.1"))]
    fn clients(#[case] headers: &[(&str, &str)], #[case] expected: Option<&str>) {
        let mut request = request("/", headers);
        let peer: SocketAddr = "192.0.2.1:5555".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        assert_eq!(client_address(&request).as_deref(), expected);
    }

    #[rstest]
    #[case::one_line("baggage", &[("baggage", "a=1")], Some("a=1"))]
    #[case::baggage("baggage", &[("baggage", "a=1;ttl=30"), ("baggage", "b=2")], Some("a=1;ttl=30,b=2"))]
    #[case::tracestate("tracestate", &[("tracestate", "x=1"), ("tracestate", "y=2")], Some("x=1,y=2"))]
    #[case::no_list("traceparent", &[("traceparent", "first"), ("traceparent", "second")], Some("first"))]
    #[case::absent("baggage", &[], None)]
    fn lists_in_several_lines(
        #[case] name: &str,
        #[case] headers: &[(&str, &str)],
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(HeaderReader::new(request("/", headers).headers()).get(name), expected);
    }
}
