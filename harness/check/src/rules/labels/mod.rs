//! Can one query find it?
//!
//! Labels come from instrumentations, so what is wrong with one is wrong on many spans alike: these rules report it once
//! for all spans that have it in common ([`on_spans`]).

mod cloud_trace_label_mapping_wrong;
mod conventions_mixed;
mod custom_label_missing;
mod deprecated_label;
mod http_route_missing;
mod label_unknown_in_namespace;
mod label_values_disagree;
mod label_wrong_type;
mod over_label_limits;
mod project_id_missing;
mod required_http_label_missing;
mod required_rpc_label_missing;
mod same_protocol_different_labels;
mod secret_in_label;
mod service_identity_incomplete;
mod service_label_differs;
mod service_label_missing;
mod span_name_high_cardinality;
mod span_name_not_conventional;
mod value_cut_inside_character;

use std::cell::LazyCell;

use foldhash::HashSet;
use spanwise_model::{Platform, SpanKind, TraceId, Value};

use crate::conventions::{When, protocol, unmet, was_answered};
use crate::semconv::{self, Protocol};
use crate::{Findings, Index, Node, Ordered, Report, Rule};

pub(crate) static ALL: &[&Rule] = &[
    &service_label_missing::RULE,
    &service_label_differs::RULE,
    &service_identity_incomplete::RULE,
    &project_id_missing::RULE,
    &required_http_label_missing::RULE,
    &http_route_missing::RULE,
    &required_rpc_label_missing::RULE,
    &deprecated_label::RULE,
    &conventions_mixed::RULE,
    &label_wrong_type::RULE,
    &label_unknown_in_namespace::RULE,
    &label_values_disagree::RULE,
    &same_protocol_different_labels::RULE,
    &span_name_not_conventional::RULE,
    &span_name_high_cardinality::RULE,
    &custom_label_missing::RULE,
    &secret_in_label::RULE,
    &over_label_limits::RULE,
    &value_cut_inside_character::RULE,
    &cloud_trace_label_mapping_wrong::RULE,
];

/// Spans by what they have in common, in the order in which they were first seen. In a capture those of each trace are kept
/// apart ([`Index::apart`]), which is the first part of every key.
type Alike<'i, Key> = Ordered<(Option<TraceId>, Key), Vec<Node<'i>>>;

/// One finding about spans that all have the same wrong with them; it shows the way to the first.
fn on_spans<'f>(
    findings: &'f mut Findings<'_>,
    nodes: &[Node<'_>],
    message: impl Into<String>,
) -> Report<'f> {
    findings.on_spans(nodes, message)
}

/// How a finding names a service.
fn service<'i>(node: Node<'i>) -> &'i str {
    node.service().unwrap_or("a service without a name")
}

/// Whether spans go to an endpoint of Google's, which asks who sent them: where the platform is emulated, all do.
fn to_google(index: &Index<'_>) -> bool {
    index.observation.settings.platform == Platform::CloudRun
}

/// What a process says of itself, from the place where this protocol has it: Cloud Trace v2 knows labels of spans alone.
fn identity<'i>(node: Node<'i>, key: &str) -> Option<&'i Value> {
    match node.protocol {
        Some(protocol) if protocol.is_cloud_trace() => node.span().attribute(key),
        _ => node.span().resource.attribute(key),
    }
}

/// The SERVER and CLIENT spans of HTTP and gRPC. Where an exporter sets no kinds, nobody can say which they are.
fn requests<'i>(index: &'i Index<'_>, findings: &mut Findings<'_>) -> Vec<(Node<'i>, Protocol)> {
    let mut requests = Vec::new();
    for node in index.nodes() {
        if let Some(protocol) = protocol(node) {
            requests.push((node, protocol));
        } else if node.has_unknown_kind() {
            findings.not_observed();
        }
    }
    requests
}

/// The instrumentation that made a span: its service, its scope, and the side that it stands on.
fn maker<'i>(node: Node<'i>) -> (Option<&'i str>, &'i str, SpanKind) {
    (node.service(), &node.span().scope.name, node.kind)
}

fn has_status(node: Node<'_>, protocol: Protocol) -> bool {
    let names = if protocol == Protocol::Http { semconv::HTTP_STATUS } else { semconv::GRPC_STATUS };
    semconv::named(node.span(), names).is_some()
}

/// Reports the labels that spans of a protocol must have and have not; `what` puts a label into words.
fn missing(
    index: &Index<'_>,
    findings: &mut Findings<'_>,
    judged: Protocol,
    what: fn(SpanKind, &str) -> &'static str,
) {
    let requests = requests(index, findings).into_iter().filter(|(_, protocol)| *protocol == judged);
    let nodes: Vec<Node<'_>> = requests.map(|(node, _)| node).collect();
    let set = LazyCell::new(|| -> HashSet<_> {
        nodes.iter().filter(|node| has_status(**node, judged)).map(|node| maker(*node)).collect()
    });
    let mut missing: Alike<'_, (Option<&str>, SpanKind, &str, &str)> = Alike::default();
    for &node in &nodes {
        findings.looked();
        // An instrumentation that sets the status elsewhere got none to set here, unless the exchange says otherwise.
        let no_answer = || was_answered(node).is_none() && set.contains(&maker(node));
        for requirement in unmet(node, judged).filter(|one| one.when != When::Answered || !no_answer()) {
            let alike = (node.service(), node.kind, node.span().name.as_str(), requirement.label());
            missing.entry((index.apart(node), alike)).or_default().push(node);
        }
    }
    for ((_, (_, kind, name, label)), nodes) in missing {
        let message = format!(
            "The {} span \"{name}\" of {} does not say {}: it has no label {label}.",
            kind.as_str(),
            service(nodes[0]),
            what(kind, label)
        );
        on_spans(findings, &nodes, message).expected(label).actual("none").fact("label", label);
    }
}

#[cfg(test)]
mod testing {
    use spanwise_model::{Finding, Value, notation};

    use crate::{Engine, Profile};

    /// What one rule finds in an observation in the notation.
    #[track_caller]
    pub(super) fn findings(rule: &str, text: &str) -> Vec<Finding> {
        let observation = notation::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let found = Engine::new(Profile::Strict).check(&observation).findings;
        found.into_iter().filter(|finding| finding.rule == rule).collect()
    }

    /// The labels that its findings are about.
    #[track_caller]
    pub(super) fn labels(rule: &str, text: &str) -> Vec<String> {
        let label = |finding: Finding| finding.facts.get("label").map(Value::to_string);
        findings(rule, text).into_iter().filter_map(label).collect()
    }
}
