//! From text to [`Manifest`]. The text is read into a plain tree first, with the line of every key beside it, so that a
//! fault of form or meaning is told with its line, its key and the remedy, and all faults are told at once. Only a tree
//! without faults becomes a `Manifest`.

use std::collections::HashMap;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::check::{ManifestFault, below, check};
use super::{Manifest, schema};

/// The longest manifest that is read, in bytes, as TOML or JSON.
pub(crate) const MAX_MANIFEST_BYTES: usize = 256 * 1024;

/// Why a manifest was refused. Shows one line a fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", show(faults))]
pub struct ManifestError {
    /// Every fault that was found, in the order of the keys.
    pub faults: Vec<ManifestFault>,
}

fn show(faults: &[ManifestFault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl ManifestError {
    fn whole(line: Option<usize>, message: String) -> Self {
        Self { faults: vec![ManifestFault { line, key: String::new(), message }] }
    }
}

impl Manifest {
    /// Reads a manifest as an author writes it, `plugin.toml`.
    ///
    /// ```
    /// let manifest = jackfield_registry::Manifest::from_toml(r#"
    ///     [plugin]
    ///     name = "echo"
    ///     version = "1.0.0"
    ///     description = "Says it again"
    ///     host = ">=0.1.0, <0.2.0"
    ///     capabilities = ["acme:echo@1.0.0"]
    /// "#).unwrap();
    /// assert_eq!(manifest.plugin.capabilities[0].interface_id(), "acme:echo/echo@1.0.0");
    /// ```
    pub fn from_toml(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_MANIFEST_BYTES {
            return Err(too_long(text.len()));
        }
        let mut lines = Lines::new(text);
        let table = DeTable::parse(text).map_err(|e| {
            let line = e.span().map(|span| lines.at(span.start));
            ManifestError::whole(line, format!("this is not TOML: {}", e.message()))
        })?;
        let tree = Value::Object(object(table.get_ref(), "", &mut lines));
        Self::from_tree(tree, |key| lines.of(key))
    }

    /// Reads a manifest as a packed plugin holds it.
    pub fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        if json.len() > MAX_MANIFEST_BYTES {
            return Err(too_long(json.len()));
        }
        let tree = serde_json::from_slice(json)
            .map_err(|e| ManifestError::whole(Some(e.line()), format!("this is not JSON: {e}")))?;
        Self::from_tree(tree, |_| None)
    }

    fn from_tree(tree: Value, line: impl Fn(&str) -> Option<usize>) -> Result<Self, ManifestError> {
        let mut faults = check(&tree);
        if faults.is_empty() {
            match serde_json::from_value::<Self>(tree) {
                Ok(mut manifest) => {
                    schema::close(&mut manifest.config);
                    return Ok(manifest);
                }
                Err(e) => faults.push(ManifestFault { line: None, key: String::new(), message: e.to_string() }),
            }
        }
        for fault in &mut faults {
            fault.line = line(&fault.key);
        }
        Err(ManifestError { faults })
    }
}

fn too_long(length: usize) -> ManifestError {
    ManifestError::whole(None, format!("the manifest has {length} bytes; at most {MAX_MANIFEST_BYTES} are read"))
}

/// Where keys stand in the text.
struct Lines {
    /// The offsets of the line ends.
    ends: Vec<usize>,
    /// The line of each key.
    keys: HashMap<String, usize>,
}

impl Lines {
    fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Self { ends, keys: HashMap::new() }
    }

    /// The line of an offset.
    fn at(&self, offset: usize) -> usize {
        self.ends.partition_point(|end| *end < offset) + 1
    }

    /// Notes where a key is; of several that share a name for being too long, the first.
    fn note(&mut self, key: &str, offset: usize) {
        let line = self.at(offset);
        self.keys.entry(key.to_owned()).or_insert(line);
    }

    /// The line of a key, or of the nearest table around it.
    fn of(&self, mut key: &str) -> Option<usize> {
        loop {
            if let Some(line) = self.keys.get(key) {
                return Some(*line);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }
}

fn object(table: &DeTable<'_>, path: &str, lines: &mut Lines) -> Map<String, Value> {
    let mut map = Map::new();
    for (key, value) in table {
        let name = key.get_ref().to_string();
        let path = below(path, &name);
        lines.note(&path, key.span().start);
        map.insert(name, convert(value.get_ref(), &path, lines));
    }
    map
}

fn convert(value: &DeValue<'_>, path: &str, lines: &mut Lines) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(truth) => Value::from(*truth),
        // JSON has no dates: a date in a schema's default or example is its text.
        DeValue::Datetime(date) => Value::from(date.to_string()),
        DeValue::Array(array) => Value::Array(
            array
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let path = format!("{path}[{index}]");
                    lines.note(&path, item.span().start);
                    convert(item.get_ref(), &path, lines)
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Object(object(table, path, lines)),
    }
}
