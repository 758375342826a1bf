//! HTTP requests.

use std::time::Duration;

use futures_util::future::join_all;
use spanwise_drive::{Answer, Client, HttpRequest};
use spanwise_model::{HttpVersion, RequestResult};

use crate::servers::{canned, http, https, nobody};

fn request(address: std::net::SocketAddr, version: HttpVersion, path: &str) -> HttpRequest {
    HttpRequest {
        url: format!("http://{address}"),
        version,
        method: "POST".to_owned(),
        path: path.to_owned(),
        headers: vec![("x-asked".to_owned(), "yes".to_owned())],
        body: Some("body".into()),
        deadline: None,
        own_connection: false,
    }
}

async fn made(request: HttpRequest) -> Answer {
    Client::new(None).expect("a client").http(request).await.expect("a request")
}

/// Sends one request and compares what the server says it was asked.
async fn check(version: HttpVersion, path: &str, status: u16, said: &str) {
    let (address, _) = http().await;
    let answer = made(request(address, version, path)).await;
    assert_eq!(answer.result, RequestResult::Http(status));
    assert_eq!(String::from_utf8_lossy(&answer.body), said);
    let cookie = answer.headers.iter().find(|header| header.name == "set-cookie").expect("a header");
    assert!(cookie.value.starts_with("<cookie sha256:"), "{}", cookie.value);
}

#[tokio::test]
async fn requests_are_answered_in_both_versions() {
    check(HttpVersion::Http1, "/a?b=c", 200, "POST /a?b=c HTTP/1.1 yes body").await;
    check(HttpVersion::Http2, "/a?b=c", 200, "POST /a?b=c HTTP/2.0 yes body").await;
    check(HttpVersion::Http1, "/missing", 404, "POST /missing HTTP/1.1 yes body").await;
}

#[tokio::test]
async fn requests_over_tls_speak_the_version_that_they_ask_for() {
    let (address, ca) = https().await;
    let client = Client::new(Some(&ca)).expect("a client");
    for (version, said) in [(HttpVersion::Http1, "HTTP/1.1"), (HttpVersion::Http2, "HTTP/2.0")] {
        let mut request = request(address, version, "/a");
        request.url = format!("https://localhost:{}", address.port());
        let answer = client.http(request).await.expect("a request");
        assert_eq!(answer.result, RequestResult::Http(200));
        assert_eq!(String::from_utf8_lossy(&answer.body), format!("POST /a {said} yes body"));
    }
}

/// Compares the result of a request to a server that always writes the same.
async fn check_canned(bytes: &'static [u8], expected: &str) {
    let address = canned(bytes).await;
    let mut get = request(address, HttpVersion::Http1, "/");
    (get.method, get.body) = ("GET".to_owned(), None);
    let shown = made(get).await.result.to_string();
    assert!(shown.starts_with(expected), "{shown}");
}

#[tokio::test]
async fn broken_answers_are_told_from_whole_ones_and_from_none() {
    check_canned(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", "200").await;
    check_canned(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", "200, body broken off").await;
    check_canned(b"HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n", "500, body broken off")
        .await;
    check_canned(b"", "no answer: ").await;
    check_canned(b"what?\r\n\r\n", "no answer: ").await;
}

#[tokio::test]
async fn no_connection_and_a_passed_deadline_are_no_answer() {
    let nobody = nobody();
    let refused = made(request(nobody.1, HttpVersion::Http1, "/")).await.result.to_string();
    assert!(refused.starts_with("no answer: no connection to 127.0.0.1:"), "{refused}");
    let (address, _) = http().await;
    let mut late = request(address, HttpVersion::Http1, "/never");
    (late.deadline, late.own_connection) = (Some(Duration::from_millis(50)), true);
    assert_eq!(made(late).await.result, RequestResult::None("not answered within 50 ms".to_owned()));
}

/// Sends four requests one after the other and then eight at once, and compares how many connections that took.
async fn check_connections(version: HttpVersion, own_connection: bool, expected: usize) {
    let (address, connections) = http().await;
    let client = Client::new(None).expect("a client");
    let one = || {
        let mut request = request(address, version, "/");
        request.own_connection = own_connection;
        client.http(request)
    };
    for _ in 0..4 {
        one().await.expect("a request");
    }
    let answers = join_all((0..8).map(|_| one())).await;
    assert!(
        answers.iter().all(|answer| matches!(answer, Ok(Answer { result: RequestResult::Http(200), .. })))
    );
    assert_eq!(*connections.borrow(), expected);
}

#[tokio::test]
async fn connections_are_shared_unless_a_request_wants_its_own() {
    check_connections(HttpVersion::Http2, false, 1).await;
    check_connections(HttpVersion::Http1, false, 8).await;
    check_connections(HttpVersion::Http1, true, 12).await;
    check_connections(HttpVersion::Http2, true, 12).await;
}
