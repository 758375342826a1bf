//! gRPC calls (grpc/grpc `doc/PROTOCOL-HTTP2.md`): unary ones, and streams either way, of which the requests are all sent at once.
//!
//! Messages are built from JSON by descriptors, so no service's code is compiled in. The codes of broken calls are
//! those that every gRPC client must report.

use std::time::Duration;

use ::http::header::{CONTENT_TYPE, TE, USER_AGENT};
use ::http::{Method, Request, Version};
use bytes::Bytes;
use http_body_util::Full;
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use spanwise_model::{GrpcCode, HttpVersion, RequestResult};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::connect::Target;
use super::exchange::{Exchange, Failure};
use super::http::{absolute, answer};
use super::{Answer, Client, Descriptors};
use crate::DriveError;
use crate::clock::{now, unsampled};

/// How much longer than its own deadline the client tells the service to wait, so that the two never race and the
/// call always ends the same way.
const SERVER_GRACE: Duration = Duration::from_secs(10);

/// One gRPC call.
#[derive(Clone, Debug)]
pub struct GrpcCall {
    /// Where to: `http://HOST:PORT` or `https://HOST:PORT`, usually a front's.
    pub url: String,
    /// `package.Service/Method`.
    pub call: String,
    /// The request messages as proto3 JSON: field names as in the `.proto` file or in lowerCamelCase. One, unless the method takes
    /// a stream.
    pub messages: Vec<serde_json::Value>,
    /// Metadata, trace context among it, in order; a name may come twice.
    pub headers: Vec<(String, String)>,
    /// The call ends with DEADLINE_EXCEEDED after this time, streams included; the service is told a longer one.
    pub deadline: Option<Duration>,
    /// Whether the call gets a connection of its own, which ends with it: for calls that are cancelled or time out.
    pub own_connection: bool,
}

/// A call whose messages are encoded already.
pub(super) struct RawCall<'a> {
    pub(super) url: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) messages: Vec<u8>,
    pub(super) deadline: Option<Duration>,
    pub(super) own_connection: bool,
}

impl Client {
    /// Makes a call and waits for its end. Dropping the future cancels the call.
    ///
    /// An error means that the call cannot be made at all: no such method, a message that does not fit it, several for a
    /// method that takes one. Everything that happens to it is in the answer.
    pub async fn grpc(&self, descriptors: &Descriptors, call: GrpcCall) -> Result<Answer, DriveError> {
        let method = descriptors.method(&call.call)?;
        let unfit = |reason| DriveError::Message { call: call.call.clone(), reason };
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        if call.messages.len() != 1 && !method.is_client_streaming() {
            return Err(DriveError::MessageCount { call: call.call, messages: call.messages.len() });
        }
        let framed = call.messages.iter().map(|message| {
            let message = DynamicMessage::deserialize_with_options(method.input(), message, &options);
            message.map(|message| frame(&message.encode_to_vec())).map_err(|error| unfit(error.to_string()))
        });
        let messages = framed.collect::<Result<Vec<_>, _>>()?.concat();
        let raw = RawCall {
            url: &call.url,
            path: &format!("/{}", call.call),
            headers: &call.headers,
            messages,
            deadline: call.deadline,
            own_connection: call.own_connection,
        };
        let mut answer = self.raw_grpc(raw).await?;
        answer.messages = as_json(&answer.body, &method.output());
        answer.is_stream = method.is_server_streaming();
        Ok(answer)
    }

    pub(super) async fn raw_grpc(&self, call: RawCall<'_>) -> Result<Answer, DriveError> {
        let begun = now();
        let target = Target::parse(call.url)?;
        let mut request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(absolute(&target, call.path)?)
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers")
            .header(USER_AGENT, concat!("grpc-spanwise/", env!("CARGO_PKG_VERSION")));
        if let Some(deadline) = call.deadline {
            request = request.header("grpc-timeout", format!("{}m", (deadline + SERVER_GRACE).as_millis()));
        }
        for (name, value) in call.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let request = request.body(Full::new(Bytes::from(call.messages)))?;
        let exchange = self.exchange(&target, HttpVersion::Http2, call.own_connection, request);
        let exchange = match call.deadline {
            None => Some(exchange.await),
            Some(deadline) => tokio::time::timeout(deadline, exchange).await.ok(),
        };
        let result = exchange.as_ref().map_or(RequestResult::Grpc(GrpcCode::DeadlineExceeded), result);
        Ok(answer(exchange.unwrap_or_default(), result, begun))
    }
}

/// Asks `grpc.health.v1` for the server as a whole; the error says in words what came instead of SERVING.
pub(crate) async fn health(client: &Client, url: &str) -> Result<(), String> {
    let call = RawCall {
        url,
        path: "/grpc.health.v1.Health/Check",
        headers: &unsampled(),
        messages: frame(&HealthCheckRequest::default().encode_to_vec()),
        deadline: Some(Duration::from_secs(2)),
        own_connection: true,
    };
    let answer = client.raw_grpc(call).await.map_err(|error| error.to_string())?;
    if answer.result != RequestResult::Grpc(GrpcCode::Ok) {
        return Err(answer.result.to_string());
    }
    let response = unframe(&answer.body).into_iter().next().map(HealthCheckResponse::decode);
    match response {
        Some(Ok(response)) if response.status() == ServingStatus::Serving => Ok(()),
        Some(Ok(response)) => Err(response.status().as_str_name().to_owned()),
        _ => Err("an unreadable answer".to_owned()),
    }
}

