//! Evidence beside spans, of every shape.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use spanwise_model::{
    AnswerDifference, ContextFormat, Defect, DefectKind, End, Evidence, ExpectedSpan, Export, ExportAnswer,
    FrontEnd, FrontEndContext, FrontEndSampling, FrontEndSpans, GrpcCode, Header, HttpVersion, LimitProfile,
    LogRecord, Platform, ProcessEvent, ProcessEventKind, Refusal, Request, RequestResult, Sampling,
    ServiceFacts, ServiceProtocol, Settings, SpanId, Stamps, StatusCode, Stream, TraceContext, TraceId,
    WireTap,
};

use super::words::{kind, protocol, source, span_id, text, time, trace_id, value};

pub(super) fn context() -> impl Strategy<Value = TraceContext> {
    (trace_id(), span_id(), of(any::<bool>())).prop_map(|(t, s, sampled)| TraceContext {
        // Contexts are never all zero.
        trace_id: if t.is_valid() { t } else { TraceId([1; 16]) },
        span_id: if s.is_valid() { s } else { SpanId([0xc1; 8]) },
        sampled,
    })
}

pub(super) fn result() -> impl Strategy<Value = RequestResult> {
    prop_oneof![
        select(vec![200u16, 503, 7]).prop_map(RequestResult::Http),
        Just(RequestResult::HttpBroken(200)),
        select(vec![GrpcCode::Ok, GrpcCode::Unavailable]).prop_map(RequestResult::Grpc),
        select(vec![0, 1, 137]).prop_map(RequestResult::Exit),
        text().prop_map(RequestResult::None),
    ]
}

pub(super) fn request() -> impl Strategy<Value = Request> {
    let differences = vec((text(), text(), text()), 0..2).prop_map(|parts| {
        let part = |(part, expected, actual)| AnswerDifference { part, expected, actual };
        parts.into_iter().map(part).collect()
    });
    let came = (result(), of(result()), differences);
    (source(), context(), of(context()), of(text()), came, of(text())).prop_map(
        |(to, own, context, marker, (result, expected, differences), step)| Request {
            to,
            trace_id: own.trace_id,
            span_id: own.span_id,
            context,
            marker,
            result,
            expected,
            differences,
            step,
        },
    )
}

