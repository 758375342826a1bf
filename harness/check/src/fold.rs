//! Root causes: which finding explains which, and the order of findings.
//!
//! The engine calls it. A finding explains another if its rule says so, it is at least as bad, and the other stands on
//! the same exchange, on its spans, or below or behind them. What is wrong with a span's own labels or status explains
//! nothing below it, and what gave way to another finding explains nothing at all.

use std::hash::Hash;

use foldhash::{HashMap, HashSet};
use spanwise_model::{Finding, TraceId};

use crate::anchor::Anchor;
use crate::findings::Found;
use crate::{Check, Family, Index, Node, Rule, registry, semconv};

/// Which rules may explain which.
pub(crate) struct Causes {
    /// By the explained rule, the rules that explain it.
    of: HashMap<&'static str, Vec<&'static Rule>>,
}

/// How many calls within calls, and how many findings above one another, are followed to a cause.
const DEPTH: usize = 64;

impl Causes {
    pub(crate) fn of(rules: &[&'static Rule]) -> Causes {
        let mut of: HashMap<_, Vec<_>> = HashMap::default();
        for rule in rules {
            for explained in rule.explains {
                of.entry(*explained).or_default().push(*rule);
            }
        }
        Causes { of }
    }

    /// Sets `consequence_of` of every finding to its root cause. Rules explain one another in one direction only, so
    /// following causes ends.
    pub(crate) fn fold(&self, index: &Index<'_>, found: &mut [Found]) {
        if found.len() < 2 {
            // Most traces have nothing wrong with them.
            return;
        }
        let places = Places::of(index, found);
        // What gives way does so before it may explain anything.
        let mut causes: Vec<Option<usize>> = found.iter().map(|one| self.stronger(found, one)).collect();
        for at in 0..found.len() {
            if !found[at].anchor.gives_way {
                causes[at] = self.cause(index, found, &places, &causes, at);
            }
        }
        for at in 0..found.len() {
            let chain = std::iter::successors(causes[at], |&cause| causes[cause]);
            let root = chain.take(found.len()).last();
            found[at].finding.consequence_of = root;
        }
    }

    /// The first finding that one that gives way gives way to; `None` for one that does not.
    fn stronger(&self, found: &[Found], weak: &Found) -> Option<usize> {
        let is_stronger = |other: &Found| {
            !other.anchor.gives_way
                && other.finding.level >= weak.finding.level
                && self.explaining(weak, other).is_none()
        };
        if weak.anchor.gives_way { found.iter().position(is_stronger) } else { None }
    }

    /// The rule by which a finding may explain another, wherever they stand.
    fn explaining(&self, cause: &Found, consequence: &Found) -> Option<&'static Rule> {
        let rules = self.of.get(&*consequence.finding.rule)?;
        let is_as_bad = cause.finding.level >= consequence.finding.level;
        let rule = rules.iter().find(|rule| rule.name == cause.finding.rule);
        rule.filter(|_| is_as_bad && !cause.anchor.is_harmless).copied()
    }

    /// The first finding that explains another; one that gives way does where no other does.
    fn cause(
        &self,
        index: &Index<'_>,
        found: &[Found],
        places: &Places<'_>,
        stronger: &[Option<usize>],
        consequence: usize,
    ) -> Option<usize> {
        let consequence = &found[consequence];
        let rules = self.of.get(&*consequence.finding.rule)?;
        let explains = |at: usize| {
            let rule = self.explaining(&found[at], consequence);
            rule.is_some_and(|rule| is_near(rule, &found[at], consequence))
        };
        let of_rule = |rule: &&'static Rule| at(&places.by_rule, (), rule);
        let differential = rules.iter().filter(|rule| matches!(rule.check, Check::Group(_)));
        let anywhere = differential.flat_map(of_rule);
        let nowhere = rules.iter().flat_map(|rule| places.nowhere(consequence.finding.trace_id, rule));
        let nowhere = nowhere.filter(|&at| covers_all(&found[at].finding, &consequence.finding));
        let mut candidates: Vec<usize> = anywhere.chain(nowhere).collect();
        if consequence.anchor.is_nowhere() {
            let touches = |&at: &usize| touches(index, &found[at].anchor, &consequence.finding);
            match consequence.finding.trace_id {
                Some(trace) => {
                    let of_rule = |rule: &&'static Rule| at(&places.in_trace, trace, rule);
                    candidates.extend(rules.iter().flat_map(of_rule).filter(touches));
                }
                None => candidates.extend(rules.iter().flat_map(of_rule).filter(touches)),
            }
        } else {
            places.reaching(index, &consequence.anchor, rules, &mut candidates);
        }
        candidates.sort_unstable();
        candidates.dedup();
        let (weak, strong): (Vec<usize>, Vec<usize>) =
            candidates.into_iter().partition(|&at| found[at].anchor.gives_way);
        let weak = weak.into_iter().filter(|&at| stronger[at].is_none());
        strong.into_iter().chain(weak).find(|&at| explains(at))
    }
}

