//! One value of a shape: what a text may be there, and the bytes it becomes.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    Context, SAFE_INTEGER,
    members::{Member, members},
};
use crate::{
    image::Open,
    layout::{Layout, pair},
    shape::{Names, Record, Shape, Variant},
    suggest::did_you_mean,
};

/// One value of a shape.
pub(super) struct Node<'s> {
    pub(super) shape: &'s Shape,
    /// Where its bytes go.
    pub(super) at: usize,
    pub(super) context: Context<'s>,
}

impl<'s> Node<'s> {
    fn child<'t>(&self, shape: &'t Shape, at: usize) -> Node<'t>
    where
        's: 't,
    {
        Node { shape, at, context: self.context }
    }

    /// Writes the value. It always succeeds, and says so in the words of whoever reads.
    pub(super) fn put<E>(&self, bytes: &[u8]) -> Result<(), E> {
        self.context.image(|image| image.put(self.at, bytes));
        Ok(())
    }

    /// Writes which of so many cases it is.
    pub(super) fn put_case<E>(&self, case: usize, of: usize) -> Result<(), E> {
        self.context.image(|image| image.put_case(self.at, case, of));
        Ok(())
    }

    pub(super) fn mismatch<T, E: serde::de::Error>(&self, found: &str) -> Result<T, E> {
        Err(E::custom(format!("expected {}, found {found}", self.shape.expected())))
    }

    /// Which of the names it is.
    pub(super) fn member<E: serde::de::Error>(&self, names: &Names, text: &str) -> Result<usize, E> {
        names.members.iter().position(|(name, _)| name == text).ok_or_else(|| {
            let hint = did_you_mean(text, names.members.iter().map(|(n, _)| n.as_str()));
            E::custom(format!("expected {}, found another text.{hint}", self.shape.expected()))
        })
    }

    pub(super) fn unknown_case<T, E: serde::de::Error>(&self, variant: &Variant, name: &str) -> Result<T, E> {
        let hint = did_you_mean(name, variant.cases.iter().map(|c| c.name.as_str()));
        Err(E::custom(format!("expected {}, found another member.{hint}", self.shape.expected())))
    }

    fn record<'de, A: MapAccess<'de>>(&self, record: &Record, map: A) -> Result<(), A::Error> {
        let member = |i: usize| {
            record.fields.get(i).zip(record.offsets.get(i)).map(|(field, offset)| Member {
                name: &field.name,
                shape: &field.shape,
                at: self.at + offset,
            })
        };
        members(self.context, record.fields.len(), member, || format!("`{}`", record.name.name), map)
    }

    /// `{"name": payload}` with exactly one member: `choose` says which case of how many it is, and what it carries.
    fn tagged<'de, A: MapAccess<'de>>(
        &self,
        mut map: A,
        cases: usize,
        choose: impl FnOnce(&str) -> Result<(usize, Option<&'s Shape>), A::Error>,
    ) -> Result<(), A::Error> {
        let Some(tag) = map.next_key::<Cow<'_, str>>()? else { return self.mismatch("an empty object") };
        let value = choose(&tag).and_then(|(case, shape)| {
            self.put_case(case, cases)?;
            self.payload(shape, &mut map)
        });
        self.context.at(&tag, value)?;
        match map.next_key::<Cow<'_, str>>()? {
            None => Ok(()),
            Some(_) => self.mismatch("an object with more than one member"),
        }
    }

    fn payload<'de, A: MapAccess<'de>>(&self, shape: Option<&Shape>, map: &mut A) -> Result<(), A::Error> {
        match shape {
            Some(shape) => map.next_value_seed(self.child(shape, self.at + self.shape.payload())),
            None => match map.next_value::<Option<IgnoredAny>>()? {
                None => Ok(()),
                Some(_) => Err(A::Error::custom("expected null: this case carries no value")),
            },
        }
    }

    /// Reads a list into a block of its own, an item with each call of `read` that finds one.
    fn list<E: serde::de::Error>(
        &self,
        item: Layout,
        mut read: impl FnMut(usize, Item<'s>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let list: Open = self.context.image(|image| image.open());
        let mut items = 0;
        while read(items, Item { context: self.context, size: item.size })? {
            items += 1;
        }
        self.context.grow(|image| image.close(self.at, &list, item.align, items))
    }

    /// Items that stand beside each other, as many as there must be.
    fn fixed<'de, 't, A: SeqAccess<'de>>(
        &self,
        count: usize,
        place: impl Fn(usize) -> Option<(&'t Shape, usize)>,
        mut seq: A,
    ) -> Result<(), A::Error>
    where
        's: 't,
    {
        for i in 0..count {
            let Some((shape, offset)) = place(i) else { break };
            let node = Node { shape, at: self.at + offset, context: self.context };
            if self.context.at(i, seq.next_element_seed(node))?.is_none() {
                return self.mismatch(&format!("a list of {i}"));
            }
        }
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => self.mismatch("a longer list"),
        }
    }
}

/// The next item of a list. Its room is made only when there is one.
struct Item<'c> {
    context: Context<'c>,
    size: usize,
}

/// Reads an item as a shape.
struct Shaped<'s>(Item<'s>, &'s Shape);

