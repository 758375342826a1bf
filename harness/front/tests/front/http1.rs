//! HTTP/1.1 through a front: bytes in, bytes out.

use std::net::SocketAddr;
use std::sync::Arc;

use spanwise_front::{Front, TapLog, UpstreamProtocol};
use spanwise_model::{End, HttpVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::canned;
use crate::service::{Service, front_before, front_before_address, options};
use crate::wire::{connect, exchange, grpc};

/// Sends bytes and reads until the other side closes.
pub(crate) async fn converse(address: SocketAddr, sent: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(sent.as_bytes()).await.expect("room");
    let mut received = String::new();
    stream.read_to_string(&mut received).await.expect("an answer");
    received
}

/// Compares what comes back directly and through a front.
async fn check(sent: &str, expected_end: &str) {
    let service = Service::start().await;
    let (front, _log) = front_before(&service).await;
    let direct = converse(service.addr, sent).await;
    assert_eq!(converse(front.addr(), sent).await, direct);
    assert!(direct.ends_with(expected_end), "{direct}");
}

/// A service's answer must come through a front as it is, and be recorded as cut short.
async fn check_cut_short(answer: &'static str) {
    let service = canned::http1(answer.as_bytes()).await;
    let (front, log) = front_before_address(service).await;
    assert_eq!(converse(front.addr(), "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await, answer);
    let taps = log.all();
    assert_eq!((taps[0].status, &taps[0].end, taps[0].stamps.data_frames), (Some(200), &End::Reset(None), 1));
}

#[tokio::test]
async fn answers_pass_byte_by_byte() {
    check("GET /unknown HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "9\r\nxxxxxxxxx\r\n0\r\n\r\n")
        .await;
    let posted =
        "POST /echo HTTP/1.1\r\nHost: x\r\nX-Upper: Yes\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    check(posted, "3\r\nabc\r\n0\r\n\r\n").await;
    let chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                   2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    check(chunked, "0\r\n\r\n").await;
}

#[tokio::test]
async fn a_body_that_is_cut_short_stays_so() {
    check_cut_short("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\nxxxxxxx\r\n").await;
    check_cut_short("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nxxxxxxx").await;
}

#[tokio::test]
async fn a_connection_without_an_answer_stays_without_one() {
    let service = canned::http1(b"").await;
    let (front, log) = front_before_address(service).await;
    assert_eq!(converse(front.addr(), "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await, "");
    assert_eq!((log.all()[0].status, &log.all()[0].end), (None, &End::Reset(None)));
}

#[tokio::test]
async fn a_connection_is_kept_on_both_sides() {
    let service = Service::start().await;
    let (front, log) = front_before(&service).await;
    let get = "GET /unknown HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /unknown HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(front.addr()).await.expect("a connection");
    for request in [get, get, last] {
        stream.write_all(request.as_bytes()).await.expect("room");
        let mut answer = Vec::new();
        while !answer.ends_with(b"0\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut answer).await.expect("bytes"), 0);
        }
    }
    assert_eq!(*service.connections.borrow(), 1);
    assert_eq!(log.len(), 3);
}

#[tokio::test]
async fn names_are_recorded_as_sent_and_in_order() {
    let service = Service::start().await;
    let (front, log) = front_before(&service).await;
    let names =
        "host: x\r\nX-Cloud-Trace-Context: 0af7651916cd43dd8448eb211c80319c/1;o=1\r\nconnection: Close\r\n";
    converse(front.addr(), &format!("GET /unknown?a=1 HTTP/1.1\r\n{names}\r\n")).await;
    let taps = log.taps_of_trace("0af7651916cd43dd8448eb211c80319c".parse().expect("an id"));
    let tap = taps.first().expect("a tap");
    let sent: Vec<&str> = tap.request_headers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!(sent, ["host", "X-Cloud-Trace-Context", "connection"]);
    assert_eq!(
        (tap.method.as_str(), tap.path.as_str(), tap.authority.as_str()),
        ("GET", "/unknown?a=1", "x")
    );
    assert_eq!((tap.http, tap.status, &tap.end), (HttpVersion::Http1, Some(404), &End::Complete));
}

#[tokio::test]
async fn a_caller_that_hangs_up_reaches_the_service() {
    let mut service = Service::start().await;
    let (front, log) = front_before(&service).await;
    let mut news = log.subscribe();
    let mut stream = TcpStream::connect(front.addr()).await.expect("a connection");
    stream.write_all(b"GET /park HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("room");
    service.entered.wait_for(|count| *count == 1).await.expect("a service");
    drop(stream);
    service.dropped.wait_for(|drops| *drops >= 1).await.expect("a service");
    while log.open() > 0 {
        news.changed().await.expect("a log");
    }
    assert_eq!((log.all()[0].status, &log.all()[0].end), (None, &End::Canceled));
}

#[tokio::test]
async fn a_caller_that_is_gone_at_once_is_recorded() {
    let service = Service::start().await;
    let (front, log) = front_before(&service).await;
    let mut stream = TcpStream::connect(front.addr()).await.expect("a connection");
    stream.write_all(b"GET /park HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("room");
    stream.shutdown().await.expect("a connection");
    stream.read_to_end(&mut Vec::new()).await.expect("the end of it");
    let ends: Vec<End> = log.all().into_iter().map(|tap| tap.end).collect();
    assert_eq!(ends, [End::Canceled]);
}

async fn front_that_speaks(protocol: UpstreamProtocol, service: &Service) -> (Front, Arc<TapLog>) {
    let log = Arc::new(TapLog::new());
    let mut options = options(&log, Some(service.addr));
    options.protocol = protocol;
    (Front::start(options).await.expect("a front"), log)
}

#[tokio::test]
async fn http2_becomes_http1_where_the_service_speaks_that() {
    let service = Service::start().await;
    let (front, _log) = front_that_speaks(UpstreamProtocol::Http1, &service).await;
    let shown = exchange(&connect(front.addr()).await, grpc("/echo?q")).await;
    for part in [" x-seen-path=/echo?q", " x-seen-version=HTTP/1.1", " x-seen-host=service.example", "DATA 5"]
    {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    assert!(!shown.contains("x-seen-te="), "{shown}");
}

#[tokio::test]
async fn http1_becomes_http2_where_the_service_speaks_that() {
    let service = Service::start().await;
    let (front, _log) = front_that_speaks(UpstreamProtocol::H2c, &service).await;
    let request = "GET /echo?q HTTP/1.1\r\nHost: service.example\r\nConnection: close\r\n\r\n";
    let shown = converse(front.addr(), request).await;
    for part in ["x-seen-path: http://service.example/echo?q\r\n", "x-seen-version: HTTP/2.0\r\n"] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    assert!(!shown.contains("x-seen-connection"), "{shown}");
}

#[tokio::test]
async fn credentials_before_a_host_reach_the_service_and_no_record() {
    let service = Service::start().await;
    let (front, log) = front_before(&service).await;
    let host = "Host: ada:s3cret@x\r\nConnection: close\r\n\r\n";
    let answer = converse(front.addr(), &format!("GET /echo HTTP/1.1\r\n{host}")).await;
    assert!(answer.contains("x-seen-host: ada:s3cret@x\r\n"), "{answer}");
    let absolute = format!("GET http://ada:s3cret@x/echo HTTP/1.1\r\n{host}");
    converse(front.addr(), &absolute).await;
    let mut http2 = grpc("/echo");
    *http2.0.uri_mut() = "http://ada:s3cret@x/echo".parse().expect("a URI");
    exchange(&connect(front.addr()).await, http2).await;
    let taps = log.all();
    assert_eq!(taps.len(), 3);
    for tap in taps {
        assert!(
            tap.authority.starts_with("<credentials sha256:") && tap.authority.ends_with("@x"),
            "{tap:?}"
        );
        // The answer repeats the request, which is this service's own affair.
        assert!(!format!("{:?}{}", tap.request_headers, tap.path).contains("s3cret"), "{tap:?}");
    }
}

#[tokio::test]
async fn what_belongs_to_a_connection_stays_there_where_the_version_changes() {
    let service = Service::start().await;
    let (front, _log) = front_that_speaks(UpstreamProtocol::H2c, &service).await;
    let request = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n\r\n";
    let shown = converse(front.addr(), request).await;
    assert!(shown.contains("x-seen-x-end: 2\r\n") && !shown.contains("x-seen-x-hop"), "{shown}");

    let answer =
        "HTTP/1.1 200 OK\r\nconnection: close, x-hop\r\nx-hop: 1\r\nx-end: 2\r\ncontent-length: 0\r\n\r\n";
    let log = Arc::new(TapLog::new());
    let mut options = options(&log, Some(canned::http1(answer.as_bytes()).await));
    options.protocol = UpstreamProtocol::Http1;
    let front = Front::start(options).await.expect("a front");
    let get = http::Request::builder().uri("http://x/").body(()).expect("a request");
    let shown = exchange(&connect(front.addr()).await, (get, Default::default())).await;
    assert!(shown.contains(" x-end=2") && !shown.contains("x-hop"), "{shown}");
}

#[tokio::test]
async fn trailers_pass_over_http1() {
    let chunks = "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                  3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n";
    let (front, log) = front_before_address(canned::http1(chunks.as_bytes()).await).await;
    let request = "GET / HTTP/1.1\r\nhost: x\r\nte: trailers\r\nconnection: close\r\n\r\n";
    let shown = converse(front.addr(), request).await;
    assert!(shown.ends_with("3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"), "{shown}");
    let tap = log.all().remove(0);
    assert_eq!(tap.trailers.first().map(|header| header.value.as_str()), Some("7"));
}

#[tokio::test]
async fn names_are_recorded_as_sent_behind_a_body_of_any_size() {
    let service = Service::start().await;
    let (front, log) = front_before(&service).await;
    let body = "x".repeat(300_000);
    let mut stream = TcpStream::connect(front.addr()).await.expect("a connection");
    let (mut reads, mut writes) = stream.split();
    let upload = format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut answer = Vec::new();
    let (sent, ()) = tokio::join!(writes.write_all(upload.as_bytes()), async {
        while !answer.ends_with(b"0\r\n\r\n") {
            assert_ne!(reads.read_buf(&mut answer).await.expect("bytes"), 0);
        }
    });
    sent.expect("room");
    stream
        .write_all(b"GET /unknown HTTP/1.1\r\nHost: x\r\nX-Upper: 1\r\nConnection: close\r\n\r\n")
        .await
        .expect("room");
    stream.read_to_end(&mut answer).await.expect("an answer");
    let taps = log.all();
    let names: Vec<&str> = taps[1].request_headers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!(names, ["Host", "X-Upper", "Connection"]);
}
