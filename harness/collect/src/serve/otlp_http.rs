//! OTLP over HTTP, protobuf and JSON; answers come in the content type of the request
//! (opentelemetry-proto, `docs/specification.md`, section OTLP/HTTP).

use http::{HeaderMap, Request, Response};
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

fn unsupported(refused: &body::Refused) -> Response<Body> {
    answer::plain(refused.status, &refused.refusal.message)
}

pub(crate) async fn export(intake: &Intake, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Some(encoding) = encoding(&parts.headers) else {
        let refused = body::Refused::content_type();
        refused.put_down(intake, Protocol::OtlpHttp, &parts.headers);
        return unsupported(&refused);
    };
    let protocol = match encoding {
        Encoding::Protobuf => Protocol::OtlpHttp,
        Encoding::Json => Protocol::OtlpHttpJson,
    };
    let payload = match body::read(&parts.headers, body).await {
        Ok(payload) => payload,
        Err(refused) => {
            refused.put_down(intake, protocol, &parts.headers);
            return answer::http_error(encoding, refused.status, &refused.refusal);
        }
    };
    let headers = intake.headers(&parts.headers);
    let request = intake::Request { protocol, message: Message::Batch, project: None, headers, payload };
    match intake.take(request) {
        Answer::Accepted => answer::export(encoding, None),
        Answer::Partly(partial) => answer::export(encoding, Some(&partial)),
        Answer::Refused(refusal) => answer::refused(encoding, &refusal),
    }
}

/// Metrics and logs: read, so that the connection can be used again, and dropped.
pub(crate) async fn acknowledge(request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Some(encoding) = encoding(&parts.headers) else {
        return unsupported(&body::Refused::content_type());
    };
    match body::read(&parts.headers, body).await {
        Ok(_) => answer::export(encoding, None),
        Err(refused) => answer::http_error(encoding, refused.status, &refused.refusal),
    }
}
