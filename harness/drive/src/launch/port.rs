//! Ports for services that have to be given one.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::DriveError;

/// Below the ephemeral ranges of Linux and macOS, so that no outgoing connection takes a port between the look and
/// the service's bind.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that a service is given. No harness on this machine gives it to another one while this is held: whoever connects to a port
/// to see whether his service is there would meet somebody else's, and believe it.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    _claim: Claim,
}

impl Port {
    /// The port's number.
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// A port that nobody listened on just now; never the same twice in a process until all were given.
    pub(super) fn free() -> Result<Port, DriveError> {
        // Harnesses that run side by side begin at different places.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = (std::process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + (start + step) % COUNT;
            let Some(claim) = Claim::of(number) else { continue };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Port { number, _claim: claim });
            }
        }
        Err(DriveError::NoPort)
    }
}

/// What other harnesses see of a port that was given: a name that the kernel forgets with its holder, and that is in no folder (unix(7),
/// "abstract").
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Claim {
    _held: Option<std::os::unix::net::UnixDatagram>,
}

#[cfg(target_os = "linux")]
impl Claim {
    /// `None` where somebody holds it. Where the kernel gives no such names, everybody does without.
    fn of(port: u16) -> Option<Claim> {
        use std::io::ErrorKind;
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixDatagram};

        let name = SocketAddr::from_abstract_name(format!("spanwise-port-{port}"));
        match name.and_then(|name| UnixDatagram::bind_addr(&name)) {
            Ok(held) => Some(Claim { _held: Some(held) }),
            Err(error) if error.kind() == ErrorKind::AddrInUse => None,
            Err(_) => Some(Claim { _held: None }),
        }
    }
}

/// Elsewhere there are no such names.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Claim;

#[cfg(not(target_os = "linux"))]
impl Claim {
    fn of(_: u16) -> Option<Claim> {
        Some(Claim)
    }
}

/// Whether a line that a service wrote says that somebody else has its port.
pub(super) fn is_taken(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["address already in use", "address in use", "eaddrinuse"].iter().any(|words| line.contains(words))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Another harness would claim it in the same way, whichever process it is.
    #[test]
    fn a_port_is_nobody_elses_while_it_is_held() {
        let port = Port::free().expect("a port");
        let number = port.number();
        assert!(Claim::of(number).is_none(), "{number} is claimed");
        drop(port);
        assert!(Claim::of(number).is_some(), "{number} is free again");
    }
}
