//! Where a release's file is: somewhere else, or beside the index. An index is a stranger's, so a path from it never leads out
//! of the index's folder, on any platform.

use std::{fmt, str::FromStr};

use jackfield_registry::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest place, in bytes.
const MAX_BYTES: usize = 1000;

/// Where a release's file is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// In a registry, pinned by the digest of its manifest there: `oci://ghcr.io/acme/etcd:1.2.0@sha256:…`.
    Registry(String),
    /// On a web server: `https://plugins.example/etcd-1.2.0.wasm`.
    Web(String),
    /// Beside the index: a path from the index's root, with `/` between names, without `.` and `..`.
    Beside(String),
}

/// Why a text is no place of a release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// It is too long.
    #[error("it has {size} bytes; at most {MAX_BYTES} are read")]
    TooLong {
        /// How long it is.
        size: usize,
    },
    /// A registry's, that says not which manifest.
    #[error("a place in a registry names the digest of the manifest: `oci://REGISTRY/REPOSITORY:TAG@sha256:…`")]
    NotPinned,
    /// Without TLS.
    #[error("what is elsewhere is fetched by `https://`; `http://` is for this machine (127.0.0.1, [::1], localhost)")]
    Plain,
    /// An address with a login, a query or a part.
    #[error("an address names a host and a file, and has no login, no `?`, no `#` and nothing but plain characters")]
    Address,
    /// Of another kind.
    #[error(
        "a release's file is at `oci://REGISTRY/REPOSITORY:TAG@sha256:…`, `https://HOST/FILE`, or at a path from the index's root"
    )]
    Scheme,
    /// A path that leads somewhere else.
    #[error(
        "a path from the index's root has names of letters, digits, `-`, `_`, `.` and `+` with `/` between them: no `..`, no `\\`, none that begins with `.` or `/` or ends with `.`"
    )]
    Path,
}

impl Location {
    /// Whether the file lies beside the index.
    pub fn is_beside(&self) -> bool {
        matches!(self, Self::Beside(_))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Registry(text) | Self::Web(text) | Self::Beside(text) => text,
        }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if text.len() > MAX_BYTES {
            return Err(LocationError::TooLong { size: text.len() });
        }
        let owned = text.to_owned();
        match text.split_once("://") {
            Some(("oci", rest)) => {
                let (repository, digest) = rest.split_once('@').ok_or(LocationError::NotPinned)?;
                digest.parse::<Digest>().map_err(|_| LocationError::NotPinned)?;
                host_and_path(repository)?;
                Ok(Self::Registry(owned))
            }
            Some(("https", rest)) => host_and_path(rest).map(|_| Self::Web(owned)),
            Some(("http", rest)) => {
                let host = host_and_path(rest)?;
                let name = match host.strip_prefix("[::1]") {
                    Some(port) if port.is_empty() || port.starts_with(':') => "[::1]",
                    _ => host.split(':').next().unwrap_or_default(),
                };
                let here = ["127.0.0.1", "[::1]", "localhost"].contains(&name);
                if here { Ok(Self::Web(owned)) } else { Err(LocationError::Plain) }
            }
            Some(_) => Err(LocationError::Scheme),
            None if is_path(text) => Ok(Self::Beside(owned)),
            None => Err(LocationError::Path),
        }
    }
}

/// The host of what stands behind `://`. What it says exactly is judged by whoever fetches it.
fn host_and_path(rest: &str) -> Result<&str, LocationError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/[]+%".contains(&b);
    match rest.split_once('/') {
        Some((host, path)) if !host.is_empty() && !path.is_empty() && rest.bytes().all(plain) => Ok(host),
        _ => Err(LocationError::Address),
    }
}

/// Whether a text is a path that stays below where it begins, and is the same path on every platform.
pub(crate) fn is_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._+".contains(&b);
    let name =
        |name: &str| !name.is_empty() && !name.starts_with('.') && !name.ends_with('.') && name.bytes().all(plain);
    text.len() <= MAX_BYTES && text.split('/').all(name)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_elsewhere_or_below_the_index() {
        let digest = Digest::of(b"");
        for text in [
            &format!("oci://ghcr.io/acme/etcd:1.2.0@{digest}"),
            &format!("oci://127.0.0.1:5000/etcd@{digest}"),
            "https://plugins.example/etcd/etcd-1.2.0+a.wasm",
            "http://127.0.0.1:8080/etcd.wasm",
            "http://[::1]:8080/etcd.wasm",
            "http://localhost/etcd.wasm",
            "etcd-1.2.0+build.5.wasm",
            "packages/etcd/etcd_1.wasm",
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), *text);
        }
    }

    #[test]
    fn a_path_that_leads_out_of_the_index_is_refused_in_every_spelling() {
        for text in [
            "",
            "..",
            "../a.wasm",
            "a/../../b.wasm",
            "a/./b.wasm",
            "./a.wasm",
            "/etc/passwd",
            "//host/share",
            "a//b",
            "a/",
            "C:\\a.wasm",
            "C:/a.wasm",
            "a\\..\\b",
            ".hidden/a",
            "a./b",
            "a\0b",
            "a b",
            "a%2e%2e/b",
            "aé",
            "~/a",
        ] {
            assert_eq!(text.parse::<Location>(), Err(LocationError::Path), "{text:?}");
        }
        assert!(matches!("a".repeat(1001).parse::<Location>(), Err(LocationError::TooLong { size: 1001 })));
    }

    #[test]
    fn what_is_elsewhere_is_pinned_or_comes_by_tls_and_says_nothing_else() {
        use LocationError::{Address, NotPinned, Plain, Scheme};
        for (text, expected) in [
            ("oci://ghcr.io/acme/etcd:1.2.0", NotPinned),
            ("oci://ghcr.io/acme/etcd@sha256:00", NotPinned),
            ("http://plugins.example/etcd.wasm", Plain),
            ("http://127.0.0.1.example/etcd.wasm", Plain),
            ("http://[::1].example/etcd.wasm", Plain),
            ("https://user:pass@h/etcd.wasm", Address),
            ("https://h/etcd.wasm?x", Address),
            ("https://h/etcd.wasm#x", Address),
            ("https://h", Address),
            ("https://h/", Address),
            ("https:///etcd", Address),
            ("file:///etc/passwd", Scheme),
            ("ftp://h/a", Scheme),
        ] {
            assert_eq!(text.parse::<Location>(), Err(expected), "{text}");
        }
    }
}
