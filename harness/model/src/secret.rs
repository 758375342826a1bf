//! Secrets become placeholders before anything is recorded: tokens, cookies, keys, passwords.
//!
//! The wire taps, the log reader, the collector and the decoder of spans call these functions on everything they hand on,
//! so nothing behind them ever holds a secret. A placeholder says of what kind the secret was, a hash by which two of them can be told
//! apart, and for a JSON Web Token the facts that rules read: `<bearer jwt sha256:ab12cd34 iss=… aud=… exp=…>`.
//! Signatures are not verified here.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

mod bytes;

pub use bytes::{is_in, may_be_in};

/// Parts of header names whose values are secrets, beside those of cookies and authorization.
const HEADER_PARTS: [&str; 8] =
    ["token", "secret", "api-key", "apikey", "password", "credential", "jwt", "session-id"];

/// Names whose values are secrets, wherever they stand.
const SECRET_NAMES: [&str; 18] = [
    "authorization",
    "proxy-authorization",
    "x-serverless-authorization",
    "cookie",
    "set-cookie",
    "password",
    "passwd",
    "secret",
    "client_secret",
    "api_key",
    "api-key",
    "apikey",
    "access_token",
    "refresh_token",
    "id_token",
    "token",
    "x-goog-signature",
    "x-amz-signature",
];

/// The value of a header, trailer or metadata key as it may be kept.
pub fn header_value<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    let name = name.to_ascii_lowercase();
    if name == "host" {
        return authority(value);
    }
    if name.contains("cookie") {
        return Cow::Owned(placeholder("cookie", value));
    }
    if name.contains("authorization") {
        return Cow::Owned(match value.split_once(' ') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => bearer(rest.trim()),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("basic") => {
                placeholder("basic credentials", rest.trim())
            }
            _ => placeholder("authorization", value),
        });
    }
    if HEADER_PARTS.iter().any(|part| name.contains(part)) {
        return Cow::Owned(token("token", value));
    }
    text(value)
}

/// A path with its query as it may be kept: credentials in the query are replaced.
pub fn path_and_query(path: &str) -> Cow<'_, str> {
    text(path)
}

/// The authority of a request (`Host`, `:authority`) as it may be kept: user and password, which stand before the last `@`,
/// are replaced.
pub fn authority(authority: &str) -> Cow<'_, str> {
    match authority.rsplit_once('@') {
        Some((userinfo, host)) => Cow::Owned(format!("{}@{host}", placeholder("credentials", userinfo))),
        None => Cow::Borrowed(authority),
    }
}

/// The text of a label as it may be kept. The key counts too: of a header or metadata key that was recorded, and of a label
/// whose last word is one that secrets usually have (`db.password`).
pub fn label<'a>(key: &str, value: &'a str) -> Cow<'a, str> {
    const HEADERS: [&str; 6] = [
        "http.request.header.",
        "http.response.header.",
        "rpc.request.metadata.",
        "rpc.response.metadata.",
        "rpc.grpc.request.metadata.",
        "rpc.grpc.response.metadata.",
    ];
    let is_placeholder = value.starts_with('<') && value.ends_with('>') && kind_in(value).is_some();
    if is_placeholder || is_redacted(value) {
        return Cow::Borrowed(value);
    }
    match HEADERS.iter().find_map(|prefix| key.strip_prefix(prefix)) {
        Some(header) => header_value(header, value),
        None if is_secret_name(key.rsplit(['.', '/']).next().unwrap_or(key)) => {
            Cow::Owned(token("secret", value))
        }
        None => text(value),
    }
}

/// Of what kind the first secret was whose placeholder stands in a text: `bearer jwt`, `api key`, …
pub fn kind_in(text: &str) -> Option<&str> {
    const MARK: &str = " sha256:";
    // Nearly every text ends here, and one byte is found faster than several.
    if !text.as_bytes().contains(&b'<') {
        return None;
    }
    text.match_indices(MARK).find_map(|(at, _)| {
        let is_hash = text[at + MARK.len()..].bytes().take_while(u8::is_ascii_hexdigit).count() == 8;
        let kind = text[..at].rsplit_once('<')?.1;
        let is_kind = kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ');
        (is_hash && is_kind && !kind.is_empty()).then_some(kind)
    })
}

