//! What the gRPC protocols share: a codec whose messages stay bytes, and the way of a unary call to the intake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use spanwise_decode::Message;
use spanwise_model::{GrpcCode, Header, Protocol, Refusal};
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};

use crate::PartialSuccess;
use crate::intake::{self, Answer, Intake, LARGEST};

/// Whether a request is a gRPC call, by its content type.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Calls a method with bytes in and bytes out.
pub(crate) async fn unary(
    service: impl UnaryService<Bytes, Response = Bytes>,
    request: Request<Incoming>,
) -> Response<Body> {
    let mut grpc =
        Grpc::new(BytesCodec).accept_compressed(CompressionEncoding::Gzip).max_decoding_message_size(LARGEST);
    grpc.unary(service, request).await
}

/// A method that takes spans.
#[derive(Clone)]
pub(crate) struct Export {
    pub(crate) intake: Arc<Intake>,
    pub(crate) protocol: Protocol,
    pub(crate) message: Message,
    /// The response to an accepted payload.
    pub(crate) response: fn(&Bytes, Option<PartialSuccess>) -> Bytes,
}

/// Calls a method that takes spans. What tonic refuses before there is a payload is put down here, so that it does not look
/// as if no request was made.
pub(crate) async fn export(export: Export, request: Request<Incoming>) -> Response<Body> {
    let headers = export.intake.headers(request.headers());
    let is_read = Arc::new(AtomicBool::new(false));
    let call = Call { export: export.clone(), headers: headers.clone(), is_read: is_read.clone() };
    let response = unary(call, request).await;
    if is_read.load(Ordering::Relaxed) {
        return response;
    }
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    let message = status.message();
    let (code, unreadable) = match status.code() {
        // Senders of OTLP take OUT_OF_RANGE, which tonic has for what is too large, as a reason to try again.
        Code::OutOfRange | Code::ResourceExhausted => (GrpcCode::ResourceExhausted, None),
        Code::Unimplemented => (GrpcCode::Unimplemented, None),
        Code::Internal => (GrpcCode::Internal, Some(message.to_owned())),
        // The peer went away: nobody hears the answer.
        _ => return response,
    };
    let refusal = intake::refusal(code, message);
    export.intake.refused(export.protocol, headers, refusal.clone(), unreadable);
    self::status(&refusal).into_http()
}

/// One call of [`Export`].
struct Call {
    export: Export,
    headers: Arc<[Header]>,
    /// Whether there was a payload.
    is_read: Arc<AtomicBool>,
}

impl UnaryService<Bytes> for Call {
    type Response = Bytes;
    type Future = std::future::Ready<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        self.is_read.store(true, Ordering::Relaxed);
        let Export { intake, protocol, message, response } = &self.export;
        let (metadata, _, payload) = request.into_parts();
        let payload = compact(payload, &metadata);
        let request = intake::Request {
            protocol: *protocol,
            message: *message,
            project: None,
            headers: self.headers.clone(),
            payload: payload.clone(),
        };
        std::future::ready(match intake.take(request) {
            Answer::Accepted => Ok(tonic::Response::new(response(&payload, None))),
            Answer::Partly(partial) => Ok(tonic::Response::new(response(&payload, Some(partial)))),
            Answer::Refused(refusal) => Err(status(&refusal)),
        })
    }
}

/// Small messages, and those that were unpacked, leave most of the buffer they came in unused: they are copied out of
/// it, so that keeping them costs their size.
fn compact(payload: Bytes, headers: &MetadataMap) -> Bytes {
    let packed = headers.get("grpc-encoding").is_some_and(|encoding| encoding != "identity");
    if packed || payload.len() < 32 * 1024 { Bytes::copy_from_slice(&payload) } else { payload }
}

fn status(refusal: &Refusal) -> Status {
    let number = refusal.code.parse().map_or(Code::Unknown as i64, GrpcCode::number);
    Status::new(Code::from_i32(number as i32), refusal.message.clone())
}

/// Messages as they stand on the wire.
#[derive(Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytesCodec;
    type Decoder = BytesCodec;
    fn encoder(&mut self) -> BytesCodec {
        BytesCodec
    }
    fn decoder(&mut self) -> BytesCodec {
        BytesCodec
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
