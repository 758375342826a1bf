//! Observations of every shape, for property tests: broken ids, cycles, odd names, values of every type.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use spanwise_model::{
    ContextFormat, Defect, DefectKind, End, Event, Evidence, Export, ExportAnswer, GrpcCode, Header,
    HttpVersion, IdField, IdProblem, Link, LogRecord, MalformedId, Observation, Platform, ProcessEvent,
    ProcessEventKind, Protocol, Refusal, Request, RequestResult, Resource, Sampling, Scope, ServiceFacts,
    ServiceProtocol, Settings, Source, Span, SpanId, SpanKind, Stamps, Status, StatusCode, Stream,
    TraceContext, TraceId, Value, WireTap,
};

/// Any observation, with up to a dozen spans.
pub(crate) fn observation() -> impl Strategy<Value = Observation> {
    let evidence =
        (vec(tap(), 0..4), vec(log(), 0..4), vec(export(), 0..3), vec(process(), 0..3), vec(defect(), 0..3));
    (vec(span(), 0..12), vec(request(), 0..3), evidence, settings(), recorded(), name()).prop_map(
        |(spans, requests, (wire, logs, exports, process, defects), settings, recorded, name)| {
            let mut observation = Observation {
                name,
                spans,
                requests,
                wire,
                logs,
                exports,
                process,
                defects,
                settings,
                recorded,
            };
            // The driver's spans have requests, mostly.
            let drivers = observation.spans.iter().filter(|span| span.is_driver());
            let ids: Vec<_> = drivers.map(|span| (span.trace_id, span.span_id)).collect();
            for (request, id) in observation.requests.iter_mut().zip(ids) {
                (request.trace_id, request.span_id) = id;
            }
            observation
        },
    )
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["", "demo/greet/entry=http", "a b", " x", "\"q\""]).prop_map(str::to_owned)
}

fn trace_id() -> impl Strategy<Value = TraceId> {
    (0..4u8).prop_map(|n| TraceId([n * 0x1b; 16]))
}

/// The same observation with span ids of their own: with doubled ids, which span has the children depends on the order.
pub(crate) fn well_formed(mut observation: Observation) -> Observation {
    for (number, span) in observation.spans.iter_mut().enumerate() {
        span.span_id = SpanId([0xb0 | number as u8 + 1; 8]);
    }
    observation
}

/// Shuffles a list, the same way for the same seed.
pub(crate) fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, (seed >> 33) as usize % (last + 1));
    }
}

/// Ids with letters in them: digits alone would be a decimal number too.
fn span_id() -> impl Strategy<Value = SpanId> {
    (0..10u8).prop_map(|n| if n == 0 { SpanId::ZERO } else { SpanId([0xb0 | n; 8]) })
}

