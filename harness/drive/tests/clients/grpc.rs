//! gRPC calls.

use std::time::Duration;

use serde_json::{Value, json};
use spanwise_drive::{Answer, Client, Descriptors, DriveError, GrpcCall};
use spanwise_model::{GrpcCode, RequestResult};

use crate::servers::{Extras, LONG, canned, certificate, grpc, nobody};

fn call(url: String, method: &str, message: Value) -> GrpcCall {
    GrpcCall {
        url,
        call: format!("backend_service.v1.BackendService/{method}"),
        messages: vec![message],
        headers: vec![("traceparent".to_owned(), "00-t-s-01".to_owned())],
        deadline: None,
        own_connection: false,
    }
}

fn client() -> Client {
    Client::new(None).expect("a client")
}

fn descriptors() -> Descriptors {
    Descriptors::decode(spanwise_demo_proto::FILE_DESCRIPTOR_SET).expect("descriptors")
}

async fn made(call: GrpcCall) -> Answer {
    client().grpc(&descriptors(), call).await.expect("a call")
}

/// Makes one call and compares its code and its messages.
async fn check(method: &str, message: Value, code: GrpcCode, replies: &[&str]) {
    let address = grpc(Extras::default(), None).await;
    let answer = made(call(format!("http://{address}"), method, message)).await;
    assert_eq!(answer.result, RequestResult::Grpc(code));
    let replies: Vec<Value> = replies.iter().map(|reply| json!({ "reply": reply })).collect();
    assert_eq!(answer.messages, replies);
    assert!(0 < answer.begun && answer.begun <= answer.ended);
}

#[tokio::test]
async fn calls_come_back_with_code_and_messages() {
    check("Greet", json!({ "name": "Ada" }), GrpcCode::Ok, &["Ada 00-t-s-01"]).await;
    check("Greet", json!({ "errorCode": "NOT_FOUND" }), GrpcCode::NotFound, &[]).await;
    check("Greet", json!({ "error_code": 15 }), GrpcCode::DataLoss, &[]).await;
    check("GreetMany", json!({}), GrpcCode::Ok, &["one", "two"]).await;
    check("GreetMany", json!({ "fail_after": {} }), GrpcCode::DataLoss, &["one", "two"]).await;
}

/// A method that takes a stream and answers with one: the reflection service's own.
#[tokio::test]
async fn a_stream_of_requests_is_sent_and_answered_in_order() {
    let address = grpc(Extras { reflection: true, ..Extras::default() }, None).await;
    let descriptors =
        Descriptors::decode(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET).expect("descriptors");
    let check = async |messages: Vec<Value>, answers: &[&str]| {
        let mut call = call(format!("http://{address}"), "", json!({}));
        call.call = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo".to_owned();
        call.messages = messages;
        let answer = client().grpc(&descriptors, call).await.expect("a call");
        assert_eq!(answer.result, RequestResult::Grpc(GrpcCode::Ok));
        let hosts: Vec<Value> = answers.iter().map(|host| json!(host)).collect();
        let found = answer.json().expect("a list of messages");
        let found: Vec<Value> =
            found.as_array().expect("a list").iter().map(|message| message["valid_host"].clone()).collect();
        assert_eq!(found, hosts);
    };
    let ask = |host: &str| json!({ "host": host, "list_services": "" });
    check(vec![ask("a"), ask("b"), ask("c")], &["a", "b", "c"]).await;
    check(vec![ask("a")], &["a"]).await;
    check(Vec::new(), &[]).await;
}

#[tokio::test]
async fn a_method_without_a_stream_of_requests_takes_one_message() {
    let mut call = call("http://127.0.0.1:1".to_owned(), "GreetMany", json!({}));
    call.messages = vec![json!({}), json!({})];
    let error = client().grpc(&descriptors(), call).await.expect_err("no call");
    let expected = "backend_service.v1.BackendService/GreetMany takes one message and no stream of them, so 2 cannot be sent";
    assert_eq!(error.to_string(), expected);
}

/// Calls with a deadline that passes, and compares what came until then.
async fn check_deadline(method: &str) {
    let address = grpc(Extras::default(), None).await;
    let mut call = call(format!("http://{address}"), method, json!({ "delay_ms": 1 }));
    (call.deadline, call.own_connection) = (Some(Duration::from_millis(100)), true);
    assert_eq!(made(call).await.result, RequestResult::Grpc(GrpcCode::DeadlineExceeded));
}

