//! Names for traces and spans: `T1`, `T2` by appearance; `S1`, `S2` for the spans that something refers to; `P1`, `P2` for
//! spans that are referred to and never arrived.

use std::collections::{HashMap, HashSet};

use crate::notation::forest::Forest;
use crate::notation::ids::decimals;
use crate::notation::text::{Digits, Piece, escape, pieces};
use crate::notation::times::Relation;
use crate::{Observation, Span, SpanId, TraceId};

/// For each span, if it is the driver's, the request that stands on its line: requests and lines go in one order.
pub(super) fn driver_requests(observation: &Observation) -> Vec<Option<usize>> {
    let mut next = 0;
    let request_of = |span: &Span| {
        let request = observation.requests.get(next).filter(|_| span.is_driver())?;
        if (request.trace_id, request.span_id) != (span.trace_id, span.span_id) {
            return None;
        }
        next += 1;
        Some(next - 1)
    };
    observation.spans.iter().map(request_of).collect()
}

/// The names of one observation.
#[derive(Debug, Default)]
pub(super) struct Names {
    traces: HashMap<TraceId, usize>,
    present: HashMap<SpanId, Option<usize>>,
    missing: HashMap<SpanId, usize>,
    known: HashSet<SpanId>,
}

impl Names {
    pub(super) fn of(observation: &Observation, forest: &Forest, relations: &[Relation]) -> Names {
        let mut names = Names { known: decimals(observation), ..Names::default() };
        let mut twice: HashSet<SpanId> = HashSet::new();
        for span in &observation.spans {
            names.see_trace(span.trace_id);
            if names.present.insert(span.span_id, None).is_some() {
                twice.insert(span.span_id);
            }
        }
        let mut mentioned = twice;
        for (at, span) in observation.spans.iter().enumerate() {
            let above = forest.parent[at].map(|parent| observation.spans[parent].span_id);
            if let Some(parent) = span.parent_span_id.filter(|id| above != Some(*id)) {
                names.mention(parent, &mut mentioned);
            }
            if let Some(host) = relations[at].during {
                names.mention(host, &mut mentioned);
            }
            for link in &span.links {
                names.see_trace(link.trace_id);
                names.mention(link.span_id, &mut mentioned);
            }
        }
        let lines: HashSet<usize> = driver_requests(observation).into_iter().flatten().collect();
        for (at, request) in observation.requests.iter().enumerate() {
            names.see_trace(request.trace_id);
            if !lines.contains(&at) {
                names.mention(request.span_id, &mut mentioned);
            }
            if let Some(context) = request.context {
                names.see_trace(context.trace_id);
                if (context.trace_id, context.span_id) != (request.trace_id, request.span_id) {
                    names.mention(context.span_id, &mut mentioned);
                }
            }
        }
        for context in observation.wire.iter().filter_map(|tap| tap.announced) {
            names.see_trace(context.trace_id);
            names.mention(context.span_id, &mut mentioned);
        }
        let headers = observation
            .wire
            .iter()
            .flat_map(|tap| tap.request_headers.iter().chain(&tap.response_headers).chain(&tap.trailers));
        let headers = headers.chain(observation.exports.iter().flat_map(|export| &export.headers));
        let texts = headers.map(|header| &header.value);
        let known = std::mem::take(&mut names.known);
        for text in texts.chain(observation.logs.iter().map(|record| &record.line)) {
            for piece in pieces(text, &known) {
                match piece {
                    Piece::Trace(id, _) => names.see_trace(id),
                    Piece::Span(id, _) => names.mention(id, &mut mentioned),
                    Piece::Literal(_) => {}
                }
            }
        }
        for (trace, span) in observation.exports.iter().flat_map(|export| &export.carries) {
            names.see_trace(*trace);
            names.mention(*span, &mut mentioned);
        }
        for defect in &observation.defects {
            defect.trace_id.into_iter().for_each(|id| names.see_trace(id));
            defect.span_id.into_iter().for_each(|id| names.mention(id, &mut mentioned));
        }
        names.known = known;
        let mut number = 0;
        for span in &observation.spans {
            if span.span_id.is_valid() && mentioned.remove(&span.span_id) {
                number += 1;
                names.present.insert(span.span_id, Some(number));
            }
        }
        names
    }

    fn see_trace(&mut self, id: TraceId) {
        if id.is_valid() {
            let next = self.traces.len() + 1;
            self.traces.entry(id).or_insert(next);
        }
    }

    fn mention(&mut self, id: SpanId, mentioned: &mut HashSet<SpanId>) {
        if self.present.contains_key(&id) {
            mentioned.insert(id);
        } else if id.is_valid() {
            let next = self.missing.len() + 1;
            self.missing.entry(id).or_insert(next);
        }
    }

