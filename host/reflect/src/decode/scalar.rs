//! Values that are one number or one string in JSON.

use base64::Engine as _;

use super::{BASE64, node::Node};
use crate::shape::Shape;

impl Node<'_> {
    pub(super) fn integer<E: serde::de::Error>(&self, value: i128, found: &str) -> Result<(), E> {
        macro_rules! fit {
            ($ty:ty) => {
                match <$ty>::try_from(value) {
                    Ok(value) => self.put(&value.to_le_bytes()),
                    Err(_) => self.mismatch(&format!("{value}")),
                }
            };
        }
        match self.shape {
            Shape::U8 => fit!(u8),
            Shape::U16 => fit!(u16),
            Shape::U32 => fit!(u32),
            Shape::U64 => fit!(u64),
            Shape::S8 => fit!(i8),
            Shape::S16 => fit!(i16),
            Shape::S32 => fit!(i32),
            Shape::S64 => fit!(i64),
            #[expect(clippy::cast_precision_loss, reason = "a float parameter takes the nearest float")]
            Shape::F32 => self.put(&(value as f32).to_le_bytes()),
            #[expect(clippy::cast_precision_loss, reason = "a float parameter takes the nearest float")]
            Shape::F64 => self.put(&(value as f64).to_le_bytes()),
            _ => self.mismatch(found),
        }
    }

    pub(super) fn text<E: serde::de::Error>(&self, text: &str) -> Result<(), E> {
        match self.shape {
            Shape::String => self.context.grow(|image| image.leaf(self.at, text.as_bytes(), true)),
            Shape::Bytes => match BASE64.decode(text) {
                Ok(bytes) => self.context.grow(|image| image.leaf(self.at, &bytes, false)),
                Err(_) => self.mismatch("a string that is not base64"),
            },
            Shape::Char => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(only), None) => self.put(&u32::from(only).to_le_bytes()),
                    _ => self.mismatch("a string of another length"),
                }
            }
            Shape::U64 | Shape::S64 => match text.parse::<i128>() {
                Ok(value) if is_plain_integer(text) => self.integer(value, "a string"),
                _ => self.mismatch("a string that is no such number"),
            },
            Shape::F32 | Shape::F64 => {
                let value = match text {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    _ => return self.mismatch("another text"),
                };
                self.float(value)
            }
            Shape::Enum(names) => {
                let index = self.member(names, text)?;
                self.put_case(index, names.members.len())
            }
            Shape::Variant(variant) => match variant.cases.iter().enumerate().find(|(_, case)| case.name == text) {
                Some((index, case)) if case.shape.is_none() => self.put_case(index, variant.cases.len()),
                Some(_) => Err(E::custom(format!("case `{text}` needs a value: {{\"{text}\": …}}"))),
                None => self.unknown_case(variant, text),
            },
            _ => self.mismatch("a string"),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "an f32 parameter takes the nearest f32")]
    pub(super) fn float<E>(&self, value: f64) -> Result<(), E> {
        match self.shape {
            Shape::F32 => self.put(&(value as f32).to_le_bytes()),
            _ => self.put(&value.to_le_bytes()),
        }
    }
}

/// Digits with at most a minus before them: what `u64` and `s64` are as a text. (`parse` would also take `+1`.)
fn is_plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}
