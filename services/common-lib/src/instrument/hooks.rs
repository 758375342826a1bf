//! Callbacks at the start and at the end of every request, the same for HTTP and gRPC, for servers and clients.
//!
//! A service registers them once; `request_span` runs them. A start hook runs before the span exists, so that what it sets is there
//! when the sampler looks and when the first log line is written.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::baggage::{Baggage, BaggageExt as _};
use opentelemetry::trace::{SpanKind, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};

/// Whether a request is plain HTTP or gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or HTTP/2.
    Http,
    /// gRPC.
    Grpc,
}

/// A request that is about to start.
#[derive(Debug)]
pub struct RequestStart<'a> {
    /// How it came, or goes.
    pub protocol: Protocol,
    /// `Server` for a request that came in, `Client` for one that goes out.
    pub kind: &'a SpanKind,
    /// The name its span will have.
    pub name: &'a str,
    /// Its headers, or metadata.
    pub headers: &'a HeaderMap,
    pub(super) parent: Context,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) labels: Vec<(Cow<'static, str>, String)>,
}

/// A request that has ended.
#[derive(Debug)]
pub struct RequestEnd<'a> {
    /// How it came, or went.
    pub protocol: Protocol,
    /// `Server` for a request that came in, `Client` for one that went out.
    pub kind: &'a SpanKind,
    /// The name of its span.
    pub name: &'a str,
    /// The HTTP status (`503`) or gRPC code (`UNAVAILABLE`); empty if the request was given up before there was one.
    pub code: &'a str,
    /// The value of `error.type`, if it failed.
    pub error_type: Option<&'a str>,
    /// From its start to the last byte of its answer.
    pub duration: Duration,
    pub(super) context: &'a Context,
}

/// The callbacks of a service.
#[derive(Clone, Default)]
pub struct Hooks {
    start: Vec<Arc<StartHook>>,
    end: Vec<Arc<EndHook>>,
}

