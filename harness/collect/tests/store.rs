//! What is kept, what is refused, and how a run waits for it.

mod peer;
#[path = "../../decode/tests/telemetry/mod.rs"]
mod telemetry;

use std::time::{Duration, Instant};

use peer::{BATCH_WRITE_SPANS, EXPORT, Raw, call, post, send};
use prost::Message as _;
use spanwise_collect::{Behavior, Collector, ListenOptions, Options, Persona, RefuseFirst};
use spanwise_model::{DefectKind, ExportAnswer, GrpcCode, Protocol, Source};
use telemetry::{PROTOCOLS, TRACE, cloud_trace_request, otlp_request, payload, trace};
use tonic::Code;

fn collector() -> Collector {
    Collector::new(Options::default())
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn options(persona: Persona, behavior: Behavior) -> ListenOptions {
    ListenOptions { source: Some(Source::new("s", 1)), persona, behavior, ..ListenOptions::default() }
}

#[tokio::test]
async fn a_waiter_is_woken_by_what_it_waits_for() {
    let collector = collector();
    let listener = collector.listen(Source::new("s", 1), Persona::Otlp).expect("a free port");
    let wait = |spans| {
        let store = collector.store().clone();
        tokio::spawn(async move {
            let complete = |store: &spanwise_collect::Store| {
                let found = store.trace(trace(TRACE)).len();
                (found >= spans).then_some(found)
            };
            store.wait_until(far(), complete).await
        })
    };
    let waiters: Vec<_> = (0..64).map(|n| wait(1 + n % 2)).collect();
    for _ in 0..2 {
        assert!(send(&listener, Protocol::OtlpGrpc, payload(Protocol::OtlpGrpc), false).await);
    }
    for waiter in waiters {
        assert!(waiter.await.expect("no panic").is_some());
    }
    assert_eq!(collector.store().wait_until(Instant::now(), |_| None::<()>).await, None);
}

#[tokio::test]
async fn traces_are_read_as_they_come() {
    let collector = collector();
    let listener = collector.listen(Source::new("s", 1), Persona::Otlp).expect("a free port");
    let store = collector.store();
    assert!(send(&listener, Protocol::OtlpGrpc, payload(Protocol::OtlpGrpc), false).await);
    let traces = store.traces_since(0);
    assert_eq!(traces, [trace(TRACE), trace(telemetry::OTHER)]);
    assert_eq!(store.traces_since(1), traces[1..]);
    assert_eq!(store.traces_since(traces.len()), []);
}

#[tokio::test]
async fn no_secret_is_kept() {
    let collector = collector();
    let listener = collector.listen(Source::new("s", 1), Persona::Otlp).expect("a free port");
    for protocol in PROTOCOLS {
        assert!(send(&listener, protocol, payload(protocol), false).await);
    }
    for export in collector.store().exports() {
        let header = export.headers.iter().find(|header| header.name == "authorization");
        let value = header.map(|header| header.value.as_str()).unwrap_or_default();
        assert!(value.starts_with("<bearer token sha256:"), "{value}");
    }
}

#[tokio::test]
async fn damage_is_refused_named_and_kept() {
    let collector = collector();
    let listener = collector.listen(Source::new("s", 1), Persona::Otlp).expect("a free port");
    let mut bytes = payload(Protocol::OtlpGrpc);
    bytes.truncate(bytes.len() - 3);
    let refused = call::<_, Raw>(&listener, EXPORT, Raw(bytes), false).await.expect_err("damaged");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let store = collector.store();
    let defects = store.payload_defects();
    assert!(defects.iter().all(|defect| defect.kind == DefectKind::Payload && defect.export == Some(0)));
    assert!(!defects.is_empty());
    assert_eq!(store.spans_of(trace(TRACE)).0.len(), 1);
    assert_eq!((store.counts().refused, store.counts().malformed > 0), (1, true));

    let mut request = otlp_request();
    request.resource_spans[0].scope_spans[0].spans[0].kind = 99;
    assert!(send(&listener, Protocol::OtlpHttp, request.encode_to_vec(), false).await);
    let (spans, defects) = store.spans_of(trace(TRACE));
    assert_eq!((spans.len(), defects.len()), (2, 1));
    assert_eq!(defects[0].place, "resource_spans[0].scope_spans[0].spans[0].kind");
    assert_eq!(defects[0].source, Some(Source::new("s", 1)));
}

/// What a listener says of a payload: the code that Google would refuse it with, and what it was answered.
async fn weighed(
    persona: Persona,
    refuse: bool,
    protocol: Protocol,
    payload: Vec<u8>,
) -> (Option<String>, bool) {
    let collector = collector();
    let behavior = Behavior { refuse, ..Behavior::default() };
    let listener = collector.listen_with(options(persona, behavior)).expect("a free port");
    let accepted = send(&listener, protocol, payload, false).await;
    let export = collector.store().export(0).expect("the request");
    assert_eq!(accepted, export.answer == ExportAnswer::Accepted);
    (export.would_be_refused.map(|refusal| refusal.code), accepted)
}

#[tokio::test]
async fn what_google_would_refuse_is_recorded_and_on_demand_refused() {
    let invalid = || Some("INVALID_ARGUMENT".to_owned());
    let otlp = || payload(Protocol::OtlpHttp);
    assert_eq!(weighed(Persona::Otlp, true, Protocol::OtlpHttp, otlp()).await, (None, true));
    assert_eq!(weighed(Persona::Google, false, Protocol::OtlpHttp, otlp()).await, (invalid(), true));
    assert_eq!(weighed(Persona::Google, true, Protocol::OtlpHttp, otlp()).await, (invalid(), false));

    let mut request = otlp_request();
    let attributes = request.resource_spans[0].resource.as_mut().map(|resource| &mut resource.attributes);
    let project = attributes.and_then(|attributes| attributes.first_mut()).expect("an attribute");
    project.key = "gcp.project_id".to_owned();
    let named = request.encode_to_vec();
    assert_eq!(weighed(Persona::Google, true, Protocol::OtlpGrpc, named).await, (None, true));

    let mut request = cloud_trace_request();
    assert_eq!(
        weighed(Persona::Otlp, true, Protocol::CloudTraceGrpc, request.encode_to_vec()).await,
        (None, true)
    );
    request.name.clear();
    let nameless = request.encode_to_vec();
    assert_eq!(weighed(Persona::Otlp, true, Protocol::CloudTraceGrpc, nameless).await, (invalid(), false));
}

#[tokio::test]
async fn a_message_over_16_mib_is_taken_unless_refusal_is_asked_for() {
    let mut request = cloud_trace_request();
    let template = request.spans[0].clone();
    let mut large = template.clone();
    let name = large.display_name.as_mut().expect("a name");
    name.value = "x".repeat(17 << 20);
    request.spans[0] = large;
    let exhausted = "RESOURCE_EXHAUSTED".to_owned();
    let collector = collector();
    let taking = collector.listen_with(options(Persona::Otlp, Behavior::default())).expect("a free port");
    assert!(call::<_, Raw>(&taking, BATCH_WRITE_SPANS, request.clone(), true).await.is_ok());
    let export = collector.store().export(0).expect("the request");
    assert_eq!(export.would_be_refused.map(|refusal| refusal.code), Some(exhausted));
    assert_eq!(collector.store().counts().spans, 2);

    let refuse = Behavior { refuse: true, ..Behavior::default() };
    let refusing = collector.listen_with(options(Persona::Otlp, refuse)).expect("a free port");
    let refused = call::<_, Raw>(&refusing, BATCH_WRITE_SPANS, request, true).await.expect_err("too large");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.message(), "grpc: received message after decompression larger than max 16777216");
    assert_eq!(collector.store().counts().spans, 2);
}

