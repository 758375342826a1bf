//! Does the log line find its trace?

mod log_not_structured;
mod log_project_wrong;
mod log_sampled_wrong;
mod log_severity_invalid;
mod log_span_unknown;
mod log_trace_malformed;
mod log_without_trace;

use crate::Rule;

pub(crate) static ALL: &[&Rule] = &[
    &log_without_trace::RULE,
    &log_trace_malformed::RULE,
    &log_project_wrong::RULE,
    &log_span_unknown::RULE,
    &log_sampled_wrong::RULE,
    &log_severity_invalid::RULE,
    &log_not_structured::RULE,
];
