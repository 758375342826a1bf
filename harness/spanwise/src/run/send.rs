//! Sends the requests of one permutation, step by step, and records what the driver knows of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use spanwise_drive::Answer;
use spanwise_model::{
    ContextFormat, FrontEndContext, Header, LogRecord, Platform, Request, RequestResult, Settings, Source,
    Span, SpanKind, TraceId, Value, secret,
};
use spanwise_scenario::{Answers, EntryRequest, Permutation, Repeat, RequestForm};

use super::call;
use super::command::{self, Command};
use super::context::{self, SentContext};
use super::instances::Instances;
use super::lane::DescriptorsOf;
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
    /// What commands wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) logs: Vec<LogRecord>,
}

/// What the driver did for one request.
struct Done {
    request: Request,
    span: Span,
    traces: Vec<TraceId>,
    came: Came,
}

/// Sends the requests of a permutation, step by step, and waits for every answer, which it gives back, too; commands have none. An
/// error means that a request could not be made; what was sent before it is in `sent` all the same.
pub(super) async fn send(
    world: &World,
    instances: &Instances,
    descriptors: &DescriptorsOf,
    permutation: &Permutation,
    sent: &mut Sent,
) -> Result<Vec<Answer>, String> {
    let mut all = Vec::new();
    let Repeat { times, pause } = permutation.repeat.unwrap_or(Repeat { times: 1, pause: Duration::ZERO });
    for round in 0..times {
        if round > 0 && !pause.is_zero() {
            // waits on purpose: the suite asks for a pause between its requests.
            tokio::time::sleep(pause).await;
        }
        // Each user takes values of the answers that were its own.
        let mut answers: HashMap<usize, Answers> = HashMap::new();
        for step in &permutation.steps {
            let requests = step.requests.iter().enumerate().map(|(user, request)| {
                let context = context::make(&permutation.context, &read_by(permutation, &request.to));
                let planned = Planned { permutation, request, step: step.name.as_deref() };
                one(world, instances, descriptors, planned, answers.get(&user), context)
            });
            let mut failure = None;
            for (user, done) in join_all(requests).await.into_iter().enumerate() {
                let Done { request, span, traces, came } = match done {
                    Ok(done) => done,
                    Err(reason) => {
                        failure = failure.or(Some(reason));
                        continue;
                    }
                };
                sent.requests.push(request);
                sent.spans.push(span);
                sent.traces.extend(traces);
                sent.logs.extend(came.logs);
                all.extend(came.answer);
                if let Some(name) = &step.name {
                    answers.entry(user).or_default().insert(name.clone(), came.json);
                }
            }
            if let Some(reason) = failure {
                return Err(reason);
            }
        }
    }
    Ok(all)
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

/// A request as the plan has it.
#[derive(Clone, Copy)]
struct Planned<'p> {
    permutation: &'p Permutation,
    request: &'p EntryRequest,
    step: Option<&'p str>,
}

/// What came of a request, whatever its form.
pub(super) struct Came {
    pub(super) result: RequestResult,
    pub(super) headers: Vec<Header>,
    /// The answer, where it is JSON.
    pub(super) json: Option<serde_json::Value>,
    /// As the client has it; a command has none.
    pub(super) answer: Option<Answer>,
    pub(super) logs: Vec<LogRecord>,
    pub(super) begun: u64,
    pub(super) ended: u64,
}

