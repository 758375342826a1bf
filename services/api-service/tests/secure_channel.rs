//! The service as a process that calls its backend over TLS, as on Cloud Run: the backend itself is plaintext, something before
//! it ends TLS.
//!
//! The backend runs in the test's process behind a forwarder of a few lines; the service is a child, because the trusted
//! authorities come from its environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rstest::rstest;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use spanwise_demo_common_lib::instrument::{Hooks, Instrumentation};
use spanwise_demo_common_lib::propagation;
use spanwise_demo_common_lib::settings::Propagator;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio_rustls::TlsAcceptor;

const T: &str = "d36a105d7002f0dee73c0dfb9553764a";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn acceptor(authority: &Authority) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Ends TLS and passes the bytes on.
async fn forward(listener: TcpListener, acceptor: TlsAcceptor, upstream: SocketAddr) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not trust the certificate hangs up here.
            if let Ok(mut tls) = acceptor.accept(tcp).await {
                let mut upstream = TcpStream::connect(upstream).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut tls, &mut upstream).await;
            }
        });
    }
}

/// Starts the service with this backend and authority; gives it with its address.
async fn start(backend: &str, authority: &Authority) -> (Child, String) {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = directory.join(format!("authority-of-{}.pem", backend.rsplit(':').next().unwrap()));
    std::fs::write(&file, authority.pem()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_api-service"))
        .env_clear()
        .envs([("PORT", "0"), ("BACKEND_SERVICE_URL", backend), ("BACKEND_BACKOFF_MS", "1")])
        .envs([("OTEL_TRACES_EXPORTER", "none"), ("OTEL_PROPAGATORS", "gcp_trace")])
        .env("SSL_CERT_FILE", file)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready: serde_json::Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    // Somebody must read on, or the service would one day wait for room in the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, ready["address"].as_str().unwrap().to_owned())
}

#[rstest]
#[case::trusted(true, StatusCode::OK)]
#[case::untrusted(false, StatusCode::SERVICE_UNAVAILABLE)]
#[tokio::test]
async fn the_trace_goes_on_over_a_secure_channel(#[case] trusted: bool, #[case] expected: StatusCode) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let propagator = propagation::combine(&[Propagator::GcpTrace]);
    let instrumentation = Instrumentation::new(&provider, propagator, Hooks::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(spanwise_demo_backend_service::serve(listener, instrumentation, std::future::pending()));

    let (own, other) = (authority(), authority());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backend = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(forward(listener, acceptor(&own), upstream));

    let (_child, address) = start(&backend, if trusted { &own } else { &other }).await;
    let client: Client<_, Full<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(format!("http://{address}/greet"))
        .header("x-cloud-trace-context", format!("{T}/74;o=1"))
        .body(r#"{"name":"Ada"}"#.into())
        .unwrap();
    assert_eq!(client.request(request).await.unwrap().status(), expected);

    let spans = exporter.get_finished_spans().unwrap();
    assert_eq!(spans.len(), usize::from(trusted));
    for span in spans {
        assert_eq!(span.span_context.trace_id().to_string(), T);
        assert_ne!(span.parent_span_id.to_string(), "000000000000004a", "the CLIENT span is in between");
        assert!(span.parent_span_is_remote);
    }
}
