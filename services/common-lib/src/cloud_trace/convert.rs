//! From a finished span of the SDK to one of Cloud Trace v2.
//!
//! The exporter calls it for each span. Attributes keep their OpenTelemetry names: the old `/http/*` labels predate the
//! stable conventions, and Google's own exporters no longer produce them from these. Resource attributes and the
//! instrumentation scope become labels of every span, since the protocol has no other place for them.

use googleapis_tonic_google_devtools_cloudtrace_v2::google::devtools::cloudtrace::v2;
use opentelemetry::trace::{Event, Link, SpanId, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute::{OTEL_SCOPE_NAME, OTEL_SCOPE_VERSION};
use v2::span::time_event::{Annotation, Value as EventValue};
use v2::span::{Links, SpanKind as WireKind, TimeEvent, TimeEvents, link::Type as LinkType};

use super::limits::{self, EVENTS, LINKS, NAME, attributes, count, truncated};

/// What is the same for all spans of a process.
#[derive(Debug)]
pub(super) struct Converter {
    project: String,
    /// The agent and the resource's attributes.
    common: Vec<KeyValue>,
}

impl Converter {
    pub(super) fn new(project: &str, resource: &Resource) -> Self {
        let mut common = vec![KeyValue::new("g.co/agent", super::agent())];
        common.extend(resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
        Self { project: project.to_owned(), common }
    }

    /// The span as it goes on the wire.
    pub(super) fn span(&self, span: SpanData) -> v2::Span {
        let trace_id = span.span_context.trace_id();
        let span_id = span.span_context.span_id().to_string();
        let has_parent = span.parent_span_id != SpanId::INVALID;
        let labels =
            span.attributes.into_iter().chain(scope(&span.instrumentation_scope)).chain(self.common.clone());
        let mut wire = v2::Span {
            name: format!("projects/{}/traces/{trace_id}/spans/{span_id}", self.project),
            span_id,
            parent_span_id: if has_parent { span.parent_span_id.to_string() } else { String::new() },
            display_name: Some(truncated(&span.name, NAME)),
            start_time: Some(span.start_time.into()),
            end_time: Some(span.end_time.into()),
            attributes: Some(attributes(labels, span.dropped_attributes_count)),
            time_events: events(span.events.events, span.events.dropped_count),
            links: links(span.links.links, span.links.dropped_count),
            same_process_as_parent_span: has_parent.then_some(!span.parent_span_is_remote),
            span_kind: kind(&span.span_kind).into(),
            ..v2::Span::default()
        };
        set_status(&mut wire, span.status);
        wire
    }
}

fn scope(scope: &InstrumentationScope) -> Vec<KeyValue> {
    let name = KeyValue::new(OTEL_SCOPE_NAME, scope.name().to_owned());
    let version = scope.version().map(|version| KeyValue::new(OTEL_SCOPE_VERSION, version.to_owned()));
    [Some(name), version].into_iter().flatten().collect()
}

fn kind(kind: &SpanKind) -> WireKind {
    match kind {
        SpanKind::Client => WireKind::Client,
        SpanKind::Server => WireKind::Server,
        SpanKind::Producer => WireKind::Producer,
        SpanKind::Consumer => WireKind::Consumer,
        SpanKind::Internal => WireKind::Internal,
    }
}

/// An error is UNKNOWN (2) with the description, whatever gRPC code the request had: that one stands in an attribute.
fn set_status(wire: &mut v2::Span, status: Status) {
    match status {
        Status::Unset => {}
        Status::Ok => wire.status.get_or_insert_default().code = 0,
        Status::Error { description } => {
            let status = wire.status.get_or_insert_default();
            status.code = 2;
            status.message = description.into_owned();
        }
    }
}

fn events(events: Vec<Event>, dropped_before: u32) -> Option<TimeEvents> {
    let dropped = events.len().saturating_sub(EVENTS) + dropped_before as usize;
    if events.is_empty() && dropped == 0 {
        return None;
    }
    let time_event = events.into_iter().take(EVENTS).map(|event| TimeEvent {
        time: Some(event.timestamp.into()),
        value: Some(EventValue::Annotation(Annotation {
            description: Some(truncated(&event.name, NAME)),
            attributes: Some(limits::attributes(event.attributes, event.dropped_attributes_count)),
        })),
    });
    Some(TimeEvents {
        time_event: time_event.collect(),
        dropped_annotations_count: count(dropped),
        dropped_message_events_count: 0,
    })
}

fn links(links: Vec<Link>, dropped_before: u32) -> Option<Links> {
    let dropped = links.len().saturating_sub(LINKS) + dropped_before as usize;
    if links.is_empty() && dropped == 0 {
        return None;
    }
    let link = links.into_iter().take(LINKS).map(|link| v2::span::Link {
        trace_id: link.span_context.trace_id().to_string(),
        span_id: link.span_context.span_id().to_string(),
        // OpenTelemetry does not say which of the two came first.
        r#type: LinkType::Unspecified.into(),
        attributes: Some(limits::attributes(link.attributes, link.dropped_attributes_count)),
    });
    Some(Links { link: link.collect(), dropped_links_count: count(dropped) })
}
