//! What is asked for: a repository of a registry, and in it a version. The grammar is the distribution specification's,
//! and a registry is always named. A version is always named, too: `latest` by default would mean that what a
//! configuration says today and what it brings tomorrow are two things, and nobody wrote that down. Errors do not repeat
//! the text, since the commonest mistake is a password in it.

use std::{fmt, str::FromStr};

use jackfield_net::{Address, AddressError};
use jackfield_registry::{Digest, DigestError};

/// Longest name of a repository; registries allow 255 for registry and repository together.
const MAX_REPOSITORY: usize = 255;
/// Longest tag, by the specification.
const MAX_TAG: usize = 128;
/// What Docker Hub is called, and where it is.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A repository of a registry: `oci://ghcr.io/acme/etcd`. Its name is the registry's own, as it stands: Docker Hub's
/// unnamed namespace, for one, is called `library`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    registry: String,
    path: String,
}

/// A version in a repository: `oci://ghcr.io/acme/etcd:1.2.0`, `oci://ghcr.io/acme/etcd@sha256:…`, or both, of which the
/// digest counts.
///
/// ```
/// use jackfield_oci::Reference;
///
/// let reference: Reference = "oci://ghcr.io/acme/etcd:1.2.0".parse()?;
/// assert_eq!(reference.repository().registry(), "ghcr.io");
/// assert_eq!(reference.tag(), Some("1.2.0"));
/// assert!("oci://ghcr.io/acme/etcd".parse::<Reference>().unwrap_err().to_string().contains("add"));
/// # Ok::<(), jackfield_oci::ReferenceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    repository: Repository,
    version: Version,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Version {
    Tag(String),
    Digest { digest: Digest, tag: Option<String> },
}

/// What is wrong with a reference, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has another scheme.
    #[error("a reference starts with oci://, or with the registry's host")]
    Scheme,
    /// It does not name a registry.
    #[error("the reference names no registry; write its host first, e.g. ghcr.io/acme/etcd:1.2.0")]
    NoRegistry,
    /// The registry is not one.
    #[error("the reference's registry is no host: {0}")]
    Registry(AddressError),
    /// The repository is not one.
    #[error(
        "the reference's repository is parts of a-z and 0-9, joined by `/`, with single `.` `_` or `-` inside, and at \
         most {MAX_REPOSITORY} bytes long"
    )]
    Repository,
    /// The tag is not one.
    #[error(
        "the reference's tag is 1 to {MAX_TAG} letters, digits, `_`, `.` and `-`, and starts with none of the last two"
    )]
    Tag,
    /// The digest is not one.
    #[error("what follows the `@` of the reference is {0}; user names and passwords do not belong there")]
    Digest(DigestError),
    /// Neither tag nor digest.
    #[error("the reference names no version; add a tag, e.g. `:1.2.0`, or a digest, `@sha256:…`")]
    NoVersion,
    /// A tag or digest where only a repository is meant.
    #[error("only a repository is meant here; remove the tag and the digest")]
    Version,
}

impl Repository {
    /// The registry: a host in lower case, with its port where one was written.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository's name in the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A tag in this repository.
    pub fn with_tag(&self, tag: &str) -> Result<Reference, ReferenceError> {
        Ok(Reference { repository: self.clone(), version: Version::Tag(checked_tag(tag)?) })
    }

    /// The content with this digest in this repository.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), version: Version::Digest { digest, tag: None } }
    }

    /// The address that is asked.
    pub(crate) fn address(&self, plain: bool) -> Result<Address, AddressError> {
        let host = if self.registry == HUB.0 { HUB.1 } else { &self.registry };
        Address::parse(&format!("{}://{host}", if plain { "http" } else { "https" }))
    }

    fn parse(text: &str) -> Result<(Self, &str), ReferenceError> {
        let (rest, explicit) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("oci") => (rest, true),
            Some(_) => return Err(ReferenceError::Scheme),
            None => (text, false),
        };
        let (registry, rest) = rest.split_once('/').ok_or(ReferenceError::NoRegistry)?;
        // Without a scheme, a first part like this is commonly one of a repository on a registry that goes without saying.
        if registry.is_empty() || !explicit && !registry.contains(['.', ':']) && registry != "localhost" {
            return Err(ReferenceError::NoRegistry);
        }
        let registry = canonical_registry(registry).map_err(ReferenceError::Registry)?;
        let (path, version) = rest.split_at(rest.find([':', '@']).unwrap_or(rest.len()));
        if !is_repository(path) {
            return Err(ReferenceError::Repository);
        }
        Ok((Self { registry, path: path.to_owned() }, version))
    }
}

