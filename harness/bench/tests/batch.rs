//! What the load sends is whole telemetry, and every batch is new to the receiver.

use std::collections::HashSet;

use spanwise_bench::batch::Shape;
use spanwise_bench::client::batch;
use spanwise_decode::{Message, decode_payload};
use spanwise_model::Protocol;

#[track_caller]
fn check(protocol: Protocol, shape: Shape) {
    let batch = batch(protocol, shape).expect("load is made for it");
    let mut ids = HashSet::new();
    for number in [7, 8] {
        let decoded = decode_payload(protocol, Message::Batch, &batch.numbered(number));
        assert_eq!(decoded.defects, []);
        assert_eq!(decoded.spans.len(), shape.spans);
        for (index, span) in decoded.spans.iter().enumerate() {
            assert_eq!(span.malformed_ids, []);
            assert_eq!(span.attributes.len(), shape.attributes);
            assert!(ids.insert(span.span_id), "span {index} of batch {number} repeats an id");
            let before = index.checked_sub(1).map(|before| &decoded.spans[before]);
            let parent =
                before.filter(|before| before.trace_id == span.trace_id).map(|before| before.span_id);
            assert_eq!(span.parent_span_id, parent);
            assert_eq!(parent.is_none(), index % shape.per_trace == 0);
        }
    }
}

#[test]
fn batches_hold_chains_of_spans_with_ids_of_their_own() {
    for protocol in [Protocol::OtlpGrpc, Protocol::OtlpHttp, Protocol::CloudTraceGrpc] {
        check(protocol, Shape { spans: 20, per_trace: 8, attributes: 18 });
        check(protocol, Shape { spans: 1, per_trace: 1, attributes: 0 });
    }
}
