//! The block `wire:`: what the fronts saw.

use crate::notation::error::NotationError;
use crate::notation::hop::{Hops, TRANSPORTS};
use crate::notation::implied::Code;
use crate::notation::line::{Item, Line};
use crate::{End, Header, HttpVersion, Span, Stamps, WireTap};

use super::names::Names;
use super::request::read_context;
use super::words::{number, read_code, read_source};

/// A wire line as read.
#[derive(Debug)]
pub(super) struct TapDraft {
    tap: WireTap,
    request: Option<String>,
    code: Option<Code>,
    status: Option<u16>,
    no_answer: bool,
    trailers_only: bool,
    absent: Vec<String>,
    frames: Option<u32>,
    into: Part,
}

/// Which headers come next on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Request,
    Response,
    Trailers,
}

/// Reads `FROM -> TO TRANSPORT` and what stands behind it.
pub(super) fn read_tap(line: &mut Line<'_>, names: &mut Names) -> Result<TapDraft, NotationError> {
    line.place();
    let from = read_source(line)?;
    line.place();
    if !line.take("->") {
        return Err(line.expected("`->` and the called service"));
    }
    let place = line.place();
    let to = read_source(line)?.ok_or_else(|| place.expected("the called service", "?"))?;
    let place = line.place();
    let word = line.word();
    let Some((_, tls, http2)) = TRANSPORTS.into_iter().find(|(name, ..)| *name == word) else {
        return Err(place.expected("a transport: `http/1.1`, `h2c`, `https/1.1` or `h2`", &word));
    };
    let tap = WireTap {
        from,
        authority: authority(&to),
        to,
        tls,
        http: if http2 { HttpVersion::Http2 } else { HttpVersion::Http1 },
        method: String::new(),
        path: String::new(),
        request_headers: Vec::new(),
        announced: None,
        status: None,
        response_headers: Vec::new(),
        trailers: Vec::new(),
        answered_by_front: false,
        end: End::Complete,
        stamps: Stamps::default(),
    };
    let mut draft = TapDraft {
        tap,
        request: None,
        code: None,
        status: None,
        no_answer: false,
        trailers_only: false,
        absent: Vec::new(),
        frames: None,
        into: Part::Request,
    };
    draft.more(line, names)?;
    Ok(draft)
}

const FIELDS: &str = "`frames=`, `status=`, `reset=`, `authority=` or `announced=`";

/// The `Host` or `:authority` that a wire line implies; real ones are scrubbed to it.
pub(in crate::notation) fn authority(to: &crate::Source) -> String {
    format!("{}:<port>", to.service)
}

impl TapDraft {
    /// Reads the rest of a wire line, or a line that begins with `|` below one.
    pub(super) fn more(&mut self, line: &mut Line<'_>, names: &mut Names) -> Result<(), NotationError> {
        loop {
            let place = line.place();
            match line.item()? {
                None => return Ok(()),
                Some(Item::Text(request)) => self.request = Some(request),
                Some(Item::Absent(name)) => self.absent.push(name),
                Some(Item::Header(name)) => {
                    let value = read_header_value(line, names)?;
                    let headers = match self.into {
                        Part::Request => &mut self.tap.request_headers,
                        Part::Response => &mut self.tap.response_headers,
                        Part::Trailers => &mut self.tap.trailers,
                    };
                    headers.push(Header { name, value });
                }
                Some(Item::Word(word)) => {
                    if !self.word(&word) {
                        let expected = "a header `name: value`, a status code, or how the exchange ended";
                        return Err(place.expected(expected, &word));
                    }
                }
                Some(Item::Key(key, _)) => match key.as_str() {
                    "announced" => {
                        let place = line.place();
                        self.tap.announced = Some(read_context(&line.word(), place, names)?);
                    }
                    "frames" => self.frames = Some(number(line)?),
                    "status" => self.status = Some(number(line)?),
                    "reset" => self.tap.end = End::Reset(Some(number(line)?)),
                    "authority" => self.tap.authority = line.quoted()?,
                    _ => return Err(place.expected(FIELDS, &key)),
                },
            }
        }
    }

