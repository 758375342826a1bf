//! Sends the requests of one permutation, all at once, and records what the driver knows of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::join_all;
use spanwise_drive::{Answer, Descriptors, DriveError, GrpcCall, HttpRequest};
use spanwise_model::{
    ContextFormat, GrpcCode, HttpVersion, Request, RequestResult, Source, Span, SpanKind, TraceId, Value,
};
use spanwise_scenario::{EntryRequest, Permutation, RequestForm};

use super::context::{self, SentContext};
use super::fleet::chain;
use super::instances::Instances;
use super::world::World;

/// What the driver did in one permutation.
pub(super) struct Sent {
    /// The requests in the order of the plan.
    pub(super) requests: Vec<Request>,
    /// The driver's own CLIENT spans, one a request.
    pub(super) spans: Vec<Span>,
    /// Every trace that a request named.
    pub(super) traces: Vec<TraceId>,
}

/// Sends all requests of a permutation and waits for every answer. An error means that a request could not be made.
pub(super) async fn send(
    world: &World,
    instances: &Instances,
    descriptors: Option<&Descriptors>,
    permutation: &Permutation,
) -> Result<Sent, String> {
    let requests = permutation.requests.iter().map(|request| {
        let reads = permutation.settings.service(&request.to).map(|facts| facts.propagation.as_slice());
        let context = context::make(&permutation.context, reads.unwrap_or_default());
        one(world, instances, descriptors, permutation, request, context)
    });
    let mut sent = Sent { requests: Vec::new(), spans: Vec::new(), traces: Vec::new() };
    for done in join_all(requests).await {
        let (request, span, traces) = done?;
        sent.requests.push(request);
        sent.spans.push(span);
        sent.traces.extend(traces);
    }
    Ok(sent)
}

async fn one(
    world: &World,
    instances: &Instances,
    descriptors: Option<&Descriptors>,
    permutation: &Permutation,
    request: &EntryRequest,
    context: SentContext,
) -> Result<(Request, Span, Vec<TraceId>), String> {
    let _permit = Arc::clone(&world.requests).acquire_owned().await.map_err(|error| error.to_string())?;
    let url = instances
        .entry_url(&request.to, permutation.channel_in)
        .ok_or_else(|| format!("no front before {}", request.to))?;
    let mut headers = request.headers.clone();
    headers.extend(context.headers);
    let (name, answer) = match &request.form {
        RequestForm::Http { method, path, body } => {
            let http = HttpRequest {
                url,
                version: HttpVersion::Http1,
                method: (*method).to_owned(),
                path: path.clone(),
                headers,
                body: body.clone().map(Bytes::from),
                deadline: Some(world.options.answer_within),
                own_connection: false,
            };
            let shown = path.split('?').next().unwrap_or_default();
            (format!("{method} {shown}"), world.client.http(http).await)
        }
        RequestForm::Grpc { call, message, deadline } => {
            let descriptors = descriptors.ok_or_else(|| format!("no descriptors of {}", request.to))?;
            let grpc = GrpcCall {
                url,
                call: call.clone(),
                message: message.clone(),
                headers,
                deadline: Some(world.options.answer_within),
                // A call that the driver gives up must not disturb others on its connection.
                own_connection: deadline.is_some(),
            };
            let made = world.client.grpc(descriptors, grpc);
            let answer = match deadline {
                None => made.await,
                Some(deadline) => given_up(made, instances, context.own.trace_id, *deadline).await,
            };
            (call.clone(), answer)
        }
    };
    let answer = answer.map_err(|error: DriveError| chain(&error))?;
    let span = driver_span(name, &answer, context.own.trace_id, context.own.span_id);
    let made = Request {
        to: Source::new(&request.to, 1),
        trace_id: context.own.trace_id,
        span_id: context.own.span_id,
        context: context.followed,
        marker: request.marker.clone(),
        result: answer.result,
        expected: request.expected.clone(),
    };
    Ok((made, span, context.traces))
}

/// Makes a call and gives it up when the deadline has passed since the front saw it: a call that is given up on the way
/// there would never reach the handler, and show nothing.
async fn given_up(
    call: impl Future<Output = Result<Answer, DriveError>>,
    instances: &Instances,
    trace: TraceId,
    deadline: Duration,
) -> Result<Answer, DriveError> {
    let begun = now();
    let late = async {
        let mut news = instances.taps().subscribe_trace(trace);
        while instances.taps().taps_of_trace(trace).is_empty() && news.changed().await.is_ok() {}
        // waits on purpose: this is the deadline.
        tokio::time::sleep(deadline).await;
    };
    tokio::select! {
        answer = call => answer,
        () = late => Ok(Answer {
            result: RequestResult::Grpc(GrpcCode::DeadlineExceeded),
            headers: Vec::new(),
            trailers: Vec::new(),
            body: Bytes::new(),
            messages: Vec::new(),
            begun,
            ended: now(),
        }),
    }
}

/// Nanoseconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// The driver's span of a request: never judged, so it holds the code and nothing else.
fn driver_span(name: String, answer: &Answer, trace_id: TraceId, span_id: spanwise_model::SpanId) -> Span {
    let code = match &answer.result {
        RequestResult::Http(status) | RequestResult::HttpBroken(status) => {
            Some(("http.response.status_code", Value::Int(i64::from(*status))))
        }
        RequestResult::Grpc(code) => Some(("rpc.response.status_code", code.as_str().into())),
        RequestResult::None(_) => None,
    };
    Span {
        trace_id,
        span_id,
        kind: SpanKind::Client,
        name,
        start: answer.begun,
        end: answer.ended,
        attributes: code.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        source: Some(Source::driver()),
        ..Span::default()
    }
}

/// The formats that matter when a header is looked for.
pub(super) const FORMATS: [ContextFormat; 2] = [ContextFormat::Tracecontext, ContextFormat::GcpTrace];
