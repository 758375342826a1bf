//! Connections that go on in another protocol, and offers of one that are not passed on.

use std::sync::Arc;
use std::time::Duration;

use spanwise_front::{Asked, Decision, Front, Hold, Policy, TapLog, Transparent, Way};
use spanwise_model::End;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::http1::converse;
use crate::service::{Service, front_before, options};

const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";

/// Opens a WebSocket's connection through a front, to a service that agrees to whatever it is offered.
async fn upgraded(policy: impl Policy) -> (TcpStream, TcpStream, Front, Arc<TapLog>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let log = Arc::new(TapLog::new());
    let mut options = options(&log, listener.local_addr().ok());
    options.policy = Arc::new(policy);
    let front = Front::start(options).await.expect("a front");
    let mut caller = TcpStream::connect(front.addr()).await.expect("a connection");
    caller.write_all(UPGRADE.as_bytes()).await.expect("room");
    let (mut service, _) = listener.accept().await.expect("a connection");
    let request = read_head(&mut service).await;
    assert!(request.contains("upgrade: websocket\r\n"), "{request}");
    let agreed = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    service.write_all(agreed.as_bytes()).await.expect("room");
    assert_eq!(read_head(&mut caller).await, agreed);
    let mut received = [0; 4];
    caller.write_all(b"ping").await.expect("room");
    service.read_exact(&mut received).await.expect("bytes");
    assert_eq!(&received, b"ping");
    service.write_all(b"pong").await.expect("room");
    caller.read_exact(&mut received).await.expect("bytes");
    assert_eq!(&received, b"pong");
    (caller, service, front, log)
}

/// Reads up to the end of a head, and no further.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a byte"));
    }
    String::from_utf8(head).expect("text")
}

/// Waits for the end of the one exchange and compares it.
async fn check_upgraded_end(log: &TapLog, expected: End) {
    let mut news = log.subscribe();
    while log.open() > 0 {
        news.changed().await.expect("a log");
    }
    let tap = log.all().remove(0);
    assert_eq!((tap.status, tap.end), (Some(101), expected));
}

/// Closes a connection so that the other side gets an error, as when a process dies with bytes unread.
fn abort(stream: TcpStream) {
    stream.set_zero_linger().expect("a socket");
}

#[tokio::test]
async fn another_protocol_passes_both_ways_until_both_sides_close() {
    let (mut caller, mut service, _front, log) = upgraded(Transparent).await;
    caller.shutdown().await.expect("a socket");
    assert_eq!(service.read(&mut [0; 1]).await.expect("an end"), 0);
    service.shutdown().await.expect("a socket");
    assert_eq!(caller.read(&mut [0; 1]).await.expect("an end"), 0);
    check_upgraded_end(&log, End::Complete).await;
}

#[tokio::test]
async fn who_breaks_another_protocol_off_is_told_apart() {
    let (_caller, service, _front, log) = upgraded(Transparent).await;
    abort(service);
    check_upgraded_end(&log, End::Reset(None)).await;
    let (caller, _service, _front, log) = upgraded(Transparent).await;
    abort(caller);
    check_upgraded_end(&log, End::Canceled).await;
}

/// A platform on which nothing takes longer than a second.
struct Hasty;

impl Policy for Hasty {
    fn request<'a>(&'a self, _request: Asked<'a>) -> Hold<'a> {
        let way = Way { timeout: Some(Duration::from_secs(1)), ..Way::default() };
        Box::pin(std::future::ready(Decision::Forward(way)))
    }
}

#[tokio::test]
async fn another_protocol_ends_when_its_time_is_up() {
    let (mut caller, mut service, _front, log) = upgraded(Hasty).await;
    check_upgraded_end(&log, End::Reset(None)).await;
    assert_eq!(caller.read(&mut [0; 1]).await.expect("an end"), 0);
    assert_eq!(service.read(&mut [0; 1]).await.expect("an end"), 0);
}

#[tokio::test]
async fn an_offer_of_http2_is_not_passed_on_so_that_the_tap_keeps_seeing() {
    let service = Service::start().await;
    let (front, log) = front_before(&service).await;
    let offer = "connection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
    let answer = converse(front.addr(), &format!("GET /echo HTTP/1.1\r\nhost: x\r\n{offer}\r\n")).await;
    assert!(answer.contains("x-seen-connection: close\r\n"), "{answer}");
    assert!(!answer.contains("x-seen-upgrade") && !answer.contains("x-seen-http2-settings"), "{answer}");
    let tap = log.all().remove(0);
    assert_eq!((tap.status, tap.request_header("upgrade")), (Some(200), Some("h2c")));
}
