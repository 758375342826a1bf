//! What a policy may say about how a request goes on: to which instance, for how long, and what it holds meanwhile.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Version;
use spanwise_front::tls::Authority;
use spanwise_front::{Asked, Decision, Front, Hold, Policy, TapLog, UpstreamProtocol, Way};
use spanwise_model::{ContextFormat, End, Source};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::canned;
use crate::http1::converse;
use crate::service::{Service, options};
use crate::tls::tls;
use crate::wire::{cancel, connect, exchange, grpc, handshake, send};

/// Sends requests to the instance that the query names, and holds those to `/held` for ever.
#[derive(Default)]
struct Platform {
    instances: Vec<SocketAddr>,
    timeout: Option<Duration>,
    asked: watch::Sender<usize>,
    let_go: watch::Sender<usize>,
    told: Arc<Mutex<Vec<Told>>>,
}

/// What a policy is told besides the head: TLS, the caller's address, the version that the service gets.
type Told = (bool, SocketAddr, Version);

/// Says when it was dropped.
struct Lease(watch::Sender<usize>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl Policy for Platform {
    fn request<'a>(&'a self, request: Asked<'a>) -> Hold<'a> {
        Box::pin(async move {
            let lease = Lease(self.let_go.clone());
            self.asked.send_modify(|count| *count += 1);
            self.told.lock().expect("no panic").push((request.tls, request.peer, request.onward));
            if request.head.uri.path() == "/held" {
                std::future::pending::<()>().await;
            }
            let number: Option<u32> = request.head.uri.query().and_then(|query| query.parse().ok());
            let instance =
                number.map(|number| (Source::new("callee", number), self.instances[number as usize - 1]));
            let wanted = request.head.headers.get(ANNOUNCE).and_then(|value| value.to_str().ok());
            let announced = wanted.and_then(|value| ContextFormat::Tracecontext.parse(value).ok());
            Decision::Forward(Way { announced, instance, timeout: self.timeout, held: Some(Box::new(lease)) })
        })
    }
}

/// The header in which a test says what is to be announced.
const ANNOUNCE: &str = "x-announce";

struct Place {
    front: Front,
    log: Arc<TapLog>,
    asked: watch::Receiver<usize>,
    let_go: watch::Receiver<usize>,
}

async fn place(upstream: Option<SocketAddr>, platform: Platform) -> Place {
    let log = Arc::new(TapLog::new());
    let (asked, let_go) = (platform.asked.subscribe(), platform.let_go.subscribe());
    let mut options = options(&log, upstream);
    options.policy = Arc::new(platform);
    Place { front: Front::start(options).await.expect("a front"), log, asked, let_go }
}

impl Place {
    /// Waits until a lease was let go, which is the last that happens of an exchange, and compares how that one ended.
    async fn check_end(&mut self, status: Option<u16>, by_front: bool, end: End) {
        self.let_go.wait_for(|count| *count == 1).await.expect("a policy");
        let tap = &self.log.all()[0];
        assert_eq!((tap.status, tap.answered_by_front, &tap.end), (status, by_front, &end), "{}", tap.path);
    }
}

/// Too short for what never ends, and long enough for everything else on a busy machine.
const SOON: Option<Duration> = Some(Duration::from_secs(1));

#[tokio::test]
async fn one_connection_reaches_several_instances_by_one_connection_each() {
    let services = [Service::start().await, Service::start().await];
    let instances = services.iter().map(|service| service.addr).collect();
    let place = place(None, Platform { instances, ..Platform::default() }).await;
    let caller = connect(place.front.addr()).await;
    for path in ["/echo?1", "/echo?2", "/echo?2", "/echo?1"] {
        let shown = exchange(&caller, grpc(path)).await;
        assert!(shown.starts_with("HEADERS 200"), "{shown}");
    }
    let reached: Vec<u32> = place.log.all().iter().map(|tap| tap.to.instance).collect();
    assert_eq!(reached, [1, 2, 2, 1]);
    assert_eq!(services.each_ref().map(|service| *service.connections.borrow()), [1, 1]);
}

/// Makes a call over TLS and compares the version that the policy was told of, and with it the one that the service got.
async fn check_told(protocol: UpstreamProtocol, expected: Version) {
    let (service, authority) = (Service::start().await, Authority::new().expect("an authority"));
    let (log, platform) = (Arc::new(TapLog::new()), Platform::default());
    let told = platform.told.clone();
    let mut options = options(&log, Some(service.addr));
    options.policy = Arc::new(platform);
    (options.protocol, options.tls) = (protocol, Some(authority.server_tls()));
    let front = Front::start(options).await.expect("a front");
    let stream = tls(front.addr(), "localhost", authority.ca_pem(), &[b"h2"]).await.expect("TLS");
    let peer = stream.get_ref().0.local_addr().expect("an address");
    let shown = exchange(&handshake(stream).await, grpc("/echo")).await;
    assert!(shown.contains(&format!(" x-seen-version={expected:?}")), "{shown}");
    assert_eq!(*told.lock().expect("no panic"), [(true, peer, expected)]);
}

#[tokio::test]
async fn a_policy_is_told_who_called_and_what_the_service_will_be_spoken_to_in() {
    check_told(UpstreamProtocol::AsCaller, Version::HTTP_2).await;
    check_told(UpstreamProtocol::H2c, Version::HTTP_2).await;
    check_told(UpstreamProtocol::Http1, Version::HTTP_11).await;
}

#[tokio::test]
async fn the_context_that_the_policy_announced_is_recorded() {
    let service = Service::start().await;
    let place = place(Some(service.addr), Platform::default()).await;
    let (mut request, message) = grpc("/unary");
    let value = "00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01";
    let announced = ContextFormat::Tracecontext.parse(value).expect("a context");
    request.headers_mut().insert(ANNOUNCE, value.parse().expect("a value"));
    let mut news = place.log.subscribe_trace(announced.trace_id);
    exchange(&connect(place.front.addr()).await, (request, message)).await;
    assert_eq!(place.log.all()[0].announced, Some(announced));
    // It is found by the trace that was announced, which no header of the caller names.
    assert_eq!(place.log.taps_of_trace(announced.trace_id).len(), 1);
    assert!(*news.borrow_and_update() > 0);
    assert_eq!(place.log.taps_without_context().len(), 1);
}

#[tokio::test]
async fn a_service_that_is_too_slow_to_answer_is_504() {
    let mut service = Service::start().await;
    let mut place = place(Some(service.addr), Platform { timeout: SOON, ..Platform::default() }).await;
    let caller = connect(place.front.addr()).await;
    let shown = exchange(&caller, grpc("/park")).await;
    assert!(shown.starts_with("HEADERS 504"), "{shown}");
    place.check_end(Some(504), true, End::Complete).await;
    service.dropped.wait_for(|count| *count == 1).await.expect("the service hears of it");
    assert!(exchange(&caller, grpc("/unary")).await.starts_with("HEADERS 200"));
}

#[tokio::test]
async fn a_service_that_is_too_slow_to_answer_is_504_over_http1() {
    let service = Service::start().await;
    let mut place = place(Some(service.addr), Platform { timeout: SOON, ..Platform::default() }).await;
    let request = "GET /park HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = converse(place.front.addr(), request).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    place.check_end(Some(504), true, End::Complete).await;
}

#[tokio::test]
async fn an_answer_that_flows_for_too_long_is_reset() {
    let mut service = Service::start().await;
    let mut place = place(Some(service.addr), Platform { timeout: SOON, ..Platform::default() }).await;
    let shown = exchange(&connect(place.front.addr()).await, grpc("/park-body")).await;
    assert!(shown.ends_with("\nDATA 7\nRST_STREAM 8"), "{shown}");
    place.check_end(Some(200), false, End::Reset(Some(8))).await;
    service.dropped.wait_for(|count| *count == 1).await.expect("the service hears of it");
}

#[tokio::test]
async fn an_answer_that_flows_for_too_long_is_cut_short_over_http1() {
    let service = Service::start().await;
    let mut place = place(Some(service.addr), Platform { timeout: SOON, ..Platform::default() }).await;
    let answer = converse(place.front.addr(), "GET /park-body HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.ends_with("\r\n7\r\nxxxxxxx\r\n"), "{answer}");
    place.check_end(Some(200), false, End::Reset(None)).await;
}

#[tokio::test]
async fn an_answer_in_time_is_left_alone() {
    let service = Service::start().await;
    for timeout in [Some(Duration::MAX), Some(Duration::from_secs(600))] {
        let mut place = place(Some(service.addr), Platform { timeout, ..Platform::default() }).await;
        let shown = exchange(&connect(place.front.addr()).await, grpc("/stream")).await;
        assert!(shown.contains("TRAILERS grpc-status=0"), "{shown}");
        place.check_end(Some(200), false, End::Complete).await;
    }
}

#[tokio::test]
async fn what_is_held_is_let_go_when_the_exchange_ends_in_any_way() {
    let service = Service::start().await;
    let ways = [
        (Some(service.addr), "/unary", Some(200), false, End::Complete),
        (Some(service.addr), "/trailers-only", Some(200), false, End::Complete),
        (Some(canned::http2_reset(8).await), "/reset", Some(200), false, End::Reset(Some(8))),
        (None, "/unary", Some(503), true, End::Complete),
    ];
    for (upstream, path, status, by_front, end) in ways {
        let mut place = place(upstream, Platform::default()).await;
        exchange(&connect(place.front.addr()).await, grpc(path)).await;
        place.check_end(status, by_front, end).await;
    }
}

#[tokio::test]
async fn what_is_held_is_kept_while_the_answer_flows_and_let_go_when_it_is_cancelled() {
    for (path, status) in [("/park", None), ("/park-body", Some(200)), ("/held", None)] {
        let mut service = Service::start().await;
        let mut place = place(Some(service.addr), Platform::default()).await;
        let (response, stream) = send(&connect(place.front.addr()).await, grpc(path)).await;
        let answered = if status.is_some() { Some(response.await.expect("an answer")) } else { None };
        place.asked.wait_for(|count| *count == 1).await.expect("a policy");
        if path != "/held" {
            service.entered.wait_for(|count| *count == 1).await.expect("a service");
        }
        assert_eq!(*place.let_go.borrow(), 0, "{path}");
        cancel(stream);
        place.check_end(status, false, End::Canceled).await;
        drop(answered);
    }
}

#[tokio::test]
async fn a_held_request_is_given_up_when_its_caller_closes_the_connection() {
    for bytes in [
        &b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        &b"POST /held HTTP/1.1\r\nhost: x\r\n\
                   content-length: 3\r\n\r\nabc"[..],
    ] {
        let mut place = place(None, Platform::default()).await;
        let mut stream = TcpStream::connect(place.front.addr()).await.expect("a connection");
        stream.write_all(bytes).await.expect("room");
        place.asked.wait_for(|count| *count == 1).await.expect("a policy");
        drop(stream);
        place.check_end(None, false, End::Canceled).await;
    }
}
