//! The life cycle of one service's instances: when one is started, which gets a request, when it loses its processor, when it
//! is ended. The policy on the service's fronts asks for a place for every request; the run loop implements [`Runtime`],
//! through which this acts. It starts no process by itself, sends no signal, and knows nothing of HTTP.
//!
//! # An instance
//!
//! ```text
//!           start()           serves         a request           the last one goes:
//!   (none) ─────────▶ starting ──────▶ fresh ─────────▶ busy ───────────────────────▶ resting
//!                         │              │               ▲    freeze() if throttled    │  │
//!                         │ fails        │               └─────────────────────────────┘  │
//!                         ▼              │                 a request: thaw() if frozen    │
//!               who waited for it        │                                                │
//!               hears the reason         │   idle-ms without a request, above             │
//!                                        └──────────────▶ ended ◀─────────────────────────┘
//!                                          min-instances: end()
//! ```
//!
//! An instance has a processor while it starts, and keeps it until its first request has gone: no platform takes it from a
//! program that was never asked anything. Numbers are given in the order of starts, from 1, and never twice.
//!
//! # A request
//!
//! [`Schedule::admit`] puts it at the end of one queue. Its head is given the instance with the lowest number that has a place,
//! which is thawed before, so that nobody is forwarded to a stopped process. Where none has one, as many instances are started
//! as the queue needs and `max-instances` allows. What is left waits, until a place becomes free or its deadline passes. A caller
//! that goes away leaves the queue, or gives its place back.
//!
//! An instance that is ending takes no request, so it does not count among `max-instances`: nobody waits for its last words.
//!
//! All of this is decided under one lock, freezing and thawing included, so each instance is frozen and thawed in turns. What
//! takes time (starting, ending) is begun after the lock is given back.

mod instance;
mod lease;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use spanwise_model::CloudRunService;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep_until, timeout};

use crate::policy::{NoPlace, Place, Placed, Placing};
pub use lease::Lease;
use state::{Action, State};

/// What carries out what a [`Schedule`] decides: the owner of the processes. Instances are told by their number, from 1.
pub trait Runtime: Send + Sync + 'static {
    /// Starts an instance and resolves, with its address, when it serves; else with the reason in words.
    fn start(&self, instance: u32) -> BoxFuture<'_, Result<SocketAddr, String>>;

    /// Takes the processor away from an instance that serves. Called under the schedule's lock, as is [`Runtime::thaw`]: both
    /// send a signal and return; neither waits, and neither calls the schedule.
    fn freeze(&self, instance: u32);

    /// Gives the processor back. When it returns, a request may be sent to the instance.
    fn thaw(&self, instance: u32);

    /// Ends an instance, as its service's `end` says, and resolves when it is gone. It may be frozen: before SIGTERM it is
    /// to be thawed, before SIGKILL it is not.
    fn end(&self, instance: u32) -> BoxFuture<'_, ()>;
}

/// Why a request got no instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoInstance {
    /// The instance that it waited for did not start, for the given reason, or the service is shut down. The front end
    /// answers 503.
    #[error("{0}")]
    Failed(String),
    /// No place became free in time. The front end answers 429.
    #[error("no instance had a place in time")]
    Full,
}

/// The life cycle of one service's instances.
pub struct Schedule {
    shared: Arc<Shared>,
}

impl Place for Schedule {
    fn place(&self, patience: Duration) -> Placing<'_> {
        Box::pin(async move {
            let lease = self.admit(patience).await.map_err(|reason| match reason {
                NoInstance::Full => NoPlace::Full,
                NoInstance::Failed(why) => NoPlace::Failed(why),
            })?;
            Ok(Placed { source: lease.source.clone(), address: lease.address, held: Box::new(lease) })
        })
    }
}

/// What leases and tasks hold of a schedule.
struct Shared {
    service: Arc<str>,
    runtime: Arc<dyn Runtime>,
    tasks: Handle,
    state: Mutex<State>,
    /// How many starts and ends have begun and are not over.
    underway: watch::Sender<usize>,
}

impl Schedule {
    /// A schedule without an instance, of the named service. To be called in a tokio runtime, where its tasks will run.
    pub fn new(name: &str, service: &CloudRunService, runtime: Arc<dyn Runtime>) -> Schedule {
        let shared = Shared {
            service: name.into(),
            runtime,
            tasks: Handle::current(),
            state: Mutex::new(State::new(service)),
            underway: watch::Sender::default(),
        };
        Schedule { shared: Arc::new(shared) }
    }

