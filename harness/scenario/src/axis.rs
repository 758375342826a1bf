//! The built-in axes, each with a fixed effect. What they do to a service's environment stands in `environment`.

use serde::{Deserialize, Serialize};
use spanwise_model::{ContextFormat, Platform};

/// An enum whose values are words of the suite format.
macro_rules! words {
    (
        $(#[$about:meta])*
        $name:ident { $( $(#[$doc:meta])* $value:ident = $word:literal, )* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$doc])* $value, )* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$value),*];

            /// The word in suite files and names.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$value => $word),* }
            }

            /// The words of every value.
            pub(crate) fn words() -> Vec<&'static str> {
                $name::ALL.iter().map(|value| value.as_str()).collect()
            }

            pub(crate) fn of_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }
    };
}

words! {
    /// Axis `entry`: which form of the case is sent. A case runs under the values for which it has a form.
    Entry {
        /// The `http` form.
        Http = "http",
        /// The `grpc` form.
        Grpc = "grpc",
    }
}

words! {
    /// Axes `channel-in` and `channel-out`.
    ///
    /// `channel-in` is what the driver speaks to the front before the entry service; every front offers both, so it
    /// takes no service of its own. `channel-out` is what `{{NAME.url}}` and `{{refused.url}}` say to the services
    /// that call others; a permutation in which no such reference is used has no `channel-out` in its name and runs
    /// in the setting of the axis' first value.
    Channel {
        /// Plaintext: HTTP/1.1, or HTTP/2 with prior knowledge.
        Insecure = "insecure",
        /// TLS, which ends at the front, as on Cloud Run.
        Secure = "secure",
    }
}

words! {
    /// Axis `export`: the exporter that services are told to use, and its endpoint.
    Export {
        /// Cloud Trace v2 over gRPC.
        GcpTrace = "gcp_trace",
        /// OTLP over gRPC.
        OtlpGrpc = "otlp-grpc",
        /// OTLP over HTTP, protobuf.
        OtlpHttp = "otlp-http",
        /// OTLP over HTTP, JSON.
        OtlpHttpJson = "otlp-http-json",
    }
}

words! {
    /// Axis `propagation`: the propagators that services are told to use, and the headers that the driver sends.
    Propagation {
        /// `X-Cloud-Trace-Context` alone.
        GcpTrace = "gcp_trace",
        /// `traceparent` alone.
        Tracecontext = "tracecontext",
        /// Both; a valid `traceparent` wins.
        Both = "both",
    }
}

/// What the driver sends as context, key `context` of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContextKind {
    /// A sampled context, in every format of the propagation axis.
    #[default]
    Sampled,
    /// A context that says not sampled, in every format of the propagation axis.
    Unsampled,
    /// No context header at all. Such a permutation runs alone in its setting, or nothing would tell its spans from
    /// others'.
    None,
    /// Both headers, whatever the propagation axis says, with different traces, both sampled.
    Conflicting,
}

/// Where the driver stands when it calls a service on Cloud Run, key `caller` of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Caller {
    /// In the project's own network, which `ingress: internal` admits.
    #[default]
    Vpc,
    /// Outside of it.
    Internet,
}

/// How a service says that it serves, key `ready` of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// A JSON log line with `"message":"listening"` and `"address":"HOST:PORT"`. The default of demo services.
    Line,
    /// Its port accepts connections. The default of all others.
    Port,
    /// `grpc.health.v1` says SERVING.
    GrpcHealth,
    /// A GET of this path is answered with a status of 200 to 299.
    Http(String),
    /// It writes a line that has this text in it.
    Says(String),
}

/// Whom the mock stands for when a service exports OTLP, key `collector.persona` of a service. Cloud Trace v2 requests are
/// always Google's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Persona {
    /// Any collector.
    #[default]
    Otlp,
    /// Google's Telemetry API, which asks for a token and a project.
    Google,
}

impl Propagation {
    /// The context headers of this value, in the order in which they are sent.
    pub fn formats(self) -> &'static [ContextFormat] {
        match self {
            Propagation::GcpTrace => &[ContextFormat::GcpTrace],
            Propagation::Tracecontext => &[ContextFormat::Tracecontext],
            Propagation::Both => &ContextFormat::ALL,
        }
    }
}

/// The axes of one permutation after defaults: an axis that the suite does not list has its default value and does
/// not appear in names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Choice {
    pub(crate) entry: Entry,
    pub(crate) channel_in: Channel,
    pub(crate) channel_out: Channel,
    pub(crate) export: Export,
    pub(crate) propagation: Propagation,
    pub(crate) platform: Platform,
    /// Variables of the axis `env`.
    pub(crate) env: Vec<(String, String)>,
}

impl Choice {
    /// What an axis that is not listed stands for.
    pub(crate) fn default_for(entry: Entry) -> Choice {
        Choice {
            entry,
            channel_in: Channel::Insecure,
            channel_out: Channel::Insecure,
            export: Export::OtlpGrpc,
            propagation: Propagation::Tracecontext,
            platform: Platform::Plain,
            env: Vec::new(),
        }
    }
}
