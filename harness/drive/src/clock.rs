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

/// Trace contexts that ask the receiver not to sample, in every format that it may read: requests of the harness itself
/// must leave no spans.
pub(crate) fn unsampled() -> [(String, String); 2] {
    let (trace, span) = (format!("{:016x}{:016x}", random() | 1, random()), random() | 1);
    [
        ("traceparent".to_owned(), format!("00-{trace}-{span:016x}-00")),
        ("x-cloud-trace-context".to_owned(), format!("{trace}/{span};o=0")),
    ]
}

#[cfg(test)]
mod tests {
    use spanwise_model::ContextFormat;

    use super::*;

    #[test]
    fn every_format_says_that_nothing_is_to_be_sampled() {
        let read = unsampled().map(|(name, value)| {
            let formats = ContextFormat::ALL;
            let format = formats.into_iter().find(|format| format.header() == name);
            format.expect("a context header").parse(&value).expect("well formed")
        });
        assert_eq!(read[0].sampled, Some(false));
        assert_eq!(read[0], read[1]);
    }
}
