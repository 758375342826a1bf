//! Request bodies over plain HTTP: read whole, unpacked, bounded.

use std::io::Read;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::intake::LARGEST;

/// Why a body was not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Refused {
        Refused { status, message: message.into() }
    }
}

fn too_large() -> Refused {
    Refused::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {LARGEST} bytes"))
}

/// Reads a body and unpacks it as its `content-encoding` says.
pub(crate) async fn read(headers: &HeaderMap, mut body: Incoming) -> Result<Bytes, Refused> {
    // What is announced is believed only so far.
    let announced = body.size_hint().lower().min(1 << 20) as usize;
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}")))?;
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
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content-encoding {} is not served, gzip is", String::from_utf8_lossy(other)),
        )),
    }
}

fn unpack(packed: &[u8]) -> Result<Bytes, Refused> {
    let mut bytes = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(packed).take(LARGEST as u64 + 1);
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, format!("the body is not gzip: {error}")))?;
    if bytes.len() > LARGEST { Err(too_large()) } else { Ok(kept(bytes)) }
}

/// Bytes without the room they grew in, as they may be kept for long.
fn kept(mut bytes: Vec<u8>) -> Bytes {
    bytes.shrink_to_fit();
    bytes.into()
}
