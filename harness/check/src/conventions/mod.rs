//! The semantic conventions as data: the labels there are, their types, their successors, and which of them a span must
//! have.
//!
//! Rules of the family `labels` read these. The data is the file `registry.json`: version 1.42, and beside it
//! `rpc.status_code`, the name that the conventions take on next, so that nobody is told to go back. It lists every label of
//! the namespaces that spans of HTTP and gRPC services carry. The names of one concept over all generations are in
//! [`crate::semconv`]; the labels and limits of Cloud Trace in `cloud_trace`. Source: the registry and the span pages of the
//! OpenTelemetry semantic conventions, <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>.

pub(crate) mod cloud_trace;
mod protocol;
mod registry;
mod required;

pub(crate) use protocol::find_protocol;
pub use protocol::{METHODS, is_grpc_method, protocol};
pub use registry::Registry;
pub use required::{Requirement, When, is_due, required, unmet, was_answered};
pub use spanwise_model::{Label, LabelState as State, LabelType as Type};

/// The versions of the semantic conventions that can be asked for.
pub fn schemas() -> [&'static str; 1] {
    [schema()]
}

/// The version of the semantic conventions that is built in.
pub fn schema() -> &'static str {
    registry::FILE.schema
}

/// A label of the conventions by the key that a span has; what a suite adds is in [`crate::Index::registry`].
pub fn find(key: &str) -> Option<&'static Label> {
    Registry::built_in().find(key)
}
