//! The blocks `wire:` and `requests:`.

use crate::notation::forest::Forest;
use crate::notation::hop::{Hops, TRANSPORTS};
use crate::notation::implied::code_of;
use crate::notation::parse::{authority, default_receiver, implied_frames, implied_result};
use crate::notation::text::quote;
use crate::{
    End, GrpcCode, Header, HttpVersion, Observation, Request, RequestResult, Span, TraceContext, WireTap,
};

use super::names::{Names, driver_requests};
use super::span::print_source;

/// Writes one exchange.
pub(super) fn print_tap(tap: &WireTap, spans: &[Span], hops: &Hops, names: &Names) -> String {
    let from = tap.from.as_ref().map_or("?".to_owned(), print_source);
    let http2 = tap.http == HttpVersion::Http2;
    let transport = TRANSPORTS.iter().find(|(_, tls, http)| (*tls, *http) == (tap.tls, http2));
    let mut line =
        format!("  {from} -> {} {}", print_source(&tap.to), transport.map_or("", |(name, ..)| name));
    let mut add = |part: String| {
        line.push(' ');
        line.push_str(&part);
    };
    let mut hop = hops.hop(spans, tap);
    if (&hop.method, &hop.path) != (&tap.method, &tap.path) {
        add(quote(&format!("{} {}", tap.method, tap.path)));
        hop.grpc &= tap.path == hop.path;
    }
    let grpc_status = |headers: &[Header]| match headers.first() {
        Some(first) if first.name == "grpc-status" => {
            let code = first.value.parse().ok().and_then(GrpcCode::from_number);
            code.filter(|code| code.number().to_string() == first.value)
        }
        _ => None,
    };
    let count = |headers: &[Header]| headers.iter().filter(|header| header.name == "grpc-status").count();
    let only = count(&tap.trailers) + count(&tap.response_headers) == 1;
    let in_trailers = grpc_status(&tap.trailers).filter(|_| only);
    let in_headers = grpc_status(&tap.response_headers).filter(|_| only);
    let code = in_trailers.or(in_headers);
    let default_code =
        (hop.grpc && tap.end == End::Complete && tap.status.is_some()).then_some(hop.grpc_status);
    // What is written here decides what the reader fills in: a gRPC code makes the exchange one of gRPC.
    let is_grpc = hop.grpc || code.is_some();
    match code {
        Some(code) if default_code != Some(code) => add(code.to_string()),
        _ => {}
    }
    let implied_status = if is_grpc { 200 } else { hop.status };
    let mut absent: Vec<&str> = Vec::new();
    match tap.status {
        None => add("no-answer".to_owned()),
        Some(status) if status == implied_status => {}
        Some(status @ 100..=999) if code.is_none() => add(status.to_string()),
        Some(status) => add(format!("status={status}")),
    }
    let says_http = code.is_none()
        && tap.status.is_some_and(|status| status != implied_status && (100..=999).contains(&status));
    if code.is_none()
        && default_code.is_some()
        && !says_http
        && count(&tap.trailers) + count(&tap.response_headers) == 0
    {
        absent.push("grpc-status");
    }
    if in_headers.is_some() {
        add("trailers-only".to_owned());
    }
    if tap.answered_by_front {
        add("by-front".to_owned());
    }
    match &tap.end {
        End::Complete => {}
        End::WithoutTrailers => add("without-trailers".to_owned()),
        End::Reset(None) => add("reset".to_owned()),
        End::Reset(Some(code)) => add(format!("reset={code}")),
        End::Canceled => add("canceled".to_owned()),
        End::Open => add("open".to_owned()),
    }
    if tap.stamps.data_frames != implied_frames(tap) {
        add(format!("frames={}", tap.stamps.data_frames));
    }
    if tap.authority != authority(&tap.to) {
        add(format!("authority={}", quote(&tap.authority)));
    }
    if let Some(announced) = &tap.announced {
        add(format!("announced={}", print_context(announced, names)));
    }
    let content_type = |header: &Header| header.name == "content-type";
    let implied_type = |header: &Header| content_type(header) && header.value == "application/grpc";
    let types = tap.request_headers.iter().filter(|header| content_type(header)).count();
    let first_is_implied = tap.request_headers.first().is_some_and(implied_type);
    let skip = usize::from(is_grpc && types == 1 && first_is_implied);
    if is_grpc && types == 0 {
        absent.push("content-type");
    }
    absent.into_iter().for_each(|name| add(format!("!{name}")));
    let mut headers = |part: &str, headers: &[Header]| {
        if !part.is_empty() && !headers.is_empty() {
            add(part.to_owned());
        }
        for header in headers {
            add(format!(" {}: {}", header_name(&header.name), names.header_value(&header.value))
                .trim_start()
                .to_owned());
        }
    };
    headers("", &tap.request_headers[skip..]);
    headers("response", &tap.response_headers[usize::from(in_headers.is_some())..]);
    headers("trailers", &tap.trailers[usize::from(in_trailers.is_some())..]);
    line
}

