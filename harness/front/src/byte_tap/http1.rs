//! Heads of HTTP/1.1 requests as they were sent, found among the bytes that came since the last one.

use super::WATCHED_BYTES;

/// The bytes that came since the last head was taken, or the last of them: before a head there may be a body of any size.
pub(super) struct Heads {
    bytes: Vec<u8>,
}

impl Heads {
    pub(super) fn new(first: Vec<u8>) -> Heads {
        Heads { bytes: first }
    }

    /// Takes more bytes.
    pub(super) fn see(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.bytes.drain(..self.bytes.len().saturating_sub(WATCHED_BYTES));
    }

    /// The header lines of the request that was just read, by its request line; whatever came before is the body of
    /// the request before it.
    pub(super) fn take(&mut self, method: &str, target: &str) -> Option<Vec<(String, Vec<u8>)>> {
        let request_line = format!("{method} {target} HTTP/1.");
        let start = find(&self.bytes, request_line.as_bytes())?;
        let end = start + find(&self.bytes[start..], b"\r\n\r\n")?;
        let lines = self.bytes[start..end].split(|&byte| byte == b'\n').skip(1);
        let headers = lines.filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            Some((name, line[colon + 1..].trim_ascii().to_vec()))
        });
        let headers = headers.collect();
        self.bytes.drain(..end + 4);
        Some(headers)
    }

    /// Method and target of the head that has begun, as far as it can be told without having read it.
    pub(super) fn request_line(&self) -> Option<(String, String)> {
        let line = self.bytes.split(|&byte| byte == b'\r' || byte == b'\n').find(|line| !line.is_empty())?;
        let line = String::from_utf8_lossy(line);
        let (request, version) = line.rsplit_once(' ')?;
        let (method, target) = request.split_once(' ')?;
        version.starts_with("HTTP/").then(|| (method.to_owned(), target.to_owned()))
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: &str, method: &str, target: &str, expected: Option<&[(&str, &str)]>) {
        let mut heads = Heads::new(sent.as_bytes().to_vec());
        let taken = heads.take(method, target);
        let taken: Option<Vec<(String, String)>> = taken.map(|lines| {
            lines
                .into_iter()
                .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
                .collect()
        });
        let expected = expected.map(|lines| {
            lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(taken, expected);
    }

    #[test]
    fn names_are_kept_as_sent_and_in_order() {
        let sent = "GET /a HTTP/1.1\r\nHost: x\r\nX-Cloud-Trace-Context:  T/1;o=1 \r\nhost2:y\r\n\r\n";
        let expected = [("Host", "x"), ("X-Cloud-Trace-Context", "T/1;o=1"), ("host2", "y")];
        check(sent, "GET", "/a", Some(&expected));
        check(&format!("the body of another{sent}"), "GET", "/a", Some(&expected));
        check(sent, "POST", "/a", None);
        check("GET /a HTTP/1.1\r\nHost: x\r\n", "GET", "/a", None);
        check("GET /a HTTP/1.1\r\n\r\n", "GET", "/a", Some(&[]));
    }

    #[track_caller]
    fn check_line(sent: &str, expected: Option<(&str, &str)>) {
        let line = Heads::new(sent.as_bytes().to_vec()).request_line();
        let line = line.as_ref().map(|(method, target)| (method.as_str(), target.as_str()));
        assert_eq!(line, expected, "{sent}");
    }

    #[test]
    fn the_request_line_of_a_head_that_cannot_be_read_is_known() {
        check_line("GET /a HTTP/1.1\r\nbroken\r\n", Some(("GET", "/a")));
        check_line("\r\nGET /a b HTTP/1.1\r\n", Some(("GET", "/a b")));
        check_line("x: y\r\nGET /a HTTP/1.1\r\n", None);
        check_line("\u{0}\u{1}", None);
        check_line("", None);
    }

    #[test]
    fn requests_on_one_connection_are_taken_one_after_the_other() {
        let mut heads = Heads::new(b"GET /a HTTP/1.1\r\nA: 1\r\n\r\nbody".to_vec());
        assert!(heads.take("GET", "/a").is_some_and(|lines| lines[0].0 == "A"));
        heads.see(b"GET /a HTTP/1.1\r\nB: 2\r\n\r\n");
        assert!(heads.take("GET", "/a").is_some_and(|lines| lines[0].0 == "B"));
        heads.see(&vec![b'x'; WATCHED_BYTES + 1]);
        heads.see(b"GET /a HTTP/1.1\r\nC: 3\r\n\r\n");
        assert!(heads.bytes.len() <= WATCHED_BYTES);
        assert!(heads.take("GET", "/a").is_some_and(|lines| lines[0].0 == "C"));
    }
}
