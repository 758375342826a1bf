//! What services find in their environment, and that a suite's own `env` wins over it.

use spanwise_scenario::{Environment, Known, Suite};

const KNOWN: Known<'static> =
    Known { rules: &[], profiles: &[], demos: &[], schemas: &[], registry: None, deployed: &[] };

/// The environment of the one service of a suite with these keys of it, in a permutation.
fn environment(keys: &str, axes: &str) -> Environment {
    let text = format!(
        "suite: shop\nservices:\n  web:\n    command: [./web]\n    protocol: http\n{keys}axes:\n  channel-in: [secure]\n{axes}\
         cases:\n  page:\n    http: {{ to: web, get: / }}\n"
    );
    let suite = Suite::parse("shop.yaml", &text, &KNOWN).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    suite.settings[0].services[0].env.clone()
}

/// Compares a variable with what it is to be; nothing where it is not to be set.
#[track_caller]
fn check(keys: &str, axes: &str, variable: &str, expected: &str) {
    let found = environment(keys, axes).get(variable).map(ToString::to_string).unwrap_or_default();
    assert_eq!(found, expected, "{variable} with {keys}{axes}");
}

#[test]
fn every_language_is_told_whom_to_trust() {
    for variable in
        ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"]
    {
        check("", "", variable, "{{ca.file}}");
        check(
            "    env: { SSL_CERT_FILE: mine, NODE_EXTRA_CA_CERTS: mine, REQUESTS_CA_BUNDLE: mine, \
               GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: mine }\n",
            "",
            variable,
            "mine",
        );
    }
    // Go's exporter speaks TLS where this is set, whatever the endpoint says.
    check("", "", "OTEL_EXPORTER_OTLP_CERTIFICATE", "");
    check("", "  platform: [cloud-run]\n", "OTEL_EXPORTER_OTLP_CERTIFICATE", "{{ca.file}}");
    check("", "  export: [gcp_trace]\n  platform: [cloud-run]\n", "OTEL_EXPORTER_OTLP_CERTIFICATE", "");
}

#[test]
fn java_is_told_before_its_own_options() {
    let store = "-Djavax.net.ssl.trustStore={{ca.pkcs12}}";
    let java = "    java-trust-store: true\n";
    check("", "", "JAVA_TOOL_OPTIONS", "");
    check("    java-trust-store: false\n", "", "JAVA_TOOL_OPTIONS", "");
    check(java, "", "JAVA_TOOL_OPTIONS", store);
    let own = "    java-trust-store: true\n    env: { JAVA_TOOL_OPTIONS: \"-javaagent:agent.jar\" }\n";
    check(own, "", "JAVA_TOOL_OPTIONS", &format!("{store} -javaagent:agent.jar"));
    let axis = "  env: { JAVA_TOOL_OPTIONS: [\"-Xmx64m\"] }\n";
    check(java, axis, "JAVA_TOOL_OPTIONS", &format!("{store} -Xmx64m"));
}

#[test]
fn a_service_keeps_its_own_name_and_sends_spans_alone() {
    check("", "", "OTEL_SERVICE_NAME", "");
    check("    env: { OTEL_SERVICE_NAME: web }\n", "", "OTEL_SERVICE_NAME", "web");
    check("", "", "OTEL_METRICS_EXPORTER", "none");
    check("", "", "OTEL_LOGS_EXPORTER", "none");
    check("", "", "OTEL_TRACES_EXPORTER", "otlp");
}

#[test]
fn what_java_calls_the_propagator_of_google_counts() {
    let formats = |value: &str| {
        let text = format!(
            "suite: shop\nservices:\n  web:\n    command: [./web]\n    protocol: http\n    env: {{ OTEL_PROPAGATORS: \"{value}\" }}\n\
             cases:\n  page:\n    http: {{ to: web, get: / }}\n"
        );
        let suite = Suite::parse("shop.yaml", &text, &KNOWN).expect("a suite without mistakes");
        let facts = &suite.settings[0].services[0].facts;
        facts.propagation.iter().map(|format| format.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(formats("tracecontext,gcp"), ["tracecontext", "gcp_trace"]);
    assert_eq!(formats("gcp_trace,baggage"), ["gcp_trace"]);
    assert_eq!(formats("baggage,gcpx"), [""; 0]);
}
