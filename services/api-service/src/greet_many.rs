//! `GET /greet-many/{name}`: a stream of greetings from the backend, a line each.
//!
//! If the backend's stream breaks, the status 200 is out already. The body is then aborted, so that no client takes half an
//! answer for a whole one: over HTTP/1.1 the last chunk is missing, over HTTP/2 the stream is reset.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::Version;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use spanwise_demo_common_lib::backend::BackendClient;
use spanwise_demo_proto::backend_service::v1::fail_after::Failure;
use spanwise_demo_proto::backend_service::v1::greet_request::Behavior;
use spanwise_demo_proto::backend_service::v1::{Code, FailAfter, GreetRequest, GreetResult};
use tonic::{Status, Streaming};
use utoipa::IntoParams;

use crate::error::{ApiError, ErrorBody};
use crate::greet::{Greeting, code};

/// How long the headers and the lines before an abort have to get out over HTTP/2, which throws away what it has not sent, and
/// nothing tells when it has. Long enough for a busy machine.
const PAUSE: Duration = Duration::from_millis(250);

/// How the stream is to break, if it is.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Break {
    /// Break after so many greetings.
    fail_after: Option<u32>,
    /// With this gRPC code in the backend's trailers; INTERNAL if neither this nor `reset` is given.
    error_code: Option<String>,
    /// By a reset of the backend's stream.
    reset: Option<bool>,
}

/// Greet somebody several times.
#[utoipa::path(
    get,
    path = "/greet-many/{name}",
    params(("name" = String, Path, description = "Whom to greet"), Break),
    responses(
        (status = 200, description = "Greetings, a JSON object a line; aborted if the backend's stream breaks",
            body = Greeting, content_type = "application/x-ndjson"),
        (status = 400, description = "The query is not understood", body = ErrorBody),
        (status = "default", description = "The backend failed before the first greeting", body = ErrorBody),
    )
)]
pub(crate) async fn greet_many(
    State(mut backend): State<BackendClient>,
    version: Version,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<Break>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|error| ApiError::invalid(error.body_text()))?;
    let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let behavior = behavior(&query)?;
    let greetings = backend.greet_many(GreetRequest { name, behavior }).await?.into_inner();
    let lines = stream::unfold(Some(greetings), move |greetings| next_line(greetings, version));
    let body = Body::from_stream(lines);
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn behavior(query: &Break) -> Result<Option<Behavior>, ApiError> {
    let Some(messages) = query.fail_after else {
        return match query {
            Break { error_code: None, reset: None, .. } => Ok(None),
            _ => Err(ApiError::invalid("errorCode and reset need failAfter")),
        };
    };
    let failure = match (query.error_code.as_deref(), query.reset.unwrap_or(false)) {
        (Some(_), true) => return Err(ApiError::invalid("at most one of errorCode and reset")),
        (Some(name), false) => Failure::ErrorCode(code(name)?.into()),
        (None, true) => Failure::Reset(true),
        (None, false) => Failure::ErrorCode(Code::Internal.into()),
    };
    Ok(Some(Behavior::FailAfter(FailAfter { messages, failure: Some(failure) })))
}

type Greetings = Option<Streaming<GreetResult>>;

/// The next line, or the error that aborts the body, after which there is no more.
async fn next_line(greetings: Greetings, version: Version) -> Option<(Result<Bytes, Status>, Greetings)> {
    let mut greetings = greetings?;
    match greetings.message().await {
        Ok(greeting) => Some((Ok(line(greeting?)), Some(greetings))),
        Err(status) => {
            if version == Version::HTTP_2 {
                // waits on purpose: what was said before must be sent before the body is aborted
                tokio::time::sleep(PAUSE).await;
            } else {
                // HTTP/1.1 sends what it has as soon as the body has nothing ready.
                tokio::task::yield_now().await;
            }
            Some((Err(status), None))
        }
    }
}

fn line(greeting: GreetResult) -> Bytes {
    format!("{}\n", serde_json::json!({ "reply": greeting.reply })).into()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn query(fail_after: Option<u32>, error_code: Option<&str>, reset: Option<bool>) -> Break {
        Break { fail_after, error_code: error_code.map(str::to_owned), reset }
    }

    fn fail_after(messages: u32, failure: Failure) -> Option<Behavior> {
        Some(Behavior::FailAfter(FailAfter { messages, failure: Some(failure) }))
    }

    #[rstest]
    #[case(query(None, None, None), None)]
    #[case(query(Some(2), None, None), fail_after(2, Failure::ErrorCode(13)))]
    #[case(query(Some(0), Some("ABORTED"), None), fail_after(0, Failure::ErrorCode(10)))]
    #[case(query(Some(1), None, Some(true)), fail_after(1, Failure::Reset(true)))]
    #[case(query(Some(1), Some("ABORTED"), Some(false)), fail_after(1, Failure::ErrorCode(10)))]
    fn queries(#[case] query: Break, #[case] expected: Option<Behavior>) {
        assert_eq!(behavior(&query).unwrap(), expected);
    }

    #[rstest]
    #[case(query(None, Some("ABORTED"), None))]
    #[case(query(None, None, Some(true)))]
    #[case(query(Some(1), Some("ABORTED"), Some(true)))]
    #[case(query(Some(1), Some("NOPE"), None))]
    fn refused(#[case] query: Break) {
        assert_eq!(behavior(&query).unwrap_err().0.code(), tonic::Code::InvalidArgument);
    }
}
