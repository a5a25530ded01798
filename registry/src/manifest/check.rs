//! What a manifest may say. The form (which keys, of which type) is one table; the meaning (names, ranges, rules) is
//! checked once the form holds. Nothing here decides what an integration may do: it only refuses what could not be
//! understood, what is too much, and what would put a secret into the configuration.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::schema;
use crate::CapabilityRef;

/// One thing that is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFault {
    /// The line in the TOML text, where the manifest came as one.
    pub line: Option<usize>,
    /// The key, e.g. `endpoints[0].methods`; empty for the whole manifest.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// The form of a value.
enum Form {
    /// One line of text of at most so many bytes.
    Text(usize),
    /// Texts of at most so many bytes, at most so many of them.
    Texts(usize, usize),
    /// A whole number from 1 to this.
    Count(u64),
    /// One table.
    Table(&'static [Key]),
    /// At most so many tables.
    Tables(usize, &'static [Key]),
    /// A table of anything.
    Any,
}

/// A key, whether it must be there, and the form of its value.
struct Key(&'static str, bool, Form);

const MANIFEST: &[Key] = &[
    Key("plugin", true, Form::Table(PLUGIN)),
    Key("endpoints", false, Form::Tables(32, ENDPOINT)),
    Key("limits", false, Form::Table(LIMITS)),
    Key("writes", false, Form::Table(WRITES)),
    Key("compatibility", false, Form::Tables(32, COMPATIBILITY)),
    Key("config", false, Form::Any),
];
const PLUGIN: &[Key] = &[
    Key("name", true, Form::Text(63)),
    Key("version", true, Form::Text(64)),
    Key("description", true, Form::Text(500)),
    Key("license", false, Form::Text(200)),
    Key("authors", false, Form::Texts(200, 32)),
    Key("homepage", false, Form::Text(500)),
    Key("host", true, Form::Text(100)),
    Key("capabilities", true, Form::Texts(256, 32)),
    Key("issues", false, Form::Texts(63, 32)),
];
const ENDPOINT: &[Key] = &[
    Key("name", true, Form::Text(63)),
    Key("description", false, Form::Text(500)),
    Key("address", true, Form::Text(128)),
    Key("methods", true, Form::Texts(16, 16)),
    Key("paths", true, Form::Texts(500, 128)),
    Key("safe-posts", false, Form::Texts(500, 128)),
];
const LIMITS: &[Key] = &[
    Key("memory-mib", false, Form::Count(4096)),
    Key("cpu-ms", false, Form::Count(3_600_000)),
    Key("call-timeout-ms", false, Form::Count(3_600_000)),
    Key("concurrency", false, Form::Count(10_000)),
    Key("response-mib", false, Form::Count(4096)),
    Key("state-kib", false, Form::Count(1_048_576)),
    Key("result-mib", false, Form::Count(4096)),
    Key("requests-per-second", false, Form::Count(1_000_000)),
];
const WRITES: &[Key] = &[Key("once-by-key", true, Form::Texts(128, 256))];
const COMPATIBILITY: &[Key] = &[Key("system", true, Form::Text(100)), Key("versions", true, Form::Texts(64, 64))];

/// So many faults are told. A manifest with more has one cause, and finding them all can take as long as its author likes.
const MAX_FAULTS: usize = 64;
/// Rights to send that a manifest may ask for, a method to a path each: more is nothing that anybody can judge.
const MAX_RIGHTS: usize = 1000;
/// The longest name that is compared with others to find the one that was meant, in bytes: comparing two takes time and
/// memory by their product, and a stranger's can have a hundred thousand.
const MAX_COMPARED: usize = 100;
/// The longest path to a key, in bytes. What is further down is told by the table around it.
const MAX_PATH: usize = 500;

/// All that is wrong with a manifest's tree; nothing where it can be read.
pub(super) fn check(tree: &Value) -> Vec<ManifestFault> {
    let mut faults = Faults(Vec::new());
    faults.table(tree, "", MANIFEST);
    if faults.0.is_empty() {
        meaning(tree, &mut faults);
    }
    faults.0
}

/// The faults found so far.
pub(super) struct Faults(Vec<ManifestFault>);

impl Faults {
    pub(super) fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        if !self.is_full() {
            self.0.push(ManifestFault { line: None, key: key.into(), message: message.into() });
        }
    }

    /// Whether no more are told, so that nobody need look for them.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_FAULTS
    }

    fn table(&mut self, value: &Value, path: &str, keys: &[Key]) {
        let Value::Object(map) = value else {
            return self.add(path, format!("expected a table, found {}", kind(value)));
        };
        let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for Key(name, required, form) in keys {
            match map.get(*name) {
                Some(value) => self.form(value, &at(name), form),
                None if *required => self.add(at(name), "is missing"),
                None => {}
            }
        }
        for name in map.keys().filter(|name| keys.iter().all(|key| key.0 != *name)) {
            let known = keys.iter().map(|key| key.0);
            let remedy = match nearest(name, known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.collect::<Vec<_>>().join(", ")),
            };
            self.add(at(name), format!("is not a key of the manifest; {remedy}"));
        }
    }

