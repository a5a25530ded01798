//! How bytes are kept in a secret, which is a JSON object. What is text is kept as text, so that people and other programs read it as
//! it is; other bytes are kept in base64, and the secret says so. Nothing is lost either way, and nobody has to choose. A secret of
//! any other form, of several fields for instance, is read as its JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The field that says how a value is written down.
pub(crate) const ENCODING: &str = "encoding";
const BASE64: &str = "base64";

/// The secret that holds a value.
pub(crate) fn to_secret(field: &str, value: Vec<u8>) -> Value {
    match String::from_utf8(value) {
        Ok(text) => json!({ field: text }),
        Err(bytes) => json!({ field: STANDARD.encode(bytes.as_bytes()), ENCODING: BASE64 }),
    }
}

/// The value that a secret holds.
pub(crate) fn of_secret(field: &str, secret: &Map<String, Value>) -> Vec<u8> {
    let kept = match (secret.get(field), secret.get(ENCODING), secret.len()) {
        (Some(Value::String(text)), None, 1) => Some(text.clone().into_bytes()),
        (Some(Value::String(text)), Some(Value::String(encoding)), 2) if encoding == BASE64 => {
            STANDARD.decode(text).ok()
        }
        _ => None,
    };
    // A map of JSON is written as JSON without fail.
    kept.unwrap_or_else(|| serde_json::to_vec(secret).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(secret: &Value) -> Vec<u8> {
        of_secret("value", secret.as_object().unwrap())
    }

    #[test]
    fn every_value_comes_back_as_it_was_and_text_is_kept_as_text() {
        for value in [&b"text"[..], "ü\0\u{fffd}".as_bytes(), b"", b"{\"a\":1}", &[0xff, 0, 0xfe]] {
            assert_eq!(read(&to_secret("value", value.to_vec())), value);
        }
        assert_eq!(to_secret("password", b"x".to_vec()), json!({"password": "x"}));
        assert_eq!(to_secret("value", vec![0xff]), json!({"value": "/w==", "encoding": "base64"}));
    }

    #[test]
    fn a_secret_of_another_form_is_read_as_its_json() {
        for (secret, text) in [
            (json!({"user": "u", "password": "p"}), r#"{"password":"p","user":"u"}"#),
            (json!({"value": 5}), r#"{"value":5}"#),
            (json!({"value": "x", "encoding": "hex"}), r#"{"encoding":"hex","value":"x"}"#),
            (json!({"value": "***", "encoding": "base64"}), r#"{"encoding":"base64","value":"***"}"#),
            (json!({"value": "x", "note": "y"}), r#"{"note":"y","value":"x"}"#),
            (json!({}), "{}"),
        ] {
            assert_eq!(read(&secret), text.as_bytes());
        }
    }
}