#[tokio::test]
async fn the_deadline_covers_the_whole_call() {
    check_deadline("Greet").await;
    check_deadline("GreetMany").await;
}

/// Calls a server that is none, and compares the result.
async fn check_trouble(url: String, expected: &str) {
    let answer = made(call(url, "Greet", json!({}))).await;
    let shown = answer.result.to_string();
    assert!(shown.starts_with(expected), "{shown}");
}

#[tokio::test]
async fn no_connection_is_no_answer_and_a_lost_one_is_unavailable() {
    let (_socket, address) = nobody();
    check_trouble(format!("http://{address}"), &format!("no answer: no connection to {address}: ")).await;
    check_trouble(format!("http://{}", canned(b"").await), "UNAVAILABLE").await;
    check_trouble("http://no.such.host.invalid:1".to_owned(), "no answer: no connection to no.such.host")
        .await;
}

#[tokio::test]
async fn a_call_that_cannot_be_made_is_an_error() {
    let check = async |call: GrpcCall, expected: &str| {
        let error = client().grpc(&descriptors(), call).await.expect_err("no call");
        assert_eq!(error.to_string(), expected);
    };
    let call = |method, message| call("http://127.0.0.1:1".to_owned(), method, message);
    check(call("Nope", json!({})), "the service has no method \"backend_service.v1.BackendService/Nope\"")
        .await;
    let unfit = "the message does not fit backend_service.v1.BackendService/Greet: ";
    check(call("Greet", json!({ "nmae": 1 })), &format!("{unfit}unrecognized field name 'nmae'")).await;
    let mut elsewhere = call("Greet", json!({}));
    elsewhere.url = "localhost:1".to_owned();
    check(elsewhere, "\"localhost:1\" is no URL of the form http://HOST:PORT or https://HOST:PORT").await;
}

#[tokio::test]
async fn descriptors_come_from_either_reflection_service() {
    let new = Extras { reflection: true, health: true, ..Extras::default() };
    let old = Extras { old_reflection: true, ..Extras::default() };
    for extras in [new, old] {
        let url = format!("http://{}", grpc(extras, None).await);
        let descriptors = Descriptors::fetch(&client(), &url).await.expect("descriptors");
        let method = descriptors.method("backend_service.v1.BackendService/GreetMany").expect("a method");
        assert!(method.is_server_streaming());
        let answer =
            client().grpc(&descriptors, call(url, "Greet", json!({ "name": "Ada" }))).await.expect("a call");
        assert_eq!(answer.messages[0]["reply"], "Ada 00-t-s-01");
    }
    let url = format!("http://{}", grpc(Extras::default(), None).await);
    let error = Descriptors::fetch(&client(), &url).await.expect_err("no reflection");
    assert!(matches!(&error, DriveError::Reflection { reason, .. } if reason == "UNIMPLEMENTED"), "{error}");
}

#[tokio::test]
async fn a_call_over_tls_trusts_the_given_authority_alone() {
    let (identity, ca) = certificate();
    let address = grpc(Extras::default(), Some(identity)).await;
    let url = format!("https://localhost:{}", address.port());
    let results = [Some(ca.as_str()), Some(certificate().1.as_str()), None].map(|ca| {
        let (client, call) = (Client::new(ca).expect("a client"), call(url.clone(), "Greet", json!({})));
        async move { client.grpc(&descriptors(), call).await.expect("a call").result.to_string() }
    });
    let results = futures_util::future::join_all(results).await;
    assert_eq!(results[0], "OK");
    assert!(
        results[1..].iter().all(|result| result.starts_with("no answer: TLS: invalid peer certificate")),
        "{results:?}"
    );
}

#[tokio::test]
async fn many_calls_at_once_share_a_connection() {
    let address = grpc(Extras::default(), None).await;
    let (client, descriptors) = (client(), descriptors());
    let calls = (0..200).map(|number| {
        let mut call = call(format!("http://{address}"), "Greet", json!({ "name": number.to_string() }));
        call.deadline = Some(LONG);
        client.grpc(&descriptors, call)
    });
    for (number, answer) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        let answer = answer.expect("a call");
        assert_eq!(answer.messages[0]["reply"], format!("{number} 00-t-s-01"));
    }
}
