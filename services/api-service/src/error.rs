//! The errors that the endpoints answer, all of one shape: `{"error": {"code", "message"}}`.
//!
//! `code` is the name of a gRPC code, the HTTP status follows from it (`google/rpc/code.proto`). A failure of the backend is
//! passed on as it came.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use spanwise_demo_common_lib::status::{grpc_name, http_status};
use tonic::Status;
use utoipa::ToSchema;

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) Status);

/// The body of an error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    error: ErrorDetails,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetails {
    /// The name of a gRPC code.
    #[schema(example = "INVALID_ARGUMENT")]
    code: &'static str,
    /// For people.
    message: String,
}

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        Self(status)
    }
}

impl ApiError {
    /// The request cannot be understood.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self(Status::invalid_argument(message))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        answer(http_status(self.0.code()), &self.0)
    }
}

/// No such path.
pub(crate) async fn not_found() -> Response {
    ApiError(Status::not_found("no such path")).into_response()
}

/// The path exists, for other methods.
pub(crate) async fn method_not_allowed() -> Response {
    answer(StatusCode::METHOD_NOT_ALLOWED, &Status::unimplemented("not with this method"))
}

/// A handler panicked.
pub(crate) fn panicked() -> Response {
    ApiError(Status::internal("the handler panicked")).into_response()
}

fn answer(http: StatusCode, status: &Status) -> Response {
    let error = ErrorDetails { code: grpc_name(status.code()), message: status.message().to_owned() };
    (http, Json(ErrorBody { error })).into_response()
}
