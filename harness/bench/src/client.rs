//! Sends encoded batches over one connection, and drops what comes back.

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use spanwise_model::Protocol;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};

use crate::batch::{Batch, Shape};

/// Why a batch was not taken.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The project of Cloud Trace batches.
const PROJECT: &str = "load";

/// The batch that a protocol carries; `None` for those that no load is made for.
pub fn batch(protocol: Protocol, shape: Shape) -> Option<Batch> {
    match protocol {
        Protocol::OtlpGrpc | Protocol::OtlpHttp => Some(Batch::otlp(shape)),
        Protocol::CloudTraceGrpc => Some(Batch::cloud_trace(shape, PROJECT)),
        Protocol::OtlpHttpJson | Protocol::CloudTraceRest => None,
    }
}

/// A connection to a collector.
#[derive(Clone)]
pub enum Connection {
    /// gRPC: the channel and the method.
    Grpc(tonic::client::Grpc<Channel>, PathAndQuery),
    /// Plain HTTP: the client and the URL.
    Http(Box<Client<HttpConnector, Full<Bytes>>>, http::Uri),
}

impl Connection {
    /// A connection of its own to `http://HOST:PORT`; it is made with the first batch.
    ///
    /// # Errors
    /// When the endpoint is no URL, or the protocol is none that load is made for.
    pub fn new(endpoint: &str, protocol: Protocol) -> Result<Connection, Failure> {
        let grpc = |path| -> Result<Connection, Failure> {
            let endpoint = Endpoint::from_shared(endpoint.to_owned())?
                .initial_stream_window_size(8 << 20)
                .initial_connection_window_size(16 << 20);
            let grpc = tonic::client::Grpc::new(endpoint.connect_lazy());
            Ok(Connection::Grpc(grpc, PathAndQuery::from_static(path)))
        };
        match protocol {
            Protocol::OtlpGrpc => grpc("/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
            Protocol::CloudTraceGrpc => grpc("/google.devtools.cloudtrace.v2.TraceService/BatchWriteSpans"),
            Protocol::OtlpHttp => {
                let client = Client::builder(TokioExecutor::new()).build_http();
                Ok(Connection::Http(Box::new(client), format!("{endpoint}/v1/traces").parse()?))
            }
            other => Err(format!("no load is made for {}", other.as_str()).into()),
        }
    }

    /// Sends a batch and waits for the acknowledgement.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn send(&mut self, batch: Bytes) -> Result<(), Failure> {
        match self {
            Connection::Grpc(grpc, path) => {
                grpc.ready().await?;
                grpc.unary(tonic::Request::new(batch), path.clone(), BytesCodec).await?;
            }
            Connection::Http(client, url) => {
                let request = http::Request::post(url.clone())
                    .header(http::header::CONTENT_TYPE, "application/x-protobuf")
                    .body(Full::new(batch))?;
                let response = client.request(request).await?;
                let status = response.status();
                response.into_body().collect().await?;
                if !status.is_success() {
                    return Err(status.to_string().into());
                }
            }
        }
        Ok(())
    }
}

/// Messages that are encoded already.
#[derive(Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = ();
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
    fn encode(&mut self, batch: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(batch);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = ();
    type Error = Status;
    fn decode(&mut self, answer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        answer.advance(answer.remaining());
        Ok(Some(()))
    }
}
