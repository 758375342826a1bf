//! The protobuf wire format, field by field, without generated messages.
//!
//! The walker and the two protobuf mappings of this crate read with it. Bytes are read in the order they were sent, so
//! that the order of labels survives, and a damaged field costs that field, not its message. It knows no schema beyond
//! the names that its caller gives the fields, for reporting.

use crate::notes::Notes;

/// The names of a message's fields by number, from 1.
pub(crate) type Names = &'static [&'static str];

/// What a field carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
    /// A group, whose content is skipped over.
    Group,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) payload: Payload<'a>,
}

/// Why the rest of a message cannot be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage<'a> {
    /// A field announces more bytes than the message has left; those that are left.
    Cut { number: u32, announced: u64, left: &'a [u8] },
    /// The key or a number ends in the middle, or runs over 64 bits.
    Varint,
    /// Field number 0, or a wire type that is none.
    Key(u64),
}

impl std::fmt::Display for Damage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damage::Cut { announced, left, .. } => {
                write!(f, "{announced} bytes are announced, {} are left", left.len())
            }
            Damage::Varint => f.write_str("a number ends in the middle"),
            Damage::Key(key) => write!(f, "{key:#x} is not the key of a field"),
        }
    }
}

/// Walks the fields of one message; after damage it ends.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Damage<'a>> {
        let (mut value, mut shift) = (0, 0);
        while let Some((&byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
            if shift > 63 {
                break;
            }
        }
        Err(Damage::Varint)
    }

    #[inline]
    fn fixed<const N: usize>(&mut self, number: u32) -> Result<[u8; N], Damage<'a>> {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(Damage::Cut { number, announced: N as u64, left: self.rest }),
        }
    }

    #[inline]
    fn field(&mut self) -> Result<Field<'a>, Damage<'a>> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).unwrap_or(0);
        if number == 0 {
            return Err(Damage::Key(key));
        }
        if key & 7 == START_GROUP {
            self.skip_group(number)?;
            return Ok(Field { number, payload: Payload::Group });
        }
        Ok(Field { number, payload: self.payload(key, number)? })
    }

    #[inline]
    fn payload(&mut self, key: u64, number: u32) -> Result<Payload<'a>, Damage<'a>> {
        Ok(match key & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(u64::from_le_bytes(self.fixed(number)?)),
            2 => {
                let announced = self.varint()?;
                let split = usize::try_from(announced).ok().and_then(|len| self.rest.split_at_checked(len));
                let (bytes, rest) = split.ok_or(Damage::Cut { number, announced, left: self.rest })?;
                self.rest = rest;
                Payload::Bytes(bytes)
            }
            5 => Payload::Fixed32(u32::from_le_bytes(self.fixed(number)?)),
            _ => return Err(Damage::Key(key)),
        })
    }

    #[cold]
    fn skip_group(&mut self, number: u32) -> Result<(), Damage<'a>> {
        let mut depth = 1usize;
        while depth > 0 {
            let key = self.varint()?;
            match key & 7 {
                START_GROUP => depth += 1,
                END_GROUP => depth -= 1,
                _ => drop(self.payload(key, number)?),
            }
        }
        Ok(())
    }
}

/// Wire types of groups, which are long deprecated; no message here has one.
const START_GROUP: u64 = 3;
const END_GROUP: u64 = 4;

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Damage<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Reads a message: calls `read` for every field, and notes where the rest cannot be walked.
pub(crate) fn each<'a>(
    names: Names,
    message: &'a [u8],
    notes: &mut Notes,
    mut read: impl FnMut(Reader<'a>, &mut Notes),
) {
    for field in Fields::new(message) {
        match field {
            Ok(field) => read(Reader { name: name_of(names, field.number), field }, notes),
            Err(damage @ Damage::Cut { number, .. }) => notes.broken(name_of(names, number), damage),
            Err(damage) => notes.broken("", damage),
        }
    }
}

fn name_of(names: Names, number: u32) -> &'static str {
    names.get((number as usize).wrapping_sub(1)).copied().unwrap_or("")
}

/// A field with its name: gives its payload as the type the schema demands, and notes when it is another.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    field: Field<'a>,
    name: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn number(&self) -> u32 {
        self.field.number
    }

    /// Bytes, or a message within the message.
    pub(crate) fn bytes(&self, notes: &mut Notes) -> Option<&'a [u8]> {
        match self.field.payload {
            Payload::Bytes(bytes) => Some(bytes),
            _ => self.mistyped(notes),
        }
    }

    /// Text; bytes that are not UTF-8 are replaced and noted.
    pub(crate) fn text(&self, notes: &mut Notes) -> Option<String> {
        let bytes = self.bytes(notes)?;
        let text = std::str::from_utf8(bytes).map(str::to_owned).unwrap_or_else(|error| {
            match error.error_len() {
                None => notes.cut(self.name, "ends in the middle of a character"),
                Some(_) => notes.add(self.name, "is not valid UTF-8"),
            }
            String::from_utf8_lossy(bytes).into_owned()
        });
        Some(text)
    }

    /// A number of variable length; negative ones are in two's complement.
    pub(crate) fn varint(&self, notes: &mut Notes) -> Option<u64> {
        match self.field.payload {
            Payload::Varint(number) => Some(number),
            _ => self.mistyped(notes),
        }
    }

    /// An unsigned 32-bit count; negative ones, which some schemas admit, are 0.
    pub(crate) fn count(&self, notes: &mut Notes) -> Option<u32> {
        self.varint(notes).map(|number| u32::try_from(number as i64).unwrap_or(0))
    }

    pub(crate) fn fixed64(&self, notes: &mut Notes) -> Option<u64> {
        match self.field.payload {
            Payload::Fixed64(number) => Some(number),
            _ => self.mistyped(notes),
        }
    }

    pub(crate) fn fixed32(&self, notes: &mut Notes) -> Option<u32> {
        match self.field.payload {
            Payload::Fixed32(number) => Some(number),
            _ => self.mistyped(notes),
        }
    }

    /// Reads the message within this field; what is noted there gets this field's name in front.
    pub(crate) fn message<T>(
        &self,
        notes: &mut Notes,
        read: impl FnOnce(&'a [u8], &mut Notes) -> T,
    ) -> Option<T> {
        let bytes = self.bytes(notes)?;
        Some(notes.within(|| self.name.to_owned(), |notes| read(bytes, notes)))
    }

    /// As [`Reader::message`], for the item of a repeated field: its index is part of the name.
    pub(crate) fn item<T>(
        &self,
        index: usize,
        notes: &mut Notes,
        read: impl FnOnce(&'a [u8], &mut Notes) -> T,
    ) -> Option<T> {
        let bytes = self.bytes(notes)?;
        Some(notes.within(|| format!("{}[{index}]", self.name), |notes| read(bytes, notes)))
    }

    fn mistyped<T>(&self, notes: &mut Notes) -> Option<T> {
        notes.add(self.name, format!("has the wire type of another field: {:?}", self.field.payload));
        None
    }
}
