//! A JSON Schema read for two purposes only: to know what the text of `k=v` means, and which members of an answer are
//! bytes. It understands what Jackfield derives from WIT and the plain schemas that plugins write for their configuration;
//! whatever it does not understand is [`Kind::Any`], and the server judges it.

use serde_json::{Map, Value};

/// How often a reference may lead to another before it is taken for a circle.
const MAX_REFERENCES: usize = 32;

/// A place in a schema, together with the document its references lead into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema<'a> {
    root: &'a Value,
    node: &'a Value,
}

/// What a value may be.
#[derive(Clone, Debug)]
pub(crate) enum Kind<'a> {
    Any,
    Null,
    Bool,
    Integer,
    /// A whole number that JSON holds as a text beyond 2^53.
    WideInteger,
    Number,
    Text,
    /// Bytes, as base64.
    Bytes,
    /// One of these texts.
    Choice(Vec<&'a str>),
    List(Schema<'a>),
    /// A text, or a list.
    TextOrList(Schema<'a>),
    Object(Object<'a>),
    Variant(Vec<Case<'a>>),
}

/// An object's members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    root: &'a Value,
    properties: Option<&'a Map<String, Value>>,
    additional: Option<&'a Value>,
}

/// A case of a variant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) name: &'a str,
    /// What it carries; none where it stands alone.
    pub(crate) value: Option<Schema<'a>>,
}

impl<'a> Schema<'a> {
    /// The whole document.
    pub(crate) fn new(root: &'a Value) -> Self {
        Self { root, node: root }
    }

    fn at(self, node: &'a Value) -> Self {
        Self { root: self.root, node }
    }

    /// What stands behind the references.
    fn resolved(self) -> Self {
        let mut here = self;
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = here.node.get("$ref").and_then(Value::as_str) else { break };
            let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else {
                break;
            };
            here.node = target;
        }
        here
    }

    /// The last part of the reference's name: `write-options` of `#/$defs/types.write-options`.
    pub(crate) fn refers_to(self) -> Option<&'a str> {
        self.node.get("$ref")?.as_str()?.rsplit('/').next()
    }

    pub(crate) fn description(self) -> &'a str {
        let own = |schema: Self| schema.node.get("description").and_then(Value::as_str);
        own(self).or_else(|| own(self.resolved())).unwrap_or_default()
    }

    /// The schema without the `null` that an option adds, and whether there was one.
    fn without_null(self) -> (Self, bool) {
        let here = self.resolved();
        let Some(any) = here.node.get("anyOf").and_then(Value::as_array) else { return (here, false) };
        let rest: Vec<_> = any.iter().filter(|part| part.get("type").is_none_or(|t| t != "null")).collect();
        match rest.as_slice() {
            [only] if any.len() == 2 => (here.at(only).resolved(), true),
            _ => (here, false),
        }
    }

    /// Whether `null` is a value.
    pub(crate) fn is_nullable(self) -> bool {
        let (here, nullable) = self.without_null();
        nullable || types(here.node).contains(&"null")
    }

    pub(crate) fn kind(self) -> Kind<'a> {
        let (here, _) = self.without_null();
        if let Some(parts) = here.node.get("anyOf").or_else(|| here.node.get("oneOf")).and_then(Value::as_array) {
            return here.alternatives(parts);
        }
        let mut types = types(here.node);
        if types.len() > 1 {
            types.retain(|name| *name != "null");
        }
        match types.as_slice() {
            ["null"] => Kind::Null,
            ["boolean"] => Kind::Bool,
            ["integer"] => Kind::Integer,
            ["number"] | ["integer", "number"] | ["number", "integer"] => Kind::Number,
            ["array"] => Kind::List(here.items()),
            ["string", "array"] | ["array", "string"] => Kind::TextOrList(here.items()),
            ["object"] => Kind::Object(here.members()),
            [] if here.node.get("properties").is_some() => Kind::Object(here.members()),
            [] => choice(here.node).unwrap_or(Kind::Any),
            ["string"] if here.node.get("contentEncoding").is_some_and(|e| e == "base64") => Kind::Bytes,
            names if names.contains(&"string") => choice(here.node).unwrap_or(Kind::Text),
            _ => Kind::Any,
        }
    }

    /// Several forms of one value: a wide integer, a float, or a variant's cases.
    fn alternatives(self, parts: &'a [Value]) -> Kind<'a> {
        let is = |part: &Value, name: &str| part.get("type").is_some_and(|t| t == name);
        match parts {
            [number, text] if is(number, "integer") && is(text, "string") => return Kind::WideInteger,
            [number, names] if is(number, "number") && names.get("enum").is_some() => return Kind::Number,
            _ => {}
        }
        let mut cases = Vec::new();
        for part in parts {
            if choice(part).is_some() && part.get("properties").is_none() {
                continue; // The bare names of the cases without a value, which are among the others.
            }
            let members = part.get("properties").and_then(Value::as_object);
            let Some((name, value)) = members.filter(|m| m.len() == 1).and_then(|m| m.iter().next()) else {
                return Kind::Any;
            };
            let alone = value.get("type").is_some_and(|t| t == "null");
            cases.push(Case { name, value: (!alone).then(|| self.at(value)) });
        }
        if cases.is_empty() { Kind::Any } else { Kind::Variant(cases) }
    }

    fn items(self) -> Schema<'a> {
        self.at(self.node.get("items").unwrap_or(&Value::Null))
    }

    fn members(self) -> Object<'a> {
        Object {
            root: self.root,
            properties: self.node.get("properties").and_then(Value::as_object),
            additional: self.node.get("additionalProperties").filter(|a| a.as_bool() != Some(false)),
        }
    }

    /// The member `name` of an object, or the case `name` of a variant.
    pub(crate) fn member(self, name: &str) -> Option<Schema<'a>> {
        match self.kind() {
            Kind::Object(object) => object.get(name),
            Kind::Variant(cases) => cases.iter().find(|case| case.name == name)?.value,
            _ => None,
        }
    }

    /// The items of a list.
    pub(crate) fn item(self) -> Option<Schema<'a>> {
        match self.kind() {
            Kind::List(item) | Kind::TextOrList(item) => Some(item),
            _ => None,
        }
    }
}

