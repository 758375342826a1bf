//! A service behind a front with the front end's policy, and the platform that the policy asks.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use spanwise_cloud_run::{Admit, FrontEndPolicy, NoPlace, Place, Placed, Placing, PolicyOptions, Sampler};
use spanwise_front::{Front, FrontOptions, TapLog};
use spanwise_model::{CloudRunService, FrontEnd, Source, WireTap};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The token that is admitted.
pub(crate) const GOOD: &str = "Bearer swordfish";

/// What a request finds that looks for an instance.
#[derive(Clone, Debug, Default)]
pub(crate) enum Room {
    /// The second instance.
    #[default]
    Free,
    /// None, and why.
    None(NoPlace),
    /// It waits for ever.
    Wait,
}

/// What the policy asks: admits those with the good token, and finds what it is told to.
pub(crate) struct Platform {
    service: SocketAddr,
    room: Mutex<Room>,
    /// How many requests looked for an instance.
    asked: watch::Sender<usize>,
    /// How many places, and searches for one, were let go.
    let_go: watch::Sender<usize>,
}

/// Says when it was dropped.
struct Lease(watch::Sender<usize>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl Admit for Platform {
    fn admit(&self, headers: &mut HeaderMap, is_internal: bool) -> Result<(), Box<Response<Bytes>>> {
        match headers.remove("authorization") {
            Some(token) if token == GOOD && is_internal => Ok(()),
            _ => {
                let refused = Response::builder().status(403).body(Bytes::from("not admitted\n"));
                Err(Box::new(refused.expect("an answer")))
            }
        }
    }
}

impl Place for Platform {
    fn place(&self, _patience: Duration) -> Placing<'_> {
        Box::pin(async {
            self.asked.send_modify(|count| *count += 1);
            let held = Box::new(Lease(self.let_go.clone()));
            let room = self.room.lock().expect("no panic").clone();
            match room {
                Room::Free => Ok(Placed { source: Source::new("callee", 2), address: self.service, held }),
                Room::None(reason) => Err(reason),
                Room::Wait => std::future::pending().await,
            }
        })
    }
}

/// All of it, for one test.
pub(crate) struct World {
    pub(crate) front: Front,
    pub(crate) log: Arc<TapLog>,
    pub(crate) asked: watch::Receiver<usize>,
    pub(crate) let_go: watch::Receiver<usize>,
    platform: Arc<Platform>,
    serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl World {
    pub(crate) async fn start(front_end: FrontEnd, service: CloudRunService) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(serve(listener));
        let platform = Arc::new(Platform {
            service: address,
            room: Mutex::default(),
            asked: watch::Sender::default(),
            let_go: watch::Sender::default(),
        });
        let log = Arc::new(TapLog::new());
        let mut options =
            FrontOptions::new(Some(Source::new("caller", 1)), Source::new("callee", 1), log.clone());
        options.policy = Arc::new(FrontEndPolicy::new(PolicyOptions {
            front_end,
            service,
            is_internal: true,
            admit: Some(platform.clone()),
            place: Some(platform.clone()),
            sampler: Arc::new(Sampler::default()),
        }));
        let front = Front::start(options).await.expect("a front");
        let (asked, let_go) = (platform.asked.subscribe(), platform.let_go.subscribe());
        World { front, log, asked, let_go, platform, serving }
    }

    /// With all as it is where a suite says nothing.
    pub(crate) async fn plain() -> World {
        World::start(FrontEnd::default(), CloudRunService::default()).await
    }

    /// Where a request may take no longer than a moment: too short for what never ends, and long enough for everything else
    /// on a busy machine.
    pub(crate) async fn hasty() -> World {
        let service = CloudRunService { timeout_ms: 1_000, ..CloudRunService::default() };
        World::start(FrontEnd::default(), service).await
    }

    pub(crate) fn set_room(&self, room: Room) {
        *self.platform.room.lock().expect("no panic") = room;
    }

    /// The tap of an exchange, by the order in which they began, once there are so many and all are over.
    pub(crate) async fn tap(&self, at: usize) -> WireTap {
        let mut news = self.log.subscribe();
        while self.log.open() > 0 || self.log.len() <= at {
            news.changed().await.expect("a log");
        }
        self.log.all().remove(at)
    }

    /// Sends bytes and reads until the other side closes.
    pub(crate) async fn converse(&self, sent: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.front.addr()).await.expect("a connection");
        stream.write_all(sent).await.expect("room");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.expect("the end");
        String::from_utf8_lossy(&received).into_owned()
    }

    /// A connection over HTTP/2.
    pub(crate) async fn http2(&self) -> SendRequest<Bytes> {
        let stream = TcpStream::connect(self.front.addr()).await.expect("a connection");
        let (sender, connection) = h2::client::handshake(stream).await.expect("a handshake");
        tokio::spawn(connection);
        sender
    }

    /// Fails unless a usual request, over either version, is served as usual.
    pub(crate) async fn check_serves(&self) {
        self.set_room(Room::Free);
        let get = format!("GET / HTTP/1.1\r\nhost: x\r\nauthorization: {GOOD}\r\nconnection: close\r\n\r\n");
        let answer = self.converse(get.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let answer = get_http2(&self.http2().await, "/", &[]).await;
        assert!(answer.starts_with("200\n"), "{answer}");
    }
}

/// A request with the good token.
pub(crate) fn request(path: &str) -> http::request::Builder {
    Request::builder().uri(format!("https://callee.example{path}")).header("authorization", GOOD)
}

/// Makes a request and gives status and body as text, or how it was broken off.
pub(crate) async fn get_http2(sender: &SendRequest<Bytes>, path: &str, headers: &[(&str, &str)]) -> String {
    let request = headers.iter().fold(request(path), |request, (name, value)| request.header(*name, *value));
    let mut sender = sender.clone().ready().await.expect("a connection");
    let (response, _) = sender.send_request(request.body(()).expect("a request"), true).expect("a stream");
    let response = match response.await {
        Ok(response) => response,
        Err(error) => return format!("{:?}", error.reason()),
    };
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut text = format!("{status}\n");
    while let Some(Ok(data)) = body.data().await {
        text.push_str(&String::from_utf8_lossy(&data));
    }
    text
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let server = auto::Builder::new(TokioExecutor::new());
        tokio::spawn(async move {
            let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

/// Answers with the headers that came, one a line; `/park` never, `/park-body` never to its end, `/read` once all was read.
async fn answer(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
    };
    let text: String = head.headers.iter().map(line).collect();
    let body = match head.uri.path() {
        "/park" => std::future::pending().await,
        "/park-body" => Park(Some(Bytes::from(text))).boxed(),
        "/read" => {
            let _ = body.collect().await;
            Full::new(Bytes::from(text)).boxed()
        }
        _ => Full::new(Bytes::from(text)).boxed(),
    };
    Ok(Response::new(body))
}

/// A body that never ends.
struct Park(Option<Bytes>);

impl hyper::body::Body for Park {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(text) => std::task::Poll::Ready(Some(Ok(Frame::data(text)))),
            None => std::task::Poll::Pending,
        }
    }
}
