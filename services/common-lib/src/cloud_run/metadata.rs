//! A client of Google's metadata server: where a process on Cloud Run learns where it runs, and gets its tokens.
//!
//! `cloud_run` asks it once at the start, `token` whenever a token is needed. Every question has a connection of its own: there
//! are few, and a connection that was kept would not outlive the times in which the instance has no processor. Nothing here is
//! traced, and no answer is logged.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::HOST;
use http::uri::Authority;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::token::Token;
use crate::settings::{Environment, SettingsError, unusable};

/// The name that the server has wherever Google runs a process.
const NAME: &str = "metadata.google.internal";
/// The header that must stand in the question, so that no page can make a browser ask, and in the answer, so that nobody else
/// is taken for the server.
const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");
/// How long one attempt may take. Tokens for an audience that is asked for the first time take the server a while.
const ATTEMPT: Duration = Duration::from_secs(2);
/// How often is asked.
const ATTEMPTS: u32 = 3;
/// The wait before the second attempt; it doubles.
const BACKOFF: Duration = Duration::from_millis(100);
/// No answer that is asked for here is nearly as long.
const MAX_ANSWER: usize = 1 << 16;

/// Where the metadata server is.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataServer(Authority);

/// A question that was not answered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetadataError {
    /// No connection, or one that broke.
    #[error("the metadata server cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the metadata server did not answer in time")]
    TimedOut,
    /// It answered with an error.
    #[error("the metadata server answered {0}")]
    Refused(StatusCode),
    /// The answer does not say that it is from Google.
    #[error("the answer came from something that is not the metadata server")]
    NotGoogle,
    /// The answer has another form than was asked for.
    #[error("the metadata server's answer cannot be read")]
    Unreadable,
}

impl MetadataServer {
    /// The server at `GCE_METADATA_HOST` (a host, with a port where it is not 80), or at its real name.
    ///
    /// # Errors
    /// The variable holds no host.
    pub fn read(environment: &Environment) -> Result<Self, SettingsError> {
        const HOST: &str = "GCE_METADATA_HOST";
        let Some(host) = environment.get(HOST) else { return Ok(Self(Authority::from_static(NAME))) };
        // Some of Google's libraries want a URL in this variable, others a host.
        let authority = host.strip_prefix("http://").unwrap_or(host).trim_end_matches('/');
        authority.parse().map(Self).map_err(|_| unusable(HOST, host, "a host, with or without a port"))
    }

    /// What stands at a path below `/computeMetadata/v1/`, a query included.
    ///
    /// # Errors
    /// There is no answer, or one that is no text.
    pub async fn get(&self, path: &str) -> Result<String, MetadataError> {
        let mut wait = BACKOFF;
        for _ in 1..ATTEMPTS {
            match self.attempt(path).await {
                Err(error) if error.may_pass() => {}
                done => return done,
            }
            // waits on purpose: the backoff between two attempts
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        self.attempt(path).await
    }

    /// An ID token of the service's own account, for a service that knows itself by this audience.
    ///
    /// # Errors
    /// There is no answer, or no token in it.
    pub async fn id_token(&self, audience: &str) -> Result<Token, MetadataError> {
        let path =
            format!("instance/service-accounts/default/identity?audience={}", percent_encoded(audience));
        let token = self.get(&path).await?;
        Token::from_jwt(token.trim(), SystemTime::now()).ok_or(MetadataError::Unreadable)
    }

    /// An access token of the service's own account, for Google's APIs.
    ///
    /// # Errors
    /// There is no answer, or no token in it.
    pub async fn access_token(&self) -> Result<Token, MetadataError> {
        let answer = self.get("instance/service-accounts/default/token").await?;
        let answer: Value = serde_json::from_str(&answer).map_err(|_| MetadataError::Unreadable)?;
        let token = answer["access_token"].as_str().ok_or(MetadataError::Unreadable)?;
        let lifetime = answer["expires_in"].as_u64().ok_or(MetadataError::Unreadable)?;
        Token::new(token, SystemTime::now(), Duration::from_secs(lifetime)).ok_or(MetadataError::Unreadable)
    }

    async fn attempt(&self, path: &str) -> Result<String, MetadataError> {
        timeout(ATTEMPT, self.exchange(path)).await.map_err(|_| MetadataError::TimedOut)?
    }

    async fn exchange(&self, path: &str) -> Result<String, MetadataError> {
        let unreachable = |error: &dyn std::error::Error| MetadataError::Unreachable(error.to_string());
        let host = self.0.host().trim_matches(['[', ']']);
        let port = self.0.port_u16().unwrap_or(80);
        let tcp = TcpStream::connect((host, port)).await.map_err(|error| unreachable(&error))?;
        let connected = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await;
        let (mut sender, connection) = connected.map_err(|error| unreachable(&error))?;
        let request = Request::get(format!("/computeMetadata/v1/{path}"))
            .header(HOST, self.0.as_str())
            .header(FLAVOR.0, FLAVOR.1)
            .body(Empty::<Bytes>::new())
            .map_err(|_| MetadataError::Unreadable)?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
            let (head, body) = answer.into_parts();
            if head.headers.get(FLAVOR.0).is_none_or(|flavor| flavor != FLAVOR.1) {
                return Err(MetadataError::NotGoogle);
            }
            if head.status != StatusCode::OK {
                return Err(MetadataError::Refused(head.status));
            }
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| unreachable(&*error))?.to_bytes();
            String::from_utf8(body.into()).map_err(|_| MetadataError::Unreadable)
        };
        // The connection is driven here and not by a task, so that a question that is given up leaves nothing behind. What it
        // fails with, the exchange fails with.
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            _ = connection => exchange.await,
        }
    }
}

impl MetadataError {
    /// Whether the same question may be answered a moment later.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut => true,
            Self::Refused(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::NotGoogle | Self::Unreadable => false,
        }
    }
}

/// A value as it may stand in a query (RFC 3986, section "Unreserved Characters").
fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", Some(NAME))]
    #[case("127.0.0.1:8123", Some("127.0.0.1:8123"))]
    #[case("http://127.0.0.1:8123/", Some("127.0.0.1:8123"))]
    #[case("metadata", Some("metadata"))]
    #[case("two words", None)]
    fn hosts(#[case] value: &str, #[case] expected: Option<&str>) {
        let found = MetadataServer::read(&Environment::of([("GCE_METADATA_HOST", value)]));
        assert_eq!(found.ok().map(|server| server.0.to_string()).as_deref(), expected);
    }

    #[rstest]
    #[case("https://a-b.run.app:8443", "https%3A%2F%2Fa-b.run.app%3A8443")]
    #[case("a&b=c é", "a%26b%3Dc%20%C3%A9")]
    fn queries(#[case] value: &str, #[case] expected: &str) {
        assert_eq!(percent_encoded(value), expected);
    }
}
