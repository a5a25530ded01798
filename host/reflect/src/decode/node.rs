//! One value of a shape: what a text may be there, and the value it becomes.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use wasmtime::component::Val;

use super::{Context, SAFE_INTEGER, members::members};
use crate::{
    shape::{Names, Record, Shape, Variant},
    suggest::did_you_mean,
};

/// One value of a shape.
pub(super) struct Node<'s> {
    pub(super) shape: &'s Shape,
    pub(super) context: Context,
}

impl<'s> Node<'s> {
    fn child<'t>(&self, shape: &'t Shape) -> Node<'t> {
        Node { shape, context: self.context.clone() }
    }

    pub(super) fn mismatch<T, E: serde::de::Error>(&self, found: &str) -> Result<T, E> {
        Err(E::custom(format!("expected {}, found {found}", self.shape.expected())))
    }

    pub(super) fn member<E: serde::de::Error>(&self, names: &Names, text: &str) -> Result<String, E> {
        match names.members.iter().find(|(name, _)| name == text) {
            Some((name, _)) => Ok(name.clone()),
            None => {
                let hint = did_you_mean(text, names.members.iter().map(|(n, _)| n.as_str()));
                Err(E::custom(format!("expected {}, found another text.{hint}", self.shape.expected())))
            }
        }
    }

    pub(super) fn unknown_case<T, E: serde::de::Error>(&self, variant: &Variant, name: &str) -> Result<T, E> {
        let hint = did_you_mean(name, variant.cases.iter().map(|c| c.name.as_str()));
        Err(E::custom(format!("expected {}, found another member.{hint}", self.shape.expected())))
    }

    fn record<'de, A: MapAccess<'de>>(&self, record: &Record, map: A) -> Result<Val, A::Error> {
        let fields = record.fields.iter().map(|f| (f.name.as_str(), &f.shape));
        let what = format!("`{}`", record.name.name);
        let values = members(&self.context, fields, &what, map)?;
        Ok(Val::Record(record.fields.iter().map(|f| f.name.clone()).zip(values).collect()))
    }

    /// `{"name": payload}` with exactly one member.
    fn tagged<'de, A: MapAccess<'de>, T>(
        &self,
        mut map: A,
        choose: impl FnOnce(&Self, &str, &mut A) -> Result<T, A::Error>,
    ) -> Result<T, A::Error> {
        let Some(tag) = map.next_key::<Cow<'_, str>>()? else { return self.mismatch("an empty object") };
        let value = self.context.at(&tag, choose(self, &tag, &mut map))?;
        match map.next_key::<Cow<'_, str>>()? {
            None => Ok(value),
            Some(_) => self.mismatch("an object with more than one member"),
        }
    }

    fn payload<'de, A: MapAccess<'de>>(
        &self,
        shape: Option<&Shape>,
        map: &mut A,
    ) -> Result<Option<Box<Val>>, A::Error> {
        match shape {
            Some(shape) => Ok(Some(Box::new(map.next_value_seed(self.child(shape))?))),
            None => match map.next_value::<Option<serde::de::IgnoredAny>>()? {
                None => Ok(None),
                Some(_) => Err(A::Error::custom("expected null: this case carries no value")),
            },
        }
    }

    fn items<'de, A: SeqAccess<'de>>(&self, item: &Shape, mut seq: A) -> Result<Vec<Val>, A::Error> {
        let mut items = Vec::new();
        while let Some(value) = self.context.at(items.len(), seq.next_element_seed(self.child(item)))? {
            items.push(value);
        }
        Ok(items)
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Val;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Val, D::Error> {
        self.context.count()?;
        match self.shape {
            Shape::Option(inner) if !inner.is_nullable() => {
                let inner = Optional(self.child(inner));
                Ok(Val::Option(deserializer.deserialize_any(inner)?.map(Box::new)))
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

/// A value or null.
struct Optional<'s>(Node<'s>);

macro_rules! forward {
    ($($visit:ident($ty:ty)),*) => {$(
        fn $visit<E: serde::de::Error>(self, value: $ty) -> Result<Self::Value, E> {
            self.0.$visit(value).map(Some)
        }
    )*};
}

impl<'de> Visitor<'de> for Optional<'_> {
    type Value = Option<Val>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null or a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Option<Val>, E> {
        Ok(None)
    }

    forward!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str), visit_string(String));

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Option<Val>, A::Error> {
        self.0.visit_seq(seq).map(Some)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<Val>, A::Error> {
        self.0.visit_map(map).map(Some)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Val;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shape.expected())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Val, E> {
        match self.shape {
            // Only an option of an option gets here: any other is met by `Optional`.
            Shape::Option(_) => Ok(Val::Option(None)),
            _ => self.mismatch("null"),
        }
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Val, E> {
        match self.shape {
            Shape::Bool => Ok(Val::Bool(value)),
            _ => self.mismatch(if value { "true" } else { "false" }),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Val, E> {
        self.integer(value.into(), "a number")
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Val, E> {
        self.integer(value.into(), "a number")
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Val, E> {
        match self.shape {
            #[expect(clippy::cast_possible_truncation, reason = "this finds out whether it fits")]
            Shape::F32 if !(value as f32).is_finite() => self.mismatch("a number that is too large for 32 bits"),
            Shape::F32 | Shape::F64 => Ok(self.float(value)),
            // JSON Schema calls 1.0 an integer, so it is one here.
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "within 2^53 it is exact")]
            _ if value.fract() == 0.0 && value.abs() <= SAFE_INTEGER as f64 => self.integer(value as i128, "a number"),
            _ => self.mismatch("a number"),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Val, E> {
        self.text(Cow::Borrowed(text))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Val, E> {
        self.text(Cow::Owned(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Val, A::Error> {
        match self.shape {
            Shape::List(item) => Ok(Val::List(self.items(item, seq)?)),
            Shape::FixedList(item, n) => {
                let items = self.items(item, seq)?;
                if items.len() == *n {
                    Ok(Val::FixedLengthList(items))
                } else {
                    self.mismatch(&format!("a list of {}", items.len()))
                }
            }
            Shape::Tuple(shapes) => {
                let mut items = Vec::with_capacity(shapes.len());
                for (i, shape) in shapes.iter().enumerate() {
                    match self.context.at(i, seq.next_element_seed(self.child(shape)))? {
                        Some(value) => items.push(value),
                        None => return self.mismatch(&format!("a list of {i}")),
                    }
                }
                match seq.next_element::<serde::de::IgnoredAny>()? {
                    None => Ok(Val::Tuple(items)),
                    Some(_) => self.mismatch("a longer list"),
                }
            }
            Shape::Flags(names) => {
                let mut set: Vec<String> = Vec::new();
                while let Some(name) = self.context.at(set.len(), seq.next_element::<Cow<'_, str>>())? {
                    let name = self.context.at(set.len(), self.member(names, &name))?;
                    if set.contains(&name) {
                        return Err(A::Error::custom(format!("`{name}` stands there twice")));
                    }
                    set.push(name);
                }
                Ok(Val::Flags(set))
            }
            Shape::Map(key, value) if !matches!(**key, Shape::String) => {
                let pair = Shape::Tuple([(**key).clone(), (**value).clone()].into());
                let mut pairs = Vec::new();
                while let Some(value) = self.context.at(pairs.len(), seq.next_element_seed(self.child(&pair)))? {
                    let Val::Tuple(mut both) = value else { return self.mismatch("something else") };
                    if let (Some(value), Some(key)) = (both.pop(), both.pop()) {
                        pairs.push((key, value));
                    }
                }
                Ok(Val::Map(pairs))
            }
            _ => self.mismatch("a list"),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Val, A::Error> {
        match self.shape {
            Shape::Record(record) => self.record(record, map),
            Shape::Variant(variant) => self.tagged(map, |node, tag, map| {
                let Some(case) = variant.cases.iter().find(|c| c.name == tag) else {
                    return node.unknown_case(variant, tag);
                };
                Ok(Val::Variant(case.name.clone(), node.payload(case.shape.as_ref(), map)?))
            }),
            Shape::Result(ok, err) => self.tagged(map, |node, tag, map| match tag {
                "ok" => Ok(Val::Result(Ok(node.payload(ok.as_deref(), map)?))),
                "error" => Ok(Val::Result(Err(node.payload(err.as_deref(), map)?))),
                _ => node.mismatch("another member"),
            }),
            Shape::Option(inner) => self.tagged(map, |node, tag, map| match tag {
                "some" => Ok(Val::Option(node.payload(Some(inner), map)?)),
                _ => node.mismatch("another member"),
            }),
            Shape::Map(key, value) if matches!(**key, Shape::String) => {
                let mut pairs: Vec<(Val, Val)> = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value = self.context.at(&name, map.next_value_seed(self.child(value)))?;
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!("`{name}` stands there twice")));
                    }
                    pairs.push((Val::String(name), value));
                }
                Ok(Val::Map(pairs))
            }
            _ => self.mismatch("an object"),
        }
    }
}
