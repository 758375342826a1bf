//! Times as relations: what is out of the ordinary in them, which is all that the notation and the normal form keep.

use std::collections::{BTreeMap, HashMap};

use super::forest::Forest;
use super::stamps::streams;
use crate::{Evidence, Observation, Span, SpanId, SpanKind};

/// What is out of the ordinary in a span's times. By default a span lies inside its parent, behind its elder siblings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// Its start is 0.
    pub no_start: bool,
    /// Its end is 0.
    pub no_end: bool,
    /// It ends before it starts.
    pub reversed: bool,
    /// It lies outside the run.
    pub outside_run: bool,
    /// It starts before its parent, which is a span of the same instance.
    pub starts_before_parent: bool,
    /// It ends after its parent, which is a span of the same instance.
    pub ends_after_parent: bool,
    /// It ended before the front saw the last data frame but one of its answer.
    pub ends_before_stream: bool,
    /// It is the same as the first span with its ids, times included: it was exported again.
    pub copy: bool,
    /// The span of another tree that it lies in, where no wire was recorded that could tell.
    pub during: Option<SpanId>,
}

impl Relation {
    /// Takes a word of a span line; `false` if it is none of times.
    pub(super) fn word(&mut self, word: &str) -> bool {
        match word {
            "starts-before-parent" => self.starts_before_parent = true,
            "ends-after-parent" => self.ends_after_parent = true,
            "ends-before-stream" => self.ends_before_stream = true,
            "copy" => self.copy = true,
            _ => return false,
        }
        true
    }

    /// Takes the value of `time=`; `false` if it is none.
    pub(super) fn time(&mut self, word: &str) -> bool {
        match word {
            "zero" => (self.no_start, self.no_end) = (true, true),
            "no-start" => self.no_start = true,
            "no-end" => self.no_end = true,
            "reversed" => self.reversed = true,
            "outside-run" => self.outside_run = true,
            _ => return false,
        }
        true
    }

    /// The relation as the words of a span line, `during` aside.
    pub(super) fn words(&self) -> Vec<&'static str> {
        let mut words = Vec::new();
        match (self.no_start, self.no_end) {
            (true, true) => words.push("time=zero"),
            (true, false) => words.push("time=no-start"),
            (false, true) => words.push("time=no-end"),
            (false, false) => {}
        }
        let flags = [
            (self.reversed, "time=reversed"),
            (self.outside_run, "time=outside-run"),
            (self.starts_before_parent, "starts-before-parent"),
            (self.ends_after_parent, "ends-after-parent"),
            (self.ends_before_stream, "ends-before-stream"),
            (self.copy, "copy"),
        ];
        words.extend(flags.into_iter().filter(|(is, _)| *is).map(|(_, word)| word));
        words
    }

    /// Whether start and end are known, in order and inside the run, so that others can be compared with them.
    pub(super) fn is_plain(&self) -> bool {
        !(self.no_start || self.no_end || self.reversed || self.outside_run)
    }
}

/// Extracts what is out of the ordinary in the times of an observation's spans.
pub fn relations(observation: &Observation, forest: &Forest) -> Vec<Relation> {
    let spans = &observation.spans;
    let (begun, ended) = (observation.settings.begun, observation.settings.ended);
    let timed = (begun, ended) != (0, 0);
    let alone = |span: &Span| {
        let (no_start, no_end) = (span.start == 0, span.end == 0);
        let outside = |time: u64| time < begun || time > ended;
        Relation {
            no_start,
            no_end,
            reversed: !no_start && !no_end && span.end < span.start,
            outside_run: timed && !no_start && !no_end && (outside(span.start) || outside(span.end)),
            ..Relation::default()
        }
    };
    let mut relations: Vec<Relation> = spans.iter().map(alone).collect();
    for (at, span) in spans.iter().enumerate() {
        let Some(parent) = forest.parent[at].filter(|parent| relations[*parent].is_plain()) else { continue };
        if relations[at].is_plain() && same_instance(&spans[parent], span) {
            relations[at].starts_before_parent = span.start < spans[parent].start;
            relations[at].ends_after_parent = span.end > spans[parent].end;
        }
    }
    for (at, first) in firsts(spans).into_iter().enumerate() {
        let same_time = |first: usize| {
            (spans[first].start, spans[first].end) == (spans[at].start, spans[at].end)
                && relations[first].is_plain()
        };
        relations[at].copy = first.is_some_and(same_time);
    }
    streams(observation, &mut relations);
    if !observation.recorded.contains(&Evidence::Wire) {
        hosts(spans, forest, &mut relations);
    }
    relations
}

