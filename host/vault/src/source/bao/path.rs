//! What is named of a server: a path of it, perhaps with parameters, and a field of what is there.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::source::is_name;

/// The longest that is taken, in bytes.
const MOST: usize = 1024;

/// A path of a server. With parameters it is written to, as PKI and SSH want it; without, it is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BaoPath {
    pub(crate) server: String,
    /// Without `/v1/`, e.g. `secret/data/app`.
    pub(crate) path: String,
    pub(crate) params: Vec<(String, String)>,
}

/// A field of what is at a path: `SERVER/PATH#FIELD`, or `SERVER/PATH?PARAMETER=VALUE&…#FIELD` for what is made by a write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BaoField {
    pub(crate) path: BaoPath,
    pub(crate) field: String,
}

impl FromStr for BaoField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const HOW: &str = "write it as `SERVER/PATH#FIELD`, e.g. `main/secret/data/app#password`";
        let wrong = |what: &str| Err(format!("{what}; {HOW}"));
        if text.len() > MOST || text.chars().any(char::is_control) {
            return wrong("it is too long or holds control characters");
        }
        let Some((place, field)) = text.split_once('#') else { return wrong("it names no field") };
        let (place, params) = place.split_once('?').map_or((place, None), |(place, params)| (place, Some(params)));
        let Some((server, path)) = place.split_once('/') else { return wrong("it names no path") };
        if !is_name(server) {
            return wrong("it names no server");
        }
        if !is_path(path) {
            return wrong("its path has parts of letters, digits and `-_.~@:+` only");
        }
        if field.is_empty() || field.len() > 255 {
            return wrong("it names no field");
        }
        let pair = |pair: &str| match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(format!("each parameter is `NAME=VALUE`; {HOW}")),
        };
        let params = params.map(|params| params.split('&').map(pair).collect::<Result<_, _>>()).transpose()?;
        let path = BaoPath { server: server.to_owned(), path: path.to_owned(), params: params.unwrap_or_default() };
        Ok(Self { path, field: field.to_owned() })
    }
}

/// Whether it is a path of whole parts, none of which leads anywhere else.
pub(super) fn is_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~@:+".contains(&b);
    path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain))
}

impl TryFrom<String> for BaoField {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<BaoField> for String {
    fn from(field: BaoField) -> Self {
        field.to_string()
    }
}

impl fmt::Display for BaoField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BaoPath { server, path, params } = &self.path;
        write!(f, "{server}/{path}")?;
        for (index, (name, value)) in params.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        write!(f, "#{}", self.field)
    }
}

/// As it is told; the parameters are not.
impl fmt::Display for BaoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of the OpenBao `{}`", self.path, self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_read_and_written_back_as_it_was() {
        for text in ["main/secret/data/app#password", "b/pki/issue/web?common_name=a.b&ttl=1h#private_key"] {
            let field: BaoField = text.parse().unwrap();
            assert_eq!(field.to_string(), text);
            let json = serde_json::to_string(&field).unwrap();
            assert_eq!(serde_json::from_str::<BaoField>(&json).unwrap(), field);
        }
    }

    #[test]
    fn no_path_leads_anywhere_else() {
        for text in [
            "",
            "main",
            "main/a",
            "main/a#",
            "main#a",
            "main/#a",
            "/a#b",
            "main/../sys#a",
            "main/a/./b#a",
            "main/a//b#a",
            "main//a#b",
            "main/a%2fb#a",
            "main/a b#a",
            "main/a\\b#a",
            "main/a?x#a",
            "main/a?=x#a",
            "main/a\n#a",
        ] {
            assert!(text.parse::<BaoField>().is_err(), "{text}");
        }
    }
}
