//! What a service writes, line by line: bounded, secrets replaced, with news for whoever waits. Processes have one, and so have
//! containers, which are started elsewhere.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use spanwise_model::{LogRecord, Source, Stream, secret};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;

use crate::clock::now;

/// How long the rest of the output is waited for once the instance is gone.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Bytes of a line that are kept.
const LINE_BYTES: usize = 64 * 1024;
/// Of the first and of the last lines, how many and how many bytes are kept.
const FIRST: Bound = Bound { lines: 20_000, bytes: 16 * 1024 * 1024 };
const LAST: Bound = Bound { lines: 5_000, bytes: 4 * 1024 * 1024 };

struct Bound {
    lines: usize,
    bytes: usize,
}

/// The lines of one instance so far.
pub struct Output {
    source: Source,
    /// Text of a line that is waited for.
    awaited: Option<String>,
    lines: Mutex<Lines>,
    news: watch::Sender<News>,
}

/// What waiting code asks for.
#[derive(Clone, Copy, Default)]
pub(super) struct News {
    /// How many lines came.
    pub(super) lines: u64,
    /// The address of the ready line.
    pub(super) address: Option<SocketAddr>,
    /// Whether a line had the awaited text in it.
    pub(super) said: bool,
    /// How many of the two streams came to their end.
    pub(super) ended: u8,
}

#[derive(Default)]
struct Lines {
    first: Vec<LogRecord>,
    first_bytes: usize,
    last: VecDeque<LogRecord>,
    last_bytes: usize,
    dropped: u64,
}

impl Output {
    /// Nothing is written yet; a line with the awaited text in it will be news.
    pub fn new(source: Source, awaited: Option<String>) -> Arc<Output> {
        Arc::new(Output { source, awaited, lines: Mutex::default(), news: watch::Sender::default() })
    }

    /// Waits for a line with the awaited text in it.
    pub(super) async fn said_it(&self) {
        // The sender lives as long as `self`.
        let _ = self.subscribe().wait_for(|news| news.said).await;
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// The lines that are kept and wanted, in the order they were read.
    pub fn lines_where(&self, wanted: impl Fn(&LogRecord) -> bool) -> Vec<LogRecord> {
        let lines = self.lock();
        lines.first.iter().chain(&lines.last).filter(|record| wanted(record)).cloned().collect()
    }

    /// How many lines were not kept, because there were too many.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// The last lines of both streams for an error message, each behind a line break and an indent; empty when there are
    /// none. Standard error stands last, and on its own: in the order of reading, which between two pipes is chance, the
    /// reason would be lost among what else was written.
    pub fn tail(&self) -> String {
        self.last_lines(8)
    }

    /// As many of the last lines of each stream, in the form of [`Output::tail`].
    pub(super) fn last_lines(&self, shown: usize) -> String {
        let lines = self.lock();
        let all: Vec<&LogRecord> = lines.first.iter().chain(&lines.last).collect();
        let last = |stream: Stream| {
            let of_stream: Vec<&&LogRecord> = all.iter().filter(|record| record.stream == stream).collect();
            let last = &of_stream[of_stream.len().saturating_sub(shown)..];
            last.iter().map(|record| format!("\n  {}", cut(&record.line, 400))).collect::<String>()
        };
        last(Stream::Stdout) + &last(Stream::Stderr)
    }

    /// Reads one stream to its end.
    pub async fn read(self: Arc<Output>, stream: Stream, mut from: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 16 * 1024];
        let mut line = Line::default();
        loop {
            let read = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(read) => read,
            };
            let mut rest = &buffer[..read];
            while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
                line.extend(&rest[..at]);
                self.push(stream, line.take());
                rest = &rest[at + 1..];
            }
            line.extend(rest);
        }
        if !line.bytes.is_empty() {
            self.push(stream, line.take());
        }
        self.news.send_modify(|news| news.ended += 1);
    }

    /// Waits until both streams came to their end, but no longer than a moment: it is asked for when the instance is gone, and
    /// then only a process that it left behind can still hold one.
    pub async fn last_words(&self) {
        let mut news = self.subscribe();
        let _ = tokio::time::timeout(LAST_WORDS, news.wait_for(|news: &News| news.ended >= 2)).await;
    }

    fn push(&self, stream: Stream, line: String) {
        let address = (stream == Stream::Stdout).then(|| ready_address(&line)).flatten();
        let says = self.awaited.as_ref().is_some_and(|text| line.contains(text.as_str()));
        let line = secret::text(&line).into_owned();
        self.lock().push(LogRecord { source: self.source.clone(), stream, time: now(), line });
        self.news.send_modify(|news| {
            news.lines += 1;
            news.address = news.address.or(address);
            news.said |= says;
        });
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn push(&mut self, record: LogRecord) {
        let bytes = record.line.len();
        let first_has_room = self.first.len() < FIRST.lines && self.first_bytes + bytes <= FIRST.bytes;
        if self.last.is_empty() && first_has_room {
            self.first_bytes += bytes;
            self.first.push(record);
            return;
        }
        self.last_bytes += bytes;
        self.last.push_back(record);
        while self.last.len() > LAST.lines || self.last_bytes > LAST.bytes {
            let Some(record) = self.last.pop_front() else { break };
            self.last_bytes -= record.line.len();
            self.dropped += 1;
        }
    }
}

