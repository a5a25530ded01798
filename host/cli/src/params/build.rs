//! From assignments to an object: each path is followed through the schema to the place it names.

use serde_json::{Map, Value};

use super::{
    Assignment, Given, ParamError, Subject,
    typed::{from_text, given_as_text},
};
use crate::{
    schema::{Kind, Schema},
    suggest,
};

/// The object that assignments make under a schema.
pub(crate) fn build(
    schema: Schema<'_>,
    subject: Subject<'_>,
    assignments: &[Assignment],
) -> Result<Map<String, Value>, ParamError> {
    let mut root = Value::Object(Map::new());
    for Assignment { path, given } in assignments {
        Place { path, subject }.descend(&mut root, schema, path, given)?;
    }
    match root {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

/// The assignment in hand.
struct Place<'p> {
    path: &'p str,
    subject: Subject<'p>,
}

impl Place<'_> {
    fn error<T>(&self, message: impl std::fmt::Display) -> Result<T, ParamError> {
        Err(ParamError(format!("`{}`: {message}", self.path)))
    }

    /// Goes on to the member that `rest` begins with.
    fn descend(&self, slot: &mut Value, schema: Schema<'_>, rest: &str, given: &Given) -> Result<(), ParamError> {
        let kind = schema.kind();
        let (name, rest, inner) = match &kind {
            Kind::Object(object) => {
                // A name may itself hold a dot, so the longest that fits is taken.
                let named = object.properties().filter(|(name, _)| after(rest, name).is_some());
                if let Some((name, inner)) = named.max_by_key(|(name, _)| name.len()) {
                    (name, after(rest, name).flatten(), inner)
                } else if let Some(inner) = object.other() {
                    let (name, rest) = match inner.kind() {
                        Kind::Object(_) | Kind::Variant(_) => split(rest),
                        _ => (rest, None),
                    };
                    (name, rest, inner)
                } else {
                    return self.unknown(split(rest).0, object.properties().map(|(name, _)| name));
                }
            }
            Kind::Variant(cases) => {
                let (name, rest) = split(rest);
                match cases.iter().find(|case| case.name == name) {
                    Some(case) => match case.value {
                        Some(inner) => (name, rest, inner),
                        None => return self.error(format!("the case `{name}` takes no value; write it as the value")),
                    },
                    None => return self.unknown(name, cases.iter().map(|case| case.name)),
                }
            }
            Kind::Any => {
                let (name, rest) = split(rest);
                (name, rest, schema)
            }
            Kind::List(_) | Kind::TextOrList(_) => {
                return self.error("it leads into a list, which is given whole as JSON: `name:=[…]`");
            }
            other => return self.error(format!("it leads into {}, which has no members", other.expected())),
        };
        if slot.is_null() {
            *slot = Value::Object(Map::new());
        }
        let Value::Object(members) = slot else {
            return self.error("it is given both whole and in parts");
        };
        if matches!(kind, Kind::Variant(_)) && members.keys().any(|other| other != name) {
            return self.error("two cases of the same variant are given; only one can be");
        }
        let slot = members.entry(name.to_owned()).or_insert(Value::Null);
        match rest {
            Some(rest) => self.descend(slot, inner, rest, given),
            None => self.put(slot, inner, given),
        }
    }

    fn unknown<'n, T>(&self, name: &str, known: impl Iterator<Item = &'n str> + Clone) -> Result<T, ParamError> {
        let Subject { owner, noun } = self.subject;
        let hint = suggest::hint(name, known);
        if self.path.split('.').next() == Some(name) {
            return Err(ParamError(format!("{owner} has no {noun} `{name}`{hint}")));
        }
        self.error(format!("there is no member `{name}`{hint}"))
    }

    /// Puts the value in its place.
    fn put(&self, slot: &mut Value, schema: Schema<'_>, given: &Given) -> Result<(), ParamError> {
        let kind = schema.kind();
        if let Kind::List(item) = kind {
            return self.put_in_list(slot, item, given);
        }
        if let (Kind::TextOrList(item), false) = (&kind, slot.is_null()) {
            if let Value::String(_) = slot {
                *slot = Value::Array(vec![slot.take()]);
            }
            return self.put_in_list(slot, *item, given);
        }
        if !slot.is_null() {
            return self.error("it is given twice");
        }
        *slot = self.value(schema, given)?;
        Ok(())
    }

    fn put_in_list(&self, slot: &mut Value, item: Schema<'_>, given: &Given) -> Result<(), ParamError> {
        let whole = match given {
            Given::Json(list @ Value::Array(_)) => Some(list.clone()),
            Given::Text(text) if text.starts_with('[') => Some(self.json_list(text)?),
            _ => None,
        };
        match (whole, &mut *slot) {
            (Some(list), Value::Null) => *slot = list,
            (None, Value::Null) => *slot = Value::Array(vec![self.value(item, given)?]),
            (None, Value::Array(items)) => items.push(self.value(item, given)?),
            _ => return self.error("it is given both whole and in parts"),
        }
        Ok(())
    }

    fn json_list(&self, text: &str) -> Result<Value, ParamError> {
        serde_json::from_str(text).or_else(|e| {
            self.error(format!(
                "a text that begins with `[` is taken for a JSON list: {e}; `name:=[\"…\"]` holds any text"
            ))
        })
    }

    fn value(&self, schema: Schema<'_>, given: &Given) -> Result<Value, ParamError> {
        let kind = schema.kind();
        let typed = match given {
            Given::Json(value) => Ok(value.clone()),
            Given::Text(text)
                if text == "null" && schema.is_nullable() && !matches!(kind, Kind::Text | Kind::Bytes) =>
            {
                Ok(Value::Null)
            }
            Given::Text(text) => from_text(&kind, text.as_bytes()),
            Given::File(bytes) => given_as_text(&kind, bytes),
        };
        typed.or_else(|message| self.error(message))
    }
}

/// What follows `name.` in a path; `Some(None)` where nothing does.
fn after<'p>(path: &'p str, name: &str) -> Option<Option<&'p str>> {
    let rest = path.strip_prefix(name)?;
    if rest.is_empty() { Some(None) } else { rest.strip_prefix('.').map(Some) }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)))
}
