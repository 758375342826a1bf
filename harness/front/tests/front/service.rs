//! The service behind the fronts of these tests: one hyper server whose paths are behaviors.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use spanwise_front::{Front, FrontOptions, TapLog};
use spanwise_model::Source;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A running service; dropping it closes every connection.
pub(crate) struct Service {
    pub(crate) addr: SocketAddr,
    /// How many connections were opened to it.
    pub(crate) connections: watch::Receiver<usize>,
    /// How many of its bodies and parked handlers are gone.
    pub(crate) dropped: watch::Receiver<usize>,
    /// How many requests its handler has seen.
    pub(crate) entered: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    connections: watch::Sender<usize>,
    entered: watch::Sender<usize>,
    dropped: watch::Sender<usize>,
}

fn count(what: &watch::Sender<usize>) {
    what.send_modify(|count| *count += 1);
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Service {
    pub(crate) async fn start() -> Service {
        Service::start_at(([127, 0, 0, 1], 0).into()).await
    }

    /// Ends it and gives its port free.
    pub(crate) async fn stop(mut self) {
        self.accepting.abort();
        let ended = (&mut self.accepting).await;
        assert!(ended.is_err(), "it only ends when it is aborted");
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Service {
        let listener = TcpListener::bind(address).await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let counts = Arc::new(Counts::default());
        let accepting = tokio::spawn(accept(listener, counts.clone()));
        Service {
            addr,
            connections: counts.connections.subscribe(),
            dropped: counts.dropped.subscribe(),
            entered: counts.entered.subscribe(),
            accepting,
        }
    }
}

async fn accept(listener: TcpListener, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        count(&counts.connections);
        let counts = counts.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, counts.clone()));
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http1().auto_date_header(false).preserve_header_case(true);
            server
                .http2()
                .auto_date_header(false)
                .max_pending_accept_reset_streams(100_000)
                .max_local_error_reset_streams(None);
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What a path does.
async fn answer(request: Request<Incoming>, counts: Arc<Counts>) -> Result<Response<Script>, Infallible> {
    count(&counts.entered);
    let grpc =
        |script: Vec<Step>| Response::builder().header("content-type", "application/grpc").body(script);
    let status =
        |code: &'static str| Step::Trailers(vec![("grpc-status", code), ("error-details-bin", "AAEC")]);
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let response = match path {
        "/unary" => grpc(vec![Step::Data(5), status("0")]),
        "/trailers-only" => Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "5")
            .header("grpc-message", "no%20such")
            .body(vec![]),
        "/stream" => {
            let frames = query.parse().unwrap_or(3);
            grpc((0..frames).map(|_| Step::Data(7)).chain([status("0")]).collect())
        }
        "/broken" => grpc(vec![Step::Data(7), Step::Data(7), status("13")]),
        "/without-status" => grpc(vec![Step::Data(7)]),
        "/park-body" => grpc(vec![Step::Data(7), Step::Park]),
        "/park" => {
            let _told = Told(counts.clone());
            std::future::pending::<()>().await;
            grpc(vec![])
        }
        "/echo" => {
            let mut response = Response::builder().header("x-seen-path", request.uri().to_string());
            for (name, value) in request.headers() {
                response = response.header(format!("x-seen-{name}"), value);
            }
            response
                .header("x-seen-version", format!("{:?}", request.version()))
                .body(vec![Step::Body(Box::new(request.into_body()))])
        }
        "/duplicates" => {
            Response::builder().header("set-cookie", "a=1").header("set-cookie", "b=2").body(vec![])
        }
        _ => Response::builder().status(404).body(vec![Step::Data(9)]),
    };
    let script =
        response.expect("a response").map(|steps| Script { steps: steps.into(), told: Told(counts) });
    Ok(script)
}

/// Says when it was dropped.
struct Told(Arc<Counts>);

impl Drop for Told {
    fn drop(&mut self) {
        count(&self.0.dropped);
    }
}

enum Step {
    Data(usize),
    Trailers(Vec<(&'static str, &'static str)>),
    Park,
    Body(Box<Incoming>),
}

/// A body that takes one step after the other.
pub(crate) struct Script {
    steps: std::collections::VecDeque<Step>,
    told: Told,
}

impl Body for Script {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let _ = &self.told;
        let frame = match self.steps.pop_front() {
            None => return Poll::Ready(None),
            Some(Step::Data(length)) => Frame::data(Bytes::from(vec![b'x'; length])),
            Some(Step::Trailers(trailers)) => {
                let trailers = trailers
                    .into_iter()
                    .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
                Frame::trailers(trailers.collect::<HeaderMap>())
            }
            Some(Step::Park) => {
                self.steps.push_front(Step::Park);
                return Poll::Pending;
            }
            Some(Step::Body(mut body)) => {
                let polled = Pin::new(&mut *body).poll_frame(cx);
                if !matches!(polled, Poll::Ready(None)) {
                    self.steps.push_front(Step::Body(body));
                }
                return polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)));
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self.steps.front() {
            None => true,
            Some(Step::Body(body)) => body.is_end_stream(),
            Some(_) => false,
        }
    }
}

/// A transparent front before a service, with its log.
pub(crate) async fn front_before(service: &Service) -> (Front, Arc<TapLog>) {
    front_before_address(service.addr).await
}

pub(crate) async fn front_before_address(address: SocketAddr) -> (Front, Arc<TapLog>) {
    let log = Arc::new(TapLog::new());
    let front = Front::start(options(&log, Some(address))).await.expect("a front");
    (front, log)
}

pub(crate) fn options(log: &Arc<TapLog>, upstream: Option<SocketAddr>) -> FrontOptions {
    let mut options =
        FrontOptions::new(Some(Source::new("caller", 1)), Source::new("callee", 1), log.clone());
    options.upstream = upstream;
    options
}