/// Findings by where they stand and by rule.
type At<'f, Place> = HashMap<(Place, &'f str), Vec<usize>>;

/// How many findings of one rule at one place are kept as causes: each may be asked for by each that stands there.
const TRIES: usize = 256;

/// Findings by where they stand, so that each is compared only with those above it that may explain it.
struct Places<'f> {
    by_rule: At<'f, ()>,
    /// Findings that stand on no span and no exchange, by the trace they are about.
    nowhere: At<'f, Option<TraceId>>,
    /// Findings on spans and exchanges, by the traces that these are of.
    in_trace: At<'f, TraceId>,
    /// By span: findings on it, or on an exchange that led to it.
    on_span: At<'f, usize>,
    on_hop: At<'f, usize>,
    /// For each span the nearest span at or above it that has findings.
    nearest: Vec<Option<usize>>,
}

impl<'f> Places<'f> {
    fn of(index: &Index<'_>, found: &'f [Found]) -> Places<'f> {
        let mut places = Places {
            by_rule: HashMap::default(),
            nowhere: HashMap::default(),
            in_trace: HashMap::default(),
            on_span: HashMap::default(),
            on_hop: HashMap::default(),
            nearest: Vec::new(),
        };
        let mut spans = HashSet::default();
        for (at, Found { finding, anchor }) in found.iter().enumerate() {
            let rule = &*finding.rule;
            put(&mut places.by_rule, (), rule, at);
            if anchor.is_nowhere() {
                put(&mut places.nowhere, finding.trace_id, rule, at);
            }
            let traces: HashSet<TraceId> = reached(index, anchor).map(|node| node.trace_id).collect();
            for trace in traces {
                put(&mut places.in_trace, trace, rule, at);
            }
            for &span in &anchor.spans {
                spans.insert(span);
                put(&mut places.on_span, span, rule, at);
            }
            for &hop in &anchor.hops {
                put(&mut places.on_hop, hop, rule, at);
                let hop = index.hop(hop);
                for server in hop.server().into_iter().chain(hop.unlinked()).chain(hop.surplus()) {
                    spans.insert(server.at());
                    put(&mut places.on_span, server.at(), rule, at);
                }
            }
        }
        places.nearest = index.nearest(|node| spans.contains(&node.at()));
        places
    }

    /// The findings of a rule without a place that are about a trace, or about none in particular.
    fn nowhere(&self, trace: Option<TraceId>, rule: &'static Rule) -> impl Iterator<Item = usize> {
        let of_trace = trace.into_iter().flat_map(move |trace| at(&self.nowhere, Some(trace), rule));
        at(&self.nowhere, None, rule).chain(of_trace)
    }

    /// Collects the findings of rules that reach a place: on it, above it, or on the calls that led there.
    fn reaching(
        &self,
        index: &Index<'_>,
        place: &Anchor,
        rules: &[&'static Rule],
        candidates: &mut Vec<usize>,
    ) {
        for &span in &place.spans {
            self.above(index, index.node(span), rules, candidates);
        }
        for &hop in &place.hops {
            let calls = std::iter::successors(Some(index.hop(hop)), |hop| hop.inbound()).take(DEPTH);
            for hop in calls {
                candidates.extend(rules.iter().flat_map(|rule| at(&self.on_hop, hop.at(), rule)));
                if let Some(sender) = hop.sender() {
                    self.above(index, sender, rules, candidates);
                }
            }
        }
    }

    /// Collects the findings of rules on a span and its ancestors.
    fn above(&self, index: &Index<'_>, node: Node<'_>, rules: &[&'static Rule], candidates: &mut Vec<usize>) {
        let next = |span: usize| index.node(span).parent().and_then(|parent| self.nearest[parent.at()]);
        for span in std::iter::successors(self.nearest[node.at()], |&span| next(span)).take(DEPTH) {
            candidates.extend(rules.iter().flat_map(|rule| at(&self.on_span, span, rule)));
        }
    }
}

/// Puts a finding at a place, unless there are enough of its rule.
fn put<'f, Place: Eq + Hash>(places: &mut At<'f, Place>, place: Place, rule: &'f str, finding: usize) {
    let of_rule = places.entry((place, rule)).or_default();
    if of_rule.len() < TRIES {
        of_rule.push(finding);
    }
}

