//! Both services in one process on loopback: what a request is answered, and which spans it leaves.
//!
//! Each case starts its own pair, sends one request, stops both, and only then looks at the spans: a server that has stopped
//! has ended them all.

use std::net::SocketAddr;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use rstest::rstest;
use spanwise_demo_common_lib::backend::{self, BackendSettings};
use spanwise_demo_common_lib::instrument::Instrumentation;
use spanwise_demo_common_lib::settings::{Environment, Propagator};
use spanwise_demo_common_lib::{propagation, user};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

const T: &str = "d36a105d7002f0dee73c0dfb9553764a";

/// A request, and whatever else a case varies.
#[derive(Clone)]
struct Case {
    method: Method,
    path: &'static str,
    body: &'static str,
    headers: Vec<(&'static str, String)>,
    backend: Option<String>,
    http2: bool,
    deadline_ms: &'static str,
}

struct Seen {
    status: StatusCode,
    /// What came of the body.
    body: String,
    /// Whether it was aborted.
    aborted: bool,
    spans: Vec<SpanData>,
}

fn post(path: &'static str, body: &'static str) -> Case {
    Case {
        method: Method::POST,
        path,
        body,
        headers: Vec::new(),
        backend: None,
        http2: false,
        deadline_ms: "60000",
    }
}

fn get(path: &'static str) -> Case {
    Case { method: Method::GET, ..post(path, "") }
}

async fn observe(case: Case) -> Seen {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let propagators = [Propagator::GcpTrace, Propagator::TraceContext, Propagator::Baggage];
    let instrumentation = Instrumentation::new(&provider, propagation::combine(&propagators), user::hooks());

    let listener = listener().await;
    let own = format!("http://{}", listener.local_addr().unwrap());
    let (stop_backend, stopped) = oneshot::channel::<()>();
    let stop = async move { drop(stopped.await) };
    let backend = tokio::spawn(spanwise_demo_backend_service::serve(listener, instrumentation.clone(), stop));

    let environment = Environment::of([
        ("BACKEND_SERVICE_URL", case.backend.as_deref().unwrap_or(&own)),
        ("BACKEND_DEADLINE_MS", case.deadline_ms),
        ("BACKEND_BACKOFF_MS", "1"),
    ]);
    let settings = BackendSettings::read(&environment).unwrap();
    let client = backend::client(&settings, &instrumentation).unwrap();
    let listener = self::listener().await;
    let address = listener.local_addr().unwrap();
    let (stop_api, stopped) = oneshot::channel::<()>();
    let stop = async move { drop(stopped.await) };
    let api = tokio::spawn(spanwise_demo_api_service::serve(listener, instrumentation, client, stop));

    let (status, body, aborted) = send(address, &case).await;
    stop_api.send(()).unwrap();
    api.await.unwrap();
    stop_backend.send(()).unwrap();
    backend.await.unwrap().unwrap();
    Seen { status, body, aborted, spans: exporter.get_finished_spans().unwrap() }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn send(address: SocketAddr, case: &Case) -> (StatusCode, String, bool) {
    let client: Client<_, Full<bytes::Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(case.http2).build_http();
    let mut request =
        Request::builder().method(case.method.clone()).uri(format!("http://{address}{}", case.path));
    for (name, value) in &case.headers {
        request = request.header(*name, value);
    }
    let response = client.request(request.body(case.body.into()).unwrap()).await.unwrap();
    let status = response.status();
    let (mut body, mut text) = (response.into_body(), String::new());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (status, text, true) };
        text += std::str::from_utf8(frame.data_ref().unwrap()).unwrap();
    }
    (status, text, false)
}

