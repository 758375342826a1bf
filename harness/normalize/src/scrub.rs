//! Every value that differs between two good runs, and what stands in its place. This file is the whole list.
//!
//! A scrubbed value of the right type becomes [`Value::Scrubbed`]; one of another type keeps its type, so that a wrong type
//! stays visible.

use std::sync::Arc;

use spanwise_model::{
    ExportAnswer, Header, Observation, ProcessEventKind, RequestResult, Resource, Scope, Span, Value,
};

/// Attributes of spans, events and resources by key; a key that ends in `.` stands for all that begin with it.
/// The first that fits counts.
const ATTRIBUTES: &[(&str, &str, Kind)] = &[
    ("server.address", "host", Kind::Text),
    ("server.port", "port", Kind::Int),
    ("client.address", "address", Kind::Text),
    ("client.port", "port", Kind::Int),
    ("network.peer.address", "address", Kind::Text),
    ("network.peer.port", "port", Kind::Int),
    ("network.local.address", "address", Kind::Text),
    ("network.local.port", "port", Kind::Int),
    ("net.peer.name", "host", Kind::Text),
    ("net.peer.port", "port", Kind::Int),
    ("net.peer.ip", "address", Kind::Text),
    ("net.host.name", "host", Kind::Text),
    ("net.host.port", "port", Kind::Int),
    ("net.sock.peer.addr", "address", Kind::Text),
    ("net.sock.peer.port", "port", Kind::Int),
    ("net.sock.host.addr", "address", Kind::Text),
    ("net.sock.host.port", "port", Kind::Int),
    ("http.host", "host", Kind::Text),
    ("http.server_name", "host", Kind::Text),
    ("http.client_ip", "address", Kind::Text),
    ("/http/host", "host", Kind::Text),
    ("/http/url", "url", Kind::Text),
    ("/http/user_agent", "user-agent", Kind::Text),
    ("url.full", "url", Kind::Text),
    ("http.url", "url", Kind::Text),
    ("user_agent.original", "user-agent", Kind::Text),
    ("http.user_agent", "user-agent", Kind::Text),
    ("rpc.user_agent", "user-agent", Kind::Text),
    ("exception.stacktrace", "stacktrace", Kind::Text),
    ("code.stacktrace", "stacktrace", Kind::Text),
    ("code.line.number", "line", Kind::Int),
    ("code.lineno", "line", Kind::Int),
    ("code.column.number", "column", Kind::Int),
    ("code.file.path", "path", Kind::Text),
    ("code.filepath", "path", Kind::Text),
    ("thread.id", "thread", Kind::Int),
    ("thread.name", "thread", Kind::Text),
    ("service.instance.id", "id", Kind::Text),
    ("service.version", "version", Kind::Text),
    ("telemetry.sdk.version", "version", Kind::Text),
    ("telemetry.distro.version", "version", Kind::Text),
    ("faas.instance", "id", Kind::Text),
    ("faas.version", "version", Kind::Text),
    ("g.co/agent", "agent", Kind::Text),
    ("process.", "process", Kind::Any),
    ("host.", "host", Kind::Any),
    ("os.", "os", Kind::Any),
    ("container.", "container", Kind::Any),
    ("busy_ns", "duration", Kind::Int),
    ("idle_ns", "duration", Kind::Int),
];

/// Attributes whose text is scrubbed only where [`FOREIGN`] words are in it; the status description is treated like them.
const MESSAGES: [&str; 4] =
    ["exception.message", "error.message", "grpc.error_message", "rpc.grpc.status_message"];

/// Words of the operating system, of name resolution and of TLS: their messages read differently from machine to machine.
const FOREIGN: [&str; 20] = [
    "os error",
    "dns error",
    "failed to lookup",
    "name resolution",
    "name or service not known",
    "nodename nor servname",
    "no such host",
    "getaddrinfo",
    "enotfound",
    "econn",
    "connection refused",
    "connection reset",
    "connect error",
    "transport error",
    "failed to connect",
    "broken pipe",
    "certificate",
    "unknownissuer",
    "handshake",
    "tls",
];

/// Headers of exchanges and exports that say nothing of tracing and differ between runs, clients and versions.
const HEADERS: [&str; 16] = [
    "user-agent",
    "date",
    "server",
    "content-length",
    "accept",
    "accept-encoding",
    "accept-language",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "grpc-accept-encoding",
    "grpc-timeout",
    "grpc-encoding",
    "vary",
    "x-goog-api-client",
];

/// The type a value must have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Int,
    Any,
}

/// Exports up to this size are all alike; beyond it the size is what `batch-too-large` speaks of.
const LARGEST_BATCH: u64 = 16 << 20;

/// The port of Cloud Run if nothing is said of it.
const PORT: u16 = 8080;

