//! Parameters from name-value pairs: query strings and command lines, where everything is text and the shape says what
//! the text means.
//!
//! `name=value` sets a member, `page.limit=5` a member of a record, a repeated name appends to a list. A list, record,
//! variant or other structure may also be given whole as JSON text. Bytes are base64, as in JSON.

use serde_json::{Map, Value};

use crate::{JsonError, Operation, shape::Shape, suggest::did_you_mean};

impl Operation {
    /// The body that pairs of name and text stand for.
    pub fn params_from_query(&self, pairs: &[(String, String)]) -> Result<Value, JsonError> {
        let mut body = Map::new();
        for (name, text) in pairs {
            let (head, rest) = split(name);
            let Some(param) = self.params.iter().find(|p| p.name == head) else {
                let hint = did_you_mean(head, self.params.iter().map(|p| p.name.as_str()));
                return Err(JsonError {
                    pointer: format!("/{head}"),
                    message: format!("`{}` has no parameter of this name.{hint}", self.action()),
                });
            };
            let place = body.entry(head.to_owned()).or_insert(Value::Null);
            set(place, &param.shape, rest, text, &format!("/{head}"))?;
        }
        Ok(Value::Object(body))
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)))
}

fn set(place: &mut Value, shape: &Shape, path: Option<&str>, text: &str, pointer: &str) -> Result<(), JsonError> {
    if let Shape::Option(inner) = shape
        && !inner.is_nullable()
    {
        return set(place, inner, path, text, pointer);
    }
    let error = |message: String| Err(JsonError { pointer: pointer.to_owned(), message });
    let Some(path) = path else {
        return match shape {
            Shape::List(item) if !text.starts_with('[') => {
                if !place.is_array() {
                    *place = Value::Array(Vec::new());
                }
                let mut value = Value::Null;
                set(&mut value, item, None, text, pointer)?;
                if let Value::Array(items) = place {
                    items.push(value);
                }
                Ok(())
            }
            Shape::Flags(_) if place.is_array() && !text.starts_with('[') => {
                if let (Value::Array(items), Value::Array(more)) = (place, scalar(shape, text, pointer)?) {
                    items.extend(more);
                }
                Ok(())
            }
            _ if !place.is_null() => error("it is given twice".into()),
            _ => {
                *place = scalar(shape, text, pointer)?;
                Ok(())
            }
        };
    };
    let (head, rest) = split(path);
    let inner = match shape {
        Shape::Record(record) => record.fields.iter().find(|f| f.name == head).map(|f| &f.shape),
        Shape::Variant(variant) => variant.cases.iter().find(|c| c.name == head).and_then(|c| c.shape.as_ref()),
        Shape::Map(key, value) if matches!(**key, Shape::String) => Some(&**value),
        _ => {
            return error(format!(
                "expected {}; it has no members of its own, give it whole, as JSON text",
                shape.expected()
            ));
        }
    };
    let Some(inner) = inner else {
        let names: Vec<&str> = match shape {
            Shape::Record(record) => record.fields.iter().map(|f| f.name.as_str()).collect(),
            Shape::Variant(variant) => variant.cases.iter().map(|c| c.name.as_str()).collect(),
            _ => Vec::new(),
        };
        return error(format!("it has no member `{head}` that takes a value.{}", did_you_mean(head, names)));
    };
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    match place {
        Value::Object(members) => {
            let place = members.entry(head.to_owned()).or_insert(Value::Null);
            set(place, inner, rest, text, &format!("{pointer}/{head}"))
        }
        _ => error("it is given both whole and in parts".into()),
    }
}

fn scalar(shape: &Shape, text: &str, pointer: &str) -> Result<Value, JsonError> {
    let error = || JsonError { pointer: pointer.to_owned(), message: format!("expected {}", shape.expected()) };
    match shape {
        Shape::String | Shape::Char | Shape::Enum(_) | Shape::Bytes => Ok(Value::String(text.to_owned())),
        Shape::U64 | Shape::S64 => Ok(Value::String(text.to_owned())),
        Shape::F32 | Shape::F64 if matches!(text, "NaN" | "Infinity" | "-Infinity") => {
            Ok(Value::String(text.to_owned()))
        }
        Shape::Variant(variant) if variant.cases.iter().any(|c| c.name == text) => Ok(Value::String(text.to_owned())),
        Shape::Flags(_) if !text.starts_with('[') => {
            Ok(text.split(',').filter(|t| !t.is_empty()).map(|t| Value::String(t.to_owned())).collect())
        }
        _ => serde_json::from_str(text).map_err(|_| error()),
    }
}
