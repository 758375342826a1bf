//! The lines that services wrote while requests were under way, as Cloud Logging reads them.
//!
//! Rules of the family `logs` walk [`LogLines::structured`] and gather what they find in [`Mistakes`]: one finding for each
//! service and kind of mistake, however many lines have it. Lines before the first request and after the last one belong to
//! nobody, and no rule speaks of them.

use foldhash::HashSet;
use serde_json::{Map, Value};
use spanwise_model::{LogRecord, TraceId};

use crate::{Findings, Hop, Index, Ordered, Report};

/// The special field that names the trace (Cloud Logging, "Structured logging").
pub(crate) const TRACE: &str = "logging.googleapis.com/trace";
/// The special field that names the span.
pub(crate) const SPAN: &str = "logging.googleapis.com/spanId";
/// The special field that tells whether the trace is sampled.
pub(crate) const SAMPLED: &str = "logging.googleapis.com/trace_sampled";

/// A line with what is in it.
#[derive(Clone)]
pub(crate) struct LogLine<'i> {
    /// The line as it was read.
    pub(crate) record: &'i LogRecord,
    content: Content,
}

/// What a line is to Cloud Logging.
#[derive(Clone)]
enum Content {
    Object(Map<String, Value>),
    Text,
    /// It may have been an object before a secret in it was replaced, or before it was cut.
    Unknown,
}

/// The trace that a line names.
#[derive(Clone, Copy)]
pub(crate) struct TraceName<'l> {
    /// `P` of `projects/P/traces/ID`; `None` where the id stands alone.
    pub(crate) project: Option<&'l str>,
    /// The trace.
    pub(crate) id: TraceId,
}

impl<'i> LogLine<'i> {
    fn new(record: &'i LogRecord) -> LogLine<'i> {
        let text = record.line.trim();
        let content = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Content::Object(fields),
            // The reader cuts lines that are very long, and puts placeholders where secrets were.
            Err(_) if text.starts_with('{') && (!text.ends_with('}') || text.contains(" sha256:")) => {
                Content::Unknown
            }
            _ => Content::Text,
        };
        LogLine { record, content }
    }

    /// The service that wrote it.
    pub(crate) fn service(&self) -> &'i str {
        &self.record.source.service
    }

    /// Whether it is surely no JSON object.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.content, Content::Text)
    }

    /// A field; one that is null or empty counts as absent, as many loggers always write theirs.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        let Content::Object(fields) = &self.content else { return None };
        fields.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    /// The trace it names, where it does so in one of the two accepted forms.
    pub(crate) fn trace(&self) -> Option<TraceName<'_>> {
        let text = self.field(TRACE)?.as_str()?;
        let (project, id) = match text.strip_prefix("projects/") {
            Some(rest) => rest.split_once("/traces/").map(|(project, id)| (Some(project), id))?,
            None => (None, text),
        };
        let is_project = |name: &str| !name.is_empty() && !name.contains('/');
        let parsed: TraceId = id.parse().ok()?;
        // Texts are compared as they are, so upper case is another trace.
        let is_right = parsed.is_valid() && parsed.to_string() == id && project.is_none_or(is_project);
        is_right.then_some(TraceName { project, id: parsed })
    }

    /// The line for a person, cut where it is long.
    fn shown(&self) -> String {
        const LONGEST: usize = 240;
        let line = self.record.line.trim();
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.to_owned(),
        }
    }
}

/// The lines of an observation that count.
pub(crate) struct LogLines<'i> {
    index: &'i Index<'i>,
    lines: Vec<LogLine<'i>>,
    begun: u64,
    ended: u64,
}

/// How long after the last answer a line may be of a request, in nanoseconds: it is written down when it is read.
const BEHIND: u64 = 250_000_000;

