//! Why a permutation on Cloud Run differs from one that links locally: which header arrived, what the front end wrote in its
//! place, and which policy decided.
//!
//! `permutations-differ` asks. It reads what the fronts saw and judges nothing: a defect of a service has a rule of its own, whose
//! finding explains the difference.

use foldhash::HashSet;
use spanwise_model::{
    ContextFormat, FrontEnd, FrontEndContext, FrontEndSampling, Platform, Request, Token, TraceContext,
};

use crate::index::ContextHeader;
use crate::rules::token;
use crate::{GroupMember, Hop, Index, Node, Report};

/// Why a permutation on the platform differs.
pub(crate) struct Reason<'i> {
    /// For programs.
    name: &'static str,
    /// For people: what happened, behind "because".
    pub(crate) text: String,
    /// The policy that decided, as suites say it.
    policy: String,
    hop: Hop<'i>,
    /// The header that it was about.
    header: Option<&'static str>,
}

/// Whether a permutation ran on the platform and the one that it is compared with did not.
pub(crate) fn are_compared(local: &GroupMember<'_>, deployed: &GroupMember<'_>) -> bool {
    let platform = |member: &GroupMember<'_>| member.index.observation.settings.platform;
    platform(local) == Platform::Plain && platform(deployed) == Platform::CloudRun
}

/// The first thing on the way of the requests that tells why they fare differently; `None` where nothing that the front end did
/// explains it.
pub(crate) fn reason<'i>(index: &'i Index<'i>) -> Option<Reason<'i>> {
    let detectors = [refused, answered, turned_off, turned_on, left_open, read_past];
    detectors.into_iter().find_map(|detect| index.hops().find_map(detect))
}

/// Whether the policy of the front end alone makes the difference, so that no service has anything to mend: the same was answered,
/// and exactly what the front end decided to record, or not to, is there or missing.
pub(crate) fn is_by_policy_alone(local: &GroupMember<'_>, deployed: &GroupMember<'_>) -> bool {
    let (local, deployed) = (local.index, deployed.index);
    let results = |index: &Index<'_>| {
        let requests = &index.observation.requests;
        requests.iter().map(|request| request.result.clone()).collect::<Vec<_>>()
    };
    let is_off = |(at, request): (usize, &Request)| {
        let asked = request.context.is_none_or(|context| context.sampled == Some(true));
        !asked || deployed.is_turned_off(at)
    };
    let on: HashSet<usize> =
        deployed.hops().filter(|hop| turned_on(*hop).is_some()).filter_map(Hop::request).collect();
    let is_on = |node: Node<'_>| node.request().is_some_and(|request| on.contains(&request));
    let (has_local, has_deployed) = (local.has_any_span(), deployed.has_any_span());
    results(local) == results(deployed)
        && match (has_local, has_deployed) {
            (true, false) => deployed.requests().all(is_off),
            (false, true) => deployed.nodes().all(is_on),
            _ => false,
        }
}

impl Reason<'_> {
    /// Adds the exchange and typed facts to a finding.
    pub(crate) fn tell(self, report: Report<'_>) {
        let tap = self.hop.tap();
        let sent: Vec<String> = self.hop.context_headers().iter().map(shown).collect();
        let mut report = report.fact("reason", self.name).fact("policy", self.policy);
        if !sent.is_empty() {
            report = report.fact("sent", sent.join(", "));
        }
        if let Some(announced) = tap.announced {
            report = report.fact("announced", ContextFormat::GcpTrace.print(&announced));
        }
        if let Some(status) = tap.status.filter(|_| tap.answered_by_front) {
            report = report.fact("status", i64::from(status));
        }
        if let Some(header) = self.header {
            report = report.fact("header", header);
        }
        report.hop(self.hop);
    }
}