impl Reference {
    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, where one is named.
    pub fn tag(&self) -> Option<&str> {
        match &self.version {
            Version::Tag(tag) => Some(tag),
            Version::Digest { tag, .. } => tag.as_deref(),
        }
    }

    /// The digest, where one is named.
    pub fn digest(&self) -> Option<Digest> {
        match &self.version {
            Version::Tag(_) => None,
            Version::Digest { digest, .. } => Some(*digest),
        }
    }

    /// The same with exactly this content.
    pub fn pinned(&self, digest: Digest) -> Self {
        let tag = self.tag().map(str::to_owned);
        Self { repository: self.repository.clone(), version: Version::Digest { digest, tag } }
    }

    /// What a manifest is asked for by: the digest before the tag.
    pub(crate) fn asked_by(&self) -> String {
        match &self.version {
            Version::Tag(tag) => tag.clone(),
            Version::Digest { digest, .. } => digest.to_string(),
        }
    }

    /// What a manifest is pushed as: the tag before the digest.
    pub(crate) fn pushed_as(&self) -> String {
        self.tag().map_or_else(|| self.asked_by(), str::to_owned)
    }

    /// The same version in another repository.
    pub(crate) fn moved(&self, repository: Repository) -> Self {
        Self { repository, version: self.version.clone() }
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        match Self::parse(text)? {
            (repository, "") => Ok(repository),
            _ => Err(ReferenceError::Version),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (repository, version) = Repository::parse(text)?;
        let (tag, digest) = match version.split_once('@') {
            Some((tag, digest)) => (tag, Some(digest.parse().map_err(ReferenceError::Digest)?)),
            None => (version, None),
        };
        let tag = match tag.strip_prefix(':') {
            Some(tag) => Some(checked_tag(tag)?),
            None if tag.is_empty() => None,
            None => return Err(ReferenceError::Tag),
        };
        let version = match (tag, digest) {
            (tag, Some(digest)) => Version::Digest { digest, tag },
            (Some(tag), None) => Version::Tag(tag),
            (None, None) => return Err(ReferenceError::NoVersion),
        };
        Ok(Self { repository, version })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        self.digest().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

/// A registry's host in one spelling, so that who names it otherwise names no other place: with its port, unless that goes without
/// saying for TLS, which every registry but those of this machine is spoken to with unless an operator says otherwise.
pub(crate) fn canonical_registry(text: &str) -> Result<String, AddressError> {
    let (tls, plain) = (Address::parse(&format!("https://{text}"))?, Address::parse(&format!("http://{text}"))?);
    if !tls.base_path().is_empty() {
        return Err(AddressError::Path);
    }
    // Each leaves out the port that goes without saying for it.
    let (here, tls, plain) = (tls.is_loopback(), tls.authority(), plain.authority());
    match tls.as_str() {
        "registry-1.docker.io" | "index.docker.io" => Ok(HUB.0.to_owned()),
        _ if here && plain.len() > tls.len() => Ok(plain),
        _ => Ok(tls),
    }
}

pub(crate) fn is_repository(path: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part_is_fine = |part: &str| {
        let inside = |joint: &str| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|b| b == b'-');
        part.starts_with(alphanumeric) && part.ends_with(alphanumeric) && part.split(alphanumeric).all(inside)
    };
    path.len() <= MAX_REPOSITORY && path.split('/').all(part_is_fine)
}

pub(crate) fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=MAX_TAG).contains(&tag.len())
        && tag.starts_with(word)
        && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

fn checked_tag(tag: &str) -> Result<String, ReferenceError> {
    if is_tag(tag) { Ok(tag.to_owned()) } else { Err(ReferenceError::Tag) }
}

#[cfg(test)]
mod tests;
