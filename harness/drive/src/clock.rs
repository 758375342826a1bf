//! Time stamps and chance, as this crate needs them.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// A number that no other run has: the standard library seeds its hash maps from the operating system.
pub(crate) fn random() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(now());
    hasher.finish()
}

/// A `traceparent` that asks the receiver not to sample: requests of the harness itself must leave no spans.
pub(crate) fn unsampled() -> (String, String) {
    ("traceparent".to_owned(), format!("00-{:016x}{:016x}-{:016x}-00", random() | 1, random(), random() | 1))
}
