//! Whatever spans and exchanges come, no rule panics, and verdicts fit findings.

use std::sync::Arc;

use proptest::prelude::*;
use spanwise_check::{Engine, Index, Profile};
use spanwise_model::{
    Defect, DefectKind, End, Evidence, Header, HttpVersion, LogRecord, Observation, ProcessEvent,
    ProcessEventKind, Request, RequestResult, Resource, Source, Span, SpanId, SpanKind, Stamps, Stream,
    TraceContext, TraceId, Verdict, WireTap,
};

const KINDS: [SpanKind; 6] = [
    SpanKind::Unspecified,
    SpanKind::Internal,
    SpanKind::Server,
    SpanKind::Client,
    SpanKind::Producer,
    SpanKind::Consumer,
];

fn source(number: u8) -> Option<Source> {
    match number % 6 {
        0 => None,
        1 => Some(Source::driver()),
        5 => Some(Source::front_end()),
        other => Some(Source::new(["a", "b", "c"][usize::from(other) - 2], u32::from(number % 2) + 1)),
    }
}

fn trace(number: u8) -> TraceId {
    TraceId(u128::from(number % 3).to_be_bytes())
}

/// Few ids, so that duplicates, cycles and missing parents are common.
fn span() -> impl Strategy<Value = Span> {
    (any::<[u8; 6]>(), 0..12_u64, proptest::option::of(0..12_u64), any::<[u16; 2]>()).prop_map(
        |([t, kind, from, remote, name, user], id, parent, [start, length])| Span {
            trace_id: trace(t),
            span_id: SpanId::from_u64(id),
            parent_span_id: parent.map(SpanId::from_u64),
            parent_is_remote: [None, Some(true), Some(false)][usize::from(remote % 3)],
            kind: KINDS[usize::from(kind % 6)],
            name: ["POST /greet", "a.B/C", "work", ""][usize::from(name % 4)].to_owned(),
            start: u64::from(start),
            end: u64::from(start) + u64::from(length),
            attributes: vec![
                ("user.id".to_owned(), ["ada", "bob"][usize::from(user % 2)].into()),
                ("rpc.method".to_owned(), "a.B/C".into()),
            ],
            resource: Arc::new(Resource::default()),
            source: source(from),
            ..Span::default()
        },
    )
}

fn header() -> impl Strategy<Value = Header> {
    let names = prop_oneof![
        Just("traceparent"),
        Just("x-cloud-trace-context"),
        Just("tracestate"),
        Just("baggage"),
        Just("X-Cloud-Trace-Context"),
        Just("grpc-trace-bin"),
    ];
    let ids = (any::<u8>(), 0..12_u64, 0..4_u8);
    let values = prop_oneof![
        ids.clone().prop_map(|(t, id, flags)| format!("00-{}-{id:016x}-{flags:02x}", trace(t))),
        ids.clone().prop_map(|(t, id, flags)| format!("{}/{id};o={flags}", trace(t))),
        ids.prop_map(|(t, id, _)| format!("{}/{id:016x}", trace(t))),
        ".{0,60}",
    ];
    (names, values).prop_map(|(name, value)| Header { name: name.to_owned(), value })
}

