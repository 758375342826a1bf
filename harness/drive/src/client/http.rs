//! HTTP requests.

use std::time::Duration;

use ::http::header::{CONTENT_LENGTH, HOST};
use ::http::{Request, Uri, Version};
use bytes::Bytes;
use http_body_util::Full;
use spanwise_model::{HttpVersion, RequestResult};

use super::answer::recorded;
use super::connect::Target;
use super::exchange::{Exchange, Failure};
use super::{Answer, Client};
use crate::DriveError;
use crate::clock::now;

/// One HTTP request.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// Where to: `http://HOST:PORT` or `https://HOST:PORT`, usually a front's.
    pub url: String,
    /// The version to speak; over TLS it is negotiated by ALPN, in plaintext known beforehand.
    pub version: HttpVersion,
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers, trace context among them, in order; a name may come twice.
    pub headers: Vec<(String, String)>,
    /// The body; `None` sends none. Its content type is among the headers.
    pub body: Option<Bytes>,
    /// When to give up; `None` waits for as long as it takes.
    pub deadline: Option<Duration>,
    /// Whether the request gets a connection of its own, which ends with it: for requests that are cancelled.
    pub own_connection: bool,
}

impl Client {
    /// Sends an HTTP request and waits for the end of its answer. Dropping the future cancels the request.
    ///
    /// An error means that the request cannot be made at all; everything that happens to it is in the answer.
    pub async fn http(&self, request: HttpRequest) -> Result<Answer, DriveError> {
        let begun = now();
        let target = Target::parse(&request.url)?;
        let mut made = Request::builder().method(request.method.as_str());
        made = match request.version {
            HttpVersion::Http1 => {
                made.version(Version::HTTP_11).uri(request.path.as_str()).header(HOST, target.to_string())
            }
            HttpVersion::Http2 => made.version(Version::HTTP_2).uri(absolute(&target, &request.path)?),
        };
        for (name, value) in &request.headers {
            made = made.header(name.as_str(), value.as_str());
        }
        if request.version == HttpVersion::Http2
            && let Some(body) = &request.body
        {
            made = made.header(CONTENT_LENGTH, body.len());
        }
        let made = made.body(Full::new(request.body.unwrap_or_default()))?;
        let exchange = self.exchange(&target, request.version, request.own_connection, made);
        let exchange = match request.deadline {
            None => Some(exchange.await),
            Some(deadline) => tokio::time::timeout(deadline, exchange).await.ok(),
        };
        let late = || {
            let millis = request.deadline.unwrap_or_default().as_millis();
            RequestResult::None(format!("not answered within {millis} ms"))
        };
        let result = exchange.as_ref().map_or_else(late, result);
        Ok(answer(exchange.unwrap_or_default(), result, begun))
    }
}

/// A URI with the target's scheme and authority, as HTTP/2 needs it.
pub(super) fn absolute(target: &Target, path: &str) -> Result<Uri, DriveError> {
    let scheme = if target.is_tls { "https" } else { "http" };
    let uri = format!("{scheme}://{target}{path}").parse::<Uri>();
    uri.map_err(|error| DriveError::Request(error.into()))
}

pub(super) fn answer(exchange: Exchange, result: RequestResult, begun: u64) -> Answer {
    Answer {
        result,
        headers: exchange.head.map(|head| recorded(&head.headers)).unwrap_or_default(),
        trailers: recorded(&exchange.trailers),
        body: exchange.body,
        messages: Vec::new(),
        is_stream: false,
        begun,
        ended: now(),
    }
}

fn result(exchange: &Exchange) -> RequestResult {
    match (&exchange.head, &exchange.failure) {
        (Some(head), None) => RequestResult::Http(head.status.as_u16()),
        (Some(head), Some(_)) => RequestResult::HttpBroken(head.status.as_u16()),
        (None, Some(Failure::Connect(why) | Failure::Broken(why, _))) => RequestResult::None(why.clone()),
        (None, None) => RequestResult::None("no answer".to_owned()),
    }
}
