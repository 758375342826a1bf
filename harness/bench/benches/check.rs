//! What it costs to check a span with all rules, trace by trace, and what it costs to decode it before.
#![allow(missing_docs)] // `criterion_main!` and `criterion_group!` make public functions without any.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spanwise_bench::capture::{SPANS, requests};
use spanwise_check::{Check, Engine, Findings, Index, Profile, registry};
use spanwise_decode::{Line, read_line};
use spanwise_model::{Evidence, Observation, Span};

/// Spans that rules are run over one by one: each repetition takes long enough to be told from the others.
const PART: u64 = 100_000;

/// Traces of the demo pair, each as `spanwise check` hands it to the engine.
fn traces(spans: u64) -> Vec<Observation> {
    (0..spans / SPANS).map(trace).collect()
}

fn trace(number: u64) -> Observation {
    let lines = requests(number..number + 1).map(|request| decode(&request));
    let exports = lines.iter().map(|line| line.export.clone()).collect();
    let spans: Vec<Span> = lines.into_iter().flat_map(|line| line.spans).collect();
    let recorded = vec![Evidence::Spans, Evidence::Resource, Evidence::Exports];
    Observation { name: spans[0].trace_id.to_string(), spans, exports, recorded, ..Observation::default() }
}

fn decode(request: &str) -> Line {
    read_line(1, request.as_bytes()).expect("a line of a capture")
}

fn check(criterion: &mut Criterion) {
    let engine = Engine::new(Profile::Strict);
    let mut group = criterion.benchmark_group("check");
    group.sample_size(10);
    for spans in [10_000, 100_000, 1_000_000] {
        let traces = traces(spans);
        group.throughput(Throughput::Elements(spans));
        group.bench_with_input(BenchmarkId::from_parameter(spans), &traces, |bencher, traces| {
            bencher.iter(|| traces.iter().map(|trace| engine.check(trace).findings.len()).sum::<usize>());
        });
    }
}

/// The index alone and each rule alone, over the same spans.
fn parts(criterion: &mut Criterion) {
    let traces = traces(PART);
    let mut group = criterion.benchmark_group("parts");
    group.sample_size(10);
    group.throughput(Throughput::Elements(PART));
    group.bench_function("decode", |bencher| {
        let capture: Vec<String> =
            (0..PART / SPANS).step_by(100).flat_map(|first| requests(first..first + 100)).collect();
        bencher.iter(|| capture.iter().map(|request| decode(request).spans.len()).sum::<usize>());
    });
    group.bench_function("index", |bencher| {
        bencher.iter(|| traces.iter().filter(|trace| Index::new(trace).has_any_span()).count());
    });
    let indexes: Vec<Index<'_>> = traces.iter().map(Index::new).collect();
    for rule in registry::rules() {
        let Check::One(check) = rule.check else { continue };
        group.bench_function(rule.name, |bencher| {
            bencher.iter(|| {
                for index in &indexes {
                    check(index, &mut Findings::new(rule));
                }
            });
        });
    }
}

criterion_group!(benches, check, parts);
criterion_main!(benches);
