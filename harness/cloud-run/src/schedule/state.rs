//! What is known of a service's instances and of who waits for one, and what follows when something happens. It is always
//! locked, freezes and thaws at once, and hands back what else is to be done.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use spanwise_model::{CloudRunService, Cpu, InstanceEnd};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::instance::{Instance, Serving, Starting};
use super::{Lease, NoInstance, Runtime};

/// Where a request hears of its place.
pub(super) type Waiter = oneshot::Sender<Result<Lease, NoInstance>>;

/// What is to be done once the lock is free, in order.
pub(super) enum Action {
    Start(u32),
    End(u32),
    /// The place is taken already.
    Give {
        to: Waiter,
        instance: u32,
        address: SocketAddr,
    },
    Refuse {
        to: Waiter,
        reason: String,
    },
    /// [`State::idled`] is to be called at that time.
    WatchIdle {
        instance: u32,
        due: Instant,
    },
}

impl Action {
    /// Whether it takes time.
    pub(super) fn is_underway(&self) -> bool {
        matches!(self, Action::Start(_) | Action::End(_))
    }
}

pub(super) struct State {
    /// Places of an instance.
    concurrency: usize,
    min: usize,
    max: usize,
    idle: Duration,
    is_throttled: bool,
    ends_by_sigterm: bool,
    /// How many instances were started.
    begun: u32,
    /// Those that start or serve, by number.
    instances: BTreeMap<u32, Instance>,
    /// In the order in which they came.
    waiting: VecDeque<Waiter>,
    is_shut_down: bool,
}

impl State {
    pub(super) fn new(service: &CloudRunService) -> State {
        State {
            // Zero would mean that no request is ever served, which nobody deploys.
            concurrency: service.concurrency.max(1) as usize,
            min: service.min_instances as usize,
            max: service.max_instances.max(1) as usize,
            idle: Duration::from_millis(service.idle_ms),
            is_throttled: service.cpu == Cpu::Throttled,
            ends_by_sigterm: service.end == InstanceEnd::Sigterm,
            begun: 0,
            instances: BTreeMap::new(),
            waiting: VecDeque::new(),
            is_shut_down: false,
        }
    }

    /// Starts what is missing to the least number; each start tells its result.
    pub(super) fn warm(&mut self, told: &mut Vec<oneshot::Receiver<Result<(), String>>>) -> Vec<Action> {
        let mut actions = Vec::new();
        while !self.is_shut_down && self.instances.len() < self.min.min(self.max) {
            let (sender, receiver) = oneshot::channel();
            told.push(receiver);
            actions.push(self.start(Some(sender)));
        }
        actions
    }

    /// A request came.
    pub(super) fn admit(&mut self, waiter: Waiter, runtime: &dyn Runtime) -> Vec<Action> {
        self.waiting.push_back(waiter);
        self.settle(runtime)
    }

    /// A start is over.
    pub(super) fn started(
        &mut self,
        instance: u32,
        result: Result<SocketAddr, String>,
        runtime: &dyn Runtime,
    ) -> Vec<Action> {
        self.forget_gone();
        // Of those who wait, the first wait for the oldest start, as many as it will have places, and so on.
        let before = self.instances.range(..instance).filter(|(_, other)| other.is_starting()).count();
        let first = (before * self.concurrency).min(self.waiting.len());
        let (told, is_lost) = match self.instances.remove(&instance) {
            Some(Instance::Starting(Starting { told, is_lost })) => (told, is_lost),
            _ => (None, false),
        };
        let result = result.and_then(|address| match is_lost {
            true => Err("it ended as soon as it was ready".to_owned()),
            false => Ok(address),
        });
        if let Some(told) = told {
            // Who warmed the service up may have given up meanwhile.
            let _ = told.send(result.as_ref().map(|_| ()).map_err(String::clone));
        }
        let mut actions = Vec::new();
        match result {
            Ok(address) => {
                self.instances.insert(instance, Instance::Serving(Serving::new(address)));
            }
            Err(reason) => {
                let last = (first + self.concurrency).min(self.waiting.len());
                let refused = self.waiting.drain(first..last);
                actions.extend(refused.map(|to| Action::Refuse { to, reason: reason.clone() }));
            }
        }
        actions.extend(self.settle(runtime));
        actions
    }

    /// A request went.
    pub(super) fn released(&mut self, instance: u32, runtime: &dyn Runtime) -> Vec<Action> {
        if let Some(Instance::Serving(serving)) = self.instances.get_mut(&instance) {
            serving.leases -= 1;
        }
        self.settle(runtime)
    }

