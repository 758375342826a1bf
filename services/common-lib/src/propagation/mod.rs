//! The formats in which context travels between services, combined as `OTEL_PROPAGATORS` lists them.
//!
//! `telemetry` builds the combination once; the layers of `instrument` use it for every request. Google's format is our own
//! (`gcp_trace`); the W3C formats are the SDK's, of which one is guarded
//! (`trace_context`).

mod gcp_trace;
mod trace_context;

use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_sdk::propagation::BaggagePropagator;

pub use gcp_trace::{CloudTraceContextPropagator, HEADER};
pub use trace_context::StrictTraceContextPropagator;

use crate::settings::Propagator;

/// One propagator out of several.
///
/// Whatever order they are listed in, a valid `traceparent` wins over `x-cloud-trace-context`, as Google's page "Trace context"
/// asks; a malformed one leaves in place what the other header said, because each propagator returns the context
/// unchanged where it finds nothing valid.
pub fn combine(propagators: &[Propagator]) -> TextMapCompositePropagator {
    let mut propagators = propagators.to_vec();
    propagators.sort();
    TextMapCompositePropagator::new(propagators.into_iter().map(one).collect())
}

fn one(propagator: Propagator) -> Box<dyn TextMapPropagator + Send + Sync> {
    match propagator {
        Propagator::GcpTrace => Box::new(CloudTraceContextPropagator::default()),
        Propagator::TraceContext => Box::new(StrictTraceContextPropagator::default()),
        Propagator::Baggage => Box::new(BaggagePropagator::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use opentelemetry::Context;
    use opentelemetry::trace::TraceContextExt as _;
    use rstest::rstest;

    use super::*;

    const T: &str = "d36a105d7002f0dee73c0dfb9553764a";
    const U: &str = "0af7651916cd43dd8448eb211c80319c";

    /// `None` for a header that did not come; the result is trace id, span id and sampled, or `None` for a new root.
    fn check(traceparent: Option<&str>, cloud: Option<&str>, expected: Option<(&str, &str, bool)>) {
        let mut headers = HashMap::new();
        headers.extend(traceparent.map(|value| ("traceparent".to_owned(), value.to_owned())));
        headers.extend(cloud.map(|value| (HEADER.to_owned(), value.to_owned())));
        for order in [
            [Propagator::GcpTrace, Propagator::TraceContext],
            [Propagator::TraceContext, Propagator::GcpTrace],
        ] {
            let context = combine(&order).extract_with_context(&Context::new(), &headers);
            let span = context.span().span_context().clone();
            let found = (span.trace_id().to_string(), span.span_id().to_string(), span.is_sampled());
            let found = span.is_valid().then_some(found);
            let expected = expected.map(|(trace, id, sampled)| (trace.to_owned(), id.to_owned(), sampled));
            assert_eq!(found, expected, "{traceparent:?} {cloud:?}");
        }
    }

    #[rstest]
    #[case::traceparent_wins(Some(format!("00-{U}-00000000000000aa-01")), Some("1;o=0"), Some((U, "00000000000000aa", true)))]
    #[case::cloud_alone(None, Some("1;o=1"), Some((T, "0000000000000001", true)))]
    #[case::span_id_of_traceparent(Some(format!("00-{T}-00000000000000aa-01")), Some("1;o=1"), Some((T, "00000000000000aa", true)))]
    #[case::w3c_decides_sampling(Some(format!("00-{U}-00000000000000aa-00")), Some("1;o=1"), Some((U, "00000000000000aa", false)))]
    #[case::malformed_short(Some(format!("00-{U}-zz")), Some("1;o=1"), Some((T, "0000000000000001", true)))]
    #[case::malformed_version(Some(format!("ff-{U}-00000000000000aa-01")), Some("1;o=1"), Some((T, "0000000000000001", true)))]
    #[case::malformed_zero_trace(Some(format!("00-{}-00000000000000aa-01", "0".repeat(32))), Some("1;o=1"), Some((T, "0000000000000001", true)))]
    #[case::malformed_zero_span(Some(format!("00-{U}-0000000000000000-01")), Some("1;o=1"), Some((T, "0000000000000001", true)))]
    #[case::malformed_upper(Some(format!("00-{}-00000000000000aa-01", U.to_uppercase())), Some("1;o=1"), Some((T, "0000000000000001", true)))]
    #[case::malformed_short_ids(Some("00-1-2-01".to_owned()), Some("1;o=1"), Some((T, "0000000000000001", true)))]
    #[case::malformed_signed_id(Some(format!("00-{U}-+0000000000000aa-01")), Some("1;o=1"), Some((T, "0000000000000001", true)))]
    #[case::malformed_long(Some(format!("00-{U}-00000000000000aa-01-x")), Some("1;o=1"), Some((T, "0000000000000001", true)))]
    #[case::later_version(Some(format!("01-{U}-00000000000000aa-01-x")), Some("1;o=1"), Some((U, "00000000000000aa", true)))]
    #[case::both_malformed(Some("00-zz".to_owned()), Some("x"), None)]
    #[case::neither(None, None, None)]
    fn two_headers(
        #[case] traceparent: Option<String>,
        #[case] cloud: Option<&str>,
        #[case] expected: Option<(&str, &str, bool)>,
    ) {
        check(traceparent.as_deref(), cloud.map(|rest| format!("{T}/{rest}")).as_deref(), expected);
    }

    #[test]
    fn binary_context_is_not_read() {
        let headers = HashMap::from([("grpc-trace-bin".to_owned(), "AAA".to_owned())]);
        let all = [Propagator::GcpTrace, Propagator::TraceContext, Propagator::Baggage];
        let context = combine(&all).extract_with_context(&Context::new(), &headers);
        assert!(!context.span().span_context().is_valid());
    }

    #[rstest]
    #[case("01", "1")]
    #[case("00", "0")]
    fn injected_headers_agree(#[case] flags: &str, #[case] option: &str) {
        let sent = HashMap::from([("traceparent".to_owned(), format!("00-{T}-6e0c63257de34c92-{flags}"))]);
        let both = combine(&[Propagator::GcpTrace, Propagator::TraceContext]);
        let context = both.extract_with_context(&Context::new(), &sent);
        let mut headers = HashMap::new();
        both.inject_context(&context, &mut headers);
        assert_eq!(headers["traceparent"], format!("00-{T}-6e0c63257de34c92-{flags}"));
        assert_eq!(headers[HEADER], format!("{T}/7929822056569588882;o={option}"));
    }
}