impl<'a> Object<'a> {
    /// The schema of a member, whether it is named or one of any others.
    pub(crate) fn get(self, name: &str) -> Option<Schema<'a>> {
        self.property(name).or_else(|| self.other())
    }

    /// The schema of a named member.
    pub(crate) fn property(self, name: &str) -> Option<Schema<'a>> {
        Some(Schema { root: self.root, node: self.properties?.get(name)? })
    }

    /// The schema of the members that have no name of their own, where they are allowed.
    pub(crate) fn other(self) -> Option<Schema<'a>> {
        self.additional.map(|node| Schema { root: self.root, node })
    }

    /// The named members.
    pub(crate) fn properties(self) -> impl Iterator<Item = (&'a str, Schema<'a>)> + Clone {
        let root = self.root;
        self.properties.into_iter().flatten().map(move |(name, node)| (name.as_str(), Schema { root, node }))
    }
}

impl Kind<'_> {
    /// What is expected, in words.
    pub(crate) fn expected(&self) -> String {
        let list = |names: &mut dyn Iterator<Item = &str>| {
            names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        match self {
            Kind::Any => "a value".into(),
            Kind::Null => "null".into(),
            Kind::Bool => "true or false".into(),
            Kind::Integer | Kind::WideInteger => "a whole number".into(),
            Kind::Number => "a number".into(),
            Kind::Text => "a string".into(),
            Kind::Bytes => "bytes".into(),
            Kind::Choice(names) => format!("one of {}", list(&mut names.iter().copied())),
            Kind::List(_) => "a list".into(),
            Kind::TextOrList(_) => "a string or a list".into(),
            Kind::Object(_) => "an object".into(),
            Kind::Variant(cases) => format!("one of the cases {}", list(&mut cases.iter().map(|case| case.name))),
        }
    }
}

fn types(node: &Value) -> Vec<&str> {
    match node.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn choice(node: &Value) -> Option<Kind<'_>> {
    let names = node.get("enum")?.as_array()?;
    let texts: Vec<_> = names.iter().filter_map(Value::as_str).collect();
    (texts.len() == names.len()).then_some(Kind::Choice(texts))
}
