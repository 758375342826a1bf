//! One span around one request, from its start to its end, with the hooks and the log line that belong to it.
//!
//! The three layers use it. It knows what all requests have in common; attributes of a protocol come from the layer.

use std::borrow::Cow;
use std::time::Instant;

use http::{Extensions, HeaderMap};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;

use super::Instrumentation;
use super::hooks::{LogLabels, Protocol, RequestEnd, RequestStart};
use super::outcome::{Failure, Outcome};

/// The mark on the response to a request that came in and whose span will be exported. `flush` looks for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded;

/// A request under way. If it is dropped before [`end`](Self::end), it was given up, and the span says so.
#[derive(Debug)]
pub(super) struct RequestSpan {
    instrumentation: Instrumentation,
    context: Context,
    protocol: Protocol,
    kind: SpanKind,
    name: Cow<'static, str>,
    started: Instant,
    ended: bool,
}

impl RequestSpan {
    /// Runs the start hooks and starts the span below `parent`.
    pub(super) fn start(
        instrumentation: &Instrumentation,
        parent: Context,
        protocol: Protocol,
        kind: SpanKind,
        name: String,
        attributes: Vec<KeyValue>,
        headers: &HeaderMap,
    ) -> Self {
        let parts = &instrumentation.parts;
        let mut request = RequestStart {
            protocol,
            kind: &kind,
            name: &name,
            headers,
            parent,
            attributes,
            labels: Vec::new(),
        };
        parts.hooks.run_start(&mut request);
        let RequestStart { parent, attributes, labels, .. } = request;
        let name = Cow::from(name);
        let span = parts
            .tracer
            .span_builder(name.clone())
            .with_kind(kind.clone())
            .with_attributes(attributes)
            .start_with_context(&parts.tracer, &parent);
        let mut context = parent.with_span(span);
        if !labels.is_empty() {
            context = context.with_value(LogLabels(labels));
        }
        let instrumentation = instrumentation.clone();
        parts.open.send_modify(|open| *open += 1);
        Self { instrumentation, context, protocol, kind, name, started: Instant::now(), ended: false }
    }

    /// The context in which the request is handled: its span, its baggage.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Marks a response whose end may have to wait for this span.
    pub(super) fn mark(&self, extensions: &mut Extensions) {
        if self.kind == SpanKind::Server && self.context.span().span_context().is_sampled() {
            extensions.insert(Recorded);
        }
    }

    /// Writes the outcome onto the span, runs the end hooks, logs the request if it came in, and ends the span.
    pub(super) fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let span = self.context.span();
        span.set_attributes(outcome.attribute.clone());
        if let Some(Failure { error_type, description }) = &outcome.error {
            span.set_attribute(KeyValue::new(ERROR_TYPE, error_type.clone()));
            span.set_status(Status::error(description.clone()));
        }
        let error_type = outcome.error.as_ref().map(|failure| failure.error_type.as_ref());
        let duration = self.started.elapsed();
        self.instrumentation.parts.hooks.run_end(&RequestEnd {
            protocol: self.protocol,
            kind: &self.kind,
            name: &self.name,
            code: &outcome.code,
            error_type,
            duration,
            context: &self.context,
        });
        if self.kind == SpanKind::Server {
            let _current = self.context.clone().attach();
            let code = if outcome.code.is_empty() { "given up" } else { &outcome.code };
            let milliseconds = duration.as_secs_f64() * 1e3;
            match error_type {
                Some(error_type) => tracing::error!(code, error_type, milliseconds, "{} {code}", self.name),
                None => tracing::info!(code, milliseconds, "{} {code}", self.name),
            }
        }
        span.end();
        self.instrumentation.parts.open.send_modify(|open| *open -= 1);
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Outcome::given_up(self.protocol == Protocol::Grpc, &self.kind));
        }
    }
}
