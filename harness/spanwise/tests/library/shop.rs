//! A shop of two services that are tasks of the test, instrumented by hand with the OpenTelemetry SDK as a user's would be: `web`
//! serves `GET /order`, for which it asks `inventory` for `GET /stock`. What is broken about them is each test's to say.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use spanwise::{Environment, Harness, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    /// `web` calls without trace context.
    Call,
    /// `web` begins a trace of its own.
    Entry,
    /// `web` exports nothing.
    Export,
    /// `web` gives its spans no route.
    Route,
}

/// The shop, ready to start.
pub(crate) fn shop(broken: Broken) -> Harness {
    let web = Service::in_process(move |environment| serve("web", broken, environment));
    let inventory = Service::in_process(|environment| serve("inventory", Broken::Nothing, environment));
    Harness::builder()
        .project("shop-project")
        .service("web", web.env("INVENTORY_URL", "{{inventory.url}}").key("sets-http-route", true))
        .service("inventory", inventory.key("sets-http-route", true))
        .deadline(Duration::from_millis(500))
}

/// A tracer provider that exports to an endpoint within milliseconds.
pub(crate) fn provider(name: &'static str, endpoint: &str) -> SdkTracerProvider {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().expect("an exporter");
    let config = BatchConfigBuilder::default().with_scheduled_delay(Duration::from_millis(5)).build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    let resource = Resource::builder().with_service_name(name).build();
    SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource).build()
}

#[derive(Clone)]
struct Shop {
    tracer: SdkTracer,
    broken: Broken,
    inventory: Option<String>,
}

async fn serve(name: &'static str, broken: Broken, environment: Environment) -> std::io::Result<()> {
    let Environment { variables, listener, stop, .. } = environment;
    assert_eq!(variables["PORT"], listener.local_addr()?.port().to_string());
    let provider = provider(name, &variables["OTEL_EXPORTER_OTLP_ENDPOINT"]);
    let tracer = match broken {
        Broken::Export => SdkTracerProvider::default().tracer("shop"),
        _ => provider.tracer("shop"),
    };
    let shop = Shop { tracer, broken, inventory: variables.get("INVENTORY_URL").cloned() };
    let router = Router::new().route("/order", get(order)).route("/stock", get(stock)).with_state(shop);
    axum::serve(listener, router).with_graceful_shutdown(stop.requested()).await?;
    // Exporters need the runtime that this task runs on, so it must not block its thread.
    let _ = tokio::task::spawn_blocking(move || provider.shutdown()).await;
    Ok(())
}

async fn stock(State(shop): State<Shop>, headers: HeaderMap) -> &'static str {
    let context = shop.serve_span("/stock", &headers);
    context.span().set_attribute(KeyValue::new("http.response.status_code", 200));
    context.span().end();
    "3"
}

async fn order(State(shop): State<Shop>, headers: HeaderMap) -> (StatusCode, String) {
    let context = shop.serve_span("/order", &headers);
    let url = shop.inventory.clone().unwrap_or_default();
    let address = url.trim_start_matches("http://").to_owned();
    let (host, port) = address.split_once(':').expect("a host and a port");
    let span = shop.tracer.span_builder("GET").with_kind(SpanKind::Client).with_attributes([
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("server.address", host.to_owned()),
        KeyValue::new("server.port", port.parse::<i64>().expect("a port")),
        KeyValue::new("url.full", format!("{url}/stock")),
    ]);
    let call = context.with_span(shop.tracer.build_with_context(span, &context));
    let mut sent = Headers::default();
    if shop.broken != Broken::Call {
        TraceContextPropagator::new().inject_context(&call, &mut sent);
    }
    let left = ask(&address, "/stock", &sent.0).await;
    call.span().set_attribute(KeyValue::new("http.response.status_code", 200));
    call.span().end();
    context.span().set_attribute(KeyValue::new("http.response.status_code", 200));
    context.span().end();
    (StatusCode::OK, format!("{{\"left\": {left}}}"))
}

impl Shop {
    fn serve_span(&self, route: &'static str, headers: &HeaderMap) -> Context {
        let parent = match self.broken {
            Broken::Entry => Context::new(),
            _ => TraceContextPropagator::new().extract(&Received(headers)),
        };
        let mut attributes = vec![
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("url.path", route),
            KeyValue::new("url.scheme", "http"),
        ];
        let mut name = "GET".to_owned();
        if self.broken != Broken::Route {
            attributes.push(KeyValue::new("http.route", route));
            name = format!("GET {route}");
        }
        let span = self.tracer.span_builder(name).with_kind(SpanKind::Server).with_attributes(attributes);
        let span = self.tracer.build_with_context(span, &parent);
        parent.with_span(span)
    }
}

/// The body of an answer over HTTP/1.1.
async fn ask(address: &str, path: &str, headers: &[(String, String)]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a front");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned()
}

#[derive(Default)]
struct Headers(Vec<(String, String)>);

impl Injector for Headers {
    fn set(&mut self, key: &str, value: String) {
        if !value.is_empty() {
            self.0.push((key.to_owned(), value));
        }
    }
}

struct Received<'h>(&'h HeaderMap);

impl Extractor for Received<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