/// A line that is being read.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    cut: usize,
}

impl Line {
    fn extend(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..room]);
        self.cut += bytes.len() - room;
    }

    fn take(&mut self) -> String {
        let Line { bytes, cut } = std::mem::take(self);
        let mut line = String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(&bytes)).into_owned();
        if cut > 0 {
            line.push_str(&format!(" [{cut} bytes more]"));
        }
        line
    }
}

/// The address in a ready line: `{"message":"listening","address":"127.0.0.1:40123", …}`.
fn ready_address(line: &str) -> Option<SocketAddr> {
    #[derive(Deserialize)]
    struct ReadyLine<'a> {
        message: &'a str,
        address: &'a str,
    }
    if !line.contains("\"listening\"") {
        return None;
    }
    let ready: ReadyLine<'_> = serde_json::from_str(line).ok()?;
    if ready.message != "listening" {
        return None;
    }
    let (host, port) = ready.address.rsplit_once(':')?;
    let port = port.parse().ok()?;
    match ready.address.parse::<SocketAddr>() {
        // A service that listens on all interfaces is reached on the loopback one.
        Ok(address) if !address.ip().is_unspecified() => Some(address),
        Ok(_) => Some((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => (host == "localhost").then(|| (Ipv4Addr::LOCALHOST, port).into()),
    }
}

fn cut(line: &str, most: usize) -> &str {
    line.char_indices().nth(most).map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_address(line: &str, expected: Option<&str>) {
        assert_eq!(ready_address(line).map(|address| address.to_string()).as_deref(), expected, "{line}");
    }

    #[test]
    fn the_ready_line_says_the_address() {
        let line =
            |address: &str| format!(r#"{{"severity":"INFO","message":"listening","address":"{address}"}}"#);
        check_address(&line("127.0.0.1:40123"), Some("127.0.0.1:40123"));
        check_address(&line("0.0.0.0:80"), Some("127.0.0.1:80"));
        check_address(&line("[::]:80"), Some("127.0.0.1:80"));
        check_address(&line("[::1]:80"), Some("[::1]:80"));
        check_address(&line("localhost:80"), Some("127.0.0.1:80"));
        check_address(&line("example.com:80"), None);
        check_address(&line("127.0.0.1:99999"), None);
        check_address(r#"{"message":"not listening","address":"127.0.0.1:1"}"#, None);
        check_address(r#"{"message":"listening"}"#, None);
        check_address("listening on 127.0.0.1:80", None);
    }

    #[tokio::test]
    async fn lines_are_split_cut_and_cleaned() {
        let output = Output::new(Source::new("s", 1), None);
        let long = "x".repeat(LINE_BYTES + 5);
        let text = format!("one\r\ntwo Bearer abcdefgh\n\n{long}\nlast");
        output.clone().read(Stream::Stderr, text.as_bytes()).await;
        let lines: Vec<String> = output.lines_where(|_| true).into_iter().map(|record| record.line).collect();
        assert_eq!(lines[0], "one");
        assert!(lines[1].starts_with("two Bearer <bearer token sha256:"), "{}", lines[1]);
        assert_eq!(lines[2], "");
        assert_eq!(lines[3].len(), LINE_BYTES + " [5 bytes more]".len());
        assert_eq!(lines[4], "last");
    }

    #[test]
    fn a_flood_keeps_its_first_and_last_lines() {
        let output = Output::new(Source::new("s", 1), None);
        for number in 0..30_000 {
            output.push(Stream::Stdout, number.to_string());
        }
        let lines = output.lines_where(|_| true);
        assert_eq!((lines.len(), output.dropped()), (25_000, 5_000));
        assert_eq!((lines[0].line.as_str(), lines[19_999].line.as_str()), ("0", "19999"));
        assert_eq!((lines[20_000].line.as_str(), lines[24_999].line.as_str()), ("25000", "29999"));
        assert!(output.tail().ends_with("\n  29998\n  29999"));
    }

    #[test]
    fn the_tail_ends_with_standard_error_however_much_else_was_written() {
        let output = Output::new(Source::new("s", 1), None);
        output.push(Stream::Stderr, "cannot bind".to_owned());
        for number in 0..100 {
            output.push(Stream::Stdout, number.to_string());
        }
        let stdout: String = (92..100).map(|number| format!("\n  {number}")).collect();
        assert_eq!(output.tail(), stdout + "\n  cannot bind");
    }
}
