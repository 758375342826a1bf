//! Span lines, and the `|` lines below them.

use crate::notation::forest::Forest;
use crate::notation::implied::{code_of, implied_labels, implied_remote, implied_resource};
use crate::notation::parse::{FirstExports, ID_FIELDS, ID_PROBLEMS, is_name};
use crate::notation::text::quote;
use crate::notation::times::Relation;
use crate::notation::value::print_value;
use crate::{Observation, Protocol, Source, Span, StatusCode, Value};

use super::names::Names;
use super::resource::Resources;

/// Lines are broken at this many characters, where they can be.
const WIDTH: usize = 120;
/// Spans deeper than this have their depth in brackets instead of spaces, so that a deep tree stays readable.
const DEEPEST: usize = 32;

/// Everything that span lines are written from.
pub(super) struct Spans<'a> {
    pub(super) observation: &'a Observation,
    pub(super) forest: &'a Forest,
    pub(super) relations: &'a [Relation],
    pub(super) names: &'a Names,
    pub(super) resources: &'a Resources<'a>,
    pub(super) exports: FirstExports,
    /// Whether the observation is a capture: no span but the driver's has a source.
    pub(super) capture: bool,
}

impl Spans<'_> {
    /// Writes one span.
    pub(super) fn print(&self, at: usize, depth: usize, requests: &[String], text: &mut String) {
        let span = &self.observation.spans[at];
        let indent = " ".repeat(2 * depth.min(DEEPEST));
        let mut line = if depth > DEEPEST { format!("[{depth}] ") } else { indent.clone() };
        line.push_str(&format!("{} {} {}", self.service(span), span.kind.as_str(), quote(&span.name)));
        let mut parts: Vec<String> = Vec::new();
        parts.extend(code_of(span).map(|code| code.to_string()));
        parts.extend_from_slice(requests);
        self.structure(at, span, &mut parts);
        self.labels(span, &mut parts);
        let more = if depth > DEEPEST { "  | ".to_owned() } else { format!("{indent}  | ") };
        let mut width = line.chars().count();
        for part in parts {
            let wide = part.chars().count() + 1;
            if width + wide > WIDTH && width > more.len() {
                text.push_str(&line);
                text.push('\n');
                line = more.trim_end().to_owned();
                width = line.len();
            }
            line.push(' ');
            line.push_str(&part);
            width += wide;
        }
        text.push_str(&line);
        text.push('\n');
        for id in &span.malformed_ids {
            let field = ID_FIELDS.iter().find(|(field, _)| *field == id.field).map_or("", |(_, name)| name);
            let problem =
                ID_PROBLEMS.iter().find(|(kind, _)| *kind == id.problem).map_or("", |(_, name)| name);
            text.push_str(&format!("{more}malformed {field} {problem} {}\n", quote(&id.text)));
        }
        for event in &span.events {
            text.push_str(&format!(
                "{more}event {}{}\n",
                quote(&event.name),
                plain_labels(&event.attributes)
            ));
        }
        for link in &span.links {
            let (trace, linked) = (self.names.trace(link.trace_id), self.names.span(link.span_id));
            text.push_str(&format!("{more}link {trace}/{linked}{}\n", plain_labels(&link.attributes)));
        }
    }

    fn service(&self, span: &Span) -> String {
        match &span.source {
            Some(source) => print_source(source),
            None => match span.service_name() {
                // A name that would be read as another instance stands in quotes.
                Some(name) => print_source(&Source::new(name, 1)),
                None => "?".to_owned(),
            },
        }
    }

    fn structure(&self, at: usize, span: &Span, parts: &mut Vec<String>) {
        let status = &span.status;
        if status.code != StatusCode::Unset || !status.message.is_empty() {
            parts.push(match status.message.as_str() {
                "" => format!("status={}", status.code.as_str()),
                message => format!("status={} {}", status.code.as_str(), quote(message)),
            });
        }
        parts.extend(status.rpc_code.map(|code| format!("rpc-code={code}")));
        parts.extend(self.names.marked(span.span_id).map(|name| format!("id={name}")));
        let parent = self.forest.parent[at].map(|parent| &self.observation.spans[parent]);
        if parent.is_none() {
            let first = self.observation.spans.first().map(|first| first.trace_id);
            if Some(span.trace_id) != first || !span.trace_id.is_valid() {
                parts.push(format!("trace={}", self.names.trace(span.trace_id)));
            }
            if let Some(id) = span.parent_span_id {
                let name = self.names.span(id);
                let mark = if name.starts_with('P') { "?" } else { "" };
                parts.push(format!("parent={mark}{name}"));
            }
        }
        let own = span.parent_span_id.filter(|id| parent.is_some_and(|parent| parent.span_id != *id));
        parts.extend(own.map(|id| format!("announced={}", self.names.span(id))));
        let same = |parent: &Span| parent.shown_service() == span.shown_service();
        if span.parent_is_remote != implied_remote(span.kind, span.parent_span_id, parent.map(same)) {
            parts.push(match span.parent_is_remote {
                Some(remote) => format!("remote={remote}"),
                None => "remote=unknown".to_owned(),
            });
        }
        parts.extend(self.relations[at].words().into_iter().map(str::to_owned));
        parts.extend(self.relations[at].during.map(|host| format!("during={}", self.names.span(host))));
        if !span.trace_state.is_empty() {
            parts.push(format!("tracestate={}", quote(&span.trace_state)));
        }
        parts.extend(span.protocol.map(|protocol| format!("via={}", protocol.as_str())));
        let is_reserved = matches!(span.service_name(), Some(Source::DRIVER | Source::FRONT_END));
        if span.source.is_none() && (!self.capture || is_reserved) {
            parts.push("source=none".to_owned());
        }
        if span.export != self.exports.of_span(span) {
            parts.push(match span.export {
                Some(export) => format!("export={}", export + 1),
                None => "export=none".to_owned(),
            });
        }
        for (what, dropped) in [
            ("attributes", span.dropped_attributes),
            ("events", span.dropped_events),
            ("links", span.dropped_links),
        ] {
            if dropped > 0 {
                parts.push(format!("dropped-{what}={dropped}"));
            }
        }
        self.resources.differences(span, parts);
    }

    fn labels(&self, span: &Span, parts: &mut Vec<String>) {
        let mut implied = implied_labels(span.is_judged(), span.kind, &span.name, code_of(span));
        let cloud_trace = span.protocol.is_some_and(Protocol::is_cloud_trace);
        if cloud_trace {
            implied.extend(implied_resource(&span.shown_service()));
        }
        parts.extend(explicit(&span.attributes, implied, |key| {
            STRUCTURAL.contains(&key) || (key == "service.name" && !cloud_trace)
        }));
    }
}

