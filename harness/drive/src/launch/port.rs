//! Ports for services that have to be given one.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::DriveError;

/// Below the ephemeral ranges of Linux and macOS, so that no outgoing connection takes a port between the look and
/// the service's bind.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that nobody listened on just now; never the same twice in a process until all were given.
pub(super) fn free() -> Result<u16, DriveError> {
    // Harnesses that run side by side begin at different places.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(DriveError::NoPort)
}

/// Whether a line that a service wrote says that somebody else has its port.
pub(super) fn is_taken(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["address already in use", "address in use", "eaddrinuse"].iter().any(|words| line.contains(words))
}
