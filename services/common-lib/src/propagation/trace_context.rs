//! `traceparent` and `tracestate`: the SDK's propagator behind a check of the grammar.
//!
//! `propagation::combine` uses it. The SDK's parser takes ids of any length and a sign before them, so a malformed
//! `traceparent` could win over a valid `x-cloud-trace-context`; here it is ignored, as W3C Trace Context demands.

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// Reads and writes the W3C trace context headers; what breaks the grammar of `traceparent` is as good as absent.
#[derive(Debug, Default)]
pub struct StrictTraceContextPropagator(TraceContextPropagator);

impl TextMapPropagator for StrictTraceContextPropagator {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        self.0.inject_context(context, injector);
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        if extractor.get("traceparent").is_some_and(is_well_formed) {
            self.0.extract_with_context(context, extractor)
        } else {
            context.clone()
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

/// Whether the value has the shape of W3C Trace Context, section 3.2: `VERSION-TRACEID-PARENTID-FLAGS` in lower-case
/// hexadecimal, 2-32-16-2 digits. Later versions may append further fields. Zero ids and version `ff` the SDK refuses.
fn is_well_formed(value: &str) -> bool {
    let fields: Vec<&str> = value.split('-').collect();
    let is_hex = |field: &str| field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let widths = [2, 32, 16, 2];
    fields.len() >= widths.len()
        && fields.iter().zip(widths).all(|(field, width)| field.len() == width && is_hex(field))
        && (fields[0] != "00" || fields.len() == widths.len())
}
