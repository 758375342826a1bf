//! Both roles: what they answer, and the spans of it, made by hand as the conventions for HTTP have them.

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{
    FutureExt as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

/// Which of the two it is.
#[derive(Clone)]
pub(crate) enum Role {
    Api { backend: String },
    Backend,
}

impl Role {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Role::Api { .. } => "stackdriver-api-service",
            Role::Backend => "stackdriver-backend-service",
        }
    }
}

#[derive(Clone)]
struct Service {
    role: Role,
    tracer: SdkTracer,
    client: Client<HttpConnector, Body>,
}

pub(crate) fn router(role: Role, provider: &SdkTracerProvider) -> Router {
    let tracer = provider.tracer("stackdriver-service");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = Service { role, tracer, client };
    Router::new()
        .route("/greet", post(greet))
        .route_layer(middleware::from_fn_with_state(service.clone(), traced))
        .route("/healthz", get(async || "ok"))
        .with_state(service)
}

/// The server span around a request.
async fn traced(State(service): State<Service>, path: MatchedPath, request: Request, next: Next) -> Response {
    let parent =
        global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())));
    let method = request.method().to_string();
    let span = service
        .tracer
        .span_builder(format!("{method} {}", path.as_str()))
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", path.as_str().to_owned()),
            KeyValue::new("url.path", request.uri().path().to_owned()),
            KeyValue::new("url.scheme", "http"),
        ]);
    let context = Context::current_with_span(service.tracer.build_with_context(span, &parent));
    let response = next.run(request).with_context(context.clone()).await;
    answered(&context, response.status(), StatusCode::is_server_error);
    response
}

async fn greet(State(service): State<Service>) -> Result<String, StatusCode> {
    match &service.role {
        Role::Backend => Ok("Hello!".to_owned()),
        Role::Api { backend } => {
            let url: Uri =
                format!("{backend}/greet").parse().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
            let status = call(&service, url).await.ok_or(StatusCode::BAD_GATEWAY)?;
            if status.is_success() { Ok("Hello!".to_owned()) } else { Err(StatusCode::BAD_GATEWAY) }
        }
    }
}

/// The client span around a call.
async fn call(service: &Service, url: Uri) -> Option<StatusCode> {
    let span = service.tracer.span_builder("POST").with_kind(SpanKind::Client).with_attributes([
        KeyValue::new("http.request.method", "POST"),
        KeyValue::new("url.full", url.to_string()),
        KeyValue::new("server.address", url.host().unwrap_or_default().to_owned()),
        KeyValue::new("server.port", i64::from(url.port_u16().unwrap_or(80))),
    ]);
    let context = Context::current_with_span(service.tracer.build_with_context(span, &Context::current()));
    let mut request = Request::post(url).body(Body::empty()).ok()?;
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut HeadersMut(request.headers_mut()));
    });
    let status = service.client.request(request).await.ok()?.status();
    answered(&context, status, |status| status.as_u16() >= 400);
    Some(status)
}

fn answered(context: &Context, status: StatusCode, is_error: impl Fn(&StatusCode) -> bool) {
    let span = context.span();
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if is_error(&status) {
        span.set_attribute(KeyValue::new("error.type", status.as_u16().to_string()));
        span.set_status(Status::error(""));
    }
    span.end();
}

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'h>(&'h mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
