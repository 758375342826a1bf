//! What a span costs at each stage: walked, decoded, taken over loopback.
#![allow(missing_docs)] // `criterion_main!` and `criterion_group!` make public functions without any.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use spanwise_bench::batch::Shape;
use spanwise_bench::client::{Connection, batch};
use spanwise_collect::{Collector, Options, Persona};
use spanwise_decode::{Message, decode_payload, walk::walk};
use spanwise_model::{Protocol, Source};

const PROTOCOLS: [Protocol; 2] = [Protocol::OtlpGrpc, Protocol::CloudTraceGrpc];

/// Batches sent in one measurement, so that making a connection does not count much.
const BATCHES: u64 = 32;

fn stages(criterion: &mut Criterion) {
    for protocol in PROTOCOLS {
        let Some(batch) = batch(protocol, Shape::default()) else { continue };
        let payload = batch.numbered(1);
        let mut group = criterion.benchmark_group(protocol.as_str());
        group.throughput(Throughput::Elements(batch.spans() as u64));
        group.bench_function("walk", |bencher| bencher.iter(|| walk(protocol, Message::Batch, &payload)));
        group.bench_function("decode", |bencher| {
            bencher.iter(|| decode_payload(protocol, Message::Batch, &payload));
        });
        group.throughput(Throughput::Elements(BATCHES * batch.spans() as u64));
        group.sample_size(10);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        group.bench_function("ingest", |bencher| {
            let set_up = || {
                let _inside = runtime.enter();
                let collector = Collector::new(Options::default());
                let listener = collector.listen(Source::new("load", 1), Persona::Otlp).expect("a free port");
                let connection = Connection::new(&listener.url(), protocol).expect("a URL");
                let payloads: Vec<_> = (0..BATCHES).map(|number| batch.numbered(number)).collect();
                (collector, listener, connection, payloads)
            };
            let send = |(collector, listener, mut connection, payloads): (_, _, Connection, Vec<_>)| {
                runtime.block_on(async {
                    for payload in payloads {
                        connection.send(payload).await.expect("it is taken");
                    }
                });
                // Given back, so that their end is not measured.
                (collector, listener, connection)
            };
            bencher.iter_batched(set_up, send, BatchSize::PerIteration);
        });
        group.finish();
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
