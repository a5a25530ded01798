//! Who vouches for a plugin: the trust policy's answer, and whether it is who vouched for the versions before.

use jackfield_registry::Rights;
use jackfield_trust::{Delivery, Judgement, Origin, Signer};
use serde::{Deserialize, Serialize};

use super::NewPlugin;
use crate::{Error, ErrorKind, ErrorSource, Result, trust::Trust, view::View};

/// Where an installed plugin came from and who vouched for it then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Provenance {
    /// Where it came from; none for what was installed before Jackfield kept that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What would fetch exactly this again: a reference with the manifest's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// Who signed it; none where that was not needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// What was attested of it, by the types of predicates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attestations: Vec<String>,
}

/// Has the trust policy judge a plugin.
pub(super) fn judge(trust: &Trust, new: &NewPlugin, rights: &Rights) -> Result<Provenance> {
    let delivery = Delivery {
        origin: &new.origin,
        digest: &new.signed,
        evidence: &new.evidence,
        rights,
        unsigned_file: new.allow_unsigned,
    };
    let Judgement { signer, attestations, .. } = trust.policy()?.judge(&delivery).map_err(|refusal| {
        let error = Error::new(ErrorKind::PermissionDenied, ErrorSource::Caller, refusal.to_string());
        Error { code: Some("not-trusted".into()), ..error }
    })?;
    Ok(Provenance { origin: Some(new.origin.clone()), pinned: new.pinned.clone(), signer, attestations })
}

/// Whether who vouches for a version is who vouched for one that is installed. What nobody signed before, anybody may sign.
pub(super) fn goes_on(view: &View, name: &str, new: &NewPlugin, provenance: &Provenance) -> Result<()> {
    let before: Vec<&Signer> =
        view.versions(name).filter_map(|plugin| plugin.record.provenance.signer.as_ref()).collect();
    let same = provenance.signer.as_ref().is_some_and(|signer| before.iter().any(|other| signer.is(other)));
    if before.is_empty() || same || new.allow_other_signer {
        return Ok(());
    }
    let mut known: Vec<String> = before.into_iter().map(ToString::to_string).collect();
    known.sort();
    known.dedup();
    let now = provenance.signer.as_ref().map_or("by nobody".to_owned(), |signer| format!("by {signer}"));
    let message = format!(
        "`{name}` is not installed: it is signed {now}, and installed versions of it are signed by {}. If its makers say that this is right, install it with `--allow-other-signer`",
        known.join(", ")
    );
    let error = Error::new(ErrorKind::PermissionDenied, ErrorSource::Caller, message);
    Err(Error { code: Some("other-signer".into()), ..error })
}

/// What is told of where a plugin came from.
pub(super) fn told(provenance: &Provenance) -> String {
    let origin = provenance.pinned.as_deref().or(provenance.origin.as_ref().map(Origin::as_str));
    let origin = origin.map(|origin| format!("; from {origin}")).unwrap_or_default();
    let signer =
        provenance.signer.as_ref().map_or("; signed by nobody".to_owned(), |signer| format!("; signed by {signer}"));
    origin + &signer
}