    fn form(&mut self, value: &Value, path: &str, form: &Form) {
        match (form, value) {
            (Form::Text(max), Value::String(text)) => self.text(text, path, *max),
            (Form::Texts(max, count), Value::Array(items)) => {
                self.at_most(items.len(), path, *count);
                for (index, item) in items.iter().enumerate() {
                    self.form(item, &format!("{path}[{index}]"), &Form::Text(*max));
                }
            }
            (Form::Count(max), Value::Number(number)) => {
                if !number.as_u64().is_some_and(|n| n >= 1 && n <= *max) {
                    self.add(path, format!("must be a whole number from 1 to {max}, is {number}"));
                }
            }
            (Form::Table(keys), value) => self.table(value, path, keys),
            (Form::Tables(count, keys), Value::Array(items)) => {
                self.at_most(items.len(), path, *count);
                for (index, item) in items.iter().enumerate() {
                    self.table(item, &format!("{path}[{index}]"), keys);
                }
            }
            (Form::Any, Value::Object(_)) => {}
            (Form::Text(_), other) => self.add(path, format!("expected a string, found {}", kind(other))),
            (Form::Texts(..), other) => self.add(path, format!("expected a list of strings, found {}", kind(other))),
            (Form::Count(_), other) => self.add(path, format!("expected a whole number, found {}", kind(other))),
            (Form::Tables(..), Value::Object(_)) => {
                self.add(path, format!("expected a list of tables; write `[[{path}]]`, not `[{path}]`"));
            }
            (Form::Tables(..), other) => self.add(path, format!("expected a list of tables, found {}", kind(other))),
            (Form::Any, other) => self.add(path, format!("expected a table, found {}", kind(other))),
        }
    }

    fn text(&mut self, text: &str, path: &str, max: usize) {
        if text.trim().is_empty() {
            self.add(path, "must not be empty");
        } else if text.len() > max {
            self.add(path, format!("has {} bytes, at most {max} are allowed", text.len()));
        } else if text.chars().any(char::is_control) {
            self.add(path, "must be one line without control characters");
        }
    }

    fn at_most(&mut self, found: usize, path: &str, max: usize) {
        if found > max {
            self.add(path, format!("has {found} items, at most {max} are allowed"));
        }
    }
}

fn meaning(tree: &Value, faults: &mut Faults) {
    let text = |pointer: &str| tree.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    name(text("/plugin/name"), "plugin.name", faults);
    if let Err(e) = semver::Version::parse(text("/plugin/version")) {
        faults.add("plugin.version", format!("is not a version such as `0.1.0`: {e}"));
    }
    if let Err(e) = semver::VersionReq::parse(text("/plugin/host")) {
        faults.add("plugin.host", format!("is not a range of versions such as `>=0.1.0, <0.2.0`: {e}"));
    }
    let homepage = text("/plugin/homepage");
    if !(homepage.is_empty() || homepage.starts_with("https://") || homepage.starts_with("http://")) {
        faults.add("plugin.homepage", "must be an http or https address");
    }
    capabilities(tree, faults);
    issues(tree, faults);
    endpoints(tree, faults);
    writes(tree, faults);
    if let Some(config) = tree.get("config").and_then(Value::as_object) {
        schema::check(config, faults);
    }
}

fn capabilities(tree: &Value, faults: &mut Faults) {
    let mut seen = HashSet::new();
    let items = strings(tree.pointer("/plugin/capabilities"));
    if items.is_empty() {
        faults.add("plugin.capabilities", "names no capability; a plugin exports at least one");
    }
    for (index, item) in items.into_iter().enumerate() {
        let key = format!("plugin.capabilities[{index}]");
        match item.parse::<CapabilityRef>() {
            Err(e) => faults.add(key, e.to_string()),
            Ok(capability) if capability.namespace == "jackfield" && capability.package == "plugin" => {
                faults.add(key, "every plugin exports the life cycle; do not list it");
            }
            Ok(capability) => {
                if !seen.insert(capability.interface_id()) {
                    faults.add(key, format!("`{item}` is listed twice"));
                }
            }
        }
    }
}

/// Which types there are is the host's to know, and newer hosts know more.
fn issues(tree: &Value, faults: &mut Faults) {
    let mut seen = HashSet::new();
    for (index, item) in strings(tree.pointer("/plugin/issues")).into_iter().enumerate() {
        let key = format!("plugin.issues[{index}]");
        name(item, &key, faults);
        if !seen.insert(item) {
            faults.add(key, format!("`{item}` is listed twice"));
        }
    }
}

