//! What the service answers, and the behavior a caller can ask for.
//!
//! The contract (`backend_service.proto`) says what each field means. Nothing here knows of spans.

use std::pin::Pin;
use std::time::Duration;

use contract::backend_service_server::BackendService;
use contract::fail_after::Failure;
use contract::greet_request::Behavior;
use contract::{FailAfter, GreetRequest, GreetResult};
use futures_util::stream::{self, Stream, StreamExt as _};
use spanwise_demo_proto::backend_service::v1 as contract;
use tonic::{Code, Request, Response, Status};

use crate::reset::ResetAtEnd;

/// How many greetings a stream has if nothing breaks it.
const GREETINGS: u32 = 3;

/// The service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Greeter;

#[tonic::async_trait]
impl BackendService for Greeter {
    type GreetManyStream = Pin<Box<dyn Stream<Item = Result<GreetResult, Status>> + Send>>;

    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetResult>, Status> {
        let request = request.into_inner();
        if let Some(Behavior::FailAfter(_)) = request.behavior {
            return Err(Status::invalid_argument("fail_after is for GreetMany"));
        }
        begin(&request).await?;
        Ok(Response::new(GreetResult { reply: format!("Hello, {}!", request.name) }))
    }

    async fn greet_many(
        &self,
        request: Request<GreetRequest>,
    ) -> Result<Response<Self::GreetManyStream>, Status> {
        let request = request.into_inner();
        begin(&request).await?;
        let fail_after = match request.behavior {
            Some(Behavior::FailAfter(fail_after)) => fail_after,
            _ => FailAfter { messages: GREETINGS, failure: None },
        };
        let (error, reset) = match fail_after.failure {
            Some(Failure::ErrorCode(code)) => (requested_failure(code).err(), false),
            Some(Failure::Reset(reset)) => (None, reset),
            None => (None, false),
        };
        let greetings = (1..=fail_after.messages)
            .map(move |number| Ok(GreetResult { reply: format!("Hello, {}! ({number})", request.name) }));
        // Without a pause tonic would pack all that is ready into one DATA frame, and the stream would look like one message.
        let greetings = stream::iter(greetings).then(async |greeting| {
            tokio::task::yield_now().await;
            greeting
        });
        let greetings = greetings.chain(stream::iter(error.map(Err)));
        let mut response = Response::new(greetings.boxed());
        if reset {
            response.extensions_mut().insert(ResetAtEnd);
        }
        Ok(response)
    }
}

/// Does what was asked for before the first greeting.
async fn begin(request: &GreetRequest) -> Result<(), Status> {
    if request.name.is_empty() {
        return Err(Status::invalid_argument("name is empty"));
    }
    match request.behavior {
        Some(Behavior::ErrorCode(code)) => requested_failure(code),
        Some(Behavior::Panic(true)) => panic!("the request asked for a panic"),
        Some(Behavior::DelayMs(milliseconds)) => {
            // waits on purpose: the request asked for it
            tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
            Ok(())
        }
        Some(Behavior::Panic(false) | Behavior::FailAfter(_)) | None => Ok(()),
    }
}

fn requested_failure(code: i32) -> Result<(), Status> {
    match Code::from(code) {
        Code::Ok => Ok(()),
        code => Err(Status::new(code, "the request asked for this error")),
    }
}
