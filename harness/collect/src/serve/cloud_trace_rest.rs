//! Cloud Trace v2 over REST: the JSON of the gRPC messages, with names in the path
//! (googleapis, `google/devtools/cloudtrace/v2/tracing.proto`, the `google.api.http` options).

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use spanwise_decode::Message;
use spanwise_model::Protocol;
use tonic::body::Body;

use super::{answer, body};
use crate::intake::{self, Answer, Intake};

/// `POST /v2/projects/P/traces:batchWrite`, answered with an empty object.
pub(crate) async fn batch_write_spans(
    intake: &Intake,
    project: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let answer = take(intake, Message::Batch, Some(project), request, |payload| payload).await;
    answer.map_or_else(|refused| refused, |_| answer::json(StatusCode::OK, "{}".into()))
}

/// `POST /v2/projects/P/traces/T/spans/S`, answered with the span.
pub(crate) async fn create_span(intake: &Intake, name: &str, request: Request<Incoming>) -> Response<Body> {
    let project = name.split('/').nth(1);
    let bound = |payload| bind_name(payload, name);
    let answer = take(intake, Message::Span, project, request, bound).await;
    answer.map_or_else(|refused| refused, |span| answer::json(StatusCode::OK, span))
}

async fn take(
    intake: &Intake,
    message: Message,
    project: Option<&str>,
    request: Request<Incoming>,
    bind: impl FnOnce(Bytes) -> Bytes,
) -> Result<Bytes, Response<Body>> {
    let (parts, body) = request.into_parts();
    let payload = body::read(&parts.headers, body).await;
    let payload = payload.map_err(|refused| {
        refused.put_down(intake, Protocol::CloudTraceRest, &parts.headers);
        answer::google_error(refused.status, &refused.refusal)
    })?;
    let payload = bind(payload);
    let request = intake::Request {
        protocol: Protocol::CloudTraceRest,
        message,
        project: project.map(str::to_owned),
        headers: intake.headers(&parts.headers),
        payload: payload.clone(),
    };
    match intake.take(request) {
        Answer::Accepted | Answer::Partly(_) => Ok(payload),
        Answer::Refused(refusal) => Err(answer::google_refused(&refusal)),
    }
}

/// Puts the name of the path into a span that does not repeat it, as the transcoding of the real service does.
fn bind_name(payload: Bytes, name: &str) -> Bytes {
    let object: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(&payload);
    let Ok(object) = object else { return payload };
    let fields = payload.iter().position(|&byte| byte == b'{').map(|brace| payload.slice(brace + 1..));
    let (false, Some(fields)) = (object.contains_key("name"), fields) else { return payload };
    let mut bound = format!("{{\"name\":{}", serde_json::Value::from(name)).into_bytes();
    if !object.is_empty() {
        bound.push(b',');
    }
    bound.extend_from_slice(&fields);
    bound.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &'static str, expected: &str) {
        assert_eq!(bind_name(Bytes::from_static(body.as_bytes()), "projects/p/traces/t/spans/s"), expected);
    }

    #[test]
    fn a_span_without_a_name_gets_that_of_the_path() {
        check(r#"{"spanId":"s"}"#, r#"{"name":"projects/p/traces/t/spans/s","spanId":"s"}"#);
        check(" {}", r#"{"name":"projects/p/traces/t/spans/s"}"#);
        check(r#"{"name":"other"}"#, r#"{"name":"other"}"#);
        check("no JSON", "no JSON");
    }
}
