//! The suite file as it is written: one struct a mapping, one field a key.
//!
//! Only shapes and types are checked here; what the names mean is checked where they are used (`service`, `axes`,
//! `request`, `expected`, `levels`, `known`, `cloud_run`). Every mapping refuses keys it does not know.
//!
//! `schema` makes the JSON Schema of suites of these structs. The documentation of a field is what editors show for its key, so it
//! speaks to who writes a suite.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use spanwise_model::{
    Auth, Cpu, FrontEndContext, FrontEndSampling, FrontEndSpans, Ingress, InstanceEnd, LimitProfile,
    Sampling, ServiceProtocol,
};

use crate::Persona;
use crate::cloud_run::{LONGEST_REQUEST_MS, LONGEST_TOKEN_S, MOST_CONCURRENCY, MOST_INSTANCES};
use crate::error::{File, SuiteError};
use crate::launch::{LONGEST_BUILD_S, LONGEST_READY_S};
use crate::schema::{Axes, Component, ErrorCode, Levels, Named, Word};
use crate::spanned::Spanned;
use crate::yaml::{AxisNode, Described, Entries, Scalar};

mod case;
mod stub;

pub(crate) use case::{CaseFile, ExpectFile, ExpectedSpanFile, GrpcFile, HttpFile, ShellFile, StepFile};
pub(crate) use stub::StubFile;

/// No hand writes a longer file; a program that does should make several.
const MOST_BYTES: usize = 1024 * 1024;
/// Enough for a thousand cases, little enough to stop aliases that multiply.
const MOST_NODES: usize = 50_000;

/// Services, axes and cases. For completion in editors; `spanwise` itself checks more, such as whether a name that is used exists.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "suite")]
pub(crate) struct SuiteFile {
    /// The first component of every permutation's full name.
    #[schemars(with = "Component")]
    pub(crate) suite: Spanned<String>,
    /// Handed to services as GOOGLE_CLOUD_PROJECT.
    pub(crate) project: Option<String>,
    /// Which rules are applied at which level; the command line can say otherwise.
    pub(crate) profile: Option<Spanned<String>>,
    /// What the services' samplers do, so that rules can judge by it.
    #[schemars(with = "Option<Word<Sampling>>")]
    pub(crate) sampling: Option<Sampling>,
    /// Which version of the semantic conventions labels are held against.
    pub(crate) schema: Option<Spanned<String>>,
    /// A file, or a folder of files, in the format of Weaver whose attributes are added to the conventions; relative to this file.
    pub(crate) registry: Option<Spanned<String>>,
    /// Labels that every SERVER and CLIENT span must have.
    #[serde(default)]
    pub(crate) require_labels: Vec<String>,
    /// Labels whose values differ from request to request by nature, such as the id of a new order; `*` stands for any characters.
    /// Trees agree whatever they say, and a label that is missing is still a difference.
    #[serde(default)]
    pub(crate) varying_labels: Vec<String>,
    /// Which limits of Google's labels are held against.
    #[serde(default)]
    #[schemars(with = "Word<LimitProfile>")]
    pub(crate) limits: LimitProfile,
    /// Hosts of others, which must get no trace context and no baggage.
    #[serde(default)]
    pub(crate) external_hosts: Vec<String>,
    /// The front end that stands before every service on platform cloud-run.
    pub(crate) cloud_run: Option<Spanned<FrontEndFile>>,
    /// The services by name: how each is started, and what is declared of it.
    #[schemars(with = "Named<ServiceFile>")]
    pub(crate) services: Entries<ServiceFile>,
    /// Stand-ins for HTTP services of others by name, each with what it answers, the first that fits. `{{NAME.url}}` is where it is.
    #[serde(default)]
    #[schemars(with = "Named<Vec<StubFile>>")]
    pub(crate) stubs: Entries<Vec<StubFile>>,
    /// Where the services export to that run already; two addresses that are the same are one listener.
    pub(crate) collector: Option<Spanned<FixedCollectorFile>>,
    /// Every case runs under every combination of their values. Their order is the order in full names.
    #[serde(default)]
    #[schemars(with = "Axes")]
    pub(crate) axes: Entries<AxisNode>,
    /// Axes whose values must give the same trees.
    #[serde(default)]
    pub(crate) agree: Vec<Spanned<String>>,
    /// What is sent and expected, by name.
    #[schemars(with = "Named<CaseFile>")]
    pub(crate) cases: Entries<CaseFile>,
    /// Levels in place of the catalogue's, by rule: of the findings about all services, or about those that are named.
    #[serde(default)]
    #[schemars(with = "Levels")]
    pub(crate) levels: Entries<Spanned<Described<Entries<Spanned<String>>>>>,
    /// Combinations of axes that are not planned, each with a reason.
    #[serde(default)]
    pub(crate) exclude: Vec<ExcludeFile>,
    /// Permutations that must fail by these rules; passing fails the run.
    #[serde(default)]
    pub(crate) known_failing: Vec<KnownFile>,
    /// Permutations that may fail by these rules.
    #[serde(default)]
    pub(crate) known_flaky: Vec<KnownFile>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "service", extend("anyOf" = [{ "required": ["demo"] }, { "required": ["command"] }, { "required": ["image"] }, { "required": ["dockerfile"] }, { "required": ["url"] }]))]
