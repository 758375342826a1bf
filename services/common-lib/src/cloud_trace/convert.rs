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

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use opentelemetry::trace::{SpanContext, TraceFlags, TraceId, TraceState};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
    use rstest::rstest;
    use v2::attribute_value::Value as Wire;

    use super::*;

    fn span_data() -> SpanData {
        SpanData {
            span_context: context(0xaa),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Server,
            name: "POST /greet".into(),
            start_time: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5),
            end_time: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_001, 6),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("scope").with_version("1.2.3").build(),
        }
    }

    fn context(span_id: u64) -> SpanContext {
        let (trace_id, flags) = (TraceId::from(0xd36a), TraceFlags::SAMPLED);
        SpanContext::new(trace_id, SpanId::from(span_id), flags, false, TraceState::default())
    }

    fn convert(span: SpanData) -> v2::Span {
        let resource = Resource::builder_empty().with_service_name("api-service").build();
        Converter::new("demo", &resource).span(span)
    }

    fn text(wire: &v2::span::Attributes, key: &str) -> Option<String> {
        match wire.attribute_map.get(key)?.value.as_ref()? {
            Wire::StringValue(text) => Some(text.value.clone()),
            other => Some(format!("{other:?}")),
        }
    }

    #[test]
    fn a_root_span() {
        let wire = convert(span_data());
        assert_eq!(wire.name, "projects/demo/traces/0000000000000000000000000000d36a/spans/00000000000000aa");
        assert_eq!((wire.span_id.as_str(), wire.parent_span_id.as_str()), ("00000000000000aa", ""));
        assert_eq!(wire.display_name, Some(truncated("POST /greet", NAME)));
        assert_eq!(wire.start_time, Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5 }));
        assert_eq!(wire.end_time, Some(prost_types::Timestamp { seconds: 1_700_000_001, nanos: 6 }));
        assert_eq!((wire.status, wire.time_events, wire.links), (None, None, None));
        assert_eq!(wire.same_process_as_parent_span, None);
    }

    #[rstest]
    #[case::remote(true, false)]
    #[case::local(false, true)]
    fn a_parent(#[case] remote: bool, #[case] same_process: bool) {
        let parent_span_id = SpanId::from(0xbb);
        let wire = convert(SpanData { parent_span_id, parent_span_is_remote: remote, ..span_data() });
        assert_eq!(wire.parent_span_id, "00000000000000bb");
        assert_eq!(wire.same_process_as_parent_span, Some(same_process));
    }

    #[test]
    fn labels_join_span_scope_agent_and_resource() {
        let attributes =
            vec![KeyValue::new("http.request.method", "POST"), KeyValue::new("service.name", "span wins")];
        let wire = convert(SpanData { attributes, ..span_data() }).attributes.unwrap();
        assert_eq!(text(&wire, "http.request.method").unwrap(), "POST");
        assert_eq!(text(&wire, "service.name").unwrap(), "span wins");
        assert_eq!(text(&wire, "otel.scope.name").unwrap(), "scope");
        assert_eq!(text(&wire, "otel.scope.version").unwrap(), "1.2.3");
        let agent = text(&wire, "g.co/agent").unwrap();
        let (sdk, exporter) = agent.split_once("; ").unwrap();
        assert!(sdk.starts_with("opentelemetry-rust 0."), "{agent}");
        assert!(exporter.starts_with("google-cloud-trace-exporter 0."), "{agent}");
        let wire = convert(span_data()).attributes.unwrap();
        assert_eq!(text(&wire, "service.name").unwrap(), "api-service");
    }

    #[rstest]
    #[case(SpanKind::Internal, WireKind::Internal)]
    #[case(SpanKind::Server, WireKind::Server)]
    #[case(SpanKind::Client, WireKind::Client)]
    #[case(SpanKind::Producer, WireKind::Producer)]
    #[case(SpanKind::Consumer, WireKind::Consumer)]
    fn kinds(#[case] span_kind: SpanKind, #[case] expected: WireKind) {
        assert_eq!(convert(SpanData { span_kind, ..span_data() }).span_kind, i32::from(expected));
    }

    #[rstest]
    #[case(Status::Unset, None)]
    #[case(Status::Ok, Some((0, "")))]
    #[case(Status::error("out of greetings"), Some((2, "out of greetings")))]
    fn statuses(#[case] status: Status, #[case] expected: Option<(i32, &str)>) {
        let wire = convert(SpanData { status, ..span_data() }).status;
        let found = wire.map(|status| (status.code, status.message));
        assert_eq!(found, expected.map(|(code, message)| (code, message.to_owned())));
    }

    #[test]
    fn events_become_annotations() {
        let mut events = SpanEvents::default();
        let attributes = vec![KeyValue::new("exception.type", "panic")];
        events.events = vec![Event::new("exception", SystemTime::UNIX_EPOCH, attributes, 1); EVENTS + 1];
        events.dropped_count = 2;
        let wire = convert(SpanData { events, ..span_data() }).time_events.unwrap();
        assert_eq!((wire.time_event.len(), wire.dropped_annotations_count), (EVENTS, 3));
        let Some(EventValue::Annotation(annotation)) = &wire.time_event[0].value else {
            panic!("no annotation")
        };
        assert_eq!(annotation.description, Some(truncated("exception", NAME)));
        let attributes = annotation.attributes.as_ref().unwrap();
        assert_eq!(text(attributes, "exception.type").unwrap(), "panic");
        assert_eq!(attributes.dropped_attributes_count, 1);
    }

    #[test]
    fn links_are_kept_with_their_attributes() {
        let mut links = SpanLinks::default();
        links.links = vec![Link::new(context(0xcc), vec![KeyValue::new("why", "batch")], 0); LINKS + 1];
        let wire = convert(SpanData { links, ..span_data() }).links.unwrap();
        assert_eq!((wire.link.len(), wire.dropped_links_count), (LINKS, 1));
        assert_eq!(wire.link[0].span_id, "00000000000000cc");
        assert_eq!(text(wire.link[0].attributes.as_ref().unwrap(), "why").unwrap(), "batch");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = format!("a{}", "é".repeat(512));
        let wire = convert(SpanData { name: name.into(), ..span_data() }).display_name.unwrap();
        assert_eq!((wire.value.len(), wire.truncated_byte_count), (1023, 2));
    }
}
