//! The cases of a suite file as they are written: what is sent, and what must come of it.
//!
//! As in all of `format`, a field's documentation is what editors show for its key.

use schemars::JsonSchema;
use serde::Deserialize;
use spanwise_model::{SpanKind, StatusCode};

use crate::each::{LONGEST_PAUSE_MS, MOST_CONCURRENT, MOST_ROUNDS};
use crate::schema::{Component, Named, Object, Status, Word};
use crate::spanned::Spanned;
use crate::yaml::{Entries, LabelValue, Scalar};
use crate::{Caller, ContextKind};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "case")]
pub(crate) struct CaseFile {
    /// Lists of values; the case runs with every combination, {{each.NAME}} stands for the value.
    #[serde(default)]
    #[schemars(with = "Named<Vec<Spanned<Scalar>>>")]
    pub(crate) each: Entries<Vec<Spanned<Scalar>>>,
    /// An HTTP request, for entry `http`.
    pub(crate) http: Option<HttpFile>,
    /// A gRPC call, for entry `grpc`.
    pub(crate) grpc: Option<GrpcFile>,
    /// A command, for entry `shell`.
    pub(crate) shell: Option<ShellFile>,
    /// Requests that are sent one after the other, each when the one before was answered, and each with a trace of its own; in place of
    /// `http`, `grpc`, `shell` and `expect`.
    #[schemars(length(min = 1))]
    pub(crate) sequence: Option<Spanned<Vec<Spanned<StepFile>>>>,
    /// What must come back, and which spans each request must have.
    pub(crate) expect: Option<Spanned<ExpectFile>>,
    /// The values of an axis under which the case runs, where not all.
    #[serde(default)]
    pub(crate) axes: Entries<Vec<Spanned<Scalar>>>,
    /// What the driver sends of a trace.
    #[serde(default)]
    #[schemars(with = "Word<ContextKind>")]
    pub(crate) context: ContextKind,
    /// So many requests at once, each with a {{user}} of its own.
    #[schemars(range(min = 2, max = MOST_CONCURRENT))]
    pub(crate) concurrent: Option<Spanned<u32>>,
    /// So many rounds of the request, or of the concurrent ones: each begins when the one before was answered and the pause has passed.
    pub(crate) repeat: Option<RepeatFile>,
    /// Where the driver stands on cloud-run: in the network that `ingress: internal` admits, or outside.
    #[schemars(with = "Option<Word<Caller>>")]
    pub(crate) caller: Option<Spanned<Caller>>,
    /// Labels that every SERVER and CLIENT span must have; of requests with a {{user}} where the case has them.
    #[serde(default)]
    pub(crate) require_labels: Vec<String>,
    /// Environment that this case changes; it then has services of its own.
    #[serde(default)]
    pub(crate) services: Entries<OverrideFile>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "repeat")]
pub(crate) struct RepeatFile {
    /// How many rounds.
    #[schemars(range(min = 2, max = MOST_ROUNDS))]
    pub(crate) times: Spanned<u32>,
    /// From the last answer of a round to the first request of the next; 0 where nothing is said.
    #[schemars(range(min = 0, max = LONGEST_PAUSE_MS))]
    pub(crate) pause_ms: Option<Spanned<u64>>,
}

/// A request of a sequence: one form or several, as a case has them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "step")]
pub(crate) struct StepFile {
    /// What it is called; its number where nothing is said. Later steps take values of its answer by {{steps.NAME.json.KEY}}.
    #[schemars(with = "Option<Component>")]
    pub(crate) name: Option<Spanned<String>>,
    /// An HTTP request.
    pub(crate) http: Option<HttpFile>,
    /// A gRPC call.
    pub(crate) grpc: Option<GrpcFile>,
    /// A command.
    pub(crate) shell: Option<ShellFile>,
    /// What must come back, and which spans the request must have.
    pub(crate) expect: Option<Spanned<ExpectFile>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "http", extend("oneOf" = [
    { "required": ["get"] }, { "required": ["post"] }, { "required": ["put"] }, { "required": ["patch"] }, { "required": ["delete"] },
]))]
pub(crate) struct HttpFile {
    /// The service that it goes to.
    pub(crate) to: Spanned<String>,
    /// GET: path and query.
    pub(crate) get: Option<Spanned<String>>,
    /// POST: path and query.
    pub(crate) post: Option<Spanned<String>>,
    /// PUT: path and query.
    pub(crate) put: Option<Spanned<String>>,
    /// PATCH: path and query.
    pub(crate) patch: Option<Spanned<String>>,
    /// DELETE: path and query.
    pub(crate) delete: Option<Spanned<String>>,
    /// Headers beside those of trace context, which the driver sets.
    #[serde(default)]
    pub(crate) headers: Entries<Spanned<Scalar>>,
    /// The body, as JSON.
    pub(crate) json: Option<Spanned<serde_json::Value>>,
    /// The body, as it is.
    pub(crate) body: Option<Spanned<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "grpc")]
