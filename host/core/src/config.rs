//! Configurations: defaults filled in, judged by the plugin's schema, and cut to what the guest may see. Pure.
//!
//! The schema is a stranger's too: its patterns run on a regex engine without backtracking, and it can refer to nothing
//! outside itself. What fails is told with the place, what was expected there and what was found.

use jackfield_reflect::did_you_mean;
use jackfield_registry::Manifest;
use jsonschema::{
    PatternOptions, Validator,
    error::{TypeKind, ValidationError, ValidationErrorKind},
};
use serde_json::{Map, Value};

use crate::{Error, Result, names::pointer};

/// What one compiled pattern may take; the manifest bounds how many there are.
const PATTERN_BYTES: usize = 256 << 10;
/// The largest configuration, in bytes of JSON.
const MAX_BYTES: usize = 256 << 10;
/// Faults told at once.
const MAX_FAULTS: usize = 8;

/// A plugin's schema, ready to judge.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: Validator,
    schema: Map<String, Value>,
}

impl Schema {
    /// Compiles a manifest's schema.
    pub(crate) fn new(schema: &Map<String, Value>) -> Result<Self> {
        let validator = jsonschema::draft202012::options()
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES))
            .build(&Value::Object(schema.clone()))
            .map_err(|e| Error::invalid(format!("the manifest's `config` is not a JSON Schema: {e}")))?;
        Ok(Self { validator, schema: schema.clone() })
    }

    /// The configuration with the schema's defaults filled in, if it then satisfies the schema.
    pub(crate) fn complete(&self, config: &Map<String, Value>) -> Result<Map<String, Value>> {
        let mut config = config.clone();
        fill(&self.schema, &mut config);
        let config = Value::Object(config);
        if config.to_string().len() > MAX_BYTES {
            return Err(Error::invalid(format!("the configuration is longer than {MAX_BYTES} bytes")).at("/config"));
        }
        let faults: Vec<Fault> =
            self.validator.iter_errors(&config).flat_map(|error| self.faults(&error)).take(MAX_FAULTS).collect();
        match (config, &faults[..]) {
            (Value::Object(config), []) => Ok(config),
            (_, [only]) => Err(Error::invalid(format!("configuration: {only}")).at(only.field())),
            (_, [first, ..]) => {
                let list: String = faults.iter().map(|fault| format!("\n  - {fault}")).collect();
                Err(Error::invalid(format!("the configuration is not right:{list}")).at(first.field()))
            }
            (_, []) => Err(Error::internal("a configuration is not an object")),
        }
    }

    fn faults(&self, error: &ValidationError<'_>) -> Vec<Fault> {
        let place = error.instance_path().as_str();
        let one = |message: String| vec![Fault { pointer: place.to_owned(), message }];
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let schema = self.at(place);
                let known = || schema.and_then(|s| s.get("properties")?.as_object()).into_iter().flat_map(Map::keys);
                unexpected
                    .iter()
                    .map(|key| {
                        let hint = match did_you_mean(key, known().map(String::as_str)) {
                            hint if !hint.is_empty() => hint,
                            _ => format!(" Known here: {}.", list(known().map(|key| format!("`{key}`")))),
                        };
                        let message = format!("there is no such key.{hint}");
                        Fault { pointer: format!("{place}/{}", pointer(key)), message }
                    })
                    .collect()
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let schema = self.at(place).and_then(|s| s.get("properties")?.get(key));
                let expected = schema.and_then(|s| s.get("type")).map(types).unwrap_or_else(|| "a value".to_owned());
                let about = schema.and_then(|s| s.get("description")?.as_str()).unwrap_or_default();
                let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
                let message = format!("expected {expected}{about}, found nothing");
                vec![Fault { pointer: format!("{place}/{}", pointer(key)), message }]
            }
            ValidationErrorKind::Type { kind } => {
                let expected = match kind {
                    TypeKind::Single(one) => list([word(&one.to_string())]),
                    TypeKind::Multiple(many) => list(many.iter().map(|t| word(&t.to_string()))),
                };
                one(format!("expected {expected}, found {}", found(error.instance())))
            }
            ValidationErrorKind::Enum { options } => {
                let options = options.as_array().into_iter().flatten().map(short);
                one(format!(
                    "expected one of {}, found {}",
                    options.collect::<Vec<_>>().join(", "),
                    found(error.instance())
                ))
            }
            ValidationErrorKind::Pattern { pattern } => {
                one(format!("expected a string that matches `{pattern}`, found {}", found(error.instance())))
            }
            _ => one(format!("{error}; found {}", found(error.instance()))),
        }
    }

    /// The schema of a place, as far as plain `properties` and `items` lead there.
    fn at(&self, place: &str) -> Option<&Map<String, Value>> {
        let mut schema = &self.schema;
        for segment in place.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            let property = schema.get("properties").and_then(|p| p.get(&segment));
            schema = property.or_else(|| schema.get("items"))?.as_object()?;
        }
        Some(schema)
    }
}

/// One thing that is wrong with a configuration.
struct Fault {
    pointer: String,
    message: String,
}

impl Fault {
    fn field(&self) -> String {
        format!("/config{}", self.pointer)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "at `{pointer}`: {}", self.message),
        }
    }
}

/// Puts in what the schema says stands where nothing is given.
fn fill(schema: &Map<String, Value>, config: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = schema.get("properties") else { return };
    for (key, property) in properties {
        if let Some(default) = property.get("default")
            && !config.contains_key(key)
        {
            config.insert(key.clone(), default.clone());
        }
        if let (Some(property), Some(Value::Object(inner))) = (property.as_object(), config.get_mut(key)) {
            fill(property, inner);
        }
    }
}

