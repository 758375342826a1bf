//! Trace and span identifiers as the W3C Trace Context recommendation defines them (sections 3.2.2.3 and 3.2.2.4).
//!
//! Used wherever an id is held; text that is no id never becomes one (see [`crate::MalformedId`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A trace id: 16 bytes, written as 32 hexadecimal digits. All zero is representable and invalid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TraceId(pub [u8; 16]);

/// A span id: 8 bytes, written as 16 hexadecimal digits. All zero is representable and invalid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SpanId(pub [u8; 8]);

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Too short or too long.
    #[error("expected {expected} hexadecimal digits, found {found} characters")]
    Length {
        /// Digits an id of this type has.
        expected: usize,
        /// Characters the text has.
        found: usize,
    },
    /// A character that is no hexadecimal digit.
    #[error("{0:?} is not a hexadecimal digit")]
    Digit(char),
}

impl TraceId {
    /// The id of all zero bytes, which names no trace.
    pub const ZERO: TraceId = TraceId([0; 16]);

    /// Whether the id names a trace: it is not all zero.
    pub fn is_valid(self) -> bool {
        self != TraceId::ZERO
    }
}

impl SpanId {
    /// The id of all zero bytes, which names no span.
    pub const ZERO: SpanId = SpanId([0; 8]);

    /// Whether the id names a span: it is not all zero.
    pub fn is_valid(self) -> bool {
        self != SpanId::ZERO
    }

    /// The id as the unsigned number that `X-Cloud-Trace-Context` writes in decimal.
    pub fn to_u64(self) -> u64 {
        u64::from_be_bytes(self.0)
    }

    /// The id of a number read in decimal from `X-Cloud-Trace-Context`.
    pub fn from_u64(number: u64) -> SpanId {
        SpanId(number.to_be_bytes())
    }
}

/// Reads exactly `N` bytes of hexadecimal digits, in either case.
fn unhex<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    if text.len() != 2 * N {
        return Err(IdError::Length { expected: 2 * N, found: text.chars().count() });
    }
    let mut bytes = [0; N];
    for (at, digit) in text.chars().enumerate() {
        let value = digit.to_digit(16).ok_or(IdError::Digit(digit))?;
        bytes[at / 2] = bytes[at / 2] << 4 | value as u8;
    }
    Ok(bytes)
}

macro_rules! hexadecimal {
    ($id:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($id))
            }
        }

        impl FromStr for $id {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                unhex(text).map($id)
            }
        }

        impl Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hexadecimal!(TraceId);
hexadecimal!(SpanId);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<u64, IdError>) {
        assert_eq!(text.parse::<SpanId>().map(SpanId::to_u64), expected);
    }

    #[test]
    fn span_ids_are_sixteen_hexadecimal_digits_in_either_case() {
        check("000000000000004a", Ok(74));
        check("000000000000004A", Ok(74));
        check("ffffffffffffffff", Ok(u64::MAX));
        check("4a", Err(IdError::Length { expected: 16, found: 2 }));
        check("", Err(IdError::Length { expected: 16, found: 0 }));
        check("00000000000000zz", Err(IdError::Digit('z')));
    }

    #[test]
    fn text_of_many_bytes_a_character_is_refused_without_a_panic() {
        check("é000000000000zz", Err(IdError::Digit('é')));
        assert!("٣".repeat(16).parse::<TraceId>().is_err());
    }

    #[test]
    fn an_id_prints_as_it_is_read() {
        let text = "d36a105d7002f0dee73c0dfb9553764a";
        assert_eq!(text.parse::<TraceId>().map(|id| id.to_string()), Ok(text.to_owned()));
    }
}