/// Any text, such as a log line, as it may be kept: what looks like a secret in it is replaced.
///
/// Seen are tokens behind `Bearer` and `Basic`, JSON Web Tokens and Google's access tokens anywhere, credentials in
/// URLs, and values behind the names that secrets usually have, in queries, JSON and `name=value` text.
pub fn text(line: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut before = Before::Nothing;
    let mut at = 0;
    while let Some((start, end)) = next_word(line, at) {
        let word = &line[start..end];
        let between = &line[at..start];
        let replacement = if looks_like_jwt(word) || looks_like_access_token(word) {
            Some(token("token", word))
        } else if looks_like_api_key(word) {
            Some(placeholder("api key", word))
        } else {
            match before {
                _ if is_redacted(word) => None,
                Before::Bearer if is_gap(between) && word.len() >= 8 => Some(bearer(word)),
                // `Basic credentials` are words, in prose and in a placeholder.
                Before::Basic if is_gap(between) && word.len() >= 8 && word != "credentials" => {
                    Some(placeholder("basic credentials", word))
                }
                Before::SecretName if assigns(between) && scheme(word).is_none() => {
                    Some(token("secret", word))
                }
                _ => userinfo(line, start, end),
            }
        };
        before =
            scheme(word).unwrap_or(if is_secret_name(word) { Before::SecretName } else { Before::Nothing });
        if let Some(replacement) = replacement {
            out.push_str(&line[copied..start]);
            out.push_str(&replacement);
            copied = end;
            before = Before::Nothing;
        }
        at = end;
    }
    if copied == 0 {
        return Cow::Borrowed(line);
    }
    out.push_str(&line[copied..]);
    Cow::Owned(out)
}

/// What the word before the present one announces.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Bearer,
    Basic,
    SecretName,
}

/// The next run of characters that tokens are made of (RFC 7235 `token68` without `=`, which also separates names
/// from values), from a byte offset on.
fn next_word(line: &str, from: usize) -> Option<(usize, usize)> {
    let is_word =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'%');
    let bytes = line.as_bytes();
    let start = from + bytes[from..].iter().position(|&byte| is_word(byte))?;
    let end =
        bytes[start..].iter().position(|&byte| !is_word(byte)).map_or(bytes.len(), |length| start + length);
    Some((start, end))
}

fn scheme(word: &str) -> Option<Before> {
    if word.eq_ignore_ascii_case("bearer") {
        Some(Before::Bearer)
    } else if word.eq_ignore_ascii_case("basic") {
        Some(Before::Basic)
    } else {
        None
    }
}

fn is_gap(between: &str) -> bool {
    matches!(between, " " | "  " | "%20" | ": ")
}

/// Whether what stands between a name and a value makes it one: `=`, `: `, `":"`.
fn assigns(between: &str) -> bool {
    between.len() <= 8
        && between.bytes().filter(|&byte| matches!(byte, b'=' | b':')).count() == 1
        && between.bytes().all(|byte| matches!(byte, b'=' | b':' | b'"' | b'\'' | b' ' | b'\\'))
}

/// Whether a word is such a name, also as an option of a command, `--token=…`.
fn is_secret_name(word: &str) -> bool {
    let word = word.trim_start_matches('-');
    SECRET_NAMES.iter().any(|name| word.eq_ignore_ascii_case(name))
}

/// Whether a careful library already put something in the place of a secret: `REDACTED` as the conventions have it for
/// URLs, `xxxxx` as Go does, stars, nothing at all.
fn is_redacted(word: &str) -> bool {
    const WORDS: [&str; 5] = ["redacted", "filtered", "masked", "hidden", "removed"];
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_blank =
        bare.is_empty() || (bare.len() > 2 && bare.bytes().all(|byte| matches!(byte, b'x' | b'X')));
    is_blank || WORDS.iter().any(|known| bare.eq_ignore_ascii_case(known))
}

