//! A JSON text on its way from one type to another. It is read once and written as it is read: there is no tree of values,
//! and what stays as it is is copied as it stands, so that no number is spelt anew.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    TranslateError,
    plan::{Absent, Cases, Known, Member, Members, Plan},
};
use crate::{JsonError, error::Trail, shape::Shape, suggest::did_you_mean};

/// So many names are told at most of those that there are.
const MOST_NAMES: usize = 20;

pub(super) fn translate(plan: &Plan, json: &[u8]) -> Result<Vec<u8>, TranslateError> {
    let mut walk = Walk { out: Vec::with_capacity(json.len()), trail: Vec::new(), refused: None };
    let mut text = serde_json::Deserializer::from_slice(json);
    let done = Step { plan, walk: &mut walk }.deserialize(&mut text).and_then(|()| text.end());
    match (done, walk.refused.take()) {
        (Ok(()), _) => Ok(walk.out),
        (Err(_), Some(refused)) => Err(refused),
        (Err(error), None) => Err(JsonError { pointer: walk.pointer(), message: error.to_string() }.into()),
    }
}

/// What has been written so far, and where in the text that is.
struct Walk {
    out: Vec<u8>,
    trail: Vec<String>,
    /// Why it ended, where it was not the text's grammar.
    refused: Option<TranslateError>,
}

impl Walk {
    fn pointer(&self) -> String {
        let mut trail = Trail::default();
        self.trail.iter().rev().for_each(|segment| trail.push(segment));
        trail.pointer()
    }

    /// Ends the walk: the other form has nothing for what stands here.
    fn refuse<T, E: serde::de::Error>(&mut self, what: String) -> Result<T, E> {
        self.refused = Some(TranslateError::Untranslatable { pointer: self.pointer(), what });
        Err(E::custom(""))
    }

    /// Ends the walk: what stands here is not of the form that is translated.
    fn malformed<T, E: serde::de::Error>(&mut self, message: String) -> Result<T, E> {
        self.refused = Some(JsonError { pointer: self.pointer(), message }.into());
        Err(E::custom(""))
    }

    fn write(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Writes a text as JSON.
    fn write_text<E: serde::de::Error>(&mut self, text: &str) -> Result<(), E> {
        serde_json::to_writer(&mut self.out, text).map_err(E::custom)
    }

    /// Writes what separates members or items.
    fn separate(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(b',');
        }
    }

    /// Does something with a member or an item.
    fn within<T, E>(&mut self, segment: impl ToString, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        self.trail.push(segment.to_string());
        let done = work(self)?;
        // Where it failed the trail stays: it is where.
        self.trail.pop();
        Ok(done)
    }
}

/// One value.
struct Step<'p, 'w> {
    plan: &'p Plan,
    walk: &'w mut Walk,
}

