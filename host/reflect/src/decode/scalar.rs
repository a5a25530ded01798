//! Values that are one number or one string in JSON.

use std::borrow::Cow;

use base64::Engine as _;
use wasmtime::component::Val;

use super::{BASE64, node::Node};
use crate::shape::Shape;

impl Node<'_> {
    pub(super) fn integer<E: serde::de::Error>(&self, value: i128, found: &str) -> Result<Val, E> {
        macro_rules! fit {
            ($case:ident, $ty:ty) => {
                match <$ty>::try_from(value) {
                    Ok(value) => Ok(Val::$case(value)),
                    Err(_) => self.mismatch(&format!("{value}")),
                }
            };
        }
        match self.shape {
            Shape::U8 => fit!(U8, u8),
            Shape::U16 => fit!(U16, u16),
            Shape::U32 => fit!(U32, u32),
            Shape::U64 => fit!(U64, u64),
            Shape::S8 => fit!(S8, i8),
            Shape::S16 => fit!(S16, i16),
            Shape::S32 => fit!(S32, i32),
            Shape::S64 => fit!(S64, i64),
            #[expect(clippy::cast_precision_loss, reason = "a float parameter takes the nearest float")]
            Shape::F32 => Ok(Val::Float32(value as f32)),
            #[expect(clippy::cast_precision_loss, reason = "a float parameter takes the nearest float")]
            Shape::F64 => Ok(Val::Float64(value as f64)),
            _ => self.mismatch(found),
        }
    }

    pub(super) fn text<E: serde::de::Error>(&self, text: Cow<'_, str>) -> Result<Val, E> {
        match self.shape {
            Shape::String => Ok(Val::String(text.into_owned())),
            Shape::Bytes => match BASE64.decode(text.as_bytes()) {
                Ok(bytes) => {
                    // One value a byte is what the component model makes of it.
                    self.context.count_many(bytes.len())?;
                    Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
                }
                Err(_) => self.mismatch("a string that is not base64"),
            },
            Shape::Char => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(only), None) => Ok(Val::Char(only)),
                    _ => self.mismatch("a string of another length"),
                }
            }
            Shape::U64 | Shape::S64 => match text.parse::<i128>() {
                Ok(value) if is_plain_integer(&text) => self.integer(value, "a string"),
                _ => self.mismatch("a string that is no such number"),
            },
            Shape::F32 | Shape::F64 => {
                let value = match &*text {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    _ => return self.mismatch("another text"),
                };
                Ok(self.float(value))
            }
            Shape::Enum(names) => self.member(names, &text).map(Val::Enum),
            Shape::Variant(variant) => match variant.cases.iter().find(|c| c.name == text) {
                Some(case) if case.shape.is_none() => Ok(Val::Variant(case.name.clone(), None)),
                Some(_) => Err(E::custom(format!("case `{text}` needs a value: {{\"{text}\": …}}"))),
                None => self.unknown_case(variant, &text),
            },
            _ => self.mismatch("a string"),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "an f32 parameter takes the nearest f32")]
    pub(super) fn float(&self, value: f64) -> Val {
        match self.shape {
            Shape::F32 => Val::Float32(value as f32),
            _ => Val::Float64(value),
        }
    }
}

/// Digits with at most a minus before them: what `u64` and `s64` are as a text. (`parse` would also take `+1`.)
fn is_plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}
