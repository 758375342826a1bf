//! What a front costs: one gRPC-like call directly and through it, in plaintext and over TLS, alone and among others.
//!
//! `cargo bench -p spanwise-front`; client, front and service share one process and its cores.

mod call;

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use spanwise_front::tls::Authority;
use spanwise_front::{Front, FrontOptions, TapLog};
use spanwise_model::Source;
use tokio::runtime::Runtime;

fn latency(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let authority = Authority::new().expect("an authority");
    let service = runtime.block_on(call::service());
    let front = |tls| {
        // Each call leaves a tap behind; a log of its own keeps the rows apart.
        let log = Arc::new(TapLog::new());
        let mut options = FrontOptions::new(None, Source::new("service", 1), log);
        options.upstream = Some(service);
        options.tls = tls;
        runtime.block_on(Front::start(options)).expect("a front")
    };
    let (plaintext, secure) = (front(None), front(Some(authority.server_tls())));
    let ways = [
        ("direct", service, None),
        ("front, plaintext", plaintext.addr(), None),
        ("front, TLS", secure.addr(), Some(authority.ca_pem())),
    ];
    for (way, address, ca_pem) in ways {
        call::measure(criterion, &runtime, way, address, ca_pem);
    }
}

criterion_group!(benches, latency);
criterion_main!(benches);