impl<'de> DeserializeSeed<'de> for Step<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.plan {
            Plan::Same => {
                let raw: &RawValue = serde::Deserialize::deserialize(deserializer)?;
                self.walk.write(raw.get());
                Ok(())
            }
            Plan::Nothing => {
                deserializer.deserialize_ignored_any(IgnoredAny)?;
                self.walk.write("null");
                Ok(())
            }
            Plan::Optional(_) | Plan::Wrapped(_) | Plan::Needed(_) => deserializer.deserialize_option(self),
            Plan::List(_) | Plan::Tuple(_) | Plan::Names(_) => deserializer.deserialize_seq(self),
            Plan::Entries(_) | Plan::Record(_) => deserializer.deserialize_map(self),
            Plan::Name(_) => deserializer.deserialize_str(self),
            Plan::Cases(_) => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Step<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.plan {
            Plan::List(_) | Plan::Tuple(_) | Plan::Names(_) => "a list",
            Plan::Entries(_) | Plan::Record(_) => "an object",
            Plan::Name(_) => "a string",
            Plan::Cases(_) => "an object with one member, or the name of a case that has no value",
            _ => "a value",
        })
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_none()
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        match self.plan {
            Plan::Optional(_) | Plan::Wrapped(_) => {
                self.walk.write("null");
                Ok(())
            }
            Plan::Needed(_) => self.walk.refuse(absent()),
            _ => Err(E::invalid_type(serde::de::Unexpected::Unit, &self)),
        }
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.plan {
            Plan::Optional(plan) | Plan::Needed(plan) => Step { plan, walk: self.walk }.deserialize(deserializer),
            _ => deserializer.deserialize_map(self),
        }
    }

    fn visit_str<E: serde::de::Error>(mut self, name: &str) -> Result<(), E> {
        match self.plan {
            Plan::Name(known) => is_known(self.walk, known, name)?,
            Plan::Cases(cases) => {
                self.case_of(cases, name)?;
            }
            _ => return Err(E::invalid_type(serde::de::Unexpected::Str(name), &self)),
        }
        self.walk.write_text(name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { plan, walk } = self;
        let mut first = true;
        walk.write("[");
        match plan {
            Plan::Names(known) => {
                while let Some(name) = items.next_element::<Cow<'_, str>>()? {
                    walk.separate(&mut first);
                    is_known(walk, known, &name)?;
                    walk.write_text(&name)?;
                }
            }
            Plan::Tuple(plans) => {
                for (at, plan) in plans.iter().enumerate() {
                    walk.separate(&mut first);
                    let item = walk.within(at, |walk| items.next_element_seed(Step { plan, walk }))?;
                    if item.is_none() {
                        return Err(A::Error::custom(format!("expected a list of {}, found {at}", plans.len())));
                    }
                }
            }
            Plan::List(plan) => {
                for at in 0_usize.. {
                    let mut next = Item { plan, first: &mut first, walk };
                    next.walk.trail.push(at.to_string());
                    let more = items.next_element_seed(&mut next)?.is_some();
                    walk.trail.pop();
                    if !more {
                        break;
                    }
                }
            }
            _ => return Err(A::Error::custom("a list stands where none is translated")),
        }
        walk.write("]");
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.walk.write("{");
        match self.plan {
            Plan::Record(members) => record(members, self.walk, map)?,
            Plan::Entries(plan) => {
                let mut first = true;
                while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                    self.walk.separate(&mut first);
                    member(plan, self.walk, &key, &mut map)?;
                }
            }
            Plan::Wrapped(plan) => one(&mut map, self.walk, |_, name| Ok((name == "some").then_some(&**plan)))?,
            Plan::Cases(cases) => {
                let Self { plan, walk } = self;
                one(&mut map, walk, |walk, name| Step { plan, walk }.case_of(cases, name).map(Some))?;
                walk.write("}");
                return Ok(());
            }
            _ => return Err(A::Error::custom("an object stands where none is translated")),
        }
        self.walk.write("}");
        Ok(())
    }
}

impl<'p> Step<'p, '_> {
    /// What is done with a case's value.
    fn case_of<E: serde::de::Error>(&mut self, cases: &'p Cases, name: &str) -> Result<&'p Plan, E> {
        is_known(self.walk, &cases.known, name)?;
        cases.cases.get(name).ok_or_else(|| E::custom("a case that both forms have and nobody compared"))
    }
}

/// An item of a list, if there is one more.
struct Item<'p, 'w> {
    plan: &'p Plan,
    first: &'w mut bool,
    walk: &'w mut Walk,
}

impl<'de> DeserializeSeed<'de> for &mut Item<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.walk.separate(self.first);
        Step { plan: self.plan, walk: self.walk }.deserialize(deserializer)
    }
}

/// A member's name and its value.
fn member<'de, A: MapAccess<'de>>(plan: &Plan, walk: &mut Walk, name: &str, map: &mut A) -> Result<(), A::Error> {
    walk.write_text(name)?;
    walk.write(":");
    walk.within(name, |walk| map.next_value_seed(Step { plan, walk }))
}

