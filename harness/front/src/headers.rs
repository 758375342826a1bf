//! Headers: as they are recorded, and what must change where a hop changes the HTTP version.

use http::header::{CONNECTION, COOKIE, Entry, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
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

/// `Host` or `:authority` as the caller sent it, which may hold a password; empty where it sent none.
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

/// Removes the offer to go on in HTTP/2 without TLS (`Upgrade: h2c`, RFC 7540, section 3.2), which some clients make with
/// every request. A service that took it would answer in frames that nothing here could read; it is free not to take it.
pub(crate) fn remove_h2c(headers: &mut HeaderMap) {
    let is_h2c = |word: &str| word.eq_ignore_ascii_case("h2c");
    if !list(headers, UPGRADE).any(is_h2c) {
        return;
    }
    let settings = HeaderName::from_static("http2-settings");
    headers.remove(&settings);
    keep_in_list(headers, UPGRADE, |word| !is_h2c(word));
    let is_upgrade_left = headers.contains_key(UPGRADE);
    keep_in_list(headers, CONNECTION, |word| {
        !word.eq_ignore_ascii_case(settings.as_str())
            && (is_upgrade_left || !word.eq_ignore_ascii_case(UPGRADE.as_str()))
    });
}

/// The words of a header that is a list.
fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Leaves a list the words that are wanted, and removes it when there are none.
fn keep_in_list(headers: &mut HeaderMap, name: HeaderName, keep: impl Fn(&str) -> bool) {
    let kept: Vec<&str> = list(headers, name.clone()).filter(|word| keep(word)).collect();
    let kept = HeaderValue::from_str(&kept.join(", ")).ok().filter(|kept| !kept.is_empty());
    match (headers.entry(name), kept) {
        (Entry::Occupied(mut entry), Some(kept)) => drop(entry.insert(kept)),
        (Entry::Occupied(entry), None) => drop(entry.remove_entry_mult()),
        (Entry::Vacant(_), _) => {}
    }
}

/// Removes what belongs to one HTTP/1.1 connection.
pub(crate) fn remove_connection_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = list(headers, CONNECTION).filter_map(|name| name.parse().ok()).collect();
    let keep_alive = HeaderName::from_static("keep-alive");
    let proxy = HeaderName::from_static("proxy-connection");
    for name in named.into_iter().chain([CONNECTION, TRANSFER_ENCODING, UPGRADE, keep_alive, proxy]) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, value.parse().expect("a value"));
        }
        remove_h2c(&mut headers);
        let left: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        assert_eq!(left, expected);
    }

    #[test]
    fn only_the_offer_of_h2c_is_removed() {
        let host = ("host", "x");
        check(
            &[host, ("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AA")],
            &[host],
        );
        check(
            &[host, ("connection", "keep-alive, Upgrade, HTTP2-Settings"), ("upgrade", "h2c, websocket")],
            &[host, ("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")],
        );
        let websocket = [host, ("connection", "Upgrade"), ("upgrade", "websocket")];
        check(&websocket, &websocket);
    }
}
