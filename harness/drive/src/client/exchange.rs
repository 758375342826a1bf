//! One request and all that comes back for it, whatever it means.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use spanwise_model::HttpVersion;

use super::Client;
use super::connect::{Sender, Target};

/// How much of a body is kept; the rest is read and thrown away.
const BODY_BYTES: usize = 1024 * 1024;

/// What came back.
#[derive(Default)]
pub(super) struct Exchange {
    /// The head of the answer, if one came.
    pub(super) head: Option<response::Parts>,
    /// The first MiB of the body.
    pub(super) body: Bytes,
    /// The trailers, if they came.
    pub(super) trailers: HeaderMap,
    /// Why it did not come to its regular end.
    pub(super) failure: Option<Failure>,
}

/// Why an exchange did not come to its regular end.
pub(super) enum Failure {
    /// No connection.
    Connect(String),
    /// The connection or the stream broke, with the HTTP/2 error code where there was one.
    Broken(String, Option<u32>),
}

impl Client {
    /// Sends a request and reads its answer to the end. A request that provably was not sent, because the connection
    /// was closing, is sent once more on another.
    pub(super) async fn exchange(
        &self,
        target: &Target,
        version: HttpVersion,
        own_connection: bool,
        request: Request<Full<Bytes>>,
    ) -> Exchange {
        let pool = (!own_connection).then(|| self.pools.of(target));
        let mut request = request;
        let mut is_retry = false;
        loop {
            let sender = match &pool {
                Some(pool) => pool.sender(&self.connector, target, version).await,
                None => self.connector.connect(target, version).await,
            };
            let mut sender = match sender {
                Ok(sender) => sender,
                Err(why) => return Exchange { failure: Some(Failure::Connect(why)), ..Exchange::default() },
            };
            let sent = match &mut sender {
                Sender::Http1(sender) => sender.try_send_request(request).await,
                Sender::Http2(sender) => sender.try_send_request(request).await,
            };
            let mut error = match sent {
                Ok(response) => {
                    let exchange = read(response).await;
                    if let (Some(pool), Sender::Http1(sender)) = (pool, sender) {
                        pool.give_back(sender).await;
                    }
                    return exchange;
                }
                Err(error) => error,
            };
            match error.take_message() {
                Some(unsent) if !is_retry => request = unsent,
                _ => return Exchange { failure: Some(broken(&error.into_error())), ..Exchange::default() },
            }
            is_retry = true;
        }
    }
}

async fn read(response: Response<Incoming>) -> Exchange {
    let (head, mut incoming) = response.into_parts();
    let mut exchange = Exchange { head: Some(head), ..Exchange::default() };
    let mut body = BytesMut::new();
    while !incoming.is_end_stream() {
        match incoming.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let room = BODY_BYTES.saturating_sub(body.len()).min(data.len());
                    body.extend_from_slice(&data[..room]);
                }
                Err(frame) => exchange.trailers = frame.into_trailers().unwrap_or_default(),
            },
            Some(Err(error)) => {
                exchange.failure = Some(broken(&error));
                break;
            }
            None => break,
        }
    }
    exchange.body = body.freeze();
    exchange
}

/// The failure that an error of hyper is: in words its whole chain, and the HTTP/2 error code out of it.
fn broken(error: &hyper::Error) -> Failure {
    let mut words = error.to_string();
    let mut code = None;
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        code = code.or_else(|| error.downcast_ref::<h2::Error>().and_then(h2::Error::reason).map(u32::from));
        cause = error.source();
    }
    Failure::Broken(words, code)
}