/// A call that was refused before it reached the container.
fn refused(hop: Hop<'_>) -> Option<Reason<'_>> {
    let status = hop.tap().status.filter(|_| hop.tap().answered_by_front)?;
    let call = call(hop);
    let FrontEnd { not_allowed, not_valid, .. } = hop.front_end();
    let by_identity =
        [not_allowed.unwrap_or(FrontEnd::NOT_ALLOWED), not_valid.unwrap_or(FrontEnd::NOT_VALID)];
    let (name, text, policy) = match status {
        status if by_identity.contains(&status) => {
            let shown = credentials(hop);
            let text = format!(
                "the front end refused {call} with {status} before the container, and {shown} came with it"
            );
            ("refused-by-identity", text, "auth: required")
        }
        404 => {
            let text = format!("the front end answered {call} with 404, as one from outside of the network");
            ("refused-by-ingress", text, "ingress: internal")
        }
        _ => return None,
    };
    let header = by_identity.contains(&status).then_some("authorization");
    Some(Reason { name, text, policy: policy.to_owned(), hop, header })
}

/// What a call showed of who makes it; never the token itself.
fn credentials(hop: Hop<'_>) -> String {
    match token(hop) {
        None => "no token".to_owned(),
        Some(Token::Access) => "an access token".to_owned(),
        Some(Token::Opaque) => "a token of an unknown kind".to_owned(),
        Some(Token::Jwt(jwt)) => {
            let begun = hop.tap().stamps.begun / 1_000_000_000;
            let expired = jwt.expires.is_some_and(|expires| expires <= begun);
            let audiences =
                if jwt.audiences.is_empty() { "nobody".to_owned() } else { jwt.audiences.join(", ") };
            format!("an ID token for {audiences}{}", if expired { " that had expired" } else { "" })
        }
    }
}

/// A call that the front end answered because no instance did.
fn answered(hop: Hop<'_>) -> Option<Reason<'_>> {
    let status = hop.tap().status.filter(|_| hop.tap().answered_by_front)?;
    let (why, policy) = match status {
        429 => ("no instance was free for it", "max-instances, concurrency"),
        503 => ("no instance could take it", "start of an instance"),
        504 => ("its time was over", "timeout-ms"),
        _ => return None,
    };
    let text = format!("the front end answered {} itself with {status}: {why}", call(hop));
    Some(Reason { name: "answered-by-front-end", text, policy: policy.to_owned(), hop, header: None })
}

/// A request that the front end decided not to record, although its caller did not say so.
fn turned_off(hop: Hop<'_>) -> Option<Reason<'_>> {
    decided(hop, false)
}

/// A request that its caller did not want recorded, and the front end recorded.
fn turned_on(hop: Hop<'_>) -> Option<Reason<'_>> {
    decided(hop, true)
}

fn decided(hop: Hop<'_>, announced: bool) -> Option<Reason<'_>> {
    let after = hop.tap().announced?;
    let is_asked_for = hop.replaced_context().is_none_or(|before| before.sampled == Some(true));
    if is_asked_for == announced || after.sampled != Some(announced) {
        return None;
    }
    let (name, what) = match announced {
        true => ("sampling-turned-on", "recorded"),
        false => ("sampling-turned-off", "not recorded"),
    };
    let text =
        format!("the front end and not the caller decided that {} is {what}: {}", call(hop), rewritten(hop));
    let policy = format!("cloud-run.sampling: {}", sampling(hop));
    Some(Reason {
        name,
        text,
        policy,
        hop,
        header: hop.context_headers().first().map(|one| one.format.header()),
    })
}

fn sampling(hop: Hop<'_>) -> &'static str {
    match hop.front_end().sampling {
        FrontEndSampling::Keep => "keep",
        FrontEndSampling::On => "on",
        FrontEndSampling::Off => "off",
        FrontEndSampling::Rate => "rate",
    }
}

/// A service that reads `X-Cloud-Trace-Context` alone, which says nothing of the decision over HTTP/2, and that recorded nothing.
fn left_open(hop: Hop<'_>) -> Option<Reason<'_>> {
    let announced = hop.tap().announced?;
    let is_left_open = announced.sampled != Some(false) && hop.context()?.sampled.is_none();
    if !is_left_open || hop.server().or(hop.unlinked()).is_some() {
        return None;
    }
    let to = hop.to();
    let text = format!(
        "over HTTP/2 the front end leaves \";o=\" out of x-cloud-trace-context, the only header that {to} reads: {}",
        rewritten(hop)
    );
    let policy = "HTTP/2 to the container".to_owned();
    let header = Some(ContextFormat::GcpTrace.header());
    Some(Reason { name: "decision-left-out", text, policy, hop, header })
}

/// A service that did not follow what the front end announced, or what it let through.
fn read_past(hop: Hop<'_>) -> Option<Reason<'_>> {
    let announced = hop.tap().announced?;
    let server = hop.server().or(hop.unlinked())?;
    let caller = hop.tap().context();
    let in_trace = |context: TraceContext| context.trace_id == server.trace_id;
    if hop.server().is_some() && caller.is_none_or(in_trace) {
        return None;
    }
    let is_legacy = hop.front_end().context == FrontEndContext::Google;
    let to = hop.to();
    let is_followed = in_trace(announced) && server.parent_span_id == Some(announced.span_id);
    let followed = match (is_followed, caller.is_some_and(in_trace)) {
        (true, _) => "the context that the front end began",
        (false, true) => "neither that nor its caller's span, in the trace of the caller",
        (false, false) => "a trace of its own",
    };
    let (name, policy) = match is_legacy {
        true => ("legacy-context", "cloud-run.context: google"),
        false => ("announced-context-not-followed", "cloud-run.context: both"),
    };
    let passed = if is_legacy { ", and let traceparent through as it came" } else { "" };
    let text = format!("{}{passed}; {to} went on in {followed}", rewritten(hop));
    let header = Some(ContextFormat::GcpTrace.header());
    Some(Reason { name, text, policy: policy.to_owned(), hop, header })
}

/// `the call from api-service to backend-service`
fn call(hop: Hop<'_>) -> String {
    match hop.is_from_driver() {
        true => format!("the request to {}", hop.to()),
        false => format!("the call from {} to {}", hop.from().unwrap_or("an unknown caller"), hop.to()),
    }
}

/// What arrived at the front end, and what it wrote in its place.
fn rewritten(hop: Hop<'_>) -> String {
    let sent: Vec<String> = hop.context_headers().iter().map(shown).collect();
    let sent = if sent.is_empty() { "no context header".to_owned() } else { sent.join(" and ") };
    let arrived = hop.arrived_headers();
    let written: Vec<String> = match hop.front_end().context {
        FrontEndContext::Google => {
            arrived.iter().filter(|one| one.format == ContextFormat::GcpTrace).map(shown).collect()
        }
        FrontEndContext::Both => arrived.iter().map(shown).collect(),
    };
    format!("{sent} came, and it wrote {}", written.join(" and "))
}

fn shown(header: &ContextHeader<'_>) -> String {
    format!("{}: {}", header.format.header(), header.value)
}
