//! One exchange between a caller and a service, as rules see it.
//!
//! A [`Hop`] is a wire tap that knows its sender, the SERVER span it led to, and its request.

use std::borrow::Cow;

use spanwise_model::{
    ContextError, ContextFormat, End, FrontEnd, Header, HttpVersion, ServiceFacts, Settings, TraceContext,
    WireTap,
};

use super::{Index, Node};

/// An exchange with its place in the observation. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Hop<'i> {
    pub(super) index: &'i Index<'i>,
    pub(super) at: usize,
}

/// A header that carries trace context, whether it can be read or not.
#[derive(Clone, Debug)]
pub struct ContextHeader<'i> {
    /// Its format.
    pub format: ContextFormat,
    /// Its value.
    pub value: Cow<'i, str>,
    /// What a right receiver reads from it.
    pub read: Result<TraceContext, ContextError>,
}

/// Request headers that matter to tracing, which findings show.
const SHOWN: [&str; 9] = [
    "traceparent",
    "tracestate",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-sampled",
];

/// Headers that carry trace context in a format that neither W3C nor Google Cloud reads.
const OTHER_FORMATS: [&str; 3] = ["grpc-trace-bin", "b3", "x-b3-traceid"];

impl<'i> Hop<'i> {
    /// Its position in [`spanwise_model::Observation::wire`].
    pub fn at(self) -> usize {
        self.at
    }

