//! What is read back from a recording is what was kept, and no secret is in the recording.

#[path = "../../decode/tests/telemetry/mod.rs"]
mod telemetry;

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message as _;
use spanwise_collect::{Recorded, Store, read_recorded, write_recording};
use spanwise_model::{ExportAnswer, Header, Protocol, Refusal, Source};
use telemetry::{CLOUD_TRACE_JSON, OTLP_JSON, PROTOCOLS, cloud_trace_request, otlp_request, payload};

/// A secret by its name alone.
const SECRET: &str = "hunter2-and-more";

fn recorded(protocol: Protocol, payload: impl Into<Bytes>) -> Recorded {
    Recorded {
        recording: 1,
        scope_sources: Box::default(),
        source: Some(Source::new("web", 2)),
        protocol,
        single_span: false,
        project: None,
        time: 7,
        spans: 2,
        headers: vec![Header { name: "user-agent".to_owned(), value: "test".to_owned() }],
        google: false,
        answer: ExportAnswer::Accepted,
        would_be_refused: None,
        unreadable: None,
        payload: Some(payload.into()),
        cleaned: None,
    }
}

fn refused(one: Recorded) -> Recorded {
    let refusal = Refusal { code: "INVALID_ARGUMENT".to_owned(), message: "no".to_owned() };
    Recorded { answer: ExportAnswer::Refused(refusal), ..one }
}

/// The telemetry with a secret in the resource and in its first span, or in the span alone where there is no resource.
fn with_secret(protocol: Protocol) -> Vec<u8> {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(SECRET.to_owned())) });
    let attribute = KeyValue { key: "db.password".to_owned(), value, ..KeyValue::default() };
    match protocol {
        Protocol::OtlpGrpc | Protocol::OtlpHttp => {
            let mut request = otlp_request();
            let resource = request.resource_spans[0].resource.get_or_insert_default();
            resource.attributes.push(attribute.clone());
            request.resource_spans[0].scope_spans[0].spans[0].attributes.push(attribute);
            request.encode_to_vec()
        }
        Protocol::CloudTraceGrpc => {
            let mut request = cloud_trace_request();
            request.spans[0].display_name.get_or_insert_default().value = format!("password={SECRET}");
            request.encode_to_vec()
        }
        Protocol::OtlpHttpJson => OTLP_JSON.replace("POST /greet", &format!("password={SECRET}")).into(),
        Protocol::CloudTraceRest => {
            CLOUD_TRACE_JSON.replace("POST /greet", &format!("password={SECRET}")).into()
        }
    }
}

/// Records what a store keeps of these requests, compares it with what is read back, and gives what was recorded.
#[track_caller]
fn check(requests: Vec<Recorded>) -> Vec<Recorded> {
    let kept = Store::of(requests);
    let mut text = Vec::new();
    let written = write_recording(&kept, 0, usize::MAX, &mut text).expect("memory");
    let text = String::from_utf8(text).expect("text");
    let lines = text.lines().enumerate();
    let read =
        lines.map(|(at, line)| read_recorded(at + 1, line.as_bytes()).expect("a line")).collect::<Vec<_>>();
    assert_eq!(read.len(), written);
    let again = Store::of(read.clone());
    assert_eq!(again.exports(), kept.exports());
    assert_eq!(again.counts(), kept.counts());
    assert_eq!(again.traces(), kept.traces());
    assert_eq!(again.payload_defects(), kept.payload_defects());
    assert_eq!(again.refused_of(&again.traces()), kept.refused_of(&kept.traces()));
    for trace in kept.traces() {
        assert_eq!(again.spans_of(trace), kept.spans_of(trace));
        assert_eq!(again.ids_of(trace), kept.ids_of(trace));
    }
    // A line by itself gives the same, for `spanwise check`.
    for (one, export) in read.iter().zip(kept.exports()) {
        assert_eq!(one.clone().decode().0, export);
    }
    read
}

/// Whether a secret stands in what was recorded of a request.
fn tells_secret(one: &Recorded) -> bool {
    let bytes = one.payload.as_deref().unwrap_or_default();
    String::from_utf8_lossy(bytes).contains(SECRET) || format!("{:?}", one.cleaned).contains(SECRET)
}

#[test]
fn payloads_without_a_secret_are_recorded_as_they_came() {
    for protocol in PROTOCOLS {
        let payload = payload(protocol);
        let one = || recorded(protocol, payload.clone());
        for read in check(vec![one(), refused(one())]) {
            assert_eq!(read.payload.as_deref(), Some(&payload[..]), "{protocol:?}");
            assert_eq!(read.cleaned, None, "{protocol:?}");
        }
    }
}

#[test]
fn of_payloads_with_a_secret_what_was_decoded_is_recorded() {
    for protocol in PROTOCOLS {
        let secret = with_secret(protocol);
        assert!(tells_secret(&recorded(protocol, secret.clone())), "{protocol:?}");
        let read = check(vec![recorded(protocol, secret.clone()), recorded(protocol, payload(protocol))]);
        assert!(!read.iter().any(tells_secret), "{protocol:?}");
        assert_eq!(read[0].payload, None, "{protocol:?}");
        let cleaned = read[0].cleaned.as_ref().expect("what was decoded");
        assert_eq!(cleaned.bytes as usize, secret.len(), "{protocol:?}");
    }
}

#[test]
fn damage_makes_no_difference() {
    for protocol in PROTOCOLS {
        for whole in [payload(protocol), with_secret(protocol)] {
            // Cut at many places, and with many a byte damaged.
            let cut = (0..whole.len()).step_by(7).map(|at| whole[..at].to_vec());
            let damaged = (0..whole.len()).step_by(5).map(|at| {
                let mut bytes = whole.clone();
                bytes[at] ^= 0x15;
                bytes
            });
            let requests = cut.chain(damaged);
            check(requests.map(|bytes| refused(recorded(protocol, bytes))).collect());
        }
    }
}

#[test]
fn what_has_no_payload_is_kept_too() {
    let empty = |one: Recorded| Recorded { payload: None, ..one };
    let one = || refused(recorded(Protocol::OtlpHttp, ""));
    check(vec![empty(one()), Recorded { unreadable: Some("is no gzip".to_owned()), ..empty(one()) }]);
    let named =
        Recorded { project: Some("of-the-path".to_owned()), ..recorded(Protocol::CloudTraceRest, "{}") };
    check(vec![named]);
}
