//! Named members: the fields of a record, the parameters of a call.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};

use super::{Context, node::Node};
use crate::{Param, shape::Shape, suggest::did_you_mean};

/// The parameters of a call.
pub(super) struct Members<'s> {
    pub(super) params: &'s [Param],
    /// Where each of them is in the image.
    pub(super) offsets: &'s [usize],
    pub(super) context: Context<'s>,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one member a parameter")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let member = |i: usize| {
            self.params.get(i).zip(self.offsets.get(i)).map(|(param, at)| Member {
                name: &param.name,
                shape: &param.shape,
                at: *at,
            })
        };
        members(self.context, self.params.len(), member, || "this operation".to_owned(), map)
    }
}

/// One of the members that may be there.
pub(super) struct Member<'s> {
    pub(super) name: &'s str,
    pub(super) shape: &'s Shape,
    /// Where its value goes.
    pub(super) at: usize,
}

/// Reads `count` named members in any order; refuses unknown ones and repetitions, fills in what may be left out.
pub(super) fn members<'s, 'de, A: MapAccess<'de>>(
    context: Context<'_>,
    count: usize,
    member: impl Fn(usize) -> Option<Member<'s>>,
    what: impl Fn() -> String,
    mut map: A,
) -> Result<(), A::Error> {
    let mut seen = Seen::default();
    // Most writers keep the order, so the next one is looked for first.
    let mut next = 0;
    while let Some(name) = map.next_key::<Cow<'_, str>>()? {
        let found = (next..count).chain(0..next).find_map(|i| Some((i, member(i).filter(|m| m.name == name)?)));
        let Some((index, found)) = found else {
            let hint = did_you_mean(&name, (0..count).filter_map(|i| Some(member(i)?.name)));
            return context.at(&name, Err(A::Error::custom(format!("{} has no member of this name.{hint}", what()))));
        };
        if seen.add(index) {
            return context.at(&name, Err(A::Error::custom("it stands there twice")));
        }
        context.at(&name, map.next_value_seed(Node { shape: found.shape, at: found.at, context }))?;
        next = index + 1;
    }
    for missing in (0..count).filter(|i| !seen.has(*i)).filter_map(member) {
        if !missing.shape.has_default() {
            let error = format!("`{}` is missing; expected {}", missing.name, missing.shape.expected());
            return context.at(missing.name, Err(A::Error::custom(error)));
        }
        context.at(missing.name, default(context, missing.shape, missing.at))?;
    }
    Ok(())
}

/// What a value is when it is left out. All but lists are zeros, which is what an image begins as.
fn default<E: serde::de::Error>(context: Context<'_>, shape: &Shape, at: usize) -> Result<(), E> {
    match shape {
        Shape::List(item) => context.grow(|image| {
            let list = image.open();
            image.close(at, &list, item.layout().align, 0)
        }),
        Shape::Record(record) => {
            let mut fields = record.fields.iter().zip(&record.offsets);
            fields.try_for_each(|(field, offset)| default(context, &field.shape, at + offset))
        }
        _ => Ok(()),
    }
}

/// Which members were there.
#[derive(Default)]
struct Seen {
    first: u64,
    others: Vec<bool>,
}

impl Seen {
    /// Whether it was there before.
    fn add(&mut self, index: usize) -> bool {
        let was = self.has(index);
        match index.checked_sub(64) {
            None => self.first |= 1 << index,
            Some(index) => {
                if self.others.len() <= index {
                    self.others.resize(index + 1, false);
                }
                self.others[index] = true;
            }
        }
        was
    }

    fn has(&self, index: usize) -> bool {
        match index.checked_sub(64) {
            None => self.first & 1 << index != 0,
            Some(index) => self.others.get(index).copied().unwrap_or(false),
        }
    }
}
