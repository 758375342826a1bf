//! Spans as trees: who hangs below whom. Printer, times and normal form use it; it never recurses, so depth is no danger.

use std::collections::HashMap;

use super::announced::Announced;
use crate::{Observation, Span, SpanId, TraceId};

/// Trees over a list of spans, by their indices in it.
///
/// A span hangs below the first span of its trace that has its parent's id, else below the caller in whose place the
/// platform's front end announced that parent. Where that would close a cycle, the first span of the cycle stands as a root.
#[derive(Clone, Debug, Default)]
pub struct Forest {
    /// For each span its parent.
    pub parent: Vec<Option<usize>>,
    /// For each span its children, in the order of the list.
    pub children: Vec<Vec<usize>>,
    /// The spans without a parent in the list, in the order of the list.
    pub roots: Vec<usize>,
}

impl Forest {
    /// The trees of an observation's spans.
    pub fn of(observation: &Observation) -> Forest {
        Forest::linked(&observation.spans, &Announced::of(&observation.wire))
    }

    /// Finds every span's parent.
    pub fn linked<'a>(spans: impl IntoIterator<Item = &'a Span>, announced: &Announced) -> Forest {
        let spans: Vec<&Span> = spans.into_iter().collect();
        let mut first: HashMap<(TraceId, SpanId), usize> = HashMap::with_capacity(spans.len());
        for (at, span) in spans.iter().enumerate() {
            first.entry((span.trace_id, span.span_id)).or_insert(at);
        }
        let resolve = |span: &Span| {
            let id = span.parent_span_id.filter(|id| id.is_valid())?;
            let caller = || first.get(&(span.trace_id, announced.caller(span.trace_id, id)?));
            first.get(&(span.trace_id, id)).or_else(caller).copied()
        };
        let mut parent: Vec<Option<usize>> = spans.iter().copied().map(resolve).collect();
        cut_cycles(&mut parent);
        let mut children = vec![Vec::new(); spans.len()];
        let mut roots = Vec::new();
        for (at, parent) in parent.iter().enumerate() {
            match parent {
                Some(parent) => children[*parent].push(at),
                None => roots.push(at),
            }
        }
        Forest { parent, children, roots }
    }

    /// Every span with its depth, parents before children, siblings in order.
    pub fn depth_first(&self) -> Vec<(usize, usize)> {
        let mut order = Vec::with_capacity(self.parent.len());
        let mut open: Vec<(usize, usize)> = self.roots.iter().rev().map(|root| (*root, 0)).collect();
        while let Some((at, depth)) = open.pop() {
            order.push((at, depth));
            open.extend(self.children[at].iter().rev().map(|child| (*child, depth + 1)));
        }
        order
    }
}

/// Makes the first span of every cycle a root.
fn cut_cycles(parent: &mut [Option<usize>]) {
    const NEW: usize = usize::MAX;
    let mut walk = vec![NEW; parent.len()];
    for start in 0..parent.len() {
        let mut at = start;
        while walk[at] == NEW {
            walk[at] = start;
            match parent[at] {
                Some(next) => at = next,
                None => break,
            }
        }
        // A walk that ends on a span of its own that has a parent has come round to it.
        if parent[at].is_some() && walk[at] == start {
            let mut smallest = at;
            let mut next = parent[at];
            while let Some(member) = next.filter(|member| *member != at) {
                smallest = smallest.min(member);
                next = parent[member];
            }
            parent[smallest] = None;
        }
    }
}
