//! From component values to JSON text, guided by a [`Shape`], without a tree in between.
//!
//! The text is bounded while it grows, so a guest that answers a gigabyte costs the bound and an error.

use base64::Engine as _;
use wasmtime::component::Val;

use crate::{
    EncodeError, JsonError,
    decode::{BASE64, SAFE_INTEGER},
    error::Trail,
    shape::Shape,
};

/// Appends `value` as JSON to `out`, which may grow to `max_bytes`.
///
/// Fails when the text would be longer, or when the value does not have this shape, which wasmtime rules out for the
/// shape the component was reflected with.
pub fn encode(shape: &Shape, value: &Val, max_bytes: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut writer = Writer { out, max_bytes };
    writer.value(shape, value).map_err(|failure| match failure.message {
        Some(message) => EncodeError::Mismatch(JsonError { pointer: failure.trail.pointer(), message }),
        None => EncodeError::TooLong { most: max_bytes },
    })
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    max_bytes: usize,
}

struct Failure {
    /// What does not fit; none where it all fits but is too long.
    message: Option<String>,
    trail: Trail,
}

impl Failure {
    fn at(mut self, segment: impl ToString) -> Box<Self> {
        self.trail.push(segment);
        Box::new(self)
    }
}

type Written = Result<(), Box<Failure>>;

fn fail(message: String) -> Box<Failure> {
    Box::new(Failure { message: Some(message), trail: Trail::default() })
}

