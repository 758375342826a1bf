//! Span lines and the `|` lines below them, as they stand: what they imply is filled in later.

use crate::notation::error::NotationError;
use crate::notation::implied::Code;
use crate::notation::line::{Item, Line, Place};
use crate::notation::times::Relation;
use crate::notation::value::read_value;
use crate::{
    Event, IdField, IdProblem, Link, MalformedId, Protocol, Source, Span, SpanId, SpanKind, StatusCode,
    TraceId, Value,
};

use super::names::Names;
use super::request::RequestDraft;

/// A span line as read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) place: Place,
    pub(super) depth: usize,
    /// What stands for the service; `None` for `?`.
    pub(super) service: Option<Source>,
    pub(super) without_source: bool,
    pub(super) code: Option<Code>,
    pub(super) labels: Labels,
    pub(super) named: bool,
    pub(super) trace: Option<TraceId>,
    pub(super) parent: Option<SpanId>,
    pub(super) remote: Option<Option<bool>>,
    pub(super) resource: Option<String>,
    /// `service.name` as written, `None` where it is said to be absent: of the resource, or labels of Cloud Trace.
    pub(super) service_names: Vec<Option<Value>>,
    pub(super) scope: [Option<String>; 3],
    pub(super) export: Option<Option<usize>>,
    pub(super) relation: Relation,
    pub(super) request: RequestDraft,
    /// The fields that are complete already: name, kind, status, events, …
    pub(super) span: Span,
}

/// Labels as written: those with a value, and those said to be absent.
#[derive(Debug, Default)]
pub(super) struct Labels {
    pub(super) written: Vec<(String, Value)>,
    pub(super) absent: Vec<String>,
}

impl Labels {
    /// Adds what is implied, unless it is written or absent; sorts by key.
    pub(super) fn complete(self, implied: Vec<(String, Value)>) -> Vec<(String, Value)> {
        let Labels { mut written, absent } = self;
        let implied = implied
            .into_iter()
            .filter(|(key, _)| !absent.contains(key) && !written.iter().any(|(name, _)| name == key));
        let implied: Vec<_> = implied.collect();
        written.extend(implied);
        written.sort_by(|(a, _), (b, _)| a.cmp(b));
        written
    }
}

/// Reads a span line; `depth` is its indentation.
pub(super) fn read_span(
    line: &mut Line<'_>,
    depth: usize,
    names: &mut Names,
) -> Result<Draft, NotationError> {
    let place = line.place();
    let service = read_source(line)?;
    line.place();
    let kind_place = line.place();
    let word = line.word();
    let kind = kind(&word).ok_or_else(|| {
        kind_place.expected("a span kind: SERVER, CLIENT, INTERNAL, PRODUCER, CONSUMER or UNSPECIFIED", &word)
    })?;
    line.place();
    if !line.rest().starts_with('"') {
        return Err(line.expected("the span's name in quotes"));
    }
    let name = line.quoted()?;
    let mut draft = Draft {
        place,
        depth,
        service,
        without_source: false,
        code: None,
        labels: Labels::default(),
        named: false,
        trace: None,
        parent: None,
        remote: None,
        resource: None,
        service_names: Vec::new(),
        scope: Default::default(),
        export: None,
        relation: Relation::default(),
        request: RequestDraft::default(),
        span: Span { name, kind, ..Span::default() },
    };
    draft.fields(line, names)?;
    Ok(draft)
}

/// A service, with `#2` behind it for a second instance; `None` for `?`.
pub(super) fn read_source(line: &mut Line<'_>) -> Result<Option<Source>, NotationError> {
    if line.rest().starts_with('"') {
        let service = line.quoted()?;
        let instance = if line.take("#") { instance(&line.plain(":")) } else { Some(1) };
        return match instance {
            Some(instance) => Ok(Some(Source::new(&service, instance))),
            None => Err(line.expected("the number of an instance")),
        };
    }
    let place = line.place();
    let word = line.plain(":=\"");
    if word == "?" {
        return Ok(None);
    }
    let (service, number) = word.split_once('#').unwrap_or((&word, "1"));
    match instance(number) {
        Some(instance) if !service.is_empty() => Ok(Some(Source::new(service, instance))),
        _ => {
            Err(place.expected("a service: `api-service`, or `api-service#2` for its second instance", &word))
        }
    }
}

fn instance(number: &str) -> Option<u32> {
    number.parse().ok()
}

