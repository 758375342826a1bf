//! Status codes of gRPC and HTTP: names, mappings, and which of them are errors of a span.
//!
//! The layers and `api-service` use it. It holds the tables alone; who applies them stands elsewhere.

use http::{HeaderMap, StatusCode};
use tonic::Code;

/// The name of a gRPC code as it stands in `google/rpc/code.proto` and in `rpc.response.status_code`.
pub fn grpc_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The HTTP status for a gRPC code, as the comments of `google/rpc/code.proto` give it. 499 is no registered status; Google's
/// services use it for a call that the caller gave up.
pub fn http_status(code: Code) -> StatusCode {
    let status = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The gRPC code for a response without `grpc-status`, which some proxy answered (`http-grpc-status-mapping.md` of gRPC).
pub fn grpc_code(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// Whether the SERVER span of a call with this code is an error: only where the server is to blame (semantic conventions
/// 1.42, "gRPC", section "gRPC status"). A CLIENT span is one for any code but OK.
pub fn is_server_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// Code and message that headers or trailers carry, if they carry a `grpc-status`.
pub fn grpc_status(headers: &HeaderMap) -> Option<(Code, String)> {
    tonic::Status::from_header_map(headers).map(|status| (status.code(), status.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// One row for each code: number, name, HTTP status, error of the server.
    #[rstest]
    #[case(0, "OK", 200, false)]
    #[case(1, "CANCELLED", 499, false)]
    #[case(2, "UNKNOWN", 500, true)]
    #[case(3, "INVALID_ARGUMENT", 400, false)]
    #[case(4, "DEADLINE_EXCEEDED", 504, true)]
    #[case(5, "NOT_FOUND", 404, false)]
    #[case(6, "ALREADY_EXISTS", 409, false)]
    #[case(7, "PERMISSION_DENIED", 403, false)]
    #[case(8, "RESOURCE_EXHAUSTED", 429, false)]
    #[case(9, "FAILED_PRECONDITION", 400, false)]
    #[case(10, "ABORTED", 409, false)]
    #[case(11, "OUT_OF_RANGE", 400, false)]
    #[case(12, "UNIMPLEMENTED", 501, true)]
    #[case(13, "INTERNAL", 500, true)]
    #[case(14, "UNAVAILABLE", 503, true)]
    #[case(15, "DATA_LOSS", 500, true)]
    #[case(16, "UNAUTHENTICATED", 401, false)]
    fn codes(#[case] number: i32, #[case] name: &str, #[case] http: u16, #[case] error: bool) {
        let code = Code::from(number);
        assert_eq!((grpc_name(code), http_status(code).as_u16(), is_server_error(code)), (name, http, error));
    }

    #[rstest]
    #[case(400, Code::Internal)]
    #[case(401, Code::Unauthenticated)]
    #[case(403, Code::PermissionDenied)]
    #[case(404, Code::Unimplemented)]
    #[case(429, Code::Unavailable)]
    #[case(502, Code::Unavailable)]
    #[case(503, Code::Unavailable)]
    #[case(504, Code::Unavailable)]
    #[case(500, Code::Unknown)]
    #[case(200, Code::Unknown)]
    fn bare_http_statuses(#[case] status: u16, #[case] expected: Code) {
        assert_eq!(grpc_code(StatusCode::from_u16(status).unwrap()), expected);
    }
}
