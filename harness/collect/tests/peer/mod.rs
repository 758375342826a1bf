//! A client that speaks every protocol of the collector, and says what it was answered.
#![allow(dead_code)] // Each test binary uses a part.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use spanwise_collect::Listener;
use spanwise_model::Protocol;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};

pub(crate) const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
pub(crate) const BATCH_WRITE_SPANS: &str = "/google.devtools.cloudtrace.v2.TraceService/BatchWriteSpans";
pub(crate) const CREATE_SPAN: &str = "/google.devtools.cloudtrace.v2.TraceService/CreateSpan";

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// Sends a POST request over HTTP/1.1.
pub(crate) async fn post(listener: &Listener, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let mut request = Request::post(format!("{}{path}", listener.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.expect("an answer");
    let content_type =
        response.headers().get("content-type").map(|value| value.to_str().expect("text").to_owned());
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    Answer { status, content_type: content_type.unwrap_or_default(), body }
}

/// Calls a gRPC method.
pub(crate) async fn call<M: Message + 'static, R: Message + Default + 'static>(
    listener: &Listener,
    path: &'static str,
    message: M,
    gzip: bool,
) -> Result<R, Status> {
    let channel = tonic::transport::Endpoint::from_shared(listener.url()).expect("a URL").connect_lazy();
    let mut grpc = tonic::client::Grpc::new(channel);
    if gzip {
        grpc = grpc.send_compressed(CompressionEncoding::Gzip);
    }
    grpc.ready().await.map_err(|error| Status::new(Code::Unavailable, error.to_string()))?;
    let mut request = tonic::Request::new(message);
    let token = "Bearer a-token-that-nobody-may-see".parse().expect("a value");
    request.metadata_mut().insert("authorization", token);
    let codec = tonic_prost::ProstCodec::<M, R>::default();
    let path = http::uri::PathAndQuery::from_static(path);
    Ok(grpc.unary(request, path, codec).await?.into_inner())
}

/// Bytes that are a message already.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl Message for Raw {
    fn encode_raw(&self, buf: &mut impl bytes::BufMut) {
        buf.put_slice(&self.0);
    }
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: prost::encoding::WireType,
        buf: &mut impl bytes::Buf,
        ctx: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        prost::encoding::skip_field(wire_type, tag, buf, ctx)
    }
    fn encoded_len(&self) -> usize {
        self.0.len()
    }
    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Sends a payload in its protocol's way; whether it was accepted.
pub(crate) async fn send(listener: &Listener, protocol: Protocol, payload: Vec<u8>, gzip: bool) -> bool {
    let (path, content_type) = match protocol {
        Protocol::OtlpGrpc => return call::<_, Raw>(listener, EXPORT, Raw(payload), gzip).await.is_ok(),
        Protocol::CloudTraceGrpc => {
            return call::<_, Raw>(listener, BATCH_WRITE_SPANS, Raw(payload), gzip).await.is_ok();
        }
        Protocol::OtlpHttp => ("/v1/traces", "application/x-protobuf"),
        Protocol::OtlpHttpJson => ("/v1/traces", "application/json"),
        Protocol::CloudTraceRest => {
            ("/v2/projects/demo/traces:batchWrite?$alt=json;enum-encoding=int", "application/json")
        }
    };
    let mut headers =
        vec![("content-type", content_type), ("authorization", "Bearer a-token-that-nobody-may-see")];
    let mut body = payload;
    if gzip {
        headers.push(("content-encoding", "gzip"));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body).expect("memory takes everything");
        body = encoder.finish().expect("memory takes everything");
    }
    post(listener, path, &headers, body).await.status == StatusCode::OK
}
