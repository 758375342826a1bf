//! What a rule hands its findings to, and how it words them.
//!
//! Rules call [`Findings::looked`] for each thing they look at and one of the `on_…` functions for each breach; the
//! engine makes a verdict of it.

use std::fmt::Display;

use spanwise_model::{Finding, Level, TraceId, Value, Verdict};

use crate::anchor::Anchor;
use crate::{Hop, Node, Rule};

/// On how many spans a finding stands: whether it explains another is asked for each pair of theirs.
const REACHED: usize = 256;

/// Collects what one rule finds in one observation.
pub struct Findings<'r> {
    rule: &'r Rule,
    looked: usize,
    unobserved: usize,
    pub(crate) found: Vec<Found>,
}

/// A finding with its place.
pub(crate) struct Found {
    pub(crate) finding: Finding,
    pub(crate) anchor: Anchor,
}

/// A finding in the making; each function adds a detail to it.
pub struct Report<'f> {
    found: &'f mut Found,
}

impl<'r> Findings<'r> {
    /// For a rule that has not looked at anything yet; the engine makes one for each run of a rule.
    pub fn new(rule: &'r Rule) -> Findings<'r> {
        Findings { rule, looked: 0, unobserved: 0, found: Vec::new() }
    }

    /// Says that the rule had something to look at; without a call it is not applicable.
    pub fn looked(&mut self) {
        self.looked += 1;
    }

    /// Says that there was something to look at, but the evidence for it was missing in this case.
    pub fn not_observed(&mut self) {
        self.unobserved += 1;
    }

    /// A breach by a span.
    pub fn on_span(&mut self, node: Node<'_>, message: impl Into<String>) -> Report<'_> {
        self.push(message.into()).span(node)
    }

    /// A breach that spans have in common, as many as the fact `spans` says; it shows the way to the first.
    pub fn on_spans(&mut self, nodes: &[Node<'_>], message: impl Into<String>) -> Report<'_> {
        let report = self.on_span(nodes[0], message).fact("spans", nodes.len() as i64);
        nodes.iter().take(REACHED).skip(1).fold(report, |report, node| report.reaches_span(*node))
    }

    /// A breach in an exchange, put down to its caller, or to the called service where the driver calls. The path is
    /// that of the sender.
    pub fn on_hop(&mut self, hop: Hop<'_>, message: impl Into<String>) -> Report<'_> {
        let sender = hop.sender().filter(|sender| sender.is_judged());
        let report = self.push(message.into());
        let report = match sender {
            Some(sender) => report.show_span(sender),
            None => report,
        };
        let service = if hop.is_from_driver() { Some(hop.to()) } else { hop.from() };
        report.service(service.unwrap_or(hop.to())).hop(hop)
    }

    /// A breach by a service as a whole.
    pub fn on_service(&mut self, service: &str, message: impl Into<String>) -> Report<'_> {
        self.push(message.into()).service(service)
    }

    /// A breach in a trace as a whole.
    pub fn on_trace(&mut self, trace: TraceId, message: impl Into<String>) -> Report<'_> {
        let report = self.push(message.into());
        report.found.finding.trace_id = Some(trace);
        report
    }

    /// A breach that no single span, exchange, trace or service has.
    pub fn on_whole(&mut self, message: impl Into<String>) -> Report<'_> {
        self.push(message.into())
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match (self.found.len(), self.looked, self.unobserved) {
            (1.., _, _) => Verdict::Fail,
            (0, 1.., _) => Verdict::Pass,
            (0, 0, 1..) => Verdict::NotObserved,
            (0, 0, 0) => Verdict::NotApplicable,
        }
    }

    fn push(&mut self, message: String) -> Report<'_> {
        let found = Found { finding: new_finding(self.rule, message), anchor: Anchor::default() };
        let at = self.found.len();
        self.found.push(found);
        Report { found: &mut self.found[at] }
    }
}

/// A finding with the rule's own level and nothing but its message.
pub(crate) fn new_finding(rule: &Rule, message: String) -> Finding {
    Finding {
        rule: rule.name.to_owned().into(),
        level: rule.level,
        service: None,
        trace_id: None,
        span_id: None,
        span_path: Vec::new(),
        message,
        expected: None,
        actual: None,
        facts: Default::default(),
        hop: None,
        consequence_of: None,
    }
}

impl<'f> Report<'f> {
    pub(crate) fn of(found: &'f mut Found) -> Report<'f> {
        Report { found }
    }

    /// Lowers the level, where the catalogue says so.
    pub fn level(self, level: Level) -> Self {
        self.found.finding.level = level;
        self
    }

    /// What should have been there.
    pub fn expected(self, expected: impl Display) -> Self {
        self.found.finding.expected = Some(expected.to_string());
        self
    }

    /// What was there.
    pub fn actual(self, actual: impl Display) -> Self {
        self.found.finding.actual = Some(actual.to_string());
        self
    }

    /// A typed detail for programs: `label`, `header`, `parent_id`, …
    pub fn fact(self, name: &str, value: impl Into<Value>) -> Self {
        self.found.finding.facts.insert(name.to_owned(), value.into());
        self
    }

    /// The service it is about.
    pub fn service(self, service: &str) -> Self {
        self.found.finding.service = Some(service.to_owned());
        self
    }

    /// The span it is about: its service, ids and path.
    pub fn span(self, node: Node<'_>) -> Self {
        self.found.anchor.span(node);
        self.show_span(node)
    }

    /// The exchange it is about, with the headers seen on the wire.
    pub fn hop(self, hop: Hop<'_>) -> Self {
        self.found.anchor.hop(hop);
        self.found.finding.hop = Some(hop.shown());
        self
    }

    /// Shows the way to a span without standing on it: what lies below it is no consequence.
    pub fn show_span(self, node: Node<'_>) -> Self {
        let finding = &mut self.found.finding;
        finding.service = node.service().map(str::to_owned);
        finding.trace_id = Some(node.trace_id);
        finding.span_id = Some(node.span_id);
        finding.span_path = node.path();
        self
    }

    /// Lets any other root cause of the observation explain it that is as bad and that it does not explain by itself.
    pub fn gives_way(self) -> Self {
        self.found.anchor.gives_way = true;
        self
    }

    /// Says that nothing follows from it in this case, so it explains no other finding.
    pub fn explains_nothing(self) -> Self {
        self.found.anchor.is_harmless = true;
        self
    }

    /// Stands on a further span, so that findings there and below may be its consequences.
    pub fn reaches_span(self, node: Node<'_>) -> Self {
        self.found.anchor.span(node);
        self
    }

    /// Stands on a further exchange, so that findings there and behind it may be its consequences.
    pub fn reaches_hop(self, hop: Hop<'_>) -> Self {
        self.found.anchor.hop(hop);
        self
    }
}
