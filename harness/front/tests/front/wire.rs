//! A client that shows an HTTP/2 exchange frame by frame.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// An HTTP/2 connection in plaintext.
pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    handshake(stream).await
}

pub(crate) async fn handshake<S>(stream: S) -> SendRequest<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = h2::client::Builder::new();
    // With a small window h2 takes many small frames for an attack.
    builder.max_concurrent_reset_streams(100_000).initial_connection_window_size(8 * 1024 * 1024);
    let (sender, connection) = builder.handshake(stream).await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

/// A gRPC request with one small message, sent as a whole.
pub(crate) fn grpc(path: &str) -> (Request<()>, Bytes) {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://service.example{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "5S")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .header("trace-proto-bin", "AAEC")
        .body(())
        .expect("a request");
    (request, Bytes::from_static(&[0, 0, 0, 0, 0]))
}

/// Sends a request; the stream can still be reset.
pub(crate) async fn send(
    sender: &SendRequest<Bytes>,
    request: (Request<()>, Bytes),
) -> (ResponseFuture, SendStream<Bytes>) {
    let mut sender = sender.clone().ready().await.expect("a connection");
    let (response, mut stream) = sender.send_request(request.0, false).expect("a stream");
    stream.send_data(request.1, true).expect("room");
    (response, stream)
}

/// Sends a request and writes down every frame that comes back, its flags and its headers.
pub(crate) async fn exchange(sender: &SendRequest<Bytes>, request: (Request<()>, Bytes)) -> String {
    let (response, _stream) = send(sender, request).await;
    let mut shown = String::new();
    match response.await {
        Ok(response) => {
            let (head, body) = response.into_parts();
            shown.push_str(&format!(
                "HEADERS {}{}{}",
                head.status.as_u16(),
                fields(&head.headers),
                end(&body)
            ));
            frames(body, &mut shown).await;
        }
        Err(error) => shown.push_str(&reset(&error)),
    }
    shown
}

async fn frames(mut body: RecvStream, shown: &mut String) {
    if body.is_end_stream() {
        return;
    }
    while let Some(data) = body.data().await {
        match data {
            Ok(data) => {
                let _ = body.flow_control().release_capacity(data.len());
                shown.push_str(&format!("\nDATA {}{}", data.len(), end(&body)));
            }
            Err(error) => {
                shown.push_str(&format!("\n{}", reset(&error)));
                return;
            }
        }
    }
    match body.trailers().await {
        Ok(Some(trailers)) => shown.push_str(&format!("\nTRAILERS{}", fields(&trailers))),
        Ok(None) => {}
        Err(error) => shown.push_str(&format!("\n{}", reset(&error))),
    }
}

fn end(body: &RecvStream) -> &'static str {
    if body.is_end_stream() { " END_STREAM" } else { "" }
}

fn fields(headers: &HeaderMap) -> String {
    headers
        .iter()
        .map(|(name, value)| format!(" {name}={}", String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

fn reset(error: &h2::Error) -> String {
    match error.reason() {
        Some(reason) => format!("RST_STREAM {}", u32::from(reason)),
        None => "connection lost".to_owned(),
    }
}

/// Cancels a call as gRPC clients do.
pub(crate) fn cancel(mut stream: SendStream<Bytes>) {
    stream.send_reset(Reason::CANCEL);
}
