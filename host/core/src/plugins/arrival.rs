//! A plugin's file as it arrives: from whom, with what beside it, and what the operator has said of it.

use bytes::Bytes;
use jackfield_fetch::{Place, PlaceError};
use jackfield_registry::{Digest, MAX_PACKAGE_BYTES};
use jackfield_trust::{Evidence, Origin};

use super::{Accept, refused};
use crate::{Error, Result, faults, shared::Shared};

/// A plugin that is to be installed.
#[derive(Clone, Debug)]
pub struct NewPlugin {
    /// The packed component.
    pub file: Bytes,
    /// Where it came from.
    pub origin: Origin,
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
    /// What is accepted of what it asks for.
    pub accept: Accept,
    /// Whether a file will do without a signature, where the trust policy has no rule for it.
    pub allow_unsigned: bool,
    /// Whether it may be signed by another than those who signed installed versions of it, or by nobody.
    pub allow_other_signer: bool,
}

impl NewPlugin {
    /// A file that an operator hands over, who is asked about everything.
    pub fn file(file: impl Into<Bytes>, path: &str) -> Self {
        let file = file.into();
        Self {
            signed: Digest::of(&file),
            file,
            origin: Origin::file(path),
            pinned: None,
            tag: None,
            evidence: Vec::new(),
            expect_digest: None,
            accept: Accept::Nothing,
            allow_unsigned: false,
            allow_other_signer: false,
        }
    }

    /// A file that a program brings which embeds the host: it has judged what the plugin asks for and who made it.
    pub fn embedded(file: impl Into<Bytes>) -> Self {
        Self {
            accept: Accept::Everything,
            allow_unsigned: true,
            allow_other_signer: true,
            ..Self::file(file, "embedded")
        }
    }
}

/// Fetches a plugin from where it is published. Nothing of it is believed, and nothing accepted.
pub(crate) async fn fetch(shared: &Shared, place: &str) -> Result<NewPlugin> {
    // What was written is not repeated: it may be an address with a password.
    let place: Place = place.parse().map_err(|error: PlaceError| Error::invalid(error.to_string()))?;
    let fetched = match shared.fetcher.fetch(&place, MAX_PACKAGE_BYTES).await.map_err(faults::fetch) {
        Ok(fetched) => fetched,
        Err(error) => {
            // Somebody may have tampered with it, which is to be known also where it was only looked at.
            if error.code.as_deref() == Some(faults::DAMAGED) {
                refused(shared, None, &format!("a plugin was fetched; from {place}"), &error).await;
            }
            return Err(error);
        }
    };
    Ok(NewPlugin {
        file: fetched.file.into(),
        origin: fetched.origin,
        pinned: Some(fetched.pinned),
        tag: fetched.tag,
        signed: fetched.signed,
        evidence: fetched.evidence,
        expect_digest: None,
        accept: Accept::Nothing,
        allow_unsigned: false,
        allow_other_signer: false,
    })
}