pub(crate) struct GrpcFile {
    /// The service that it goes to.
    pub(crate) to: Spanned<String>,
    /// package.Service/Method
    pub(crate) call: Spanned<String>,
    /// The request message as JSON; without it and `messages`, one with nothing in it.
    #[schemars(with = "Option<Object>")]
    pub(crate) message: Option<Spanned<serde_json::Value>>,
    /// The request messages of a method that takes a stream, in place of `message`; all are sent at once. None is a stream that ends
    /// without one.
    #[schemars(with = "Option<Vec<Object>>")]
    pub(crate) messages: Option<Vec<Spanned<serde_json::Value>>>,
    /// Metadata beside those of trace context, which the driver sets.
    #[serde(default)]
    pub(crate) metadata: Entries<Spanned<Scalar>>,
    /// The driver gives up after so many milliseconds.
    pub(crate) deadline_ms: Option<Spanned<u64>>,
}

/// A command that calls services, such as a client program or a job. It finds the trace context of the driver in TRACEPARENT and, as
/// the axis `propagation` says, X_CLOUD_TRACE_CONTEXT, the certificate authority of the run in SSL_CERT_FILE and, on Cloud Run, an ID
/// token for each private service that it names in ID_TOKEN_NAME: for `api-service` in ID_TOKEN_API_SERVICE.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "shell")]
pub(crate) struct ShellFile {
    /// What `sh -c` runs, in the folder of this file. {{NAME.url}} is the proxy before a service, over the channel of the axis
    /// `channel-in`; the first service that is named is the one that the request goes to.
    pub(crate) run: Spanned<String>,
    /// Variables of its environment; may hold the same references.
    #[serde(default)]
    pub(crate) env: Entries<Spanned<Scalar>>,
    /// After so many milliseconds it is killed, with all that it started; 30000 where nothing is said.
    #[schemars(range(min = 1))]
    pub(crate) deadline_ms: Option<Spanned<u64>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "expect")]
pub(crate) struct ExpectFile {
    /// A status; a gRPC code for the status it maps to; or `broken`: 200, and a body that is cut short.
    #[schemars(with = "Option<Status>")]
    pub(crate) http: Option<Spanned<Scalar>>,
    /// A gRPC code.
    pub(crate) grpc: Option<Spanned<String>>,
    /// The exit code of a `shell` command; 0 where nothing is said.
    #[schemars(range(min = 0, max = 255))]
    pub(crate) exit: Option<Spanned<u8>>,
    /// Headers of the answer, or metadata and trailers of gRPC. `*` stands for any characters; null says that the header must not
    /// be there.
    #[serde(default)]
    pub(crate) headers: Entries<Spanned<Option<Scalar>>>,
    /// What the answer must hold as JSON: the body, the gRPC message, or the list of messages of a stream. Keys that are left out are
    /// not checked; in texts `*` stands for any characters, and alone for any value; null is also a key that is not there.
    pub(crate) json: Option<Spanned<serde_json::Value>>,
    /// Trees that must be found among the spans of each request.
    #[serde(default)]
    pub(crate) spans: Vec<ExpectedSpanFile>,
    /// The same, in the `http` form alone.
    pub(crate) http_spans: Option<Spanned<Vec<ExpectedSpanFile>>>,
    /// The same, in the `grpc` form alone.
    pub(crate) grpc_spans: Option<Spanned<Vec<ExpectedSpanFile>>>,
}

/// A span; a key that is left out is not checked. In texts `*` stands for any characters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "span")]
pub(crate) struct ExpectedSpanFile {
    /// The service that exports it.
    pub(crate) service: Option<Spanned<String>>,
    /// Its kind.
    #[schemars(with = "Option<Word<SpanKind>>")]
    pub(crate) kind: Option<SpanKind>,
    /// Its name.
    pub(crate) name: Option<Spanned<String>>,
    /// Its status.
    #[schemars(with = "Option<Word<StatusCode>>")]
    pub(crate) status: Option<StatusCode>,
    /// Values are typed; null says that the label must not be there.
    #[serde(default)]
    pub(crate) labels: Entries<Spanned<LabelValue>>,
    /// Spans directly below it, in any order; others may be there too.
    #[serde(default)]
    pub(crate) children: Vec<ExpectedSpanFile>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "override")]
pub(crate) struct OverrideFile {
    /// Variables in place of those that the service has.
    pub(crate) env: Entries<Spanned<Scalar>>,
}
