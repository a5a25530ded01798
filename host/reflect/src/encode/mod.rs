//! From a guest's memory to JSON text, guided by a [`Shape`], without a tree in between.
//!
//! The memory is a stranger's: every address, length, discriminant, character and text in it is checked where it is used.
//! The text is bounded while it grows, and so are the values that are looked at: lists that share their items, or records
//! of which nothing is written, cost the bound and an error, not the host's time.

mod text;

use std::borrow::Cow;

use base64::Engine as _;

use crate::{
    EncodeError, JsonError,
    decode::{BASE64, SAFE_INTEGER},
    error::Trail,
    flat::read,
    layout::{self, discriminant},
    shape::Shape,
};

/// Bounds on an answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerLimits {
    /// The longest text, in bytes.
    pub max_bytes: usize,
    /// The most values that are looked at: every number, text, list, option and record counts as one, and so do each
    /// sixteen bytes of a text.
    pub max_values: usize,
}

/// So many bytes of a text count as one value.
const TEXT_BYTES: usize = 16;

/// How a guest stores its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextEncoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, little-endian.
    Utf16,
    /// Latin-1, or UTF-16 where the highest bit of the length is set.
    Latin1OrUtf16,
}

/// A guest's memory, and how it stores texts there.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'m> {
    /// All of it.
    pub bytes: &'m [u8],
    /// Its texts.
    pub texts: TextEncoding,
}

impl<'m> Memory<'m> {
    /// A memory with texts in UTF-8.
    pub fn utf8(bytes: &'m [u8]) -> Self {
        Self { bytes, texts: TextEncoding::Utf8 }
    }
}

/// Appends the value that `value` begins with as JSON to `out`. What it refers to is in `memory`.
///
/// Fails when the text would be longer than it may be, or when the guest left something there that is no such value.
pub fn encode(
    shape: &Shape,
    value: &[u8],
    memory: Memory<'_>,
    limits: &AnswerLimits,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if value.len() < shape.layout().size {
        return Err(EncodeError::Invalid(JsonError::new("it ends beyond the guest's memory")));
    }
    let mut writer = Writer { out, memory, limits, left: limits.max_values };
    writer.value(shape, value, 0).map_err(|failure| match failure.what {
        What::TooLong => EncodeError::TooLong { most: limits.max_bytes },
        What::TooMany => EncodeError::TooMany { most: limits.max_values },
        What::Invalid(message) => EncodeError::Invalid(JsonError { pointer: failure.trail.pointer(), message }),
    })
}

/// An address or a length.
fn number(bytes: &[u8], place: usize) -> u32 {
    read(bytes, place, 4) as u32
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    memory: Memory<'a>,
    limits: &'a AnswerLimits,
    /// Values that may still be looked at.
    left: usize,
}

struct Failure {
    what: What,
    trail: Trail,
}

enum What {
    TooLong,
    TooMany,
    Invalid(String),
}

type Written = Result<(), Box<Failure>>;

fn fail(what: What) -> Box<Failure> {
    Box::new(Failure { what, trail: Trail::default() })
}

fn invalid(message: impl Into<String>) -> Box<Failure> {
    fail(What::Invalid(message.into()))
}

fn at(mut failure: Box<Failure>, segment: impl ToString) -> Box<Failure> {
    failure.trail.push(segment);
    failure
}