/// The password of `scheme://user:password@host`, where the word at this place is one.
fn userinfo(line: &str, start: usize, end: usize) -> Option<String> {
    const LONGEST_USER: usize = 256;
    let bytes = line.as_bytes();
    if bytes.get(end) != Some(&b'@') {
        return None;
    }
    let (colon, user) = bytes[start.saturating_sub(LONGEST_USER)..start].split_last()?;
    let is_user = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+%".contains(byte);
    let before_user = &user[..user.len() - user.iter().rev().take_while(|byte| is_user(byte)).count()];
    (*colon == b':' && before_user.ends_with(b"://")).then(|| placeholder("password", &line[start..end]))
}

fn looks_like_jwt(word: &str) -> bool {
    word.starts_with("eyJ") && word.len() > 20 && word.bytes().filter(|&byte| byte == b'.').count() == 2
}

fn looks_like_access_token(word: &str) -> bool {
    word.starts_with("ya29.") && word.len() > 20
}

/// Google's API keys, which its REST interfaces take in the query.
fn looks_like_api_key(word: &str) -> bool {
    word.starts_with("AIza") && word.len() >= 35
}

fn bearer(secret: &str) -> String {
    if looks_like_jwt(secret) || looks_like_access_token(secret) {
        token("bearer", secret)
    } else {
        placeholder("bearer token", secret)
    }
}

/// A placeholder that says more where the secret is of a kind that is known by its looks.
fn token(kind: &str, secret: &str) -> String {
    let prefix = if kind == "bearer" { "bearer " } else { "" };
    if looks_like_access_token(secret) {
        return placeholder(&format!("{prefix}access token"), secret);
    }
    let claims = looks_like_jwt(secret).then(|| jwt_facts(secret)).flatten();
    match claims {
        Some(facts) => format!("<{prefix}jwt sha256:{}{facts}>", hash(secret)),
        None => placeholder(if prefix.is_empty() { kind } else { "bearer token" }, secret),
    }
}

/// ` iss=… aud=… exp=…` of a JSON Web Token (RFC 7519, section 4.1); `None` where its payload is no JSON object.
fn jwt_facts(jwt: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?;
    let claims: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&payload).ok()?;
    let mut facts = String::new();
    for name in ["iss", "aud", "exp"] {
        let value = match claims.get(name) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => continue,
        };
        let plain: String =
            value.chars().filter(|c| c.is_ascii_graphic() && !"<>".contains(*c)).take(256).collect();
        facts.push_str(&format!(" {name}={plain}"));
    }
    Some(facts)
}

fn placeholder(kind: &str, secret: &str) -> String {
    format!("<{kind} sha256:{}>", hash(secret))
}