fn text() -> impl Strategy<Value = String> {
    let known = vec![
        "",
        "x",
        "two words",
        "\"quoted\"",
        "back\\slash",
        "line\nbreak",
        "é∞",
        "{T1}",
        "{S1:d}",
        "\\{",
        "#",
        "|",
        "http",
        "https",
        "ERROR",
        "503",
        "127.0.0.1:80",
        "<port>",
        "true",
        "=",
        "a=b",
        "dns error",
        "\r",
        "\u{85}",
    ];
    prop_oneof![4 => select(known).prop_map(str::to_owned), 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::Str),
        any::<i64>().prop_map(Value::Int),
        (1..1000i64).prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_filter("equal to itself", |n| !n.is_nan()).prop_map(Value::Double),
        vec(any::<u8>(), 0..4).prop_map(Value::Bytes),
        text().prop_map(Value::Scrubbed),
        select(vec!["UNAVAILABLE", "POST", "grpc", "a.B/C"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((text(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<(String, Value)>> {
    let keys = vec![
        "http.request.method",
        "http.response.status_code",
        "rpc.response.status_code",
        "url.path",
        "server.port",
        "service.name",
        "status",
        "id",
        "a.b",
        "odd key",
        "",
        "g.co/agent",
        "/http/host",
        "scope",
        "!x",
        "é",
        "thread.id",
        "x:",
        "service.instance.id",
    ];
    vec((select(keys).prop_map(str::to_owned), value()), 0..5)
}

fn source() -> impl Strategy<Value = Source> {
    let names =
        vec!["driver", "api-service", "api-service", "backend-service", "a b", "R1", "?", "a#2", "1", "-"];
    (select(names), 1..3u32).prop_map(|(name, instance)| match name {
        "driver" => Source::driver(),
        name => Source::new(name, instance),
    })
}

fn kind() -> impl Strategy<Value = SpanKind> {
    use SpanKind::{Client, Consumer, Internal, Producer, Server, Unspecified};
    select(vec![Server, Server, Client, Client, Internal, Producer, Consumer, Unspecified])
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 12 => (0..40u64).prop_map(|n| 1_700_000_000_000_000_000 + n * 1_000)]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    use Protocol::{CloudTraceGrpc, CloudTraceRest, OtlpGrpc, OtlpHttp, OtlpHttpJson};
    select(vec![OtlpGrpc, OtlpHttp, OtlpHttpJson, CloudTraceGrpc, CloudTraceRest])
}

fn span() -> impl Strategy<Value = Span> {
    let names = vec!["POST /greet", "GET /x/{id}", "POST", "a.B/C", "work", "", "odd \"name\"", "a/b/c"];
    let ids = (trace_id(), span_id(), of(span_id()), of(any::<bool>()));
    let what = (kind(), select(names).prop_map(str::to_owned), time(), time(), status());
    let more = (attributes(), vec(event(), 0..2), vec(link(), 0..2), vec(malformed(), 0..2));
    let scope = (select(vec!["", "tower"]), select(vec!["", "1.0"]), select(vec!["", "https://x/1.42.0"]));
    let origin = (attributes(), scope, of(source()), of(protocol()), of(0..3usize));
    let rest = (select(vec!["", "a=1"]), 0..2u32, 0..2u32, 0..2u32);
    (ids, what, more, origin, rest).prop_map(|(ids, what, more, origin, rest)| Span {
        trace_id: ids.0,
        span_id: ids.1,
        parent_span_id: ids.2,
        parent_is_remote: ids.3,
        kind: what.0,
        name: what.1,
        start: what.2,
        end: what.3,
        status: what.4,
        attributes: more.0,
        events: more.1,
        links: more.2,
        malformed_ids: more.3,
        resource: Arc::new(Resource { attributes: origin.0 }),
        scope: Arc::new(Scope {
            name: origin.1.0.to_owned(),
            version: origin.1.1.to_owned(),
            schema_url: origin.1.2.to_owned(),
        }),
        source: origin.2,
        protocol: origin.3,
        export: origin.4,
        trace_state: rest.0.to_owned(),
        dropped_attributes: rest.1,
        dropped_events: rest.2,
        dropped_links: rest.3,
    })
}

fn status() -> impl Strategy<Value = Status> {
    (select(vec![StatusCode::Unset, StatusCode::Ok, StatusCode::Error]), text(), of(0..17i32))
        .prop_map(|(code, message, rpc_code)| Status { code, message, rpc_code })
}

fn event() -> impl Strategy<Value = Event> {
    (text(), time(), attributes()).prop_map(|(name, time, attributes)| Event { name, time, attributes })
}

fn link() -> impl Strategy<Value = Link> {
    (trace_id(), span_id(), attributes()).prop_map(|(trace_id, span_id, attributes)| Link {
        trace_id,
        span_id,
        attributes,
    })
}

fn malformed() -> impl Strategy<Value = MalformedId> {
    let fields = vec![IdField::Trace, IdField::Span, IdField::Parent, IdField::Link, IdField::ResourceName];
    let problems = vec![IdProblem::Unreadable, IdProblem::Zero, IdProblem::UpperCase, IdProblem::Base64];
    (select(fields), text(), select(problems)).prop_map(|(field, text, problem)| MalformedId {
        field,
        text,
        problem,
    })
}

fn context() -> impl Strategy<Value = TraceContext> {
    (trace_id(), span_id(), of(any::<bool>())).prop_map(|(t, s, sampled)| TraceContext {
        // Contexts are never all zero.
        trace_id: if t.is_valid() { t } else { TraceId([1; 16]) },
        span_id: if s.is_valid() { s } else { SpanId([0xc1; 8]) },
        sampled,
    })
}

fn result() -> impl Strategy<Value = RequestResult> {
    prop_oneof![
        select(vec![200u16, 503, 7]).prop_map(RequestResult::Http),
        Just(RequestResult::HttpBroken(200)),
        select(vec![GrpcCode::Ok, GrpcCode::Unavailable]).prop_map(RequestResult::Grpc),
        text().prop_map(RequestResult::None),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    (source(), context(), of(context()), of(text()), result(), of(result())).prop_map(
        |(to, own, context, marker, result, expected)| Request {
            to,
            trace_id: own.trace_id,
            span_id: own.span_id,
            context,
            marker,
            result,
            expected,
        },
    )
}

/// A header, with ids of spans in it in every form.
fn header() -> impl Strategy<Value = Header> {
    let names = vec![
        "traceparent",
        "x-cloud-trace-context",
        "tracestate",
        "content-type",
        "grpc-status",
        "Odd Name",
        "x:",
    ];
    (select(names).prop_map(str::to_owned), id_text()).prop_map(|(name, value)| Header { name, value })
}

fn id_text() -> impl Strategy<Value = String> {
    let written = (context(), 0..8u8).prop_map(|(context, form)| match form {
        0 | 1 => ContextFormat::Tracecontext.print(&context),
        2 | 3 => ContextFormat::GcpTrace.print(&context),
        4 => format!("{}/{}", context.trace_id.to_string().to_uppercase(), context.span_id),
        5 => format!("{{\"trace\":\"projects/p/traces/{}\"}} \\", context.trace_id),
        6 => format!("{}\\{}", context.trace_id, context.span_id),
        _ => format!("application/grpc{}", context.span_id.to_u64()),
    });
    let plain =
        select(vec!["application/grpc", "0", "14", "99", "T1/S1;o=1", "T1-S1-01"]).prop_map(str::to_owned);
    prop_oneof![3 => written, 1 => text(), 1 => plain]
}

fn tap() -> impl Strategy<Value = WireTap> {
    let end = prop_oneof![
        3 => Just(End::Complete),
        1 => Just(End::WithoutTrailers),
        1 => of(0..9u32).prop_map(End::Reset),
        1 => Just(End::Canceled),
        1 => Just(End::Open),
    ];
    let how = (any::<bool>(), any::<bool>(), select(vec!["POST /greet", "POST /a.B/C", "GET ", "GET /x y"]));
    let headers = (vec(header(), 0..3), vec(header(), 0..2), vec(header(), 0..2));
    let answer = (of(select(vec![200u16, 503, 99, 1000])), any::<bool>(), end, 0..4u32, time());
    (of(source()), source(), how, text(), headers, answer).prop_map(
        |(from, to, how, authority, headers, answer)| {
            let (method, path) = how.2.split_once(' ').expect("a method and a path");
            WireTap {
                from,
                to,
                tls: how.0,
                http: if how.1 { HttpVersion::Http2 } else { HttpVersion::Http1 },
                method: method.to_owned(),
                path: path.to_owned(),
                authority,
                request_headers: headers.0,
                status: answer.0,
                response_headers: headers.1,
                trailers: headers.2,
                answered_by_front: answer.1,
                end: answer.2,
                stamps: Stamps { data_frames: answer.3, last_but_one_data: answer.4, ..Stamps::default() },
            }
        },
    )
}

fn log() -> impl Strategy<Value = LogRecord> {
    (source(), any::<bool>(), time(), id_text()).prop_map(|(source, stderr, time, line)| LogRecord {
        source,
        stream: if stderr { Stream::Stderr } else { Stream::Stdout },
        time,
        line,
    })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    text().prop_map(|message| Refusal { code: "UNAVAILABLE".to_owned(), message })
}

fn export() -> impl Strategy<Value = Export> {
    let answer = prop_oneof![Just(ExportAnswer::Accepted), refusal().prop_map(ExportAnswer::Refused)];
    let sizes = (select(vec![5u64, 1000, 20_000_000]), 0..4u32);
    (of(source()), protocol(), time(), vec(header(), 0..2), sizes, of(text()), answer, of(refusal()))
        .prop_map(|(source, protocol, time, headers, (bytes, spans), project, answer, would_be_refused)| {
            Export { source, protocol, time, headers, bytes, spans, project, answer, would_be_refused }
        })
}

fn process() -> impl Strategy<Value = ProcessEvent> {
    let exited = |code, signal| ProcessEventKind::Exited { code, signal };
    let kinds = vec![
        ProcessEventKind::Spawned,
        ProcessEventKind::Ready,
        ProcessEventKind::Terminated,
        ProcessEventKind::Killed,
        exited(Some(1), None),
        exited(None, Some(9)),
        exited(None, None),
    ];
    (source(), time(), select(kinds)).prop_map(|(source, time, kind)| ProcessEvent { source, time, kind })
}

fn defect() -> impl Strategy<Value = Defect> {
    let kinds = vec![DefectKind::Payload, DefectKind::Span, DefectKind::Field];
    (select(kinds), of(source()), of(0..3usize), text(), text(), of(trace_id()), of(span_id())).prop_map(
        |(kind, source, export, place, detail, trace_id, span_id)| Defect {
            kind,
            source,
            export,
            place,
            detail,
            trace_id,
            span_id,
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let axes = vec((select(vec!["entry", "odd axis"]).prop_map(str::to_owned), text()), 0..2);
    let declared = (vec(service(), 0..2), any::<bool>(), any::<bool>(), any::<bool>());
    (axes, of(text()), any::<bool>(), declared).prop_map(
        |(axes, project, sampling, (services, cloud_run, timed, deadline_passed))| Settings {
            axes,
            project,
            sampling: sampling.then_some(Sampling::ParentBased),
            platform: if cloud_run { Platform::CloudRun } else { Platform::Plain },
            services,
            begun: if timed { 1_700_000_000_000_005_000 } else { 0 },
            ended: if timed { 1_700_000_000_000_100_000 } else { 0 },
            deadline_passed,
        },
    )
}

fn service() -> impl Strategy<Value = ServiceFacts> {
    let formats = vec(select(vec![ContextFormat::GcpTrace, ContextFormat::Tracecontext]), 0..3);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (select(vec!["api-service", "a b"]), formats, flags, vec(text(), 0..2)).prop_map(
        |(name, propagation, flags, untraced)| ServiceFacts {
            name: name.to_owned(),
            protocol: if flags.0 { ServiceProtocol::Grpc } else { ServiceProtocol::Http },
            propagation,
            baggage: flags.1,
            flushes_on_sigterm: flags.2,
            untraced,
            declares_route: flags.3,
        },
    )
}

fn recorded() -> impl Strategy<Value = Vec<Evidence>> {
    proptest::sample::subsequence(Evidence::ALL.to_vec(), 0..=6)
}