/// For each span, the first one before it that has its ids and is the same but for times and labels.
pub(super) fn firsts(spans: &[Span]) -> Vec<Option<usize>> {
    let mut first = HashMap::new();
    let mut firsts = Vec::with_capacity(spans.len());
    for (at, span) in spans.iter().enumerate() {
        let ids = (span.trace_id, span.span_id, span.parent_span_id);
        let known = *first.entry((ids, span.kind, &*span.name, span.source.as_ref())).or_insert(at);
        firsts.push((known != at).then_some(known));
    }
    firsts
}

/// Whether two spans were made by one instance, whose clock they share.
pub(super) fn same_instance(a: &Span, b: &Span) -> bool {
    a.source == b.source && a.shown_service() == b.shown_service()
}

/// Finds, for SERVER spans without a parent, the one span of another service that could have made the call: a CLIENT span
/// without children that they lie in, else a SERVER span that made no call.
fn hosts(spans: &[Span], forest: &Forest, relations: &mut [Relation]) {
    let is_guest = |at: &usize| {
        let span = &spans[*at];
        span.kind == SpanKind::Server && span.parent_span_id.is_none() && relations[*at].is_plain()
    };
    let guests: Vec<usize> = forest.roots.iter().copied().filter(is_guest).collect();
    if guests.is_empty() {
        return;
    }
    let calls = |at: usize| forest.children[at].iter().any(|child| spans[*child].kind == SpanKind::Client);
    let could_call = |at: &usize| {
        let span = &spans[*at];
        let silent = match span.kind {
            SpanKind::Client => forest.children[*at].is_empty(),
            SpanKind::Server => !calls(*at),
            _ => false,
        };
        silent && relations[*at].is_plain() && span.is_judged() && span.span_id.is_valid()
    };
    let mut starts: Vec<usize> = (0..spans.len()).filter(could_call).chain(guests.iter().copied()).collect();
    starts.sort_by_key(|at| spans[*at].start);
    starts.dedup();
    let guests: std::collections::HashSet<usize> = guests.into_iter().collect();
    // By its end, every span that could call and has started already.
    let mut open: BTreeMap<(u64, usize), usize> = BTreeMap::new();
    let mut found: Vec<(usize, SpanId)> = Vec::new();
    for at in starts {
        let span = &spans[at];
        if guests.contains(&at) {
            while open.first_key_value().is_some_and(|((end, _), _)| *end < span.start) {
                open.pop_first();
            }
            let around: Vec<usize> =
                open.range((span.end, 0)..).map(|(_, host)| *host).take(MOST_HOSTS).collect();
            let crowded = around.len() == MOST_HOSTS;
            let other = |host: &usize| spans[*host].shown_service() != span.shown_service();
            let around: Vec<usize> = around.into_iter().filter(other).collect();
            let only = |kind: SpanKind| {
                let mut hosts = around.iter().filter(|host| spans[**host].kind == kind);
                hosts.next().filter(|_| hosts.next().is_none())
            };
            let clients = around.iter().any(|host| spans[*host].kind == SpanKind::Client);
            let host = if clients { only(SpanKind::Client) } else { only(SpanKind::Server) };
            found.extend(host.filter(|_| !crowded).map(|host| (at, spans[*host].span_id)));
        }
        if could_call(&at) {
            open.insert((span.end, at), at);
        }
    }
    for (at, host) in found {
        relations[at].during = Some(host);
    }
}

/// With so many spans around it, nobody can tell which one called.
const MOST_HOSTS: usize = 16;