pub(crate) struct ServiceFile {
    /// A demo service that spanwise starts as a child of itself.
    pub(crate) demo: Option<Spanned<String>>,
    /// Program and arguments; may hold references such as {{port}}. A relative path of the program begins at `folder`.
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
    #[schemars(range(min = 1))]
    pub(crate) container_port: Option<Spanned<u16>>,
    /// Where it runs already, as `http://HOST:PORT`. It is neither started nor ended, and exports to the suite's `collector`.
    pub(crate) url: Option<Spanned<String>>,
    /// The `service.name` under which it exports, where it runs already and others export there, too.
    pub(crate) service_name: Option<Spanned<String>>,
    /// Program and arguments that are run before the service is started, in `folder`, once a run. A line for a shell is
    /// `[sh, -c, LINE]`.
    pub(crate) build: Option<Spanned<Vec<Spanned<String>>>>,
    /// How long `build` may take, and the image of a container until it is there, each; in seconds, 1800 where nothing is said.
    #[schemars(range(min = 1, max = LONGEST_BUILD_S))]
    pub(crate) build_within_s: Option<Spanned<u64>>,
    /// The folder that it is built and started in, relative to that of the suite file, which it is where nothing is said.
    pub(crate) folder: Option<Spanned<String>>,
    /// What it speaks: `http` or `grpc`.
    #[schemars(with = "Word<ServiceProtocol>")]
    pub(crate) protocol: ServiceProtocol,
    /// Files that say what its gRPC messages mean, where it does not say so itself by server reflection; relative to this file.
    pub(crate) protos: Option<Vec<Spanned<String>>>,
    /// Folders in which `protos` and what they import are looked for, before the folder of this file.
    pub(crate) proto_paths: Option<Vec<Spanned<String>>>,
    /// How it says that it serves: by a JSON line with its address, its port, or grpc.health.v1; by a GET of a path that is answered
    /// with a status of 200 to 299; or by a line with some text in it.
    pub(crate) ready: Option<Spanned<Described<ReadyFile>>>,
    /// How long it may take until it does, in seconds; 60 where nothing is said, and 10 where it runs already.
    #[schemars(range(min = 1, max = LONGEST_READY_S))]
    pub(crate) ready_within_s: Option<Spanned<u64>>,
    /// Variables of its environment; may hold references such as {{NAME.url}} and {{collector.otlp_grpc}}.
    #[serde(default)]
    pub(crate) env: Entries<Spanned<Scalar>>,
    /// It exports what it has before it ends, so its exit proves that nothing more comes.
    pub(crate) flushes_on_sigterm: Option<Spanned<bool>>,
    /// A server span of it without http.route is a finding.
    #[serde(default)]
    pub(crate) sets_http_route: bool,
    /// Paths, or gRPC services, whose requests make no spans.
    #[serde(default)]
    pub(crate) untraced: Vec<String>,
    /// It stands for somebody else's: no spans of it are expected, and no context may be sent to it.
    #[serde(default)]
    pub(crate) external: bool,
    /// It runs on a Java virtual machine, which must be told of the run's certificate authority by options of its own: they are put
    /// before those of JAVA_TOOL_OPTIONS.
    pub(crate) java_trust_store: Option<Spanned<bool>>,
    /// What it meets where it exports to; without this, a collector that takes everything it can read.
    pub(crate) collector: Option<Spanned<CollectorFile>>,
    /// How it is deployed on platform cloud-run.
    pub(crate) cloud_run: Option<Spanned<CloudRunFile>>,
}

