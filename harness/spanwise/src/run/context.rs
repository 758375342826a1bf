//! The trace context that the driver sends, and which of it a right service follows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use spanwise_model::{ContextFormat, SpanId, TraceContext, TraceId};
use spanwise_scenario::{ContextKind, DriverContext};

/// The context of one request of the driver.
pub(super) struct SentContext {
    /// The driver's own span, whose ids the followed header names.
    pub(super) own: TraceContext,
    /// Every trace that a header names: those whose spans belong to this request.
    pub(super) traces: Vec<TraceId>,
    /// What a right service follows; `None` when nothing was sent that it reads.
    pub(super) followed: Option<TraceContext>,
    /// The headers.
    pub(super) headers: Vec<(String, String)>,
}

/// Makes the context of one request to a service that reads these formats.
pub(super) fn make(driver: &DriverContext, reads: &[ContextFormat]) -> SentContext {
    let sampled = Some(driver.kind != ContextKind::Unsampled);
    let fresh = || TraceContext { trace_id: trace_id(), span_id: span_id(), sampled };
    let own = fresh();
    let winner = ContextFormat::ALL
        .into_iter()
        .find(|format| driver.formats.contains(format) && reads.contains(format));
    let context_of = |format: ContextFormat| match driver.kind {
        ContextKind::Conflicting if Some(format) != winner => fresh(),
        _ => own,
    };
    let sent: Vec<(ContextFormat, TraceContext)> =
        driver.formats.iter().map(|format| (*format, context_of(*format))).collect();
    let mut traces = vec![own.trace_id];
    traces.extend(sent.iter().map(|(_, context)| context.trace_id).filter(|trace| *trace != own.trace_id));
    let header = |(format, context): &(ContextFormat, TraceContext)| {
        (format.header().to_owned(), format.print(context))
    };
    SentContext { own, traces, followed: winner.map(|_| own), headers: sent.iter().map(header).collect() }
}

/// Ids need only be unlike any other of this run and of runs beside it: the time of the process's first id, and a count,
/// mixed so that neighbors do not look alike.
fn fresh_number() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let seed = *SEED.get_or_init(|| {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        time ^ u64::from(std::process::id()).rotate_left(40)
    });
    // The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection, so no two counts give one id.
    let mut z = seed.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn span_id() -> SpanId {
    SpanId::from_u64(fresh_number().max(1))
}

fn trace_id() -> TraceId {
    let (high, low) = (fresh_number().max(1), fresh_number());
    TraceId((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ContextFormat::{GcpTrace, Tracecontext};

    #[track_caller]
    fn check(kind: ContextKind, formats: &[ContextFormat], reads: &[ContextFormat]) -> SentContext {
        let sent = make(&DriverContext { kind, formats: formats.to_vec() }, reads);
        assert_eq!(sent.headers.len(), formats.len());
        if let Some(followed) = sent.followed {
            assert_eq!(followed, sent.own);
        }
        sent
    }

    #[test]
    fn both_headers_agree_unless_they_are_to_conflict() {
        let sent = check(ContextKind::Sampled, &[Tracecontext, GcpTrace], &[Tracecontext, GcpTrace]);
        assert_eq!(sent.traces, [sent.own.trace_id]);
        let read = |at: usize, format: ContextFormat| format.parse(&sent.headers[at].1).expect("well formed");
        assert_eq!(read(0, Tracecontext), read(1, GcpTrace));
    }

    #[test]
    fn of_conflicting_headers_the_one_that_the_service_reads_is_followed() {
        for (reads, followed) in
            [(vec![Tracecontext, GcpTrace], 0), (vec![GcpTrace], 1), (vec![Tracecontext], 0)]
        {
            let sent = check(ContextKind::Conflicting, &[Tracecontext, GcpTrace], &reads);
            assert_eq!(sent.traces.len(), 2);
            let format = [Tracecontext, GcpTrace][followed];
            assert_eq!(format.parse(&sent.headers[followed].1).ok(), sent.followed);
        }
    }

    #[test]
    fn without_context_nothing_is_sent_and_nothing_followed() {
        let sent = check(ContextKind::None, &[], &[Tracecontext]);
        assert!(sent.followed.is_none());
    }

    #[test]
    fn unsampled_is_said_in_every_header() {
        let sent = check(ContextKind::Unsampled, &[Tracecontext, GcpTrace], &[Tracecontext]);
        assert!(
            sent.headers[0].1.ends_with("-00") && sent.headers[1].1.ends_with(";o=0"),
            "{:?}",
            sent.headers
        );
    }
}