impl<'i> LogLines<'i> {
    /// Those of services, between the beginning of the first request and the end of the last one; blank ones are left out.
    pub(crate) fn of(index: &'i Index<'i>) -> LogLines<'i> {
        let (begun, ended) = requests_time(index).unwrap_or((u64::MAX, 0));
        let counts = |record: &&LogRecord| {
            let in_time = (begun..=ended.saturating_add(BEHIND)).contains(&record.time);
            in_time && !record.source.is_driver() && !record.line.trim().is_empty()
        };
        let lines = index.observation.logs.iter().filter(counts).map(LogLine::new).collect();
        LogLines { index, lines, begun, ended }
    }

    /// Every line.
    pub(crate) fn all(&self) -> impl Iterator<Item = &LogLine<'i>> {
        self.lines.iter()
    }

    /// The lines that are JSON objects. A service that wrote none of these is not observed: what it wrote is text, and
    /// another rule says so.
    pub(crate) fn structured(&self, findings: &mut Findings<'_>) -> Vec<&LogLine<'i>> {
        let is_object = |line: &&LogLine<'_>| matches!(line.content, Content::Object(_));
        let objects: Vec<&LogLine<'i>> = self.all().filter(is_object).collect();
        let with_objects: HashSet<&str> = objects.iter().map(|line| line.service()).collect();
        let services: HashSet<&str> = self.all().map(LogLine::service).collect();
        services.difference(&with_objects).for_each(|_| findings.not_observed());
        objects
    }

    /// The exchange during which a line was written: the one of the request whose marker is in it, else the only one that
    /// its service was serving.
    pub(crate) fn exchange(&self, line: &LogLine<'_>) -> Option<Hop<'i>> {
        let served = || self.index.hops().filter(|hop| hop.tap().to == line.record.source);
        let mut marked = self.index.requests().filter(|(_, request)| {
            request.marker.as_deref().is_some_and(|marker| has_word(&line.record.line, marker))
        });
        if let (Some((request, _)), None) = (marked.next(), marked.next()) {
            return served().find(|hop| hop.request() == Some(request));
        }
        let time = line.record.time;
        let mut open = served().filter(|hop| {
            let stamps = hop.tap().stamps;
            stamps.begun <= time && (stamps.ended == 0 || time <= stamps.ended)
        });
        open.next().filter(|_| open.next().is_none() && (self.begun..=self.ended).contains(&time))
    }
}

/// From when to when requests were under way, by the driver's spans and by its exchanges.
fn requests_time(index: &Index<'_>) -> Option<(u64, u64)> {
    let spans = index.requests().filter_map(|(_, request)| index.find(request.trace_id, request.span_id));
    let spans = spans.map(|span| (span.start, span.end));
    let taps = index.hops().filter(|hop| hop.is_from_driver()).map(|hop| hop.tap().stamps);
    let times = spans.chain(taps.map(|stamps| (stamps.begun, stamps.ended.max(stamps.begun))));
    times.filter(|(begun, _)| *begun > 0).reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
}

/// Whether a word stands in a text, and not inside of another one.
fn has_word(text: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_');
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            !joins(text[..at].chars().next_back()) && !joins(text[at + word.len()..].chars().next())
        })
}

/// Mistakes by service and kind: how many lines have each, and the first of them.
pub(crate) struct Mistakes<'l, K> {
    found: Ordered<(&'l str, K), (i64, &'l LogLine<'l>)>,
}

impl<'l, K: std::hash::Hash + Eq> Mistakes<'l, K> {
    pub(crate) fn new() -> Mistakes<'l, K> {
        Mistakes { found: Ordered::default() }
    }

    /// Counts a line.
    pub(crate) fn add(&mut self, kind: K, line: &'l LogLine<'l>) {
        self.found.entry((line.service(), kind)).or_insert((0, line)).0 += 1;
    }

    /// One finding for each service and kind: `message` words it from the service, the number of lines and the kind, and
    /// `complete` says what was expected.
    pub(crate) fn report(
        self,
        findings: &mut Findings<'_>,
        message: impl Fn(&str, Lines, &K) -> String,
        complete: impl Fn(Report<'_>, &K),
    ) {
        for ((service, kind), (lines, first)) in self.found {
            let report = findings.on_service(service, message(service, Lines(lines), &kind));
            complete(report.actual(first.shown()).fact("lines", lines), &kind);
        }
    }
}

/// A number of lines, in words.
#[derive(Clone, Copy)]
pub(crate) struct Lines(i64);

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            1 => f.write_str("1 line"),
            lines => write!(f, "{lines} lines"),
        }
    }
}