#[tokio::test]
async fn the_first_requests_can_be_refused() {
    let collector = collector();
    let refuse_first = Some(RefuseFirst { requests: 2, code: GrpcCode::Unavailable });
    let behavior = Behavior { refuse_first, ..Behavior::default() };
    let listener = collector.listen_with(options(Persona::Otlp, behavior)).expect("a free port");
    let refused = call::<_, Raw>(&listener, EXPORT, otlp_request(), false).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unavailable);
    let json = [("content-type", "application/json")];
    let body = payload(Protocol::OtlpHttpJson);
    assert_eq!(post(&listener, "/v1/traces", &json, body.clone()).await.status.as_u16(), 503);
    assert_eq!(collector.store().counts().spans, 0);
    assert_eq!(post(&listener, "/v1/traces", &json, body).await.status.as_u16(), 200);
    let counts = collector.store().counts();
    assert_eq!((counts.requests, counts.refused, counts.spans), (3, 2, 2));
    // Who looks for what happened to a trace finds the refusals, too.
    assert_eq!(collector.store().refused_of(&collector.store().traces()), [0, 1]);
    assert!(collector.store().refused_of(&[]).is_empty());
}

#[tokio::test]
async fn a_full_store_refuses_more() {
    let bytes = payload(Protocol::OtlpGrpc);
    let collector = Collector::new(Options { max_memory: Some(bytes.len() as u64) });
    let listener = collector.listen(Source::new("s", 1), Persona::Otlp).expect("a free port");
    assert!(send(&listener, Protocol::OtlpGrpc, bytes.clone(), false).await);
    let refused = call::<_, Raw>(&listener, EXPORT, Raw(bytes), false).await.expect_err("full");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let counts = collector.store().counts();
    assert_eq!((counts.requests, counts.refused, counts.spans), (2, 1, 2));
}