/// The addresses an endpoint is configured with; none where the configuration has none.
pub(crate) fn addresses(config: &Map<String, Value>, property: &str) -> Vec<String> {
    match config.get(property) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// The configuration as the guest sees it: without the addresses of endpoints, which only the host needs to know.
pub(crate) fn for_guest(manifest: &Manifest, config: &Map<String, Value>) -> String {
    let mut config = config.clone();
    for endpoint in &manifest.endpoints {
        config.remove(&endpoint.address);
    }
    Value::Object(config).to_string()
}

/// JSON Merge Patch (RFC 7396) of an object.
pub(crate) fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(patch) => {
                let place = target.entry(key.clone()).or_insert(Value::Null);
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                if let Value::Object(place) = place {
                    merge(place, patch);
                }
            }
            value => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
}

fn types(types: &Value) -> String {
    match types {
        Value::String(one) => word(one),
        Value::Array(many) => list(many.iter().filter_map(Value::as_str).map(word)),
        _ => "a value".to_owned(),
    }
}

fn word(json_type: &str) -> String {
    match json_type {
        "string" => "a string",
        "number" => "a number",
        "integer" => "a whole number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        "null" => "null",
        other => other,
    }
    .to_owned()
}

fn list(words: impl IntoIterator<Item = String>) -> String {
    let words: Vec<String> = words.into_iter().collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" or ") }
}

fn found(value: &Value) -> String {
    let kind = match value {
        Value::Null => return "null".to_owned(),
        Value::Bool(_) => return value.to_string(),
        Value::Number(_) => "the number",
        Value::String(_) => "the string",
        Value::Array(_) => "the list",
        Value::Object(_) => "the object",
    };
    format!("{kind} {}", short(value))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let cut = text.floor_char_boundary(60);
    if cut < text.len() { format!("{}…", &text[..cut]) } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other}"),
        }
    }

    fn schema() -> Schema {
        let schema = json!({
            "type": "object",
            "required": ["url"],
            "additionalProperties": false,
            "properties": {
                "url": {"type": ["string", "array"], "description": "Where it is."},
                "step": {"type": "integer", "default": 15, "minimum": 1},
                "mode": {"enum": ["fast", "safe"], "default": "safe"},
                "tls": {"type": "object", "additionalProperties": false, "properties": {
                    "verify": {"type": "boolean", "default": true},
                }},
            },
        });
        Schema::new(&object(schema)).unwrap()
    }

    fn fault(config: Value) -> (String, String) {
        let error = schema().complete(&object(config)).unwrap_err();
        (error.message, error.field.unwrap())
    }

    #[test]
    fn defaults_are_filled_in_also_within_objects_that_are_given() {
        let complete = schema().complete(&object(json!({"url": "http://a", "tls": {}}))).unwrap();
        let expected = json!({"url": "http://a", "step": 15, "mode": "safe", "tls": {"verify": true}});
        assert_eq!(Value::Object(complete), expected);
    }

    #[test]
    fn a_fault_tells_the_place_what_was_expected_and_what_was_found() {
        let (message, field) = fault(json!({"url": 5}));
        assert!(message.contains("at `/url`: expected") && message.contains("found the number 5"), "{message}");
        assert!(message.contains("a string") && message.contains("a list"), "{message}");
        assert_eq!(field, "/config/url");
        let (message, field) = fault(json!({}));
        assert_eq!(message, "configuration: at `/url`: expected a string or a list (Where it is.), found nothing");
        assert_eq!(field, "/config/url");
        let (message, _) = fault(json!({"url": "a", "mode": "fats"}));
        assert!(message.contains(r#"expected one of "fast", "safe", found the string "fats""#), "{message}");
        let (message, field) = fault(json!({"url": "a", "tls": {"verify": "no"}}));
        assert!(message.contains("at `/tls/verify`: expected true or false"), "{message}");
        assert_eq!(field, "/config/tls/verify");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one_at_any_depth() {
        let (message, field) = fault(json!({"url": "a", "stpe": 1}));
        assert_eq!(message, "configuration: at `/stpe`: there is no such key. Did you mean `step`?");
        assert_eq!(field, "/config/stpe");
        let (message, _) = fault(json!({"url": "a", "tls": {"verfy": true}}));
        assert!(message.contains("Did you mean `verify`?"), "{message}");
        let (message, _) = fault(json!({"url": "a", "zzz": 1}));
        assert!(message.contains("Known here: `mode` or `step`") || message.contains("Known here: "), "{message}");
    }

    #[test]
    fn several_faults_are_told_at_once() {
        let (message, _) = fault(json!({"step": "x", "foo": 1}));
        assert_eq!(message.lines().count(), 4, "{message}");
    }

    #[test]
    fn a_pattern_that_would_need_backtracking_is_refused_with_the_schema() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+\\1$"}}});
        assert!(Schema::new(&object(schema)).is_err());
    }

    #[test]
    fn a_merge_patch_sets_removes_and_descends() {
        let mut target = object(json!({"a": 1, "b": {"c": 2, "d": 3}, "e": 4}));
        merge(&mut target, &object(json!({"a": null, "b": {"c": null, "x": 5}, "e": {"f": 1}})));
        assert_eq!(Value::Object(target), json!({"b": {"d": 3, "x": 5}, "e": {"f": 1}}));
    }

    #[test]
    fn addresses_are_a_text_or_a_list_of_texts() {
        let config = object(json!({"one": "a", "many": ["b", "c"], "no": 5}));
        assert_eq!(addresses(&config, "one"), ["a"]);
        assert_eq!(addresses(&config, "many"), ["b", "c"]);
        assert!(addresses(&config, "no").is_empty() && addresses(&config, "missing").is_empty());
    }
}
