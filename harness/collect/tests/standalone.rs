//! The collector on its own: what it says, what it writes, and that it loses nothing that it acknowledged.

#[path = "../../decode/tests/telemetry/mod.rs"]
mod telemetry;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use spanwise_collect::{Recorded, Standalone, read_recorded};
use spanwise_model::Protocol;
use telemetry::payload;
use tokio::sync::Notify;

type Sender = Client<HttpConnector, Full<Bytes>>;

fn sender(http2: bool) -> Sender {
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

/// Sends a batch of OTLP JSON; whether it was acknowledged.
async fn is_acknowledged(sender: &Sender, address: &str) -> bool {
    let request = http::Request::post(format!("http://{address}/v1/traces"));
    let request = request.header("content-type", "application/json");
    let request = request.body(Full::new(Bytes::from(payload(Protocol::OtlpHttpJson)))).expect("a request");
    let Ok(response) = sender.request(request).await else { return false };
    let status = response.status();
    response.into_body().collect().await.is_ok() && status.is_success()
}

/// Runs a collector of its own until the client ends; gives its last line and the requests in its recording.
async fn run<F: Future<Output = ()>>(client: impl FnOnce(String) -> F) -> (serde_json::Value, Vec<usize>) {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("recording");
    let (address, listening) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut output = Lines { bytes: Vec::new(), first: Some(address) };
    let standalone = Standalone { out: Some(out.clone()), ..Standalone::default() };
    let run = standalone.run(&mut output, async {
        let _ = stopped.await;
    });
    let client = async {
        let first = listening.await.expect("the first line");
        let addresses: serde_json::Value = serde_json::from_str(&first).expect("JSON");
        client(addresses["otlp_http"].as_str().expect("an address").to_owned()).await;
        stop.send(()).expect("it runs");
    };
    let (ran, ()) = tokio::join!(run, client);
    ran.expect("no trouble");
    let lines = String::from_utf8(output.bytes).expect("text");
    let last = lines.lines().nth(1).expect("a last line");
    let recording = std::fs::read_to_string(&out).expect("the recording");
    let read = |(at, line): (usize, &str)| read_recorded(at + 1, line.as_bytes()).expect("a recording");
    let recorded: Vec<Recorded> = recording.lines().enumerate().map(read).collect();
    for one in &recorded {
        assert_eq!(one.payload.as_deref(), Some(&payload(Protocol::OtlpHttpJson)[..]));
    }
    let spans = recorded.into_iter().map(|one| one.decode().1.spans.len()).collect();
    (serde_json::from_str(last).expect("JSON"), spans)
}

#[tokio::test]
async fn it_says_where_it_listens_and_what_it_got() {
    let client = async |address: String| assert!(is_acknowledged(&sender(false), &address).await);
    let (last, recorded) = run(client).await;
    let expected = serde_json::json!({"requests":1,"spans":2,"traces":2,"refused":0,"malformed":0});
    assert_eq!((last, recorded), (expected, vec![2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_acknowledged_is_recorded_and_counted() {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let enough = Arc::new(Notify::new());
    let senders = Arc::new(tokio::sync::Mutex::new(tokio::task::JoinSet::new()));
    // It is stopped while they all send; each goes on until it is not heard any more.
    let client = async |address: String| {
        for number in 0..16 {
            let (acknowledged, enough, address) = (acknowledged.clone(), enough.clone(), address.clone());
            senders.lock().await.spawn(async move {
                let sender = sender(number % 2 == 0);
                while is_acknowledged(&sender, &address).await {
                    if acknowledged.fetch_add(1, Ordering::Relaxed) == 200 {
                        enough.notify_one();
                    }
                }
            });
        }
        enough.notified().await;
    };
    let (last, recorded) = run(client).await;
    while let Some(ended) = senders.lock().await.join_next().await {
        ended.expect("no panic");
    }
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    assert_eq!((last["requests"].as_u64(), recorded.len() as u64), (Some(acknowledged), acknowledged));
    assert_eq!(last["refused"], 0);
}

/// Output that hands over its first line.
struct Lines {
    bytes: Vec<u8>,
    first: Option<tokio::sync::oneshot::Sender<String>>,
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        if let Some(first) = self.first.take() {
            let _ = first.send(String::from_utf8_lossy(&self.bytes).into_owned());
        }
        Ok(())
    }
}
