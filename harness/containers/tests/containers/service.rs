//! What runs in the containers of these tests. It is compiled by them, alone and statically, so it uses the standard library only.
//!
//! The first argument says what it is; `PORT` where it listens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() {
    let kind = std::env::args().nth(1).unwrap_or_default();
    let port = std::env::var("PORT").unwrap_or_default();
    println!("{kind} with PORT={port}");
    match kind.as_str() {
        "serve" => serve(&format!("0.0.0.0:{port}")),
        "serve-loopback" => serve(&format!("127.0.0.1:{port}")),
        "stuck" => loop {
            std::thread::park();
        },
        other => {
            eprintln!("the reason why it does not start");
            std::process::exit(other.parse().unwrap_or(1));
        }
    }
}

/// A line is an address to call or a file to read; the answer is what is there.
fn serve(address: &str) {
    let listener = TcpListener::bind(address).expect("a free port");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            let mut asked = String::new();
            let _ = BufReader::new(&stream).read_line(&mut asked);
            let _ = (&stream).write_all(answer(asked.trim()).as_bytes());
        });
    }
}

fn answer(asked: &str) -> String {
    if asked.starts_with('/') {
        return std::fs::read_to_string(asked).unwrap_or_else(|error| error.to_string());
    }
    let mut said = String::new();
    match TcpStream::connect(asked).and_then(|mut there| there.read_to_string(&mut said)) {
        Ok(_) => said,
        Err(error) => error.kind().to_string(),
    }
}