impl<'a> Writer<'a> {
    /// Writes the value at `place` in `bytes`, where there is room for one of this shape.
    fn value(&mut self, shape: &Shape, bytes: &[u8], place: usize) -> Written {
        self.count(1)?;
        match shape {
            Shape::Bool if read(bytes, place, 1) != 0 => self.raw(b"true"),
            Shape::Bool => self.raw(b"false"),
            Shape::U8 => self.integer(read(bytes, place, 1)),
            Shape::U16 => self.integer(read(bytes, place, 2)),
            Shape::U32 => self.integer(read(bytes, place, 4)),
            Shape::S8 => self.integer(read(bytes, place, 1) as i8),
            Shape::S16 => self.integer(read(bytes, place, 2) as i16),
            Shape::S32 => self.integer(number(bytes, place).cast_signed()),
            Shape::U64 => {
                let number = read(bytes, place, 8);
                self.wide(number, number.into())
            }
            Shape::S64 => {
                let number = read(bytes, place, 8).cast_signed();
                self.wide(number, number.into())
            }
            Shape::F32 => {
                let number = f32::from_bits(number(bytes, place));
                if number.is_finite() {
                    return self.raw(zmij::Buffer::new().format_finite(number).as_bytes());
                }
                self.not_finite(number.into())
            }
            Shape::F64 => {
                let number = f64::from_bits(read(bytes, place, 8));
                if number.is_finite() {
                    return self.raw(zmij::Buffer::new().format_finite(number).as_bytes());
                }
                self.not_finite(number)
            }
            Shape::Char => match char::from_u32(number(bytes, place)) {
                Some(char) => self.text(char.encode_utf8(&mut [0; 4])),
                None => Err(invalid("it is no Unicode character")),
            },
            Shape::String => {
                let text = self.string(bytes, place)?;
                self.count(text.len() / TEXT_BYTES)?;
                self.text(&text)
            }
            Shape::Bytes => self.base64(bytes, place),
            Shape::List(item) => {
                let layout = item.layout();
                let (items, count) = self.list(bytes, place, layout.size, layout.align)?;
                self.items(count, |writer, i| writer.value(item, items, i * layout.size))
            }
            Shape::FixedList(item, n) => {
                let size = item.layout().size;
                self.items(*n, |writer, i| writer.value(item, bytes, place + i * size))
            }
            Shape::Tuple(tuple) => {
                let parts = tuple.items.iter().zip(&tuple.offsets);
                self.raw(b"[")?;
                for (i, (item, offset)) in parts.enumerate() {
                    self.comma(i)?;
                    self.value(item, bytes, place + offset).map_err(|e| at(e, i))?;
                }
                self.raw(b"]")
            }
            Shape::Option(inner) => {
                let payload = place + shape.payload();
                match (self.case(bytes, place, 2)?, inner.is_nullable()) {
                    (0, _) => self.raw(b"null"),
                    (_, true) => self.tagged("some", Some(inner), bytes, payload),
                    (_, false) => self.value(inner, bytes, payload),
                }
            }
            Shape::Result(ok, error) => {
                let payload = place + shape.payload();
                match self.case(bytes, place, 2)? {
                    0 => self.tagged("ok", ok.as_deref(), bytes, payload),
                    _ => self.tagged("error", error.as_deref(), bytes, payload),
                }
            }
            Shape::Enum(names) => {
                let case = self.case(bytes, place, names.members.len())?;
                let name = names.members.get(case).map_or("", |(name, _)| name);
                self.quoted(name)
            }
            Shape::Flags(names) => {
                self.raw(b"[")?;
                let set = names.members.iter().enumerate().filter(|(i, _)| bytes[place + i / 8] & 1 << (i % 8) != 0);
                for (i, (_, (name, _))) in set.enumerate() {
                    self.comma(i)?;
                    self.quoted(name)?;
                }
                self.raw(b"]")
            }
            Shape::Variant(variant) => {
                let case = self.case(bytes, place, variant.cases.len())?;
                let Some(case) = variant.cases.get(case) else { return Ok(()) };
                self.tagged(&case.name, case.shape.as_ref(), bytes, place + variant.payload)
            }
            Shape::Record(record) => {
                self.raw(b"{")?;
                let mut written = 0;
                for (field, offset) in record.fields.iter().zip(&record.offsets) {
                    let place = place + offset;
                    if matches!(field.shape, Shape::Option(_)) && self.case(bytes, place, 2)? == 0 {
                        self.count(1)?;
                        continue;
                    }
                    self.comma(written)?;
                    self.member(&field.name, &field.shape, bytes, place)?;
                    written += 1;
                }
                self.raw(b"}")
            }
            Shape::Map(key, value) => self.map(key, value, bytes, place),
            Shape::Handle(name) => Err(invalid(format!("a {name} has no form in JSON"))),
        }
    }

    fn map(&mut self, key: &Shape, value: &Shape, bytes: &[u8], place: usize) -> Written {
        let (pair, offset) = layout::pair(key, value);
        let (pairs, count) = self.list(bytes, place, pair.size, pair.align)?;
        if !matches!(key, Shape::String) {
            return self.items(count, |writer, i| {
                writer.raw(b"[")?;
                writer.value(key, pairs, i * pair.size).map_err(|e| at(e, 0))?;
                writer.raw(b",")?;
                writer.value(value, pairs, i * pair.size + offset).map_err(|e| at(e, 1))?;
                writer.raw(b"]")
            });
        }
        // The last of several values wins, as the component model has it.
        let mut last = std::collections::BTreeMap::new();
        for i in 0..count {
            self.count(1)?;
            last.insert(self.string(pairs, i * pair.size).map_err(|e| at(e, i))?, i);
        }
        self.raw(b"{")?;
        for (written, (name, i)) in last.into_iter().enumerate() {
            self.comma(written)?;
            self.text(&name)?;
            self.raw(b":")?;
            self.value(value, pairs, i * pair.size + offset).map_err(|e| at(e, name))?;
        }
        self.raw(b"}")
    }

    fn count(&mut self, values: usize) -> Written {
        self.left = self.left.checked_sub(values).ok_or_else(|| fail(What::TooMany))?;
        Ok(())
    }

    /// Which case it is, of so many.
    fn case(&self, bytes: &[u8], place: usize, cases: usize) -> Result<usize, Box<Failure>> {
        let case = read(bytes, place, discriminant(cases));
        usize::try_from(case)
            .ok()
            .filter(|case| *case < cases)
            .ok_or_else(|| invalid(format!("it is case {case} of {cases}")))
    }

