//! The harness's side of the way into and out of a container's network; `forwarder/main.rs` is the other, and says what is spoken.
//!
//! All connections are made from here, to the one port of the forwarder that is published on loopback: what the service opens
//! comes in over connections that were kept ready for it, and what is for the service goes through a listener on loopback.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How many connections are kept ready. One that is taken is replaced at once, so that more come no later than a round trip.
const READY: usize = 4;
/// How long the forwarder may take until it answers: it needs milliseconds, but for a machine that is busy.
const OPEN_WITHIN: Duration = Duration::from_secs(15);
/// How long after a connection that could not be had the next is tried.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a reason may be that the forwarder gives.
const REASON_BYTES: u64 = 1024;

/// The way into and out of one container's network. It is closed when this is dropped, and then the forwarder ends.
pub(crate) struct Tunnel {
    control: Arc<Control>,
    /// As long as it is open the forwarder knows that somebody is here.
    _hold: TcpStream,
    tasks: JoinSet<()>,
}

/// How the forwarder is spoken to.
struct Control {
    address: SocketAddr,
    key: String,
}

impl Control {
    async fn connect(&self, what: u8) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(self.key.as_bytes()).await?;
        stream.write_u8(what).await?;
        Ok(stream)
    }

    /// A connection to a port of the service.
    async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        let mut stream = self.connect(b'd').await?;
        stream.write_u16(port).await?;
        match stream.read_u8().await? {
            0 => Ok(stream),
            first => {
                let mut reason = vec![first];
                (&mut stream).take(REASON_BYTES).read_to_end(&mut reason).await?;
                Err(io::Error::other(String::from_utf8_lossy(&reason).into_owned()))
            }
        }
    }
}

impl Tunnel {
    /// Opens the way once the forwarder answers at its control port. Connections of the service come in at the ports of 127.0.0.1
    /// that are listed, and at no other.
    pub(crate) async fn open(control: SocketAddr, key: &str, targets: BTreeSet<u16>) -> io::Result<Tunnel> {
        let control = Arc::new(Control { address: control, key: key.to_owned() });
        let hold = hold(&control).await?;
        let mut tasks = JoinSet::new();
        let targets = Arc::new(targets);
        for _ in 0..READY {
            tasks.spawn(take(Arc::clone(&control), Arc::clone(&targets)));
        }
        Ok(Tunnel { control, _hold: hold, tasks })
    }

    /// Opens a port on loopback that leads to one of the service.
    pub(crate) async fn relay(&mut self, port: u16) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        self.tasks.spawn(relay(listener, Arc::clone(&self.control), port));
        Ok(address)
    }

    /// Why the service does not take connections at a port, if it does not.
    pub(crate) async fn probe(&self, port: u16) -> io::Result<()> {
        self.control.dial(port).await.map(drop)
    }
}

/// The engine takes connections for a container before anything listens in it, and ends them again.
async fn hold(control: &Control) -> io::Result<TcpStream> {
    let (begun, mut pause) = (Instant::now(), Duration::from_millis(2));
    loop {
        let held = async {
            let mut stream = control.connect(b'h').await?;
            stream.read_u8().await.map(|_| stream)
        };
        match held.await {
            Ok(stream) => return Ok(stream),
            Err(error) if begun.elapsed() > OPEN_WITHIN => return Err(error),
            Err(_) => {}
        }
        // waits on purpose: a container tells nobody that a port of it opens; it has to be tried again.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AGAIN);
    }
}

/// Keeps a connection ready for the service, time and again, until it is dropped.
async fn take(control: Arc<Control>, targets: Arc<BTreeSet<u16>>) {
    let mut open = JoinSet::new();
    loop {
        let taken = async {
            let mut service = control.connect(b'a').await?;
            service.read_u16().await.map(|target| (service, target))
        };
        let Ok((mut service, target)) = taken.await else {
            // waits on purpose: the forwarder is gone, and this will be soon; or this machine could not connect just now, and then
            // every connection that is not kept ready any more would be missed.
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        if targets.contains(&target) {
            open.spawn(async move {
                let Ok(mut own) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
                let _ = own.set_nodelay(true);
                // What breaks is broken on both sides, because both end here.
                let _ = copy_bidirectional(&mut service, &mut own).await;
            });
        }
        while open.try_join_next().is_some() {}
    }
}

/// Leads whoever connects to a port of the service.
async fn relay(listener: TcpListener, control: Arc<Control>, port: u16) {
    let mut open = JoinSet::new();
    loop {
        let Ok((mut caller, _)) = listener.accept().await else {
            // waits on purpose: nothing tells when there are file descriptors again.
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let control = Arc::clone(&control);
        open.spawn(async move {
            let _ = caller.set_nodelay(true);
            match control.dial(port).await {
                Ok(mut service) => drop(copy_bidirectional(&mut caller, &mut service).await),
                // As if nobody had listened: the caller is reset, not ended in good order.
                Err(_) => drop(caller.set_zero_linger()),
            }
        });
        while open.try_join_next().is_some() {}
    }
}
