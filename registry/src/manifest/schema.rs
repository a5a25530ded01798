//! The configuration's schema, as far as the manifest is concerned: it describes an object, refers to nothing outside
//! itself, and has no place for a secret. Secrets belong to the host, which applies them to requests; what is in the
//! configuration can be read by the plugin, by operators and in exports.

use serde_json::{Map, Value};

use super::check::{Faults, below, nearest};

/// Deeper schemas are refused, so that nothing that walks one can be made to overflow.
const MAX_DEPTH: usize = 16;

/// More references are refused. Each stands for a whole definition.
const MAX_REFERENCES: usize = 256;
/// More patterns, and longer ones, are refused. A compiled pattern can be a thousand times as large as its text.
const MAX_PATTERNS: usize = 32;
const MAX_PATTERN: usize = 512;

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];

pub(super) fn check(config: &Map<String, Value>, faults: &mut Faults) {
    if config.get("type").and_then(Value::as_str) != Some("object") {
        faults.add("config.type", "must be \"object\": an integration's configuration is an object");
    }
    walk(config, "config", 0, faults);
    let mut references = References { faults, count: 0, patterns: 0 };
    for (key, value) in config {
        references.look(value, &below("config", key), key == "$defs", 0);
    }
}

/// Holds references to a form in which they cannot lead outside, in a circle, or, through definitions that use each other
/// twice, to more than anybody can validate: they name a definition, and definitions refer to nothing. Counts patterns too.
struct References<'f> {
    faults: &'f mut Faults,
    count: usize,
    patterns: usize,
}

impl References<'_> {
    /// Looks through everything, whatever its keyword: a validator may know keywords that this module does not.
    fn look(&mut self, value: &Value, path: &str, in_definition: bool, depth: usize) {
        // Deeper ones are refused by `walk`, or are no schema.
        if depth > 128 {
            return;
        }
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.look(item, &format!("{path}[{index}]"), in_definition, depth + 1);
                }
            }
            Value::Object(members) => {
                for (key, value) in members {
                    let path = below(path, key);
                    if let ("patternProperties", Some(patterns)) = (key.as_str(), value.as_object()) {
                        patterns.keys().for_each(|pattern| self.pattern(pattern, &path));
                    }
                    match value.as_str() {
                        Some(target) => self.judge(key, target, &path, in_definition),
                        None => self.look(value, &path, in_definition, depth + 1),
                    }
                }
            }
            _ => {}
        }
    }

    fn pattern(&mut self, text: &str, path: &str) {
        self.patterns += 1;
        if text.len() > MAX_PATTERN {
            self.faults.add(path, format!("the pattern is longer than {MAX_PATTERN} bytes"));
        } else if self.patterns == MAX_PATTERNS + 1 {
            self.faults.add(path, format!("there are more than {MAX_PATTERNS} patterns"));
        }
    }

    fn judge(&mut self, key: &str, target: &str, path: &str, in_definition: bool) {
        match key {
            "$ref" => {
                self.count += 1;
                let definition = target.strip_prefix("#/$defs/");
                if definition.is_none_or(|name| name.is_empty() || name.contains(['/', '#', '%'])) {
                    self.faults.add(path, "must stay within this schema and name a definition (`#/$defs/NAME`)");
                } else if in_definition {
                    self.faults.add(path, "stands in a definition; definitions refer to no others, write it out");
                } else if self.count == MAX_REFERENCES + 1 {
                    self.faults.add(path, format!("there are more than {MAX_REFERENCES} references"));
                }
            }
            "pattern" => self.pattern(target, path),
            "$dynamicRef" | "$recursiveRef" | "$id" | "$anchor" | "$dynamicAnchor" => {
                self.faults.add(path, format!("`{key}` is not supported; refer to a definition with `$ref`"));
            }
            _ => {}
        }
    }
}

/// Whether a property can hold a text, or a list of texts.
pub(super) fn holds_text(property: &Value) -> bool {
    let types = match property.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => return false,
    };
    !types.is_empty() && types.iter().all(|t| matches!(*t, "string" | "array"))
}

/// Forbids properties the schema does not name wherever it says nothing about them, so that a misspelt one is an error.
pub(super) fn close(schema: &mut Map<String, Value>) {
    let combined = ["allOf", "anyOf", "oneOf", "if", "$ref"].iter().any(|key| schema.contains_key(*key));
    let object = schema.get("type").and_then(Value::as_str) == Some("object") && schema.contains_key("properties");
    if object && !combined && !schema.contains_key("unevaluatedProperties") {
        schema.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().filter_map(Value::as_object_mut).for_each(close);
    }
    if let Some(Value::Object(items)) = schema.get_mut("items") {
        close(items);
    }
}

fn walk(schema: &Map<String, Value>, path: &str, depth: usize, faults: &mut Faults) {
    if depth > MAX_DEPTH {
        return faults.add(path, format!("the schema is deeper than {MAX_DEPTH} levels"));
    }
    types(schema, path, faults);
    required(schema, path, faults);
    if schema.get("writeOnly") == Some(&Value::Bool(true)) || schema.get("format") == Some(&Value::from("password")) {
        faults.add(
            path,
            "looks like a secret; secrets are no part of the configuration: the host adds credentials to the requests it sends",
        );
    }
    for (key, value) in schema {
        let path = below(path, key);
        match (key.as_str(), value) {
            ("properties" | "patternProperties" | "$defs" | "dependentSchemas", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    let path = below(&path, name);
                    match schema {
                        Value::Object(schema) => walk(schema, &path, depth + 1, faults),
                        Value::Bool(_) => {}
                        _ => faults.add(path, "must be a table that describes the property"),
                    }
                }
            }
            ("properties", _) => faults.add(path, "must be a table with one entry a property"),
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(schemas)) => {
                for (index, schema) in schemas.iter().enumerate() {
                    if let Value::Object(schema) = schema {
                        walk(schema, &format!("{path}[{index}]"), depth + 1, faults);
                    }
                }
            }
            ("items" | "additionalProperties" | "not" | "if" | "then" | "else" | "contains", Value::Object(schema)) => {
                walk(schema, &path, depth + 1, faults);
            }
            _ => {}
        }
    }
}

fn types(schema: &Map<String, Value>, path: &str, faults: &mut Faults) {
    let mut one = |path: String, value: &Value| match value.as_str() {
        Some(name) if TYPES.contains(&name) => {}
        Some(name) => {
            let hint =
                nearest(name, TYPES.into_iter()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            faults.add(path, format!("`{name}` is not a type of JSON Schema{hint}"));
        }
        None => faults.add(path, format!("must be one of {}", TYPES.join(", "))),
    };
    match schema.get("type") {
        Some(Value::Array(many)) => {
            many.iter().enumerate().for_each(|(index, value)| one(format!("{path}.type[{index}]"), value));
        }
        Some(value) => one(format!("{path}.type"), value),
        None => {}
    }
}

fn required(schema: &Map<String, Value>, path: &str, faults: &mut Faults) {
    let Some(required) = schema.get("required") else { return };
    let Value::Array(names) = required else {
        return faults.add(format!("{path}.required"), "must be a list of property names");
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    for (index, name) in names.iter().enumerate() {
        if faults.is_full() {
            return;
        }
        let path = format!("{path}.required[{index}]");
        let Some(name) = name.as_str() else {
            faults.add(path, "must be the name of a property");
            continue;
        };
        if properties.is_none_or(|properties| !properties.contains_key(name)) {
            let near = properties.and_then(|p| nearest(name, p.keys().map(String::as_str)));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            faults.add(path, format!("requires `{name}`, which `properties` does not describe{hint}"));
        }
    }
}