#[tokio::test]
async fn a_dropped_listener_listens_no_more() {
    let collector = collector();
    let listener = collector.listen(Source::new("s", 1), Persona::Otlp).expect("a free port");
    let address = listener.address();
    let mut peer = tokio::net::TcpStream::connect(address).await.expect("it listens");
    drop(listener);
    // The end of the connection is the sign that the task which held the port is gone.
    let mut byte = [0];
    assert_eq!(tokio::io::AsyncReadExt::read(&mut peer, &mut byte).await.unwrap_or(0), 0);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

/// The same spans once for each of these services, in one request, as a collector forwards them.
fn forwarded(names: &[&str]) -> Vec<u8> {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    let mut request = otlp_request();
    let spans = request.resource_spans[0].clone();
    let of_service = |name: &&str| {
        let mut spans = spans.clone();
        let value = AnyValue { value: Some(any_value::Value::StringValue((*name).to_owned())) };
        let resource = spans.resource.get_or_insert_default();
        resource.attributes.retain(|attribute| attribute.key != "service.name");
        resource.attributes.push(KeyValue {
            key: "service.name".to_owned(),
            value: Some(value),
            ..KeyValue::default()
        });
        spans
    };
    request.resource_spans = names.iter().map(of_service).collect();
    request.encode_to_vec()
}

#[tokio::test]
async fn where_several_send_a_service_name_says_who_did() {
    let senders = [("shop-web", "web"), ("shop-stock", "stock")];
    let senders = senders.map(|(name, service)| (name.to_owned(), Source::new(service, 1)));
    let options = ListenOptions { senders: senders.into(), ..ListenOptions::default() };
    let check = async |names: &[&str], spans: &[Option<&str>], export: Option<&str>| {
        let collector = collector();
        let listener = collector.listen_with(options.clone()).expect("a free port");
        assert!(send(&listener, Protocol::OtlpGrpc, forwarded(names), false).await);
        let service = |source: Option<Source>| source.map(|source| source.service.to_string());
        let store = collector.store();
        let found: Vec<_> =
            store.spans_of(trace(TRACE)).0.into_iter().map(|span| service(span.source)).collect();
        let expected: Vec<_> = spans.iter().map(|name| name.map(str::to_owned)).collect();
        assert_eq!(found, expected, "{names:?}");
        let heads: Vec<_> = store.ids_of(trace(TRACE)).into_iter().map(|head| service(head.source)).collect();
        assert_eq!(heads, expected, "{names:?}");
        assert_eq!(service(store.exports()[0].source.clone()), export.map(str::to_owned), "{names:?}");
    };
    check(&["shop-web"], &[Some("web")], Some("web")).await;
    check(&["shop-stock", "shop-stock"], &[Some("stock"), Some("stock")], Some("stock")).await;
    check(&["shop-web", "other", "shop-stock"], &[Some("web"), None, Some("stock")], None).await;
    check(&["other"], &[None], None).await;
}

#[tokio::test]
async fn a_listener_delivers_to_another_collector_when_it_is_told_to() {
    let (first, second) = (collector(), collector());
    let listener = first.listen_with(ListenOptions::default()).expect("a free port");
    for to in [&first, &second, &first] {
        listener.deliver_to(to);
        assert!(send(&listener, Protocol::OtlpGrpc, payload(Protocol::OtlpGrpc), false).await);
    }
    assert_eq!((first.store().counts().requests, second.store().counts().requests), (2, 1));
}