    /// The name of a trace.
    pub(super) fn trace(&self, id: TraceId) -> String {
        match self.traces.get(&id) {
            Some(number) => format!("T{number}"),
            None => "zero".to_owned(),
        }
    }

    /// The name of a span that arrived and is referred to.
    pub(super) fn marked(&self, id: SpanId) -> Option<String> {
        match self.present.get(&id) {
            _ if !id.is_valid() => Some("zero".to_owned()),
            Some(Some(number)) => Some(format!("S{number}")),
            _ => None,
        }
    }

    /// The name of a span, whether it arrived or not.
    pub(super) fn span(&self, id: SpanId) -> String {
        match (self.marked(id), self.missing.get(&id)) {
            (Some(name), _) => name,
            (None, Some(number)) => format!("P{number}"),
            (None, None) => "zero".to_owned(),
        }
    }

    /// A header's value: a short form, a word, or a text in quotes.
    pub(super) fn header_value(&self, value: &str) -> String {
        let pieces = pieces(value, &self.known);
        let short = match pieces.as_slice() {
            [
                Piece::Trace(trace, Digits::Lower),
                Piece::Literal(slash),
                Piece::Span(span, Digits::Decimal),
                tail @ ..,
            ] if slash == "/" => {
                tail_of(tail, ";").map(|tail| format!("{}/{}{tail}", self.trace(*trace), self.span(*span)))
            }
            [
                Piece::Literal(version),
                Piece::Trace(trace, Digits::Lower),
                Piece::Literal(dash),
                Piece::Span(span, Digits::Lower),
                tail @ ..,
            ] if version == "00-" && dash == "-" => tail_of(tail, "-")
                .filter(|tail| !tail.is_empty())
                .map(|tail| format!("{}-{}{tail}", self.trace(*trace), self.span(*span))),
            _ => None,
        };
        if let Some(short) = short {
            return short;
        }
        if let ([Piece::Literal(text)], true) = (pieces.as_slice(), is_word(value)) {
            return text.clone();
        }
        format!("\"{}\"", self.template(&pieces, true))
    }

    /// A log line as it stands, or in quotes where it would not be read back.
    pub(super) fn line(&self, line: &str) -> String {
        let pieces = pieces(line, &self.known);
        let plain = |text: &str| {
            !text.ends_with('\\')
                && !text.contains("\\{")
                && !text.chars().any(|c| c.is_control() || c == '\u{feff}')
        };
        let pieces_are_plain = pieces.iter().all(|piece| match piece {
            Piece::Literal(text) => plain(text),
            _ => true,
        });
        let edges_are_plain = !line.is_empty() && line.trim() == line && !line.starts_with('"');
        if pieces_are_plain && edges_are_plain {
            self.template(&pieces, false)
        } else {
            format!("\"{}\"", self.template(&pieces, true))
        }
    }

    fn template(&self, pieces: &[Piece], quoted: bool) -> String {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => {
                    let literal = if quoted { escape(literal) } else { literal.clone() };
                    text.push_str(&shield(&literal));
                }
                Piece::Trace(id, Digits::Upper) => text.push_str(&format!("{{{}:X}}", self.trace(*id))),
                Piece::Trace(id, _) => text.push_str(&format!("{{{}}}", self.trace(*id))),
                Piece::Span(id, Digits::Lower) => text.push_str(&format!("{{{}}}", self.span(*id))),
                Piece::Span(id, Digits::Upper) => text.push_str(&format!("{{{}:X}}", self.span(*id))),
                Piece::Span(id, Digits::Decimal) => text.push_str(&format!("{{{}:d}}", self.span(*id))),
            }
        }
        text
    }
}

/// What stands behind the ids of a short form, if it begins as it must and holds nothing that needs quotes.
fn tail_of<'a>(tail: &'a [Piece], start: &str) -> Option<&'a str> {
    match tail {
        [] => Some(""),
        [Piece::Literal(text)] if text.starts_with(start) && text.chars().all(is_word_char) => Some(text),
        _ => None,
    }
}

/// Whether a value can stand without quotes, and is not taken for a short form.
fn is_word(value: &str) -> bool {
    !value.is_empty() && value.chars().all(is_word_char) && !value.starts_with(['T', '"'])
}

fn is_word_char(c: char) -> bool {
    !(c.is_whitespace() || c.is_control() || "{\\\"".contains(c))
}

/// Puts a backslash before what would be read as a name: `{T1}`.
fn shield(text: &str) -> String {
    let mut shielded = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let next = text[at + c.len_utf8()..].chars().next();
        if c == '{' && next.is_some_and(|next| "TSP".contains(next)) {
            shielded.push('\\');
        }
        shielded.push(c);
    }
    shielded
}
