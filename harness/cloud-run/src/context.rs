//! Trace context as the front end rewrites it: the trace stays, the span becomes the front end's own.
//!
//! The policy calls it for every request that goes on. It is pure: what is random and what the clock says are arguments.
//! Captured of the real one: `traceparent: 00-T-bbbbbbbbbbbbbbbb-00` arrived as `00-T-a7b54b18ba85b13c-01` beside
//! `X-Cloud-Trace-Context: T/12084647744699216188;o=1`. It writes no `tracestate` and no `baggage`; both pass as they came.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Version};
use spanwise_model::{ContextFormat, FrontEndContext, FrontEndSampling, SpanId, TraceContext, TraceId};

/// Ids that no other request has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    /// For a request without a context.
    pub(crate) trace_id: TraceId,
    /// The front end's span.
    pub(crate) span_id: SpanId,
}

/// The context that the front end reads: that of the first valid value of the first format that it knows and finds one in.
/// A context that cannot be read is none.
pub(crate) fn read<'v>(
    context: FrontEndContext,
    mut values: impl FnMut(ContextFormat) -> Vec<&'v str>,
) -> Option<TraceContext> {
    context
        .formats()
        .iter()
        .find_map(|&format| values(format).into_iter().find_map(|value| format.parse(value).ok()))
}

/// [`read`], of the headers of a request.
pub(crate) fn read_headers(headers: &HeaderMap, context: FrontEndContext) -> Option<TraceContext> {
    read(context, |format| {
        headers.get_all(format.header()).into_iter().filter_map(|value| value.to_str().ok()).collect()
    })
}

/// Writes the front end's own context in place of the caller's, and gives back what a service reads of it.
///
/// Every value of the headers that the front end knows is replaced, malformed ones and duplicates too; without a readable
/// context there is a new trace. To a service that is spoken to in HTTP/2, `X-Cloud-Trace-Context` carries no `;o=`: what the
/// legacy mode announces there says nothing of sampling.
pub(crate) fn rewrite(
    headers: &mut HeaderMap,
    read: Option<TraceContext>,
    is_recorded: bool,
    context: FrontEndContext,
    onward: Version,
    fresh: Fresh,
) -> TraceContext {
    let trace_id = read.map_or(fresh.trace_id, |read| read.trace_id);
    let written = TraceContext { trace_id, span_id: fresh.span_id, sampled: Some(is_recorded) };
    let sent = |format| match (format, onward) {
        (ContextFormat::GcpTrace, Version::HTTP_2) => TraceContext { sampled: None, ..written },
        _ => written,
    };
    let formats = context.formats();
    for &format in formats {
        // Digits and separators are a value in any case.
        if let Ok(value) = HeaderValue::from_str(&format.print(&sent(format))) {
            headers.insert(format.header(), value);
        }
    }
    sent(formats[0])
}

/// Decides what is recorded. All fronts before a service share one, because the rate is one of its instances.
#[derive(Debug, Default)]
pub struct Sampler {
    /// When each instance was last given a request to record that nobody asked to record.
    last: Mutex<HashMap<u32, Instant>>,
}

impl Sampler {
    /// How far apart requests are that Cloud Run records though nobody asked: "0.1 requests per second" and instance.
    const EVERY: Duration = Duration::from_secs(10);

    /// Whether a request with this context is recorded by this instance.
    pub(crate) fn is_recorded(
        &self,
        sampling: FrontEndSampling,
        read: Option<TraceContext>,
        instance: u32,
        now: Instant,
    ) -> bool {
        let is_asked_for = read.and_then(|read| read.sampled) == Some(true);
        match sampling {
            FrontEndSampling::Keep => is_asked_for || read.is_none(),
            FrontEndSampling::On => true,
            FrontEndSampling::Off => false,
            FrontEndSampling::Rate => is_asked_for || self.takes_turn(instance, now),
        }
    }

