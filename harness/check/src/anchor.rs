//! Where a finding stands: on which spans and which exchanges, for the engine to tell causes from consequences.

use crate::{Hop, Node};

/// The place of a finding; positions are those of the observation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Spans it is about; what lies below one is reached too.
    pub(crate) spans: Vec<usize>,
    /// Exchanges it is about; the spans to which they led are reached too.
    pub(crate) hops: Vec<usize>,
    /// Whether any other root cause that is as bad explains it, unless it explains that one by itself.
    pub(crate) gives_way: bool,
    /// Whether nothing follows from it in this case, although its rule may explain others.
    pub(crate) is_harmless: bool,
}

impl Anchor {
    pub(crate) fn span(&mut self, node: Node<'_>) {
        self.spans.push(node.at());
    }

    pub(crate) fn hop(&mut self, hop: Hop<'_>) {
        self.hops.push(hop.at());
    }

    /// Whether both stand on one span or one exchange.
    pub(crate) fn shares_place(&self, other: &Anchor) -> bool {
        let spans = self.spans.iter().any(|span| other.spans.contains(span));
        spans || self.hops.iter().any(|hop| other.hops.contains(hop))
    }

    /// Whether it stands nowhere in particular.
    pub(crate) fn is_nowhere(&self) -> bool {
        self.spans.is_empty() && self.hops.is_empty()
    }
}
