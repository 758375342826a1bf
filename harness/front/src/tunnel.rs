//! What comes after `101 Switching Protocols`: bytes both ways, of a protocol that the front does not know.
//!
//! `forward` leaves a tunnel with the connection when the service has agreed to one; the connection runs it once hyper
//! has let go of the stream. A WebSocket, or HTTP/2 that began as HTTP/1.1, gets through like this.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::exchange::Exchange;

/// Both sides of a connection whose protocol changes.
pub(crate) struct Tunnel {
    pub(crate) caller: OnUpgrade,
    pub(crate) service: OnUpgrade,
    /// Ends with the tunnel.
    pub(crate) exchange: Exchange,
}

impl Tunnel {
    /// Carries bytes until both sides have closed. A side that breaks off leaves the exchange canceled.
    pub(crate) async fn run(mut self) {
        let (Ok(caller), Ok(service)) = (self.caller.await, self.service.await) else { return };
        if copy_bidirectional(&mut TokioIo::new(caller), &mut TokioIo::new(service)).await.is_ok() {
            self.exchange.complete();
        }
    }
}
