//! OTLP over HTTP, protobuf and JSON; answers come in the content type of the request
//! (opentelemetry-proto, `docs/specification.md`, section OTLP/HTTP).

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use spanwise_decode::Message;
use spanwise_model::Protocol;
use tonic::body::Body;

use super::answer::{self, Encoding};
use super::body;
use crate::intake::{self, Answer, Intake};

/// The encoding of a request by its content type.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let content_type = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" | "application/protobuf" => Some(Encoding::Protobuf),
        "application/json" => Some(Encoding::Json),
        _ => None,
    }
}

fn unsupported() -> Response<Body> {
    let message = "the content type must be application/x-protobuf or application/json";
    answer::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
}

pub(crate) async fn export(intake: &Intake, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Some(encoding) = encoding(&parts.headers) else { return unsupported() };
    let payload = match body::read(&parts.headers, body).await {
        Ok(payload) => payload,
        Err(refused) => return answer::http_error(encoding, refused.status, &refused.message),
    };
    let protocol = match encoding {
        Encoding::Protobuf => Protocol::OtlpHttp,
        Encoding::Json => Protocol::OtlpHttpJson,
    };
    let headers = intake.headers(&parts.headers);
    let request = intake::Request { protocol, message: Message::Batch, project: None, headers, payload };
    match intake.take(request).await {
        Answer::Accepted => answer::export(encoding, None),
        Answer::Partly(partial) => answer::export(encoding, Some(&partial)),
        Answer::Refused(refusal) => answer::refused(encoding, &refusal),
    }
}

/// Metrics and logs: read, so that the connection can be used again, and dropped.
pub(crate) async fn acknowledge(request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Some(encoding) = encoding(&parts.headers) else { return unsupported() };
    let read: Result<Bytes, _> = body::read(&parts.headers, body).await;
    match read {
        Ok(_) => answer::export(encoding, None),
        Err(refused) => answer::http_error(encoding, refused.status, &refused.message),
    }
}
