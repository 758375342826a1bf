//! The words of spanwise, in the order in which a run makes them.
//!
//! Every stage of the harness knows this crate and no other stage: it holds plain data and the pure functions that
//! belong to it (identifiers, header syntax, the trace notation). It does no I/O, has no clock and no async runtime.
//!
//! - [`Span`], [`Resource`], [`Value`]: what services exported, whatever protocol carried it.
//! - [`WireTap`], [`LogRecord`], [`Export`], [`ProcessEvent`], [`Defect`]: the other evidence.
//! - [`Observation`]: all that is known of one permutation; what the rules read.
//! - [`Finding`], [`Verdict`], [`Outcome`], [`RunEvent`]: what the rules and the run loop say about it.

mod cloud_run;
mod context;
mod defect;
mod event;
mod expectation;
mod export;
mod finding;
mod grpc;
mod id;
mod label;
mod log;
mod name;
pub mod notation;
mod observation;
mod outcome;
mod place;
mod process;
mod received;
pub mod secret;
mod settings;
mod source;
mod span;
mod stub;
mod token;
mod value;
mod wire;

pub use cloud_run::{
    Auth, CloudRunService, Cpu, FrontEnd, FrontEndContext, FrontEndSampling, FrontEndSpans, Ingress,
    InstanceEnd,
};
pub use context::{ContextError, ContextFormat, TraceContext, parse_cloud_trace_context, parse_traceparent};
pub use defect::{Defect, DefectKind};
pub use event::{Part, PermutationResult, Rounds, RunEvent, Summary, TraceSummary};
pub use expectation::{ExpectedSpan, is_expected_text};
pub use export::{Export, ExportAnswer, Protocol, Refusal};
pub use finding::{Fact, Facts, Finding, Hop, Level, Verdict};
pub use grpc::GrpcCode;
pub use id::{IdError, SpanId, TraceId};
pub use label::{Label, LabelState, LabelType};
pub use log::{LogRecord, Stream};
pub use name::{NameError, Pattern, PermutationName};
pub use observation::{AnswerDifference, Evidence, Observation, Request, RequestResult};
pub use outcome::Outcome;
pub use place::Place;
pub use process::{ProcessEvent, ProcessEventKind};
pub use settings::{LimitProfile, Platform, Sampling, ServiceFacts, ServiceProtocol, Settings};
pub use source::Source;
pub use span::{
    Event, IdField, IdProblem, Link, MalformedId, Resource, Scope, Span, SpanKind, Status, StatusCode,
};
pub use stub::StubResponse;
pub use token::{Jwt, Token};
pub use value::Value;
pub use wire::{End, Header, HttpVersion, Stamps, WireTap};