async fn one(
    world: &World,
    instances: &Instances,
    descriptors: &DescriptorsOf,
    planned: Planned<'_>,
    answers: Option<&Answers>,
    context: SentContext,
) -> Result<Done, String> {
    let _permit = Arc::clone(&world.requests).acquire_owned().await.map_err(|error| error.to_string())?;
    let Planned { permutation, request: written, step } = planned;
    let of_step = |error: String| match step {
        Some(step) => format!("in step {step}: {error}"),
        None => error,
    };
    let filled = answers.map(|answers| written.filled(answers)).transpose().map_err(of_step)?;
    let request = filled.as_ref().unwrap_or(written);
    let came = match &request.form {
        RequestForm::Shell { run, env, folder, deadline, .. } => {
            let command = Command { run, env, folder, deadline: *deadline };
            by_command(world, instances, permutation, command, &context).await
        }
        _ => call::call(world, instances, descriptors, permutation, request, &context).await,
    };
    let came = came.map_err(of_step)?;
    let span = driver_span(name(written), &came, context.own.trace_id, context.own.span_id);
    let followed = match request.form {
        RequestForm::Shell { .. } => command::carried(instances, context.own.trace_id),
        _ => context.followed,
    };
    let made = Request {
        to: Source::new(&request.to, 1),
        trace_id: context.own.trace_id,
        span_id: context.own.span_id,
        context: followed,
        marker: request.marker.clone(),
        differences: request.answer.differences(&came.headers, came.json.as_ref()),
        result: came.result.clone(),
        expected: request.expected.clone(),
        step: step.map(str::to_owned),
    };
    Ok(Done { request: made, span, traces: context.traces, came })
}

/// What the driver's span of a request is called: what the suite writes, and not what differs from run to run. Spans are written
/// down, so secrets in it are replaced.
fn name(written: &EntryRequest) -> String {
    let name = match &written.form {
        RequestForm::Http { method, path, .. } => {
            format!("{method} {}", path.split('?').next().unwrap_or_default())
        }
        RequestForm::Grpc { call, .. } => call.clone(),
        RequestForm::Shell { run, .. } => {
            let run = run.to_string();
            run.trim().lines().next().unwrap_or_default().to_owned()
        }
    };
    secret::text(&name).into_owned()
}

/// Runs a command.
async fn by_command(
    world: &World,
    instances: &Instances,
    permutation: &Permutation,
    command: Command<'_>,
    context: &SentContext,
) -> Result<Came, String> {
    let begun = now();
    let ended = command::run(world, instances, permutation, command, context).await?;
    Ok(Came {
        result: ended.code.clone().map_or_else(RequestResult::None, RequestResult::Exit),
        headers: Vec::new(),
        json: serde_json::from_str(&ended.stdout()).ok(),
        answer: None,
        logs: ended.logs,
        begun,
        ended: now(),
    })
}

/// Nanoseconds since the Unix epoch.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// The driver's span of a request: never judged, so it holds the code and nothing else.
fn driver_span(name: String, answer: &Came, trace_id: TraceId, span_id: spanwise_model::SpanId) -> Span {
    let code = match &answer.result {
        RequestResult::Http(status) | RequestResult::HttpBroken(status) => {
            Some(("http.response.status_code", Value::Int(i64::from(*status))))
        }
        RequestResult::Grpc(code) => Some(("rpc.response.status_code", code.as_str().into())),
        RequestResult::Exit(_) | RequestResult::None(_) => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{SuiteText, plan};

    #[test]
    fn no_secret_of_a_suite_is_in_the_name_of_a_span() {
        let text = "suite: small\nservices:\n  web: { command: [web], protocol: http }\ncases:\n  \
                    reset:\n    http: { to: web, get: \"/reset/token=hunter2\" }\n  \
                    command:\n    shell: { run: \"curl -H 'authorization: Bearer hunter2-token' {{web.url}}\" }\n";
        let suite = SuiteText { file: "small.yaml".to_owned(), text: text.to_owned() };
        let plan = plan(&[suite], &[]).expect("a suite without mistakes").plan;
        let names: Vec<String> = plan.permutations.iter().flat_map(Permutation::requests).map(name).collect();
        assert!(names[0].starts_with("GET /reset/token=<secret "), "{names:?}");
        assert!(names[1].starts_with("curl -H 'authorization: Bearer <bearer token "), "{names:?}");
        assert!(names[1].ends_with("' {{web.url}}"), "{names:?}");
        assert!(!names.concat().contains("hunter2"), "{names:?}");
    }
}