/// The one member of an object that has one, with what is done with its value.
fn one<'p, 'de, A: MapAccess<'de>>(
    map: &mut A,
    walk: &mut Walk,
    plan: impl FnOnce(&mut Walk, &str) -> Result<Option<&'p Plan>, A::Error>,
) -> Result<(), A::Error> {
    let Some(name) = map.next_key::<Cow<'_, str>>()? else {
        return Err(A::Error::custom("expected an object with one member"));
    };
    let Some(plan) = plan(walk, &name)? else {
        return Err(A::Error::custom("expected null or an object with the one member `some`"));
    };
    member(plan, walk, &name, map)?;
    match map.next_key::<IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("expected an object with one member")),
    }
}

fn record<'de, A: MapAccess<'de>>(members: &Members, walk: &mut Walk, mut map: A) -> Result<(), A::Error> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut first = true;
    while let Some(name) = map.next_key::<Cow<'_, str>>()? {
        let Some((known, what)) = members.members.get_key_value(&*name) else {
            let hint = did_you_mean(&name, members.members.keys().map(String::as_str));
            return walk.within(&name, |walk| walk.malformed(format!("there is no member of this name.{hint}")));
        };
        if !seen.insert(known) {
            return walk.within(&name, |walk| walk.malformed("it stands there twice".to_owned()));
        }
        match what {
            Member::Take(plan, _) => {
                walk.separate(&mut first);
                member(plan, walk, &name, &mut map)?;
            }
            Member::Drop => {
                map.next_value::<IgnoredAny>()?;
            }
            Member::Refuse(shape) => {
                let given: &RawValue = map.next_value()?;
                if !says_nothing(shape, given.get()) {
                    let what = format!("`{name}` is given, and there is nothing like it where this goes");
                    return walk.within(&name, |walk| walk.refuse(what));
                }
            }
        }
    }
    for (name, member) in members.members.iter().filter(|(name, _)| !seen.contains(name.as_str())) {
        let Member::Take(plan, what) = member else { continue };
        match what {
            Absent::Same => {}
            Absent::Needed => return walk.within(name, |walk| walk.refuse(absent())),
            Absent::Required => return walk.within(name, |walk| walk.malformed("it must be given".to_owned())),
            Absent::Means(text) => {
                walk.separate(&mut first);
                walk.write_text(name)?;
                walk.write(":");
                let mut text = serde_json::Deserializer::from_str(text);
                walk.within(name, |walk| Step { plan, walk }.deserialize(&mut text)).map_err(A::Error::custom)?;
            }
        }
    }
    Ok(())
}

fn absent() -> String {
    "it is not given, and must be there where this goes".to_owned()
}

/// Whether a name is one where the value goes.
fn is_known<E: serde::de::Error>(walk: &mut Walk, known: &Known, name: &str) -> Result<(), E> {
    let list = |names: &BTreeSet<String>| {
        names.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    if !known.from.contains(name) {
        let hint = did_you_mean(name, known.from.iter().map(String::as_str));
        return walk.malformed(format!("expected one of {}.{hint}", list(&known.from)));
    }
    if !known.to.contains(name) {
        return walk.refuse(format!("`{}` has no `{name}` where this goes, only {}", known.of, list(&known.to)));
    }
    Ok(())
}

/// Whether a value is what stands for one that is left out.
fn says_nothing(shape: &Shape, text: &str) -> bool {
    if text == "null" {
        return true;
    }
    match shape {
        Shape::Bool => text == "false",
        Shape::List(_) | Shape::Flags(_) => {
            text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|items| items.trim().is_empty())
        }
        Shape::Record(record) => {
            let Ok(members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text) else { return false };
            members.iter().all(|(name, value)| {
                let field = record.fields.iter().find(|field| field.name == *name);
                field.is_some_and(|field| says_nothing(&field.shape, value.get()))
            })
        }
        _ => false,
    }
}