impl Draft {
    /// Reads a line that begins with `|`: more of the span above it.
    pub(super) fn more(&mut self, line: &mut Line<'_>, names: &mut Names) -> Result<(), NotationError> {
        line.place();
        let mut ahead = line.clone();
        match ahead.item()? {
            Some(Item::Word(word)) if word == "event" => {
                *line = ahead;
                line.place();
                let name = line.quoted()?;
                let attributes = read_labels(line)?;
                self.span.events.push(Event { name, time: 0, attributes });
            }
            Some(Item::Word(word)) if word == "link" => {
                *line = ahead;
                let place = line.place();
                let (trace_id, span_id) = names_of(&line.word(), place, names)?;
                let attributes = read_labels(line)?;
                self.span.links.push(Link { trace_id, span_id, attributes });
            }
            Some(Item::Word(word)) if word == "malformed" => {
                *line = ahead;
                self.span.malformed_ids.push(read_malformed(line)?);
            }
            _ => self.fields(line, names)?,
        }
        Ok(())
    }

    fn fields(&mut self, line: &mut Line<'_>, names: &mut Names) -> Result<(), NotationError> {
        loop {
            let place = line.place();
            match line.item()? {
                None => return Ok(()),
                Some(Item::Word(word)) => self.word(&word, place)?,
                Some(Item::Absent(key)) if key == "service.name" => self.service_names.push(None),
                Some(Item::Absent(key)) => self.labels.absent.push(key),
                Some(Item::Key(key, in_quotes)) => {
                    if in_quotes || !self.field(&key, line, names)? {
                        self.labels.written.push((key, read_value(line)?));
                    }
                }
                Some(Item::Text(text)) => {
                    return Err(
                        place.expected("a label key=value, or status=ERROR before a description", &text)
                    );
                }
                Some(Item::Header(name)) => {
                    return Err(place.expected("a label key=value", &format!("{name}:")));
                }
            }
        }
    }

    fn word(&mut self, word: &str, place: Place) -> Result<(), NotationError> {
        if let Some(code) = read_code(word) {
            self.code = Some(code);
            return Ok(());
        }
        if self.relation.word(word) || self.request.word(word) {
            return Ok(());
        }
        Err(place.expected("a status code (503, UNAVAILABLE), a field or a label key=value", word))
    }

