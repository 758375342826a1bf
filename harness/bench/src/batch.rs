//! Batches that are encoded once and get fresh ids in place before each sending, so that what is measured is the
//! receiver, and no two spans are the same to it.

use bytes::Bytes;

use crate::telemetry;

/// The shape of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Spans in the batch.
    pub spans: usize,
    /// Spans in a trace; they form a chain.
    pub per_trace: usize,
    /// Attributes of a span.
    pub attributes: usize,
}

impl Default for Shape {
    /// What a batch span processor sends when it is busy.
    fn default() -> Shape {
        Shape { spans: 512, per_trace: 8, attributes: 15 }
    }
}

/// An encoded batch, and where in it the ids stand.
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    ids: Vec<Ids>,
    per_trace: usize,
    /// Whether ids are written in hexadecimal digits.
    digits: bool,
}

/// Where the ids of one span stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    pub(crate) trace: usize,
    pub(crate) span: usize,
    /// The span's id once more, in its resource name.
    pub(crate) named: Option<usize>,
    pub(crate) parent: Option<usize>,
}

impl Ids {
    fn moved(self, by: usize) -> Ids {
        Ids {
            trace: self.trace + by,
            span: self.span + by,
            named: self.named.map(|at| at + by),
            parent: self.parent.map(|at| at + by),
        }
    }
}

impl Batch {
    /// An OTLP `ExportTraceServiceRequest`.
    pub fn otlp(shape: Shape) -> Batch {
        let spans = (0..shape.spans).map(|index| telemetry::otlp_span(index, shape));
        let scope_spans = Batch::new(&[(1, telemetry::scope())], spans, shape, false);
        scope_spans.within(2, &[(1, telemetry::resource())]).within(1, &[])
    }

    /// A Cloud Trace v2 `BatchWriteSpansRequest`.
    pub fn cloud_trace(shape: Shape, project: &str) -> Batch {
        let name = format!("projects/{project}").into_bytes();
        let spans = (0..shape.spans).map(|index| telemetry::cloud_trace_span(index, shape, project));
        Batch::new(&[(1, name)], spans, shape, true)
    }

    /// A message that holds some fields, and spans as its field 2.
    fn new(
        fields: &[(u8, Vec<u8>)],
        spans: impl Iterator<Item = (Vec<u8>, Ids)>,
        shape: Shape,
        digits: bool,
    ) -> Batch {
        let mut batch = Batch { bytes: Vec::new(), ids: Vec::new(), per_trace: shape.per_trace, digits };
        for (number, bytes) in fields {
            field(&mut batch.bytes, *number, bytes);
        }
        for (span, ids) in spans {
            let at = field(&mut batch.bytes, 2, &span);
            batch.ids.push(ids.moved(at));
        }
        batch
    }

    /// This message as a field of another one, behind the fields given.
    fn within(self, number: u8, fields: &[(u8, Vec<u8>)]) -> Batch {
        let mut bytes = Vec::with_capacity(self.bytes.len() + 1024);
        for (number, content) in fields {
            field(&mut bytes, *number, content);
        }
        let at = field(&mut bytes, number, &self.bytes);
        Batch { bytes, ids: self.ids.iter().map(|ids| ids.moved(at)).collect(), ..self }
    }

    /// How many spans it has.
    pub fn spans(&self) -> usize {
        self.ids.len()
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The batch with the ids of a number: equal for equal numbers, and different in every id for others.
    pub fn numbered(&self, number: u64) -> Bytes {
        let mut out = self.bytes.clone();
        let first = number.wrapping_mul(self.ids.len() as u64);
        let id = |index: usize| scramble(first.wrapping_add(index as u64)).to_be_bytes();
        for (index, ids) in self.ids.iter().enumerate() {
            let trace = id(index - index % self.per_trace);
            self.write(&mut out, ids.trace, &trace);
            self.write(&mut out, ids.trace + self.width(8), &trace);
            for at in [Some(ids.span), ids.named].into_iter().flatten() {
                self.write(&mut out, at, &id(index));
            }
            if let Some(at) = ids.parent {
                self.write(&mut out, at, &id(index - 1));
            }
        }
        out.into()
    }

    /// How many bytes of the batch so many bytes of an id take.
    fn width(&self, bytes: usize) -> usize {
        if self.digits { 2 * bytes } else { bytes }
    }

    fn write(&self, out: &mut [u8], at: usize, id: &[u8; 8]) {
        if !self.digits {
            out[at..at + 8].copy_from_slice(id);
            return;
        }
        for (pair, byte) in out[at..at + 16].chunks_exact_mut(2).zip(id) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
    }
}

/// Appends a length-delimited field; gives where its content begins.
fn field(out: &mut Vec<u8>, number: u8, content: &[u8]) -> usize {
    out.push(number << 3 | 2);
    prost::encoding::encode_varint(content.len() as u64, out);
    let at = out.len();
    out.extend_from_slice(content);
    at
}

/// A number that differs for different numbers and looks random; never 0 for those that occur here
/// (the finalizer of splitmix64 is a bijection that maps only one number to 0).
fn scramble(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