/// The spans as indented lines: kind, name, code, `ERROR` with `error.type`, events.
fn tree(spans: &[SpanData]) -> String {
    let mut spans: Vec<&SpanData> = spans.iter().collect();
    spans.sort_by_key(|span| span.start_time);
    let is_root =
        |span: &SpanData| !spans.iter().any(|other| other.span_context.span_id() == span.parent_span_id);
    let mut lines = Vec::new();
    for root in spans.iter().filter(|span| is_root(span)) {
        add(&mut lines, &spans, root, 0);
    }
    lines.join("\n")
}

fn add(lines: &mut Vec<String>, spans: &[&SpanData], span: &SpanData, depth: usize) {
    let kind = if span.span_kind == SpanKind::Client { "CLIENT" } else { "SERVER" };
    let mut line = format!("{}{kind} {}", "  ".repeat(depth), span.name);
    for key in ["http.response.status_code", "rpc.response.status_code"] {
        line.extend(attribute(span, key).map(|code| format!(" {code}")));
    }
    if let Status::Error { .. } = span.status {
        line += " ERROR";
    }
    line.extend(attribute(span, "error.type").map(|error| format!(" error.type={error}")));
    line.extend(span.events.iter().map(|event| format!(" event={}", event.name)));
    lines.push(line);
    for child in spans.iter().filter(|child| child.parent_span_id == span.span_context.span_id()) {
        add(lines, spans, child, depth + 1);
    }
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes
        .iter()
        .find(|attribute| attribute.key.as_str() == key)
        .map(|attribute| attribute.value.to_string())
}

const GREET: &str = "backend_service.v1.BackendService/Greet";
const MANY: &str = "backend_service.v1.BackendService/GreetMany";

#[rstest]
#[case::greet(
    post("/greet", r#"{"name":"Ada"}"#),
    200,
    "SERVER POST /greet 200\n  CLIENT {G} OK\n    SERVER {G} OK"
)]
#[case::greet_over_http2(
    Case { http2: true, ..post("/greet", r#"{"name":"Ada"}"#) }, 200,
    "SERVER POST /greet 200\n  CLIENT {G} OK\n    SERVER {G} OK"
)]
#[case::callers_fault(
    post("/greet", r#"{"name":"Ada","errorCode":"NOT_FOUND"}"#),
    404,
    "SERVER POST /greet 404\n  CLIENT {G} NOT_FOUND ERROR error.type=NOT_FOUND\n    SERVER {G} NOT_FOUND"
)]
#[case::with_error(
    post("/greet", r#"{"name":"Ada","withError":true}"#),
    500,
    "SERVER POST /greet 500 ERROR error.type=500\n  CLIENT {G} INTERNAL ERROR error.type=INTERNAL\n    \
     SERVER {G} INTERNAL ERROR error.type=INTERNAL"
)]
#[case::three_attempts(
    post("/greet", r#"{"name":"Ada","errorCode":"UNAVAILABLE"}"#),
    503,
    "SERVER POST /greet 503 ERROR error.type=503\n  CLIENT {G} UNAVAILABLE ERROR error.type=UNAVAILABLE\n    \
     SERVER {G} UNAVAILABLE ERROR error.type=UNAVAILABLE\n    SERVER {G} UNAVAILABLE ERROR error.type=UNAVAILABLE\n    \
     SERVER {G} UNAVAILABLE ERROR error.type=UNAVAILABLE"
)]
#[case::panic(
    post("/greet", r#"{"name":"Ada","panic":true}"#),
    500,
    "SERVER POST /greet 500 ERROR error.type=500\n  CLIENT {G} INTERNAL ERROR error.type=INTERNAL\n    \
     SERVER {G} INTERNAL ERROR error.type=INTERNAL event=exception"
)]
#[case::deadline(
    // Long enough to enter the backend's handler on a busy machine.
    Case { deadline_ms: "2000", ..post("/greet", r#"{"name":"Ada","delayMs":3600000}"#) },
    504,
    "SERVER POST /greet 504 ERROR error.type=504\n  CLIENT {G} DEADLINE_EXCEEDED ERROR error.type=DEADLINE_EXCEEDED\n    \
     SERVER {G} CANCELLED"
)]
#[case::invalid_body(post("/greet", "{"), 400, "SERVER POST /greet 400")]
#[case::wrong_method(get("/greet"), 405, "SERVER GET /greet 405")]
#[case::unknown_route(post("/nowhere", ""), 404, "SERVER POST 404")]
#[case::stream(
    get("/greet-many/Ada"),
    200,
    "SERVER GET /greet-many/{name} 200\n  CLIENT {M} OK\n    SERVER {M} OK"
)]
#[case::bad_query(get("/greet-many/Ada?reset=true"), 400, "SERVER GET /greet-many/{name} 400")]
#[case::bad_name(get("/greet-many/%FF"), 400, "SERVER GET /greet-many/{name} 400")]
#[case::health(get("/healthz"), 200, "")]
#[case::docs(get("/docs"), 200, "")]
#[case::openapi(get("/openapi.json"), 200, "")]
#[tokio::test]
async fn a_request_leaves_its_tree(#[case] case: Case, #[case] status: u16, #[case] expected: &str) {
    let seen = observe(case).await;
    assert_eq!(seen.status, status);
    assert!(!seen.aborted);
    if status >= 400 {
        let error: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        assert!(error["error"]["code"].is_string(), "{}", seen.body);
    }
    assert_eq!(tree(&seen.spans), expected.replace("{G}", GREET).replace("{M}", MANY));
}

