//! A small plan for the tests of the run loop's parts.

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
