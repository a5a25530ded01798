//! JSON Schema (2020-12) of shapes, parameters and answers.
//!
//! A schema says exactly what [`crate::decode`] accepts and [`crate::encode`] writes. Named types become `$defs`, so that
//! a document can share them and a reader finds the WIT's own names.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{
    Operation,
    decode::SAFE_INTEGER,
    shape::{Shape, Tuple, TypeName},
    stability::Stability,
};

/// The schema of one shape; the named types in it go to `defs` and are referred to as `#/$defs/…`.
pub fn schema(shape: &Shape, defs: &mut Map<String, Value>) -> Value {
    let int = |min: i64, max: u64| json!({"type": "integer", "minimum": min, "maximum": max});
    match shape {
        Shape::Bool => json!({"type": "boolean"}),
        Shape::U8 => int(0, u8::MAX.into()),
        Shape::U16 => int(0, u16::MAX.into()),
        Shape::U32 => int(0, u32::MAX.into()),
        Shape::S8 => int(i8::MIN.into(), 127),
        Shape::S16 => int(i16::MIN.into(), 32_767),
        Shape::S32 => int(i32::MIN.into(), 2_147_483_647),
        Shape::U64 => wide(0, "^[0-9]{1,20}$", "0 to 2^64-1"),
        Shape::S64 => wide(-SAFE_INTEGER, "^-?[0-9]{1,19}$", "-2^63 to 2^63-1"),
        Shape::F32 | Shape::F64 => {
            json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
        }
        Shape::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        Shape::String => json!({"type": "string"}),
        Shape::Bytes => json!({
            "type": "string",
            "contentEncoding": "base64",
            "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        }),
        Shape::List(item) => json!({"type": "array", "items": schema(item, defs)}),
        Shape::FixedList(item, n) => {
            json!({"type": "array", "items": schema(item, defs), "minItems": n, "maxItems": n})
        }
        Shape::Map(key, value) if matches!(**key, Shape::String) => {
            json!({"type": "object", "additionalProperties": schema(value, defs)})
        }
        Shape::Map(key, value) => {
            let pair = Shape::Tuple(Arc::new(Tuple::new(vec![(**key).clone(), (**value).clone()])));
            json!({"type": "array", "items": schema(&pair, defs)})
        }
        Shape::Tuple(tuple) => {
            let n = tuple.items.len();
            let items: Vec<_> = tuple.items.iter().map(|item| schema(item, defs)).collect();
            json!({"type": "array", "prefixItems": items, "items": false, "minItems": n, "maxItems": n})
        }
        Shape::Option(inner) if inner.is_nullable() => {
            json!({"anyOf": [{"type": "null"}, tagged("some", schema(inner, defs), "")]})
        }
        Shape::Option(inner) => json!({"anyOf": [schema(inner, defs), {"type": "null"}]}),
        Shape::Result(ok, err) => {
            let mut part = |s: &Option<Arc<Shape>>| match s {
                Some(s) => schema(s, defs),
                None => json!({"type": "null"}),
            };
            json!({"oneOf": [tagged("ok", part(ok), ""), tagged("error", part(err), "")]})
        }
        Shape::Record(record) => named(&record.name, defs, |defs| {
            let fields = record.fields.iter().map(|f| (f.name.as_str(), f.docs.as_str(), &f.stability, &f.shape));
            object(fields, defs)
        }),
        Shape::Variant(variant) => named(&variant.name, defs, |defs| {
            let cases: Vec<_> = variant
                .cases
                .iter()
                .map(|case| match &case.shape {
                    Some(shape) => tagged(&case.name, schema(shape, defs), &case.docs),
                    None => tagged(&case.name, json!({"type": "null"}), &case.docs),
                })
                .collect();
            // A case without a value may also be written as its bare name; answers never are.
            let bare: Vec<_> = variant.cases.iter().filter(|c| c.shape.is_none()).map(|c| c.name.as_str()).collect();
            let bare = (!bare.is_empty()).then(|| json!({"enum": bare}));
            json!({"oneOf": cases.into_iter().chain(bare).collect::<Vec<_>>()})
        }),
        Shape::Enum(names) => named(
            &names.name,
            defs,
            |_| json!({"type": "string", "enum": member_names(&names.members), "x-enum-descriptions": member_docs(&names.members)}),
        ),
        Shape::Flags(names) => named(&names.name, defs, |_| {
            let members = member_names(&names.members);
            json!({"type": "array", "uniqueItems": true, "items": {"enum": members}})
        }),
        Shape::Handle(name) => json!({"not": {}, "description": format!("a {name} has no form in JSON")}),
    }
}

fn wide(min: i128, pattern: &str, range: &str) -> Value {
    // serde_json has no i128; both bounds are within ±2^53.
    let (min, max) = (i64::try_from(min).unwrap_or_default(), i64::try_from(SAFE_INTEGER).unwrap_or_default());
    json!({
        "anyOf": [{"type": "integer", "minimum": min, "maximum": max}, {"type": "string", "pattern": pattern}],
        "description": format!("{range}; a string of its digits beyond 2^53-1, so that no reader loses any"),
    })
}

fn member_names(members: &[(String, String)]) -> Vec<&str> {
    members.iter().map(|(name, _)| name.as_str()).collect()
}

fn member_docs(members: &[(String, String)]) -> Vec<&str> {
    members.iter().map(|(_, docs)| docs.as_str()).collect()
}

fn tagged(name: &str, value: Value, docs: &str) -> Value {
    let mut schema =
        json!({"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": false});
    describe(&mut schema, docs);
    schema
}

fn describe(schema: &mut Value, docs: &str) {
    if let (Value::Object(schema), false) = (schema, docs.is_empty()) {
        // What a number may be is said by its type, behind what its author says of it.
        let range = schema.get("description").and_then(Value::as_str).map(|range| format!(" ({range})"));
        schema.insert("description".into(), format!("{docs}{}", range.unwrap_or_default()).into());
    }
}

/// Says of what is not to be used any more that it is not: by the keyword for programs, and in words with the version that
/// may come without it.
fn deprecate(schema: &mut Value, stability: &Stability) {
    if let (Value::Object(schema), Some(deprecation)) = (schema, &stability.deprecated) {
        schema.insert("deprecated".into(), true.into());
        let said = schema.get("description").and_then(Value::as_str).map(|said| format!("{said}\n\n"));
        let text = format!("{}It is {deprecation}.", said.unwrap_or_default());
        schema.insert("description".into(), text.into());
    }
}

/// Defines a named type once and refers to it.
fn named(
    name: &TypeName,
    defs: &mut Map<String, Value>,
    build: impl FnOnce(&mut Map<String, Value>) -> Value,
) -> Value {
    let key = name.key();
    if !defs.contains_key(&key) {
        // WIT types do not recur, but the place is taken first so that the order is that of first use.
        defs.insert(key.clone(), Value::Null);
        let mut schema = build(defs);
        describe(&mut schema, &name.docs);
        deprecate(&mut schema, &name.stability);
        defs.insert(key.clone(), schema);
    }
    json!({"$ref": format!("#/$defs/{key}")})
}

fn object<'a>(
    fields: impl Iterator<Item = (&'a str, &'a str, &'a Stability, &'a Shape)>,
    defs: &mut Map<String, Value>,
) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, docs, stability, shape) in fields {
        let mut schema = schema(shape, defs);
        describe(&mut schema, docs);
        deprecate(&mut schema, stability);
        if !shape.has_default() {
            required.push(name);
        }
        properties.insert(name.to_owned(), schema);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

impl Operation {
    /// The schema of a request's body: an object with one member a parameter.
    pub fn request_schema(&self) -> Value {
        let mut defs = Map::new();
        let schema =
            object(self.params.iter().map(|p| (p.name.as_str(), p.docs.as_str(), &p.stability, &p.shape)), &mut defs);
        finish(schema, defs)
    }

    /// The schema of the answer's body; `null` where the operation answers nothing.
    pub fn response_schema(&self) -> Value {
        let mut defs = Map::new();
        let schema = match &self.ok {
            Some(shape) => schema(shape, &mut defs),
            None => json!({"type": "null"}),
        };
        finish(schema, defs)
    }

    /// The schema of one change, for a change feed.
    pub fn change_schema(&self) -> Option<Value> {
        let Some(Shape::Record(batch)) = self.ok.as_ref().filter(|_| self.feed) else { return None };
        let changes = batch.fields.iter().find(|f| f.name == "changes")?;
        let Shape::List(change) = &changes.shape else { return None };
        let mut defs = Map::new();
        let schema = schema(change, &mut defs);
        Some(finish(schema, defs))
    }
}

fn finish(mut schema: Value, defs: Map<String, Value>) -> Value {
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        if !defs.is_empty() {
            schema.insert("$defs".into(), Value::Object(defs));
        }
    }
    schema
}
