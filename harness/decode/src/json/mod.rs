//! JSON payloads, read leniently: OTLP JSON, which is also written (`write`), and the proto3 JSON of Cloud Trace v2.
//!
//! Keys in lowerCamel or snake_case, enums as number or name, 64-bit integers as string or number, `null` for anything,
//! unknown keys ignored. One span that cannot be read spoils no other.

pub(crate) mod cloud_trace;
mod head;
mod lenient;
pub(crate) mod otlp;
mod time;
mod tree;
mod walk;
mod write;

pub(crate) use tree::{Json, Key, Object, is_key};
pub(crate) use walk::walk;
pub use write::write_otlp;
