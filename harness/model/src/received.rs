//! Which trace context a called service hears of: what is in the headers, what the service reads, and what a platform's front
//! end writes in their place.
//!
//! The run loop waits for spans by it, and the rules judge them by it. How a single header is read is in `context`.

use crate::{ContextFormat, ServiceFacts, ServiceProtocol, Settings, TraceContext, WireTap};

impl ServiceFacts {
    /// Whether the service reads a format. One of which nothing is known is taken to read every format.
    pub fn reads(&self, format: ContextFormat) -> bool {
        self.propagation.is_empty() || self.propagation.contains(&format)
    }
}

impl WireTap {
    /// Whether the suite declares that the called service makes no spans of this request.
    pub fn is_untraced(&self, settings: &Settings) -> bool {
        let callee = settings.service(&self.to.service);
        callee.is_some_and(|callee| callee.makes_no_spans_of(&self.path))
    }

    /// The context that the called service must follow: of the formats that it reads, the first that reached it readable, be it
    /// the caller's or what the platform's front end wrote in its place (Cloud Trace, page "Trace context").
    pub fn received(&self, settings: &Settings) -> Option<TraceContext> {
        self.read_formats(settings)
            .find_map(|format| self.announced_in(format, settings).or_else(|| self.context_in(format)))
    }

    /// The context in the caller's own headers, of the formats that the called service reads.
    pub fn sent(&self, settings: &Settings) -> Option<TraceContext> {
        self.read_formats(settings).find_map(|format| self.context_in(format))
    }

    /// The context that names the calling span: what the called service reads of the caller's headers and, where it reads none
    /// of them, whatever is there.
    pub fn of_sender(&self, settings: &Settings) -> Option<TraceContext> {
        self.sent(settings).or_else(|| self.context())
    }

    /// What a receiver reads in the header of one format that the platform's front end wrote; `None` where it wrote none. To a
    /// service that it speaks HTTP/2 to, `X-Cloud-Trace-Context` comes without its option, so that whoever reads nothing else
    /// is not told the decision.
    pub fn announced_in(&self, format: ContextFormat, settings: &Settings) -> Option<TraceContext> {
        let announced = self.announced.filter(|_| settings.front_end.context.formats().contains(&format))?;
        let is_grpc = || {
            let callee = settings.service(&self.to.service);
            self.is_grpc() || callee.is_some_and(|facts| facts.protocol == ServiceProtocol::Grpc)
        };
        Some(match format {
            ContextFormat::Tracecontext => announced,
            ContextFormat::GcpTrace => {
                TraceContext { sampled: announced.sampled.filter(|_| !is_grpc()), ..announced }
            }
        })
    }

    fn read_formats(&self, settings: &Settings) -> impl Iterator<Item = ContextFormat> {
        let callee = settings.service(&self.to.service);
        ContextFormat::ALL.into_iter().filter(move |&format| callee.is_none_or(|facts| facts.reads(format)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation;

    /// The first exchange of an observation and its settings.
    fn exchange(wire: &str, settings: &str) -> (WireTap, Settings) {
        let text = format!("wire:\n  api-service -> backend-service {wire}\nsettings:\n  {settings}\n");
        let mut observation = notation::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        (observation.wire.remove(0), observation.settings)
    }

    /// Where a context stands.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum In {
        Traceparent,
        Google,
        FrontEnd,
    }
    use In::{FrontEnd, Google, Traceparent};

    /// Compares which context the called service receives, and with what decision, and which names its caller.
    #[track_caller]
    fn check(wire: &str, settings: &str, received: Option<(In, Option<bool>)>, sender: Option<In>) {
        let (tap, settings) = exchange(wire, settings);
        let id = |place| {
            let context = match place {
                Traceparent => tap.context_in(ContextFormat::Tracecontext),
                Google => tap.context_in(ContextFormat::GcpTrace),
                FrontEnd => tap.announced,
            };
            context.expect("a context").span_id
        };
        let seen = tap.received(&settings).map(|context| (context.span_id, context.sampled));
        assert_eq!(seen, received.map(|(place, sampled)| (id(place), sampled)), "received: {wire}");
        let seen = tap.of_sender(&settings).map(|context| context.span_id);
        assert_eq!(seen, sender.map(id), "sender: {wire}");
    }

    const READS_W3C: &str = "service backend-service grpc propagation=tracecontext";
    const READS_GOOGLE: &str = "service backend-service grpc propagation=gcp_trace";
    const READS_UNKNOWN: &str = "service backend-service grpc";

    #[test]
    fn a_service_receives_the_first_format_that_it_reads() {
        let both = "h2c \"POST /b\" OK traceparent: T1-P1-01 x-cloud-trace-context: T1/P2;o=0";
        check(both, READS_W3C, Some((Traceparent, Some(true))), Some(Traceparent));
        check(both, READS_GOOGLE, Some((Google, Some(false))), Some(Google));
        check(both, READS_UNKNOWN, Some((Traceparent, Some(true))), Some(Traceparent));
        let google = "h2c \"POST /b\" OK x-cloud-trace-context: T1/P2;o=1";
        check(google, READS_W3C, None, Some(Google));
        check("h2c \"POST /b\" OK", READS_UNKNOWN, None, None);
    }

    #[test]
    fn what_a_front_end_writes_takes_the_place_of_what_was_sent() {
        let call = "h2 \"POST /b\" OK announced=T1/P7;o=1 traceparent: T1-P1-01";
        let on = |settings: &str, legacy: bool| {
            let front_end = if legacy { "  front-end context=google\n" } else { "" };
            format!("platform=cloud-run\n{front_end}  {settings}")
        };
        check(call, &on(READS_W3C, false), Some((FrontEnd, Some(true))), Some(Traceparent));
        // Over HTTP/2 Google's header has no option.
        check(call, &on(READS_GOOGLE, false), Some((FrontEnd, None)), Some(Traceparent));
        // The legacy front end lets `traceparent` through.
        check(call, &on(READS_W3C, true), Some((Traceparent, Some(true))), Some(Traceparent));
        check(call, &on(READS_UNKNOWN, true), Some((Traceparent, Some(true))), Some(Traceparent));
        check(call, &on(READS_GOOGLE, true), Some((FrontEnd, None)), Some(Traceparent));
        let silent = "h2 \"POST /b\" OK announced=T1/P7;o=1";
        check(silent, &on(READS_W3C, true), None, None);
        check(silent, &on(READS_UNKNOWN, true), Some((FrontEnd, None)), None);
    }
}
