//! ID tokens as they are read: their form (RFC 7515, RFC 7519) and what is wrong with them. [`super::Identity::verify`] calls
//! it. It makes none, and it keeps none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::ISSUER;
use super::key::Key;

/// The most bytes that a token may have. Google's have about a thousand.
pub(super) const MOST_BYTES: usize = 8 * 1024;

/// Why a token was not accepted. It never holds the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    /// There is none.
    #[error("the request has no bearer token")]
    Missing,
    /// It is an OAuth access token: good for Google's APIs, not for a service.
    #[error("the token is an OAuth access token, where a service asks for an ID token")]
    NotAnIdToken,
    /// It has not the form of a token, or another key, another algorithm or nobody signed it, or it names no account.
    #[error("the ID token could not be verified")]
    Unverifiable,
    /// `exp` has passed.
    #[error("the ID token has expired")]
    Expired,
    /// `iat` or `nbf` is still to come.
    #[error("the ID token is not valid yet")]
    NotYetValid,
    /// `aud` names another service.
    #[error("the ID token is meant for another audience")]
    WrongAudience,
    /// `iss` is not Google.
    #[error("the ID token has another issuer than Google")]
    WrongIssuer,
    /// It is longer than any token is.
    #[error("the token is too large")]
    TooLarge,
}

/// The header of a token, as far as it matters.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    /// Extensions that a reader must understand (RFC 7515, section 4.1.11); none is known here.
    crit: Option<serde::de::IgnoredAny>,
}

/// The claims of a token, as far as they matter. Times are seconds since the Unix epoch and may have a fraction.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: Audience,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    pub(super) email: String,
}

/// `aud` is one text, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, audience: &str) -> bool {
        match self {
            Audience::One(one) => one == audience,
            Audience::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// The claims of a token that the key signed. Nothing of a token is believed before its signature is known.
pub(super) fn signed_claims(token: &str, key: &Key) -> Result<Claims, Rejection> {
    let read = || {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = part(header)?;
        if header.alg != "RS256" || header.kid != key.id() || header.crit.is_some() {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if key.is_signature(signed.as_bytes(), &signature) { part(claims) } else { None }
    };
    read().ok_or(Rejection::Unverifiable)
}

fn part<T: serde::de::DeserializeOwned>(encoded: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

impl Claims {
    /// Whether the token is good at a time, in seconds since the Unix epoch, for one of the audiences. No leeway is given:
    /// everything in a run has one clock, and what expires in a test must do so when the test says.
    pub(super) fn judge<A: AsRef<str>>(&self, now: f64, audiences: &[A]) -> Result<(), Rejection> {
        if self.iss != ISSUER && Some(self.iss.as_str()) != ISSUER.strip_prefix("https://") {
            return Err(Rejection::WrongIssuer);
        }
        if [self.iat, self.nbf].into_iter().flatten().any(|from| from > now) {
            return Err(Rejection::NotYetValid);
        }
        if self.exp <= now {
            return Err(Rejection::Expired);
        }
        if !audiences.iter().any(|audience| self.aud.has(audience.as_ref())) {
            return Err(Rejection::WrongAudience);
        }
        Ok(())
    }
}
