//! A service that writes the same bytes on every connection, all at once, and then closes or waits.
//!
//! hyper throws away what it has not written when a body fails, so only raw bytes make a broken answer that is the
//! same each time.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PREFACE: usize = 24;
const HEADERS: u8 = 1;

/// Answers every HTTP/1.1 request with these bytes and closes.
pub(crate) async fn http1(bytes: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| async move {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n")
            && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0)
        {}
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
    })
    .await
}

/// Answers the first request of every HTTP/2 connection with a head, seven bytes of data, and a reset.
pub(crate) async fn http2_reset(code: u32) -> SocketAddr {
    serve(move |mut stream| async move {
        let mut received = Vec::new();
        while !has_headers(&received) && stream.read_buf(&mut received).await.is_ok_and(|read| read > 0) {}
        let content_type = b"application/grpc";
        // `:status 200` and `content-type` are in the static table (RFC 7541, appendix A).
        let block = [&[0x88, 0x0f, 0x10, 16][..], content_type].concat();
        let frames = [
            frame(4, 0, 0, &[]),
            frame(HEADERS, 4, 1, &block),
            frame(0, 0, 1, b"xxxxxxx"),
            frame(3, 0, 1, &code.to_be_bytes()),
        ];
        let _ = stream.write_all(&frames.concat()).await;
        // The caller closes when it is done.
        while stream.read_buf(&mut received).await.is_ok_and(|read| read > 0) {}
    })
    .await
}

async fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// Whether a HEADERS frame is among the frames behind the preface.
fn has_headers(received: &[u8]) -> bool {
    let mut rest = received.get(PREFACE..).unwrap_or_default();
    while let Some(&[a, b, c, kind]) = rest.first_chunk::<4>() {
        if kind == HEADERS {
            return true;
        }
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    false
}
