//! The suite file as it is written: one struct a mapping, one field a key.
//!
//! Only shapes and types are checked here; what the names mean is checked where they are used (`service`, `axes`,
//! `request`, `expected`, `levels`, `known`, `cloud_run`). Every mapping refuses keys it does not know.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;
use spanwise_model::{
    Auth, Cpu, FrontEndContext, FrontEndSampling, FrontEndSpans, Ingress, InstanceEnd, LimitProfile,
    Sampling, ServiceProtocol, SpanKind, StatusCode,
};

use crate::error::{File, SuiteError};
use crate::yaml::{AxisNode, Described, Entries, LabelValue, Scalar};
use crate::{Caller, ContextKind, Persona};

/// No hand writes a longer file; a program that does should make several.
const MOST_BYTES: usize = 1024 * 1024;
/// Enough for a thousand cases, little enough to stop aliases that multiply.
const MOST_NODES: usize = 50_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SuiteFile {
    pub(crate) suite: Spanned<String>,
    pub(crate) project: Option<String>,
    pub(crate) profile: Option<Spanned<String>>,
    pub(crate) sampling: Option<Sampling>,
    pub(crate) schema: Option<Spanned<String>>,
    pub(crate) registry: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) require_labels: Vec<String>,
    #[serde(default)]
    pub(crate) limits: LimitProfile,
    #[serde(default)]
    pub(crate) external_hosts: Vec<String>,
    pub(crate) cloud_run: Option<Spanned<FrontEndFile>>,
    pub(crate) services: Entries<ServiceFile>,
    /// Stand-ins for HTTP services of others, each with what it answers. `{{NAME.url}}` is where one is.
    #[serde(default)]
    pub(crate) stubs: Entries<Vec<StubFile>>,
    /// Where the services that run already export to.
    pub(crate) collector: Option<Spanned<FixedCollectorFile>>,
    #[serde(default)]
    pub(crate) axes: Entries<AxisNode>,
    #[serde(default)]
    pub(crate) agree: Vec<Spanned<String>>,
    pub(crate) cases: Entries<CaseFile>,
    #[serde(default)]
    pub(crate) levels: Entries<Spanned<Described<Entries<Spanned<String>>>>>,
    #[serde(default)]
    pub(crate) exclude: Vec<ExcludeFile>,
    #[serde(default)]
    pub(crate) known_failing: Vec<KnownFile>,
    #[serde(default)]
    pub(crate) known_flaky: Vec<KnownFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ServiceFile {
    /// A demo service that spanwise starts as a child of itself.
    pub(crate) demo: Option<Spanned<String>>,
    /// Program and arguments; may hold references such as `{{port}}`. A relative path of the program begins at `folder`.
    pub(crate) command: Option<Spanned<Vec<Spanned<String>>>>,
    /// An image that it runs in as a container, such as `registry.example/shop:1.2`; `command` takes the place of its `CMD`. It is
    /// pulled where it is not on the machine.
    pub(crate) image: Option<Spanned<String>>,
    /// A Dockerfile, relative to the folder of the suite file: its image is built once a run, and the service runs in that.
    pub(crate) dockerfile: Option<Spanned<String>>,
    /// The folder from which the Dockerfile copies, relative to that of the suite file; that of the Dockerfile where nothing is
    /// said.
    pub(crate) context: Option<Spanned<String>>,
    /// Values for the `ARG`s of the Dockerfile.
    #[serde(default)]
    pub(crate) build_args: Entries<Spanned<Scalar>>,
    /// The port at which it listens in its container, which `PORT` says; 8080 where nothing is said.
    pub(crate) container_port: Option<Spanned<u16>>,
    /// Where it runs already, as `http://HOST:PORT`. It is neither started nor ended, and exports to the suite's `collector`.
    pub(crate) url: Option<Spanned<String>>,
    /// The `service.name` under which it exports, where it runs already and others export there, too.
    pub(crate) service_name: Option<Spanned<String>>,
    /// Program and arguments that are run before the service is started, in `folder`, once a run; a line for a shell is
    /// `[sh, -c, LINE]`.
    pub(crate) build: Option<Spanned<Vec<Spanned<String>>>>,
    /// The folder that it is built and started in, relative to that of the suite file, which it is where nothing is said.
    pub(crate) folder: Option<Spanned<String>>,
    pub(crate) protocol: ServiceProtocol,
    /// How it says that it serves.
    pub(crate) ready: Option<Spanned<Described<ReadyFile, ReadyWord>>>,
    /// How long it may take until it does, in seconds.
    pub(crate) ready_within_s: Option<Spanned<u64>>,
    #[serde(default)]
    pub(crate) env: Entries<Spanned<Scalar>>,
    pub(crate) flushes_on_sigterm: Option<Spanned<bool>>,
    #[serde(default)]
    pub(crate) sets_http_route: bool,
    #[serde(default)]
    pub(crate) untraced: Vec<String>,
    #[serde(default)]
    pub(crate) external: bool,
    pub(crate) collector: Option<Spanned<CollectorFile>>,
    pub(crate) cloud_run: Option<Spanned<CloudRunFile>>,
}

