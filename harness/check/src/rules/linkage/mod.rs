//! Is it one trace, and is each parent the right one?

mod parent_not_exported;
mod secure_channel_unlinked;
mod trace_split;
mod zero_parent_id;

use crate::Rule;

pub(crate) static ALL: &[&Rule] = &[
    &parent_not_exported::RULE,
    &trace_split::RULE,
    &secure_channel_unlinked::RULE,
    &zero_parent_id::RULE,
];
