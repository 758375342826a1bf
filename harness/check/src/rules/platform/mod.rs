//! Would it run on Cloud Run?

mod front_end_span_orphaned;
mod platform_span_as_own;
mod port_ignored;
mod private_call_unauthenticated;
mod sigterm_ignored;
mod token_audience_wrong;
mod token_not_refreshed;

use spanwise_model::{Platform, Token};

use crate::{Hop, Index, Report, Rule};

pub(crate) static ALL: &[&Rule] = &[
    &port_ignored::RULE,
    &private_call_unauthenticated::RULE,
    &token_audience_wrong::RULE,
    &token_not_refreshed::RULE,
    &front_end_span_orphaned::RULE,
    &sigterm_ignored::RULE,
    &platform_span_as_own::RULE,
];

/// What follows from a call that the front end refused: the caller fails in its turn, and what it called has no span.
const REFUSED: &[&str] = &["unexpected-response", "expected-span-missing", "expected-label-differs"];

/// How many calls within calls are followed outward from a refused one.
const DEPTH: usize = 64;

/// Lets a finding about a call stand on the calls that led to it as well, where the front end refused it: what they were
/// answered follows from the refusal.
fn reaching_outward<'f>(report: Report<'f>, hop: Hop<'_>) -> Report<'f> {
    if !hop.tap().answered_by_front {
        return report;
    }
    let outward = std::iter::successors(hop.inbound(), |hop| hop.inbound()).take(DEPTH);
    outward.chain(hop.entry()).fold(report, |report, hop| report.reaches_hop(hop))
}

/// The headers that Cloud Run reads a token from: where the first is there, the second is the application's.
const AUTHORIZATION: [&str; 2] = ["x-serverless-authorization", "authorization"];

/// The calls between services to one that is declared private, with the token that each carried; none where no platform is
/// emulated that would ask for it.
fn private_calls<'i>(index: &'i Index<'i>) -> impl Iterator<Item = (Hop<'i>, Option<Token>)> {
    let is_emulated = index.observation.settings.platform == Platform::CloudRun;
    let is_private = |hop: &Hop<'_>| hop.callee().is_some_and(|callee| callee.auth_required);
    let calls = index.inner_hops().filter(move |hop| is_emulated && is_private(hop));
    calls.map(|hop| (hop, token(hop)))
}

/// The token of a call, in the header that Cloud Run reads.
pub(crate) fn token(hop: Hop<'_>) -> Option<Token> {
    let value = AUTHORIZATION.into_iter().find_map(|name| hop.tap().request_header(name));
    value.and_then(Token::read)
}
