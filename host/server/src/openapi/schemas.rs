//! Schemas under names. Reflection gives each operation its own `$defs`; here they move to `#/components/schemas`, where
//! operations share them under the names they have in WIT (`key-value.entry`). Two plugins may bring the same name with
//! another meaning (another version of a package, or a stranger's copy of it), so a name is shared only if everything it
//! stands for is the same; otherwise the later one takes its version, and if need be its integration, into its names.

use jackfield_reflect::Operation;
use serde_json::{Map, Value};

const LOCAL: &str = "#/$defs/";
const SHARED: &str = "#/components/schemas/";

/// The document's schemas.
pub(super) struct Schemas {
    /// In the form of the document.
    shared: Map<String, Value>,
}

/// An operation's schemas, referring to the document's.
pub(super) struct Adopted {
    pub(super) request: Value,
    pub(super) response: Value,
    suffix: String,
}

impl Adopted {
    /// The form in the document of a schema that refers to the operation's own `$defs`.
    pub(super) fn adapt(&self, mut schema: Value) -> Value {
        point(&mut schema, &self.suffix);
        schema
    }
}

impl Schemas {
    /// Starts with the schemas of the host's own API, whose names hold no dot and so collide with none from WIT.
    pub(super) fn new(own: Option<Value>) -> Self {
        Self { shared: own.and_then(|own| own.as_object().cloned()).unwrap_or_default() }
    }

    /// Takes an operation's schemas over.
    pub(super) fn adopt(&mut self, operation: &Operation, integration: &str) -> Adopted {
        let version: String = operation
            .capability
            .version
            .to_string()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
            .collect();
        self.take(
            operation.request_schema(),
            operation.response_schema(),
            [String::new(), format!("-{version}"), format!("-{version}-{integration}")],
        )
    }

    /// The suffixes are tried in turn; the last must be the operation's own.
    fn take(&mut self, mut request: Value, mut response: Value, suffixes: [String; 3]) -> Adopted {
        let mut defs = split_defs(&mut request);
        defs.extend(split_defs(&mut response));
        let mut chosen = None;
        for suffix in suffixes {
            let named = rename(&defs, &suffix);
            let free = named.iter().all(|(name, schema)| self.shared.get(name).is_none_or(|known| known == schema));
            chosen = Some((suffix, named));
            if free {
                break;
            }
        }
        let (suffix, named) = chosen.unwrap_or_default();
        self.shared.extend(named);
        point(&mut request, &suffix);
        point(&mut response, &suffix);
        Adopted { request, response, suffix }
    }
}

impl From<Schemas> for Value {
    fn from(schemas: Schemas) -> Self {
        Value::Object(schemas.shared)
    }
}

/// Takes the `$defs` out of a schema, and the `$schema` that stands beside them: the document names the dialect once.
fn split_defs(schema: &mut Value) -> Map<String, Value> {
    let Some(schema) = schema.as_object_mut() else { return Map::new() };
    schema.remove("$schema");
    match schema.remove("$defs") {
        Some(Value::Object(defs)) => defs,
        _ => Map::new(),
    }
}

fn rename(defs: &Map<String, Value>, suffix: &str) -> Map<String, Value> {
    defs.iter()
        .map(|(name, schema)| {
            let mut schema = schema.clone();
            point(&mut schema, suffix);
            (format!("{name}{suffix}"), schema)
        })
        .collect()
}

/// Makes every local reference one to the document's schemas. WIT's names hold no `$`, so no property is called `$ref`.
fn point(schema: &mut Value, suffix: &str) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(target) if name == "$ref" => {
                        if let Some(local) = target.strip_prefix(LOCAL) {
                            *target = format!("{SHARED}{local}{suffix}");
                        }
                    }
                    value => point(value, suffix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| point(item, suffix)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(field: &str) -> Value {
        json!({
            "$schema": "x",
            "properties": {"p": {"$ref": "#/$defs/a.outer"}},
            "$defs": {"a.outer": {"items": {"$ref": "#/$defs/a.inner"}}, "a.inner": {"properties": {field: {}}}},
        })
    }

    fn suffixes(integration: &str) -> [String; 3] {
        [String::new(), "-1.0.0".into(), format!("-1.0.0-{integration}")]
    }

    #[test]
    fn the_same_types_are_shared_under_their_plain_names() {
        let mut schemas = Schemas::new(None);
        for integration in ["x", "y"] {
            let adopted = schemas.take(request("f"), json!({}), suffixes(integration));
            assert_eq!(adopted.request, json!({"properties": {"p": {"$ref": "#/components/schemas/a.outer"}}}));
        }
        assert_eq!(schemas.shared.len(), 2);
        assert_eq!(schemas.shared["a.outer"], json!({"items": {"$ref": "#/components/schemas/a.inner"}}));
    }

    #[test]
    fn a_type_that_differs_only_deep_inside_is_not_shared() {
        let mut schemas = Schemas::new(None);
        schemas.take(request("f"), json!({}), suffixes("x"));
        let second = schemas.take(request("g"), json!({}), suffixes("y"));
        let third = schemas.take(request("h"), json!({}), suffixes("z"));
        assert_eq!(second.request["properties"]["p"]["$ref"], "#/components/schemas/a.outer-1.0.0");
        assert_eq!(third.request["properties"]["p"]["$ref"], "#/components/schemas/a.outer-1.0.0-z");
        assert_eq!(schemas.shared["a.outer-1.0.0"], json!({"items": {"$ref": "#/components/schemas/a.inner-1.0.0"}}));
        assert_eq!(schemas.shared["a.inner"], json!({"properties": {"f": {}}}));
    }
}
