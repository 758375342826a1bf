//! The mock of Google Cloud Trace and of OTLP: takes export requests and keeps their bytes by source and trace.
//!
//! A [`Collector`] listens on one loopback port for each started service instance; every port speaks every protocol.
//! The run loop waits on the [`Store`] until a trace is complete and reads its spans, which are decoded only then.
//! Nothing is judged here: what Google would have refused is recorded, and a rule speaks of it.
//!
//! Read in this order: `listener` (ports), `serve` (protocols), `intake` (what happens to a request), `senders` (whose it is),
//! `store`, `wait`.

mod behavior;
mod error;
mod google;
mod intake;
mod listener;
mod payload;
mod recording;
mod senders;
mod serve;
mod standalone;
mod store;
mod wait;

pub use behavior::{Behavior, PartialSuccess, RefuseFirst};
pub use error::CollectError;
pub use listener::{Collector, ListenOptions, Listener, Options, Persona, Protocols};
pub use recording::{Recorded, is_recording, read_recorded, write_recording};
pub use standalone::{Addresses, Standalone, create_private};
pub use store::{Counts, Place, SpanRef, Store};