/// One message with its prefix: not compressed, length.
pub(super) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// The messages of a body; one that is compressed, which this client never asks for, or cut ends them.
pub(super) fn unframe(body: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    let mut rest = body;
    while let Some((&[0, a, b, c, d], after)) = rest.split_first_chunk::<5>() {
        let Some((message, after)) = after.split_at_checked(u32::from_be_bytes([a, b, c, d]) as usize) else {
            break;
        };
        messages.push(message);
        rest = after;
    }
    messages
}

fn as_json(body: &[u8], output: &MessageDescriptor) -> Vec<serde_json::Value> {
    let options = SerializeOptions::new().use_proto_field_name(true);
    let json = |message: &[u8]| {
        let message = DynamicMessage::decode(output.clone(), message).ok()?;
        message.serialize_with_options(serde_json::value::Serializer, &options).ok()
    };
    unframe(body).into_iter().filter_map(json).collect()
}

fn result(exchange: &Exchange) -> RequestResult {
    if let Some(Failure::Connect(why)) = &exchange.failure {
        return RequestResult::None(why.clone());
    }
    RequestResult::Grpc(code(exchange))
}

fn code(exchange: &Exchange) -> GrpcCode {
    let Some(head) = &exchange.head else {
        return broken(exchange.failure.as_ref());
    };
    let status = exchange.trailers.get("grpc-status").or_else(|| head.headers.get("grpc-status"));
    if let Some(status) = status {
        let number = status.to_str().ok().and_then(|text| text.parse().ok());
        return number.and_then(GrpcCode::from_number).unwrap_or(GrpcCode::Unknown);
    }
    match (head.status.as_u16(), &exchange.failure) {
        (200, Some(failure)) => broken(Some(failure)),
        // Of HTTP statuses without a gRPC one: grpc/grpc `doc/http-grpc-status-mapping.md`.
        (400, _) => GrpcCode::Internal,
        (401, _) => GrpcCode::Unauthenticated,
        (403, _) => GrpcCode::PermissionDenied,
        (404, _) => GrpcCode::Unimplemented,
        (429 | 502 | 503 | 504, _) => GrpcCode::Unavailable,
        _ => GrpcCode::Unknown,
    }
}

/// The code of a stream that was reset (section "Errors"), or of a connection that was lost.
fn broken(failure: Option<&Failure>) -> GrpcCode {
    match failure {
        Some(Failure::Broken(_, Some(reset))) => match reset {
            0..=4 | 6 | 9 | 10 => GrpcCode::Internal,
            7 => GrpcCode::Unavailable,
            8 => GrpcCode::Cancelled,
            11 => GrpcCode::ResourceExhausted,
            12 => GrpcCode::PermissionDenied,
            _ => GrpcCode::Unknown,
        },
        _ => GrpcCode::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &[u8], expected: &[&[u8]]) {
        assert_eq!(unframe(body), expected);
    }

    #[test]
    fn messages_are_framed_and_taken_out_of_their_frames() {
        check(&[], &[]);
        check(&frame(b"ab"), &[b"ab"]);
        check(&[frame(b"ab"), frame(b"")].concat(), &[b"ab", b""]);
        check(&[0, 0, 0, 0, 2, b'a'], &[]);
        check(&[0, 0, 0, 0], &[]);
        check(&[1, 0, 0, 0, 0], &[]);
        check(&[0, 255, 255, 255, 255, 1], &[]);
    }

    #[track_caller]
    fn check_code(status: u16, grpc_status: Option<&str>, failure: Option<Failure>, expected: GrpcCode) {
        let mut response = ::http::Response::builder().status(status);
        if let Some(grpc_status) = grpc_status {
            response = response.header("grpc-status", grpc_status);
        }
        let (head, ()) = response.body(()).expect("a response").into_parts();
        let exchange = Exchange { head: Some(head), failure, ..Exchange::default() };
        assert_eq!(code(&exchange), expected, "{status} {grpc_status:?}");
    }

    #[test]
    fn a_call_has_the_code_that_every_client_must_report() {
        let reset = |code| Some(Failure::Broken("reset".to_owned(), Some(code)));
        check_code(200, Some("0"), None, GrpcCode::Ok);
        check_code(200, Some("5"), reset(8), GrpcCode::NotFound);
        check_code(200, Some("99"), None, GrpcCode::Unknown);
        check_code(200, Some("x"), None, GrpcCode::Unknown);
        check_code(200, None, None, GrpcCode::Unknown);
        check_code(200, None, reset(2), GrpcCode::Internal);
        check_code(200, None, reset(7), GrpcCode::Unavailable);
        check_code(200, None, reset(8), GrpcCode::Cancelled);
        check_code(200, None, reset(11), GrpcCode::ResourceExhausted);
        check_code(200, None, reset(12), GrpcCode::PermissionDenied);
        check_code(200, None, Some(Failure::Broken("lost".to_owned(), None)), GrpcCode::Unavailable);
        check_code(503, None, None, GrpcCode::Unavailable);
        check_code(404, None, None, GrpcCode::Unimplemented);
        check_code(418, None, None, GrpcCode::Unknown);
        check_code(503, Some("13"), None, GrpcCode::Internal);
    }
}
