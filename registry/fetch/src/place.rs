//! What names a plugin that is elsewhere.

use std::{fmt, str::FromStr};

use jackfield_net::{Address, AddressError};
use jackfield_oci::{Reference, ReferenceError};
use jackfield_trust::Origin;

/// What a signature's name ends in, beside the file it is of.
pub const SIGNATURE_SUFFIX: &str = ".sigstore.json";

/// A plugin that is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A version in a registry's repository: `oci://ghcr.io/acme/etcd:1.2.0`.
    Registry(Reference),
    /// A file on a web server: `https://plugins.example/etcd.wasm`.
    Web(WebFile),
}

/// A file on a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebFile {
    pub(crate) address: Address,
    /// Path and query.
    pub(crate) path: String,
}

/// Why a text names no plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It begins like nothing that is known.
    #[error("a plugin is named by `oci://REGISTRY/REPOSITORY:TAG` or `https://HOST/FILE`")]
    Scheme,
    /// The reference is not right.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The address is not right.
    #[error("the address is not right: {0}")]
    Address(#[from] AddressError),
    /// There is no file in the address.
    #[error("the address names a server and no file; write `https://HOST/FILE`")]
    NoFile,
}

impl Place {
    /// Whether a text is meant to name something elsewhere, and not a file here.
    pub fn is_meant(text: &str) -> bool {
        ["oci://", "https://", "http://"].iter().any(|scheme| text.starts_with(scheme))
    }

    /// Where it comes from, as the trust policy's prefixes name it: without a version.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Registry(reference) => Origin::place(reference.repository().to_string()),
            Self::Web(file) => Origin::place(file.to_string()),
        }
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        match text.split_once("://") {
            Some(("oci", _)) => Ok(Self::Registry(text.parse()?)),
            Some((scheme @ ("https" | "http"), rest)) => {
                let at = rest.find('/').ok_or(PlaceError::NoFile)?;
                let (authority, path) = rest.split_at(at);
                // What stands behind a `#` is not sent, and a file is a path that ends in a name.
                if path.ends_with('/') || path.contains('#') {
                    return Err(PlaceError::NoFile);
                }
                let address = Address::parse(&format!("{scheme}://{authority}"))?;
                Ok(Self::Web(WebFile { address, path: path.to_owned() }))
            }
            _ => Err(PlaceError::Scheme),
        }
    }
}

impl WebFile {
    /// The file beside it that signs it.
    pub(crate) fn signature(&self) -> Self {
        let (path, query) = self.path.split_once('?').map_or((&*self.path, None), |(path, query)| (path, Some(query)));
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Self { address: self.address.clone(), path: format!("{path}{SIGNATURE_SUFFIX}{query}") }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Web(file) => file.fmt(f),
        }
    }
}

/// Without the query, which may be a secret.
impl fmt::Display for WebFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.address.is_tls() { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.address.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Place, PlaceError> {
        text.parse()
    }

    #[test]
    fn what_a_plugin_is_named_by_is_also_where_it_comes_from_but_for_its_version() {
        for (text, origin) in [
            ("oci://ghcr.io/acme/etcd:1.2.0", "oci://ghcr.io/acme/etcd"),
            ("oci://LOCALHOST:5000/etcd:1", "oci://localhost:5000/etcd"),
            ("https://plugins.example/a/etcd.wasm?token=s3cret", "https://plugins.example/a/etcd.wasm"),
            ("http://127.0.0.1:8080/etcd.wasm", "http://127.0.0.1:8080/etcd.wasm"),
        ] {
            assert_eq!(read(text).unwrap().origin().as_str(), origin, "{text}");
        }
        for text in [
            "etcd.wasm",
            "oci://ghcr.io/acme/etcd",
            "https://plugins.example",
            "https://plugins.example/",
            "ftp://a/b",
            "https://u:p@h/f",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_signature_lies_beside_its_file() {
        let Place::Web(file) = read("https://h/a.wasm?v=1").unwrap() else { panic!("not a web server") };
        assert_eq!(file.signature().path, "/a.wasm.sigstore.json?v=1");
    }
}