    fn word(&mut self, word: &str) -> bool {
        match word {
            "response" => self.into = Part::Response,
            "trailers" => self.into = Part::Trailers,
            "by-front" => self.tap.answered_by_front = true,
            "no-answer" => self.no_answer = true,
            "trailers-only" => self.trailers_only = true,
            "without-trailers" => self.tap.end = End::WithoutTrailers,
            "reset" => self.tap.end = End::Reset(None),
            "canceled" => self.tap.end = End::Canceled,
            "open" => self.tap.end = End::Open,
            _ => {
                self.code = read_code(word);
                return self.code.is_some();
            }
        }
        true
    }

    /// The tap, with what the spans of its hop imply.
    pub(super) fn complete(self, spans: &[Span], hops: &Hops) -> WireTap {
        let TapDraft { mut tap, request, code, no_answer, trailers_only, absent, .. } = self;
        let mut hop = hops.hop(spans, &tap);
        if let Some(request) = request {
            let (method, path) = request.split_once(' ').unwrap_or((&request, ""));
            hop.grpc &= path == hop.path;
            (hop.method, hop.path) = (method.to_owned(), path.to_owned());
        }
        hop.grpc |= matches!(code, Some(Code::Grpc(_)));
        let has = |headers: &[Header], name: &str| {
            headers.iter().any(|header| header.name == name) || absent.iter().any(|absent| absent == name)
        };
        if hop.grpc && !has(&tap.request_headers, "content-type") {
            let value = "application/grpc".to_owned();
            tap.request_headers.insert(0, Header { name: "content-type".to_owned(), value });
        }
        tap.method = hop.method;
        tap.path = hop.path;
        let http = match code {
            Some(Code::Http(status)) => Some(status),
            Some(Code::Grpc(_)) => Some(200),
            None if hop.grpc => Some(200),
            None => Some(hop.status),
        };
        tap.status = self.status.or(http).filter(|_| !no_answer);
        let grpc_status = match code {
            Some(Code::Grpc(code)) => Some(code),
            Some(Code::Http(_)) => None,
            None => (hop.grpc && tap.end == End::Complete && !no_answer).then_some(hop.grpc_status),
        };
        let written = has(&tap.trailers, "grpc-status") || has(&tap.response_headers, "grpc-status");
        if let (Some(code), false) = (grpc_status, written) {
            let status = Header { name: "grpc-status".to_owned(), value: code.number().to_string() };
            let into = if trailers_only { &mut tap.response_headers } else { &mut tap.trailers };
            into.insert(0, status);
        }
        tap.stamps.data_frames = self.frames.unwrap_or_else(|| implied_frames(&tap));
        tap
    }
}

/// How many data frames an answer has if nothing is said of it.
pub(in crate::notation) fn implied_frames(tap: &WireTap) -> u32 {
    let in_headers = tap.response_headers.iter().any(|header| header.name == "grpc-status");
    let failed = tap.trailers.iter().any(|header| header.name == "grpc-status" && header.value != "0");
    u32::from(tap.status.is_some() && !in_headers && !failed)
}

/// A header's value: a short form (`T1/S1;o=1`, `T1-S1-01`), a word, or a text in quotes with names in it.
pub(super) fn read_header_value(line: &mut Line<'_>, names: &mut Names) -> Result<String, NotationError> {
    let place = line.place();
    if line.rest().starts_with('"') {
        let raw = line.quoted_raw()?;
        return names.fill(&raw, true, place);
    }
    let word = line.word();
    if word.is_empty() {
        return Err(place.expected("the header's value; an empty one is \"\"", ""));
    }
    match names.short_form(&word, place) {
        Some(value) => value,
        None => names.fill(&word, false, place),
    }
}