fn tap() -> impl Strategy<Value = WireTap> {
    (any::<[u8; 6]>(), proptest::collection::vec(header(), 0..4), any::<[u16; 2]>()).prop_map(
        |([from, to, tls, status, front, announced], request_headers, [begun, length])| WireTap {
            from: source(from),
            to: source(to).unwrap_or_else(Source::driver),
            tls: tls % 2 == 0,
            http: HttpVersion::Http2,
            method: "POST".to_owned(),
            path: "/a.B/C".to_owned(),
            authority: "a".to_owned(),
            request_headers,
            announced: (announced % 4 == 0).then(|| TraceContext {
                trace_id: trace(1),
                span_id: SpanId::from_u64(u64::from(announced % 12)),
                sampled: Some(announced % 8 == 0),
            }),
            status: [None, Some(200), Some(503)][usize::from(status % 3)],
            response_headers: Vec::new(),
            trailers: Vec::new(),
            answered_by_front: front % 4 == 0,
            end: End::Complete,
            stamps: Stamps {
                begun: u64::from(begun),
                ended: u64::from(begun) + u64::from(length),
                ..Stamps::default()
            },
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    (any::<[u8; 3]>(), 0..12_u64).prop_map(|([t, context, marker], id)| {
        let (trace_id, span_id) = (trace(t), SpanId::from_u64(id));
        Request {
            to: Source::new("a", 1),
            trace_id,
            span_id,
            context: (context % 3 != 0).then_some(TraceContext {
                trace_id,
                span_id,
                sampled: Some(context % 2 == 0),
            }),
            marker: Some(["ada", "bob"][usize::from(marker % 2)].to_owned()),
            result: RequestResult::Http(200),
            expected: Some(RequestResult::Http(200)),
            differences: Vec::new(),
            step: None,
        }
    })
}

fn log() -> impl Strategy<Value = LogRecord> {
    let fields = (any::<u8>(), 0..12_u64, any::<bool>(), "[A-Z]{0,4}");
    let object = fields.prop_map(|(t, span, sampled, severity)| {
        format!(
            r#"{{"severity":"{severity}","logging.googleapis.com/trace":"projects/p/traces/{}","logging.googleapis.com/spanId":"{span:016x}","logging.googleapis.com/trace_sampled":{sampled}}}"#,
            trace(t)
        )
    });
    let line = prop_oneof![object, ".{0,40}", Just("{\"logging.googleapis.com/trace\":5}".to_owned())];
    (any::<u8>(), any::<u16>(), line).prop_map(|(from, time, line)| LogRecord {
        source: source(from).unwrap_or_else(Source::driver),
        stream: Stream::Stdout,
        time: u64::from(time),
        line,
    })
}

fn event() -> impl Strategy<Value = ProcessEvent> {
    let kinds = vec![
        ProcessEventKind::Spawned,
        ProcessEventKind::Listening { address: ([127, 0, 0, 1], 8080).into(), on_port: true },
        ProcessEventKind::Frozen,
        ProcessEventKind::Thawed,
        ProcessEventKind::Terminated,
        ProcessEventKind::Killed,
        ProcessEventKind::Exited { code: Some(0), signal: None },
    ];
    (any::<u8>(), any::<u32>(), proptest::sample::select(kinds)).prop_map(|(from, time, kind)| ProcessEvent {
        source: source(from).unwrap_or_else(Source::driver),
        time: u64::from(time),
        kind,
    })
}

fn observation() -> impl Strategy<Value = Observation> {
    let spans = proptest::collection::vec(span(), 0..40);
    let wire = proptest::collection::vec(tap(), 0..12);
    let requests = proptest::collection::vec(request(), 0..4);
    let written = (proptest::collection::vec(log(), 0..6), proptest::collection::vec(event(), 0..8));
    (spans, wire, requests, written).prop_map(|(spans, wire, requests, (logs, process))| Observation {
        name: "suite/case".to_owned(),
        spans,
        wire,
        requests,
        logs,
        process,
        recorded: Evidence::ALL.to_vec(),
        ..Observation::default()
    })
}

proptest! {
    #[test]
    fn no_observation_makes_a_rule_panic(observation in observation()) {
        let checked = Engine::new(Profile::Strict).check(&observation);
        for finding in &checked.findings {
            prop_assert_eq!(checked.verdicts.get(&finding.rule), Some(Verdict::Fail));
            if let Some(cause) = finding.consequence_of {
                prop_assert!(checked.findings[cause].consequence_of.is_none());
            }
        }
    }

    #[test]
    fn ancestors_end_and_agree_with_the_walk(observation in observation()) {
        let index = Index::new(&observation);
        for node in index.nodes_with_driver() {
            prop_assert!(node.ancestors().count() < observation.spans.len());
            prop_assert!(node.ancestors().all(|ancestor| node.is_at_or_below(ancestor)));
            prop_assert!(node.children().all(|child| child.parent() == Some(node)));
        }
    }
}

/// Findings about a trace as a whole, in many traces: comparing each with each takes minutes.
#[test]
fn traces_with_findings_of_their_own_may_be_many() {
    let count = 10_000_u64;
    let ids = |number: u64| (TraceId(u128::from(number).to_be_bytes()), SpanId::from_u64(number));
    let spans = (1..=count).map(|number| {
        let (trace_id, span_id) = ids(number);
        Span {
            trace_id,
            span_id,
            name: "work".to_owned(),
            start: 1,
            end: 2,
            source: source(2),
            ..Span::default()
        }
    });
    let defects = (1..=count).map(|number| {
        let (trace_id, span_id) = ids(number);
        Defect {
            kind: DefectKind::Field,
            source: source(2),
            export: None,
            trace_id: Some(trace_id),
            span_id: Some(span_id),
            place: "spans[0].kind".to_owned(),
            detail: format!("{number} is no span kind"),
        }
    });
    let observation = Observation {
        spans: spans.collect(),
        defects: defects.collect(),
        recorded: Evidence::ALL.to_vec(),
        ..Observation::default()
    };
    let checked = Engine::new(Profile::Otel).check(&observation);
    let of = |rule: &str| checked.findings.iter().filter(|finding| finding.rule == rule).count() as u64;
    assert_eq!((of("kind-missing"), of("malformed-telemetry")), (count, count));
    for finding in checked.findings.iter().filter(|finding| finding.rule == "kind-missing") {
        let cause = finding.consequence_of.map(|cause| &checked.findings[cause]);
        let cause = cause.map(|cause| (&*cause.rule, cause.trace_id));
        assert_eq!(cause, Some(("malformed-telemetry", finding.trace_id)));
    }
}

#[test]
fn a_chain_of_spans_may_be_as_deep_as_it_likes() {
    let spans = (1..20_001_u64).map(|id| Span {
        trace_id: trace(1),
        span_id: SpanId::from_u64(id),
        parent_span_id: (id > 1).then(|| SpanId::from_u64(id - 1)),
        kind: SpanKind::Internal,
        source: source(2),
        ..Span::default()
    });
    let observation =
        Observation { spans: spans.collect(), recorded: Evidence::ALL.to_vec(), ..Observation::default() };
    let index = Index::new(&observation);
    let last = index.nodes().last().expect("a span");
    assert_eq!(last.ancestors().count(), observation.spans.len() - 1);
    let path = last.path();
    assert_eq!(path.len(), 33, "long paths are elided");
    assert_eq!(path[16], "… 19968 more …");
    assert_eq!(Engine::new(Profile::Strict).check(&observation).verdicts["parent-cycle"], Verdict::Pass);
}
