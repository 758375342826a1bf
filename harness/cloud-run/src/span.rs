//! The span that the front end makes of an exchange. The run loop stores those of a suite that says `spans: stored`.
//!
//! What the real ones are called and what labels they have is not documented, so there is one span, with the method and the
//! status alone. It judges nothing, and rules never judge it.

use spanwise_model::{End, FrontEndContext, Source, Span, SpanKind, Status, StatusCode, Value, WireTap};

use crate::context::read;

/// The front end's own span of an exchange that is over; `None` where it announced none, or one that is not recorded.
///
/// Its parent is the context that a front end of this kind read of the caller's headers. What the legacy kind announces over
/// HTTP/2 does not say whether it is recorded, and makes no span.
pub fn front_end_span(tap: &WireTap, context: FrontEndContext) -> Option<Span> {
    let announced = tap.announced.filter(|announced| announced.sampled == Some(true))?;
    if tap.end == End::Open {
        return None;
    }
    let parent = read(context, |format| tap.request_values(format.header()).collect());
    let method = ("http.request.method".to_owned(), Value::Str(tap.method.clone()));
    let status = tap.status.map(|status| ("http.response.status_code".to_owned(), Value::Int(status.into())));
    let code = match tap.status {
        Some(500..) => StatusCode::Error,
        _ => StatusCode::Unset,
    };
    let path = tap.path.split_once('?').map_or(tap.path.as_str(), |(path, _)| path);
    Some(Span {
        trace_id: announced.trace_id,
        span_id: announced.span_id,
        parent_span_id: parent.map(|parent| parent.span_id),
        parent_is_remote: parent.map(|_| true),
        kind: SpanKind::Server,
        name: format!("{} {path}", tap.method),
        start: tap.stamps.begun,
        end: tap.stamps.ended,
        status: Status { code, ..Status::default() },
        attributes: [method].into_iter().chain(status).collect(),
        source: Some(Source::front_end()),
        ..Span::default()
    })
}

#[cfg(test)]
mod tests {
    use spanwise_model::{Header, HttpVersion, SpanId, Stamps, TraceContext};

    use super::*;

    const T: &str = "d36a105d7002f0dee73c0dfb9553764a";

    fn tap(sent: &[(&str, &str)], sampled: Option<bool>, status: Option<u16>, end: End) -> WireTap {
        let header =
            |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: value.replace('T', T) };
        WireTap {
            from: None,
            to: Source::new("api", 2),
            tls: true,
            http: HttpVersion::Http2,
            method: "POST".to_owned(),
            path: "/greet?name=x".to_owned(),
            authority: String::new(),
            request_headers: sent.iter().map(header).collect(),
            announced: Some(TraceContext {
                trace_id: T.parse().expect("an id"),
                span_id: SpanId::from_u64(7),
                sampled,
            }),
            status,
            response_headers: Vec::new(),
            trailers: Vec::new(),
            answered_by_front: false,
            end,
            stamps: Stamps { begun: 10, ended: 20, ..Stamps::default() },
        }
    }

    #[track_caller]
    fn check_parent(sent: &[(&str, &str)], context: FrontEndContext, expected: Option<u64>) {
        let span = front_end_span(&tap(sent, Some(true), Some(200), End::Complete), context).expect("a span");
        assert_eq!(span.parent_span_id.map(SpanId::to_u64), expected, "{sent:?}");
        assert_eq!(span.parent_is_remote, expected.map(|_| true));
    }

    #[test]
    fn its_parent_is_the_context_that_was_read() {
        use FrontEndContext::{Both, Google};
        let (w3c, google) =
            (("traceparent", "00-T-00000000000000aa-00"), ("X-Cloud-Trace-Context", "T/187;o=1"));
        check_parent(&[], Both, None);
        check_parent(&[w3c, google], Both, Some(0xaa));
        check_parent(&[w3c, google], Google, Some(187));
        check_parent(&[w3c], Google, None);
        check_parent(&[("traceparent", "x"), google], Both, Some(187));
        check_parent(&[("traceparent", "x"), w3c], Both, Some(0xaa));
    }

    #[test]
    fn only_what_is_recorded_and_over_has_one() {
        let made =
            |sampled, end| front_end_span(&tap(&[], sampled, None, end), FrontEndContext::Both).is_some();
        assert!(made(Some(true), End::Canceled));
        assert!(!made(Some(false), End::Complete));
        assert!(!made(None, End::Complete));
        assert!(!made(Some(true), End::Open));
        let passed = WireTap { announced: None, ..tap(&[], None, Some(200), End::Complete) };
        assert_eq!(front_end_span(&passed, FrontEndContext::Both), None);
    }

    #[track_caller]
    fn check_status(status: Option<u16>, code: StatusCode) {
        let tap = tap(&[], Some(true), status, End::Complete);
        let span = front_end_span(&tap, FrontEndContext::Both).expect("a span");
        assert_eq!(span.status.code, code);
        let said = span.attributes.iter().find(|(key, _)| key == "http.response.status_code");
        assert_eq!(said.and_then(|(_, value)| value.as_int()), status.map(i64::from));
    }

    #[test]
    fn only_5xx_is_an_error() {
        check_status(Some(200), StatusCode::Unset);
        check_status(Some(404), StatusCode::Unset);
        check_status(Some(500), StatusCode::Error);
        check_status(Some(504), StatusCode::Error);
        check_status(None, StatusCode::Unset);
    }

    #[test]
    fn it_is_the_span_that_was_announced() {
        let span = front_end_span(&tap(&[], Some(true), Some(200), End::Complete), FrontEndContext::Both);
        let span = span.expect("a span");
        assert_eq!((span.trace_id.to_string().as_str(), span.span_id.to_u64()), (T, 7));
        assert_eq!((span.name.as_str(), span.kind), ("POST /greet", SpanKind::Server));
        assert_eq!((span.start, span.end, span.source), (10, 20, Some(Source::front_end())));
    }
}
