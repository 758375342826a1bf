//! Is it one trace, and is each parent the right one?

mod client_span_as_root;
mod context_from_wrong_header;
mod context_misread;
mod context_mixed_between_requests;
mod duplicate_span_id;
mod entry_without_server_span;
mod hop_without_client_span;
mod hop_without_server_span;
mod invalid_id;
mod kind_missing;
mod link_unresolved;
mod parent_cycle;
mod parent_in_other_trace;
mod parent_not_exported;
mod permutations_differ;
mod remote_context_ignored;
mod secure_channel_unlinked;
mod server_span_doubled;
mod several_roots;
mod trace_split;
mod unsupported_context_format;
mod wrong_remote_parent;
mod zero_parent_id;

use crate::Rule;

pub(crate) static ALL: &[&Rule] = &[
    &parent_not_exported::RULE,
    &trace_split::RULE,
    &remote_context_ignored::RULE,
    &context_misread::RULE,
    &context_from_wrong_header::RULE,
    &unsupported_context_format::RULE,
    &entry_without_server_span::RULE,
    &hop_without_client_span::RULE,
    &hop_without_server_span::RULE,
    &wrong_remote_parent::RULE,
    &server_span_doubled::RULE,
    &secure_channel_unlinked::RULE,
    &permutations_differ::RULE,
    &zero_parent_id::RULE,
    &invalid_id::RULE,
    &duplicate_span_id::RULE,
    &parent_cycle::RULE,
    &parent_in_other_trace::RULE,
    &several_roots::RULE,
    &client_span_as_root::RULE,
    &kind_missing::RULE,
    &context_mixed_between_requests::RULE,
    &link_unresolved::RULE,
];
