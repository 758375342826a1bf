//! Google, as a container finds it: which names lead to what stands around an instance. An image that was made for production
//! exports there and asks for its tokens there without being told anything.

/// Where spans are written: Cloud Trace, and the Telemetry API for OTLP.
const SPANS: [&str; 2] = ["cloudtrace.googleapis.com", "telemetry.googleapis.com"];
/// Where tokens are granted to those who have a key in a file, and where the public keys of the run are.
const TOKENS: [&str; 2] = ["oauth2.googleapis.com", "www.googleapis.com"];
/// The metadata server, the only one without TLS.
pub(super) const METADATA: &str = "metadata.google.internal";

const HTTPS: u16 = 443;
const HTTP: u16 = 80;

/// The names for which the run's certificate is good.
pub(super) fn secure_names() -> Vec<&'static str> {
    SPANS.into_iter().chain(TOKENS).collect()
}

/// Ports of 127.0.0.1 that stand for Google to one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Google {
    /// Its own listener, behind TLS.
    pub(super) spans: u16,
    /// Its own metadata server, behind TLS: it grants tokens, too.
    pub(super) tokens: u16,
    /// The same without TLS.
    pub(super) metadata: u16,
}

impl Google {
    /// Every name with the port at which it is called and the port that this leads to.
    pub(super) fn names(self) -> impl Iterator<Item = (&'static str, u16, u16)> {
        let spans = SPANS.into_iter().map(move |name| (name, HTTPS, self.spans));
        let tokens = TOKENS.into_iter().map(move |name| (name, HTTPS, self.tokens));
        spans.chain(tokens).chain([(METADATA, HTTP, self.metadata)])
    }
}
