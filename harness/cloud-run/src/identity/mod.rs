//! Who is who in a run: makes the tokens that Google would, and says whose token one is.
//!
//! The metadata servers hand out its tokens, admission asks it, and the run loop takes the driver's own tokens from it. There
//! is one a run, with a key that is made for it and forgotten with it. It serves nothing by itself.

mod key;
mod token;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, SHA512, digest};
use serde_json::{Value, json};

use crate::CloudRunError;
use key::Key;
pub use token::Rejection;

/// Who issues Google's ID tokens. Those of old name it without the scheme, which is accepted as well.
pub const ISSUER: &str = "https://accounts.google.com";

/// What every access token of Google begins with.
const ACCESS_TOKEN: &str = "ya29.";

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// `NAME@PROJECT.iam.gserviceaccount.com`.
    pub email: String,
    /// Its unique id, 21 digits: `sub` in its ID tokens.
    pub id: String,
}

impl Account {
    /// An account by its email address. The same address has the same id in every run.
    pub fn new(email: impl Into<String>) -> Account {
        let email = email.into();
        let digits = digest(&SHA256, email.as_bytes());
        // Google's begin with a one.
        let digits = digits.as_ref().iter().take(20).map(|byte| char::from(b'0' + byte % 10));
        let id = std::iter::once('1').chain(digits).collect();
        Account { email, id }
    }
}

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The address of the account.
    pub email: String,
}

/// The tokens of a run.
pub struct Identity {
    key: Key,
    seed: [u8; 32],
    access: Mutex<AccessTokens>,
}

/// The access tokens that are still good, and how many were ever made.
#[derive(Default)]
struct AccessTokens {
    made: u64,
    good: HashMap<String, Access>,
}

struct Access {
    email: String,
    /// Seconds since the Unix epoch.
    expires: f64,
}

impl Identity {
    /// Makes the key of a run, which takes a few tenths of a second: call it only where something is emulated, and off the
    /// threads of the runtime.
    ///
    /// # Errors
    /// No randomness, or no key of it.
    pub fn new() -> Result<Identity, CloudRunError> {
        let mut seed = [0; 32];
        // Asked first, so that a system without randomness is an error and not a panic of the generator of keys.
        getrandom::fill(&mut seed).map_err(CloudRunError::Random)?;
        Ok(Identity { key: Key::new()?, seed, access: Mutex::default() })
    }

    /// An ID token of an account for an audience: a JSON Web Token, signed with RS256, with the claims that Google's have.
    ///
    /// It is good for at least its lifetime: `exp` is in whole seconds and rounds up, so that a token of one second is not
    /// dead on arrival.
    pub fn id_token(&self, account: &Account, audience: &str, lifetime: Duration) -> String {
        self.id_token_with(account, audience, lifetime, &Value::Null)
    }

    /// As [`Identity::id_token`], with the claims of an object beside those that every token has.
    pub(crate) fn id_token_with(
        &self,
        account: &Account,
        audience: &str,
        lifetime: Duration,
        more: &Value,
    ) -> String {
        let now = now();
        let mut claims = json!({
            "aud": audience,
            "azp": account.id,
            "email": account.email,
            "email_verified": true,
            "exp": (now + lifetime.as_secs_f64()).ceil() as u64,
            "iat": now as u64,
            "iss": ISSUER,
            "sub": account.id,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        self.sign(&claims)
    }

    /// A token of any claims, signed with the key of the run: what has expired, or is yet to come, is made with it.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "kid": self.key.id(), "typ": "JWT" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// An OAuth access token of an account: `ya29.` and letters that mean nothing. No two are the same.
    pub fn access_token(&self, account: &Account, lifetime: Duration) -> String {
        let mut tokens = self.access();
        let now = now();
        tokens.good.retain(|_, access| access.expires > now);
        tokens.made += 1;
        let random = digest(&SHA512, &[self.seed.as_slice(), &tokens.made.to_be_bytes()].concat());
        let token = format!("{ACCESS_TOKEN}{}", URL_SAFE_NO_PAD.encode(random));
        let access = Access { email: account.email.clone(), expires: now + lifetime.as_secs_f64() };
        tokens.good.insert(token.clone(), access);
        token
    }

    /// Whose ID token it is, if it is a good one now, for one of the audiences.
    ///
    /// # Errors
    /// What is wrong with it; where several things are, the first in this order: its size, its kind, its signature, its
    /// issuer, its time, its audience.
    pub fn verify<A: AsRef<str>>(&self, token: &str, audiences: &[A]) -> Result<Caller, Rejection> {
        if token.is_empty() {
            return Err(Rejection::Missing);
        }
        if token.len() > token::MOST_BYTES {
            return Err(Rejection::TooLarge);
        }
        if token.starts_with(ACCESS_TOKEN) {
            return Err(Rejection::NotAnIdToken);
        }
        let claims = token::signed_claims(token, &self.key)?;
        claims.judge(now(), audiences)?;
        Ok(Caller { email: claims.email })
    }

    /// Whose access token it is, if it is one of the run that is still good.
    ///
    /// # Errors
    /// [`Rejection::Missing`] where there is none, [`Rejection::Unverifiable`] for all others: of a token that means nothing,
    /// nobody can say whether it has expired.
    pub fn verify_access_token(&self, token: &str) -> Result<Caller, Rejection> {
        if token.is_empty() {
            return Err(Rejection::Missing);
        }
        let tokens = self.access();
        let access = tokens.good.get(token).filter(|access| access.expires > now());
        access.map(|access| Caller { email: access.email.clone() }).ok_or(Rejection::Unverifiable)
    }

    /// The public keys as a JSON Web Key Set (RFC 7517, section 5), as Google publishes its own.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.key.jwk()] })
    }

    fn access(&self) -> MutexGuard<'_, AccessTokens> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says nothing of tokens.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Seconds since the Unix epoch, with their fraction. A lifetime of any length can be added to them.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