#[rstest]
#[case::trailers("/greet-many/Ada?failAfter=2&errorCode=ABORTED", 2, "ABORTED", "")]
#[case::internal("/greet-many/Ada?failAfter=2", 2, "INTERNAL", " ERROR error.type=INTERNAL")]
// In the trailers, so there is no second attempt.
#[case::unavailable(
    "/greet-many/Ada?failAfter=0&errorCode=UNAVAILABLE",
    0,
    "UNAVAILABLE",
    " ERROR error.type=UNAVAILABLE"
)]
#[case::at_once(
    "/greet-many/Ada?failAfter=0&errorCode=DATA_LOSS",
    0,
    "DATA_LOSS",
    " ERROR error.type=DATA_LOSS"
)]
#[case::reset("/greet-many/Ada?failAfter=2&reset=true", 2, "INTERNAL", " ERROR error.type=INTERNAL")]
#[tokio::test]
async fn a_stream_that_breaks_aborts_the_body(
    #[values(false, true)] http2: bool,
    #[case] path: &'static str,
    #[case] lines: usize,
    #[case] code: &str,
    #[case] server: &str,
) {
    let seen = observe(Case { http2, ..get(path) }).await;
    assert_eq!((seen.status, seen.aborted), (StatusCode::OK, true));
    assert_eq!(seen.body.lines().count(), lines, "{}", seen.body);
    let expected = format!(
        "SERVER GET /greet-many/{{name}} 200 ERROR error.type={code}\n  \
         CLIENT {MANY} {code} ERROR error.type={code}\n    SERVER {MANY} {code}{server}"
    );
    assert_eq!(tree(&seen.spans), expected);
}

