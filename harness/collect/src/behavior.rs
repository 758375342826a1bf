//! How a listener misbehaves on demand, so that exporters can be seen to cope.

use std::time::Duration;

use spanwise_model::GrpcCode;

/// What a listener does besides acknowledging; the default is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Behavior {
    /// Every answer waits so long. The payload is kept only then, as in a slow backend.
    pub delay: Duration,
    /// The first requests are refused.
    pub refuse_first: Option<RefuseFirst>,
    /// Every OTLP answer says that spans were rejected (OTLP specification, section Partial Success).
    /// Cloud Trace v2 has no such answer.
    pub partial_success: Option<PartialSuccess>,
    /// What Google would refuse is refused, where the listener has the `google` persona; else it is only recorded.
    pub refuse: bool,
}

/// Refusals before the first acknowledgement.
#[derive(Clone, Debug, PartialEq)]
pub struct RefuseFirst {
    /// How many.
    pub requests: u32,
    /// With which code; over HTTP with the status that `google/rpc/code.proto` maps it to.
    pub code: GrpcCode,
}

/// The `partial_success` of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialSuccess {
    /// How many spans are said to be rejected; 0 with a message is a warning.
    pub rejected_spans: i64,
    /// The message.
    pub message: String,
}
