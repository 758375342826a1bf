//! Cloud Trace v2 over gRPC: `BatchWriteSpans` answers nothing, `CreateSpan` the span
//! (googleapis, `google/devtools/cloudtrace/v2/tracing.proto`).

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use spanwise_decode::Message;
use spanwise_model::Protocol;
use tonic::body::Body;

use super::grpc;
use crate::intake::Intake;

pub(crate) async fn batch_write_spans(intake: Arc<Intake>, request: Request<Incoming>) -> Response<Body> {
    let export = grpc::Export {
        intake,
        protocol: Protocol::CloudTraceGrpc,
        message: Message::Batch,
        response: |_, _| Bytes::new(),
    };
    grpc::export(export, request).await
}

pub(crate) async fn create_span(intake: Arc<Intake>, request: Request<Incoming>) -> Response<Body> {
    let export = grpc::Export {
        intake,
        protocol: Protocol::CloudTraceGrpc,
        message: Message::Span,
        response: |span, _| span.clone(),
    };
    grpc::export(export, request).await
}
