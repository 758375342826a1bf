//! The forwarder: what stands in for the harness inside the network of a service's container.
//!
//! The harness starts one in a container of its own before each service's container, which then shares its network. To the
//! service the harness's listeners are where they are outside, on 127.0.0.1, and Google's names lead here, too: whatever
//! connects is handed on to the harness. It is the harness that connects (`../src/tunnel`), to the one port that is published,
//! so that nothing listens outside of loopback, and it works the same with every engine.
//!
//! Only the standard library is used: the build script compiles this file alone, statically, for an image without anything else.
//!
//! Arguments: the control port, the key, then an `ADDRESS=TARGET` for each port to listen at. Each connection to the control port
//! begins with the key and a letter:
//!
//! - `h`old: it is answered by a zero, and nothing follows. When it ends, the harness is gone, and so is the forwarder.
//! - `a`ccept: it is kept until a service connects somewhere. Then the target is written, as two bytes, and bytes are copied.
//! - `d`ial: two bytes of a port of the service follow. The answer is a zero and bytes are copied, or the reason why not.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a connection of the service waits for the harness to take it, and the harness may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match forward(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Listens everywhere, then serves the harness until it is gone.
fn forward(arguments: &[String]) -> Result<(), String> {
    let [control, key, ports @ ..] = arguments else {
        return Err("control port and key are missing".to_owned());
    };
    let control = control.parse().map_err(|_| format!("{control:?} is no port"))?;
    let control = listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, control)))?;
    let ports: Vec<Port> = ports.iter().map(|port| Port::read(port)).collect::<Result<_, _>>()?;
    let (kept, taken) = channel();
    let taken = Arc::new(Mutex::new(taken));
    for Port { address, target } in ports {
        let (listener, taken) = (listen(address)?, Arc::clone(&taken));
        thread::spawn(move || {
            for service in listener.incoming().flatten() {
                let taken = Arc::clone(&taken);
                thread::spawn(move || hand_on(service, target, &taken));
            }
        });
    }
    let (end, ended) = channel();
    let key: Arc<str> = key.as_str().into();
    thread::spawn(move || {
        for harness in control.incoming().flatten() {
            let (key, kept, end) = (Arc::clone(&key), kept.clone(), end.clone());
            thread::spawn(move || control_connection(harness, &key, &kept, &end));
        }
    });
    // A harness that died before it said a word is gone, too; one that has spoken holds a connection.
    match ended.recv_timeout(PATIENCE) {
        Ok(Life::Begun) => while !matches!(ended.recv(), Ok(Life::Ended) | Err(_)) {},
        Ok(Life::Ended) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
    }
    Ok(())
}

/// What is known of the harness.
enum Life {
    Begun,
    Ended,
}

/// Where to listen, and what the harness knows it as.
#[derive(Debug, PartialEq)]
struct Port {
    address: SocketAddr,
    target: u16,
}

impl Port {
    fn read(text: &str) -> Result<Port, String> {
        let port = text.split_once('=').and_then(|(address, target)| {
            Some(Port { address: address.parse().ok()?, target: target.parse().ok()? })
        });
        port.ok_or_else(|| format!("{text:?} is no ADDRESS=TARGET"))
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).map_err(|error| format!("cannot listen at {address}: {error}"))
}

/// Serves a connection of the harness, if it is one.
fn control_connection(mut harness: TcpStream, key: &str, kept: &Sender<TcpStream>, end: &Sender<Life>) {
    let mut said = vec![0; key.len() + 1];
    let is_heard = harness.set_read_timeout(Some(PATIENCE)).is_ok() && harness.read_exact(&mut said).is_ok();
    if !is_heard || !said.starts_with(key.as_bytes()) || harness.set_read_timeout(None).is_err() {
        return;
    }
    let _ = harness.set_nodelay(true);
    match said.last() {
        Some(b'h') => {
            let _ = end.send(Life::Begun);
            let _ = harness.write_all(&[0]);
            let _ = io::copy(&mut harness, &mut io::sink());
            let _ = end.send(Life::Ended);
        }
        Some(b'a') => drop(kept.send(harness)),
        Some(b'd') => dial(harness),
        _ => {}
    }
}

/// Gives a connection of the service to the harness.
fn hand_on(service: TcpStream, target: u16, kept: &Mutex<Receiver<TcpStream>>) {
    loop {
        let next = kept.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE);
        let Ok(mut harness) = next else { return };
        // One that broke while it was kept does not count.
        if harness.write_all(&target.to_be_bytes()).is_ok() {
            let _ = service.set_nodelay(true);
            return splice(&service, &harness);
        }
    }
}

/// Connects to the service for the harness: at the address that it has in its network, so that one that listens on loopback
/// alone is not reached, as it would not be anywhere else.
fn dial(mut harness: TcpStream) {
    let mut port = [0; 2];
    let Ok(own) = harness.local_addr() else { return };
    if harness.read_exact(&mut port).is_err() {
        return;
    }
    let address: (IpAddr, u16) = (own.ip(), u16::from_be_bytes(port));
    match TcpStream::connect(address) {
        Ok(service) => {
            let _ = service.set_nodelay(true);
            if harness.write_all(&[0]).is_ok() {
                splice(&harness, &service);
            }
        }
        Err(error) => drop(harness.write_all(error.to_string().as_bytes())),
    }
}

/// Copies bytes both ways until both are at their end. An end is passed on as it is; what breaks on one side is broken on both.
fn splice(one: &TcpStream, other: &TcpStream) {
    thread::scope(|scope| {
        scope.spawn(|| pass(one, other));
        pass(other, one);
    });
}

fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    match io::copy(&mut from, &mut to) {
        Ok(_) => drop(to.shutdown(Shutdown::Write)),
        Err(_) => {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        let check = |text: &str, expected: Option<(&str, u16)>| {
            let expected = expected
                .map(|(address, target)| Port { address: address.parse().expect("an address"), target });
            assert_eq!(Port::read(text).ok(), expected, "{text}");
        };
        check("127.0.0.2:443=40123", Some(("127.0.0.2:443", 40123)));
        check("127.0.0.2:443", None);
        check("localhost:443=40123", None);
        check("127.0.0.2:443=100000", None);
    }
}