// `ready` of a service, in a word.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReadyWord {
    Line,
    Port,
    GrpcHealth,
}

/// One of these.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(inline, extend("oneOf" = [{ "required": ["http"] }, { "required": ["line"] }]))]
pub(crate) struct ReadyFile {
    /// A path; a GET of it is answered with a status of 200 to 299.
    pub(crate) http: Option<Spanned<String>>,
    /// Text of a line that it writes, to standard output or standard error.
    pub(crate) line: Option<Spanned<String>>,
}

// `collector` of a suite.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) struct FixedCollectorFile {
    /// Where OTLP over gRPC is taken, as `127.0.0.1:4317`.
    pub(crate) otlp_grpc: Option<Spanned<String>>,
    /// Where OTLP over HTTP is taken, as `127.0.0.1:4318`.
    pub(crate) otlp_http: Option<Spanned<String>>,
    /// Where Cloud Trace v2 is taken, over gRPC and REST.
    pub(crate) cloud_trace: Option<Spanned<String>>,
    /// Whom the collector stands for when OTLP comes in: anybody's, or Google's Telemetry API, which asks for a token and a project.
    #[serde(default)]
    #[schemars(with = "Word<Persona>")]
    pub(crate) persona: Persona,
}

// `cloud-run` of a suite; `spanwise_model::FrontEnd` says what it means.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "front-end")]
pub(crate) struct FrontEndFile {
    /// Who decides whether a trace is recorded: the caller; the front end, on or off whatever the caller says; or the front end at a
    /// rate, where the caller does not ask for it.
    #[serde(default)]
    #[schemars(with = "Word<FrontEndSampling>")]
    pub(crate) sampling: FrontEndSampling,
    /// What becomes of the front end's own spans: the platform keeps them, or they are stored beside those of the services.
    #[serde(default)]
    #[schemars(with = "Word<FrontEndSpans>")]
    pub(crate) spans: FrontEndSpans,
    /// The context headers that it knows: traceparent and X-Cloud-Trace-Context, or the second alone, as the classic load balancer.
    #[serde(default)]
    #[schemars(with = "Word<FrontEndContext>")]
    pub(crate) context: FrontEndContext,
    /// Where the services believe to run; us-central1 where nothing is said.
    pub(crate) region: Option<Spanned<String>>,
    /// The status for a call without a token, or by an account that may not call; 403 where nothing is said.
    #[schemars(range(min = 400, max = 499))]
    pub(crate) not_allowed: Option<Spanned<u16>>,
    /// The status for a token that cannot be verified, has expired, or is for another service; 401 where nothing is said.
    #[schemars(range(min = 400, max = 499))]
    pub(crate) not_valid: Option<Spanned<u16>>,
}