impl Writer<'_> {
    fn value(&mut self, shape: &Shape, value: &Val) -> Written {
        match (shape, value) {
            (Shape::Bool, Val::Bool(true)) => self.raw(b"true"),
            (Shape::Bool, Val::Bool(false)) => self.raw(b"false"),
            (Shape::U8, Val::U8(v)) => self.integer(*v),
            (Shape::U16, Val::U16(v)) => self.integer(*v),
            (Shape::U32, Val::U32(v)) => self.integer(*v),
            (Shape::S8, Val::S8(v)) => self.integer(*v),
            (Shape::S16, Val::S16(v)) => self.integer(*v),
            (Shape::S32, Val::S32(v)) => self.integer(*v),
            (Shape::U64, Val::U64(v)) => self.wide(*v, i128::from(*v)),
            (Shape::S64, Val::S64(v)) => self.wide(*v, i128::from(*v)),
            (Shape::F32, Val::Float32(v)) if v.is_finite() => self.raw(zmij::Buffer::new().format(*v).as_bytes()),
            (Shape::F32, Val::Float32(v)) => self.not_finite(f64::from(*v)),
            (Shape::F64, Val::Float64(v)) if v.is_finite() => self.raw(zmij::Buffer::new().format(*v).as_bytes()),
            (Shape::F64, Val::Float64(v)) => self.not_finite(*v),
            (Shape::Char, Val::Char(v)) => self.text(v.encode_utf8(&mut [0; 4])),
            (Shape::String, Val::String(v)) => self.text(v),
            (Shape::Bytes, Val::List(items)) => self.bytes(items),
            (Shape::List(item), Val::List(items)) => self.items(items, |_| item),
            (Shape::FixedList(item, n), Val::FixedLengthList(items)) if items.len() == *n => {
                self.items(items, |_| item)
            }
            (Shape::Tuple(shapes), Val::Tuple(items)) if items.len() == shapes.len() => {
                self.items(items, |i| &shapes[i])
            }
            (Shape::Option(_), Val::Option(None)) => self.raw(b"null"),
            (Shape::Option(inner), Val::Option(Some(v))) if inner.is_nullable() => {
                self.tagged("some", Some(inner), Some(v))
            }
            (Shape::Option(inner), Val::Option(Some(v))) => self.value(inner, v),
            (Shape::Result(ok, _), Val::Result(Ok(v))) => self.tagged("ok", ok.as_deref(), v.as_deref()),
            (Shape::Result(_, err), Val::Result(Err(v))) => self.tagged("error", err.as_deref(), v.as_deref()),
            (Shape::Enum(names), Val::Enum(v)) if names.members.iter().any(|(n, _)| n == v) => self.text(v),
            (Shape::Flags(_), Val::Flags(set)) => {
                self.raw(b"[")?;
                for (i, name) in set.iter().enumerate() {
                    self.comma(i)?;
                    self.text(name)?;
                }
                self.raw(b"]")
            }
            (Shape::Variant(variant), Val::Variant(name, payload)) => {
                let Some(case) = variant.cases.iter().find(|c| c.name == *name) else {
                    return self.mismatch(shape);
                };
                self.tagged(name, case.shape.as_ref(), payload.as_deref())
            }
            (Shape::Record(record), Val::Record(fields)) if fields.len() == record.fields.len() => {
                self.raw(b"{")?;
                let mut written = 0;
                for (field, (name, value)) in record.fields.iter().zip(fields) {
                    if field.name != *name {
                        return self.mismatch(shape);
                    }
                    if matches!(value, Val::Option(None)) {
                        continue;
                    }
                    self.member(written, name, &field.shape, value)?;
                    written += 1;
                }
                self.raw(b"}")
            }
            (Shape::Map(key, inner), Val::Map(pairs)) if matches!(**key, Shape::String) => {
                self.raw(b"{")?;
                // The last of several values wins, as the component model has it.
                let mut last = std::collections::BTreeMap::new();
                for (key, value) in pairs {
                    let Val::String(key) = key else { return self.mismatch(shape) };
                    last.insert(key, value);
                }
                for (i, (key, value)) in last.into_iter().enumerate() {
                    self.member(i, key, inner, value)?;
                }
                self.raw(b"}")
            }
            (Shape::Map(key, inner), Val::Map(pairs)) => {
                self.raw(b"[")?;
                for (i, (k, v)) in pairs.iter().enumerate() {
                    self.comma(i)?;
                    self.raw(b"[")?;
                    self.value(key, k).map_err(|e| e.at(0).at(i))?;
                    self.raw(b",")?;
                    self.value(inner, v).map_err(|e| e.at(1).at(i))?;
                    self.raw(b"]")?;
                }
                self.raw(b"]")
            }
            _ => self.mismatch(shape),
        }
    }

    fn mismatch(&self, shape: &Shape) -> Written {
        Err(fail(format!("the plugin's answer is not {}", shape.expected())))
    }

    fn raw(&mut self, bytes: &[u8]) -> Written {
        if bytes.len() > self.max_bytes.saturating_sub(self.out.len()) {
            return Err(Box::new(Failure { message: None, trail: Trail::default() }));
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

    fn bytes(&mut self, items: &[Val]) -> Written {
        let mut bytes = Vec::with_capacity(items.len());
        for item in items {
            let Val::U8(byte) = item else { return self.mismatch(&Shape::Bytes) };
            bytes.push(*byte);
        }
        self.raw(b"\"")?;
        self.raw(BASE64.encode(&bytes).as_bytes())?;
        self.raw(b"\"")
    }

    fn items<'s>(&mut self, items: &[Val], shape: impl Fn(usize) -> &'s Shape) -> Written {
        self.raw(b"[")?;
        for (i, item) in items.iter().enumerate() {
            self.comma(i)?;
            self.value(shape(i), item).map_err(|e| e.at(i))?;
        }
        self.raw(b"]")
    }

    fn tagged(&mut self, name: &str, shape: Option<&Shape>, value: Option<&Val>) -> Written {
        self.raw(b"{")?;
        match (shape, value) {
            (Some(shape), Some(value)) => self.member(0, name, shape, value)?,
            (None, None) => {
                self.text(name)?;
                self.raw(b":null")?;
            }
            _ => return Err(fail(format!("the plugin's answer has no fitting value for the case `{name}`"))),
        }
        self.raw(b"}")
    }

    fn member(&mut self, index: usize, name: &str, shape: &Shape, value: &Val) -> Written {
        self.comma(index)?;
        self.text(name)?;
        self.raw(b":")?;
        self.value(shape, value).map_err(|e| e.at(name))
    }

    fn text(&mut self, text: &str) -> Written {
        self.raw(b"\"")?;
        let bytes = text.as_bytes();
        let mut from = 0;
        for (i, &byte) in bytes.iter().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                0..=0x1f => {
                    self.raw(&bytes[from..i])?;
                    self.raw(format!("\\u{byte:04x}").as_bytes())?;
                    from = i + 1;
                    continue;
                }
                _ => continue,
            };
            self.raw(&bytes[from..i])?;
            self.raw(escape)?;
            from = i + 1;
        }
        self.raw(&bytes[from..])?;
        self.raw(b"\"")
    }
}
