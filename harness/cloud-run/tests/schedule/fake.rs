//! A runtime that starts no process: it writes down what it is asked, and what it must never be asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

use futures_util::future::BoxFuture;
use spanwise_cloud_run::schedule::Runtime;
use tokio::sync::oneshot;

/// What an instance is, as far as its runtime knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Is {
    Starting,
    Running,
    Frozen,
    Gone,
}

#[derive(Default)]
pub(crate) struct Fake {
    instances: Mutex<BTreeMap<u32, Is>>,
    starts: Mutex<BTreeMap<u32, oneshot::Sender<Result<(), String>>>>,
    log: Mutex<Vec<String>>,
    wrong: Mutex<Vec<String>>,
}

/// Poisoned locks are the business of the test that failed first.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Fake {
    /// Writes down what happened.
    pub(crate) fn note(&self, what: String) {
        lock(&self.log).push(what);
    }

    /// Writes down what must not be, unless all is well.
    pub(crate) fn hold(&self, is_well: bool, what: impl FnOnce() -> String) {
        if !is_well {
            lock(&self.wrong).push(what());
        }
    }

    /// What happened, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        lock(&self.log).clone()
    }

    /// What was wrong of it.
    pub(crate) fn wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    pub(crate) fn instances(&self) -> BTreeMap<u32, Is> {
        lock(&self.instances).clone()
    }

    /// Ends a start; whether there was one.
    pub(crate) fn finish_start(&self, instance: u32, result: Result<(), String>) -> bool {
        let start = lock(&self.starts).remove(&instance);
        start.is_some_and(|start| start.send(result).is_ok())
    }

    pub(crate) fn starting(&self) -> Vec<u32> {
        lock(&self.starts).keys().copied().collect()
    }

    /// A process ends by itself.
    pub(crate) fn lose(&self, instance: u32) {
        lock(&self.instances).insert(instance, Is::Gone);
    }

    /// Brings an instance from one state to another; from any other state is wrong.
    pub(crate) fn change(&self, instance: u32, from: &[Is], to: Is) {
        let was = lock(&self.instances).insert(instance, to);
        let is_well = was.is_some_and(|was| from.contains(&was));
        self.hold(is_well, || format!("instance {instance} was {was:?} and is to be {to:?}"));
    }
}

impl Runtime for Fake {
    fn start(&self, instance: u32) -> BoxFuture<'_, Result<SocketAddr, String>> {
        let is_new = lock(&self.instances).insert(instance, Is::Starting).is_none();
        self.hold(is_new, || format!("instance {instance} is started again"));
        self.note(format!("start {instance}"));
        let (sender, receiver) = oneshot::channel();
        lock(&self.starts).insert(instance, sender);
        Box::pin(async move {
            let result = receiver.await.expect("the start to be ended");
            let is_up = result.is_ok();
            self.change(instance, &[Is::Starting], if is_up { Is::Running } else { Is::Gone });
            result.map(|()| ([127, 0, 0, 1], instance as u16).into())
        })
    }

    fn freeze(&self, instance: u32) {
        self.note(format!("freeze {instance}"));
        self.change(instance, &[Is::Running], Is::Frozen);
    }

    fn thaw(&self, instance: u32) {
        self.note(format!("thaw {instance}"));
        self.change(instance, &[Is::Frozen], Is::Running);
    }

    fn end(&self, instance: u32) -> BoxFuture<'_, ()> {
        self.note(format!("end {instance}"));
        self.change(instance, &[Is::Running, Is::Frozen], Is::Gone);
        Box::pin(std::future::ready(()))
    }
}