/// A header, with ids of spans in it in every form.
pub(super) fn header() -> impl Strategy<Value = Header> {
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

pub(super) fn id_text() -> impl Strategy<Value = String> {
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

pub(super) fn tap() -> impl Strategy<Value = WireTap> {
    let end = prop_oneof![
        3 => Just(End::Complete),
        1 => Just(End::WithoutTrailers),
        1 => of(0..9u32).prop_map(End::Reset),
        1 => Just(End::Canceled),
        1 => Just(End::Open),
    ];
    let how = (any::<bool>(), any::<bool>(), select(vec!["POST /greet", "POST /a.B/C", "GET ", "GET /x y"]));
    let headers = (vec(header(), 0..3), vec(header(), 0..2), vec(header(), 0..2), of(context()));
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
                announced: headers.3,
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

pub(super) fn log() -> impl Strategy<Value = LogRecord> {
    (source(), any::<bool>(), time(), id_text()).prop_map(|(source, stderr, time, line)| LogRecord {
        source,
        stream: if stderr { Stream::Stderr } else { Stream::Stdout },
        time,
        line,
    })
}

pub(super) fn refusal() -> impl Strategy<Value = Refusal> {
    text().prop_map(|message| Refusal { code: "UNAVAILABLE".to_owned(), message })
}

pub(super) fn export() -> impl Strategy<Value = Export> {
    let answer = prop_oneof![Just(ExportAnswer::Accepted), refusal().prop_map(ExportAnswer::Refused)];
    let sizes = (select(vec![5u64, 1000, 20_000_000]), 0..4u32);
    let from = (of(source()), protocol(), time(), any::<bool>());
    let content = (vec(header(), 0..2), sizes, vec((trace_id(), span_id()), 0..3), of(text()));
    (from, content, answer, of(refusal())).prop_map(|(from, content, answer, would_be_refused)| Export {
        source: from.0,
        protocol: from.1,
        time: from.2,
        headers: content.0,
        bytes: content.1.0,
        spans: content.1.1,
        carries: content.2,
        project: content.3,
        google: from.3,
        answer,
        would_be_refused,
    })
}

pub(super) fn process() -> impl Strategy<Value = ProcessEvent> {
    let exited = |code, signal| ProcessEventKind::Exited { code, signal };
    let listening = |address: &str, on_port| ProcessEventKind::Listening {
        address: address.parse().expect("an address"),
        on_port,
    };
    let kinds = vec![
        ProcessEventKind::Spawned,
        ProcessEventKind::Ready,
        listening("0.0.0.0:20123", true),
        listening("[::1]:5000", false),
        ProcessEventKind::Frozen,
        ProcessEventKind::Thawed,
        ProcessEventKind::Terminated,
        ProcessEventKind::Killed,
        exited(Some(1), None),
        exited(None, Some(9)),
        exited(None, None),
    ];
    (source(), time(), select(kinds)).prop_map(|(source, time, kind)| ProcessEvent { source, time, kind })
}

pub(super) fn defect() -> impl Strategy<Value = Defect> {
    let kinds = vec![DefectKind::Payload, DefectKind::Span, DefectKind::Field, DefectKind::Cut];
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

pub(super) fn settings() -> impl Strategy<Value = Settings> {
    let axes = vec((select(vec!["entry", "odd axis"]).prop_map(str::to_owned), text()), 0..2);
    let declared = (vec(service(), 0..2), any::<bool>(), any::<bool>(), any::<bool>());
    let labels =
        (vec(text(), 0..2), any::<bool>(), vec(text(), 0..2), vec(expected(), 0..3), vec(text(), 0..2));
    (axes, of(text()), any::<bool>(), declared, labels, front_end()).prop_map(
        |(axes, project, sampling, (services, cloud_run, timed, deadline_passed), labels, front_end)| {
            Settings {
                axes,
                project,
                sampling: sampling.then_some(Sampling::ParentBased),
                platform: if cloud_run { Platform::CloudRun } else { Platform::Plain },
                front_end,
                required_labels: labels.0,
                varying_labels: labels.4,
                limits: if labels.1 { LimitProfile::V2Proto } else { LimitProfile::TelemetryApi },
                external_hosts: labels.2,
                expected: labels.3,
                services,
                begun: if timed { 1_700_000_000_000_005_000 } else { 0 },
                ended: if timed { 1_700_000_000_000_100_000 } else { 0 },
                deadline_passed,
                awaited: Vec::new(),
            }
        },
    )
}

fn front_end() -> impl Strategy<Value = FrontEnd> {
    let sampling =
        vec![FrontEndSampling::Keep, FrontEndSampling::On, FrontEndSampling::Off, FrontEndSampling::Rate];
    let (spans, context) = (
        vec![FrontEndSpans::Kept, FrontEndSpans::Stored],
        vec![FrontEndContext::Both, FrontEndContext::Google],
    );
    let statuses = (of(any::<u16>()), of(any::<u16>()));
    (select(sampling), select(spans), select(context), of(text()), statuses).prop_map(
        |(sampling, spans, context, region, (not_allowed, not_valid))| FrontEnd {
            sampling,
            spans,
            context,
            region,
            not_allowed,
            not_valid,
        },
    )
}

fn expected() -> impl Strategy<Value = ExpectedSpan> {
    let services = prop_oneof![select(vec!["*", "api-service", "a*", ""]).prop_map(str::to_owned), text()];
    let codes = vec![StatusCode::Unset, StatusCode::Ok, StatusCode::Error];
    let labels = vec(
        (select(vec!["a.b", "status", "step", "odd key", ""]).prop_map(str::to_owned), of(value())),
        0..3,
    );
    let leaf = (services, of(kind()), text(), of(select(codes)), labels, of(text())).prop_map(
        |(service, kind, name, status, labels, step)| ExpectedSpan {
            service,
            kind,
            name,
            status,
            labels,
            children: Vec::new(),
            step,
        },
    );
    leaf.prop_recursive(3, 8, 3, |inner| {
        (inner.clone(), vec(inner, 0..3)).prop_map(|(span, children)| ExpectedSpan { children, ..span })
    })
}

pub(super) fn service() -> impl Strategy<Value = ServiceFacts> {
    let formats = vec(select(vec![ContextFormat::GcpTrace, ContextFormat::Tracecontext]), 0..3);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let texts = (vec(text(), 0..2), vec(text(), 0..2));
    (select(vec!["api-service", "a b"]), formats, flags, texts).prop_map(
        |(name, propagation, flags, (untraced, audiences))| ServiceFacts {
            name: name.to_owned(),
            protocol: if flags.0 { ServiceProtocol::Grpc } else { ServiceProtocol::Http },
            propagation,
            baggage: flags.1,
            flushes_on_sigterm: flags.2,
            untraced,
            declares_route: flags.3,
            auth_required: flags.4,
            audiences,
            external: flags.5,
        },
    )
}

pub(super) fn recorded() -> impl Strategy<Value = Vec<Evidence>> {
    proptest::sample::subsequence(Evidence::ALL.to_vec(), 0..=6)
}
