//! The members of a JSON object as they are written, for the few that the host itself must set. Whatever the decoder would
//! refuse, a member that is given twice above all, is refused here too, so that nothing passes by being rewritten.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// An object's members, each still as text.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Members<'a>(pub(crate) BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is given twice"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_given_twice_is_refused() {
        let read = |text: &'static str| serde_json::from_str::<Members<'_>>(text).map(|members| members.0.len());
        assert_eq!(read(r#"{"a": 1, "b": {"a": 1}}"#).unwrap(), 2);
        assert!(read(r#"{"a": 1, "a": 2}"#).is_err());
        assert!(read("[]").is_err());
    }
}