/// `ready` of a service, in a word.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReadyWord {
    /// A JSON line `{"message":"listening","address":"HOST:PORT"}`.
    Line,
    /// Its port accepts connections.
    Port,
    /// `grpc.health.v1` says SERVING.
    GrpcHealth,
}

/// `ready` of a service, where a word does not say it: one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ReadyFile {
    /// A path; a GET of it is answered with a status of 200 to 299.
    pub(crate) http: Option<Spanned<String>>,
    /// Text of a line that it writes.
    pub(crate) line: Option<Spanned<String>>,
}

/// `collector` of a suite: addresses as `127.0.0.1:4317`. Two that are the same are one listener.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FixedCollectorFile {
    /// Where OTLP over gRPC is taken.
    pub(crate) otlp_grpc: Option<Spanned<String>>,
    /// Where OTLP over HTTP is taken.
    pub(crate) otlp_http: Option<Spanned<String>>,
    /// Where Cloud Trace v2 is taken, over gRPC and REST.
    pub(crate) cloud_trace: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) persona: Persona,
}

/// One answer of a stub. The first one that fits a request is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StubFile {
    /// The method; every one where nothing is said.
    pub(crate) method: Option<Spanned<String>>,
    /// The path without the query; `*` stands for any characters.
    pub(crate) path: Spanned<String>,
    #[serde(default)]
    pub(crate) respond: RespondFile,
}

/// What a stub answers; 200 without a body where nothing is said.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RespondFile {
    pub(crate) status: Option<Spanned<u16>>,
    #[serde(default)]
    pub(crate) headers: Entries<Spanned<Scalar>>,
    /// The body as JSON, with `content-type: application/json` where `headers` has none.
    pub(crate) json: Option<Spanned<serde_json::Value>>,
    /// The body as it is.
    pub(crate) body: Option<Spanned<String>>,
    /// How long it takes to answer, in milliseconds.
    pub(crate) delay_ms: Option<Spanned<u64>>,
}

/// `cloud-run` of a suite; [`spanwise_model::FrontEnd`] says what it means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FrontEndFile {
    #[serde(default)]
    pub(crate) sampling: FrontEndSampling,
    #[serde(default)]
    pub(crate) spans: FrontEndSpans,
    #[serde(default)]
    pub(crate) context: FrontEndContext,
    pub(crate) region: Option<Spanned<String>>,
    pub(crate) not_allowed: Option<Spanned<u16>>,
    pub(crate) not_valid: Option<Spanned<u16>>,
}