    /// Reads the value of a structural field; `false` if the key is a label.
    fn field(&mut self, key: &str, line: &mut Line<'_>, names: &mut Names) -> Result<bool, NotationError> {
        if self.request.field(key, line, names)? {
            return Ok(true);
        }
        let at = line.place();
        match key {
            "status" => {
                let word = line.word();
                self.span.status.code = match word.as_str() {
                    "UNSET" => StatusCode::Unset,
                    "OK" => StatusCode::Ok,
                    "ERROR" => StatusCode::Error,
                    _ => return Err(at.expected("`ERROR`, `OK` or `UNSET`", &word)),
                };
                let mut ahead = line.clone();
                if let Ok(Some(Item::Text(text))) = ahead.item() {
                    self.span.status.message = text;
                    *line = ahead;
                }
            }
            "rpc-code" => self.span.status.rpc_code = Some(number(line)?),
            "id" => {
                self.span.span_id = names.define(&line.word(), at)?;
                self.named = true;
            }
            "trace" => self.trace = Some(names.trace(&line.word(), at)?),
            "parent" => self.parent = Some(names.span(&line.word(), at)?),
            "remote" => {
                let word = line.word();
                self.remote = Some(match word.as_str() {
                    "true" => Some(true),
                    "false" => Some(false),
                    "unknown" => None,
                    _ => return Err(at.expected("`true`, `false` or `unknown`", &word)),
                });
            }
            "time" => {
                let word = line.word();
                if !self.relation.time(&word) {
                    return Err(
                        at.expected("`reversed`, `zero`, `no-start`, `no-end` or `outside-run`", &word)
                    );
                }
            }
            "during" => self.relation.during = Some(names.span(&line.word(), at)?),
            "scope" => self.scope[0] = Some(line.quoted()?),
            "scope.version" => self.scope[1] = Some(line.quoted()?),
            "scope.schema" => self.scope[2] = Some(line.quoted()?),
            "tracestate" => self.span.trace_state = line.quoted()?,
            "via" => {
                let word = line.word();
                self.span.protocol = Some(read_protocol(&word, at)?);
            }
            "export" => {
                let word = line.word();
                self.export = Some(match word.as_str() {
                    "none" => None,
                    _ => Some(read_position(&word, at)?),
                });
            }
            "dropped-attributes" => self.span.dropped_attributes = number(line)?,
            "dropped-events" => self.span.dropped_events = number(line)?,
            "dropped-links" => self.span.dropped_links = number(line)?,
            "resource" => self.resource = Some(line.word()),
            "source" => {
                let word = line.word();
                if word != "none" {
                    return Err(at.expected("`none`", &word));
                }
                self.without_source = true;
            }
            "service.name" => self.service_names.push(Some(read_value(line)?)),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The rest of a line as labels.
pub(super) fn read_labels(line: &mut Line<'_>) -> Result<Vec<(String, Value)>, NotationError> {
    let mut labels = Vec::new();
    while !line.is_done() {
        match line.clone().item()? {
            Some(Item::Key(key, _)) => {
                line.item()?;
                labels.push((key, read_value(line)?));
            }
            _ => return Err(line.expected("a label key=value")),
        }
    }
    Ok(labels)
}

/// `T1/S1`, with names or `zero`.
pub(super) fn names_of(
    word: &str,
    place: Place,
    names: &mut Names,
) -> Result<(TraceId, SpanId), NotationError> {
    match word.split_once('/') {
        Some((trace, span)) => Ok((names.trace(trace, place)?, names.span(span, place)?)),
        None => Err(place.expected("a trace and a span: `T1/S1`, or `T1/P1` where it never arrived", word)),
    }
}

fn read_malformed(line: &mut Line<'_>) -> Result<MalformedId, NotationError> {
    let at = line.place();
    let word = line.word();
    let field = ID_FIELDS.iter().find(|(_, name)| *name == word);
    let (field, _) =
        field.ok_or_else(|| at.expected("`trace`, `span`, `parent`, `link` or `resource-name`", &word))?;
    let at = line.place();
    let word = line.word();
    let problem = ID_PROBLEMS.iter().find(|(_, name)| *name == word);
    let (problem, _) = problem
        .ok_or_else(|| at.expected("`unreadable`, `zero`, `upper-case`, `disagrees` or `base64`", &word))?;
    line.place();
    Ok(MalformedId { field: *field, problem: *problem, text: line.quoted()? })
}

/// The names of [`IdField`] in the notation.
pub(in crate::notation) const ID_FIELDS: [(IdField, &str); 5] = [
    (IdField::Trace, "trace"),
    (IdField::Span, "span"),
    (IdField::Parent, "parent"),
    (IdField::Link, "link"),
    (IdField::ResourceName, "resource-name"),
];

/// The names of [`IdProblem`] in the notation.
pub(in crate::notation) const ID_PROBLEMS: [(IdProblem, &str); 5] = [
    (IdProblem::Unreadable, "unreadable"),
    (IdProblem::Zero, "zero"),
    (IdProblem::UpperCase, "upper-case"),
    (IdProblem::Disagrees, "disagrees"),
    (IdProblem::Base64, "base64"),
];

/// A code as it stands on span and wire lines.
pub(super) fn read_code(word: &str) -> Option<Code> {
    if word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit()) {
        return word.parse().ok().filter(|status| *status >= 100).map(Code::Http);
    }
    word.parse().ok().map(Code::Grpc)
}

/// A number where the line stands.
pub(super) fn number<T: std::str::FromStr>(line: &mut Line<'_>) -> Result<T, NotationError> {
    let at = line.place();
    let word = line.word();
    word.parse().map_err(|_| at.expected("a number", &word))
}

/// The position of an export request, written from 1.
pub(super) fn read_position(word: &str, at: Place) -> Result<usize, NotationError> {
    let position: Option<usize> = word.parse().ok();
    position
        .and_then(|position| position.checked_sub(1))
        .ok_or_else(|| at.expected("the number of an export request, from 1, or `none`", word))
}

/// A protocol by its name in reports.
pub(super) fn read_protocol(word: &str, at: Place) -> Result<Protocol, NotationError> {
    let all = [
        Protocol::OtlpGrpc,
        Protocol::OtlpHttp,
        Protocol::OtlpHttpJson,
        Protocol::CloudTraceGrpc,
        Protocol::CloudTraceRest,
    ];
    all.into_iter().find(|protocol| protocol.as_str() == word).ok_or_else(|| {
        at.expected(
            "`otlp-grpc`, `otlp-http`, `otlp-http-json`, `cloud-trace-grpc` or `cloud-trace-rest`",
            word,
        )
    })
}

fn kind(word: &str) -> Option<SpanKind> {
    use SpanKind::{Client, Consumer, Internal, Producer, Server, Unspecified};
    [Server, Client, Internal, Producer, Consumer, Unspecified].into_iter().find(|kind| kind.as_str() == word)
}
