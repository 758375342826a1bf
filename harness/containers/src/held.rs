//! A container that is removed when nobody holds it any more.

use std::sync::{Mutex, PoisonError};

use testcontainers::{ContainerAsync, GenericImage};
use tokio::runtime::Handle;

/// A container of the library, which insists on a runtime when it is dropped.
pub(crate) struct Held {
    id: String,
    container: Mutex<Option<ContainerAsync<GenericImage>>>,
}

impl Held {
    pub(crate) fn new(container: ContainerAsync<GenericImage>) -> Held {
        Held { id: container.id().to_owned(), container: Mutex::new(Some(container)) }
    }

    /// The engine's name of it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Removes it now, and returns when it is gone. What cannot be removed is left to the watcher of the run.
    pub(crate) async fn remove(&self) {
        let container = self.container.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(container) = container {
            let _ = container.rm().await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let container = self.container.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if Handle::try_current().is_err() {
            // Without a runtime the library panics. The watcher of the run needs none.
            std::mem::forget(container);
        }
    }
}
