//! The table of what every service finds in its environment: variable, value, when, and who reads it.
//!
//! Read by `environment`, which sets the variables, and by `page`, which makes the documentation of them. Standard variables
//! alone stand here: a service needs no line of code for spanwise.

use spanwise_model::Platform;

use crate::axis::Choice;
use crate::{Export, Propagation};

/// A variable of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) value: Value,
    pub(super) when: When,
    /// Who reads it and where that is documented, in Markdown.
    pub(super) why: &'static str,
}

/// What a variable is set to.
#[derive(Clone, Copy)]
pub(super) enum Value {
    /// Text with references as a suite file writes them.
    Text(&'static str),
    /// `project` of the suite.
    Project,
    /// The name of the service in the suite, with this behind it.
    Service(&'static str),
}

/// Where a variable is set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// Where the suite names a project.
    Project,
    Export(&'static [Export]),
    Propagation(Propagation),
    CloudRun,
    /// On Cloud Run, whose mock is behind TLS, where OTLP is exported.
    OtlpOnCloudRun,
    /// For a service that says `java-trust-store: true`.
    JavaTrustStore,
}

pub(super) const BATCH_DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
pub(super) const PROPAGATORS: &str = "OTEL_PROPAGATORS";

const OTLP: &[Export] = &[Export::OtlpGrpc, Export::OtlpHttp, Export::OtlpHttpJson];
const OTLP_HTTP: &[Export] = &[Export::OtlpHttp, Export::OtlpHttpJson];
const PROTOCOL: &str = "[OTLP exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)";
const CONTRACT: &str =
    "[container contract](https://cloud.google.com/run/docs/container-contract#env-vars) of Cloud Run";
const METADATA: &str = "where Google's client libraries look for the metadata server";
const LISTED: &str = "[propagators](https://opentelemetry.io/docs/languages/sdk-configuration/general/#otel_propagators) of the SDK; \
                      write it yourself for Java, which calls Google's `gcp`";

/// Every variable, in the order in which it is set.
pub(super) const TABLE: &[Row] = &[
    row("PORT", Value::Text("{{port}}"), When::Always, "the port to listen on, as on Cloud Run"),
    row(
        "SSL_CERT_FILE",
        CA,
        When::Always,
        "whom to trust in TLS: [OpenSSL](https://docs.openssl.org/3.0/man3/SSL_CTX_load_verify_locations/) and what is built on it \
         (Python's `ssl`, Ruby, PHP, .NET, curl), [Go](https://pkg.go.dev/crypto/x509#SystemCertPool), \
         [rustls-native-certs](https://docs.rs/rustls-native-certs)",
    ),
    row(
        "NODE_EXTRA_CA_CERTS",
        CA,
        When::Always,
        "the same for [Node](https://nodejs.org/api/cli.html#node_extra_ca_certsfile), beside its own authorities",
    ),
    row(
        "REQUESTS_CA_BUNDLE",
        CA,
        When::Always,
        "the same for Python's [requests](https://requests.readthedocs.io/en/latest/user/advanced/#ssl-cert-verification), and with it \
         google-auth and the OTLP exporter over HTTP",
    ),
    row(
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        CA,
        When::Always,
        "the same for [gRPC's core](https://github.com/grpc/grpc/blob/master/doc/environment_variables.md) (Python, C++, Ruby, PHP) \
         and [grpc-js](https://github.com/grpc/grpc-node/blob/master/doc/environment_variables.md)",
    ),
    row(
        "JAVA_TOOL_OPTIONS",
        Value::Text("-Djavax.net.ssl.trustStore={{ca.pkcs12}}"),
        When::JavaTrustStore,
        "the same for [Java](https://docs.oracle.com/en/java/javase/17/docs/specs/jvmti.html#tooloptions), which reads no PEM file; \
         options of the suite stand behind these",
    ),
    row(
        BATCH_DELAY,
        Value::Text("5"),
        When::Always,
        "[batch processor](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/): spans come milliseconds \
         after the answer and not 5 s; 0 makes some SDKs spin",
    ),
    row("OTEL_METRICS_EXPORTER", Value::Text("none"), When::Always, ONLY_TRACES),
    row("OTEL_LOGS_EXPORTER", Value::Text("none"), When::Always, ONLY_TRACES),
    row(
        "OTEL_TRACES_EXPORTER",
        Value::Text("gcp_trace"),
        When::Export(&[Export::GcpTrace]),
        "the exporter's name in Python and in the demo",
    ),
    row(
        "GOOGLE_CLOUD_TRACE_ENDPOINT",
        Value::Text("{{collector.cloud_trace}}"),
        When::Export(&[Export::GcpTrace]),
        "the demo's own. Google's exporters for Python, Node, Java and Rust read no endpoint from their environment: in containers \
         the mock stands under Google's names",
    ),
    row("OTEL_TRACES_EXPORTER", Value::Text("otlp"), When::Export(OTLP), EXPORTER),
    row("OTEL_EXPORTER_OTLP_PROTOCOL", Value::Text("grpc"), When::Export(&[Export::OtlpGrpc]), PROTOCOL),
    row(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        Value::Text("http/protobuf"),
        When::Export(&[Export::OtlpHttp]),
        PROTOCOL,
    ),
    row(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        Value::Text("http/json"),
        When::Export(&[Export::OtlpHttpJson]),
        PROTOCOL,
    ),
    row(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        Value::Text("{{collector.otlp_grpc}}"),
        When::Export(&[Export::OtlpGrpc]),
        PROTOCOL,
    ),
    row(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        Value::Text("{{collector.otlp_http}}"),
        When::Export(OTLP_HTTP),
        PROTOCOL,
    ),
    row(
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        CA,
        When::OtlpOnCloudRun,
        "[OTLP exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/); only where the endpoint is `https`, because Go's \
         exporter speaks TLS as soon as it is set",
    ),
    row(
        PROPAGATORS,
        Value::Text("tracecontext,baggage"),
        When::Propagation(Propagation::Tracecontext),
        LISTED,
    ),
    row(PROPAGATORS, Value::Text("gcp_trace,baggage"), When::Propagation(Propagation::GcpTrace), LISTED),
    row(
        PROPAGATORS,
        Value::Text("tracecontext,gcp_trace,baggage"),
        When::Propagation(Propagation::Both),
        LISTED,
    ),
    row(
        "GOOGLE_CLOUD_PROJECT",
        Value::Project,
        When::Project,
        "Google's client libraries, exporters and resource detectors",
    ),
    row("GCE_METADATA_HOST", Value::Text("{{metadata.host}}"), When::CloudRun, METADATA),
    row("GCE_METADATA_IP", Value::Text("{{metadata.host}}"), When::CloudRun, METADATA),
    row("K_SERVICE", Value::Service(""), When::CloudRun, CONTRACT),
    row("K_REVISION", Value::Service("-00001-spw"), When::CloudRun, CONTRACT),
    row("K_CONFIGURATION", Value::Service(""), When::CloudRun, CONTRACT),
];

const CA: Value = Value::Text("{{ca.file}}");
const EXPORTER: &str = "[exporter selection](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection) \
                        of the SDK";
const ONLY_TRACES: &str =
    "spanwise looks at traces alone; zero-code agents would send the rest to the same endpoint";

const fn row(name: &'static str, value: Value, when: When, why: &'static str) -> Row {
    Row { name, value, when, why }
}

impl When {
    /// Whether it holds under these axes, before anything is known of the service.
    pub(super) fn holds(self, choice: &Choice, project: Option<&str>) -> bool {
        let on_cloud_run = choice.platform == Platform::CloudRun;
        match self {
            When::Always => true,
            When::Project => project.is_some(),
            When::Export(exports) => exports.contains(&choice.export),
            When::Propagation(propagation) => choice.propagation == propagation,
            When::CloudRun => on_cloud_run,
            When::OtlpOnCloudRun => on_cloud_run && OTLP.contains(&choice.export),
            // Put before the options of the suite when those are known.
            When::JavaTrustStore => false,
        }
    }
}
