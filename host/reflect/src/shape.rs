//! The shape of a value: a WIT type made ready for the bridge between JSON and a guest's memory.
//!
//! A [`Shape`] is what remains of a WIT type once names are resolved and aliases followed. It is a tree that shares its
//! branches, is built once when a plugin is installed, and is walked on every call; so it holds no indirection into the
//! WIT it came from. WIT types cannot be recursive, and [`crate::lower`] bounds their depth, so a walk always ends.

use std::sync::Arc;

use crate::{
    layout::{Layout, fields, union},
    stability::Stability,
};

/// The shape of a value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the primitive cases are WIT's own names")]
pub enum Shape {
    Bool,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F32,
    F64,
    Char,
    String,
    /// `list<u8>`: base64 in JSON.
    Bytes,
    /// `list<T>`.
    List(Arc<Shape>),
    /// `list<T, N>`.
    FixedList(Arc<Shape>, usize),
    /// `map<K, V>`.
    Map(Arc<Shape>, Arc<Shape>),
    /// `tuple<…>`.
    Tuple(Arc<Tuple>),
    /// `option<T>`.
    Option(Arc<Shape>),
    /// `result<T, E>` inside a value.
    Result(Option<Arc<Shape>>, Option<Arc<Shape>>),
    Record(Arc<Record>),
    Variant(Arc<Variant>),
    Enum(Arc<Names>),
    Flags(Arc<Names>),
    /// A resource, future, stream or error-context: something with an identity, which JSON cannot carry. The text names it.
    Handle(Arc<str>),
}

/// Where a named type was defined and what its author says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeName {
    /// The interface, e.g. `jackfield:key-value/key-value@0.1.0`.
    pub interface: String,
    /// The name within it, e.g. `entry`.
    pub name: String,
    /// The doc comment.
    pub docs: String,
    /// Since when it is there, and since when it is not to be used any more.
    pub stability: Stability,
}

impl TypeName {
    /// A key for schemas that is unique within a document and allowed in OpenAPI: `key-value.entry`,
    /// `key-value.locks.lock-handle`, `acme.dns.answer`.
    pub fn key(&self) -> String {
        let Ok(id) = self.interface.parse::<crate::InterfaceId>() else { return self.name.clone() };
        let mut key = String::new();
        if id.package.namespace != "jackfield" {
            key.push_str(&id.package.namespace);
            key.push('.');
        }
        key.push_str(&id.package.name);
        key.push('.');
        if id.name != id.package.name {
            key.push_str(&id.name);
            key.push('.');
        }
        key.push_str(&self.name);
        key
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its name and docs.
    pub name: TypeName,
    /// Its fields, in WIT's order.
    pub fields: Vec<Field>,
    /// What it takes in a guest's memory.
    pub(crate) layout: Layout,
    /// Where each field is in it.
    pub(crate) offsets: Vec<usize>,
}

impl Record {
    /// A record of these fields.
    pub fn new(name: TypeName, fields: Vec<Field>) -> Self {
        let (layout, offsets) = self::fields(fields.iter().map(|field| &field.shape));
        Self { name, fields, layout, offsets }
    }
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its doc comment.
    pub docs: String,
    /// What is said of its type's alias: WIT has nothing to say it of a field itself.
    pub stability: Stability,
    /// Its value's shape.
    pub shape: Shape,
}

/// A tuple.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuple {
    /// Its items, in WIT's order.
    pub items: Vec<Shape>,
    pub(crate) layout: Layout,
    pub(crate) offsets: Vec<usize>,
}

impl Tuple {
    /// A tuple of these items.
    pub fn new(items: Vec<Shape>) -> Self {
        let (layout, offsets) = fields(items.iter());
        Self { items, layout, offsets }
    }
}

/// A variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Its name and docs.
    pub name: TypeName,
    /// Its cases, in WIT's order.
    pub cases: Vec<Case>,
    pub(crate) layout: Layout,
    /// Where the payload of every case is.
    pub(crate) payload: usize,
}

impl Variant {
    /// A variant of these cases.
    pub fn new(name: TypeName, cases: Vec<Case>) -> Self {
        let (layout, payload) = union(cases.len(), cases.iter().map(|case| case.shape.as_ref()));
        Self { name, cases, layout, payload }
    }
}

/// A case of a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its doc comment.
    pub docs: String,
    /// Its payload's shape.
    pub shape: Option<Shape>,
}

/// An enum or a set of flags.
#[derive(Clone, Debug, PartialEq)]
pub struct Names {
    /// Its name and docs.
    pub name: TypeName,
    /// The names in it with their docs, in WIT's order.
    pub members: Vec<(String, String)>,
}

impl Shape {
    /// Whether JSON may leave a value of this shape out. It is `none` then, `false`, no items, or a record of which every
    /// field can be left out; anything else must be given.
    pub fn has_default(&self) -> bool {
        match self {
            Self::Option(_) | Self::Bool | Self::List(_) | Self::Flags(_) => true,
            Self::Record(record) => record.fields.iter().all(|field| field.shape.has_default()),
            _ => false,
        }
    }

