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

/// A file on a web server, in the one spelling in which policies are compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebFile {
    /// The file's whole address.
    pub(crate) address: Address,
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
    /// There is a query.
    #[error("a plugin's address has no query and no `#`")]
    Query,
    /// There is no file in the address.
    #[error("the address names a server and no file; write `https://HOST/FILE`")]
    NoFile,
}

impl Place {
    /// Whether a text is meant to name something elsewhere, and not a file here.
    pub fn is_meant(text: &str) -> bool {
        ["oci://", "https://", "http://"].iter().any(|scheme| text.starts_with(scheme))
    }

    /// Whether it is on this machine, by what is written.
    pub fn is_here(&self) -> bool {
        match self {
            Self::Registry(reference) => {
                let registry = reference.repository().registry();
                Address::parse(&format!("https://{registry}")).is_ok_and(|address| address.is_loopback())
            }
            Self::Web(file) => file.address.is_loopback(),
        }
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
            Some(("https" | "http", rest)) => {
                // One file has one name: a query, or a path that says the same in other words, would be another place to a policy.
                if rest.contains(['?', '#']) {
                    return Err(PlaceError::Query);
                }
                let address = Address::parse(text)?;
                if address.base_path().is_empty() || rest.ends_with('/') {
                    return Err(PlaceError::NoFile);
                }
                Ok(Self::Web(WebFile { address }))
            }
            _ => Err(PlaceError::Scheme),
        }
    }
}

impl WebFile {
    /// Its path on the server.
    pub(crate) fn path(&self) -> &str {
        self.address.base_path()
    }

    /// The file beside it that signs it.
    pub(crate) fn signature(&self) -> Result<Self, PlaceError> {
        Ok(Self { address: Address::parse(&format!("{self}{SIGNATURE_SUFFIX}"))? })
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

impl fmt::Display for WebFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
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
            ("oci://ghcr.io:443/acme/etcd:1", "oci://ghcr.io/acme/etcd"),
            ("oci://registry-1.docker.io/acme/etcd:1", "oci://docker.io/acme/etcd"),
            ("https://Plugins.example:443/a/etcd.wasm", "https://plugins.example/a/etcd.wasm"),
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
            let error = read(text).unwrap_err().to_string();
            assert!(!error.contains("u:p"), "{error}");
        }
    }

    #[test]
    fn a_signature_lies_beside_its_file() {
        let Place::Web(file) = read("https://h/a.wasm").unwrap() else { panic!("not a web server") };
        assert_eq!(file.signature().unwrap().path(), "/a.wasm.sigstore.json");
    }
}
