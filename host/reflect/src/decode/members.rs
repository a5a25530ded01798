//! Named members: the fields of a record, the parameters of a call.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use wasmtime::component::Val;

use super::{Context, node::Node};
use crate::{Param, shape::Shape, suggest::did_you_mean};

/// The parameters of a call.
pub(super) struct Members<'s> {
    pub(super) params: &'s [Param],
    pub(super) context: Context,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Vec<Val>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Val>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<Val>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one member a parameter")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Val>, A::Error> {
        members(&self.context, self.params.iter().map(|p| (p.name.as_str(), &p.shape)), "this operation", map)
    }
}

/// Reads named members in any order; refuses unknown ones and repetitions, fills in what may be left out.
pub(super) fn members<'s, 'de, A: MapAccess<'de>>(
    context: &Context,
    shapes: impl ExactSizeIterator<Item = (&'s str, &'s Shape)> + Clone,
    what: &str,
    mut map: A,
) -> Result<Vec<Val>, A::Error> {
    let mut values: Vec<Option<Val>> = (0..shapes.len()).map(|_| None).collect();
    while let Some(name) = map.next_key::<Cow<'_, str>>()? {
        let Some((i, (_, shape))) = shapes.clone().enumerate().find(|(_, (n, _))| *n == name) else {
            let hint = did_you_mean(&name, shapes.map(|(n, _)| n));
            return context.at(&name, Err(A::Error::custom(format!("{what} has no member of this name.{hint}"))));
        };
        if values[i].is_some() {
            return context.at(&name, Err(A::Error::custom("it stands there twice")));
        }
        let node = Node { shape, context: context.clone() };
        values[i] = Some(context.at(&name, map.next_value_seed(node))?);
    }
    let missing =
        |name: &str, shape: &Shape| A::Error::custom(format!("`{name}` is missing; expected {}", shape.expected()));
    shapes
        .zip(values)
        .map(|((name, shape), value)| {
            value.or_else(|| shape.default_value()).ok_or_else(|| {
                context.0.trail.borrow_mut().push(name);
                missing(name, shape)
            })
        })
        .collect()
}
