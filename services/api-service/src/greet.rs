//! `POST /greet`: one greeting from the backend.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use spanwise_demo_common_lib::backend::BackendClient;
use spanwise_demo_proto::backend_service::v1::greet_request::Behavior;
use spanwise_demo_proto::backend_service::v1::{Code, GreetRequest};
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};

/// Whom to greet, and at most one way to misbehave.
#[derive(Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Greet {
    /// Must not be empty.
    #[schema(example = "Ada")]
    name: String,
    /// Fail with INTERNAL.
    #[serde(default)]
    with_error: bool,
    /// Fail with this gRPC code.
    #[schema(example = "UNAVAILABLE")]
    error_code: Option<String>,
    /// Panic in the backend.
    #[serde(default)]
    panic: bool,
    /// Let the backend wait for so many milliseconds.
    delay_ms: Option<u32>,
}

/// A greeting.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Greeting {
    #[schema(example = "Hello, Ada!")]
    pub(crate) reply: String,
}

/// Greet somebody.
#[utoipa::path(
    post,
    path = "/greet",
    request_body(content = Greet, content_type = "application/json"),
    responses(
        (status = 200, description = "The greeting", body = Greeting),
        (status = 400, description = "The body is not understood", body = ErrorBody),
        (status = "default", description = "The backend failed: the HTTP status of its gRPC code", body = ErrorBody),
    )
)]
pub(crate) async fn greet(
    State(mut backend): State<BackendClient>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Greeting>, ApiError> {
    let body = body.map_err(|error| ApiError::invalid(error.to_string()))?;
    let request = request(&body)?;
    let reply = backend.greet(request).await?.into_inner().reply;
    Ok(Json(Greeting { reply }))
}

/// What the backend is asked, for this body.
fn request(body: &[u8]) -> Result<GreetRequest, ApiError> {
    let greet: Greet = serde_json::from_slice(body).map_err(|error| ApiError::invalid(error.to_string()))?;
    let code = greet.error_code.as_deref().map(code).transpose()?;
    let mut behaviors = [
        greet.with_error.then_some(Behavior::ErrorCode(Code::Internal.into())),
        code.map(|code| Behavior::ErrorCode(code.into())),
        greet.panic.then_some(Behavior::Panic(true)),
        greet.delay_ms.map(Behavior::DelayMs),
    ]
    .into_iter()
    .flatten();
    let behavior = behaviors.next();
    if behaviors.next().is_some() {
        return Err(ApiError::invalid("at most one of withError, errorCode, panic and delayMs"));
    }
    Ok(GreetRequest { name: greet.name, behavior })
}

/// The code of this name.
pub(crate) fn code(name: &str) -> Result<Code, ApiError> {
    Code::from_str_name(name).ok_or_else(|| ApiError::invalid(format!("{name:?} is no gRPC code")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"{"name":"Ada"}"#, None)]
    #[case(r#"{"name":"Ada","withError":true}"#, Some(Behavior::ErrorCode(13)))]
    #[case(r#"{"name":"Ada","withError":false}"#, None)]
    #[case(r#"{"name":"Ada","errorCode":"DATA_LOSS"}"#, Some(Behavior::ErrorCode(15)))]
    #[case(r#"{"name":"Ada","panic":true}"#, Some(Behavior::Panic(true)))]
    #[case(r#"{"name":"Ada","delayMs":7}"#, Some(Behavior::DelayMs(7)))]
    fn bodies(#[case] body: &str, #[case] behavior: Option<Behavior>) {
        let found = request(body.as_bytes()).unwrap();
        assert_eq!(found, GreetRequest { name: "Ada".to_owned(), behavior });
    }

    #[rstest]
    #[case("")]
    #[case("{}")]
    #[case(r#"{"name":7}"#)]
    #[case(r#"{"name":"Ada","nam":"x"}"#)]
    #[case(r#"{"name":"Ada","errorCode":"NOPE"}"#)]
    #[case(r#"{"name":"Ada","delayMs":-1}"#)]
    #[case(r#"{"name":"Ada","panic":true,"withError":true}"#)]
    fn refused(#[case] body: &str) {
        assert_eq!(request(body.as_bytes()).unwrap_err().0.code(), tonic::Code::InvalidArgument);
    }
}
