//! JSON that holds secrets: read into texts that are overwritten when they are let go of, and nothing else is kept of it.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use zeroize::Zeroizing;

use super::shown;

/// A value of JSON.
pub(crate) enum Node {
    /// A text, or a number or a truth value as it is written.
    Text(Zeroizing<String>),
    /// Values by name.
    Map(BTreeMap<String, Node>),
    /// Nothing, or a list.
    Other,
}

impl Node {
    /// A value by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        match self {
            Self::Map(members) => members.get(name),
            Self::Text(_) | Self::Other => None,
        }
    }

    /// A value by the names that lead to it, with `.` between them.
    pub(crate) fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, name| node.get(name))
    }

    /// It as a text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Map(_) | Self::Other => None,
        }
    }

    /// The names of its texts, for who asked for one that is not there.
    pub(crate) fn names(&self) -> String {
        let Self::Map(members) = self else { return "nothing by name".into() };
        let named = members.iter().filter(|(_, node)| node.text().is_some());
        let names: Vec<_> = named.take(8).map(|(name, _)| format!("`{}`", shown(name))).collect();
        if names.is_empty() { "no text".into() } else { names.join(", ") }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names())
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(Zeroizing::new(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Node, E> {
                Ok(Node::Text(Zeroizing::new(text)))
            }

            fn visit_bool<E>(self, is: bool) -> Result<Node, E> {
                Ok(Node::Text(Zeroizing::new(is.to_string())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
                Ok(Node::Text(Zeroizing::new(number.to_string())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
                Ok(Node::Text(Zeroizing::new(number.to_string())))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
                Ok(Node::Text(Zeroizing::new(number.to_string())))
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Node::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
                let mut map = BTreeMap::new();
                while let Some((name, value)) = members.next_entry()? {
                    map.insert(name, value);
                }
                Ok(Node::Map(map))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_the_names_that_lead_to_them_and_never_printed() {
        let node: Node =
            serde_json::from_str(r#"{"a":{"b":"s3cret","n":5},"list":["s3cret"],"none":null,"t":"s3cret"}"#).unwrap();
        assert_eq!(node.at("a.b").and_then(Node::text), Some("s3cret"));
        assert_eq!(node.at("a.n").and_then(Node::text), Some("5"));
        for none in ["a", "a.b.c", "list", "none", "x", ""] {
            assert!(node.at(none).and_then(Node::text).is_none(), "{none}");
        }
        assert_eq!(format!("{node:?}"), "`t`");
    }
}