    /// What an address and a length refer to, both at `place`; and the length.
    fn list(&self, bytes: &[u8], place: usize, size: usize, align: usize) -> Result<(&'a [u8], usize), Box<Failure>> {
        let count = number(bytes, place + 4) as usize;
        let items = self.memory(number(bytes, place), count.checked_mul(size), align)?;
        Ok((items, count))
    }

    fn string(&self, bytes: &[u8], place: usize) -> Result<Cow<'a, str>, Box<Failure>> {
        let (address, units) = (number(bytes, place), number(bytes, place + 4));
        text::decode(self.memory.texts, units, |len, align| self.memory(address, Some(len), align))
    }

    /// So many bytes at an address, if there are so many.
    fn memory(&self, address: u32, len: Option<usize>, align: usize) -> Result<&'a [u8], Box<Failure>> {
        let address = address as usize;
        if !address.is_multiple_of(align) {
            return Err(invalid("it is at an address that is not aligned"));
        }
        let end = len.and_then(|len| address.checked_add(len));
        let bytes = end.and_then(|end| self.memory.bytes.get(address..end));
        bytes.ok_or_else(|| invalid("it ends beyond the guest's memory"))
    }

    fn raw(&mut self, bytes: &[u8]) -> Written {
        if bytes.len() > self.limits.max_bytes.saturating_sub(self.out.len()) {
            return Err(fail(What::TooLong));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn comma(&mut self, index: usize) -> Written {
        if index == 0 { Ok(()) } else { self.raw(b",") }
    }

    fn integer(&mut self, value: impl itoa::Integer) -> Written {
        self.raw(itoa::Buffer::new().format(value).as_bytes())
    }

    /// A number where every reader keeps it exactly, else a text of its digits.
    fn wide(&mut self, value: impl itoa::Integer, size: i128) -> Written {
        if size.abs() <= SAFE_INTEGER {
            return self.integer(value);
        }
        self.raw(b"\"")?;
        self.integer(value)?;
        self.raw(b"\"")
    }

    fn not_finite(&mut self, value: f64) -> Written {
        self.raw(match value {
            v if v.is_nan() => b"\"NaN\"",
            v if v > 0.0 => b"\"Infinity\"",
            _ => b"\"-Infinity\"",
        })
    }

    fn base64(&mut self, bytes: &[u8], place: usize) -> Written {
        let (items, _) = self.list(bytes, place, 1, 1)?;
        self.count(items.len() / TEXT_BYTES)?;
        // The length first: nothing is made that would not be kept.
        let length = items.len().div_ceil(3) * 4;
        if length + 2 > self.limits.max_bytes.saturating_sub(self.out.len()) {
            return Err(fail(What::TooLong));
        }
        self.raw(b"\"")?;
        let start = self.out.len();
        self.out.resize(start + length, 0);
        let written = BASE64.encode_slice(items, &mut self.out[start..]).unwrap_or(0);
        self.out.truncate(start + written);
        self.raw(b"\"")
    }

    fn items(&mut self, count: usize, mut item: impl FnMut(&mut Self, usize) -> Written) -> Written {
        self.raw(b"[")?;
        for i in 0..count {
            self.comma(i)?;
            item(self, i).map_err(|e| at(e, i))?;
        }
        self.raw(b"]")
    }

    fn tagged(&mut self, name: &str, shape: Option<&Shape>, bytes: &[u8], place: usize) -> Written {
        self.raw(b"{")?;
        match shape {
            Some(shape) => self.member(name, shape, bytes, place)?,
            None => {
                self.quoted(name)?;
                self.raw(b":null")?;
            }
        }
        self.raw(b"}")
    }

    fn member(&mut self, name: &str, shape: &Shape, bytes: &[u8], place: usize) -> Written {
        self.quoted(name)?;
        self.raw(b":")?;
        self.value(shape, bytes, place).map_err(|e| at(e, name))
    }

    /// A name of WIT's, in which nothing needs escaping.
    fn quoted(&mut self, name: &str) -> Written {
        self.raw(b"\"")?;
        self.raw(name.as_bytes())?;
        self.raw(b"\"")
    }

    fn text(&mut self, text: &str) -> Written {
        // It gets no shorter. What is too long is found out before there is room for it.
        let least = text.len() + 2;
        if least > self.limits.max_bytes.saturating_sub(self.out.len()) {
            return Err(fail(What::TooLong));
        }
        // All of it and its quotes at once: a text that just fits would be copied to room twice its size for the last.
        self.out.reserve(least);
        self.raw(b"\"")?;
        let mut rest = text.as_bytes();
        while let Some(plain) = text::plain(rest) {
            self.raw(&rest[..plain])?;
            match text::escape(rest[plain]) {
                Some(short) => self.raw(&[b'\\', short])?,
                None => self.raw(format!("\\u{:04x}", rest[plain]).as_bytes())?,
            }
            rest = &rest[plain + 1..];
        }
        self.raw(rest)?;
        self.raw(b"\"")
    }
}