/// A header's name, in quotes where it would be read as something else.
pub(super) fn header_name(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if plain { name.to_owned() } else { quote(name) }
}

/// The requests of an observation: fields for the lines of driver spans, and lines of the block `requests:`.
pub(super) struct Requests {
    pub(super) fields: Vec<Vec<String>>,
    pub(super) lines: Vec<String>,
}

impl Requests {
    pub(super) fn of(observation: &Observation, forest: &Forest, names: &Names) -> Requests {
        let spans = &observation.spans;
        let requests = &observation.requests;
        let on_lines = driver_requests(observation);
        let field = |at: usize| match on_lines[at] {
            _ if !spans[at].is_driver() => Vec::new(),
            Some(request) => {
                let to = default_receiver(spans, &forest.parent, at);
                request_fields(&requests[request], to, implied_result(code_of(&spans[at])), names)
            }
            None => vec!["no-request".to_owned()],
        };
        let fields = (0..spans.len()).map(field).collect();
        let below = on_lines.iter().flatten().count();
        let to = spans.iter().find(|span| span.is_judged()).and_then(|span| span.source.clone());
        let to = to.unwrap_or_else(|| crate::Source::new("service", 1));
        let line = |request: &Request| {
            let ids = format!("  {}/{}", names.trace(request.trace_id), names.span(request.span_id));
            let fields = request_fields(request, to.clone(), implied_result(None), names);
            std::iter::once(ids).chain(fields).collect::<Vec<_>>().join(" ")
        };
        Requests { fields, lines: requests[below..].iter().map(line).collect() }
    }
}

fn request_fields(request: &Request, to: crate::Source, result: RequestResult, names: &Names) -> Vec<String> {
    let mut fields = Vec::new();
    if request.to != to {
        fields.push(format!("to={}", print_source(&request.to)));
    }
    match request.context {
        None => fields.push("no-context".to_owned()),
        Some(context) => {
            let own = (context.trace_id, context.span_id) == (request.trace_id, request.span_id);
            match (own, context.sampled) {
                (true, Some(true)) => {}
                (true, Some(false)) => fields.push("unsampled".to_owned()),
                _ => fields.push(format!("context={}", print_context(&context, names))),
            }
        }
    }
    fields.extend(request.marker.as_ref().map(|marker| format!("marker={}", quote(marker))));
    if request.result != result {
        fields.push(format!("result={}", print_result(&request.result)));
    }
    fields.extend(request.expected.as_ref().map(|result| format!("expected={}", print_result(result))));
    fields.extend(
        request.differences.iter().map(|one| {
            format!("differs={} {} {}", quote(&one.part), quote(&one.expected), quote(&one.actual))
        }),
    );
    fields.extend(request.step.as_ref().map(|step| format!("step={}", quote(step))));
    fields
}

/// `T1/S1;o=1`; without `;o=` nothing is said of sampling.
fn print_context(context: &TraceContext, names: &Names) -> String {
    let option = context.sampled.map(|sampled| format!(";o={}", u8::from(sampled))).unwrap_or_default();
    format!("{}/{}{option}", names.trace(context.trace_id), names.span(context.span_id))
}

fn print_result(result: &RequestResult) -> String {
    match result {
        RequestResult::Http(status) => status.to_string(),
        RequestResult::HttpBroken(status) => format!("{status}-broken"),
        RequestResult::Grpc(code) => code.to_string(),
        RequestResult::Exit(code) => format!("exit-{code}"),
        RequestResult::None(why) => quote(why),
    }
}
