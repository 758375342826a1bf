//! OTLP over gRPC: `TraceService/Export`, and the other signals, which are acknowledged and dropped
//! (opentelemetry-proto, `docs/specification.md`, section OTLP/gRPC).

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use spanwise_decode::Message;
use spanwise_model::Protocol;
use tonic::body::Body;
use tonic::server::UnaryService;

use super::{answer, grpc};
use crate::intake::Intake;

pub(crate) async fn export(intake: Arc<Intake>, request: Request<Incoming>) -> Response<Body> {
    let export = grpc::Export {
        intake,
        protocol: Protocol::OtlpGrpc,
        message: Message::Batch,
        response: |_, partial| answer::export_response(partial.as_ref()),
    };
    grpc::export(export, request).await
}

pub(crate) async fn acknowledge(request: Request<Incoming>) -> Response<Body> {
    grpc::unary(Acknowledge, request).await
}

/// An empty message is the whole success of every OTLP signal.
struct Acknowledge;

impl UnaryService<Bytes> for Acknowledge {
    type Response = Bytes;
    type Future = std::future::Ready<Result<tonic::Response<Bytes>, tonic::Status>>;
    fn call(&mut self, _: tonic::Request<Bytes>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(Bytes::new())))
    }
}
