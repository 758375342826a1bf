//! How Cloud Run is to be emulated, as a suite says it: the front end that all services share, and each service's settings.
//!
//! The suite reader fills these in, the emulator acts on them, and rules read them to say which policy decided. What Google
//! does not document is a setting here, never a constant.

use serde::{Deserialize, Serialize};

use crate::ContextFormat;

/// The front end before every service, key `cloud-run` of a suite.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FrontEnd {
    /// Who decides whether a trace is recorded.
    pub sampling: FrontEndSampling,
    /// What becomes of the front end's own spans.
    pub spans: FrontEndSpans,
    /// The context headers that it knows.
    pub context: FrontEndContext,
    /// The region that the services believe to run in.
    pub region: Option<String>,
    /// The status for a call without a token, or by an account that may not call.
    pub not_allowed: Option<u16>,
    /// The status for a token that cannot be verified, has expired, or is meant for another service.
    pub not_valid: Option<u16>,
}

impl FrontEnd {
    /// The region where none is said.
    pub const REGION: &str = "us-central1";
    /// The status for a call that is not allowed, where none is said. Users report it; Google documents no split.
    pub const NOT_ALLOWED: u16 = 403;
    /// The status for a token that is not valid, where none is said; see [`FrontEnd::NOT_ALLOWED`].
    pub const NOT_VALID: u16 = 401;
}

/// Who decides whether a trace is recorded, key `cloud-run.sampling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrontEndSampling {
    /// The caller; a request without a context is recorded.
    #[default]
    Keep,
    /// Every request is recorded, whatever its caller said.
    On,
    /// None is.
    Off,
    /// One request in ten seconds and instance is, as Cloud Run does for requests that nobody asked to record; what the caller
    /// asked for is kept ("Using distributed tracing" of Cloud Run). The ten in a second and instance that it keeps at most of the
    /// latter are not counted here.
    Rate,
}

/// What becomes of the front end's own spans, key `cloud-run.spans`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrontEndSpans {
    /// The platform keeps them, as the real one does with nearly all: the parent that it announced is found nowhere.
    #[default]
    Kept,
    /// Those of recorded requests are stored beside the services' spans.
    Stored,
}

/// The context headers that the front end knows, key `cloud-run.context`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrontEndContext {
    /// `traceparent` and `X-Cloud-Trace-Context`: it reads the first before the second and writes both.
    #[default]
    Both,
    /// `X-Cloud-Trace-Context` alone, as the classic load balancer; `traceparent` passes through as it came.
    Google,
}

impl FrontEndContext {
    /// The formats that the front end reads, the one that wins first, and writes in place of the caller's.
    pub fn formats(self) -> &'static [ContextFormat] {
        match self {
            FrontEndContext::Both => &ContextFormat::ALL,
            FrontEndContext::Google => &[ContextFormat::GcpTrace],
        }
    }
}

/// How a service is deployed, key `cloud-run` of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CloudRunService {
    /// Where requests may come from.
    pub ingress: Ingress,
    /// Whether callers must show an ID token.
    pub auth: Auth,
    /// Custom audiences that tokens may name beside the service's URL.
    pub audiences: Vec<String>,
    /// The account that it runs as; `NAME@PROJECT.iam.gserviceaccount.com` where none is said.
    pub service_account: Option<String>,
    /// The services whose account may call it where `auth` is required; all of the suite where none is said. The driver may.
    pub invokers: Option<Vec<String>>,
    /// Whether its own calls go out through the network that `ingress: internal` admits.
    pub vpc: bool,
    /// Whether the front end speaks HTTP/2 without TLS to it, whatever it declares to serve ("HTTP/2 end-to-end"); else a service
    /// that serves HTTP is spoken to in HTTP/1.1. A gRPC service always gets HTTP/2.
    pub http2: bool,
    /// How long a request may take, in milliseconds, before the front end answers 504.
    pub timeout_ms: u64,
    /// How many requests an instance is given at once.
    pub concurrency: u32,
    /// How many instances run when there is nothing to do; 0 starts the first when the first request comes.
    pub min_instances: u32,
    /// How many instances may run; a request for which there is none, and none can be had, waits, and is answered 429 at last.
    pub max_instances: u32,
    /// How long an instance above `min-instances` is kept without a request, in milliseconds.
    pub idle_ms: u64,
    /// When an instance has a processor.
    pub cpu: Cpu,
    /// How an instance ends.
    pub end: InstanceEnd,
    /// How long the tokens are good that the metadata server gives to it, in seconds.
    pub token_lifetime_s: u64,
}

impl Default for CloudRunService {
    fn default() -> CloudRunService {
        CloudRunService {
            ingress: Ingress::default(),
            auth: Auth::default(),
            audiences: Vec::new(),
            service_account: None,
            invokers: None,
            vpc: true,
            http2: false,
            timeout_ms: 300_000,
            concurrency: 80,
            min_instances: 1,
            max_instances: 1,
            idle_ms: 900_000,
            cpu: Cpu::default(),
            end: InstanceEnd::default(),
            token_lifetime_s: 3_600,
        }
    }
}

/// Where requests may come from, key `ingress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ingress {
    /// Anywhere.
    #[default]
    All,
    /// The project's own network alone.
    Internal,
}

/// Whether callers must show an ID token, key `auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// Anybody may call.
    #[default]
    None,
    /// Callers show a token of an account that may.
    Required,
}

/// When an instance has a processor, key `cpu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cpu {
    /// While it has a request, while it starts, and after SIGTERM (request-based billing, the default of Cloud Run).
    #[default]
    Throttled,
    /// Always (instance-based billing).
    Always,
}

/// How an instance ends, key `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceEnd {
    /// It gets the processor back and SIGTERM, and ten seconds later SIGKILL.
    #[default]
    Sigterm,
    /// It is killed as it is, without a word.
    Killed,
}
