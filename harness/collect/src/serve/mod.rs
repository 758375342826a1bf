//! Sends every request to its protocol, by path and content type. One file for each protocol.

mod answer;
mod body;
mod cloud_trace_grpc;
mod cloud_trace_rest;
mod grpc;
mod otlp_grpc;
mod otlp_http;

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use spanwise_model::{GrpcCode, Protocol};
use tonic::Status;
use tonic::body::Body;

use crate::intake::{self, Intake};

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    OtlpGrpc,
    /// Metrics and logs over gRPC: acknowledged and dropped, or their senders would retry for ever.
    OtherSignalGrpc,
    OtlpHttp,
    /// Metrics and logs over HTTP.
    OtherSignalHttp,
    BatchWriteSpans,
    CreateSpan,
    RestBatchWrite {
        project: &'a str,
    },
    RestCreateSpan {
        name: &'a str,
    },
}

fn route(path: &str) -> Option<Route<'_>> {
    Some(match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Route::OtlpGrpc,
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
        | "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Route::OtherSignalGrpc,
        "/google.devtools.cloudtrace.v2.TraceService/BatchWriteSpans" => Route::BatchWriteSpans,
        "/google.devtools.cloudtrace.v2.TraceService/CreateSpan" => Route::CreateSpan,
        "/v1/traces" => Route::OtlpHttp,
        "/v1/metrics" | "/v1/logs" => Route::OtherSignalHttp,
        _ => return rest_route(path),
    })
}

/// `/v2/projects/P/traces:batchWrite` and `/v2/projects/P/traces/T/spans/S`.
fn rest_route(path: &str) -> Option<Route<'_>> {
    let name = path.strip_prefix("/v2/")?;
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        ["projects", project, "traces:batchWrite"] if !project.is_empty() => {
            Some(Route::RestBatchWrite { project })
        }
        ["projects", project, "traces", _, "spans", _] if !project.is_empty() => {
            Some(Route::RestCreateSpan { name })
        }
        _ => None,
    }
}

/// Answers one request. It never fails: what cannot be served is answered with the protocol's own error.
pub(crate) async fn serve(intake: Arc<Intake>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let admitted = intake.options.protocols;
    let route = route(&path).filter(|route| match route {
        Route::OtlpGrpc | Route::OtherSignalGrpc => admitted.otlp_grpc,
        Route::OtlpHttp | Route::OtherSignalHttp => admitted.otlp_http,
        Route::BatchWriteSpans
        | Route::CreateSpan
        | Route::RestBatchWrite { .. }
        | Route::RestCreateSpan { .. } => admitted.cloud_trace,
    });
    let Some(route) = route else { return unknown(&intake, &request) };
    if request.method() != Method::POST {
        return answer::plain(StatusCode::METHOD_NOT_ALLOWED, "only POST is served here");
    }
    match route {
        Route::OtlpGrpc => otlp_grpc::export(intake, request).await,
        Route::OtherSignalGrpc => otlp_grpc::acknowledge(request).await,
        Route::BatchWriteSpans => cloud_trace_grpc::batch_write_spans(intake, request).await,
        Route::CreateSpan => cloud_trace_grpc::create_span(intake, request).await,
        Route::OtlpHttp => otlp_http::export(&intake, request).await,
        Route::OtherSignalHttp => otlp_http::acknowledge(request).await,
        Route::RestBatchWrite { project } => {
            cloud_trace_rest::batch_write_spans(&intake, project, request).await
        }
        Route::RestCreateSpan { name } => cloud_trace_rest::create_span(&intake, name, request).await,
    }
}

/// A path that is not served, in the terms of the protocol that asked. What may be an export request is put down.
fn unknown(intake: &Intake, request: &Request<Incoming>) -> Response<Body> {
    let (path, headers) = (request.uri().path(), request.headers());
    let is_grpc = grpc::is_grpc(headers);
    let message = format!("{path} is not served here");
    // Questions for health and reflection begin with `/grpc.`, and nobody exports with GET.
    if request.method() == Method::POST && !path.starts_with("/grpc.") {
        let code = if is_grpc { GrpcCode::Unimplemented } else { GrpcCode::NotFound };
        let refusal = intake::refusal(code, &message);
        intake.refused(meant(path, is_grpc), intake.headers(headers), refusal, None);
    }
    if is_grpc {
        return Status::unimplemented(message).into_http();
    }
    let served = "/v1/traces, /v1/metrics, /v1/logs, /v2/projects/P/traces:batchWrite, \
                  /v2/projects/P/traces/T/spans/S, and gRPC";
    answer::plain(StatusCode::NOT_FOUND, &format!("{message}; what may be: {served}"))
}

/// Which protocol a path that is not served comes nearest to.
fn meant(path: &str, is_grpc: bool) -> Protocol {
    match is_grpc {
        true if path.starts_with("/google.") => Protocol::CloudTraceGrpc,
        true => Protocol::OtlpGrpc,
        false if path.starts_with("/v2/") => Protocol::CloudTraceRest,
        false => Protocol::OtlpHttp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<Route<'_>>) {
        assert_eq!(route(path), expected, "{path}");
    }

    #[test]
    fn paths_lead_to_protocols() {
        check("/v1/traces", Some(Route::OtlpHttp));
        check("/v1/logs", Some(Route::OtherSignalHttp));
        check("/v2/projects/p/traces:batchWrite", Some(Route::RestBatchWrite { project: "p" }));
        let name = "projects/p/traces/t/spans/s";
        check("/v2/projects/p/traces/t/spans/s", Some(Route::RestCreateSpan { name }));
        check("/v2/projects//traces:batchWrite", None);
        check("/v2/projects/p/traces", None);
        check("/v1/traces/", None);
        check("/", None);
    }
}