type StartHook = dyn Fn(&mut RequestStart<'_>) + Send + Sync;
type EndHook = dyn Fn(&RequestEnd<'_>) + Send + Sync;

/// Labels that every log line of a request carries; `logging` finds them in the context.
#[derive(Debug)]
pub(crate) struct LogLabels(pub(crate) Vec<(Cow<'static, str>, String)>);

impl Hooks {
    /// Runs this at the start of every request, after those registered before.
    #[must_use]
    pub fn on_start(mut self, hook: impl Fn(&mut RequestStart<'_>) + Send + Sync + 'static) -> Self {
        self.start.push(Arc::new(hook));
        self
    }

    /// Runs this at the end of every request, while its span can still be changed.
    #[must_use]
    pub fn on_end(mut self, hook: impl Fn(&RequestEnd<'_>) + Send + Sync + 'static) -> Self {
        self.end.push(Arc::new(hook));
        self
    }

    pub(super) fn run_start(&self, request: &mut RequestStart<'_>) {
        self.start.iter().for_each(|hook| hook(request));
    }

    pub(super) fn run_end(&self, request: &RequestEnd<'_>) {
        self.end.iter().for_each(|hook| hook(request));
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("start", &self.start.len()).field("end", &self.end.len()).finish()
    }
}

impl RequestStart<'_> {
    /// Puts an attribute on the request's span.
    pub fn set_attribute(&mut self, attribute: KeyValue) {
        self.attributes.push(attribute);
    }

    /// Puts a label on every log line of the request.
    pub fn set_log_label(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.labels.push((key.into(), value.into()));
    }

    /// What the request's baggage says: for a server what came with it, for a client what its own request carries.
    pub fn baggage(&self, key: &str) -> Option<String> {
        self.parent.baggage().get(key).map(|value| value.as_str().to_owned())
    }

    /// Adds to the baggage, which travels on to every service that is called for this request (where `OTEL_PROPAGATORS`
    /// has `baggage`).
    pub fn set_baggage(&mut self, key: &'static str, value: impl Into<String>) {
        let entries = self.parent.baggage().iter();
        let mut baggage: Baggage = entries.map(|(key, entry)| (key.clone(), entry.clone())).collect();
        baggage.insert(key, value.into());
        self.parent = self.parent.with_baggage(baggage);
    }
}

impl RequestEnd<'_> {
    /// Puts an attribute on the request's span.
    pub fn set_attribute(&self, attribute: KeyValue) {
        self.context.span().set_attribute(attribute);
    }

    /// What the request's baggage says.
    pub fn baggage(&self, key: &str) -> Option<String> {
        self.context.baggage().get(key).map(|value| value.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;
    use std::sync::Mutex;

    use http::{Request, Response};
    use opentelemetry::propagation::TextMapPropagator as _;
    use opentelemetry_sdk::propagation::BaggagePropagator;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
    use tonic::Status;
    use tonic::body::Body;
    use tower::{Layer, ServiceExt as _, service_fn};

    use super::*;
    use crate::instrument::{
        GrpcClientTraceLayer, GrpcServerTraceLayer, HttpServerTraceLayer, Instrumentation,
    };
    use crate::propagation::combine;

    /// A request that carries the tenant in a header, and in `start` as baggage.
    fn request(uri: &str) -> Request<()> {
        Request::builder().uri(uri).header("x-tenant", "tea").body(()).unwrap()
    }

    fn start(request: &mut RequestStart<'_>) {
        let tenant = request.headers["x-tenant"].to_str().unwrap().to_owned();
        request.set_baggage("tenant", tenant);
    }

    #[tokio::test]
    async fn they_run_for_every_kind_of_request() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let ended = Arc::new(Mutex::new(Vec::new()));
        let seen = ended.clone();
        let hooks = Hooks::default().on_start(start).on_end(move |request| {
            let tenant = request.baggage("tenant").unwrap();
            request.set_attribute(KeyValue::new("tenant", tenant));
            let RequestEnd { protocol, kind, name, code, error_type, .. } = request;
            seen.lock().unwrap().push(format!("{protocol:?} {kind:?} {name} {code} {error_type:?}"));
        });
        let instrumentation = Instrumentation::new(&provider, combine(&[]), hooks);

        let answer = |_| std::future::ready(Ok::<_, Infallible>(Status::not_found("").into_http::<Body>()));
        let service = HttpServerTraceLayer::new(instrumentation.clone()).layer(service_fn(answer));
        drop(service.oneshot(request("/tea")).await);
        let layer = GrpcServerTraceLayer::new(instrumentation.clone(), &["a.B/C"]);
        drop(layer.layer(service_fn(answer)).oneshot(request("/a.B/C")).await);
        let layer = GrpcClientTraceLayer::new(instrumentation, "http://localhost".parse().unwrap());
        let answer = |_| std::future::ready(Err::<Response<Body>, _>(Status::unavailable("")));
        drop(layer.layer(service_fn(answer)).oneshot(request("/a.B/C")).await);

        let expected = [
            "Http Server GET 200 None",
            "Grpc Server a.B/C NOT_FOUND None",
            "Grpc Client a.B/C UNAVAILABLE Some(\"UNAVAILABLE\")",
        ];
        assert_eq!(*ended.lock().unwrap(), expected);
        let spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 3);
        for span in spans {
            assert!(span.attributes.contains(&KeyValue::new("tenant", "tea")), "{}", span.name);
        }
    }

    #[test]
    fn what_is_added_to_the_baggage_leaves_the_rest_as_it_came() {
        let came = HashMap::from([("baggage".to_owned(), "plan=free;ttl=30".to_owned())]);
        let propagator = BaggagePropagator::new();
        let mut request = RequestStart {
            protocol: Protocol::Http,
            kind: &SpanKind::Server,
            name: "GET",
            headers: &HeaderMap::from_iter([("x-tenant".parse().unwrap(), "tea".parse().unwrap())]),
            parent: propagator.extract(&came),
            attributes: Vec::new(),
            labels: Vec::new(),
        };
        start(&mut request);
        let mut goes = HashMap::new();
        propagator.inject_context(&request.parent, &mut goes);
        let mut entries: Vec<&str> = goes["baggage"].split(',').collect();
        entries.sort_unstable();
        assert_eq!(entries, ["plan=free;ttl=30", "tenant=tea"]);
    }
}