// `cloud-run` of a service; `spanwise_model::CloudRunService` says what it means, and what holds where nothing is said.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "cloud-run")]
pub(crate) struct CloudRunFile {
    /// Where requests may come from: anywhere, or the project's own network alone.
    #[serde(default)]
    #[schemars(with = "Word<Ingress>")]
    pub(crate) ingress: Ingress,
    /// Whether callers must show an ID token.
    #[serde(default)]
    #[schemars(with = "Word<Auth>")]
    pub(crate) auth: Auth,
    /// Custom audiences that tokens may name beside the service's URL.
    #[serde(default)]
    pub(crate) audiences: Vec<Spanned<String>>,
    /// The account that it runs as; NAME@PROJECT.iam.gserviceaccount.com where nothing is said.
    pub(crate) service_account: Option<Spanned<String>>,
    /// The services that may call it where auth is required; all where nothing is said. The driver may.
    pub(crate) invokers: Option<Vec<Spanned<String>>>,
    /// Whether its own calls go through the network that `ingress: internal` admits; true where nothing is said.
    pub(crate) vpc: Option<bool>,
    /// Whether the front end speaks HTTP/2 to it end to end; a gRPC service gets HTTP/2 anyway.
    #[serde(default)]
    pub(crate) http2: bool,
    /// How long a request may take before the front end answers 504; 300000 where nothing is said, at most an hour.
    #[schemars(range(min = 1, max = LONGEST_REQUEST_MS))]
    pub(crate) timeout_ms: Option<Spanned<u64>>,
    /// How many requests an instance is given at once; 80 where nothing is said.
    #[schemars(range(min = 1, max = MOST_CONCURRENCY))]
    pub(crate) concurrency: Option<Spanned<u32>>,
    /// How many instances run with nothing to do; 1 where nothing is said. 0 starts the first with the first request.
    #[schemars(range(min = 0, max = MOST_INSTANCES))]
    pub(crate) min_instances: Option<Spanned<u32>>,
    /// How many instances may run; 1, or as many as min-instances, where nothing is said.
    #[schemars(range(min = 1, max = MOST_INSTANCES))]
    pub(crate) max_instances: Option<Spanned<u32>>,
    /// How long an instance above min-instances is kept without a request; 900000 where nothing is said.
    pub(crate) idle_ms: Option<u64>,
    /// When an instance has a processor: while it has requests, or always.
    #[serde(default)]
    #[schemars(with = "Word<Cpu>")]
    pub(crate) cpu: Cpu,
    /// How an instance ends: by SIGTERM, and SIGKILL ten seconds later; or killed as it is.
    #[serde(default)]
    #[schemars(with = "Word<InstanceEnd>")]
    pub(crate) end: InstanceEnd,
    /// How long the tokens are good that the metadata server gives to it; 3600 where nothing is said.
    #[schemars(range(min = 1, max = LONGEST_TOKEN_S))]
    pub(crate) token_lifetime_s: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "collector")]
pub(crate) struct CollectorFile {
    /// Whom the collector stands for when OTLP comes in: anybody's, or Google's Telemetry API, which asks for a token and a project.
    /// Cloud Trace requests are always Google's.
    #[serde(default)]
    #[schemars(with = "Word<Persona>")]
    pub(crate) persona: Persona,
    /// What Google would refuse is refused, and not only noted down.
    #[serde(default)]
    pub(crate) refuse: bool,
    /// The gRPC code with which the first export request is refused, whatever is in it.
    #[schemars(with = "Option<ErrorCode>")]
    pub(crate) refuse_first: Option<Spanned<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "known")]
pub(crate) struct KnownFile {
    /// Full names: `*` is one component, `**` any number.
    pub(crate) pattern: Spanned<String>,
    /// The rules by which they fail.
    pub(crate) rules: Spanned<Vec<Spanned<String>>>,
    /// Why they fail.
    // Optional here so that the error can point at the entry that lacks it.
    #[schemars(with = "String")]
    pub(crate) reason: Option<Spanned<String>>,
    /// Where it is tracked.
    pub(crate) link: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "exclude")]
pub(crate) struct ExcludeFile {
    /// Full names; `*` stands for one component, `**` for any number.
    pub(crate) pattern: Spanned<String>,
    /// Why not.
    // Optional here as that of `KnownFile` is.
    #[schemars(with = "String")]
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
