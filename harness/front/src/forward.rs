//! One request through a front: record, ask the policy, translate the version where needed, send, answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version, request};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use spanwise_model::{End, Header, HttpVersion, Stamps, WireTap, secret};
use tokio::time::{Instant, timeout_at};

use crate::body::{AnswerBody, TappedBody};
use crate::connection::Connection;
use crate::exchange::{Exchange, now};
use crate::front::UpstreamProtocol;
use crate::headers::{
    authority, header, recorded, remove_connection_headers, remove_h2c, to_http1, to_http2,
};
use crate::policy::{Asked, Decision, Way};
use crate::tunnel::Tunnel;
use crate::upstream::NoAnswer;

/// The service broke the exchange off before the head of its answer.
///
/// It is a type of its own with hyper's error as its source, because hyper looks for the HTTP/2 error code in that
/// chain and resets the caller's stream with the same one.
#[derive(Debug, thiserror::Error)]
#[error("the service broke the exchange off")]
pub(crate) struct BrokenOff(#[source] hyper::Error);

/// Answers one request of a caller. That it came is recorded at once, also where the caller is gone before the answer is begun.
pub(crate) fn forward(
    connection: Arc<Connection>,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<AnswerBody>, BrokenOff>> {
    let came = Instant::now();
    let caller = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let tap = begun(&connection, &head);
    let exchange = Exchange::begin(connection.log.clone(), connection.policy.clone(), tap);
    answer(Came { connection, head, body, caller, came, exchange })
}

/// A request that came.
struct Came {
    connection: Arc<Connection>,
    head: request::Parts,
    body: Incoming,
    /// The caller's side of what the connection may go on as.
    caller: OnUpgrade,
    came: Instant,
    exchange: Exchange,
}

async fn answer(request: Came) -> Result<Response<AnswerBody>, BrokenOff> {
    let Came { connection, mut head, body, caller, came, mut exchange } = request;
    let caller_version = head.version;
    let onward = match (connection.protocol, caller_version) {
        (UpstreamProtocol::H2c, _) | (UpstreamProtocol::AsCaller, Version::HTTP_2) => Version::HTTP_2,
        (UpstreamProtocol::Http1 | UpstreamProtocol::AsCaller, _) => Version::HTTP_11,
    };
    let asked = Asked { head: &mut head, tls: connection.tls, peer: connection.peer, onward };
    let Way { announced, instance, timeout, held } = match connection.policy.request(asked).await {
        Decision::Forward(way) => way,
        Decision::Answer(answer) => return Ok(own(answer, exchange)),
    };
    let (instance, address) = instance.unzip();
    exchange.goes_on(announced, instance, held);
    if caller_version != Version::HTTP_2 {
        remove_h2c(&mut head.headers);
    }
    match onward {
        Version::HTTP_2 => to_http2(&mut head),
        _ => to_http1(&mut head),
    }
    let is_sequential = caller_version != Version::HTTP_2;
    let upstream = connection.upstream(address);
    let answer = upstream.send(Request::from_parts(head, body), is_sequential);
    // A time that no clock reaches is none.
    let deadline = timeout.and_then(|timeout| came.checked_add(timeout));
    let answer = match deadline {
        None => answer.await,
        // Given up, the request is taken back from the service: its stream is reset, its connection closed.
        Some(deadline) => match timeout_at(deadline, answer).await {
            Ok(answer) => answer,
            Err(_) => return Ok(own(late(deadline - came), exchange)),
        },
    };
    match answer {
        Ok(mut response) => {
            let service = hyper::upgrade::on(&mut response);
            let (mut head, body) = response.into_parts();
            exchange.answered(head.status, &head.headers, false);
            connection.policy.response(&mut head);
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                connection.goes_on_as(Tunnel { caller, service, exchange, deadline });
                return Ok(Response::from_parts(head, AnswerBody::Own(Full::default())));
            }
            if head.version != caller_version {
                remove_connection_headers(&mut head.headers);
                head.version = caller_version;
            }
            Ok(Response::from_parts(head, AnswerBody::Tapped(TappedBody::new(body, exchange, deadline))))
        }
        Err(NoAnswer::Unreachable(error)) => {
            let mut answer = Response::new(Bytes::from(format!("the service cannot be reached: {error}\n")));
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            Ok(own(answer, exchange))
        }
        Err(NoAnswer::Broken(error)) => {
            exchange.broken(&error);
            Err(BrokenOff(error))
        }
    }
}

/// What the caller of a service is told that took longer than the policy allows.
fn late(allowed: Duration) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(format!("the service did not answer within {allowed:?}\n")));
    *answer.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    answer
}

/// An answer that the service had no part in.
fn own(answer: Response<Bytes>, mut exchange: Exchange) -> Response<AnswerBody> {
    exchange.answered(answer.status(), answer.headers(), true);
    exchange.complete();
    answer.map(|body| AnswerBody::Own(Full::new(body)))
}

/// What is known of an exchange when its request has come.
fn begun(connection: &Connection, head: &request::Parts) -> WireTap {
    let http = if head.version == Version::HTTP_2 { HttpVersion::Http2 } else { HttpVersion::Http1 };
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let as_sent = match http {
        HttpVersion::Http1 => connection.watch.http1_head(head.method.as_str(), &head.uri.to_string()),
        HttpVersion::Http2 => None,
    };
    let request_headers = match as_sent {
        Some(lines) => lines.into_iter().map(|(name, value)| header(name, &value)).collect::<Vec<Header>>(),
        None => recorded(&head.headers),
    };
    WireTap {
        from: connection.from.clone(),
        to: connection.to.clone(),
        tls: connection.tls,
        http,
        method: head.method.as_str().to_owned(),
        path: secret::path_and_query(target).into_owned(),
        authority: secret::authority(&authority(head)).into_owned(),
        request_headers,
        announced: None,
        status: None,
        response_headers: Vec::new(),
        trailers: Vec::new(),
        answered_by_front: false,
        end: End::Open,
        stamps: Stamps { begun: now(), ..Stamps::default() },
    }
}
