//! Connections that requests to one URL share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use spanwise_model::HttpVersion;

use super::connect::{Connector, Sender, Target};

/// The pools of a client, by URL.
#[derive(Default)]
pub(super) struct Pools(Mutex<HashMap<Target, Arc<Pool>>>);

/// The connections to one URL.
#[derive(Default)]
pub(super) struct Pool {
    http2: tokio::sync::Mutex<Option<http2::SendRequest<Full<Bytes>>>>,
    http1: Mutex<Vec<http1::SendRequest<Full<Bytes>>>>,
}

impl Pools {
    pub(super) fn of(&self, target: &Target) -> Arc<Pool> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(target) {
            return pool.clone();
        }
        pools.entry(target.clone()).or_default().clone()
    }
}

impl Pool {
    /// A connection that can take a request now.
    pub(super) async fn sender(
        &self,
        connector: &Connector,
        target: &Target,
        version: HttpVersion,
    ) -> Result<Sender, String> {
        if version == HttpVersion::Http1 {
            let idle = self.take_idle();
            return match idle {
                Some(sender) => Ok(Sender::Http1(sender)),
                None => connector.connect(target, version).await,
            };
        }
        // Held while connecting: those who come meanwhile share the connection instead of each opening one.
        let mut shared = self.http2.lock().await;
        if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(Sender::Http2(sender.clone()));
        }
        let sender = connector.connect(target, version).await?;
        if let Sender::Http2(sender) = &sender {
            *shared = Some(sender.clone());
        }
        Ok(sender)
    }

    /// Takes back an HTTP/1.1 connection whose answer was read to its end, unless it is being closed or still sends.
    pub(super) async fn give_back(&self, mut sender: http1::SendRequest<Full<Bytes>>) {
        const SETTLED: Duration = Duration::from_millis(100);
        if let Ok(Ok(())) = tokio::time::timeout(SETTLED, sender.ready()).await {
            self.idle().push(sender);
        }
    }

    fn take_idle(&self) -> Option<http1::SendRequest<Full<Bytes>>> {
        let mut idle = self.idle();
        idle.retain(|sender| !sender.is_closed());
        let at = idle.iter().rposition(|sender| sender.is_ready())?;
        Some(idle.swap_remove(at))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<http1::SendRequest<Full<Bytes>>>> {
        self.http1.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
