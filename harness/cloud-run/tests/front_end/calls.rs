//! Calls as they should be: what reaches the service, and what the front end answers in its place.

use spanwise_cloud_run::{NoPlace, front_end_span};
use spanwise_model::{
    CloudRunService, ContextFormat, End, FrontEnd, FrontEndContext, FrontEndSampling, TraceContext,
};

use crate::world::{GOOD, Room, World, get_http2, request};

const SENT: (&str, &str) = ("traceparent", "00-d36a105d7002f0dee73c0dfb9553764a-00000000000000aa-00");

/// The value of a header that the service got.
fn got<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn read(answer: &str, format: ContextFormat) -> Option<TraceContext> {
    got(answer, format.header()).and_then(|value| format.parse(value).ok())
}

#[tokio::test]
async fn a_service_gets_the_front_ends_context_and_the_tap_the_callers() {
    let front_end = FrontEnd { sampling: FrontEndSampling::On, ..FrontEnd::default() };
    let world = World::start(front_end, CloudRunService::default()).await;
    let get = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nauthorization: {GOOD}\r\n{}: {}\r\nconnection: close\r\n\r\n",
        SENT.0, SENT.1
    );
    let over_http1 = world.converse(get.as_bytes()).await;
    let over_http2 = get_http2(&world.http2().await, "/", &[SENT]).await;
    for (at, answer, option) in [(0, over_http1, Some(true)), (1, over_http2, None)] {
        let tap = world.tap(at).await;
        let announced = tap.announced.expect("a context");
        assert_eq!(read(&answer, ContextFormat::Tracecontext), Some(announced));
        let google = TraceContext { sampled: option, ..announced };
        assert_eq!(read(&answer, ContextFormat::GcpTrace), Some(google));
        let sent = tap.context().expect("a context");
        assert_eq!((sent.trace_id, sent.span_id.to_u64()), (announced.trace_id, 0xaa));
        assert_ne!(announced.span_id, sent.span_id);
        assert_eq!(got(&answer, "x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(got(&answer, "x-forwarded-proto"), Some("http"));
        assert_eq!(got(&answer, "forwarded"), Some("for=\"127.0.0.1\";proto=http"));
        assert_eq!((tap.to.instance, tap.answered_by_front, &tap.end), (2, false, &End::Complete));
        let span = front_end_span(&tap, FrontEndContext::Both).expect("a span");
        assert_eq!((span.span_id, span.parent_span_id), (announced.span_id, Some(sent.span_id)));
    }
}

#[tokio::test]
async fn the_legacy_front_end_leaves_traceparent_to_the_caller() {
    let front_end = FrontEnd { context: FrontEndContext::Google, ..FrontEnd::default() };
    let world = World::start(front_end, CloudRunService::default()).await;
    let answer = get_http2(&world.http2().await, "/", &[SENT]).await;
    assert_eq!(got(&answer, SENT.0), Some(SENT.1));
    let announced = world.tap(0).await.announced;
    assert_eq!(read(&answer, ContextFormat::GcpTrace), announced);
    assert!(announced.is_some());
}

#[tokio::test]
async fn whoever_is_refused_reaches_no_instance() {
    let world = World::plain().await;
    let answer = world.converse(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("\r\n\r\nnot admitted\n"), "{answer}");
    let tap = world.tap(0).await;
    assert_eq!((tap.status, tap.answered_by_front, tap.announced), (Some(403), true, None));
    assert_eq!(*world.asked.borrow(), 0);
    world.check_serves().await;
}

/// Compares what a request is answered for which there is no instance.
async fn check_no_place(reason: NoPlace, expected: &str) {
    let world = World::plain().await;
    world.set_room(Room::None(reason));
    assert_eq!(get_http2(&world.http2().await, "/", &[]).await, expected);
    let tap = world.tap(0).await;
    assert_eq!(
        (tap.status.map(|status| status.to_string()).as_deref(), tap.answered_by_front),
        (expected.get(..3), true)
    );
    world.check_serves().await;
}

#[tokio::test]
async fn a_request_without_an_instance_is_429_or_503() {
    check_no_place(NoPlace::Full, "429\nRate exceeded.\nno instance had room for the request within 300s\n")
        .await;
    let failed = NoPlace::Failed("it exited with 1".to_owned());
    check_no_place(failed, "503\nno instance could be started: it exited with 1\n").await;
}

#[tokio::test]
async fn a_place_is_held_until_the_answer_has_ended() {
    let mut world = World::plain().await;
    let mut sender = world.http2().await;
    let request = request("/park-body").body(()).expect("a request");
    let (response, stream) = sender.send_request(request, true).expect("a stream");
    let mut body = response.await.expect("an answer").into_body();
    assert!(body.data().await.is_some());
    assert_eq!(*world.let_go.borrow(), 0);
    drop((body, stream));
    world.let_go.wait_for(|count| *count == 1).await.expect("a platform");
    assert_eq!(world.tap(0).await.end, End::Canceled);
}

#[tokio::test]
async fn a_service_that_takes_too_long_is_504_and_its_place_is_free() {
    let mut world = World::hasty().await;
    let answer = get_http2(&world.http2().await, "/park", &[]).await;
    assert_eq!(answer, "504\nthe service did not answer within 1s\n");
    world.let_go.wait_for(|count| *count == 1).await.expect("a platform");
    world.check_serves().await;
}
