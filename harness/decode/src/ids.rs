//! Ids in every form in which protocols carry them: bytes, hexadecimal digits, base64, and the resource name of a Cloud
//! Trace v2 span.
//!
//! What is no id never becomes one: it is all zero, and said in `malformed_ids`. The walker uses the same functions
//! without the saying, so that a span is indexed under the id it decodes to.

use spanwise_model::{IdField, IdProblem, MalformedId, SpanId, TraceId};

/// Collects what is wrong with the ids of one span.
pub(crate) type Malformed = Vec<MalformedId>;

/// An id of either type, as the functions here need it.
pub(crate) trait Id: Copy + PartialEq + std::str::FromStr {
    const ZERO: Self;
    /// `None` unless the length is right.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Id for TraceId {
    const ZERO: TraceId = TraceId::ZERO;
    fn from_bytes(bytes: &[u8]) -> Option<TraceId> {
        bytes.try_into().ok().map(TraceId)
    }
}

impl Id for SpanId {
    const ZERO: SpanId = SpanId::ZERO;
    fn from_bytes(bytes: &[u8]) -> Option<SpanId> {
        bytes.try_into().ok().map(SpanId)
    }
}

/// An id of bytes, as OTLP protobuf has it.
pub(crate) fn binary<I: Id>(field: IdField, bytes: &[u8], malformed: &mut Malformed) -> I {
    let id = I::from_bytes(bytes);
    note(field, id, || hex(bytes), &[], malformed)
}

/// An id of text: hexadecimal digits in either case, or base64, as generic protobuf JSON has it (noted).
/// Cloud Trace v2 demands lower-case digits, OTLP JSON does not.
pub(crate) fn text<I: Id>(field: IdField, text: &str, lower: bool, malformed: &mut Malformed) -> I {
    let digits: Option<I> = text.parse().ok();
    let id = digits.or_else(|| I::from_bytes(&base64(text)?));
    let mut problems = Vec::new();
    if id.is_some() && digits.is_none() {
        problems.push(IdProblem::Base64);
    } else if lower && text.bytes().any(|b| b.is_ascii_uppercase()) {
        problems.push(IdProblem::UpperCase);
    }
    note(field, id, || text.to_owned(), &problems, malformed)
}

/// A parent's id: no bytes or digits at all mean that there is none, and so does what is unreadable, once it is noted.
pub(crate) fn parent(id: SpanId, malformed: &Malformed) -> Option<SpanId> {
    let unreadable =
        malformed.iter().any(|m| m.field == IdField::Parent && m.problem == IdProblem::Unreadable);
    (!unreadable).then_some(id)
}

fn note<I: Id>(
    field: IdField,
    id: Option<I>,
    text: impl Fn() -> String,
    problems: &[IdProblem],
    malformed: &mut Malformed,
) -> I {
    let mut add = |problem| malformed.push(MalformedId { field, text: text(), problem });
    match id {
        None => add(IdProblem::Unreadable),
        // A parent of zeros is a value of its own, and no id of a span that came with a wrong one.
        Some(id) if id == I::ZERO && field != IdField::Parent => add(IdProblem::Zero),
        Some(_) => problems.iter().for_each(|&problem| add(problem)),
    }
    id.unwrap_or(I::ZERO)
}

/// The ids of a Cloud Trace v2 span, of its resource name and its `span_id`.
pub(crate) fn cloud_trace(name: &str, span_id: &str, malformed: &mut Malformed) -> (TraceId, SpanId) {
    let mut add = |field, text: &str, problem| {
        malformed.push(MalformedId { field, text: text.to_owned(), problem });
    };
    let parts = ResourceName::read(name.as_bytes());
    if parts.project.is_none() || parts.trace.is_none() || parts.span.is_none() {
        add(IdField::ResourceName, name, IdProblem::Unreadable);
    } else if parts.upper_case {
        add(IdField::ResourceName, name, IdProblem::UpperCase);
    }
    let trace = parts.trace.unwrap_or(TraceId::ZERO);
    if parts.trace == Some(TraceId::ZERO) {
        add(IdField::Trace, &trace.to_string(), IdProblem::Zero);
    }
    let own: SpanId = text(IdField::Span, span_id, true, malformed);
    match parts.span {
        Some(named) if own == SpanId::ZERO => (trace, named),
        Some(named) if named != own => {
            let problem = IdProblem::Disagrees;
            malformed.push(MalformedId { field: IdField::ResourceName, text: name.to_owned(), problem });
            (trace, own)
        }
        _ => (trace, own),
    }
}

/// As [`cloud_trace`], without saying what is wrong: what the walker indexes a span under.
#[inline]
pub(crate) fn cloud_trace_index(name: &ResourceName<'_>, span_id: &[u8]) -> (TraceId, SpanId) {
    let own = unhex(span_id).map(SpanId).filter(|id| id.is_valid()).or_else(|| {
        let text = std::str::from_utf8(span_id).ok()?;
        base64(text).and_then(|bytes| Id::from_bytes(&bytes)).filter(|id: &SpanId| id.is_valid())
    });
    (name.trace.unwrap_or(TraceId::ZERO), own.or(name.span).unwrap_or(SpanId::ZERO))
}

/// The parts of `projects/P/traces/T/spans/S`; what is missing or unreadable is `None`.
pub(crate) struct ResourceName<'a> {
    pub(crate) project: Option<&'a [u8]>,
    pub(crate) trace: Option<TraceId>,
    pub(crate) span: Option<SpanId>,
    /// Whether an id has upper-case digits.
    pub(crate) upper_case: bool,
}

impl<'a> ResourceName<'a> {
    /// Reads from the end, so that ids survive a damaged project.
    pub(crate) fn read(name: &'a [u8]) -> ResourceName<'a> {
        let mut parts = name.rsplit(|&byte| byte == b'/');
        let mut part = |label: &[u8]| {
            let (value, found) = (parts.next().unwrap_or_default(), parts.next());
            (found == Some(label)).then_some(value).filter(|value| !value.is_empty())
        };
        let (span, trace, project) = (part(b"spans"), part(b"traces"), part(b"projects"));
        let upper = |id: Option<&[u8]>| id.is_some_and(|id| id.iter().any(u8::is_ascii_uppercase));
        ResourceName {
            project: project.filter(|_| parts.next().is_none()),
            upper_case: upper(span) || upper(trace),
            trace: trace.and_then(unhex).map(TraceId),
            span: span.and_then(unhex).map(SpanId),
        }
    }
}

/// The project in `projects/P` or in what begins so; `None` where there is none.
pub(crate) fn project(name: &[u8]) -> Option<String> {
    let project = name.strip_prefix(b"projects/")?.split(|&byte| byte == b'/').next()?;
    (!project.is_empty()).then(|| String::from_utf8_lossy(project).into_owned())
}

/// Exactly `N` bytes of hexadecimal digits in either case; as fast as the ingest needs it.
fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut bad = digits.len() != 2 * N;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        bad |= high > 15 || low > 15;
        *byte = high << 4 | low & 15;
    }
    (!bad).then_some(bytes)
}

/// The value of every digit; 255 for what is none.
static DIGITS: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// Base64 in either alphabet, with or without padding.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = text.replace('-', "+").replace('_', "/");
    GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(standard).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
