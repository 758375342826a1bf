//! Collectors at addresses that a suite fixes, because the services that export to them run already. They listen from the first lane
//! that needs them to the end of the run, so that no exporter meets a closed port between two lanes. All lanes share the services
//! behind them, so they take turns; what comes is kept by the lane whose turn it is.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use spanwise_collect::{CollectError, Collector, ListenOptions, Listener, Protocols, Store};
use spanwise_front::TapLog;
use spanwise_model::{Source, TraceId};
use spanwise_scenario::{FixedCollector, FixedSender};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::fleet::{chain, persona};

/// The collectors of a run's suites; where it has several rounds, of all of them.
#[derive(Default)]
pub(super) struct FixedListeners {
    open: Mutex<HashMap<FixedCollector, Arc<Mutex<Open>>>>,
}

/// The listeners of one suite's collector, and the traces that earlier turns saw or asked for: services that are not ended export
/// when they please, and what is late belongs to nobody any more.
#[derive(Default)]
struct Open {
    listeners: Vec<Listener>,
    past: HashSet<TraceId>,
    /// What the last turn saw, of exports and on the wire. More comes to it until the next one begins.
    last: Option<(Arc<Store>, Arc<TapLog>)>,
}

/// What comes in is kept by a lane for as long as it has this.
pub(super) struct Turn {
    open: OwnedMutexGuard<Open>,
}

impl Turn {
    /// Whether a trace was seen in an earlier turn, on the wire or in what was exported.
    pub(super) fn is_past(&self, trace: TraceId) -> bool {
        self.open.past.contains(&trace)
    }
}

impl FixedListeners {
    /// Waits for its turn; from then on, all that comes to the suite's collector goes to this one, and `taps` is what goes over the
    /// wire meanwhile.
    ///
    /// # Errors
    /// It cannot listen there.
    pub(super) async fn turn(
        &self,
        fixed: &FixedCollector,
        to: &Collector,
        taps: &Arc<TapLog>,
    ) -> Result<Turn, String> {
        let open = self.open.lock().await.entry(fixed.clone()).or_default().clone();
        let mut open = open.lock_owned().await;
        if open.listeners.is_empty() {
            open.listeners = listen(fixed, to)?;
        }
        open.listeners.iter().for_each(|listener| listener.deliver_to(to));
        if let Some((exports, taps)) = open.last.replace((to.store().clone(), taps.clone())) {
            open.past.extend(exports.traces());
            // Of a trace that a request named, everything may come late.
            open.past.extend(taps.traces());
        }
        Ok(Turn { open })
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

#[cfg(test)]
mod tests {
    use spanwise_model::notation;
    use spanwise_scenario::Persona;

    use super::*;

    fn fixed() -> FixedCollector {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let senders = vec![FixedSender { service: "web".to_owned(), service_name: None }];
        FixedCollector {
            otlp_grpc: None,
            otlp_http: address,
            cloud_trace: None,
            persona: Persona::Otlp,
            senders,
        }
    }

    #[tokio::test]
    async fn a_trace_that_was_asked_for_in_one_turn_is_late_in_the_next() {
        let text =
            "driver CLIENT \"GET /\" 200 id=S1\nwire:\n  driver -> web http/1.1 200 traceparent: T1-S1-01\n";
        let observation = notation::parse(text).expect("the notation");
        let trace = observation.spans[0].trace_id;
        let (listeners, collector) =
            (FixedListeners::default(), Collector::new(spanwise_collect::Options::default()));
        let asked = Arc::new(TapLog::of(observation.wire));
        let first = listeners.turn(&fixed(), &collector, &asked).await.expect("a free port");
        assert!(!first.is_past(trace));
        drop(first);
        let second = listeners.turn(&fixed(), &collector, &Arc::default()).await.expect("the same");
        assert!(second.is_past(trace), "nothing of it has come yet");
    }
}
