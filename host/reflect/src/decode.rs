//! From JSON text to component values, guided by a [`Shape`], without a tree in between.
//!
//! The shape says what may come next, so a text nested more deeply than its type is refused at its first bracket too
//! many, and the number of values is counted as they are made: a small text cannot become a large value. An error carries
//! the JSON Pointer of the place; it is put together only once there is an error.

use std::{borrow::Cow, cell::RefCell, fmt, rc::Rc};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use wasmtime::component::Val;

use crate::{
    JsonError, Param,
    error::Trail,
    shape::{Names, Record, Shape, Variant},
    suggest::did_you_mean,
};

/// Bounds on a JSON text and the values made from it.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// The longest text, in bytes.
    pub max_bytes: usize,
    /// The most values: every number, text, list and object counts as one. A value takes about 40 bytes of memory.
    pub max_values: usize,
}

impl Default for JsonLimits {
    /// 8 MiB of text, a million values (about 40 MiB).
    fn default() -> Self {
        Self { max_bytes: 8 << 20, max_values: 1 << 20 }
    }
}

/// Standard alphabet; padding may be left out.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The integers that every JSON reader keeps exactly: ±(2^53 - 1).
pub(crate) const SAFE_INTEGER: i128 = (1 << 53) - 1;

/// Reads one value of `shape` from a JSON text.
pub fn decode(shape: &Shape, json: &[u8], limits: &JsonLimits) -> Result<Val, JsonError> {
    run(json, limits, |context| Node { shape, context })
}

/// Reads an object with one member a parameter, in any order, into values in the parameters' order.
pub(crate) fn decode_members(params: &[Param], json: &[u8], limits: &JsonLimits) -> Result<Vec<Val>, JsonError> {
    run(json, limits, |context| Members { params, context })
}

fn run<'a, T: DeserializeSeed<'a>>(
    json: &'a [u8],
    limits: &JsonLimits,
    seed: impl FnOnce(Context) -> T,
) -> Result<T::Value, JsonError> {
    if json.len() > limits.max_bytes {
        return Err(JsonError::new(format!("the JSON is longer than {} bytes", limits.max_bytes)));
    }
    let context = Context(Rc::new(Shared {
        trail: RefCell::default(),
        left: std::cell::Cell::new(limits.max_values),
        limit: limits.max_values,
    }));
    let mut text = serde_json::Deserializer::from_slice(json);
    let value = seed(context.clone()).deserialize(&mut text).and_then(|value| text.end().map(|()| value));
    value.map_err(|error| {
        let mut message = error.to_string();
        if error.is_data() {
            // The pointer says where; serde_json's line and column would say it twice.
            if let Some(end) = message.rfind(" at line ") {
                message.truncate(end);
            }
        } else {
            message = format!("not JSON: {message}");
        }
        JsonError { pointer: context.0.trail.borrow().pointer(), message }
    })
}

#[derive(Clone)]
struct Context(Rc<Shared>);

struct Shared {
    trail: RefCell<Trail>,
    left: std::cell::Cell<usize>,
    limit: usize,
}

impl Context {
    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        match self.0.left.get().checked_sub(1) {
            Some(left) => {
                self.0.left.set(left);
                Ok(())
            }
            None => Err(E::custom(format!("more than {} values", self.0.limit))),
        }
    }

    /// Notes where an error passed on its way up.
    fn at<T, E>(&self, segment: impl ToString, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.0.trail.borrow_mut().push(segment);
        }
        result
    }
}

/// One value of a shape.
struct Node<'s> {
    shape: &'s Shape,
    context: Context,
}

impl<'s> Node<'s> {
    fn child<'t>(&self, shape: &'t Shape) -> Node<'t> {
        Node { shape, context: self.context.clone() }
    }

    fn mismatch<T, E: serde::de::Error>(&self, found: &str) -> Result<T, E> {
        Err(E::custom(format!("expected {}, found {found}", self.shape.expected())))
    }

    fn integer<E: serde::de::Error>(&self, value: i128, found: &str) -> Result<Val, E> {
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

    fn text<E: serde::de::Error>(&self, text: Cow<'_, str>) -> Result<Val, E> {
        match self.shape {
            Shape::String => Ok(Val::String(text.into_owned())),
            Shape::Bytes => match BASE64.decode(text.as_bytes()) {
                Ok(bytes) => {
                    // One value a byte is what the component model makes of it.
                    let left = self.context.0.left.get();
                    if bytes.len() / 16 > left {
                        return Err(E::custom(format!("more than {} values", self.context.0.limit)));
                    }
                    Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
                }
                Err(_) => self.mismatch("a text that is not base64"),
            },
            Shape::Char => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(only), None) => Ok(Val::Char(only)),
                    _ => self.mismatch("a text of another length"),
                }
            }
            Shape::U64 | Shape::S64 => match text.parse::<i128>() {
                Ok(value) if is_plain_integer(&text) => self.integer(value, "a text"),
                _ => self.mismatch("a text that is no such number"),
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
            _ => self.mismatch("a text"),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "an f32 parameter takes the nearest f32")]
    fn float(&self, value: f64) -> Val {
        match self.shape {
            Shape::F32 => Val::Float32(value as f32),
            _ => Val::Float64(value),
        }
    }

    fn member<E: serde::de::Error>(&self, names: &Names, text: &str) -> Result<String, E> {
        match names.members.iter().find(|(name, _)| name == text) {
            Some((name, _)) => Ok(name.clone()),
            None => {
                let hint = did_you_mean(text, names.members.iter().map(|(n, _)| n.as_str()));
                Err(E::custom(format!("expected {}, found another text.{hint}", self.shape.expected())))
            }
        }
    }

    fn unknown_case<T, E: serde::de::Error>(&self, variant: &Variant, name: &str) -> Result<T, E> {
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

/// The parameters of a call.
struct Members<'s> {
    params: &'s [Param],
    context: Context,
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
fn members<'s, 'de, A: MapAccess<'de>>(
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
    let missing = |name: &str, shape: &Shape| A::Error::custom(format!("`{name}` is missing: {}", shape.expected()));
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

/// Digits with at most a minus before them: what `u64` and `s64` are as a text. (`parse` would also take `+1`.)
fn is_plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}