/// What must be written of attributes where some are implied: `!key` for an implied one that is not there.
pub(super) fn explicit(
    attributes: &[(String, Value)],
    implied: Vec<(String, Value)>,
    in_quotes: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut parts = Vec::new();
    let mut left_out: Vec<&str> = Vec::new();
    for (key, value) in &implied {
        let mut found = attributes.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (None, _) => parts.push(format!("!{key}")),
            (Some(only), None) if only == value => left_out.push(key),
            _ => {}
        }
    }
    let written = attributes.iter().filter(|(key, _)| !left_out.contains(&key.as_str()));
    parts.extend(written.map(|(key, value)| label(key, value, in_quotes(key))));
    parts
}

/// `key=value`, the key in quotes where it would be read as something else.
pub(super) fn label(key: &str, value: &Value, in_quotes: bool) -> String {
    format!("{}={}", written_key(key, in_quotes), print_value(value))
}

/// A key, in quotes where it would be read as something else.
pub(super) fn written_key(key: &str, in_quotes: bool) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_./@$-".contains(c));
    if plain && !in_quotes { key.to_owned() } else { quote(key) }
}

fn plain_labels(attributes: &[(String, Value)]) -> String {
    attributes.iter().map(|(key, value)| format!(" {}", label(key, value, false))).collect()
}

/// `api-service`, `api-service#2`, `"odd name"`.
pub(super) fn print_source(source: &Source) -> String {
    let plain = source.service.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/".contains(c));
    let plain = plain
        && source.service.starts_with(|c: char| c.is_ascii_alphabetic())
        && !is_name(&source.service, "R");
    let name = if plain { source.service.to_string() } else { quote(&source.service) };
    match source.instance {
        1 => name,
        number => format!("{name}#{number}"),
    }
}

/// Keys that mean something else on a span line; labels with these names stand in quotes.
const STRUCTURAL: [&str; 28] = [
    "status",
    "rpc-code",
    "id",
    "trace",
    "parent",
    "announced",
    "remote",
    "time",
    "during",
    "tracestate",
    "via",
    "source",
    "export",
    "dropped-attributes",
    "dropped-events",
    "dropped-links",
    "resource",
    "scope",
    "scope.version",
    "scope.schema",
    "to",
    "context",
    "marker",
    "differs",
    "step",
    "result",
    "expected",
    "link",
];
