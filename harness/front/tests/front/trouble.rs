//! Services that are not there, callers that go away, and what a policy may do.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderValue, Response, response};
use spanwise_front::{Asked, Decision, Front, Hold, Policy, TapLog, Way};
use spanwise_model::End;
use tokio::net::TcpSocket;

use crate::service::{Service, front_before, options};
use crate::wire::{cancel, connect, exchange, grpc, send};

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_503() {
    // Bound and not listening: nobody else can take the port.
    let closed = TcpSocket::new_v4().expect("a socket");
    closed.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    for upstream in [None, Some(closed.local_addr().expect("an address"))] {
        let log = Arc::new(TapLog::new());
        let front = Front::start(options(&log, upstream)).await.expect("a front");
        let shown = exchange(&connect(front.addr()).await, grpc("/unary")).await;
        assert!(shown.starts_with("HEADERS 503"), "{shown}");
        let tap = &log.all()[0];
        assert_eq!((tap.status, tap.answered_by_front, &tap.end), (Some(503), true, &End::Complete));
    }
}

#[tokio::test]
async fn a_front_is_there_before_its_service_and_after_it() {
    let log = Arc::new(TapLog::new());
    let front = Front::start(options(&log, None)).await.expect("a front");
    let caller = connect(front.addr()).await;
    assert!(exchange(&caller, grpc("/unary")).await.starts_with("HEADERS 503"));
    let service = Service::start().await;
    front.set_upstream(service.addr);
    assert!(exchange(&caller, grpc("/unary")).await.starts_with("HEADERS 200"));
    let addr = service.addr;
    service.stop().await;
    let again = Service::start_at(addr).await;
    // The old connection may still be thought alive by the first request after the restart; never by the next.
    exchange(&caller, grpc("/unary")).await;
    assert!(exchange(&caller, grpc("/unary")).await.starts_with("HEADERS 200"));
    assert!(*again.connections.borrow() >= 1);
}

#[tokio::test]
async fn a_caller_that_cancels_reaches_the_service() {
    for path in ["/park", "/park-body"] {
        let mut service = Service::start().await;
        let (front, log) = front_before(&service).await;
        let mut news = log.subscribe();
        let caller = connect(front.addr()).await;
        let (response, stream) = send(&caller, grpc(path)).await;
        let answered = if path == "/park-body" { Some(response.await.expect("an answer")) } else { None };
        service.entered.wait_for(|count| *count == 1).await.expect("a service");
        cancel(stream);
        service.dropped.wait_for(|drops| *drops >= 1).await.expect("a service");
        while log.open() > 0 || log.is_empty() {
            news.changed().await.expect("a log");
        }
        assert_eq!(log.all()[0].end, End::Canceled, "{path}");
        drop(answered);
    }
}

#[tokio::test]
async fn many_cancelled_calls_leave_the_others_alone() {
    let service = Service::start().await;
    let (front, log) = front_before(&service).await;
    let mut news = log.subscribe();
    let caller = connect(front.addr()).await;
    let parked = join_all((0..150).map(|_| send(&caller, grpc("/park")))).await;
    while log.open() < 150 {
        news.changed().await.expect("a log");
    }
    for (_, stream) in parked {
        cancel(stream);
    }
    let after = join_all((0..50).map(|_| exchange(&caller, grpc("/unary")))).await;
    assert!(after.iter().all(|shown| shown.starts_with("HEADERS 200")), "{after:?}");
    while log.open() > 0 {
        news.changed().await.expect("a log");
    }
    assert_eq!(*service.connections.borrow(), 1);
    assert_eq!(log.all().iter().filter(|tap| tap.end == End::Canceled).count(), 150);
}

/// Marks every request and answer, and answers one path itself.
struct Marking;

impl Policy for Marking {
    fn request<'a>(&'a self, request: Asked<'a>) -> Hold<'a> {
        let head = request.head;
        Box::pin(async {
            tokio::task::yield_now().await;
            if head.uri.path() == "/private" {
                let refused = Response::builder().status(403).body(Bytes::from_static(b"no token"));
                return Decision::Answer(refused.expect("an answer"));
            }
            head.headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
            Decision::Forward(Way::default())
        })
    }

    fn response(&self, head: &mut response::Parts) {
        head.headers.insert("server", HeaderValue::from_static("platform"));
    }
}

#[tokio::test]
async fn a_policy_rewrites_and_answers_and_the_tap_keeps_what_was_sent() {
    let (service, log) = (Service::start().await, Arc::new(TapLog::new()));
    let mut options = options(&log, Some(service.addr));
    options.policy = Arc::new(Marking);
    let front = Front::start(options).await.expect("a front");
    let caller = connect(front.addr()).await;
    let shown = exchange(&caller, grpc("/echo")).await;
    assert!(
        shown.contains(" x-seen-x-forwarded-proto=https") && shown.contains(" server=platform"),
        "{shown}"
    );
    assert_eq!(exchange(&caller, grpc("/private")).await, "HEADERS 403 content-length=8\nDATA 8 END_STREAM");
    let taps = log.all();
    assert_eq!(taps[0].request_header("x-forwarded-proto"), None);
    assert!(taps[0].response_headers.iter().all(|header| header.name != "server"));
    assert_eq!((taps[1].status, taps[1].answered_by_front), (Some(403), true));
}
