//! Batches that are encoded once and get fresh ids in place before each sending, so that what is measured is the
//! receiver, and no two spans are the same to it.

use bytes::Bytes;
use googleapis_tonic_google_devtools_cloudtrace_v2::google::devtools::cloudtrace::v2 as ct;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;

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
struct Ids {
    trace: usize,
    span: usize,
    /// The span's id once more, in its resource name.
    named: Option<usize>,
    parent: Option<usize>,
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
        let scope = InstrumentationScope { name: "spanwise-load".to_owned(), ..Default::default() };
        let resource = Resource { attributes: resource(), ..Default::default() };
        let spans = (0..shape.spans).map(|index| otlp_span(index, shape));
        let scope_spans = Batch::new(&[(1, scope.encode_to_vec())], spans, shape, false);
        scope_spans.within(2, &[(1, resource.encode_to_vec())]).within(1, &[])
    }

    /// A Cloud Trace v2 `BatchWriteSpansRequest`.
    pub fn cloud_trace(shape: Shape, project: &str) -> Batch {
        let name = format!("projects/{project}").into_bytes();
        let spans = (0..shape.spans).map(|index| cloud_trace_span(index, shape, project));
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

/// When the spans of a batch happened.
const EPOCH: u64 = 1_767_225_600_000_000_000;
const DURATION: u64 = 250_000;

/// The spans of a trace are a server's and a client's in turn.
fn kind(index: usize) -> i32 {
    if index.is_multiple_of(2) { 2 } else { 3 }
}

/// A span, with its ids at the places where protobuf puts the first fields: key, length, content.
fn otlp_span(index: usize, shape: Shape) -> (Vec<u8>, Ids) {
    let has_parent = !index.is_multiple_of(shape.per_trace);
    let start = EPOCH + index as u64 * 1_000;
    let span = otlp::Span {
        trace_id: vec![1; 16],
        span_id: vec![1; 8],
        parent_span_id: if has_parent { vec![1; 8] } else { Vec::new() },
        flags: 0x101,
        name: NAME.to_owned(),
        kind: kind(index),
        start_time_unix_nano: start,
        end_time_unix_nano: start + DURATION,
        attributes: attributes(index, shape.attributes)
            .into_iter()
            .map(|(key, value)| {
                let value = match value {
                    Value::Text(text) => any_value::Value::StringValue(text),
                    Value::Number(number) => any_value::Value::IntValue(number),
                    Value::Truth(truth) => any_value::Value::BoolValue(truth),
                };
                KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..Default::default() }
            })
            .collect(),
        ..Default::default()
    };
    let ids =
        Ids { trace: 2, span: 2 + 16 + 2, named: None, parent: has_parent.then_some(2 + 16 + 2 + 8 + 2) };
    (span.encode_to_vec(), ids)
}

fn cloud_trace_span(index: usize, shape: Shape, project: &str) -> (Vec<u8>, Ids) {
    use ct::attribute_value::Value as Label;
    let has_parent = !index.is_multiple_of(shape.per_trace);
    let text = |value: String| ct::TruncatableString { value, truncated_byte_count: 0 };
    let time = |nanos: u64| prost_types::Timestamp {
        seconds: (nanos / 1_000_000_000) as i64,
        nanos: (nanos % 1_000_000_000) as i32,
    };
    let start = EPOCH + index as u64 * 1_000;
    let prefix = format!("projects/{project}/traces/");
    let labels = attributes(index, shape.attributes).into_iter().map(|(key, value)| {
        let value = match value {
            Value::Text(value) => Label::StringValue(text(value)),
            Value::Number(number) => Label::IntValue(number),
            Value::Truth(truth) => Label::BoolValue(truth),
        };
        (key, ct::AttributeValue { value: Some(value) })
    });
    let name = format!("{prefix}{}/spans/{}", "1".repeat(32), "1".repeat(16));
    let span = ct::Span {
        span_id: "1".repeat(16),
        parent_span_id: if has_parent { "1".repeat(16) } else { String::new() },
        display_name: Some(text(NAME.to_owned())),
        start_time: Some(time(start)),
        end_time: Some(time(start + DURATION)),
        attributes: Some(ct::span::Attributes {
            attribute_map: labels.collect(),
            dropped_attributes_count: 0,
        }),
        span_kind: kind(index),
        name: name.clone(),
        ..Default::default()
    };
    // The name is shorter than 128 bytes, so its length takes one byte.
    let trace = 2 + prefix.len();
    let behind = 2 + name.len();
    let ids = Ids {
        trace,
        named: Some(trace + 32 + "/spans/".len()),
        span: behind + 2,
        parent: has_parent.then_some(behind + 2 + 16 + 2),
    };
    (span.encode_to_vec(), ids)
}

const NAME: &str = "POST /orders/{order_id}/items";

enum Value {
    Text(String),
    Number(i64),
    Truth(bool),
}

fn resource() -> Vec<KeyValue> {
    let pairs = [
        ("service.name", "orders"),
        ("service.version", "2.4.1"),
        ("service.instance.id", "orders-6f7c9d-0001"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("gcp.project_id", "load"),
    ];
    let pair = |(key, text): (&str, &str)| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) }),
        ..Default::default()
    };
    pairs.into_iter().map(pair).collect()
}

/// Attributes as instrumentations of HTTP and gRPC record them; numbered ones where more are wanted.
fn attributes(index: usize, count: usize) -> Vec<(String, Value)> {
    let text = |text: &str| Value::Text(text.to_owned());
    let usual = [
        ("http.request.method", text("POST")),
        ("http.response.status_code", Value::Number(200)),
        ("http.route", text("/orders/{order_id}/items")),
        ("url.path", Value::Text(format!("/orders/{index:06}/items"))),
        ("url.scheme", text("https")),
        ("server.address", text("orders.internal.example.com")),
        ("server.port", Value::Number(8443)),
        ("client.address", Value::Text(format!("10.20.{}.{}", index / 200 % 200, index % 200))),
        ("network.protocol.version", text("1.1")),
        ("user_agent.original", text("Mozilla/5.0 (X11; Linux x86_64) spanwise-load/0.1")),
        ("rpc.system.name", text("grpc")),
        ("rpc.method", text("orders.v1.OrderService/ListItems")),
        ("thread.id", Value::Number(index as i64 % 16)),
        ("code.function.name", text("orders::items::list")),
        ("app.cached", Value::Truth(index.is_multiple_of(2))),
    ];
    let more = (usual.len()..count)
        .map(|n| (format!("app.label.{n:02}"), Value::Text(format!("value {n:02} of span {index:05}"))));
    let usual = usual.into_iter().map(|(key, value)| (key.to_owned(), value));
    usual.chain(more).take(count).collect()
}
