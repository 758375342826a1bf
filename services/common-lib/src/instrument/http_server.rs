//! SERVER spans for HTTP: a tower layer for axum routers.
//!
//! `api-service` puts it around its router with `Router::layer`, after the routes and the fallback that are to be traced:
//! axum has matched the route by then, so the span's name has it from the start. Routes added after the layer have no spans.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::MatchedPath;
use http::header::USER_AGENT;
use http::{Method, Request, Response, Version};
use http_body::Body;
use opentelemetry::KeyValue;
use opentelemetry::trace::{FutureExt as _, SpanKind};
use opentelemetry_semantic_conventions::attribute::{
    CLIENT_ADDRESS, HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL, HTTP_ROUTE, NETWORK_PROTOCOL_VERSION,
    SERVER_ADDRESS, SERVER_PORT, URL_PATH, URL_QUERY, URL_SCHEME, USER_AGENT_ORIGINAL,
};
use tower::{Layer, Service};

use super::Instrumentation;
use super::body::TracedBody;
use super::headers::{client_address, scheme, server_address, text};
use super::hooks::Protocol;
use super::outcome::Ending;
use super::request_span::RequestSpan;

/// Makes [`HttpServerTrace`] services.
#[derive(Debug, Clone)]
pub struct HttpServerTraceLayer(Instrumentation);

/// A service whose requests have SERVER spans.
#[derive(Debug, Clone)]
pub struct HttpServerTrace<S> {
    inner: S,
    instrumentation: Instrumentation,
}

impl HttpServerTraceLayer {
    /// A layer that traces every request that reaches it.
    pub fn new(instrumentation: Instrumentation) -> Self {
        Self(instrumentation)
    }
}

impl<S> Layer<S> for HttpServerTraceLayer {
    type Service = HttpServerTrace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpServerTrace { inner, instrumentation: self.0.clone() }
    }
}

impl<S, In, Out> Service<Request<In>> for HttpServerTrace<S>
where
    S: Service<Request<In>, Response = Response<Out>, Error = Infallible>,
    S::Future: Send + 'static,
    Out: Body + Unpin + 'static,
    Out::Error: Error + 'static,
{
    type Response = Response<TracedBody<Out>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let span = start(&self.instrumentation, &request);
        let response = self.inner.call(request).with_context(span.context().clone());
        Box::pin(async move {
            let response = response.await?;
            let ending = Ending::Http(response.status());
            Ok(TracedBody::wrap(span, ending, response))
        })
    }
}

fn start<B>(instrumentation: &Instrumentation, request: &Request<B>) -> RequestSpan {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    RequestSpan::start(
        instrumentation,
        instrumentation.parent(request.headers()),
        Protocol::Http,
        SpanKind::Server,
        name(request.method(), route),
        attributes(request, route),
        request.headers(),
    )
}

/// `{method} {route}`, or `{method}` where no route matched ("HTTP spans", section "Name").
fn name(method: &Method, route: Option<&str>) -> String {
    let method = known_method(method).unwrap_or("HTTP");
    route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
}

/// The method, if the conventions know it. Others would make as many span names as callers think of.
fn known_method(method: &Method) -> Option<&str> {
    const KNOWN: [&str; 10] =
        ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];
    Some(method.as_str()).filter(|method| KNOWN.contains(method))
}

fn attributes<B>(request: &Request<B>, route: Option<&str>) -> Vec<KeyValue> {
    let headers = request.headers();
    let method = known_method(request.method());
    let mut attributes = vec![
        KeyValue::new(HTTP_REQUEST_METHOD, method.unwrap_or("_OTHER").to_owned()),
        KeyValue::new(URL_PATH, request.uri().path().to_owned()),
        KeyValue::new(URL_SCHEME, scheme(request).to_owned()),
    ];
    if method.is_none() {
        attributes.push(KeyValue::new(HTTP_REQUEST_METHOD_ORIGINAL, request.method().to_string()));
    }
    attributes.extend(request.uri().query().map(|query| KeyValue::new(URL_QUERY, query.to_owned())));
    attributes.extend(route.map(|route| KeyValue::new(HTTP_ROUTE, route.to_owned())));
    if let Some((host, port)) = server_address(request) {
        attributes.push(KeyValue::new(SERVER_ADDRESS, host));
        attributes.push(KeyValue::new(SERVER_PORT, i64::from(port)));
    }
    attributes.extend(client_address(request).map(|address| KeyValue::new(CLIENT_ADDRESS, address)));
    let version = match request.version() {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    };
    attributes.extend(version.map(|version| KeyValue::new(NETWORK_PROTOCOL_VERSION, version)));
    let agent = text(headers, USER_AGENT.as_str());
    attributes.extend(agent.map(|agent| KeyValue::new(USER_AGENT_ORIGINAL, agent.to_owned())));
    attributes
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("POST", Some("/greet"), "POST /greet")]
    #[case("GET", Some("/greet-many/{name}"), "GET /greet-many/{name}")]
    #[case("GET", None, "GET")]
    #[case("BREW", None, "HTTP")]
    #[case("BREW", Some("/greet"), "HTTP /greet")]
    fn names(#[case] method: &str, #[case] route: Option<&str>, #[case] expected: &str) {
        assert_eq!(name(&method.parse().unwrap(), route), expected);
    }
}
