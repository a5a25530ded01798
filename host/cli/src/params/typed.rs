//! What one text means, given the kind of value it stands for.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Number, Value};

use crate::{schema::Kind, suggest};

/// The integers that every JSON reader keeps exactly: ±(2^53 - 1).
const SAFE: i128 = (1 << 53) - 1;

/// A file's content: exactly as it is where texts and bytes are wanted, else without the white space around it.
pub(super) fn given_as_text(kind: &Kind<'_>, bytes: &[u8]) -> Result<Value, String> {
    match kind {
        Kind::Text | Kind::Bytes | Kind::TextOrList(_) => from_text(kind, bytes),
        _ => from_text(kind, bytes.trim_ascii()),
    }
}

/// The value a text stands for, or what was expected in its place.
pub(super) fn from_text(kind: &Kind<'_>, bytes: &[u8]) -> Result<Value, String> {
    if let Kind::Bytes = kind {
        return Ok(STANDARD.encode(bytes).into());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "the content is not UTF-8 text".to_owned())?;
    let expected = || format!("{} was expected, found `{text}`", kind.expected());
    let json = || serde_json::from_str::<Value>(text).ok();
    match kind {
        Kind::Text => Ok(text.into()),
        Kind::Any => Ok(json().unwrap_or_else(|| text.into())),
        Kind::Null => (text == "null").then_some(Value::Null).ok_or_else(expected),
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| expected()),
        Kind::Integer => integer(text).map(|value| number(value, false)).ok_or_else(expected),
        Kind::WideInteger => integer(text).map(|value| number(value, true)).ok_or_else(expected),
        Kind::Number => match text {
            "NaN" | "Infinity" | "-Infinity" => Ok(text.into()),
            _ => json().filter(Value::is_number).ok_or_else(expected),
        },
        Kind::Choice(names) if names.contains(&text) => Ok(text.into()),
        Kind::Choice(names) => Err(match suggest::nearest(text, names.iter().copied()) {
            Some(name) => format!("{}; did you mean `{name}`?", expected()),
            None => expected(),
        }),
        Kind::TextOrList(_) if text.starts_with('[') => json().filter(Value::is_array).ok_or_else(expected),
        Kind::TextOrList(_) => Ok(text.into()),
        Kind::List(_) => json().filter(Value::is_array).ok_or_else(|| format!("{} as JSON", expected())),
        Kind::Object(object) => json().filter(Value::is_object).ok_or_else(|| {
            let members: Vec<_> = object.properties().map(|(name, _)| name).collect();
            format!("{}; give its members ({}) one by one, or the whole as JSON", expected(), members.join(", "))
        }),
        Kind::Variant(cases) => {
            if let Some(case) = cases.iter().find(|case| case.name == text) {
                return match case.value {
                    None => Ok(Value::Object(Map::from_iter([(text.to_owned(), Value::Null)]))),
                    Some(inner) => Err(format!(
                        "the case `{text}` carries {}; write `.{text}=…` after the name",
                        inner.kind().expected()
                    )),
                };
            }
            json().filter(Value::is_object).ok_or_else(expected)
        }
        Kind::Bytes => Err(expected()),
    }
}

/// A plain whole number: no sign but `-`, no exponent, no point.
fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// As a number where every JSON reader keeps it exactly, else as text where that is allowed.
fn number(value: i128, wide: bool) -> Value {
    let fits = (-SAFE..=SAFE).contains(&value) || !wide;
    let exact = i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from));
    match exact {
        Ok(number) if fits => Value::Number(number),
        _ => Value::String(value.to_string()),
    }
}
