//! The service in the test's process, called as gRPC is on the wire: what goes out frame by frame, and which spans are left.
//!
//! A client of tonic would hide frames and enforce the deadline itself, so most calls are made with plain HTTP/2.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry::KeyValue;
use opentelemetry::trace::Status as SpanStatus;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use prost::Message as _;
use rstest::rstest;
use spanwise_demo_common_lib::instrument::{Hooks, Instrumentation};
use spanwise_demo_common_lib::propagation::combine;
use spanwise_demo_proto::backend_service::v1::fail_after::Failure;
use spanwise_demo_proto::backend_service::v1::greet_request::Behavior;
use spanwise_demo_proto::backend_service::v1::{FailAfter, GreetRequest};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// A running service.
struct Service {
    url: String,
    exporter: InMemorySpanExporter,
    /// Exports as long as it is there.
    _provider: SdkTracerProvider,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Service {
    async fn start() -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let instrumentation = Instrumentation::new(&provider, combine(&[]), Hooks::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let task = tokio::spawn(spanwise_demo_backend_service::serve(listener, instrumentation, stopped));
        Self { url, exporter, _provider: provider, stop, task }
    }

    /// The spans of all that was called.
    async fn stop(self) -> Vec<SpanData> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
        self.exporter.get_finished_spans().unwrap()
    }
}

/// How many DATA frames a call is answered with, its status, and its span.
async fn call(path: &str, timeout: Option<&str>, behavior: Option<Behavior>) -> (usize, Status, SpanData) {
    let service = Service::start().await;
    let message = GreetRequest { name: "Ada".to_owned(), behavior };
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(message.encoded_len().try_into().unwrap());
    message.encode(&mut body).unwrap();
    let mut request =
        Request::post(format!("{}{path}", service.url)).header("content-type", "application/grpc");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let answer = client.request(request.body(body.freeze().into()).unwrap()).await.unwrap();
    let mut status = Status::from_header_map(answer.headers());
    let (mut body, mut frames) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        match frame.unwrap().into_trailers() {
            Ok(trailers) => status = Status::from_header_map(&trailers),
            Err(_) => frames += 1,
        }
    }
    let [span] = service.stop().await.try_into().unwrap();
    (frames, status.expect("a status"), span)
}

#[rstest]
#[case::complete(None, 3, Code::Ok)]
#[case::broken(Some((2, Code::Aborted)), 2, Code::Aborted)]
#[tokio::test]
async fn every_greeting_is_a_frame_of_its_own(
    #[case] fail_after: Option<(u32, Code)>,
    #[case] frames: usize,
    #[case] code: Code,
) {
    let behavior = fail_after.map(|(messages, code)| {
        Behavior::FailAfter(FailAfter { messages, failure: Some(Failure::ErrorCode(code.into())) })
    });
    let (found, status, _) = call("/backend_service.v1.BackendService/GreetMany", None, behavior).await;
    assert_eq!((found, status.code()), (frames, code));
}

#[tokio::test]
async fn the_callers_deadline_is_kept() {
    let behavior = Some(Behavior::DelayMs(3_600_000));
    let (_, status, span) = call("/backend_service.v1.BackendService/Greet", Some("200m"), behavior).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(span.status, SpanStatus::error(status.message().to_owned()));
    for key in ["rpc.response.status_code", "error.type"] {
        assert!(span.attributes.contains(&KeyValue::new(key, "DEADLINE_EXCEEDED")), "{:?}", span.attributes);
    }
}

#[rstest]
#[case::service("/x.Y/Z", "x.Y/Z")]
#[case::method("/backend_service.v1.BackendService/Nope", "backend_service.v1.BackendService/Nope")]
#[tokio::test]
async fn callers_cannot_make_names_of_spans(#[case] path: &str, #[case] original: &'static str) {
    let (_, status, span) = call(path, None, None).await;
    assert_eq!((status.code(), span.name.as_ref()), (Code::Unimplemented, "grpc"));
    for expected in [
        KeyValue::new("rpc.method", "_OTHER"),
        KeyValue::new("rpc.method_original", original),
        KeyValue::new("rpc.response.status_code", "UNIMPLEMENTED"),
    ] {
        assert!(span.attributes.contains(&expected), "{expected:?} {:?}", span.attributes);
    }
}

#[tokio::test]
async fn reflection_tells_of_the_contract() {
    let service = Service::start().await;
    let channel = Endpoint::from_shared(service.url.clone()).unwrap().connect().await.unwrap();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let requests = futures_util::stream::iter([request]);
    let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    for expected in ["backend_service.v1.BackendService", "grpc.health.v1.Health"] {
        assert!(names.contains(&expected), "{names:?}");
    }
    drop((client, answers));
    assert!(service.stop().await.is_empty(), "reflection has no spans");
}