    /// What the front saw.
    pub fn tap(self) -> &'i WireTap {
        &self.index.observation.wire[self.at]
    }

    /// The called service.
    pub fn to(self) -> &'i str {
        &self.tap().to.service
    }

    /// The calling service; `None` where it is not known.
    pub fn from(self) -> Option<&'i str> {
        self.tap().from.as_ref().map(|source| &*source.service)
    }

    /// Whether the driver called: its headers are never judged.
    pub fn is_from_driver(self) -> bool {
        self.tap().from.as_ref().is_some_and(|source| source.is_driver())
    }

    /// What the suite declares of the called service.
    pub fn callee(self) -> Option<&'i ServiceFacts> {
        self.settings().service(self.to())
    }

    /// What the suite declares of the calling service.
    pub fn caller(self) -> Option<&'i ServiceFacts> {
        self.from().and_then(|from| self.settings().service(from))
    }

    /// The context headers as the caller sent them, in the order in which they win; the first value of each counts.
    pub fn context_headers(self) -> Vec<ContextHeader<'i>> {
        ContextFormat::ALL.into_iter().filter_map(|format| self.sent_header(format)).collect()
    }

    /// The context headers as they reached the service: what the platform's front end announced stands in place of what the
    /// caller sent, in the formats that the front end knows.
    pub fn arrived_headers(self) -> Vec<ContextHeader<'i>> {
        let header = |format: ContextFormat| match self.tap().announced_in(format, self.settings()) {
            Some(written) => {
                let value = Cow::Owned(format.print(&written));
                Some(ContextHeader { format, value, read: Ok(written) })
            }
            None => self.sent_header(format),
        };
        ContextFormat::ALL.into_iter().filter_map(header).collect()
    }

    /// How the platform's front end is emulated, where there is one.
    pub fn front_end(self) -> &'i FrontEnd {
        &self.settings().front_end
    }

    fn settings(self) -> &'i Settings {
        &self.index.observation.settings
    }

    fn sent_header(self, format: ContextFormat) -> Option<ContextHeader<'i>> {
        let value = self.tap().request_header(format.header())?;
        Some(ContextHeader { format, value: value.into(), read: format.parse(value) })
    }

    /// The names of headers with context in formats that neither W3C nor Google Cloud reads.
    pub fn other_context_headers(self) -> Vec<&'static str> {
        OTHER_FORMATS.into_iter().filter(|name| self.tap().request_header(name).is_some()).collect()
    }

    /// Whether a service reads a format: as the suite declares it, else both are taken for read.
    pub fn callee_reads(self, format: ContextFormat) -> bool {
        self.callee().is_none_or(|callee| callee.reads(format))
    }

    /// The context that the called service must follow, as [`WireTap::received`] says.
    pub fn context(self) -> Option<TraceContext> {
        self.tap().received(self.settings())
    }

    /// The context in the caller's headers, of the formats that the called service reads.
    pub fn sent_context(self) -> Option<TraceContext> {
        self.tap().sent(self.settings())
    }

    /// The caller's context in whose place the platform's front end announced its own.
    pub fn replaced_context(self) -> Option<TraceContext> {
        let announced = self.tap().announced?;
        self.index.announced.context(announced.trace_id, announced.span_id)
    }

    /// The span whose id was in the headers, where it arrived.
    pub fn sender(self) -> Option<Node<'i>> {
        self.index.matching.sender(self.at).map(|at| self.index.node(at))
    }

    /// The SERVER span of the called service that continues this call: a child of the span in the header, or below
    /// the sender by other spans.
    pub fn server(self) -> Option<Node<'i>> {
        self.index.matching.server(self.at).map(|at| self.index.node(at))
    }

    /// The SERVER span that this call most likely led to although it does not hang below it.
    pub fn unlinked(self) -> Option<Node<'i>> {
        self.index.matching.unlinked(self.at).map(|at| self.index.node(at))
    }

    /// Further SERVER spans of the called service with the same parent, beyond one an exchange.
    pub fn surplus(self) -> impl Iterator<Item = Node<'i>> {
        self.index.matching.surplus(self.at).map(move |at| self.index.node(at))
    }

    /// The request of the driver it belongs to.
    pub fn request(self) -> Option<usize> {
        self.index.requests.of_hop(self.at)
    }

    /// The exchange of the driver that its request began with.
    pub fn entry(self) -> Option<Hop<'i>> {
        self.request().and_then(|request| self.index.entry(request))
    }

    /// The exchange that the caller was serving when it made this call.
    pub fn inbound(self) -> Option<Hop<'i>> {
        self.index.requests.inbound(self.at).map(|at| self.index.hop(at))
    }

    /// Whether the caller was serving several exchanges, so that it cannot be said for which it made this call.
    pub fn is_ambiguous(self) -> bool {
        self.index.requests.is_ambiguous(self.at)
    }

    /// Whether any span came of the calling service for the request it belongs to.
    pub fn caller_has_spans(self) -> bool {
        self.request().is_some_and(|request| self.index.has_spans(request, self.from()))
    }

    /// Whether it belongs to a request whose spans must come.
    pub fn is_traced(self) -> bool {
        match self.request() {
            Some(request) => self.index.is_traced(request),
            None if self.sender().is_some_and(|sender| sender.is_judged()) => true,
            // Whichever of the requests in flight it was made for.
            None => self.is_ambiguous() && self.index.all_traced,
        }
    }

    /// Whether it belongs to a request that arrived with a context, and unsampled.
    pub fn is_of_unsampled(self) -> bool {
        let context = self.request().and_then(|request| self.index.received(request));
        context.is_some_and(|context| context.sampled != Some(true))
    }

    /// Whether the suite declares that such calls make no spans: health checks, reflection, services of others.
    pub fn is_untraced(self) -> bool {
        self.tap().is_untraced(self.settings())
    }

    /// Whether the called service itself began to answer, so that a span of it is due.
    pub fn is_answered_by_service(self) -> bool {
        self.tap().status.is_some() && !self.tap().answered_by_front
    }

    /// Whether the caller went away before the end.
    pub fn is_canceled(self) -> bool {
        self.tap().end == End::Canceled
    }

    /// The hop as findings show it.
    pub fn shown(self) -> spanwise_model::Hop {
        let tap = self.tap();
        let shown = |header: &&Header| SHOWN.iter().any(|name| header.name.eq_ignore_ascii_case(name));
        spanwise_model::Hop {
            from: tap.from.as_ref().map_or("?".to_owned(), ToString::to_string),
            to: tap.to.to_string(),
            transport: match (tap.tls, tap.http) {
                (false, HttpVersion::Http1) => "http/1.1",
                (false, HttpVersion::Http2) => "h2c",
                (true, HttpVersion::Http1) => "https/1.1",
                (true, HttpVersion::Http2) => "h2",
            }
            .to_owned(),
            headers: tap.request_headers.iter().filter(shown).cloned().collect(),
        }
    }
}

impl PartialEq for Hop<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