impl<'de> DeserializeSeed<'de> for Shaped<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self(Item { context, size }, shape) = self;
        let at = context.grow(|image| image.item(size))?;
        Node { shape, at, context }.deserialize(deserializer)
    }
}

/// Reads an item as a pair, `[key, value]`.
struct Pair<'s>(Item<'s>, &'s Shape, &'s Shape);

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of a key and its value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        let Self(Item { context, size }, key, value) = self;
        let at = context.grow(|image| image.item(size))?;
        let both = [(key, 0), (value, pair(key, value).1)];
        let node = Node { shape: key, at, context };
        node.fixed(2, |i| both.get(i).copied(), seq)
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.shape {
            Shape::Option(inner) if !inner.is_nullable() => {
                let inner = self.child(inner, self.at + self.shape.payload());
                if deserializer.deserialize_any(Optional(inner))? {
                    self.put_case(1, 2)?;
                }
                Ok(())
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

/// A value or null; whether it was a value.
struct Optional<'s>(Node<'s>);

macro_rules! forward {
    ($($visit:ident($ty:ty)),*) => {$(
        fn $visit<E: serde::de::Error>(self, value: $ty) -> Result<bool, E> {
            self.0.$visit(value).map(|()| true)
        }
    )*};
}

impl<'de> Visitor<'de> for Optional<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null or a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    forward!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str), visit_string(String));

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
        self.0.visit_seq(seq).map(|()| true)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        self.0.visit_map(map).map(|()| true)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shape.expected())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        match self.shape {
            // Only an option of an option gets here: any other is met by `Optional`. None is all zeros.
            Shape::Option(_) => Ok(()),
            _ => self.mismatch("null"),
        }
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        match self.shape {
            Shape::Bool => self.put(&[value.into()]),
            _ => self.mismatch(if value { "true" } else { "false" }),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.integer(value.into(), "a number")
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.integer(value.into(), "a number")
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        match self.shape {
            #[expect(clippy::cast_possible_truncation, reason = "this finds out whether it fits")]
            Shape::F32 if !(value as f32).is_finite() => self.mismatch("a number that is too large for 32 bits"),
            Shape::F32 | Shape::F64 => self.float(value),
            // JSON Schema calls 1.0 an integer, so it is one here.
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "within 2^53 it is exact")]
            _ if value.fract() == 0.0 && value.abs() <= SAFE_INTEGER as f64 => self.integer(value as i128, "a number"),
            _ => self.mismatch("a number"),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<(), E> {
        self.text(&text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        match self.shape {
            Shape::List(shape) => self.list(shape.layout(), |i, item| {
                Ok(self.context.at(i, seq.next_element_seed(Shaped(item, shape)))?.is_some())
            }),
            Shape::Map(key, value) if !matches!(**key, Shape::String) => self.list(pair(key, value).0, |i, item| {
                Ok(self.context.at(i, seq.next_element_seed(Pair(item, key, value)))?.is_some())
            }),
            Shape::FixedList(item, n) => {
                let size = item.layout().size;
                self.fixed(*n, |i| Some((item, i * size)), seq)
            }
            Shape::Tuple(tuple) => {
                let place = |i: usize| tuple.items.get(i).zip(tuple.offsets.get(i).copied());
                self.fixed(tuple.items.len(), place, seq)
            }
            Shape::Flags(names) => {
                let mut count = 0;
                while let Some(name) = self.context.at(count, seq.next_element::<Cow<'_, str>>())? {
                    let flag = self.context.at(count, self.member(names, &name))?;
                    if self.context.image(|image| image.set_flag(self.at, flag)) {
                        return Err(A::Error::custom(format!("`{name}` stands there twice")));
                    }
                    count += 1;
                }
                Ok(())
            }
            _ => self.mismatch("a list"),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.shape {
            Shape::Record(record) => self.record(record, map),
            Shape::Variant(variant) => self.tagged(map, variant.cases.len(), |tag| {
                match variant.cases.iter().enumerate().find(|(_, case)| case.name == tag) {
                    Some((index, case)) => Ok((index, case.shape.as_ref())),
                    None => self.unknown_case(variant, tag),
                }
            }),
            Shape::Result(ok, err) => self.tagged(map, 2, |tag| match tag {
                "ok" => Ok((0, ok.as_deref())),
                "error" => Ok((1, err.as_deref())),
                _ => self.mismatch("another member"),
            }),
            Shape::Option(inner) => self.tagged(map, 2, |tag| match tag {
                "some" => Ok((1, Some(&**inner))),
                _ => self.mismatch("another member"),
            }),
            Shape::Map(key, value) if matches!(**key, Shape::String) => {
                let mut names = std::collections::HashSet::new();
                let (layout, offset) = pair(key, value);
                self.list(layout, |_, item| {
                    let Some(name) = map.next_key::<String>()? else { return Ok(false) };
                    let at = self.context.grow(|image| image.item(item.size))?;
                    self.context.grow(|image| image.leaf(at, name.as_bytes(), true))?;
                    self.context.at(&name, map.next_value_seed(self.child(value, at + offset)))?;
                    if names.contains(&name) {
                        return Err(A::Error::custom(format!("`{name}` stands there twice")));
                    }
                    names.insert(name);
                    Ok(true)
                })
            }
            _ => self.mismatch("an object"),
        }
    }
}
