//! Secret values in what is recorded: replaced by a mark that tells equal from different, and nothing else. Whatever JSON
//! type a value is of, it becomes a text: a number's or a boolean's few possible values would be guessed from anything that
//! is not keyed.

use ring::hmac;
use serde_json::Value;

use crate::Parameters;

/// Longer parameters are not recorded, in bytes of JSON; their length and mark are.
const MOST: usize = 4 << 10;

/// Marks secret values. Two masks with the same key give a value the same mark.
pub struct Mask(hmac::Key);

impl Mask {
    /// With a key of its own.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The mark of a value.
    pub fn mark(&self, value: &Value) -> String {
        self.bytes(value.to_string().as_bytes())
    }

    /// The mark of some bytes.
    pub fn bytes(&self, bytes: &[u8]) -> String {
        let tag = hmac::sign(&self.0, bytes);
        format!("hmac-sha256:{}", crate::key::hex(tag.as_ref().get(..16).unwrap_or_default()))
    }

    /// Parameters as they are recorded: values at the paths (JSON Pointers) that are secret are marked.
    pub fn parameters(&self, text: &[u8], is_secret: impl Fn(&str) -> bool) -> Parameters {
        let short = Some(text).filter(|text| text.len() <= MOST);
        let value = match short.map(serde_json::from_slice::<Value>) {
            Some(Ok(mut value)) => {
                self.mask(&mut value, &mut String::new(), &is_secret);
                value
            }
            _ => serde_json::json!({"bytes": text.len(), "mark": self.bytes(text)}),
        };
        value.into()
    }

    /// Parameters of an operation that takes nothing secret, and that were found to be what it takes: recorded as they came.
    pub fn open(&self, text: &str) -> Parameters {
        let open = Some(text).filter(|text| text.len() <= MOST).and_then(Parameters::open);
        open.unwrap_or_else(|| self.parameters(text.as_bytes(), |_| false))
    }

    fn mask(&self, value: &mut Value, path: &mut String, is_secret: &impl Fn(&str) -> bool) {
        if is_secret(path) {
            *value = self.mark(value).into();
            return;
        }
        let len = path.len();
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    path.push('/');
                    path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    self.mask(value, path, is_secret);
                    path.truncate(len);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter_mut().enumerate() {
                    path.push_str(&format!("/{index}"));
                    self.mask(value, path, is_secret);
                    path.truncate(len);
                }
            }
            _ => {}
        }
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_of_any_type_becomes_a_mark_and_the_rest_stays() {
        let mask = Mask::new(b"key");
        let text = json!({"a": 1, "s": {"pin": 1234, "on": true, "none": null}, "list": [{"s": "x"}, {"s": "x"}]});
        let secret = |path: &str| path.starts_with("/s/") || path.ends_with("/s") && path.starts_with("/list");
        let masked = mask.parameters(text.to_string().as_bytes(), secret);
        let masked: Value = serde_json::from_str(masked.json()).unwrap();
        assert_eq!(masked["a"], 1);
        for path in ["/s/pin", "/s/on", "/s/none", "/list/0/s"] {
            assert!(masked.pointer(path).unwrap().as_str().unwrap().starts_with("hmac-sha256:"), "{path}");
        }
        assert_eq!(masked.pointer("/list/0/s"), masked.pointer("/list/1/s"), "equal values are seen to be equal");
        assert_ne!(masked["s"]["on"], Mask::new(b"other").mark(&json!(true)), "and not without the key");
    }

    #[test]
    fn long_parameters_are_told_by_length_and_mark() {
        let (mask, text) = (Mask::new(b"key"), format!("[\"{}\"]", "x".repeat(5000)));
        let masked = mask.parameters(text.as_bytes(), |_| false);
        assert!(masked.json().starts_with("{\"bytes\":5004,\"mark\":\"hmac-sha256:"), "{masked:?}");
        assert_eq!(mask.open(&text), masked);
    }
}
