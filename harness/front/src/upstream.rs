//! The service's side of one connection: opened when the first request needs it, opened again when it broke.
//!
//! HTTP/2 requests of the caller share one connection. Of HTTP/1.1 connections there is one too, unless the caller
//! speaks HTTP/2 and has several requests in flight.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// Where the service is, which may become known, or change, while the front runs.
#[derive(Clone, Default)]
pub(crate) struct Address(Arc<RwLock<Option<SocketAddr>>>);

impl Address {
    pub(crate) fn new(address: Option<SocketAddr>) -> Address {
        Address(Arc::new(RwLock::new(address)))
    }

    pub(crate) fn set(&self, address: SocketAddr) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let address = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        let address =
            address.ok_or_else(|| io::Error::other("the service behind this front was not started yet"))?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Why no answer came.
pub(crate) enum NoAnswer {
    /// The service could not be reached, so it never saw the request.
    Unreachable(io::Error),
    /// The connection or the stream broke; the service may have seen the request.
    Broken(hyper::Error),
}

/// The connections to the service that belong to one connection of a caller.
pub(crate) struct Upstream {
    address: Address,
    http2: tokio::sync::Mutex<Option<http2::SendRequest<Incoming>>>,
    http1: Mutex<Vec<http1::SendRequest<Incoming>>>,
}

impl Upstream {
    pub(crate) fn new(address: Address) -> Upstream {
        Upstream { address, http2: Default::default(), http1: Default::default() }
    }

    /// Sends a request in the version it says. One that provably was not sent, because the connection was closing,
    /// is sent once more on a new connection.
    ///
    /// `sequential` says that the caller sends one request at a time, so that the connection of the last one is
    /// awaited rather than another opened.
    pub(crate) async fn send(
        &self,
        request: Request<Incoming>,
        sequential: bool,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let is_http2 = request.version() == Version::HTTP_2;
        let mut request = request;
        let mut is_retry = false;
        loop {
            let sent = if is_http2 {
                self.http2().await?.try_send_request(request).await
            } else {
                let mut sender = self.http1(sequential).await?;
                let sent = sender.try_send_request(request).await;
                self.idle().push(sender);
                sent
            };
            match sent {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_retry => request = unsent,
                    _ => return Err(NoAnswer::Broken(error.into_error())),
                },
            }
            is_retry = true;
        }
    }

    async fn http2(&self) -> Result<http2::SendRequest<Incoming>, NoAnswer> {
        let mut shared = self.http2.lock().await;
        if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = self.address.connect().await.map_err(NoAnswer::Unreachable)?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .max_pending_accept_reset_streams(RESET_STREAMS)
            .max_local_error_reset_streams(None)
            .max_concurrent_reset_streams(RESET_STREAMS)
            .max_header_list_size(MAX_HEADER_LIST)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(NoAnswer::Broken)?;
        // It ends when the last sender and the last exchange are gone; its error is each exchange's own.
        tokio::spawn(connection);
        *shared = Some(sender.clone());
        Ok(sender)
    }

    async fn http1(&self, sequential: bool) -> Result<http1::SendRequest<Incoming>, NoAnswer> {
        while let Some(mut sender) = self.take_idle(sequential) {
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = self.address.connect().await.map_err(NoAnswer::Unreachable)?;
        let (mut sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(NoAnswer::Broken)?;
        tokio::spawn(connection.with_upgrades());
        sender.ready().await.map_err(NoAnswer::Broken)?;
        Ok(sender)
    }

    /// Takes a connection that is free, or, of a sequential caller, the one that is about to be.
    fn take_idle(&self, sequential: bool) -> Option<http1::SendRequest<Incoming>> {
        let mut idle = self.idle();
        idle.retain(|sender| !sender.is_closed());
        let at = idle.iter().position(|sender| sequential || sender.is_ready())?;
        Some(idle.swap_remove(at))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<http1::SendRequest<Incoming>>> {
        self.http1.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Mass cancellation is a case to be tested, not an attack: without this, a few hundred cancelled calls tear the
/// connection down for those that were not (both directions).
pub(crate) const RESET_STREAMS: usize = 100_000;

/// Bytes of header list a front accepts over HTTP/2: as many as the most generous of common services, so that the
/// service's own limit is what counts.
pub(crate) const MAX_HEADER_LIST: u32 = 1024 * 1024;

/// Header lines a front accepts over HTTP/1.1, where hyper has to make room for them beforehand.
pub(crate) const MAX_HEADERS: usize = 1024;
