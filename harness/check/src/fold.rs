//! Root causes: which finding explains which, and the order of findings.
//!
//! The engine calls it. A finding explains another if its rule says so, it is at least as bad, and the other stands on
//! the same exchange, on its spans, or below or behind them.

use std::collections::{BTreeMap, HashMap};

use spanwise_model::Finding;

use crate::anchor::Anchor;
use crate::findings::Found;
use crate::{Check, Index, Rule, registry};

/// Which rules may explain which.
pub(crate) struct Causes {
    /// By the explained rule, the rules that explain it; `true` for differential ones.
    of: HashMap<&'static str, Vec<(&'static str, bool)>>,
}

/// How many calls within calls are followed from a consequence to its cause.
const DEPTH: usize = 64;

impl Causes {
    pub(crate) fn of(rules: &[&'static Rule]) -> Causes {
        let mut of: HashMap<_, Vec<_>> = HashMap::new();
        for rule in rules {
            let differential = matches!(rule.check, Check::Group(_));
            for explained in rule.explains {
                of.entry(*explained).or_default().push((rule.name, differential));
            }
        }
        Causes { of }
    }

    /// Sets `consequence_of` of every finding to its root cause. Rules explain one another in one direction only, so
    /// following causes ends.
    pub(crate) fn fold(&self, index: &Index<'_>, found: &mut [Found]) {
        let mut by_rule: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, found) in found.iter().enumerate() {
            by_rule.entry(&found.finding.rule).or_default().push(at);
        }
        let causes: Vec<Option<usize>> =
            found.iter().map(|consequence| self.cause(index, found, &by_rule, consequence)).collect();
        for at in 0..found.len() {
            let chain = std::iter::successors(causes[at], |&cause| causes[cause]);
            let root = chain.take(found.len()).last();
            found[at].finding.consequence_of = root;
        }
    }

    fn cause(
        &self,
        index: &Index<'_>,
        found: &[Found],
        by_rule: &BTreeMap<&str, Vec<usize>>,
        consequence: &Found,
    ) -> Option<usize> {
        if consequence.anchor.gives_way {
            let as_bad = |cause: &Found| cause.finding.level >= consequence.finding.level;
            return found.iter().position(|cause| as_bad(cause) && !cause.anchor.gives_way);
        }
        let rules = self.of.get(&*consequence.finding.rule)?;
        let candidates = rules.iter().flat_map(|(rule, differential)| {
            by_rule.get(rule).into_iter().flatten().map(move |&at| (at, *differential))
        });
        let explains = |&(at, differential): &(usize, bool)| {
            let cause = &found[at];
            cause.finding.level >= consequence.finding.level
                && (differential || reaches(index, cause, consequence))
        };
        candidates.filter(explains).map(|(at, _)| at).min()
    }
}

/// Whether a consequence stands where a cause does, or below or behind it.
fn reaches(index: &Index<'_>, cause: &Found, consequence: &Found) -> bool {
    if cause.anchor.is_harmless {
        return false;
    }
    if cause.anchor.is_nowhere() {
        return covers_all(&cause.finding, &consequence.finding);
    }
    if consequence.anchor.is_nowhere() {
        return touches(index, &cause.anchor, &consequence.finding);
    }
    let spans = consequence.anchor.spans.iter().any(|&at| reaches_span(index, &cause.anchor, at));
    spans || consequence.anchor.hops.iter().any(|&at| reaches_hop(index, &cause.anchor, at))
}

/// A finding about a whole service explains what is found in that service; one about nothing in particular, everything.
fn covers_all(cause: &Finding, consequence: &Finding) -> bool {
    let same_service = cause.service.is_none() || cause.service == consequence.service;
    same_service && (cause.trace_id.is_none() || cause.trace_id == consequence.trace_id)
}

/// Whether any span of the cause, or that its exchanges led to, is in the trace or service that a finding is about.
fn touches(index: &Index<'_>, cause: &Anchor, consequence: &Finding) -> bool {
    let led_to = cause.hops.iter().map(|&at| index.hop(at)).flat_map(|hop| {
        [hop.sender(), hop.server(), hop.unlinked()].into_iter().flatten().collect::<Vec<_>>()
    });
    let mut nodes = cause.spans.iter().map(|&at| index.node(at)).chain(led_to);
    nodes.any(|node| {
        let trace = consequence.trace_id.is_none_or(|trace| trace == node.trace_id);
        trace && consequence.service.as_deref().is_none_or(|service| node.service() == Some(service))
    })
}

fn reaches_span(index: &Index<'_>, cause: &Anchor, at: usize) -> bool {
    let node = index.node(at);
    let below_span = cause.spans.iter().any(|&span| node.is_at_or_below(index.node(span)));
    below_span
        || cause.hops.iter().map(|&hop| index.hop(hop)).any(|hop| {
            let servers = hop.server().into_iter().chain(hop.unlinked()).chain(hop.surplus());
            servers.into_iter().any(|server| node.is_at_or_below(server))
        })
}

fn reaches_hop(index: &Index<'_>, cause: &Anchor, at: usize) -> bool {
    let calls = std::iter::successors(Some(index.hop(at)), |hop| hop.inbound());
    let mut calls = calls.take(DEPTH);
    calls.any(|hop| {
        cause.hops.contains(&hop.at())
            || hop.sender().is_some_and(|sender| reaches_span(index, cause, sender.at()))
    })
}

/// Puts findings into canonical order: the worst first, then by the catalogue, then by place.
pub(crate) fn sort(found: &mut [Found]) {
    let places: HashMap<&str, usize> =
        registry::rules().enumerate().map(|(place, rule)| (rule.name, place)).collect();
    let key = |finding: &Finding| {
        let hop = finding.hop.as_ref().map(|hop| (hop.from.clone(), hop.to.clone()));
        (
            std::cmp::Reverse(finding.level),
            places.get(&*finding.rule).copied(),
            finding.service.clone(),
            finding.span_path.clone(),
            hop,
            finding.expected.is_some(),
        )
    };
    found.sort_by_cached_key(|found| key(&found.finding));
}