/// `cloud-run` of a service; [`spanwise_model::CloudRunService`] says what it means, and what holds where nothing is said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CloudRunFile {
    #[serde(default)]
    pub(crate) ingress: Ingress,
    #[serde(default)]
    pub(crate) auth: Auth,
    #[serde(default)]
    pub(crate) audiences: Vec<Spanned<String>>,
    pub(crate) service_account: Option<Spanned<String>>,
    pub(crate) invokers: Option<Vec<Spanned<String>>>,
    pub(crate) vpc: Option<bool>,
    #[serde(default)]
    pub(crate) http2: bool,
    pub(crate) timeout_ms: Option<Spanned<u64>>,
    pub(crate) concurrency: Option<Spanned<u32>>,
    pub(crate) min_instances: Option<Spanned<u32>>,
    pub(crate) max_instances: Option<Spanned<u32>>,
    pub(crate) idle_ms: Option<u64>,
    #[serde(default)]
    pub(crate) cpu: Cpu,
    #[serde(default)]
    pub(crate) end: InstanceEnd,
    pub(crate) token_lifetime_s: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CollectorFile {
    #[serde(default)]
    pub(crate) persona: Persona,
    #[serde(default)]
    pub(crate) refuse: bool,
    pub(crate) refuse_first: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CaseFile {
    #[serde(default)]
    pub(crate) each: Entries<Vec<Spanned<Scalar>>>,
    pub(crate) http: Option<HttpFile>,
    pub(crate) grpc: Option<GrpcFile>,
    #[serde(default)]
    pub(crate) expect: ExpectFile,
    #[serde(default)]
    pub(crate) axes: Entries<Vec<Spanned<Scalar>>>,
    #[serde(default)]
    pub(crate) context: ContextKind,
    pub(crate) concurrent: Option<Spanned<u32>>,
    pub(crate) repeat: Option<RepeatFile>,
    pub(crate) caller: Option<Spanned<Caller>>,
    #[serde(default)]
    pub(crate) require_labels: Vec<String>,
    #[serde(default)]
    pub(crate) services: Entries<OverrideFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RepeatFile {
    pub(crate) times: Spanned<u32>,
    pub(crate) pause_ms: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct HttpFile {
    pub(crate) to: Spanned<String>,
    pub(crate) get: Option<Spanned<String>>,
    pub(crate) post: Option<Spanned<String>>,
    pub(crate) put: Option<Spanned<String>>,
    pub(crate) patch: Option<Spanned<String>>,
    pub(crate) delete: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) headers: Entries<Spanned<Scalar>>,
    pub(crate) json: Option<Spanned<serde_json::Value>>,
    pub(crate) body: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct GrpcFile {
    pub(crate) to: Spanned<String>,
    pub(crate) call: Spanned<String>,
    pub(crate) message: Option<Spanned<serde_json::Value>>,
    #[serde(default)]
    pub(crate) metadata: Entries<Spanned<Scalar>>,
    pub(crate) deadline_ms: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ExpectFile {
    pub(crate) http: Option<Spanned<Scalar>>,
    pub(crate) grpc: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) spans: Vec<ExpectedSpanFile>,
    pub(crate) http_spans: Option<Spanned<Vec<ExpectedSpanFile>>>,
    pub(crate) grpc_spans: Option<Spanned<Vec<ExpectedSpanFile>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ExpectedSpanFile {
    pub(crate) service: Option<Spanned<String>>,
    pub(crate) kind: Option<SpanKind>,
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) status: Option<StatusCode>,
    #[serde(default)]
    pub(crate) labels: Entries<Spanned<LabelValue>>,
    #[serde(default)]
    pub(crate) children: Vec<ExpectedSpanFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct OverrideFile {
    pub(crate) env: Entries<Spanned<Scalar>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct KnownFile {
    pub(crate) pattern: Spanned<String>,
    pub(crate) rules: Spanned<Vec<Spanned<String>>>,
    /// Required; optional here so that the error can point at the entry that lacks it.
    pub(crate) reason: Option<Spanned<String>>,
    pub(crate) link: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ExcludeFile {
    pub(crate) pattern: Spanned<String>,
    /// Required, as that of [`KnownFile`].
    pub(crate) reason: Option<Spanned<String>>,
}

/// Reads the shapes of a file; stops at the first mistake.
pub(crate) fn read_yaml<T: DeserializeOwned>(file: File<'_>) -> Result<T, SuiteError> {
    if file.text.len() > MOST_BYTES {
        let none = File { text: "", ..file };
        let message = format!("the file has {} bytes, more than the {MOST_BYTES} allowed", file.text.len());
        return Err(none.error(serde_saphyr::Location::UNKNOWN, message));
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_nodes: MOST_NODES },
    };
    serde_saphyr::from_str_with_options(file.text, options).map_err(|error| file.unreadable(&error))
}
