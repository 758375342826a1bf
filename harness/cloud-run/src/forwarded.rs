//! The headers by which the front end says for whom it forwards. The policy calls it for every request that goes on.
//!
//! Captured of the real one: `X-Forwarded-For`, `X-Forwarded-Proto: https` and `Forwarded: for="…";proto=https`.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Says who called, and how. Lists that the caller sent are kept, and this caller is their last entry: `X-Forwarded-For`,
/// and `Forwarded` (RFC 7239, section 4). What the caller said of the protocol is replaced.
pub(crate) fn forwarded(headers: &mut HeaderMap, peer: IpAddr, tls: bool) {
    let proto = if tls { "https" } else { "http" };
    // An IPv6 address stands in brackets there (RFC 7239, section 6).
    let node = match peer {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    append(headers, HeaderName::from_static("x-forwarded-for"), &peer.to_string());
    headers.insert("x-forwarded-proto", HeaderValue::from_static(proto));
    append(headers, HeaderName::from_static("forwarded"), &format!("for=\"{node}\";proto={proto}"));
}

/// Makes one line of a list, with one entry more at its end.
fn append(headers: &mut HeaderMap, name: HeaderName, entry: &str) {
    let lines = headers.get_all(&name).into_iter().map(HeaderValue::as_bytes);
    let list =
        lines.filter(|line| !line.is_empty()).chain([entry.as_bytes()]).collect::<Vec<_>>().join(&b", "[..]);
    // Values of headers, joined, are one in any case.
    if let Ok(list) = HeaderValue::from_bytes(&list) {
        headers.insert(name, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: &[(&'static str, &str)], peer: &str, tls: bool, expected: [&str; 3]) {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, value.parse().expect("a value"));
        }
        forwarded(&mut headers, peer.parse().expect("an address"), tls);
        let got = ["x-forwarded-for", "x-forwarded-proto", "forwarded"].map(|name| {
            let mut values = headers.get_all(name).into_iter();
            let value = values.next().expect("a value").to_str().expect("text");
            assert!(values.next().is_none(), "{name} stands there twice");
            value
        });
        assert_eq!(got, expected);
    }

    #[test]
    fn the_caller_is_named_in_all_three() {
        check(&[], "127.0.0.1", true, ["127.0.0.1", "https", "for=\"127.0.0.1\";proto=https"]);
        check(&[], "127.0.0.1", false, ["127.0.0.1", "http", "for=\"127.0.0.1\";proto=http"]);
        check(&[], "2001:db8::1", true, ["2001:db8::1", "https", "for=\"[2001:db8::1]\";proto=https"]);
    }

    #[test]
    fn callers_before_it_stay_and_the_protocol_is_what_this_hop_speaks() {
        let sent = [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2, 10.0.0.3"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-proto", "ftp"),
            ("forwarded", "for=10.0.0.1"),
        ];
        let expected = [
            "10.0.0.1, 10.0.0.2, 10.0.0.3, 127.0.0.1",
            "https",
            "for=10.0.0.1, for=\"127.0.0.1\";proto=https",
        ];
        check(&sent, "127.0.0.1", true, expected);
        check(
            &[("x-forwarded-for", "")],
            "127.0.0.1",
            false,
            ["127.0.0.1", "http", "for=\"127.0.0.1\";proto=http"],
        );
    }
}
