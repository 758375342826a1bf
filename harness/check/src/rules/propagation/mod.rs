//! What was really on the wire?

mod baggage_lost;
mod context_not_sent;
mod context_sent_to_third_party;
mod contexts_disagree;
mod duplicate_context_header;
mod malformed_cloud_trace_context;
mod malformed_traceparent;
mod sampled_flag_flipped;
mod span_id_not_decimal;
mod tracestate_lost;
mod uppercase_metadata_key;

use crate::Rule;

pub(crate) static ALL: &[&Rule] = &[
    &context_not_sent::RULE,
    &uppercase_metadata_key::RULE,
    &malformed_cloud_trace_context::RULE,
    &span_id_not_decimal::RULE,
    &malformed_traceparent::RULE,
    &contexts_disagree::RULE,
    &sampled_flag_flipped::RULE,
    &duplicate_context_header::RULE,
    &tracestate_lost::RULE,
    &baggage_lost::RULE,
    &context_sent_to_third_party::RULE,
];
