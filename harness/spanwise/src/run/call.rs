//! Sends one HTTP request or makes one gRPC call, as the plan has it. `send` says which, and makes of it what is recorded.

use std::time::Duration;

use bytes::Bytes;
use spanwise_drive::{Answer, DriveError, GrpcCall, HttpRequest};
use spanwise_model::{GrpcCode, HttpVersion, RequestResult, TraceId};
use spanwise_scenario::{EntryRequest, Permutation, RequestForm};

use super::context::SentContext;
use super::fleet::chain;
use super::instances::{Instances, from_driver};
use super::lane::DescriptorsOf;
use super::send::{Came, now};
use super::world::World;

/// Sends an HTTP request or makes a gRPC call.
pub(super) async fn call(
    world: &World,
    instances: &Instances,
    descriptors: &DescriptorsOf,
    permutation: &Permutation,
    request: &EntryRequest,
    context: &SentContext,
) -> Result<Came, String> {
    let hop = from_driver(&request.to, permutation.channel_in, permutation.caller);
    let url = instances.entry_url(&hop).ok_or_else(|| format!("no front before {}", request.to))?;
    let mut headers = request.headers.clone();
    headers.extend(context.headers.clone());
    headers.extend(credentials(instances, permutation, request, &url));
    let answer = match &request.form {
        RequestForm::Http { method, path, body } => {
            let http = HttpRequest {
                url,
                version: HttpVersion::Http1,
                method: (*method).to_owned(),
                path: path.clone(),
                headers,
                body: body.as_ref().map(|body| Bytes::from(body.to_string())),
                deadline: Some(world.options.answer_within),
                own_connection: false,
            };
            world.client.http(http).await
        }
        RequestForm::Grpc { call, messages, deadline } => {
            let known = descriptors.get(&request.to);
            let descriptors = known.ok_or_else(|| format!("no descriptors of {}", request.to))?.as_ref()?;
            let grpc = GrpcCall {
                url,
                call: call.clone(),
                messages: messages.clone(),
                headers,
                deadline: Some(world.options.answer_within),
                // A call that the driver gives up must not disturb others on its connection.
                own_connection: deadline.is_some(),
            };
            let made = world.client.grpc(descriptors, grpc);
            match deadline {
                None => made.await,
                Some(deadline) => given_up(made, instances, context.own.trace_id, *deadline).await,
            }
        }
        RequestForm::Shell { .. } => return Err("a command is no request".to_owned()),
    };
    let answer = answer.map_err(|error: DriveError| chain(&error))?;
    let json = answer.json();
    Ok(Came {
        result: answer.result.clone(),
        headers: answer.headers.iter().chain(&answer.trailers).cloned().collect(),
        json,
        logs: Vec::new(),
        begun: answer.begun,
        ended: answer.ended,
        answer: Some(answer),
    })
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
            is_stream: false,
            begun,
            ended: now(),
        }),
    }
}