/// The findings of a rule at a place.
fn at<Place: Eq + Hash>(
    places: &At<'_, Place>,
    place: Place,
    rule: &'static Rule,
) -> impl Iterator<Item = usize> {
    places.get(&(place, rule.name)).into_iter().flatten().copied()
}

/// A finding about a whole service explains what is found in that service; one about nothing in particular, everything.
fn covers_all(cause: &Finding, consequence: &Finding) -> bool {
    cause.service.is_none() || cause.service == consequence.service
}

/// Whether a cause is near enough to explain a finding that it reaches: labels and status say something of their own span
/// alone, and of one label nothing follows for another.
fn is_near(rule: &Rule, cause: &Found, consequence: &Found) -> bool {
    if !matches!(rule.family, Family::Labels | Family::Status) {
        return true;
    }
    let [of_cause, of_consequence] = [cause, consequence].map(|found| concepts(&found.finding));
    let one_concept = of_cause.is_empty()
        || of_consequence.is_empty()
        || of_cause.iter().any(|concept| of_consequence.contains(concept));
    one_concept && cause.anchor.shares_place(&consequence.anchor)
}

/// What the labels mean that a finding is about.
fn concepts(finding: &Finding) -> Vec<&str> {
    let labels = ["label", "renamed_to"].into_iter().filter_map(|fact| finding.facts.get(fact)?.as_str());
    labels.map(semconv::concept).collect()
}

/// The spans on which a finding stands, and those that its exchanges came from and led to.
fn reached<'i>(index: &'i Index<'_>, anchor: &Anchor) -> impl Iterator<Item = Node<'i>> {
    let hops = anchor.hops.iter().map(|&at| index.hop(at));
    let led_to = hops.flat_map(|hop| [hop.sender(), hop.server(), hop.unlinked()]).flatten();
    anchor.spans.iter().map(|&at| index.node(at)).chain(led_to)
}

/// Whether a span that the cause reaches is in the trace and of the service that a finding is about.
fn touches(index: &Index<'_>, cause: &Anchor, consequence: &Finding) -> bool {
    reached(index, cause).any(|node| {
        let trace = consequence.trace_id.is_none_or(|trace| trace == node.trace_id);
        trace && consequence.service.as_deref().is_none_or(|service| node.service() == Some(service))
    })
}

/// Puts findings into canonical order: the worst first, then by the catalogue, by place, and by time.
pub(crate) fn sort(index: &Index<'_>, found: &mut [Found]) {
    if found.len() < 2 {
        return;
    }
    let places: HashMap<&str, usize> =
        registry::rules().enumerate().map(|(place, rule)| (rule.name, place)).collect();
    found.sort_by_cached_key(|Found { finding, anchor }| {
        let hop = finding.hop.as_ref().map(|hop| (hop.from.clone(), hop.to.clone()));
        let spans = anchor.spans.iter().map(|&at| index.node(at).start);
        let hops = anchor.hops.iter().map(|&at| index.hop(at).tap().stamps.begun);
        (
            std::cmp::Reverse(finding.level),
            // Rules of the user's own are in no catalogue, and come last.
            places.get(&*finding.rule).copied().unwrap_or(usize::MAX),
            finding.rule.clone(),
            finding.service.clone(),
            finding.span_path.clone(),
            hop,
            spans.chain(hops).min(),
        )
    });
}