    /// What the type is called; none where it is spelt out.
    pub(crate) fn type_name(&self) -> Option<&TypeName> {
        match self {
            Self::Record(record) => Some(&record.name),
            Self::Variant(variant) => Some(&variant.name),
            Self::Enum(names) | Self::Flags(names) => Some(&names.name),
            _ => None,
        }
    }

    /// Whether JSON `null` is a value of this shape, so that an option around it needs a wrapper of its own.
    pub fn is_nullable(&self) -> bool {
        matches!(self, Self::Option(_))
    }

    /// The resource, future or stream somewhere inside, if there is one.
    pub fn handle(&self) -> Option<&str> {
        match self {
            Self::Handle(name) => Some(name),
            Self::List(item) | Self::FixedList(item, _) | Self::Option(item) => item.handle(),
            Self::Map(key, value) => key.handle().or_else(|| value.handle()),
            Self::Tuple(tuple) => tuple.items.iter().find_map(Self::handle),
            Self::Result(ok, err) => [ok, err].into_iter().flatten().find_map(|s| s.handle()),
            Self::Record(record) => record.fields.iter().find_map(|f| f.shape.handle()),
            Self::Variant(variant) => variant.cases.iter().filter_map(|c| c.shape.as_ref()).find_map(Self::handle),
            _ => None,
        }
    }

    /// The type as WIT would spell it: `list<string>`, `option<page>`.
    pub fn wit_name(&self) -> String {
        let opt = |s: &Option<Arc<Shape>>| s.as_ref().map_or("_".to_owned(), |s| s.wit_name());
        match self {
            Self::Bool => "bool".into(),
            Self::U8 => "u8".into(),
            Self::U16 => "u16".into(),
            Self::U32 => "u32".into(),
            Self::U64 => "u64".into(),
            Self::S8 => "s8".into(),
            Self::S16 => "s16".into(),
            Self::S32 => "s32".into(),
            Self::S64 => "s64".into(),
            Self::F32 => "f32".into(),
            Self::F64 => "f64".into(),
            Self::Char => "char".into(),
            Self::String => "string".into(),
            Self::Bytes => "list<u8>".into(),
            Self::List(item) => format!("list<{}>", item.wit_name()),
            Self::FixedList(item, n) => format!("list<{}, {n}>", item.wit_name()),
            Self::Map(key, value) => format!("map<{}, {}>", key.wit_name(), value.wit_name()),
            Self::Tuple(tuple) => {
                format!("tuple<{}>", tuple.items.iter().map(Self::wit_name).collect::<Vec<_>>().join(", "))
            }
            Self::Option(inner) => format!("option<{}>", inner.wit_name()),
            Self::Result(ok, err) => format!("result<{}, {}>", opt(ok), opt(err)),
            Self::Record(record) => record.name.name.clone(),
            Self::Variant(variant) => variant.name.name.clone(),
            Self::Enum(names) | Self::Flags(names) => names.name.name.clone(),
            Self::Handle(name) => name.to_string(),
        }
    }

    /// What JSON is expected for this shape, in words, for errors.
    pub fn expected(&self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::U8 => "a whole number from 0 to 255".into(),
            Self::U16 => "a whole number from 0 to 65535".into(),
            Self::U32 => "a whole number from 0 to 4294967295".into(),
            Self::U64 => "a whole number from 0 to 18446744073709551615 (a string of digits beyond 2^53)".into(),
            Self::S8 => "a whole number from -128 to 127".into(),
            Self::S16 => "a whole number from -32768 to 32767".into(),
            Self::S32 => "a whole number from -2147483648 to 2147483647".into(),
            Self::S64 => "a whole number from -2^63 to 2^63-1 (a string of digits beyond 2^53)".into(),
            Self::F32 | Self::F64 => "a number, \"NaN\", \"Infinity\" or \"-Infinity\"".into(),
            Self::Char => "a string of one character".into(),
            Self::String => "a string".into(),
            Self::Bytes => "a string in base64".into(),
            Self::List(_) => "a list".into(),
            Self::FixedList(_, n) => format!("a list of {n}"),
            Self::Map(key, _) if matches!(**key, Self::String) => "an object".into(),
            Self::Map(..) => "a list of pairs".into(),
            Self::Tuple(tuple) => format!("a list of {}", tuple.items.len()),
            Self::Option(inner) if inner.is_nullable() => "null or {\"some\": …}".into(),
            Self::Option(inner) => format!("null or {}", inner.expected()),
            Self::Result(..) => "{\"ok\": …} or {\"error\": …}".into(),
            Self::Record(record) => format!("an object `{}`", record.name.name),
            Self::Variant(variant) => {
                let cases: Vec<_> = variant.cases.iter().map(|c| format!("`{}`", c.name)).collect();
                format!("an object with one of the members {}", cases.join(", "))
            }
            Self::Enum(names) => {
                let members: Vec<_> = names.members.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                format!("one of {}", members.join(", "))
            }
            Self::Flags(names) => {
                let members: Vec<_> = names.members.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                format!("a list of any of {}", members.join(", "))
            }
            Self::Handle(name) => format!("a {name}, which JSON cannot carry"),
        }
    }
}
