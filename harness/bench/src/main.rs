//! `spanwise-load`: sends spans to a collector as fast as it takes them, and prints one line of JSON.
//!
//! A closed loop: every connection sends its next batch when the last one was acknowledged. It ends with 1 where a batch
//! was not.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use serde_json::json;
use spanwise_bench::batch::{Batch, Shape};
use spanwise_bench::client::{Connection, Failure, batch};
use spanwise_bench::process::usage;
use spanwise_model::Protocol;

/// Sends spans to a collector as fast as it takes them, and prints one line of JSON.
#[derive(Debug, Parser)]
struct Arguments {
    /// Base URL of the collector.
    #[arg(long)]
    endpoint: String,
    /// How to send.
    #[arg(long, value_enum, default_value = "otlp-grpc")]
    protocol: Carrier,
    /// How many spans to send, rounded up to whole batches.
    #[arg(long, default_value_t = 200_000)]
    spans: u64,
    /// Connections that send side by side.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Spans in a batch.
    #[arg(long, default_value_t = Shape::default().spans)]
    batch: usize,
    /// Spans in a trace.
    #[arg(long, default_value_t = Shape::default().per_trace, value_parser = at_least_one)]
    per_trace: usize,
    /// Attributes of a span.
    #[arg(long, default_value_t = Shape::default().attributes)]
    attributes: usize,
    /// The collector's process, to report its CPU time and memory (Linux).
    #[arg(long)]
    pid: Option<u32>,
}

/// The protocols that load is made for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Carrier {
    OtlpGrpc,
    OtlpHttp,
    CloudTraceGrpc,
}

impl From<Carrier> for Protocol {
    fn from(carrier: Carrier) -> Protocol {
        match carrier {
            Carrier::OtlpGrpc => Protocol::OtlpGrpc,
            Carrier::OtlpHttp => Protocol::OtlpHttp,
            Carrier::CloudTraceGrpc => Protocol::CloudTraceGrpc,
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "must be 1 or more".to_owned())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<ExitCode, Failure> {
    let arguments = Arguments::parse();
    let protocol = Protocol::from(arguments.protocol);
    let Arguments { batch: spans, per_trace, attributes, .. } = arguments;
    let shape = Shape { spans, per_trace, attributes };
    let batch =
        Arc::new(batch(protocol, shape).filter(|batch| batch.spans() > 0).ok_or("the batch is empty")?);
    let batches = arguments.spans.div_ceil(batch.spans() as u64);
    let before = arguments.pid.and_then(usage);
    let begun = Instant::now();
    // Ids differ between runs: a collector may be loaded twice.
    let first = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    let next = Arc::new(AtomicU64::new(0));
    let mut senders = Vec::new();
    for _ in 0..arguments.connections {
        let connection = Connection::new(&arguments.endpoint, protocol)?;
        senders.push(tokio::spawn(drain(connection, batch.clone(), next.clone(), first, batches)));
    }
    let (mut millis, mut failures) = (Vec::new(), Vec::new());
    for sender in senders {
        let sent = sender.await?;
        millis.extend(sent.millis);
        failures.extend(sent.failures);
    }
    let seconds = begun.elapsed().as_secs_f64();
    millis.sort_by(f64::total_cmp);
    let spans = (millis.len() * batch.spans()) as f64;
    let quantile = |share: f64| millis.get(((millis.len() as f64 - 1.0) * share) as usize);
    let server = arguments.pid.and_then(usage).zip(before).map(|(after, before)| {
        let micros = (after.cpu_seconds - before.cpu_seconds) * 1e6;
        // Of all that the process ever held: a collector that is loaded twice has both loads in it.
        let peak = after.peak_bytes as f64;
        json!({
            "cpu_micros_per_span": micros / spans,
            "peak_bytes": after.peak_bytes,
            "peak_bytes_per_span": peak / spans,
        })
    });
    let report = json!({
        "protocol": protocol.as_str(),
        "spans": spans,
        "seconds": seconds,
        "spans_per_second": spans / seconds,
        "bytes_per_span": batch.size() / batch.spans(),
        "millis": { "median": quantile(0.5), "p99": quantile(0.99), "max": millis.last() },
        "failed_batches": failures.len(),
        "failure": failures.first(),
        "server": server,
    });
    println!("{report}");
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What one connection has sent.
struct Sent {
    /// How long each acknowledged batch took.
    millis: Vec<f64>,
    failures: Vec<String>,
}

async fn drain(
    mut connection: Connection,
    batch: Arc<Batch>,
    next: Arc<AtomicU64>,
    first: u64,
    batches: u64,
) -> Sent {
    let mut sent = Sent { millis: Vec::new(), failures: Vec::new() };
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= batches {
            return sent;
        }
        let bytes = batch.numbered(first.wrapping_add(number));
        let begun = Instant::now();
        match connection.send(bytes).await {
            Ok(()) => sent.millis.push(begun.elapsed().as_secs_f64() * 1e3),
            Err(failure) => sent.failures.push(failure.to_string()),
        }
    }
}
