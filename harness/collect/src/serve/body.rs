//! Request bodies over plain HTTP: read whole, unpacked, bounded.

use std::io::Read;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use spanwise_model::{GrpcCode, Protocol, Refusal};

use crate::intake::{Intake, LARGEST, refusal};

/// Why a body was not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) refusal: Refusal,
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The peer went away: nobody hears the answer.
    BrokenOff,
    /// It cannot be unpacked.
    Damage,
    /// It is not served.
    Unserved,
}

impl Refused {
    fn new(cause: Cause, status: StatusCode, code: GrpcCode, message: &str) -> Refused {
        Refused { status, refusal: refusal(code, message), cause }
    }

    /// A content type that is none of the protocol's.
    pub(crate) fn content_type() -> Refused {
        let message = "the content type must be application/x-protobuf or application/json";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Refused::new(Cause::Unserved, status, GrpcCode::InvalidArgument, message)
    }

    /// Puts the request down, so that it does not look as if none was made.
    pub(crate) fn put_down(&self, intake: &Intake, protocol: Protocol, headers: &HeaderMap) {
        if self.cause == Cause::BrokenOff {
            return;
        }
        let unreadable = (self.cause == Cause::Damage).then(|| self.refusal.message.clone());
        intake.refused(protocol, intake.headers(headers), self.refusal.clone(), unreadable);
    }
}

fn too_large() -> Refused {
    let message = format!("the body is larger than {LARGEST} bytes");
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    Refused::new(Cause::Unserved, status, GrpcCode::ResourceExhausted, &message)
}

fn bad(cause: Cause, message: String) -> Refused {
    Refused::new(cause, StatusCode::BAD_REQUEST, GrpcCode::InvalidArgument, &message)
}

/// Reads a body and unpacks it as its `content-encoding` says.
pub(crate) async fn read(headers: &HeaderMap, mut body: Incoming) -> Result<Bytes, Refused> {
    // What is announced is believed only so far.
    let announced = body.size_hint().lower().min(1 << 20) as usize;
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| bad(Cause::BrokenOff, format!("the body broke off: {error}")))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > LARGEST {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
    match headers.get(http::header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"" | b"identity") => Ok(kept(bytes)),
        Some(b"gzip" | b"x-gzip") => unpack(&bytes),
        Some(other) => Err(Refused::new(
            Cause::Unserved,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            GrpcCode::InvalidArgument,
            &format!("content-encoding {} is not served, gzip is", String::from_utf8_lossy(other)),
        )),
    }
}

fn unpack(packed: &[u8]) -> Result<Bytes, Refused> {
    let mut bytes = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(packed).take(LARGEST as u64 + 1);
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| bad(Cause::Damage, format!("the body is not gzip: {error}")))?;
    if bytes.len() > LARGEST { Err(too_large()) } else { Ok(kept(bytes)) }
}

/// Bytes without the room they grew in, as they may be kept for long.
fn kept(mut bytes: Vec<u8>) -> Bytes {
    bytes.shrink_to_fit();
    bytes.into()
}
