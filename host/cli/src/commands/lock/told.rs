//! What the host tells of a plugin, installed or planned, as far as a lock file is about it. Read strictly: what a lock
//! would lack is no plugin without it.

use jackfield_registry::{Digest, LockedPlugin, LockedSigner};
use semver::Version;
use serde::Deserialize;

use crate::failure::Failure;

/// A plugin as the host tells of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) digest: Digest,
    pub(crate) pinned: Option<String>,
    signer: Option<LockedSigner>,
    rights: Vec<String>,
    accept: Option<String>,
    /// Of a plan: why the trust policy does not let it in.
    pub(crate) refused: Option<String>,
    /// Of a plan: it is installed already.
    #[serde(default)]
    pub(crate) installed: bool,
    /// Another trust policy is to judge it than the one that did: neither who signed it nor that it is refused counts yet.
    #[serde(skip)]
    pub(crate) unjudged: bool,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Told>,
}

impl Told {
    /// Reads an installed plugin, or the plan of an installation.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(body).map_err(|error| strange(&error))
    }

    pub(super) fn read_page(body: &[u8]) -> Result<Vec<Self>, Failure> {
        serde_json::from_slice(body).map(|page: Page| page.items).map_err(|error| strange(&error))
    }

    /// `NAME@VERSION`.
    pub(crate) fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// The same as an entry of a lock.
    pub(crate) fn locked(self, from: Option<String>) -> LockedPlugin {
        let Self { name, version, digest, signer, rights, accept, .. } = self;
        LockedPlugin { name, version, digest, from, signer, rights, accept }
    }
}

fn strange(error: &serde_json::Error) -> Failure {
    Failure::Failed(format!("what is told of a plugin cannot be locked ({error}); is it Jackfield, of this version?"))
}
