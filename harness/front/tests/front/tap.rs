//! What the taps say about exchanges, and how waiting code hears of them.

use std::net::SocketAddr;

use bytes::Bytes;
use httlib_hpack::Encoder;
use http::Request;
use spanwise_model::{End, GrpcCode, HttpVersion, TraceId, WireTap};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::canned;
use crate::service::{Service, front_before, front_before_address};
use crate::wire::{connect, exchange, grpc};

/// Makes one exchange and compares how it ended, its status on the wire, and its DATA frames.
async fn check(path: &str, end: End, code: Option<GrpcCode>, data_frames: u32) {
    let service = Service::start().await;
    check_at(service.addr, path, end, code, data_frames).await;
}

async fn check_at(service: SocketAddr, path: &str, end: End, code: Option<GrpcCode>, data_frames: u32) {
    let tap = tapped(service, grpc(path)).await;
    assert_eq!((&tap.end, tap.grpc_status(), tap.stamps.data_frames), (&end, code, data_frames), "{path}");
    let stamps = tap.stamps;
    assert!(
        0 < stamps.begun && stamps.begun <= stamps.answered && stamps.answered <= stamps.ended,
        "{stamps:?}"
    );
    assert_eq!(stamps.last_but_one_data > 0, data_frames > 1, "{stamps:?}");
}

async fn tapped(service: SocketAddr, request: (Request<()>, Bytes)) -> WireTap {
    let (front, log) = front_before_address(service).await;
    let mut news = log.subscribe();
    exchange(&connect(front.addr()).await, request).await;
    while log.open() > 0 || log.is_empty() {
        news.changed().await.expect("a log");
    }
    log.all().remove(0)
}

#[tokio::test]
async fn an_exchange_ends_in_one_of_these_ways() {
    check("/unary", End::Complete, Some(GrpcCode::Ok), 1).await;
    check("/stream?3", End::Complete, Some(GrpcCode::Ok), 3).await;
    check("/broken", End::Complete, Some(GrpcCode::Internal), 2).await;
    check("/trailers-only", End::Complete, Some(GrpcCode::NotFound), 0).await;
    check("/without-status", End::WithoutTrailers, None, 1).await;
    check_at(canned::http2_reset(8).await, "/reset", End::Reset(Some(8)), None, 1).await;
    check("/unknown", End::Complete, None, 1).await;
}

#[tokio::test]
async fn headers_and_trailers_are_recorded_without_their_secrets() {
    let (mut request, message) = grpc("/unary?key=1&access_token=swordfish");
    let headers = request.headers_mut();
    headers.insert("authorization", "Bearer swordfish".parse().expect("a value"));
    headers.insert("cookie", "session=swordfish".parse().expect("a value"));
    headers.insert("x-goog-iam-token", "swordfish".parse().expect("a value"));
    let service = Service::start().await;
    let tap = tapped(service.addr, (request, message)).await;
    let kept = format!("{tap:?}");
    assert!(!kept.contains("swordfish"), "{kept}");
    let bearer = tap.request_header("authorization").expect("a header");
    assert!(bearer.starts_with("<bearer token sha256:"), "{bearer}");
    assert_eq!(tap.request_values("x-twice").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(tap.authority, "service.example");
    assert_eq!(tap.trailers.len(), 2);
    assert_eq!(
        (tap.http, tap.tls, tap.from.map(|from| from.to_string())),
        (HttpVersion::Http2, false, Some("caller".to_owned()))
    );
}

#[tokio::test]
async fn exchanges_are_found_by_every_trace_their_headers_name() {
    const T: &str = "0af7651916cd43dd8448eb211c80319c";
    const U: &str = "1af7651916cd43dd8448eb211c80319c";
    let (service, id) = (Service::start().await, |text: &str| text.parse::<TraceId>().expect("an id"));
    let (front, log) = front_before(&service).await;
    let caller = connect(front.addr()).await;
    let mut news = log.subscribe_trace(id(T));
    let sent = [
        vec![
            ("traceparent", format!("00-{T}-00000000000000aa-01")),
            ("x-cloud-trace-context", format!("{U}/1;o=1")),
        ],
        vec![("x-cloud-trace-context", format!("{T}/0;o=1"))],
        vec![("traceparent", "00-00000000000000000000000000000000-00000000000000aa-01".to_owned())],
        vec![],
    ];
    for headers in sent {
        let (mut request, message) = grpc("/unary");
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        exchange(&caller, (request, message)).await;
    }
    assert!(news.has_changed().expect("a log"));
    news.borrow_and_update();
    assert_eq!(log.taps_of_trace(id(T)).len(), 2);
    assert_eq!(log.taps_of_trace(id(U)).len(), 1);
    assert_eq!(log.taps_of_trace(id("2af7651916cd43dd8448eb211c80319c")), []);
    assert_eq!(log.taps_without_context().len(), 2);
}

#[tokio::test]
async fn an_exchange_is_known_from_its_beginning() {
    let service = Service::start().await;
    let (front, log) = front_before(&service).await;
    let caller = connect(front.addr()).await;
    let mut news = log.subscribe();
    let parked = tokio::spawn(async move { exchange(&caller, grpc("/park")).await });
    news.wait_for(|version| *version > 0).await.expect("a log");
    assert_eq!((log.open(), log.all()[0].end.clone()), (1, End::Open));
    parked.abort();
}

#[tokio::test]
async fn an_upper_case_name_over_http2_is_seen_though_the_connection_dies() {
    let service = Service::start().await;
    let (front, log) = front_before(&service).await;
    let mut stream = TcpStream::connect(front.addr()).await.expect("a connection");
    stream
        .write_all(&http2_with("X-Cloud-Trace-Context", "0af7651916cd43dd8448eb211c80319c/1;o=1"))
        .await
        .expect("room");
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.expect("the end");
    let taps = log.taps_of_trace("0af7651916cd43dd8448eb211c80319c".parse().expect("an id"));
    let tap = taps.first().expect("a tap");
    assert_eq!((tap.status, &tap.end, tap.path.as_str()), (None, &End::Reset(Some(1)), "/a.B/C"));
    assert_eq!(tap.request_headers[0].name, "X-Cloud-Trace-Context");
    assert_eq!(*service.connections.borrow(), 0);
}

/// The bytes of a request over HTTP/2 with a header as it is given.
fn http2_with(name: &str, value: &str) -> Vec<u8> {
    let fields =
        [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "x"), (name, value)];
    let (mut encoder, mut block) = (Encoder::default(), Vec::new());
    for (name, value) in fields {
        let field = (
            name.as_bytes().to_vec(),
            value.as_bytes().to_vec(),
            Encoder::BEST_FORMAT | Encoder::HUFFMAN_NAME,
        );
        encoder.encode(field, &mut block).expect("a header block");
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let length = u32::try_from(block.len()).expect("a small block").to_be_bytes();
    bytes.extend([length[1], length[2], length[3], 1, 0x5, 0, 0, 0, 1]);
    bytes.extend(block);
    bytes
}
