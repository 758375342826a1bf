//! A service that this binary is when it starts itself again: it passes requests on to another service.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

/// The first argument of the service that this binary starts.
pub(crate) const CALLER: &str = "__caller";
/// Its last argument where it calls when it starts, and goes on whatever the answer is.
pub(crate) const CALLS: &str = "calls";
/// The same where it calls itself.
pub(crate) const CALLS_ITSELF: &str = "calls-itself";
/// The same where it ends without a call, the first time.
pub(crate) const ENDS: &str = "ends";
/// The FIFO for which the other service waits.
pub(crate) const BEGUN: &str = "begun";
/// A line in it for each start.
pub(crate) const STARTS: &str = "starts";

/// Passes each request on to the service whose URL is the second argument, with its headers, and gives back what that answers.
pub(crate) fn caller() {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let [port, url, how @ ..] = arguments.as_slice() else { panic!("{arguments:?}") };
    if let [how] = how
        && !at_start(url, how)
    {
        return;
    }
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port");
    for stream in listener.incoming().map_while(Result::ok) {
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        // Whoever looked whether the port is open says nothing.
        let Some((first, headers)) = head.split_first() else { continue };
        let kept = headers.iter().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let headers: String = kept.map(|line| format!("{line}\r\n")).collect();
        let answer = ask(url, &format!("{first}\r\n{headers}")).expect("the other service");
        let _ = (&stream).write_all(answer.as_bytes());
    }
}

/// What it does before it listens; whether to go on.
fn at_start(url: &str, how: &str) -> bool {
    let mut starts = OpenOptions::new().create(true).append(true).open(STARTS).expect("a file");
    writeln!(starts, "once").expect("a line");
    let is_first = Path::new(BEGUN).exists();
    let check = |url: &str, code: u16| {
        let answer = ask(url, "GET / HTTP/1.1\r\nhost: localhost\r\n").expect("an answer");
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
    };
    match how {
        CALLS => check(url, if is_first { 503 } else { 200 }),
        CALLS_ITSELF => check(&std::env::var("OWN_URL").expect("its own URL"), 503),
        _ => {}
    }
    if is_first {
        // Who opens a FIFO waits until its other end is opened.
        drop(OpenOptions::new().write(true).open(BEGUN).expect("a FIFO"));
        std::fs::remove_file(BEGUN).expect("a FIFO");
    }
    !(is_first && how == ENDS)
}

/// Sends a request with this head and no body, and gives back the answer.
fn ask(url: &str, head: &str) -> std::io::Result<String> {
    let mut called = TcpStream::connect(url.trim_start_matches("http://"))?;
    write!(called, "{head}connection: close\r\n\r\n")?;
    let mut answer = String::new();
    called.read_to_string(&mut answer)?;
    Ok(answer)
}
