//! A plugin's file as it arrives: from whom, with what beside it, and what the operator has said of it.

use bytes::Bytes;
use jackfield_fetch::{FetchError, Fetched, Place, PlaceError};
use jackfield_registry::{Digest, MAX_PACKAGE_BYTES};
use jackfield_trust::{Evidence, Origin};

use super::{Accept, is_expected, refused};
use crate::{Error, Host, Result, faults, registries, shared::Shared};

/// A plugin that is to be installed.
#[derive(Clone, Debug)]
pub struct NewPlugin {
    /// The packed component.
    pub file: Bytes,
    /// Where it came from.
    pub origin: Origin,
    /// Where it lay in truth, where it is a mirror's copy of what is published there. Unless somebody vouches for it, it is judged by
    /// that.
    pub copied_from: Option<Origin>,
    /// What would fetch exactly this again; none for a file that was handed over.
    pub pinned: Option<String>,
    /// The tag that named it; where that is a version, it must be the plugin's.
    pub tag: Option<String>,
    /// The digest that signatures of it are of: of its manifest in a registry, otherwise of the file.
    pub signed: Digest,
    /// What was found beside it: signatures and attestations, not yet believed.
    pub evidence: Vec<Evidence>,
    /// The file that it must be, where somebody has looked at one before; another is refused.
    pub expect_digest: Option<Digest>,
    /// The name that it must have, where it was asked for by name.
    pub expect_name: Option<String>,
    /// What is accepted of what it asks for.
    pub accept: Accept,
    /// Whether a file will do without a signature, where the trust policy has no rule for it.
    pub allow_unsigned: bool,
    /// Whether it may be signed by another than those who signed installed versions of it, or by nobody.
    pub allow_other_signer: bool,
    /// The ids of known faults with which it may be installed, though the trust policy refuses them.
    pub allow_advisories: AllowAdvisories,
}

/// The known faults with which a plugin may be installed, though the trust policy refuses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowAdvisories {
    /// Whatever is known: whoever installs it has judged that.
    All,
    /// Those of these ids.
    Only(Vec<String>),
}

impl Default for AllowAdvisories {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl NewPlugin {
    /// A file that an operator hands over, who is asked about everything.
    pub fn file(file: impl Into<Bytes>, path: &str) -> Self {
        let file = file.into();
        Self {
            signed: Digest::of(&file),
            file,
            origin: Origin::file(path),
            copied_from: None,
            pinned: None,
            tag: None,
            evidence: Vec::new(),
            expect_digest: None,
            expect_name: None,
            accept: Accept::Nothing,
            allow_unsigned: false,
            allow_other_signer: false,
            allow_advisories: AllowAdvisories::default(),
        }
    }

    /// The same, which must be the file of this digest. Fails with `other-digest` where another one is expected already.
    pub fn expecting(self, digest: Option<Digest>) -> Result<Self> {
        if let (Some(expected), Some(named)) = (digest, self.expect_digest) {
            is_expected(expected, named)?;
        }
        Ok(Self { expect_digest: self.expect_digest.or(digest), ..self })
    }

    /// A file that a program brings which embeds the host: it has judged what the plugin asks for and who made it.
    pub fn embedded(file: impl Into<Bytes>) -> Self {
        Self {
            accept: Accept::Everything,
            allow_unsigned: true,
            allow_other_signer: true,
            allow_advisories: AllowAdvisories::All,
            ..Self::file(file, "embedded")
        }
    }
}

impl Host {
    /// Fetches a plugin from where it is published, `oci://REGISTRY/REPOSITORY:TAG` or `https://HOST/FILE`, with the signatures
    /// beside it. Nothing of it is believed yet, and nothing accepted: say what is, and install it. Where a registry's folder here
    /// has a copy of the file of this digest, that is taken.
    pub async fn fetch_plugin(&self, place: &str, digest: Option<Digest>) -> Result<NewPlugin> {
        self.shared().open()?;
        fetch(self.shared(), place, digest).await
    }
}

/// Fetches a plugin from where it is published, or takes the copy of a mirror's folder here, where it is said which file it must
/// be. Nothing of it is believed, and nothing accepted.
async fn fetch(shared: &Shared, place: &str, digest: Option<Digest>) -> Result<NewPlugin> {
    // What was written is not repeated: it may be an address with a password.
    let place: Place = place.parse().map_err(|error: PlaceError| Error::invalid(error.to_string()))?;
    if let Some(digest) = digest
        && let Some(copy) = registries::kept(shared, &place, &digest).await?
    {
        return Ok(arrived(copy));
    }
    let found = fetched(shared, shared.fetcher.fetch(&place, MAX_PACKAGE_BYTES).await).await?;
    Ok(arrived(found))
}

/// What came of fetching a plugin. Somebody may have tampered with it, which is to be known also where it was only looked at.
pub(crate) async fn fetched<T>(shared: &Shared, outcome: std::result::Result<T, FetchError>) -> Result<T> {
    match outcome.map_err(faults::fetch) {
        Ok(fetched) => Ok(fetched),
        Err(error) => {
            if error.code.as_deref() == Some(faults::DAMAGED) {
                refused(shared, None, "a plugin was fetched", &error).await;
            }
            Err(error)
        }
    }
}

/// A plugin that was fetched, of which nothing is accepted.
pub(crate) fn arrived(fetched: Fetched) -> NewPlugin {
    NewPlugin {
        file: fetched.file.into(),
        origin: fetched.origin,
        copied_from: fetched.copied_from,
        pinned: Some(fetched.pinned),
        tag: fetched.tag,
        signed: fetched.signed,
        evidence: fetched.evidence,
        expect_digest: None,
        expect_name: None,
        accept: Accept::Nothing,
        allow_unsigned: false,
        allow_other_signer: false,
        allow_advisories: AllowAdvisories::default(),
    }
}
