//! What the gRPC protocols share: a codec whose messages stay bytes, and the way of a unary call to the intake.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use spanwise_decode::Message;
use spanwise_model::{Protocol, Refusal};
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::BoxFuture;
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

impl UnaryService<Bytes> for Export {
    type Response = Bytes;
    type Future = BoxFuture<tonic::Response<Bytes>, Status>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let Export { intake, protocol, message, response } = self.clone();
        Box::pin(async move {
            let (metadata, _, payload) = request.into_parts();
            let headers = metadata.into_headers();
            let payload = compact(payload, &headers);
            let headers = intake.headers(&headers);
            let request =
                intake::Request { protocol, message, project: None, headers, payload: payload.clone() };
            match intake.take(request).await {
                Answer::Accepted => Ok(tonic::Response::new(response(&payload, None))),
                Answer::Partly(partial) => Ok(tonic::Response::new(response(&payload, Some(partial)))),
                Answer::Refused(refusal) => Err(status(&refusal)),
            }
        })
    }
}

/// Small messages, and those that were unpacked, leave most of the buffer they came in unused: they are copied out of
/// it, so that keeping them costs their size.
fn compact(payload: Bytes, headers: &HeaderMap) -> Bytes {
    let packed = headers.get("grpc-encoding").is_some_and(|encoding| encoding != "identity");
    if packed || payload.len() < 32 * 1024 { Bytes::copy_from_slice(&payload) } else { payload }
}

fn status(refusal: &Refusal) -> Status {
    let number = refusal.code.parse().map_or(Code::Unknown as i64, spanwise_model::GrpcCode::number);
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
