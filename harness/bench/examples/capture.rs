//! Writes a capture of the demo pair to standard output: OTLP JSON lines of as many spans as are asked for.
//!
//!     cargo run --release -p spanwise-bench --example capture 1000000 > capture.jsonl

use std::io::{self, BufWriter, Write};

use spanwise_bench::capture::{SPANS, requests};

/// Traces in one export request of each service.
const BATCH: u64 = 100;

fn main() -> io::Result<()> {
    let spans = std::env::args().nth(1).and_then(|spans| spans.parse::<u64>().ok());
    let Some(spans) = spans else {
        eprintln!("capture: say how many spans: capture 1000000");
        std::process::exit(2);
    };
    let traces = spans.div_ceil(SPANS);
    let mut out = BufWriter::new(io::stdout().lock());
    for first in (0..traces).step_by(BATCH as usize) {
        for request in requests(first..(first + BATCH).min(traces)) {
            writeln!(out, "{request}")?;
        }
    }
    out.flush()
}