/// Scrubs a whole observation.
pub(crate) fn scrub(observation: &mut Observation) {
    // Ids in words; that a deadline passed stays.
    observation.settings.awaited.clear();
    for span in &mut observation.spans {
        scrub_span(span);
    }
    for tap in &mut observation.wire {
        tap.authority = authority(&tap.to.service);
        for headers in [&mut tap.request_headers, &mut tap.response_headers, &mut tap.trailers] {
            scrub_headers(headers, &tap.authority);
        }
        for header in tap.trailers.iter_mut().chain(&mut tap.response_headers) {
            if header.name == "grpc-message" {
                header.value = message(&header.value.replace("%20", " "), || header.value.clone());
            }
        }
    }
    for request in &mut observation.requests {
        for result in std::iter::once(&mut request.result).chain(&mut request.expected) {
            if let RequestResult::None(why) = result {
                *why = message(why, || why.clone());
            }
        }
    }
    for record in &mut observation.logs {
        record.line = without_times(&without_ports(&record.line));
    }
    for event in &mut observation.process {
        // The harness picks the port that it tells; one that the service has by itself stays.
        if let ProcessEventKind::Listening { address, on_port: true } = &mut event.kind {
            address.set_port(PORT);
        }
    }
    for export in &mut observation.exports {
        scrub_headers(&mut export.headers, "<authority>");
        if export.bytes <= LARGEST_BATCH {
            export.bytes = 1000;
        }
        let refusals = [
            export.would_be_refused.as_mut(),
            match &mut export.answer {
                ExportAnswer::Refused(refusal) => Some(refusal),
                ExportAnswer::Accepted => None,
            },
        ];
        for refusal in refusals.into_iter().flatten() {
            refusal.message = without_ports(&refusal.message);
        }
    }
}

fn scrub_span(span: &mut Span) {
    scrub_attributes(&mut span.attributes);
    for event in &mut span.events {
        scrub_attributes(&mut event.attributes);
    }
    for link in &mut span.links {
        scrub_attributes(&mut link.attributes);
    }
    span.status.message = message(&span.status.message, || span.status.message.clone());
    if span.resource.attributes.iter().any(|(key, value)| kind_of(key).is_some() && !is_scrubbed(value)) {
        let mut resource = Resource::clone(&span.resource);
        scrub_attributes(&mut resource.attributes);
        span.resource = Arc::new(resource);
    }
    if !span.scope.version.is_empty() && span.scope.version != "<version>" {
        span.scope = Arc::new(Scope { version: "<version>".to_owned(), ..Scope::clone(&span.scope) });
    }
}

fn is_scrubbed(value: &Value) -> bool {
    matches!(value, Value::Scrubbed(_))
}

fn kind_of(key: &str) -> Option<(&'static str, Kind)> {
    let fits = |pattern: &str| key == pattern || (pattern.ends_with('.') && key.starts_with(pattern));
    ATTRIBUTES.iter().find(|(pattern, ..)| fits(pattern)).map(|(_, what, kind)| (*what, *kind))
}

fn scrub_attributes(attributes: &mut [(String, Value)]) {
    for (key, value) in attributes {
        match (kind_of(key), &*value) {
            (_, Value::Scrubbed(_)) => {}
            (Some((what, Kind::Any)), _)
            | (Some((what, Kind::Text)), Value::Str(_))
            | (Some((what, Kind::Int)), Value::Int(_)) => *value = Value::Scrubbed(what.to_owned()),
            (Some((what, Kind::Int)), Value::Str(_)) => *value = Value::Str(format!("<{what}>")),
            (Some((_, Kind::Text)), Value::Int(_)) => *value = Value::Int(0),
            (_, Value::Str(text)) if MESSAGES.contains(&key.as_str()) => {
                *value = match message(text, String::new).as_str() {
                    "<message>" => Value::Scrubbed("message".to_owned()),
                    _ => Value::Str(without_ports(text)),
                };
            }
            _ => {}
        }
    }
}

/// The text of an error, or `<message>` if it is one of the machine's. What is kept comes from `kept`, without ports.
fn message(text: &str, kept: impl Fn() -> String) -> String {
    let lower = text.to_lowercase();
    match FOREIGN.iter().any(|word| lower.contains(word)) {
        true => "<message>".to_owned(),
        false => without_ports(&kept()),
    }
}

/// The `Host` or `:authority` of a scrubbed exchange, which wire lines imply.
fn authority(service: &str) -> String {
    format!("{service}:<port>")
}

fn scrub_headers(headers: &mut Vec<Header>, authority: &str) {
    headers.retain(|header| !HEADERS.iter().any(|name| header.name.eq_ignore_ascii_case(name)));
    for header in headers {
        match header.name.as_str() {
            "host" => header.value = authority.to_owned(),
            "x-forwarded-for" | "x-forwarded-host" | "forwarded" => {
                header.value = without_ports(&header.value)
            }
            _ => {}
        }
    }
}

/// Replaces ports behind loopback addresses: `127.0.0.1:40123` becomes `127.0.0.1:<port>`.
fn without_ports(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let hosts = ["127.0.0.1:", "localhost:", "[::1]:", "0.0.0.0:"];
    while let Some((at, host)) = hosts.iter().filter_map(|host| Some((rest.find(host)?, host))).min() {
        let (before, after) = rest.split_at(at + host.len());
        clean.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        clean.push_str(if digits > 0 { "<port>" } else { "" });
        rest = &after[digits..];
    }
    clean.push_str(rest);
    clean
}

/// Replaces points in time as RFC 3339 writes them: `2026-01-02T03:04:05.678Z` becomes `<time>`.
fn without_times(text: &str) -> String {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let bytes = text.as_bytes();
    let fits = |at: usize| {
        let window = bytes.get(at..at + SHAPE.len());
        window.is_some_and(|window| {
            window.iter().zip(SHAPE).all(|(byte, shape)| match shape {
                b'd' => byte.is_ascii_digit(),
                _ => byte == shape,
            })
        })
    };
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        if fits(at) {
            clean.push_str("<time>");
            at += SHAPE.len();
            let tail = |byte: &u8| byte.is_ascii_digit() || b".:+-Z".contains(byte);
            at += bytes[at..].iter().take_while(|byte| tail(byte)).count();
        } else {
            let next = text[at..].chars().next().map_or(1, char::len_utf8);
            clean.push_str(&text[at..at + next]);
            at += next;
        }
    }
    clean
}