    /// Whether it is the turn of a request: the first of an instance, and the first after every pause.
    fn takes_turn(&self, instance: u32, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.get(&instance).is_none_or(|last| now.duration_since(*last) >= Sampler::EVERY);
        if is_due {
            last.insert(instance, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: &str = "abababababababababababababababab";
    const U: &str = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";
    /// Of the captured request.
    const SPAN: u64 = 12084647744699216188;

    type Lines<'a> = &'a [(&'a str, &'a str)];

    /// Rewrites headers (`T` and `U` stand for trace ids, `N` for the one of a new trace) and compares what the service gets.
    #[track_caller]
    fn check(
        context: FrontEndContext,
        onward: Version,
        recorded: bool,
        sent: Lines<'_>,
        expected: Lines<'_>,
    ) {
        let new = "efefefefefefefefefefefefefefefef";
        let fill = |value: &str| value.replace('T', T).replace('U', U).replace('N', new);
        let mut headers = HeaderMap::new();
        for &(name, value) in sent {
            headers.append(
                name.parse::<http::HeaderName>().expect("a name"),
                fill(value).parse().expect("a value"),
            );
        }
        let fresh = Fresh { trace_id: new.parse().expect("an id"), span_id: SpanId::from_u64(SPAN) };
        let read = read_headers(&headers, context);
        let announced = rewrite(&mut headers, read, recorded, context, onward, fresh);
        let got: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        let expected: Vec<(&str, String)> =
            expected.iter().map(|(name, value)| (*name, fill(value))).collect();
        assert_eq!(got, expected.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>());
        // Whoever reads the headers as it should finds what was announced.
        assert_eq!(Some(announced), read_headers(&headers, context));
        if let Some(read) = read {
            assert_eq!(read.trace_id, announced.trace_id);
        }
    }

    const OURS: (&str, &str) = ("traceparent", "00-T-a7b54b18ba85b13c-01");
    const OURS_GOOGLE: (&str, &str) = ("x-cloud-trace-context", "T/12084647744699216188;o=1");
    const NEW: (&str, &str) = ("traceparent", "00-N-a7b54b18ba85b13c-01");
    const NEW_GOOGLE: (&str, &str) = ("x-cloud-trace-context", "N/12084647744699216188;o=1");

    #[test]
    fn the_captured_request_is_rewritten_as_it_was() {
        let sent = [("traceparent", "00-T-bbbbbbbbbbbbbbbb-00")];
        check(FrontEndContext::Both, Version::HTTP_11, true, &sent, &[OURS, OURS_GOOGLE]);
    }

    #[test]
    fn traceparent_is_read_before_the_other_and_what_cannot_be_read_is_none() {
        let check = |sent: Lines<'_>, expected: Lines<'_>| {
            check(FrontEndContext::Both, Version::HTTP_11, true, sent, expected)
        };
        check(&[("x-cloud-trace-context", "T/1;o=0")], &[OURS_GOOGLE, OURS]);
        check(&[("x-cloud-trace-context", "T/1")], &[OURS_GOOGLE, OURS]);
        check(
            &[("traceparent", "00-T-00000000000000aa-00"), ("x-cloud-trace-context", "U/1;o=1")],
            &[OURS, OURS_GOOGLE],
        );
        for malformed in ["00-T-zz", "ff-T-00000000000000aa-01", "00-T-0000000000000000-01", ""] {
            let google = ("x-cloud-trace-context", "T/1;o=1");
            check(&[("traceparent", malformed), google], &[OURS, OURS_GOOGLE]);
            check(&[("traceparent", malformed)], &[NEW, NEW_GOOGLE]);
        }
        check(&[("traceparent", "x"), ("x-cloud-trace-context", "T/1;o=1;foo")], &[NEW, NEW_GOOGLE]);
        check(&[], &[NEW, NEW_GOOGLE]);
    }

    #[test]
    fn of_duplicates_the_first_valid_one_counts_and_none_is_left() {
        let sent = [
            ("traceparent", "x"),
            ("traceparent", "00-T-00000000000000aa-00"),
            ("traceparent", "00-U-00000000000000aa-00"),
        ];
        check(FrontEndContext::Both, Version::HTTP_11, true, &sent, &[OURS, OURS_GOOGLE]);
        let sent = [("x-cloud-trace-context", "T"), ("x-cloud-trace-context", "T/1")];
        check(FrontEndContext::Google, Version::HTTP_11, true, &sent, &[OURS_GOOGLE]);
    }

    #[test]
    fn over_http2_the_option_is_missing() {
        let sent = [("traceparent", "00-T-00000000000000aa-01")];
        let bare = ("x-cloud-trace-context", "T/12084647744699216188");
        check(FrontEndContext::Both, Version::HTTP_2, true, &sent, &[OURS, bare]);
        check(
            FrontEndContext::Google,
            Version::HTTP_2,
            true,
            &[("x-cloud-trace-context", "T/1;o=1")],
            &[bare],
        );
    }

    #[test]
    fn what_is_not_recorded_says_so_in_both() {
        let sent = [("traceparent", "00-T-00000000000000aa-01")];
        let expected = [
            ("traceparent", "00-T-a7b54b18ba85b13c-00"),
            ("x-cloud-trace-context", "T/12084647744699216188;o=0"),
        ];
        check(FrontEndContext::Both, Version::HTTP_11, false, &sent, &expected);
    }

    #[test]
    fn the_legacy_mode_leaves_traceparent_alone() {
        let check = |sent: Lines<'_>, expected: Lines<'_>| {
            check(FrontEndContext::Google, Version::HTTP_11, true, sent, expected)
        };
        let theirs = ("traceparent", "00-T-00000000000000aa-00");
        check(&[theirs, ("x-cloud-trace-context", "T/1;o=1")], &[theirs, OURS_GOOGLE]);
        // It knows nothing of the trace that the other header names.
        check(&[theirs], &[theirs, NEW_GOOGLE]);
        check(&[], &[NEW_GOOGLE]);
    }

    #[test]
    fn other_context_passes() {
        let theirs = [("tracestate", "a=1"), ("baggage", "k=v"), ("grpc-trace-bin", "AAAA")];
        let expected = [theirs.as_slice(), &[NEW, NEW_GOOGLE]].concat();
        check(FrontEndContext::Both, Version::HTTP_11, true, &theirs, &expected);
    }

    /// Compares what becomes of requests without a context, of one not to be recorded, of one that says nothing, of one to be
    /// recorded.
    #[track_caller]
    fn check_sampling(sampling: FrontEndSampling, expected: [bool; 4]) {
        let sampler = Sampler::default();
        let asked = |sampled| TraceContext { trace_id: TraceId([1; 16]), span_id: SpanId([1; 8]), sampled };
        let read = [None, Some(asked(Some(false))), Some(asked(None)), Some(asked(Some(true)))];
        let now = Instant::now();
        assert_eq!(read.map(|read| sampler.is_recorded(sampling, read, 1, now)), expected, "{sampling:?}");
    }

    #[test]
    fn the_platform_or_the_caller_decides_what_is_recorded() {
        check_sampling(FrontEndSampling::Keep, [true, false, false, true]);
        check_sampling(FrontEndSampling::On, [true; 4]);
        check_sampling(FrontEndSampling::Off, [false; 4]);
        check_sampling(FrontEndSampling::Rate, [true, false, false, true]);
    }

    #[test]
    fn the_rate_is_one_in_ten_seconds_and_instance() {
        let (sampler, start) = (Sampler::default(), Instant::now());
        let steps = [
            (1, 0, true),
            (1, 0, false),
            (2, 0, true),
            (1, 9_999, false),
            (1, 10_000, true),
            (1, 19_999, false),
            (1, 60_000, true),
            (1, 60_001, false),
        ];
        for (instance, millis, expected) in steps {
            let now = start + Duration::from_millis(millis);
            let recorded = sampler.is_recorded(FrontEndSampling::Rate, None, instance, now);
            assert_eq!(recorded, expected, "instance {instance} after {millis} ms");
        }
    }
}
