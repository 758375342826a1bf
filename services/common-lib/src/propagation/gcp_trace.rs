//! `x-cloud-trace-context`, Google's own trace context header, as a propagator.
//!
//! `propagation::combine` puts it beside the W3C formats. Grammar: `TRACE_ID "/" SPAN_ID [";o=" OPTIONS]` with 32 hexadecimal
//! digits, an unsigned 64-bit **decimal**, and options of which bit 0 says sampled (Google Cloud, page "Trace context").

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};

/// The name of the header. Lower case, because gRPC metadata and HTTP/2 allow nothing else.
pub const HEADER: &str = "x-cloud-trace-context";

/// Reads and writes [`HEADER`].
#[derive(Debug)]
pub struct CloudTraceContextPropagator {
    fields: [String; 1],
}

impl Default for CloudTraceContextPropagator {
    fn default() -> Self {
        Self { fields: [HEADER.to_owned()] }
    }
}

impl TextMapPropagator for CloudTraceContextPropagator {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let span = context.span();
        let span = span.span_context();
        if span.is_valid() {
            let id = u64::from_be_bytes(span.span_id().to_bytes());
            let sampled = u8::from(span.is_sampled());
            injector.set(HEADER, format!("{}/{id};o={sampled}", span.trace_id()));
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        match extractor.get(HEADER).and_then(parse) {
            Some(span) => context.with_remote_span_context(span),
            None => context.clone(),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

/// The span context in a header value, or `None` where the value breaks the grammar or an id is zero.
///
/// Without options the request is not sampled: that is how the header arrives over HTTP/2 on Cloud Run.
fn parse(value: &str) -> Option<SpanContext> {
    let (trace_id, rest) = value.split_once('/')?;
    let (span_id, options) = match rest.split_once(";o=") {
        Some((span_id, options)) => (span_id, options),
        None => (rest, "0"),
    };
    // `from_hex` alone would also take shorter ids and a sign.
    let trace_id =
        Some(trace_id).filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    if !is_decimal(span_id) || span_id.len() > 20 || !is_decimal(options) {
        return None;
    }
    let trace_id = TraceId::from_hex(trace_id).ok()?;
    let span_id = SpanId::from(span_id.parse::<u64>().ok()?);
    // Bit 0 of a decimal number is that of its last digit, however long the number is.
    let sampled = options.bytes().last().is_some_and(|digit| digit % 2 == 1);
    let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    Some(SpanContext::new(trace_id, span_id, flags, true, TraceState::default()))
        .filter(SpanContext::is_valid)
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rstest::rstest;

    use super::*;

    const T: &str = "d36a105d7002f0dee73c0dfb9553764a";

    fn check(value: &str, expected: Option<(&str, bool)>) {
        let headers = HashMap::from([(HEADER.to_owned(), value.to_owned())]);
        let context = CloudTraceContextPropagator::default().extract_with_context(&Context::new(), &headers);
        let span = context.span().span_context().clone();
        let found = span
            .is_valid()
            .then(|| (span.trace_id().to_string(), span.span_id().to_string(), span.is_sampled()));
        let expected = expected.map(|(id, sampled)| (T.to_owned(), id.to_owned(), sampled));
        assert_eq!(found, expected, "{value}");
        assert_eq!(span.is_valid(), span.is_remote());
    }

    #[rstest]
    #[case::r01("{T}/139592093;o=1", Some(("000000000852019d", true)))]
    #[case::r02("{T}/139592093;o=0", Some(("000000000852019d", false)))]
    #[case::r03_without_option("{T}/139592093", Some(("000000000852019d", false)))]
    #[case::r04_trace_alone("{T}", None)]
    #[case::r05_no_span("{T}/;o=1", None)]
    #[case::r06_zero_span("{T}/0;o=1", None)]
    #[case::r07_double_zero_span("{T}/00;o=1", None)]
    #[case::r08_largest_span("{T}/18446744073709551615;o=1", Some(("ffffffffffffffff", true)))]
    #[case::r09_span_too_large("{T}/18446744073709551616;o=1", None)]
    #[case::r11_option_2("{T}/1;o=2", Some(("0000000000000001", false)))]
    #[case::r12_option_3("{T}/1;o=3", Some(("0000000000000001", true)))]
    #[case::r13_option_10("{T}/1;o=10", Some(("0000000000000001", false)))]
    #[case::r14_option_256("{T}/1;o=256", Some(("0000000000000001", false)))]
    #[case::r15_option_empty("{T}/1;o=", None)]
    #[case::r16_option_letter("{T}/1;o=x", None)]
    #[case::r17_more_after("{T}/1;o=1;foo", None)]
    #[case::r18_leading_space(" {T}/1;o=1", None)]
    #[case::r19_plus("{T}/+1;o=+1", None)]
    #[case::r20_twenty_digits("{T}/00000000000000000001;o=1", Some(("0000000000000001", true)))]
    #[case::r21_twenty_one_digits("{T}/000000000000000000001;o=1", None)]
    #[case::r22_zero_trace("00000000000000000000000000000000/1;o=1", None)]
    #[case::r23_arabic_digit("{T}/\u{663};o=1", None)]
    #[case::signed_trace("+0000000000000000000000000000001/1;o=1", None)]
    #[case::short_trace("1/1;o=1", None)]
    #[case::r24_slash("{T}/1/o=1", None)]
    #[case::r24_upper_o("{T}/1;O=1", None)]
    fn vectors(#[case] value: &str, #[case] expected: Option<(&str, bool)>) {
        check(&value.replace("{T}", T), expected);
    }

    #[test]
    fn r10_upper_case_trace_id_is_lowered() {
        check(&format!("{}/1;o=1", T.to_uppercase()), Some(("0000000000000001", true)));
    }

    #[rstest]
    #[case("d4cda95b652f4a1592b449d5929fda1b", "7929822056569588882", "6e0c63257de34c92")]
    #[case(T, "17725314949316355921", "f5fcf8089dec2751")]
    #[case(T, "12084647744699216188", "a7b54b18ba85b13c")]
    #[case(T, "74", "000000000000004a")]
    fn published_pairs_both_ways(#[case] trace: &str, #[case] decimal: &str, #[case] hex: &str) {
        let sent = HashMap::from([(HEADER.to_owned(), format!("{trace}/{decimal};o=1"))]);
        let propagator = CloudTraceContextPropagator::default();
        let context = propagator.extract_with_context(&Context::new(), &sent);
        assert_eq!(context.span().span_context().span_id().to_string(), hex);
        let mut written = HashMap::new();
        propagator.inject_context(&context, &mut written);
        assert_eq!(written, sent);
    }

    #[test]
    fn nothing_is_injected_without_a_span() {
        let mut written = HashMap::new();
        CloudTraceContextPropagator::default().inject_context(&Context::new(), &mut written);
        assert_eq!(written, HashMap::new());
    }
}
