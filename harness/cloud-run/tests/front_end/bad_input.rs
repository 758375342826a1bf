//! Bad input: the front end answers it, stays up, and the taps have the evidence, without a token in it.

use std::any::Any;

use bytes::Bytes;
use h2::Reason;
use httlib_hpack::Encoder;
use spanwise_model::{End, HttpVersion, WireTap};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{GOOD, Room, World, get_http2, request};

/// What a tap says of how an exchange went.
fn outcome(tap: &WireTap) -> (Option<u16>, bool, End) {
    (tap.status, tap.answered_by_front, tap.end.clone())
}

/// Sends bytes that hyper refuses, and compares the status that comes back and is recorded.
async fn check_refused(sent: &[u8], expected: u16, path: &str) {
    let world = World::plain().await;
    let answer = world.converse(sent).await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{answer}");
    let tap = world.tap(0).await;
    assert_eq!(outcome(&tap), (Some(expected), true, End::Complete));
    assert_eq!((tap.http, tap.path.as_str()), (HttpVersion::Http1, path));
    assert_eq!(*world.asked.borrow(), 0);
    world.check_serves().await;
}

#[tokio::test]
async fn header_bombs_over_http1_are_431_and_garbage_is_400() {
    let many: String = (0..2_000).map(|number| format!("x-{number}: y\r\n")).collect();
    check_refused(format!("GET /many HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes(), 431, "/many").await;
    check_refused(b"GET /broken HTTP/1.1\r\nno colon\r\n\r\n", 400, "/broken").await;
    check_refused(b"\0\x01\x02\r\n\r\n", 400, "").await;
}

#[tokio::test]
async fn one_header_without_end_over_http1_is_431() {
    let world = World::plain().await;
    let mut stream = TcpStream::connect(world.front.addr()).await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ").await.expect("room");
    // The front stops to read long before the end, and may close while this still writes.
    let (mut reading, mut writing) = stream.split();
    let long = vec![b'x'; 1024 * 1024];
    let (_, answer) = tokio::join!(writing.write_all(&long), async {
        let mut answer = [0; 12];
        reading.read_exact(&mut answer).await.map(|_| answer)
    });
    assert_eq!(answer.expect("an answer"), *b"HTTP/1.1 431");
    drop(stream);
    assert_eq!(outcome(&world.tap(0).await), (Some(431), true, End::Complete));
    world.check_serves().await;
}

#[tokio::test]
async fn a_header_bomb_over_http2_is_431() {
    let world = World::plain().await;
    let value = "x".repeat(300 * 1024);
    let headers: Vec<(&str, &str)> = ["x-a", "x-b", "x-c", "x-d"].map(|name| (name, value.as_str())).to_vec();
    let sender = world.http2().await;
    assert_eq!(get_http2(&sender, "/", &headers).await, "431\n");
    assert_eq!(outcome(&world.tap(0).await), (Some(431), true, End::Complete));
    // The connection is none the worse for it.
    assert!(get_http2(&sender, "/", &[]).await.starts_with("200\n"));
    world.check_serves().await;
}

#[tokio::test]
async fn a_few_bytes_that_stand_for_megabytes_of_headers_are_refused() {
    let world = World::plain().await;
    let mut stream = TcpStream::connect(world.front.addr()).await.expect("a connection");
    stream.write_all(&compressed_bomb()).await.expect("room");
    let tap = world.tap(0).await;
    assert_eq!((outcome(&tap), tap.path.as_str()), ((Some(431), true, End::Complete), "/bomb"));
    assert!(tap.request_headers.len() < 100, "{} headers are kept", tap.request_headers.len());
    drop(stream);
    world.check_serves().await;
}

/// A request over HTTP/2 that puts one long field into the table, and then names it 8,000 times, by a byte each.
fn compressed_bomb() -> Vec<u8> {
    let long = "x".repeat(3_900);
    let fields = [
        (":method", "GET", Encoder::BEST_FORMAT),
        (":scheme", "https", Encoder::BEST_FORMAT),
        (":path", "/bomb", Encoder::BEST_FORMAT),
        (":authority", "x", Encoder::BEST_FORMAT),
        ("x-long", &long, Encoder::WITH_INDEXING),
    ];
    let (mut encoder, mut block) = (Encoder::default(), Vec::new());
    for (name, value, flags) in fields {
        let field = (name.as_bytes().to_vec(), value.as_bytes().to_vec(), flags);
        encoder.encode(field, &mut block).expect("a header block");
    }
    // The first entry of the dynamic table (RFC 7541, section 2.3.3).
    block.extend(vec![0x80 | 62; 8_000]);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let length = u32::try_from(block.len()).expect("one frame").to_be_bytes();
    bytes.extend([length[1], length[2], length[3], 1, 0x5, 0, 0, 0, 1]);
    bytes.extend(block);
    bytes
}

#[tokio::test]
async fn an_oversized_token_is_refused_and_never_recorded() {
    let world = World::plain().await;
    let token = format!("Bearer {}", "swordfish".repeat(20_000));
    let get = |name: &str| {
        format!(
            "GET /?access_token=swordfish HTTP/1.1\r\nhost: x\r\n{name}: {token}\r\nconnection: close\r\n\r\n"
        )
    };
    for name in ["Authorization", "X-Serverless-Authorization", "Proxy-Authorization"] {
        let answer = world.converse(get(name).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    world.check_serves().await;
    world.tap(4).await;
    for tap in world.log.all() {
        let kept = format!("{tap:?}");
        assert!(!kept.contains("swordfish") && kept.len() < 4_096, "{kept}");
        assert!(kept.contains("<bearer token sha256:"), "{kept}");
    }
}

#[tokio::test]
async fn a_caller_that_writes_slowly_holds_nobody_up() {
    let world = World::plain().await;
    let mut slow = TcpStream::connect(world.front.addr()).await.expect("a connection");
    let get = format!("GET /slow HTTP/1.1\r\nhost: x\r\nauthorization: {GOOD}\r\nconnection: close\r\n\r\n");
    let (head, rest) = get.split_at(30);
    slow.write_all(head.as_bytes()).await.expect("room");
    world.check_serves().await;
    slow.write_all(rest.as_bytes()).await.expect("room");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(world.tap(2).await.path, "/slow");
}

#[tokio::test]
async fn a_request_that_never_ends_is_504_in_time() {
    let world = World::hasty().await;
    let mut sender = world.http2().await;
    let request = request("/read").method("POST").body(()).expect("a request");
    let (response, mut stream) = sender.send_request(request, false).expect("a stream");
    stream.send_data(Bytes::from_static(b"some"), false).expect("room");
    assert_eq!(response.await.expect("an answer").status(), 504);
    assert_eq!(outcome(&world.tap(0).await), (Some(504), true, End::Complete));
    world.check_serves().await;
}

/// Sends a request over HTTP/2 and stops it when the front end holds it, when the service has it, or when its answer flows.
async fn check_reset(room: Room, path: &str, status: Option<u16>, is_reset: bool) {
    let mut world = World::plain().await;
    world.set_room(room);
    let mut sender = world.http2().await;
    let request = request(path).body(()).expect("a request");
    let (response, mut stream) = sender.send_request(request, false).expect("a stream");
    world.asked.wait_for(|count| *count == 1).await.expect("a platform");
    let answer: Box<dyn Any> = match status {
        Some(_) => Box::new(response.await.expect("an answer")),
        None => Box::new(response),
    };
    if is_reset {
        stream.send_reset(Reason::CANCEL);
    }
    // Without its handles the stream is reset, and without any stream the connection closes.
    drop((answer, stream, sender));
    world.let_go.wait_for(|count| *count == 1).await.expect("a platform");
    assert_eq!(outcome(&world.tap(0).await), (status, false, End::Canceled), "{path}");
    world.check_serves().await;
}

#[tokio::test]
async fn a_caller_may_go_away_at_any_time() {
    for is_reset in [true, false] {
        check_reset(Room::Wait, "/held", None, is_reset).await;
        check_reset(Room::Free, "/park", None, is_reset).await;
        check_reset(Room::Free, "/park-body", Some(200), is_reset).await;
    }
}

#[tokio::test]
async fn a_caller_over_http1_that_closes_gives_its_place_back() {
    for (room, path) in [(Room::Wait, "/held"), (Room::Free, "/park")] {
        let mut world = World::plain().await;
        world.set_room(room);
        let mut stream = TcpStream::connect(world.front.addr()).await.expect("a connection");
        let get = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {GOOD}\r\n\r\n");
        stream.write_all(get.as_bytes()).await.expect("room");
        world.asked.wait_for(|count| *count == 1).await.expect("a platform");
        // Closed for writing is closed: nothing tells a caller that waits for its answer from one that is gone.
        stream.shutdown().await.expect("a connection");
        world.let_go.wait_for(|count| *count == 1).await.expect("a platform");
        assert_eq!(outcome(&world.tap(0).await), (None, false, End::Canceled), "{path}");
        world.check_serves().await;
    }
}
