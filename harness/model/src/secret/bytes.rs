//! Secrets in bytes of any format, such as a payload that is about to be written down: whether there may be one, and whether
//! there is.

use std::borrow::Cow;

use super::text;

/// What stands in bytes that hold a secret, in lower case: a part of each name that gives one away, a scheme, what tokens begin
/// with, what follows a password in a URL. JSON may hide all of them behind its escapes.
const MARKS: [&str; 16] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "api-key",
    "api_key",
    "apikey",
    "passw",
    "credential",
    "jwt",
    "session-id",
    "signature",
    "bearer",
    "basic",
    "@",
    "\\u",
];

/// What the tokens that are known by their looks begin with, and how long they are at least.
const LOOKS: [(&[u8], usize); 3] = [(b"eyJ", 21), (b"ya29.", 21), (b"AIza", 35)];

/// Whether there may be a secret in bytes. Where not, no function of this module finds one in any text in them, so that they
/// need not be decoded for it.
pub fn may_be_in(bytes: &[u8]) -> bool {
    let first = |byte: u8| match byte {
        b'@' | b'\\' => true,
        _ => matches!(byte.to_ascii_lowercase(), b'a' | b'b' | b'c' | b'j' | b'p' | b's' | b't'),
    };
    let is_mark = |at: usize| {
        let begins = |mark: &str| {
            let piece = bytes.get(at..at + mark.len());
            piece.is_some_and(|piece| piece.eq_ignore_ascii_case(mark.as_bytes()))
        };
        first(bytes[at]) && MARKS.iter().any(|mark| begins(mark))
    };
    (0..bytes.len()).any(|at| is_mark(at) || is_token(bytes, at))
}

/// Whether bytes hold what looks like a secret. In doubt they do: what stands before a text in a binary format, such as its
/// length, may look like a part of it.
pub fn is_in(bytes: &[u8]) -> bool {
    may_be_in(bytes)
        && ((0..bytes.len()).any(|at| is_token(bytes, at))
            || matches!(text(&String::from_utf8_lossy(bytes)), Cow::Owned(_)))
}

fn is_token(bytes: &[u8], at: usize) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+".contains(byte);
    LOOKS.iter().any(|(begin, least)| {
        bytes[at..].starts_with(begin)
            && bytes[at..].iter().take(*least).filter(|byte| is_word(byte)).count() == *least
    })
}

#[cfg(test)]
mod tests {
    use super::super::{HEADER_PARTS, SECRET_NAMES, header_value, label};
    use super::*;

    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl";

    #[test]
    fn bytes_are_searched_at_every_place() {
        let glued = |text: &str| [b"\x0aA".as_slice(), text.as_bytes(), b"\xff"].concat();
        for (bytes, may_be, is) in [
            (glued(JWT), true, true),
            (glued("ya29.a0AfH6SMBxxxxxxxxxxxxxxx"), true, true),
            (glued("AIzaSyA0123456789abcdefghijklmnopqrstuv"), true, true),
            // Of a key and its value only a decoder knows that they belong together.
            (glued("password=hunter2"), true, false),
            (b"\xffpassword=hunter2".to_vec(), true, true),
            (glued("eyJ and nothing else"), false, false),
            (b"http://ada:hunter2@h/".to_vec(), true, true),
            (b"GET /greet".to_vec(), false, false),
            (b"{\"key\":\"p\\u0061ssword\"}".to_vec(), true, false),
            (Vec::new(), false, false),
        ] {
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!((may_be_in(&bytes), is_in(&bytes)), (may_be, is), "{shown}");
        }
    }

    #[test]
    fn nothing_that_is_replaced_is_without_a_mark() {
        let headers = HEADER_PARTS.iter().copied().chain(["authorization", "x-cookie", "host"]);
        let headers = headers.map(|name| (format!("http.request.header.{name}"), "a@b"));
        let names = SECRET_NAMES.iter().map(|name| (format!("db.{name}"), "hunter2"));
        let texts =
            [JWT, "Bearer abcdefgh", "basic QWxhZGRpbg", "a://b:c@d", "ya29.a0AfH6SMBxxxxxxxxxxxxxxx"];
        let texts = texts.into_iter().map(|text| ("x".to_owned(), text));
        for (key, value) in headers.chain(names).chain(texts) {
            assert!(matches!(label(&key, value), Cow::Owned(_)), "{key}={value} is no secret");
            // As it may stand in a payload.
            assert!(may_be_in(format!("{}\n{value}", key.to_uppercase()).as_bytes()), "{key}={value}");
        }
        assert!(matches!(header_value("host", "a"), Cow::Borrowed(_)));
    }
}
