//! The byte tap: what hyper's types cannot hold, read from the first bytes of a connection below hyper.
//!
//! Over HTTP/1.1 header names may have upper-case letters, which `HeaderMap` folds: the tap keeps them as sent. Over
//! HTTP/2 they may not, and hyper ends the whole connection without ever showing the request: the tap records it, as it does
//! what hyper answers by itself because it cannot read it, or because it is too much (400, 431). The tap only looks; it
//! changes no byte and holds none back. It is best effort: it keeps [`WATCHED_BYTES`] of a connection at most, and a block of
//! headers of [`crate::upstream::MAX_HEADER_LIST`].

mod http1;
mod http2;
mod refused;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use spanwise_model::{End, HttpVersion, secret};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use refused::{Refused, RefusedHead};

/// How much of a connection is kept at once: over HTTP/2 its first bytes, and no more are looked at; over HTTP/1.1 the
/// last ones, so that a head is found whatever body came before it.
pub(crate) const WATCHED_BYTES: usize = 64 * 1024;

/// The watch over one connection; the stream feeds it and the exchanges ask it.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Mutex<State>>);

struct State {
    protocol: Protocol,
    refused: Refused,
}

enum Protocol {
    /// Too few bytes yet to tell.
    Unknown(Vec<u8>),
    Http1(http1::Heads),
    Http2(http2::Frames),
    /// Not watched any more.
    Done,
}

impl Watch {
    pub(crate) fn new(refused: Refused) -> Watch {
        Watch(Arc::new(Mutex::new(State { protocol: Protocol::Unknown(Vec::new()), refused })))
    }

    /// The header lines of an HTTP/1.1 request that hyper has just read, as sent and in order.
    pub(crate) fn http1_head(&self, method: &str, target: &str) -> Option<Vec<(String, Vec<u8>)>> {
        match &mut self.lock().protocol {
            Protocol::Http1(heads) => heads.take(method, target),
            _ => None,
        }
    }

    /// Records a request that hyper could not read, and answered by itself with this status.
    pub(crate) fn http1_refused(&self, status: u16) {
        let state = self.lock();
        if let Protocol::Http1(heads) = &state.protocol {
            let mut head = RefusedHead::new(HttpVersion::Http1);
            if let Some((method, target)) = heads.request_line() {
                head.method = method;
                head.path = secret::path_and_query(&target).into_owned();
            }
            state.refused.record(head, Some(status), End::Complete);
        }
    }

    fn see(&self, bytes: &[u8]) {
        let mut state = self.lock();
        let State { protocol, refused } = &mut *state;
        if let Protocol::Unknown(first) = protocol {
            first.extend_from_slice(bytes);
            let known = first.len().min(http2::PREFACE.len());
            if first[..known] != http2::PREFACE[..known] {
                *protocol = Protocol::Http1(http1::Heads::new(std::mem::take(first)));
            } else if known == http2::PREFACE.len() {
                let mut frames = http2::Frames::new();
                let goes_on = frames.see(&first[known..], refused);
                *protocol = if goes_on { Protocol::Http2(frames) } else { Protocol::Done };
            }
            return;
        }
        let goes_on = match protocol {
            Protocol::Http1(heads) => {
                heads.see(bytes);
                true
            }
            Protocol::Http2(frames) => frames.see(bytes, refused),
            Protocol::Unknown(_) | Protocol::Done => return,
        };
        if !goes_on {
            *protocol = Protocol::Done;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream whose incoming bytes are shown to a watch.
pub(crate) struct Watched<S> {
    stream: S,
    watch: Watch,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, watch: Watch) -> Watched<S> {
        Watched { stream, watch }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.watch.see(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
