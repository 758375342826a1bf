//! Payload bytes to model spans plus defects.
//!
//! `collect` finds the spans of a payload with [`walk`] when it arrives and decodes them when they are read;
//! `spanwise check` reads captures with [`read_line`], and [`write_otlp`] writes one. Nothing here fails: what cannot be read becomes a
//! [`spanwise_model::Defect`], and what can be read of the same span or payload is kept. There is no I/O, and no wire type leaves.
//!
//! Secrets become placeholders on the way out (`secrets`): no span, resource or defect that leaves holds one.
//!
//! Protobuf is read field by field (`wire`) instead of through generated messages: the order in which labels were
//! exported survives, a damaged field costs that field alone, and nothing is built that the model does not hold.
//! The tests compare with the generated messages.

mod cleaned;
mod cloud_trace;
mod ids;
mod json;
mod lines;
mod map;
mod notes;
mod otlp;
mod secrets;
mod span;
pub mod walk;
mod wire;

pub use cleaned::{Cleaned, CleanedCarrier, CleanedSpan, cleaned};
pub use json::write_otlp;
pub use lines::{Line, LineError, read_line};
pub use span::{Carrier, Decoded, Head, decode_carrier, decode_payload, decode_span, defect_within, head};
#[doc(inline)]
pub use walk::{Message, Walk};