fn endpoints(tree: &Value, faults: &mut Faults) {
    let mut seen = HashSet::new();
    let mut rights = 0;
    let properties = tree.pointer("/config/properties").and_then(Value::as_object);
    for (index, endpoint) in tree.get("endpoints").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let key = |name: &str| format!("endpoints[{index}].{name}");
        let text = |name: &str| endpoint.get(name).and_then(Value::as_str).unwrap_or_default();
        name(text("name"), &key("name"), faults);
        if !seen.insert(text("name")) {
            faults.add(key("name"), format!("there are two endpoints named `{}`", text("name")));
        }
        let address = text("address");
        // It stands in what an operator is asked.
        if address.chars().any(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(c))) {
            faults.add(key("address"), "must be of letters, digits, `-`, `_` and `.`");
        }
        match properties.and_then(|properties| properties.get(address)) {
            Some(property) if !schema::holds_text(property) => faults.add(
                key("address"),
                format!("`config.properties.{address}` must allow type \"string\", or \"array\" of strings"),
            ),
            Some(property) if property.get("default").is_some() => faults.add(
                format!("config.properties.{address}.default"),
                "is an address, which only the operator gives: it is what the plugin may reach; show one in `examples` instead",
            ),
            Some(_) => {}
            None => {
                let near = properties.and_then(|p| nearest(address, p.keys().map(String::as_str)));
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                faults.add(
                    key("address"),
                    format!(
                        "names the configuration property `{address}`, which `config.properties` does not have{hint}"
                    ),
                );
            }
        }
        let (methods, paths) = (strings(endpoint.get("methods")), strings(endpoint.get("paths")));
        if methods.is_empty() {
            faults.add(key("methods"), "names no method, so nothing could be sent; name those the plugin uses");
        }
        if paths.is_empty() {
            faults.add(key("paths"), "names no path, so nothing could be sent; name those the plugin uses");
        }
        let safe_posts = strings(endpoint.get("safe-posts"));
        rights += methods.len() * paths.len() + safe_posts.len();
        if !safe_posts.is_empty() && !methods.contains(&"POST") {
            faults.add(key("safe-posts"), "names paths for a `POST`, and `methods` has none");
        }
        for (at, method) in methods.into_iter().enumerate() {
            if let Some(fault) = method_fault(method) {
                faults.add(key(&format!("methods[{at}]")), fault);
            }
        }
        for (list, paths) in [("paths", paths), ("safe-posts", safe_posts)] {
            for (at, path) in paths.into_iter().enumerate() {
                if let Some(fault) = path_fault(path) {
                    faults.add(key(&format!("{list}[{at}]")), fault);
                }
            }
        }
    }
    if rights > MAX_RIGHTS {
        let message =
            format!("ask for {rights} methods at paths; at most {MAX_RIGHTS} can be judged: use `*` in paths");
        faults.add("endpoints", message);
    }
}

/// Whether the component has such writes is seen when it is installed.
fn writes(tree: &Value, faults: &mut Faults) {
    for (index, item) in strings(tree.pointer("/writes/once-by-key")).into_iter().enumerate() {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let named = item
            .split_once('.')
            .is_some_and(|(capability, operation)| plain(capability) && (operation == "*" || plain(operation)));
        if !named {
            let message = format!("`{item}` names no write; write `CAPABILITY.OPERATION`, or `CAPABILITY.*` for all");
            faults.add(format!("writes.once-by-key[{index}]"), message);
        }
    }
}

fn method_fault(method: &str) -> Option<String> {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    (!METHODS.contains(&method)).then(|| format!("`{method}` is not one of {}", METHODS.join(", ")))
}

/// A pattern is judged on the text that will be matched, so nothing in it may be another spelling of something else.
fn path_fault(path: &str) -> Option<String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Some(format!("`{path}` must start with `/`"));
    };
    if let Some(bad) = path.chars().find(|c| !(c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/".contains(*c))) {
        return Some(format!(
            "`{path}` is a path without query or escapes, of characters that need none: `{bad}` is not allowed"
        ));
    }
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        // Some servers read `..;x` as `..`.
        if matches!(segment.split(';').next(), Some("." | "..")) {
            return Some(format!("`{path}`: `{segment}` is not allowed in a path"));
        }
        if segment.is_empty() && segments.peek().is_some() {
            return Some(format!("`{path}` has an empty segment"));
        }
        if segment.contains('*') && segment != "*" {
            return Some(format!("`{path}`: `*` stands for a whole segment, or for any rest at the end"));
        }
    }
    None
}

/// Names of plugins and endpoints.
fn name(name: &str, key: &str, faults: &mut Faults) {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !starts_well || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        faults.add(key, format!("`{name}` must be lower-case letters, digits and `-`, starting with a letter"));
    }
}

fn strings(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "a number that is out of range",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// The path to a name below another path.
pub(super) fn below(path: &str, name: &str) -> String {
    match path {
        path if path.len() + name.len() > MAX_PATH => path.to_owned(),
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// The known name that `wanted` was probably meant to be.
pub(super) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.len() > MAX_COMPARED {
        return None;
    }
    known
        .filter(|name| name.len() <= MAX_COMPARED)
        .map(|name| {
            let shortened = wanted.len() >= 3 && name.starts_with(wanted);
            (if shortened { 1 } else { strsim::damerau_levenshtein(wanted, name) }, name)
        })
        .filter(|(distance, name)| *distance <= 1 + name.len().min(wanted.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
