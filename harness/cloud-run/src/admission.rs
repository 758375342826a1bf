//! Who may call a service: ingress and identity, decided before the service sees anything. The policy of a front asks it for
//! every request; it holds nothing back and forwards nothing.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use spanwise_model::{Auth, CloudRunService, FrontEnd, Ingress};

use crate::identity::{Identity, Rejection};
use crate::policy::Admit;

/// Where a caller puts the token for the platform when the application wants `Authorization` for itself.
pub const SERVERLESS_AUTHORIZATION: HeaderName = HeaderName::from_static("x-serverless-authorization");

/// What stands where the signature of a token was, once the platform has used it.
const SIGNATURE_REMOVED: &str = "SIGNATURE_REMOVED_BY_GOOGLE";

/// Who may call one service.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Who verifies tokens.
    pub identity: Arc<Identity>,
    /// How the service is deployed.
    pub service: CloudRunService,
    /// The statuses that refusals have.
    pub front_end: FrontEnd,
    /// The service's own URLs: audiences that are always accepted, custom ones or not.
    pub urls: Urls,
    /// The addresses of the accounts that may call it.
    pub invokers: Vec<String>,
}

/// The URLs at which one service is called. Every caller has a front of its own, and they are opened one after another, so a
/// copy sees what is added to any other.
#[derive(Clone, Debug, Default)]
pub struct Urls(Arc<RwLock<Vec<String>>>);

impl Urls {
    /// One more, without a path.
    pub fn add(&self, url: String) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(url);
    }

    /// All of them, in the order in which they were added.
    pub fn all(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Admit for Admission {
    fn admit(&self, headers: &mut HeaderMap, is_internal: bool) -> Result<(), Box<Response<Bytes>>> {
        Admission::admit(self, headers, is_internal)
    }
}

impl Admission {
    /// Whether a request may go on to the service; its headers then are as the service gets them. `is_internal`: it comes from
    /// the network that `ingress: internal` admits.
    ///
    /// A token in `X-Serverless-Authorization` is the only one that counts where there is one, and is taken out; what stands
    /// in `Authorization` is then the application's and passes. A token in `Authorization` passes without its signature, so
    /// that a service cannot go on to call others with it.
    ///
    /// # Errors
    /// The answer of the front end: a status that clients of HTTP and gRPC see alike, and in its body, for a person, why.
    pub fn admit(&self, headers: &mut HeaderMap, is_internal: bool) -> Result<(), Box<Response<Bytes>>> {
        if self.service.ingress == Ingress::Internal && !is_internal {
            // Google documents no status. Users saw 403 in 2021 and 404 since.
            return Err(answer(
                StatusCode::NOT_FOUND,
                "the service admits requests from its own network only",
            ));
        }
        if self.service.auth == Auth::None {
            return Ok(());
        }
        let header = if headers.contains_key(&SERVERLESS_AUTHORIZATION) {
            SERVERLESS_AUTHORIZATION
        } else {
            AUTHORIZATION
        };
        let token = headers.get(&header).and_then(bearer).unwrap_or_default();
        let mut audiences = self.urls.all();
        audiences.extend(self.service.audiences.iter().cloned());
        let caller = self.identity.verify(token, &audiences).map_err(|why| self.refuse(why))?;
        if !self.invokers.contains(&caller.email) {
            let words = format!("{} may not call the service", caller.email);
            return Err(answer(self.not_allowed(), &words));
        }
        if header == AUTHORIZATION {
            if let Some(without) = without_signature(token) {
                headers.insert(AUTHORIZATION, without);
            }
        } else {
            headers.remove(&SERVERLESS_AUTHORIZATION);
        }
        Ok(())
    }

    fn refuse(&self, why: Rejection) -> Box<Response<Bytes>> {
        let status = match why {
            // Users report that an access token is no worse than none.
            Rejection::Missing | Rejection::NotAnIdToken => self.not_allowed(),
            Rejection::Unverifiable
            | Rejection::Expired
            | Rejection::NotYetValid
            | Rejection::WrongAudience
            | Rejection::WrongIssuer
            | Rejection::TooLarge => status(self.front_end.not_valid, FrontEnd::NOT_VALID),
        };
        answer(status, &why.to_string())
    }

    fn not_allowed(&self) -> StatusCode {
        status(self.front_end.not_allowed, FrontEnd::NOT_ALLOWED)
    }
}

/// The token behind `Bearer`, whose spelling does not matter (RFC 9110, section 11.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.trim_start().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn without_signature(token: &str) -> Option<HeaderValue> {
    let (signed, _) = token.rsplit_once('.')?;
    HeaderValue::try_from(format!("Bearer {signed}.{SIGNATURE_REMOVED}")).ok()
}

/// The status that a suite says, or the default where it says none or something that is no status.
fn status(said: Option<u16>, default: u16) -> StatusCode {
    let said = said.and_then(|said| StatusCode::from_u16(said).ok());
    said.or_else(|| StatusCode::from_u16(default).ok()).unwrap_or(StatusCode::FORBIDDEN)
}

fn answer(status: StatusCode, words: &str) -> Box<Response<Bytes>> {
    let mut answer = Response::new(Bytes::from(format!("{words}\n")));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Box::new(answer)
}
