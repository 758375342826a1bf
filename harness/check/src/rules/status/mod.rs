//! Do errors look like errors?

mod cloud_trace_status_code_wrong;
mod connection_failure_unmarked;
mod error_on_success;
mod error_type_missing;
mod exception_recorded_twice;
mod grpc_client_error_unset;
mod grpc_server_error_overset;
mod grpc_server_error_unset;
mod http_client_error_unset;
mod http_server_error_overset;
mod http_server_error_unset;
mod ok_set_by_instrumentation;
mod span_ends_before_stream;
mod status_code_label_wrong;
mod status_description_on_ok;

use crate::Rule;

pub(crate) static ALL: &[&Rule] = &[
    &grpc_client_error_unset::RULE,
    &grpc_server_error_unset::RULE,
    &grpc_server_error_overset::RULE,
    &http_server_error_unset::RULE,
    &http_server_error_overset::RULE,
    &http_client_error_unset::RULE,
    &status_code_label_wrong::RULE,
    &connection_failure_unmarked::RULE,
    &error_on_success::RULE,
    &ok_set_by_instrumentation::RULE,
    &error_type_missing::RULE,
    &status_description_on_ok::RULE,
    &exception_recorded_twice::RULE,
    &span_ends_before_stream::RULE,
    &cloud_trace_status_code_wrong::RULE,
];
