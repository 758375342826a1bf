//! The status that a case expects of an answer: reads `expect.http`, `expect.grpc` and `expect.exit`.

use spanwise_model::{GrpcCode, RequestResult};

use crate::Entry;
use crate::error::SuiteError;
use crate::format::ExpectFile;
use crate::names::Names;
use crate::spanned::Spanned;
use crate::yaml::{AsText, Scalar};

/// The HTTP status that `google/rpc/code.proto` maps a gRPC code to.
pub fn http_status(code: GrpcCode) -> u16 {
    match code {
        GrpcCode::Ok => 200,
        GrpcCode::Cancelled => 499,
        GrpcCode::InvalidArgument | GrpcCode::FailedPrecondition | GrpcCode::OutOfRange => 400,
        GrpcCode::DeadlineExceeded => 504,
        GrpcCode::NotFound => 404,
        GrpcCode::AlreadyExists | GrpcCode::Aborted => 409,
        GrpcCode::PermissionDenied => 403,
        GrpcCode::Unauthenticated => 401,
        GrpcCode::ResourceExhausted => 429,
        GrpcCode::Unimplemented => 501,
        GrpcCode::Unavailable => 503,
        GrpcCode::Unknown | GrpcCode::Internal | GrpcCode::DataLoss => 500,
    }
}

/// What is expected of a request in one form. A command that says nothing is expected to succeed.
pub(crate) fn expected_result(
    expect: Option<&ExpectFile>,
    form: Entry,
    names: &Names<'_>,
) -> Result<Option<RequestResult>, SuiteError> {
    match form {
        Entry::Http => expect.and_then(|it| it.http.as_ref()).map(|it| http_result(it, names)).transpose(),
        Entry::Grpc => expect.and_then(|it| it.grpc.as_ref()).map(|it| grpc_result(it, names)).transpose(),
        Entry::Shell => {
            let code = expect.and_then(|it| it.exit.as_ref()).map_or(0, |code| code.value);
            Ok(Some(RequestResult::Exit(code.into())))
        }
    }
}

/// Reads `expect.http`: a status, `broken` (200, and a body that is cut short), or a gRPC code for its HTTP status.
fn http_result(expected: &Spanned<Scalar>, names: &Names<'_>) -> Result<RequestResult, SuiteError> {
    let text = names.text(&expected.text())?;
    if text == "broken" {
        return Ok(RequestResult::HttpBroken(200));
    }
    if let Ok(code) = text.parse::<GrpcCode>() {
        return Ok(RequestResult::Http(http_status(code)));
    }
    match text.parse() {
        Ok(status @ 100..=599) => Ok(RequestResult::Http(status)),
        _ => {
            let message = format!("`{text}` is no HTTP status, no gRPC code, and not `broken`");
            Err(names.file.error(expected.referenced, message))
        }
    }
}

fn grpc_result(expected: &Spanned<String>, names: &Names<'_>) -> Result<RequestResult, SuiteError> {
    let text = names.text(expected)?;
    text.parse().map(RequestResult::Grpc).map_err(|()| {
        let error = names.file.error(expected.referenced, format!("`{text}` is no gRPC code"));
        error.with_names(&text, GrpcCode::all().map(GrpcCode::as_str))
    })
}
