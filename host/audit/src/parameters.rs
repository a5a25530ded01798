//! What a call was asked, as a record keeps it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

/// Parameters in which nothing is secret any more, as JSON text on one line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(Box<RawValue>);

impl Parameters {
    /// A text of which it is known that nothing in it is secret. None if it is no JSON, or has line ends, which a trail's
    /// lines have not.
    pub fn open(text: &str) -> Option<Self> {
        if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_some() {
            return None;
        }
        RawValue::from_string(text.to_owned()).ok().map(Self)
    }

    /// The text.
    pub fn json(&self) -> &str {
        self.0.get()
    }
}

impl From<Value> for Parameters {
    fn from(value: Value) -> Self {
        // Every value has a form in JSON.
        Self(RawValue::from_string(value.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_as_it_is_unless_a_line_could_not_hold_it() {
        assert_eq!(Parameters::open(r#"{"a": "x\n"}"#).unwrap().json(), r#"{"a": "x\n"}"#);
        for other in ["{\n}", "{}\r", "{", "{}{}", "", "\"\u{1}\""] {
            assert_eq!(Parameters::open(other), None, "{other:?}");
        }
    }
}
