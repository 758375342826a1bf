//! The transparent proxy before each hop: ends TLS, taps the wire, forwards.
//!
//! The run loop starts one [`Front`] for every caller, callee and channel, gives its URL to the caller, and reads what
//! went over the wire from the [`TapLog`]. A front changes nothing on its way: names, values, trailers, resets,
//! cancellation and deadlines pass as they are, and one connection of the caller is one connection to the service; only an
//! offer to go on in HTTP/2 unseen (`Upgrade: h2c`) is taken out. The one answer of its own is 503, for a service that
//! cannot be reached; everything else that a platform does to requests is a [`Policy`]: answers in place of the service,
//! other headers, several instances behind one address, and how long an exchange may take (504).

mod body;
mod byte_tap;
mod connection;
mod error;
mod exchange;
mod forward;
mod front;
mod headers;
mod policy;
mod tap_log;
pub mod tls;
mod trust_store;
mod tunnel;
mod upstream;

pub use error::FrontError;
pub use front::{Front, FrontOptions, UpstreamProtocol};
pub use policy::{Asked, Decision, Hold, Policy, Transparent, Way};
pub use tap_log::TapLog;
