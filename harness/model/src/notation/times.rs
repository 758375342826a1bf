//! Times as relations: what is out of the ordinary, and a canonical layout of times that has exactly those relations.
//!
//! The parser lays out the relations that it read; the printer and the normal form extract them from real times.

use std::collections::{HashMap, HashSet};

use crate::{Observation, SpanId, TraceId};

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
    /// The span of another tree that it lies in.
    pub during: Option<SpanId>,
}

impl Relation {
    /// Takes a word of a span line; `false` if it is none of times.
    pub(super) fn word(&mut self, word: &str) -> bool {
        match word {
            "starts-before-parent" => self.starts_before_parent = true,
            "ends-after-parent" => self.ends_after_parent = true,
            "ends-before-stream" => self.ends_before_stream = true,
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
        ];
        words.extend(flags.into_iter().filter(|(is, _)| *is).map(|(_, word)| word));
        words
    }
}

/// Gives everything times in which exactly these relations hold (`relations[i]` belongs to `spans[i]`), one tick a
/// millisecond. `timed` is whether begin and end of the run are known.
pub fn lay_out(observation: &mut Observation, relations: &[Relation], timed: bool) {
    let forest = super::Forest::of(&observation.spans);
    let guests = guests(observation, &forest, relations);
    let lodged: HashSet<usize> = guests.values().flatten().copied().collect();
    let mut layout = Layout { forest: &forest, guests, tick: START };
    let mut placed = vec![(0, 0); observation.spans.len()];
    for root in forest.roots.iter().copied().filter(|root| !lodged.contains(root)) {
        layout.tree(root, &mut placed);
    }
    for at in 0..observation.spans.len() {
        let span = &mut observation.spans[at];
        (span.start, span.end) = placed[at];
        let events = span.events.len() as u64 + 1;
        let step = span.end.saturating_sub(span.start) / events;
        for (number, event) in span.events.iter_mut().enumerate() {
            event.time = span.start + step * (number as u64 + 1);
        }
    }
    let end = layout.tick;
    super::stamps::lay_out(observation, relations, &forest, end);
    exceptions(observation, relations, &forest);
    (observation.settings.begun, observation.settings.ended) =
        if timed { (START - TICK, end + 1000 * TICK) } else { (0, 0) };
}

/// Where laid out times begin: a date that no clock of a run shows.
pub(super) const START: u64 = 1_600_000_000_000_000_000;
/// The distance of laid out times.
pub(super) const TICK: u64 = 1_000_000;

/// Spans of other trees that lie in a span: those that say so, and those whose parent never arrived, in the first tree of
/// their trace.
fn guests(
    observation: &Observation,
    forest: &super::Forest,
    relations: &[Relation],
) -> HashMap<usize, Vec<usize>> {
    let spans = &observation.spans;
    let mut first: HashMap<TraceId, usize> = HashMap::new();
    let mut named: HashMap<SpanId, usize> = HashMap::new();
    for (at, span) in spans.iter().enumerate() {
        named.entry(span.span_id).or_insert(at);
    }
    let mut guests: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut host_of: HashMap<usize, usize> = HashMap::new();
    for root in &forest.roots {
        let span = &spans[*root];
        let default = span.parent_span_id.and_then(|_| first.get(&span.trace_id).copied());
        let host = relations[*root].during.and_then(|id| named.get(&id).copied()).or(default);
        // A host must not lie in its guest.
        let host = host.filter(|host| {
            let mut at = *host;
            let mut steps = 0;
            loop {
                if at == *root || steps > spans.len() {
                    return false;
                }
                match forest.parent[at].or_else(|| host_of.get(&at).copied()) {
                    Some(above) => at = above,
                    None => return true,
                }
                steps += 1;
            }
        });
        match host {
            Some(host) => {
                guests.entry(host).or_default().push(*root);
                host_of.insert(*root, host);
            }
            None => {
                first.entry(span.trace_id).or_insert(*root);
            }
        }
    }
    guests
}

/// Ticks through the trees.
struct Layout<'a> {
    forest: &'a super::Forest,
    guests: HashMap<usize, Vec<usize>>,
    tick: u64,
}

impl Layout<'_> {
    fn next(&mut self) -> u64 {
        self.tick += TICK;
        self.tick
    }

    /// Lays out a tree and its guests, a child inside its parent, behind its elder siblings.
    fn tree(&mut self, root: usize, placed: &mut [(u64, u64)]) {
        let mut open = vec![(root, false)];
        while let Some((at, done)) = open.pop() {
            if done {
                placed[at].1 = self.next();
                continue;
            }
            placed[at].0 = self.next();
            open.push((at, true));
            let guests = self.guests.get(&at).map(Vec::as_slice).unwrap_or_default();
            open.extend(guests.iter().rev().map(|guest| (*guest, false)));
            open.extend(self.forest.children[at].iter().rev().map(|child| (*child, false)));
        }
    }
}

/// Moves the times of spans that are out of the ordinary.
fn exceptions(observation: &mut Observation, relations: &[Relation], forest: &super::Forest) {
    for (at, relation) in relations.iter().enumerate() {
        let parent =
            forest.parent[at].map(|parent| (observation.spans[parent].start, observation.spans[parent].end));
        let span = &mut observation.spans[at];
        if let (true, Some((start, _))) = (relation.starts_before_parent, parent) {
            span.start = start.saturating_sub(TICK / 2);
        }
        if let (true, Some((_, end))) = (relation.ends_after_parent, parent) {
            span.end = end + TICK / 2;
        }
        if relation.reversed {
            std::mem::swap(&mut span.start, &mut span.end);
        }
        if relation.outside_run {
            (span.start, span.end) = (span.start - START / 2, span.end - START / 2);
        }
        if relation.no_start {
            span.start = 0;
        }
        if relation.no_end {
            span.end = 0;
        }
    }
}

/// Extracts what is out of the ordinary in the times of an observation's spans.
pub(super) fn relations(observation: &Observation, forest: &super::Forest) -> Vec<Relation> {
    let spans = &observation.spans;
    let (begun, ended) = (observation.settings.begun, observation.settings.ended);
    let mut relations = Vec::with_capacity(spans.len());
    for (at, span) in spans.iter().enumerate() {
        let parent = forest.parent[at].map(|parent| &spans[parent]);
        let parent =
            parent.filter(|parent| parent.shown_service() == span.shown_service() && is_plain(parent));
        let (no_start, no_end) = (span.start == 0, span.end == 0);
        let plain = is_plain(span);
        let outside = |time: u64| time != 0 && (time < begun || time > ended);
        let outside_run =
            (begun, ended) != (0, 0) && !no_start && !no_end && (outside(span.start) || outside(span.end));
        relations.push(Relation {
            no_start,
            no_end,
            reversed: !no_start && !no_end && span.end < span.start,
            outside_run,
            starts_before_parent: plain
                && !outside_run
                && parent.is_some_and(|parent| span.start < parent.start),
            ends_after_parent: plain && !outside_run && parent.is_some_and(|parent| span.end > parent.end),
            ends_before_stream: false,
            during: None,
        });
    }
    super::stamps::streams(observation, &mut relations);
    relations
}

/// Whether start and end are both known and in order, so that others can be compared with them.
fn is_plain(span: &crate::Span) -> bool {
    span.start != 0 && span.end >= span.start
}