    /// Starts `min-instances`, where `max-instances` allows it, and returns when all serve; the error is the reason of one that
    /// does not, and the others serve all the same.
    pub async fn warm(&self) -> Result<(), String> {
        let mut told = Vec::new();
        self.shared.change(|state, _| state.warm(&mut told));
        let mut result = Ok(());
        for told in told {
            result = result.and(told.await.unwrap_or_else(|_| Err(GIVEN_UP.to_owned())));
        }
        result
    }

    /// A place for a request at an instance that runs; waits for one no longer than `deadline`. Whoever stops waiting leaves
    /// nothing behind.
    pub async fn admit(&self, deadline: Duration) -> Result<Lease, NoInstance> {
        let (sender, receiver) = oneshot::channel();
        self.shared.change(|state, runtime| state.admit(sender, runtime));
        match timeout(deadline, receiver).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(NoInstance::Failed(GIVEN_UP.to_owned()))),
            Err(_) => Err(NoInstance::Full),
        }
    }

    /// To be called when the process of an instance is gone by itself: it is given no request any more. Where its start has not
    /// been told of yet, it counts as failed.
    pub fn lost(&self, instance: u32) {
        self.shared.change(|state, runtime| state.lost(instance, runtime));
    }

    /// From here on nothing is started, frozen or ended, and whoever waits or asks is told so. Instances that are to end by
    /// SIGTERM are thawed; those that are to be killed stay as they are. Ending them is the caller's: first what is still
    /// under way should be waited for ([`Schedule::settled`]).
    pub fn shutdown(&self) {
        self.shared.change(|state, runtime| state.shutdown(runtime));
    }

    /// Waits until no start and no end is under way.
    pub async fn settled(&self) {
        let mut underway = self.shared.underway.subscribe();
        // The sender lives as long as `self`.
        let _ = underway.wait_for(|count| *count == 0).await;
    }
}

/// What is said of a start that was dropped: by a runtime that shuts down, or because it panicked.
const GIVEN_UP: &str = "the start was given up";

impl Shared {
    /// Changes the state under its lock, then does what follows from it. The lock is free while that is done: leases, which
    /// take it when they are dropped, may be dropped then.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut State, &dyn Runtime) -> Vec<Action>) {
        let mut state = self.state();
        let actions = change(&mut state, &*self.runtime);
        let begun = actions.iter().filter(|action| action.is_underway()).count();
        // Said before the lock is free, so that whoever sees the new state sees it, too.
        self.underway.send_if_modified(|count| {
            *count += begun;
            begun > 0
        });
        drop(state);
        for action in actions {
            self.act(action);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(self: &Arc<Self>, action: Action) {
        match action {
            Action::Start(instance) => {
                let mut start = Start { shared: self.clone(), instance, is_told: false };
                self.tasks.spawn(async move {
                    let result = start.shared.runtime.start(instance).await;
                    start.tell(result);
                });
            }
            Action::End(instance) => {
                let end = End(self.clone());
                self.tasks.spawn(async move { end.0.runtime.end(instance).await });
            }
            Action::Give { to, instance, address } => {
                let lease = Lease::new(self.clone(), instance, address);
                // To a caller that is gone by now nothing can be given; the lease that comes back is dropped here.
                drop(to.send(Ok(lease)));
            }
            Action::Refuse { to, reason } => drop(to.send(Err(NoInstance::Failed(reason)))),
            Action::WatchIdle { instance, due } => {
                let shared = Arc::downgrade(self);
                self.tasks.spawn(async move {
                    let mut due = Some(due);
                    while let Some(time) = due {
                        // waits on purpose: how long an instance is kept without a request is the service's to say.
                        sleep_until(time).await;
                        let Some(shared) = shared.upgrade() else { return };
                        due = None;
                        shared.change(|state, _| state.idled(instance, &mut due));
                    }
                });
            }
        }
    }

    fn one_is_over(&self) {
        self.underway.send_modify(|count| *count -= 1);
    }
}

/// A start under way. One that is cut off counts as failed.
struct Start {
    shared: Arc<Shared>,
    instance: u32,
    is_told: bool,
}

impl Start {
    fn tell(&mut self, result: Result<SocketAddr, String>) {
        self.is_told = true;
        self.shared.change(|state, runtime| state.started(self.instance, result, runtime));
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(Err(GIVEN_UP.to_owned()));
        }
        self.shared.one_is_over();
    }
}

/// An end under way.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.one_is_over();
    }
}