#[rstest]
#[case::nothing_listens(None)]
// A label of more than 63 characters is refused before anybody is asked.
#[case::no_such_host(Some(format!("http://{}.invalid", "a".repeat(64))))]
#[tokio::test]
async fn a_backend_that_cannot_be_reached(#[case] url: Option<String>) {
    // Bound and not listening: connections are refused, and nobody else gets the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let backend = url.unwrap_or_else(|| format!("http://{}", socket.local_addr().unwrap()));
    let seen = observe(Case { backend: Some(backend), ..post("/greet", r#"{"name":"Ada"}"#) }).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    let expected = format!(
        "SERVER POST /greet 503 ERROR error.type=503\n  CLIENT {GREET} UNAVAILABLE ERROR error.type=UNAVAILABLE"
    );
    assert_eq!(tree(&seen.spans), expected);
}

#[tokio::test]
async fn lines_come_one_by_one() {
    let seen = observe(get("/greet-many/Ada?failAfter=1&errorCode=OK")).await;
    assert_eq!((seen.body.as_str(), seen.aborted), ("{\"reply\":\"Hello, Ada! (1)\"}\n", false));
    let seen = observe(get("/greet-many/Ada")).await;
    assert_eq!((seen.body.lines().count(), seen.aborted), (3, false));
}

#[rstest]
#[case::cloud_trace(vec![("x-cloud-trace-context", format!("{T}/74;o=1"))], "000000000000004a")]
#[case::w3c(vec![("traceparent", format!("00-{T}-00000000000000aa-01"))], "00000000000000aa")]
#[case::both(
    vec![
        ("x-cloud-trace-context", "0af7651916cd43dd8448eb211c80319c/74;o=1".to_owned()),
        ("traceparent", format!("00-{T}-00000000000000aa-01")),
    ],
    "00000000000000aa"
)]
#[tokio::test]
async fn incoming_context_is_continued(#[case] headers: Vec<(&'static str, String)>, #[case] parent: &str) {
    let seen = observe(Case { headers, ..post("/greet", r#"{"name":"Ada"}"#) }).await;
    assert_eq!(seen.spans.len(), 3);
    assert!(seen.spans.iter().all(|span| span.span_context.trace_id().to_string() == T));
    let root = seen.spans.iter().find(|span| span.name == "POST /greet").unwrap();
    assert_eq!(root.parent_span_id.to_string(), parent);
    assert!(root.parent_span_is_remote);
}

#[rstest]
#[case::cloud_trace("x-cloud-trace-context", format!("{T}/74;o=0"))]
#[case::cloud_trace_without_option("x-cloud-trace-context", format!("{T}/74"))]
#[case::w3c("traceparent", format!("00-{T}-00000000000000aa-00"))]
#[tokio::test]
async fn an_unsampled_request_leaves_no_span(#[case] name: &'static str, #[case] value: String) {
    let seen = observe(Case { headers: vec![(name, value)], ..post("/greet", r#"{"name":"Ada"}"#) }).await;
    assert_eq!((seen.status, seen.spans.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn the_user_is_on_every_span() {
    let headers = vec![("x-user-id", "ada".to_owned())];
    let seen = observe(Case { headers, ..post("/greet", r#"{"name":"Ada"}"#) }).await;
    let users: Vec<_> = seen.spans.iter().map(|span| attribute(span, "enduser.id")).collect();
    assert_eq!(users, vec![Some("ada".to_owned()); 3]);
}

#[tokio::test]
async fn a_server_span_says_what_was_asked() {
    let headers = vec![
        ("x-forwarded-proto", "https".to_owned()),
        ("x-forwarded-for", "203.0.113.9".to_owned()),
        ("user-agent", "test".to_owned()),
        ("host", "api.example".to_owned()),
    ];
    let seen = observe(Case { headers, ..get("/greet-many/Ada?failAfter=1") }).await;
    let span = seen.spans.iter().find(|span| span.parent_span_id == SpanId::INVALID).unwrap();
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("http.route", "/greet-many/{name}"),
        ("url.path", "/greet-many/Ada"),
        ("url.query", "failAfter=1"),
        ("url.scheme", "https"),
        ("server.address", "api.example"),
        ("server.port", "443"),
        ("client.address", "203.0.113.9"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "test"),
    ] {
        assert_eq!(attribute(span, key).as_deref(), Some(expected), "{key}");
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let page = observe(get("/docs")).await.body;
    assert!(page.to_lowercase().starts_with("<!doctype html>"), "{page}");
    for outside in ["http:", "https:", "\"//", "'//", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[tokio::test]
async fn the_description_has_every_operation() {
    let seen = observe(get("/openapi.json")).await;
    let api: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths: Vec<_> = api["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/greet", "/greet-many/{name}"]);
}
