//! Span lines and the `|` lines below them, as they stand: what they imply is filled in later.

use crate::notation::error::NotationError;
use crate::notation::implied::Code;
use crate::notation::line::{Item, Line, Place};
use crate::notation::times::Relation;
use crate::notation::value::read_value;
use crate::{Event, IdField, IdProblem, Link, MalformedId, Source, Span, SpanId, TraceId, Value};

use super::labels::{Labels, read_labels};
use super::names::Names;
use super::request::RequestDraft;
use super::words::{kind, names_of, number, read_code, read_position, read_protocol, read_source, status};

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
    pub(super) announced: Option<SpanId>,
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
        announced: None,
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
                let code = status(&word);
                self.span.status.code = code.ok_or_else(|| at.expected("`ERROR`, `OK` or `UNSET`", &word))?;
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
            "announced" => self.announced = Some(names.span(&line.word(), at)?),
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
