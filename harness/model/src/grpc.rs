//! gRPC status codes (grpc/grpc `doc/statuscodes.md`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)] // The names are the definition.
pub enum GrpcCode {
    Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

/// Every code with its name, in the order of its number.
const NAMES: [(GrpcCode, &str); 17] = [
    (GrpcCode::Ok, "OK"),
    (GrpcCode::Cancelled, "CANCELLED"),
    (GrpcCode::Unknown, "UNKNOWN"),
    (GrpcCode::InvalidArgument, "INVALID_ARGUMENT"),
    (GrpcCode::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (GrpcCode::NotFound, "NOT_FOUND"),
    (GrpcCode::AlreadyExists, "ALREADY_EXISTS"),
    (GrpcCode::PermissionDenied, "PERMISSION_DENIED"),
    (GrpcCode::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (GrpcCode::FailedPrecondition, "FAILED_PRECONDITION"),
    (GrpcCode::Aborted, "ABORTED"),
    (GrpcCode::OutOfRange, "OUT_OF_RANGE"),
    (GrpcCode::Unimplemented, "UNIMPLEMENTED"),
    (GrpcCode::Internal, "INTERNAL"),
    (GrpcCode::Unavailable, "UNAVAILABLE"),
    (GrpcCode::DataLoss, "DATA_LOSS"),
    (GrpcCode::Unauthenticated, "UNAUTHENTICATED"),
];

impl GrpcCode {
    /// Every code, in the order of its number.
    pub fn all() -> impl Iterator<Item = GrpcCode> {
        NAMES.iter().map(|(code, _)| *code)
    }

    /// The code of a number; `None` beyond 16.
    pub fn from_number(number: i64) -> Option<GrpcCode> {
        usize::try_from(number).ok().and_then(|at| NAMES.get(at)).map(|(code, _)| *code)
    }

    /// The number on the wire, 0 to 16.
    pub fn number(self) -> i64 {
        self as i64
    }

    /// The name as specifications write it: `DEADLINE_EXCEEDED`.
    pub fn as_str(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// Whether a SERVER span with this code must have status ERROR
    /// (semantic conventions, `docs/rpc/grpc.md`, section Server spans).
    pub fn is_server_error(self) -> bool {
        use GrpcCode::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
        matches!(self, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
    }
}

impl fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GrpcCode {
    type Err = ();
    fn from_str(text: &str) -> Result<GrpcCode, ()> {
        NAMES.iter().find(|(_, name)| *name == text).map(|(code, _)| *code).ok_or(())
    }
}
