//! Sends the requests of one permutation, all at once, and records what the driver knows of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use spanwise_drive::{Answer, Descriptors, DriveError, GrpcCall, HttpRequest};
use spanwise_model::{
    ContextFormat, FrontEndContext, GrpcCode, HttpVersion, Platform, Request, RequestResult, Settings,
    Source, Span, SpanKind, TraceId, Value,
};
use spanwise_scenario::{EntryRequest, Permutation, Repeat, RequestForm};

use super::context::{self, SentContext};
use super::fleet::chain;
use super::instances::{Instances, from_driver};
use super::world::World;

/// What the driver did in one permutation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// The requests in the order of the plan.
    pub(crate) requests: Vec<Request>,
    /// The driver's own CLIENT spans, one a request.
    pub(crate) spans: Vec<Span>,
    /// Every trace that a request named.
    pub(crate) traces: Vec<TraceId>,
}

/// Sends all requests of a permutation and waits for every answer, which it gives back, too. An error means that a request could not be made.
pub(super) async fn send(
    world: &World,
    instances: &Instances,
    descriptors: Option<&Descriptors>,
    permutation: &Permutation,
) -> Result<(Sent, Vec<Answer>), String> {
    let mut answers = Vec::new();
    let mut sent = Sent::default();
    let Repeat { times, pause } = permutation.repeat.unwrap_or(Repeat { times: 1, pause: Duration::ZERO });
    for round in 0..times {
        if round > 0 && !pause.is_zero() {
            // waits on purpose: the suite asks for a pause between its requests.
            tokio::time::sleep(pause).await;
        }
        let requests = permutation.requests.iter().map(|request| {
            let context = context::make(&permutation.context, &read_by(permutation, &request.to));
            one(world, instances, descriptors, permutation, request, context)
        });
        for done in join_all(requests).await {
            let (request, span, traces, answer) = done?;
            answers.push(answer);
            sent.requests.push(request);
            sent.spans.push(span);
            sent.traces.extend(traces);
        }
    }
    Ok((sent, answers))
}

/// The context formats of which the first decides: those that the called service reads or, where a front end stands before it
/// that reads both and writes both alike, all.
fn read_by(permutation: &Permutation, service: &str) -> Vec<ContextFormat> {
    let Settings { platform, front_end, .. } = &permutation.settings;
    if *platform == Platform::CloudRun && front_end.context == FrontEndContext::Both {
        return ContextFormat::ALL.to_vec();
    }
    permutation.settings.service(service).map(|facts| facts.propagation.clone()).unwrap_or_default()
}

/// The driver's own token for a private service; a request that brings credentials shows what these are worth.
fn credentials(
    instances: &Instances,
    permutation: &Permutation,
    request: &EntryRequest,
    url: &str,
) -> Option<(String, String)> {
    const HEADERS: [&str; 2] = ["authorization", "x-serverless-authorization"];
    let is_private = permutation.settings.service(&request.to).is_some_and(|facts| facts.auth_required);
    let brings_own = request
        .headers
        .iter()
        .any(|(name, _)| HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header)));
    let token = if is_private && !brings_own { instances.driver_token(url) } else { None };
    token.map(|token| (HEADERS[0].to_owned(), format!("Bearer {token}")))
}

async fn one(
    world: &World,
    instances: &Instances,
    descriptors: Option<&Descriptors>,
    permutation: &Permutation,
    request: &EntryRequest,
    context: SentContext,
) -> Result<(Request, Span, Vec<TraceId>, Answer), String> {
    let _permit = Arc::clone(&world.requests).acquire_owned().await.map_err(|error| error.to_string())?;
    let hop = from_driver(&request.to, permutation.channel_in, permutation.caller);
    let url = instances.entry_url(&hop).ok_or_else(|| format!("no front before {}", request.to))?;
    let mut headers = request.headers.clone();
    headers.extend(context.headers);
    headers.extend(credentials(instances, permutation, request, &url));
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
        result: answer.result.clone(),
        expected: request.expected.clone(),
    };
    Ok((made, span, context.traces, answer))
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
