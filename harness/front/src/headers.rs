//! Headers: as they are recorded, and what must change where a hop changes the HTTP version.

use http::header::{CONNECTION, COOKIE, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Uri, Version, request};
use spanwise_model::{Header, secret};

/// Headers or trailers as they may be kept: in their order, secrets replaced.
pub(crate) fn recorded(headers: &HeaderMap) -> Vec<Header> {
    headers.iter().map(|(name, value)| header(name.as_str().to_owned(), value.as_bytes())).collect()
}

/// One header as it may be kept.
pub(crate) fn header(name: String, value: &[u8]) -> Header {
    let value = secret::header_value(&name, &String::from_utf8_lossy(value)).into_owned();
    Header { name, value }
}

/// `Host` or `:authority` as the caller sent it; empty where it sent none.
pub(crate) fn authority(head: &request::Parts) -> String {
    let host = head.headers.get(HOST).and_then(|value| value.to_str().ok());
    head.uri.authority().map(|authority| authority.as_str()).or(host).unwrap_or_default().to_owned()
}

/// Makes an HTTP/1.1 request of an HTTP/2 one: `Host` for `:authority`, origin form, one cookie line (RFC 9113,
/// sections 8.3.1 and 8.2.3), and no `te`, which is a matter of the hop before.
pub(crate) fn to_http1(head: &mut request::Parts) {
    if head.version != Version::HTTP_2 {
        return;
    }
    if let Ok(host) = HeaderValue::from_str(&authority(head)) {
        head.headers.insert(HOST, host);
    }
    let cookies: Vec<&[u8]> = head.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        head.headers.insert(COOKIE, joined);
    }
    head.headers.remove(TE);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    if let Ok(origin_form) = path.parse::<Uri>() {
        head.uri = origin_form;
    }
    head.version = Version::HTTP_11;
}

/// Makes an HTTP/2 request of any: `:scheme`, `:authority` and `:path` from the URI, nothing that belongs to one
/// HTTP/1.1 connection (RFC 9113, section 8.2.2).
pub(crate) fn to_http2(head: &mut request::Parts) {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    // Behind the front is plaintext, whatever the caller spoke.
    if let Ok(absolute) = format!("http://{}{path}", authority(head)).parse::<Uri>() {
        head.uri = absolute;
    }
    if head.version != Version::HTTP_2 {
        head.headers.remove(HOST);
        remove_connection_headers(&mut head.headers);
    }
    head.version = Version::HTTP_2;
}

/// Removes what belongs to one HTTP/1.1 connection.
pub(crate) fn remove_connection_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let keep_alive = HeaderName::from_static("keep-alive");
    let proxy = HeaderName::from_static("proxy-connection");
    for name in named.into_iter().chain([CONNECTION, TRANSFER_ENCODING, UPGRADE, keep_alive, proxy]) {
        headers.remove(name);
    }
}
