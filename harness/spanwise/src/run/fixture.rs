//! A small plan for the tests of the run loop's parts.

use std::sync::Arc;

use base64::Engine as _;
use spanwise_collect::Store;
use spanwise_decode::write_otlp;
use spanwise_model::{Observation, Protocol, notation};
use spanwise_scenario::Plan;

use crate::plan::{SuiteText, plan as planned};

/// A plan of two permutations, `small/page/export=gcp_trace` and `small/page/export=otlp-grpc`, which must agree; `more`
/// is added to the suite.
pub(super) fn plan(more: &str) -> Plan {
    let text = format!(
        "suite: small\n\
         services:\n  web: {{ command: [web], protocol: http }}\n\
         axes:\n  entry: [http]\n  export: [gcp_trace, otlp-grpc]\n\
         agree: [export]\n\
         cases:\n  page:\n    http: {{ to: web, get: / }}\n{more}"
    );
    let suite = SuiteText { file: "small.yaml".to_owned(), text };
    planned(&[suite], &[]).expect("a suite without mistakes").plan
}

/// What the notation says.
pub(super) fn observed(text: &str) -> Observation {
    notation::parse(text).expect("the notation")
}

/// A store to which these spans were exported, all in one request of the service `web`.
pub(super) fn exported(text: &str) -> Arc<Store> {
    let payload = base64::engine::general_purpose::STANDARD.encode(write_otlp(&observed(text).spans));
    let recorded = serde_json::json!({
        "recording": 1, "source": { "service": "web", "instance": 1 }, "protocol": Protocol::OtlpHttpJson, "time": 1, "spans": 1,
        "headers": [], "answer": "accepted", "would_be_refused": null, "payload": payload,
    });
    Arc::new(Store::of([serde_json::from_value(recorded).expect("a request")]))
}