/// The first 8 hexadecimal digits of the SHA-256 hash: enough to tell two secrets apart, too little to guess one by.
fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt() -> String {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let claims =
            r#"{"iss":"https://accounts.google.com","aud":"https://b.run.app","exp":1700000000,"sub":"x"}"#;
        format!("{}.{}.c2lnbmF0dXJl", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(claims))
    }

    #[track_caller]
    fn check_header(name: &str, value: &str, expected: &str) {
        assert_eq!(without_hashes(&header_value(name, value)), expected);
    }

    #[track_caller]
    fn check_text(line: &str, expected: &str) {
        assert_eq!(without_hashes(&text(line)), expected);
    }

    /// Replaces the hashes, which are not what these tables are about, by `#`.
    fn without_hashes(text: &str) -> String {
        let mut parts = text.split("sha256:");
        let mut out = parts.next().unwrap_or_default().to_owned();
        parts.for_each(|part| out.push_str(&format!("#{}", &part[8..])));
        out
    }

    #[test]
    fn secrets_in_headers_become_typed_placeholders() {
        check_header("authorization", "Bearer abcdefgh", "<bearer token #>");
        check_header("Authorization", "Basic QWxhZGRpbg==", "<basic credentials #>");
        check_header("authorization", "Custom", "<authorization #>");
        check_header("cookie", "a=b", "<cookie #>");
        check_header("set-cookie", "a=b", "<cookie #>");
        check_header("x-goog-iam-authorization-token", "abc", "<authorization #>");
        check_header("x-goog-api-key", "AIza", "<token #>");
        check_header("x-goog-user-project", "demo", "demo");
        check_header("traceparent", "00-T-S-01", "00-T-S-01");
        check_header("host", "example.com:80", "example.com:80");
        check_header("Host", "ada:a@b@example.com:80", "<credentials #>@example.com:80");
        check_header("referer", "https://x/?token=abc&page=2", "https://x/?token=<secret #>&page=2");
        check_header("authorization", "Bearer ya29.a0AfH6SMBxxxxxxxxxxxxxxx", "<bearer access token #>");
    }

    #[test]
    fn a_json_web_token_leaves_its_facts() {
        let expected = "<bearer jwt # iss=https://accounts.google.com aud=https://b.run.app exp=1700000000>";
        check_header("x-serverless-authorization", &format!("Bearer {}", jwt()), expected);
        check_text(
            &format!("sending Bearer {}", jwt()),
            "sending Bearer <jwt # iss=https://accounts.google.com aud=https://b.run.app exp=1700000000>",
        );
    }

    #[test]
    fn secrets_in_text_are_replaced_and_the_rest_stays() {
        check_text("nothing here: 1=2", "nothing here: 1=2");
        check_text("/greet?access_token=a.b&x=1", "/greet?access_token=<secret #>&x=1");
        check_text("authorization: Bearer 12345678", "authorization: Bearer <bearer token #>");
        check_text(r#"{"password":"hunter2","user":"ada"}"#, r#"{"password":"<secret #>","user":"ada"}"#);
        check_text(
            r#"{"authorization":"Basic QWxhZGRpbg"}"#,
            r#"{"authorization":"Basic <basic credentials #>"}"#,
        );
        check_text("postgres://ada:hunter2@db/x", "postgres://ada:<password #>@db/x");
        check_text("x@y a://b:c@d :e@f", "x@y a://b:<password #>@d :e@f");
        check_text("@:@a@:b@", "@:@a@:b@");
        let key = "AIzaSyA0123456789abcdefghijklmnopqrstuv";
        check_text(&format!("GET /v1/x?key={key}"), "GET /v1/x?key=<api key #>");
        check_text("make --token=abc -p", "make --token=<secret #> -p");
        check_text("token refresh failed", "token refresh failed");
        check_text("the bearer of news", "the bearer of news");
        check_text("größe=é token=ü", "größe=é token=ü");
    }

    #[test]
    fn the_key_of_a_label_counts() {
        for (key, value, expected) in [
            ("http.request.header.authorization", "Bearer abcdefgh", "<bearer token #>"),
            ("http.request.header.accept", "*/*", "*/*"),
            ("rpc.request.metadata.x-api-key", "k", "<token #>"),
            ("db.password", "hunter2", "<secret #>"),
            ("password", "hunter2", "<secret #>"),
            ("token.type", "opaque", "opaque"),
            ("url.full", "https://h/x?access_token=a.b", "https://h/x?access_token=<secret #>"),
            // What a library replaced already.
            ("url.full", "https://REDACTED:REDACTED@h/?X-Amz-Signature=REDACTED", ""),
            ("url.full", "https://u:xxxxx@h/", ""),
            ("http.request.header.cookie", "[FILTERED]", ""),
            ("http.request.header.authorization", "****", ""),
            ("http.request.header.authorization", "", ""),
            ("db.password", "<secret sha256:0123abcd>", "<secret #>"),
        ] {
            let expected = if expected.is_empty() { value } else { expected };
            assert_eq!(without_hashes(&label(key, value)), expected, "{key}={value}");
        }
    }

    #[test]
    fn placeholders_are_known_by_their_form() {
        for (text, expected) in [
            ("<cookie sha256:0123abcd>", Some("cookie")),
            ("a <x> <bearer jwt sha256:0123abcd iss=i aud=a>", Some("bearer jwt")),
            ("postgres://u:<password sha256:0123abcd>@h", Some("password")),
            ("sha256:0123abcd", None),
            ("<image sha256:0123abcdef>", None),
            ("image@<sha256:0123abcd>", None),
            ("< sha256:0123abcd>", None),
        ] {
            assert_eq!(kind_in(text), expected, "{text}");
        }
        assert_eq!(kind_in(&text(&format!("token {}", jwt()))), Some("jwt"));
    }

    #[test]
    fn one_secret_has_one_hash() {
        assert_eq!(header_value("authorization", "Bearer abc"), header_value("authorization", "Bearer abc"));
        assert_ne!(header_value("authorization", "Bearer abc"), header_value("authorization", "Bearer abd"));
    }
}
