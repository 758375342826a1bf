//! Ids that no other request has. The policy asks for them; nothing here is a secret, and nothing secret may be made of it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use spanwise_model::{SpanId, TraceId};

use crate::context::Fresh;

/// Ids for one request.
pub(crate) fn fresh() -> Fresh {
    let mut trace_id = [0; 16];
    trace_id[..8].copy_from_slice(&number().to_be_bytes());
    trace_id[8..].copy_from_slice(&number().to_be_bytes());
    Fresh { trace_id: TraceId(trace_id), span_id: SpanId::from_u64(number()) }
}

/// A number that is never zero. The standard library seeds its hash maps from the operating system, and each differently.
fn number() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_valid_and_differ() {
        let made: Vec<Fresh> = (0..1_000).map(|_| fresh()).collect();
        assert!(made.iter().all(|ids| ids.trace_id.is_valid() && ids.span_id.is_valid()));
        assert_eq!(made.iter().map(|ids| ids.trace_id).collect::<HashSet<_>>().len(), 1_000);
        assert_eq!(made.iter().map(|ids| ids.span_id).collect::<HashSet<_>>().len(), 1_000);
    }
}
