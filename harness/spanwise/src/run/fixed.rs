//! Collectors at addresses that a suite fixes, because the services that export to them run already. They listen from the first lane
//! that needs them to the end of the run, so that no exporter meets a closed port between two lanes. All lanes share the services
//! behind them, so they take turns; what comes is kept by the lane whose turn it is.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use spanwise_collect::{CollectError, Collector, ListenOptions, Listener, Protocols, Store};
use spanwise_model::{Source, TraceId};
use spanwise_scenario::{FixedCollector, FixedSender};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::fleet::{chain, persona};

/// The collectors of a run's suites.
#[derive(Default)]
pub(super) struct FixedListeners {
    open: Mutex<HashMap<FixedCollector, Arc<Mutex<Open>>>>,
}

/// The listeners of one suite's collector, and the traces that earlier turns saw: services that are not ended export when they
/// please, and what is late belongs to nobody any more.
#[derive(Default)]
struct Open {
    listeners: Vec<Listener>,
    past: HashSet<TraceId>,
}

/// What comes in is kept by a lane for as long as it has this.
pub(super) struct Turn {
    open: OwnedMutexGuard<Open>,
    store: Arc<Store>,
}

impl Turn {
    /// Whether a trace was seen in an earlier turn.
    pub(super) fn is_past(&self, trace: TraceId) -> bool {
        self.open.past.contains(&trace)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.open.past.extend(self.store.traces());
    }
}

impl FixedListeners {
    /// Waits for its turn; from then on, all that comes to the suite's collector goes to this one.
    ///
    /// # Errors
    /// It cannot listen there.
    pub(super) async fn turn(&self, fixed: &FixedCollector, to: &Collector) -> Result<Turn, String> {
        let open = self.open.lock().await.entry(fixed.clone()).or_default().clone();
        let mut open = open.lock_owned().await;
        if open.listeners.is_empty() {
            open.listeners = listen(fixed, to)?;
        }
        open.listeners.iter().for_each(|listener| listener.deliver_to(to));
        Ok(Turn { open, store: to.store().clone() })
    }
}

/// Opens every address once, for all protocols that it is of.
fn listen(fixed: &FixedCollector, to: &Collector) -> Result<Vec<Listener>, String> {
    let FixedCollector { otlp_grpc, otlp_http, cloud_trace, persona: whose, senders } = fixed;
    let mut addresses: Vec<SocketAddr> =
        [otlp_grpc, otlp_http, cloud_trace].into_iter().flatten().copied().collect();
    addresses.sort_unstable();
    addresses.dedup();
    let source = |service: &str| Source::new(service, 1);
    let alone = senders.iter().find(|sender| sender.service_name.is_none());
    let named = |sender: &FixedSender| Some((sender.service_name.clone()?, source(&sender.service)));
    let open = |address: SocketAddr| {
        let is_of = |given: &Option<SocketAddr>| *given == Some(address);
        let options = ListenOptions {
            source: alone.map(|sender| source(&sender.service)),
            senders: senders.iter().filter_map(named).collect(),
            persona: persona(*whose),
            address,
            protocols: Protocols {
                otlp_grpc: is_of(otlp_grpc),
                otlp_http: is_of(otlp_http),
                cloud_trace: is_of(cloud_trace),
            },
            ..ListenOptions::default()
        };
        to.listen_with(options).map_err(|error| taken(&error))
    };
    addresses.into_iter().map(open).collect()
}

/// Whoever fixed an address has to be told what to do about it.
fn taken(error: &CollectError) -> String {
    let what = format!("the suite's collector {}", chain(error));
    match error {
        CollectError::Bind { source, .. } if source.kind() == ErrorKind::AddrInUse => {
            format!(
                "{what}; end what listens there, or name another address under `collector` and to the services"
            )
        }
        _ => what,
    }
}
