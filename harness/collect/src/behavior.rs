//! How a listener misbehaves on demand, so that exporters can be seen to cope.

use spanwise_model::GrpcCode;

/// What a listener does besides acknowledging; the default is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Behavior {
    /// The first requests are refused.
    pub refuse_first: Option<RefuseFirst>,
    /// Every OTLP answer says that spans were rejected (OTLP specification, section Partial Success).
    /// Cloud Trace v2 has no such answer.
    pub partial_success: Option<PartialSuccess>,
    /// What Google would refuse is refused, not only recorded: Cloud Trace v2 requests under any persona, OTLP ones where
    /// the listener has the `google` persona.
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
