//! Requests over HTTP/2 that hyper refuses without a word to the front: with upper-case letters in a header name (RFC 9113,
//! section 8.2.1, forbids them), and with more headers than are accepted.
//!
//! A walk over the caller's frames that decodes header blocks (RFC 7541) as the receiver must, to keep the dynamic
//! table right, and records only what hyper will refuse.

use httlib_hpack::Decoder;
use spanwise_model::{End, HttpVersion, secret};

use super::{Refused, RefusedHead, WATCHED_BYTES};
use crate::headers::header;
use crate::upstream::MAX_HEADER_LIST;

/// What an HTTP/2 connection begins with (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
const PROTOCOL_ERROR: u32 = 1;
/// What hyper answers to more headers than it accepts; where they are many times more, it ends the connection instead.
const TOO_LARGE: u16 = 431;
/// How many fields are kept of a request that has too many.
const EVIDENCE: usize = 64;
/// What each field counts for besides its bytes (RFC 9113, section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

type Field = (Vec<u8>, Vec<u8>, u8);

/// The caller's frames so far.
pub(super) struct Frames {
    bytes: Vec<u8>,
    seen: usize,
    block: Vec<u8>,
    decoder: Decoder<'static>,
}

impl Frames {
    pub(super) fn new() -> Frames {
        Frames { bytes: Vec::new(), seen: 0, block: Vec::new(), decoder: Decoder::default() }
    }

    /// Takes more bytes; false when enough was seen, or when they are no frames that can be read.
    pub(super) fn see(&mut self, bytes: &[u8], refused: &Refused) -> bool {
        self.seen += bytes.len();
        // A block of headers that has begun is watched to its end, lest nobody hears of one without end.
        if self.seen > WATCHED_BYTES && self.block.is_empty() {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        while let Some((kind, flags, payload)) = self.next_frame() {
            let fragment = match kind {
                HEADERS => unpadded(&payload, flags),
                CONTINUATION => Some(payload.as_slice()),
                _ => continue,
            };
            let Some(fragment) = fragment else { return false };
            self.block.extend_from_slice(fragment);
            if self.block.len() > MAX_HEADER_LIST as usize {
                refused.record(head(Vec::new()), Some(TOO_LARGE), End::Complete);
                return false;
            }
            if flags & END_HEADERS != 0 && !self.read_block(refused) {
                return false;
            }
        }
        true
    }

    /// Type, flags and payload of the next frame (RFC 9113, section 4.1), once it is there as a whole.
    fn next_frame(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let [l1, l2, l3, kind, flags, _, _, _, _] = *self.bytes.first_chunk::<9>()?;
        let end = 9 + u32::from_be_bytes([0, l1, l2, l3]) as usize;
        let payload = self.bytes.get(9..end)?.to_vec();
        self.bytes.drain(..end);
        Some((kind, flags, payload))
    }

    fn read_block(&mut self, refused: &Refused) -> bool {
        let mut block = std::mem::take(&mut self.block);
        // The decoder trusts the lengths it reads, so they are checked first.
        if block.len() > WATCHED_BYTES || !is_whole(&block) {
            return false;
        }
        let (mut fields, mut size) = (Vec::new(), 0);
        while !block.is_empty() {
            // One at a time: a few bytes of a block may stand for megabytes of the table.
            let mut one: Vec<Field> = Vec::with_capacity(1);
            if self.decoder.decode_exact(&mut block, &mut one).is_err() {
                return false;
            }
            size +=
                one.iter().map(|(name, value, _)| name.len() + value.len() + FIELD_OVERHEAD).sum::<usize>();
            if size >= MAX_HEADER_LIST as usize {
                fields.truncate(EVIDENCE);
                refused.record(head(fields), Some(TOO_LARGE), End::Complete);
                return false;
            }
            fields.append(&mut one);
        }
        if fields.iter().any(|(name, _, _)| name.iter().any(u8::is_ascii_uppercase)) {
            refused.record(head(fields), None, End::Reset(Some(PROTOCOL_ERROR)));
            return false;
        }
        true
    }
}

/// Without padding and priority (RFC 9113, section 6.2); `None` where the frame is too short for what it says.
fn unpadded(payload: &[u8], flags: u8) -> Option<&[u8]> {
    let mut rest = payload;
    let mut padding = 0;
    if flags & PADDED != 0 {
        let (length, after) = rest.split_first()?;
        (padding, rest) = (usize::from(*length), after);
    }
    if flags & PRIORITY != 0 {
        rest = rest.get(5..)?;
    }
    rest.get(..rest.len().checked_sub(padding)?)
}

/// Whether every integer and string of a header block ends inside it (RFC 7541, sections 5 and 6).
fn is_whole(block: &[u8]) -> bool {
    let mut rest = block;
    while let Some(&first) = rest.first() {
        let (prefix, strings) = match first {
            0x80.. => (7, 0),
            0x40.. => (6, if first & 0x3f == 0 { 2 } else { 1 }),
            0x20.. => (5, 0),
            _ => (4, if first & 0x0f == 0 { 2 } else { 1 }),
        };
        let Some((_, after)) = integer(rest, prefix) else { return false };
        rest = after;
        for _ in 0..strings {
            let Some((length, after)) = integer(rest, 7) else { return false };
            let Some(after) = after.get(length..) else { return false };
            rest = after;
        }
    }
    true
}

/// An integer with a prefix of so many bits, and what comes after it.
fn integer(bytes: &[u8], prefix: u32) -> Option<(usize, &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    let most = (1usize << prefix) - 1;
    let mut value = usize::from(first) & most;
    if value < most {
        return Some((value, rest));
    }
    for shift in [0, 7, 14, 21] {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

/// What is known of a request that no handler will see.
fn head(fields: Vec<Field>) -> RefusedHead {
    let mut head = RefusedHead::new(HttpVersion::Http2);
    for (name, value, _) in fields {
        let text = || String::from_utf8_lossy(&value).into_owned();
        match name.as_slice() {
            b":method" => head.method = text(),
            b":path" => head.path = secret::path_and_query(&text()).into_owned(),
            b":authority" => head.authority = secret::authority(&text()).into_owned(),
            [b':', ..] => {}
            _ => head.headers.push(header(String::from_utf8_lossy(&name).into_owned(), &value)),
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(block: &[u8], expected: bool) {
        assert_eq!(is_whole(block), expected, "{block:02x?}");
    }

    #[test]
    fn header_blocks_that_are_cut_are_never_decoded() {
        check(&[], true);
        check(&[0x82, 0x86], true);
        check(&[0x40, 1, b'a', 1, b'b'], true);
        check(&[0x40, 1, b'a', 1], false);
        check(&[0x40, 1, b'a'], false);
        check(&[0x40], false);
        check(&[0x00, 0x7f, 0x80], false);
        check(&[0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f], false);
        check(&[0x0f, 0x0f, 0], true);
        check(&[0x3f, 0xe1, 0x1f], true);
        check(&[0xff, 0x80], false);
    }

    #[test]
    fn padding_and_priority_are_taken_off() {
        assert_eq!(unpadded(&[1, b'x', 0], PADDED), Some(&b"x"[..]));
        assert_eq!(unpadded(&[0, 0, 0, 0, 0, b'x'], PRIORITY), Some(&b"x"[..]));
        assert_eq!(unpadded(&[9, b'x'], PADDED), None);
        assert_eq!(unpadded(&[], PADDED), None);
    }
}
