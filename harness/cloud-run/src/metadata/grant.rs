//! What the token endpoint of OAuth grants (RFC 6749, 5 and 6; RFC 7523, 2.1), as those ask it who have the file of a service
//! account or of a user. The responder asks here, and makes the tokens.
//!
//! Whose key signed an assertion is not looked at: it is the key of an account in the world, of which a run knows nothing. The
//! tokens are those of the instance's own account.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wiremock::http::Url;

/// What a request has a right to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Granted {
    /// An access token.
    Access,
    /// An ID token: the assertion asks for one by its claim `target_audience`.
    Identity {
        /// For whom.
        audience: String,
    },
}

const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What the form of a request asks for, or the error that RFC 6749, 5.2 has for it.
pub(super) fn granted(url: &Url, form: &[u8]) -> Result<Granted, Value> {
    // A form is written as a query is.
    let mut url = url.clone();
    url.set_query(Some(&String::from_utf8_lossy(form)));
    let value = |name: &str| url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
    let refused = |error: &str, words: &str| Err(json!({ "error": error, "error_description": words }));
    match value("grant_type").as_deref() {
        Some("refresh_token") if value("refresh_token").is_some() => Ok(Granted::Access),
        Some("refresh_token") => refused("invalid_request", "refresh_token is missing"),
        Some(ASSERTION) => match value("assertion").as_deref().map(claims) {
            None => refused("invalid_request", "assertion is missing"),
            Some(None) => refused("invalid_grant", "Invalid JWT: it cannot be read"),
            Some(Some(claims)) => Ok(match claims["target_audience"].as_str() {
                Some(audience) => Granted::Identity { audience: audience.to_owned() },
                None => Granted::Access,
            }),
        },
        Some(_) => refused("unsupported_grant_type", "only jwt-bearer and refresh_token are emulated"),
        None => refused("invalid_request", "grant_type is missing"),
    }
}

/// The second part of a JSON Web Token.
fn claims(token: &str) -> Option<Value> {
    let claims = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(form: &str, expected: Result<Granted, &str>) {
        let url = Url::parse("https://oauth2.googleapis.com/token").expect("a URL");
        let found = granted(&url, form.as_bytes()).map_err(|error| error["error"].to_string());
        assert_eq!(found, expected.map_err(|error| format!("{error:?}")), "{form}");
    }

    #[test]
    fn forms_are_granted_or_refused() {
        let assertion = |claims: &str| {
            let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
            format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={token}")
        };
        check(&assertion(r#"{"scope":"https://www.googleapis.com/auth/trace.append"}"#), Ok(Granted::Access));
        let audience = "https://orders.example".to_owned();
        check(
            &assertion(r#"{"target_audience":"https://orders.example"}"#),
            Ok(Granted::Identity { audience }),
        );
        check("grant_type=refresh_token&refresh_token=1%2F%2F0a&client_id=c", Ok(Granted::Access));
        check("grant_type=refresh_token&client_id=c", Err("invalid_request"));
        check(&assertion("no JSON"), Err("invalid_grant"));
        check("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer", Err("invalid_request"));
        check("grant_type=password&username=u", Err("unsupported_grant_type"));
        check("", Err("invalid_request"));
    }
}
