//! What Cloud Run's front end costs beside a direct call and a front that changes nothing.
//!
//! `cargo bench -p spanwise-cloud-run`; client, front and service share one process and its cores.

#[path = "../../front/benches/latency/call.rs"]
mod call;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Response};
use spanwise_cloud_run::{Admit, FrontEndPolicy, Place, Placed, Placing, PolicyOptions, Sampler};
use spanwise_front::tls::Authority;
use spanwise_front::{Front, FrontOptions, Policy, TapLog, Transparent};
use spanwise_model::{CloudRunService, FrontEnd, FrontEndSampling, Source};
use tokio::runtime::Runtime;

/// Admits everybody, and has one instance that is always ready: what is measured is the front end, not whom it asks.
struct Ready(SocketAddr);

impl Admit for Ready {
    fn admit(&self, _headers: &mut HeaderMap, _is_internal: bool) -> Result<(), Box<Response<Bytes>>> {
        Ok(())
    }
}

impl Place for Ready {
    fn place(&self, _patience: Duration) -> Placing<'_> {
        let (source, address) = (Source::new("service", 1), self.0);
        Box::pin(std::future::ready(Ok(Placed { source, address, held: Box::new(()) })))
    }
}

fn front_end(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let authority = Authority::new().expect("an authority");
    let service = runtime.block_on(call::service());
    let front = |policy: Arc<dyn Policy>| {
        let mut options = FrontOptions::new(None, Source::new("service", 1), Arc::new(TapLog::new()));
        options.upstream = Some(service);
        options.tls = Some(authority.server_tls());
        options.policy = policy;
        runtime.block_on(Front::start(options)).expect("a front")
    };
    let ready = Arc::new(Ready(service));
    let policy = FrontEndPolicy::new(PolicyOptions {
        front_end: FrontEnd { sampling: FrontEndSampling::Rate, ..FrontEnd::default() },
        service: CloudRunService::default(),
        is_internal: true,
        admit: Some(ready.clone()),
        place: Some(ready),
        sampler: Arc::new(Sampler::default()),
    });
    let (transparent, emulated) = (front(Arc::new(Transparent)), front(Arc::new(policy)));
    call::measure(criterion, &runtime, "direct, plaintext", service, None);
    for (way, front) in [("front, TLS", transparent), ("Cloud Run, TLS", emulated)] {
        call::measure(criterion, &runtime, way, front.addr(), Some(authority.ca_pem()));
    }
}

criterion_group!(benches, front_end);
criterion_main!(benches);
