//! From bytes to a file of an index. Two readers must not see two indexes in the same bytes, so a member that is there twice is
//! refused, and so is one that is not known: nobody can tell whether it adds a picture or takes a version back. Members whose
//! names begin with `x-` are somebody else's, carry no meaning here and are passed over.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::{FORMAT, IndexError, IndexFile, error::shown};

/// What members of others are called.
const OTHERS: &str = "x-";

/// Reads a file of an index of at most so many bytes.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], most: usize, file: IndexFile) -> Result<T, IndexError> {
    if bytes.len() > most {
        return Err(IndexError::TooLarge { file, size: bytes.len(), most });
    }
    let fault = |place: String, reason: String| IndexError::Form { file: file.clone(), place, reason: shown(&reason) };
    let tree: Tree = serde_json::from_slice(bytes).map_err(|error| fault(String::new(), error.to_string()))?;
    // Said first: what a later format has more is no fault of this one.
    match tree.0.get("format") {
        Some(Value::Number(found)) if found.as_u64() == Some(FORMAT) => {}
        Some(found) => return Err(IndexError::Format { file, found: shown(&found.to_string()) }),
        None => {
            return Err(fault("format".into(), format!("is missing; files of an index say `\"format\": {FORMAT}`")));
        }
    }
    serde_path_to_error::deserialize(tree.0).map_err(|error| {
        let place = Some(error.path().to_string()).filter(|path| path != ".").unwrap_or_default();
        fault(shown(&place), error.inner().to_string())
    })
}

/// Writes a file of an index: the same is the same bytes, and a difference is one of lines.
pub(crate) fn write(file: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and lists are always JSON.
    let mut bytes = serde_json::to_vec_pretty(file).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A tree without members of others, none of whose members is there twice.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if name.starts_with(OTHERS) {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let Tree(value) = members.next_value()?;
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` is there twice")));
            }
            map.insert(name, value);
        }
        Ok(map.into())
    }
}
