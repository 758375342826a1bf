//! What comes after `101 Switching Protocols`: bytes both ways, of a protocol that the front does not know.
//!
//! `forward` leaves a tunnel with the connection when the service has agreed to one; the connection runs it once hyper
//! has let go of the stream. A WebSocket gets through like this. HTTP/2 does not, because its calls would pass unseen:
//! `forward` takes the offer out of the request.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::time::{Instant, timeout_at};

use crate::exchange::Exchange;

/// Both sides of a connection whose protocol changes.
pub(crate) struct Tunnel {
    pub(crate) caller: OnUpgrade,
    pub(crate) service: OnUpgrade,
    /// Ends with the tunnel.
    pub(crate) exchange: Exchange,
    /// When its time is up, where the policy set one.
    pub(crate) deadline: Option<Instant>,
}

/// Who broke a tunnel off.
enum Broke {
    Caller,
    Service,
}

impl Tunnel {
    /// Carries bytes until both sides have closed, or one breaks off, or its time is up. A caller that breaks off leaves the
    /// exchange canceled.
    pub(crate) async fn run(mut self) {
        match self.deadline {
            None => self.carry_both().await,
            Some(deadline) => {
                if timeout_at(deadline, self.carry_both()).await.is_err() {
                    self.exchange.timed_out();
                }
            }
        }
    }

    async fn carry_both(&mut self) {
        let (Ok(caller), Ok(service)) = ((&mut self.caller).await, (&mut self.service).await) else { return };
        let (mut caller_reads, mut caller_writes) = split(TokioIo::new(caller));
        let (mut service_reads, mut service_writes) = split(TokioIo::new(service));
        let carried = tokio::try_join!(
            carry(&mut caller_reads, &mut service_writes, || Broke::Caller, || Broke::Service),
            carry(&mut service_reads, &mut caller_writes, || Broke::Service, || Broke::Caller),
        );
        match carried {
            Ok(_) => self.exchange.complete(),
            Err(Broke::Service) => self.exchange.broken_off(),
            Err(Broke::Caller) => {}
        }
    }
}

/// Carries bytes one way until the sender closes.
async fn carry(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    reading: impl Fn() -> Broke,
    writing: impl Fn() -> Broke,
) -> Result<(), Broke> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.map_err(|_| reading())?;
        if read == 0 {
            return to.shutdown().await.map_err(|_| writing());
        }
        to.write_all(&buffer[..read]).await.map_err(|_| writing())?;
        to.flush().await.map_err(|_| writing())?;
    }
}
