//! Answers over plain HTTP, and the few protobuf messages in them.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use prost::Message;
use serde_json::json;
use spanwise_model::{GrpcCode, Refusal};
use tonic::body::Body;

use crate::PartialSuccess;

/// How an OTLP request over HTTP was encoded, and its answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

/// `ExportTraceServiceResponse` (opentelemetry-proto, `collector/trace/v1/trace_service.proto`).
#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<ExportPartialSuccess>,
}

/// `ExportTracePartialSuccess`.
#[derive(Clone, PartialEq, Message)]
struct ExportPartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`, which errors of OTLP over HTTP carry.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// The response to an export; without partial success it is empty.
pub(crate) fn export_response(partial: Option<&PartialSuccess>) -> Bytes {
    let partial_success = partial.map(|partial| ExportPartialSuccess {
        rejected_spans: partial.rejected_spans,
        error_message: partial.message.clone(),
    });
    ExportResponse { partial_success }.encode_to_vec().into()
}

/// The response to an export over HTTP.
pub(crate) fn export(encoding: Encoding, partial: Option<&PartialSuccess>) -> Response<Body> {
    match (encoding, partial) {
        (Encoding::Protobuf, _) => response(StatusCode::OK, PROTOBUF, export_response(partial)),
        (Encoding::Json, None) => json(StatusCode::OK, "{}".into()),
        (Encoding::Json, Some(partial)) => {
            // 64-bit integers are strings in proto3 JSON.
            let rejected = partial.rejected_spans.to_string();
            let partial = json!({ "rejectedSpans": rejected, "errorMessage": partial.message });
            json(StatusCode::OK, json!({ "partialSuccess": partial }).to_string().into())
        }
    }
}

/// A refusal of OTLP over HTTP.
pub(crate) fn refused(encoding: Encoding, refusal: &Refusal) -> Response<Body> {
    http_error(encoding, http_status(refusal), refusal)
}

/// A refusal of OTLP over HTTP, with a status that says more than its code.
pub(crate) fn http_error(encoding: Encoding, status: StatusCode, refusal: &Refusal) -> Response<Body> {
    let (code, message) = (code(refusal).number() as i32, &refusal.message);
    match encoding {
        Encoding::Protobuf => {
            let body = Status { code, message: message.clone() }.encode_to_vec();
            response(status, PROTOBUF, body.into())
        }
        Encoding::Json => json(status, json!({ "code": code, "message": message }).to_string().into()),
    }
}

/// A refusal in the form of Google's REST APIs.
pub(crate) fn google_refused(refusal: &Refusal) -> Response<Body> {
    google_error(http_status(refusal), refusal)
}

/// A refusal in the form of Google's REST APIs, with a status that says more than its code.
pub(crate) fn google_error(status: StatusCode, refusal: &Refusal) -> Response<Body> {
    let (number, code) = (status.as_u16(), code(refusal).as_str());
    let error = json!({ "code": number, "message": refusal.message, "status": code });
    json(status, json!({ "error": error }).to_string().into())
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: Bytes) -> Response<Body> {
    response(status, "application/json", body)
}

/// An answer for people.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    response(status, "text/plain; charset=utf-8", format!("{text}\n").into_bytes().into())
}

const PROTOBUF: &str = "application/x-protobuf";

fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn code(refusal: &Refusal) -> GrpcCode {
    refusal.code.parse().unwrap_or(GrpcCode::Unknown)
}

/// The HTTP status of a refusal (`google/rpc/code.proto`).
fn http_status(refusal: &Refusal) -> StatusCode {
    match code(refusal) {
        GrpcCode::Ok => StatusCode::OK,
        GrpcCode::InvalidArgument | GrpcCode::FailedPrecondition | GrpcCode::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        GrpcCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        GrpcCode::PermissionDenied => StatusCode::FORBIDDEN,
        GrpcCode::NotFound => StatusCode::NOT_FOUND,
        GrpcCode::AlreadyExists | GrpcCode::Aborted => StatusCode::CONFLICT,
        GrpcCode::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        GrpcCode::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        GrpcCode::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        GrpcCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        GrpcCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        GrpcCode::Unknown | GrpcCode::Internal | GrpcCode::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