    /// A process is gone that was not ended. Of one that starts, this is only noted: the end of its start follows.
    pub(super) fn lost(&mut self, instance: u32, runtime: &dyn Runtime) -> Vec<Action> {
        match self.instances.get_mut(&instance) {
            Some(Instance::Starting(starting)) => starting.is_lost = true,
            Some(Instance::Serving(_)) => drop(self.instances.remove(&instance)),
            None => {}
        }
        self.settle(runtime)
    }

    /// The time of an instance without a request may be over; `due` becomes when to ask again, where it is not.
    pub(super) fn idled(&mut self, instance: u32, due: &mut Option<Instant>) -> Vec<Action> {
        let is_above = self.serving().count() > self.min && !self.is_shut_down;
        let Some(Instance::Serving(serving)) = self.instances.get_mut(&instance) else { return Vec::new() };
        *due = serving.idle_since.map(|since| since + self.idle).filter(|due| *due > Instant::now());
        serving.is_watched = due.is_some();
        if due.is_some() || serving.idle_since.is_none() || !is_above {
            return Vec::new();
        }
        self.instances.remove(&instance);
        vec![Action::End(instance)]
    }

    /// Nothing is started, frozen or ended any more.
    pub(super) fn shutdown(&mut self, runtime: &dyn Runtime) -> Vec<Action> {
        self.is_shut_down = true;
        if self.ends_by_sigterm {
            for (number, serving) in self.serving() {
                serving.thaw(number, runtime);
            }
        }
        self.settle(runtime)
    }

    /// Gives places to those who wait, starts what they need, and lets rest who has nothing to do. Whatever happened, this
    /// comes after it, so that no place stays free while somebody waits.
    fn settle(&mut self, runtime: &dyn Runtime) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.is_shut_down {
            let refused = self.waiting.drain(..);
            actions.extend(
                refused.map(|to| Action::Refuse { to, reason: "the service is shut down".to_owned() }),
            );
            return actions;
        }
        self.forget_gone();
        self.give(runtime, &mut actions);
        let starting = self.instances.values().filter(|instance| instance.is_starting()).count();
        let mut to_come = starting * self.concurrency;
        while self.waiting.len() > to_come && self.instances.len() < self.max {
            actions.push(self.start(None));
            to_come += self.concurrency;
        }
        self.rest(runtime, &mut actions);
        actions
    }

    /// Callers that went away do not wait any more.
    fn forget_gone(&mut self) {
        self.waiting.retain(|waiter| !waiter.is_closed());
    }

    /// Gives the places that there are, in order.
    fn give(&mut self, runtime: &dyn Runtime, actions: &mut Vec<Action>) {
        let places = self.concurrency;
        while !self.waiting.is_empty() {
            let Some((instance, serving)) = self.serving().find(|(_, serving)| serving.leases < places)
            else {
                return;
            };
            serving.thaw(instance, runtime);
            serving.leases += 1;
            serving.had_request = true;
            serving.idle_since = None;
            let address = serving.address;
            actions.extend(self.waiting.pop_front().map(|to| Action::Give { to, instance, address }));
        }
    }

    /// Freezes and ends those that have no request since just now, as they are to be.
    fn rest(&mut self, runtime: &dyn Runtime, actions: &mut Vec<Action>) {
        let now = Instant::now();
        let (idle, is_throttled) = (self.idle, self.is_throttled);
        let mut above = self.serving().count().saturating_sub(self.min);
        let mut ended = Vec::new();
        for (instance, serving) in self.serving() {
            if serving.leases > 0 || serving.idle_since.is_some() {
                continue;
            }
            serving.idle_since = Some(now);
            if is_throttled && serving.had_request {
                serving.freeze(instance, runtime);
            }
            if idle.is_zero() && above > 0 {
                above -= 1;
                ended.push(instance);
            } else if !idle.is_zero() && !serving.is_watched {
                serving.is_watched = true;
                actions.push(Action::WatchIdle { instance, due: now + idle });
            }
        }
        for instance in ended {
            self.instances.remove(&instance);
            actions.push(Action::End(instance));
        }
    }

    fn start(&mut self, told: Option<oneshot::Sender<Result<(), String>>>) -> Action {
        self.begun += 1;
        self.instances.insert(self.begun, Instance::Starting(Starting { told, is_lost: false }));
        Action::Start(self.begun)
    }

    fn serving(&mut self) -> impl Iterator<Item = (u32, &mut Serving)> {
        self.instances.iter_mut().filter_map(|(number, instance)| match instance {
            Instance::Serving(serving) => Some((*number, serving)),
            Instance::Starting(_) => None,
        })
    }
}
