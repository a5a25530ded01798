//! Who vouches for a plugin: the trust policy's answer, and whether it is who vouched for the versions before.

use std::collections::BTreeSet;

use jackfield_registry::{Digest, Manifest};
use jackfield_trust::{Delivery, Judgement, Origin, Refusal, Signer};
use serde::{Deserialize, Serialize};

use super::{NewPlugin, acceptance};
use crate::{Error, ErrorKind, ErrorSource, Result, faults, limits, trust::Trust, view::View};

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
    /// The prefix of the trust policy's rule that let it in; none where there was none for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Who signed it; none where that was not needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// What was attested of it, by the types of predicates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attestations: Vec<String>,
}

/// Has the trust policy judge a plugin. It takes time: not for a thread that others wait for.
pub(super) fn judge(trust: &Trust, new: &NewPlugin, manifest: &Manifest) -> Result<Provenance> {
    let (rights, limits) = (acceptance::rights(manifest), limits::unset(&manifest.limits));
    let delivery = Delivery {
        origin: &new.origin,
        digest: &new.signed,
        evidence: &new.evidence,
        rights: &rights,
        limits: &limits,
        unsigned_file: new.allow_unsigned,
    };
    let policy = trust.policy()?;
    let not_trusted = |refusal: Refusal| refused(&refusal.to_string(), "not-trusted");
    let mut judged = policy.judge(&delivery).map_err(not_trusted)?;
    let (mut origin, mut pinned) = (new.origin.clone(), new.pinned.clone());
    if let (None, Some(copied_from)) = (&judged.signer, &new.copied_from) {
        // Nobody vouches for it, and its place was never asked: what it is comes from where the copy lay.
        let (file, nothing) = (Digest::of(&new.file), Vec::new());
        let copy = Delivery { origin: copied_from, digest: &file, evidence: &nothing, ..delivery };
        judged = policy.judge(&copy).map_err(not_trusted)?;
        (origin, pinned) = (copied_from.clone(), Some(copied_from.to_string()));
    }
    let Judgement { signer, rule, attestations } = judged;
    Ok(Provenance { origin: Some(origin), pinned, rule, signer, attestations })
}

fn refused(reason: &str, code: &str) -> Error {
    let error = Error::new(ErrorKind::PermissionDenied, ErrorSource::Caller, faults::text(reason.to_owned()));
    Error { code: Some(code.to_owned()), ..error }
}

/// Whether who vouches for a version is who vouched for one before, installed or not any more; whether another was allowed. What
/// nobody signed before, anybody may sign.
pub(super) fn goes_on(view: &View, name: &str, new: &NewPlugin, provenance: &Provenance) -> Result<bool> {
    let before = view.signers.of(name);
    let same = provenance.signer.as_ref().is_some_and(|signer| before.iter().any(|other| signer.is(other)));
    if before.is_empty() || same {
        return Ok(false);
    }
    if new.allow_other_signer {
        return Ok(true);
    }
    let known: BTreeSet<String> = before.iter().map(ToString::to_string).collect();
    let now = provenance.signer.as_ref().map_or("by nobody".to_owned(), |signer| format!("by {signer}"));
    let message = format!(
        "`{name}` is not installed: it is signed {now}, and versions of it that were installed before are signed by {}. If its makers say that this is right, install it with `--allow-other-signer`",
        known.into_iter().collect::<Vec<_>>().join(", ")
    );
    Err(refused(&message, "other-signer"))
}

/// What is told of where a plugin came from, and of what the operator let pass.
pub(super) fn told(provenance: &Provenance, other_signer: bool) -> String {
    let origin = provenance.pinned.as_deref().or(provenance.origin.as_ref().map(Origin::as_str));
    let origin = origin.map(|origin| format!("; from {origin}")).unwrap_or_default();
    let signer = provenance.signer.as_ref().map_or("nobody".to_owned(), ToString::to_string);
    let rule = provenance
        .rule
        .as_ref()
        .map_or("no rule: allowed without a signature".to_owned(), |r| format!("the rule for {r}"));
    let other = if other_signer { "; another signer than before was allowed" } else { "" };
    format!("{origin}; signed by {signer}; by {rule}{other}")
}
