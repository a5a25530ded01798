//! Signatures in a registry, where cosign has them.
//!
//! Since version 3 cosign pushes a bundle that refers to what it signs, before that a layer under the tag `sha256-….sig`, and
//! attestations under `sha256-….att`. All are looked for; what is pushed is in both forms of signatures, so that either
//! version finds one.

use std::collections::BTreeSet;

use jackfield_oci::{
    Client, Descriptor, EMPTY, EMPTY_BYTES, IMAGE_MANIFEST, ImageManifest, OciError, Reference, Repository,
};
use jackfield_registry::Digest;
use jackfield_trust::{Evidence, MAX_EVIDENCE_BYTES, PrivateKey, SimpleSignature};
use serde_json::value::RawValue;

use crate::FetchError;

/// What is told where there is more than is looked at.
const MORE: &str = "there is more beside it than is looked at";

/// A bundle.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// How the types of bundles of all versions begin.
const BUNDLES: &str = "application/vnd.dev.sigstore.bundle";
/// A signature in the older form, and where the signature itself stands.
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// An attestation in the older form.
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
/// The most that is looked at, of what refers to one manifest.
const MAX_FOUND: usize = 48;

/// What is said of a manifest: every signature and attestation that there is, none of it believed.
///
/// A piece that cannot be had stands in nobody's way, and is not passed over either: it is there as [`Evidence::Missed`].
pub(crate) async fn find(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
) -> Result<Vec<Evidence>, FetchError> {
    let mut search = Search { client, repository, found: Vec::new(), seen: BTreeSet::new() };
    // cosign lists its bundles under another type than they have, so each is looked into.
    let referrers = client.referrers(repository, digest, None).await?;
    // What says that it is a signature is looked into first: a registry full of other things hides nothing by that.
    let (bundles, others): (Vec<_>, Vec<_>) =
        referrers.into_iter().partition(|referrer| referrer.artifact_type.as_deref().is_none_or(may_be_bundle));
    for suffix in ["sig", "att"] {
        let tag = repository.with_tag(&tag(digest, suffix)).map_err(OciError::from)?;
        search.manifest(&tag).await;
    }
    for referrer in bundles.into_iter().chain(others) {
        search.manifest(&repository.with_digest(referrer.digest)).await;
    }
    Ok(search.found)
}

/// Whether a referrer of this type may be a bundle. cosign lists its own as what has no config.
fn may_be_bundle(kind: &str) -> bool {
    kind.starts_with(BUNDLES) || kind == EMPTY
}

fn tag(digest: &Digest, suffix: &str) -> String {
    format!("sha256-{}.{suffix}", digest.hex())
}

/// Looking for signatures, in as many places as are looked at.
struct Search<'s> {
    client: &'s Client,
    repository: &'s Repository,
    found: Vec<Evidence>,
    /// Layers that were looked at, whatever came of it.
    seen: BTreeSet<Digest>,
}

impl Search<'_> {
    fn missed(&mut self, place: &str, reason: &dyn std::fmt::Display) {
        self.found.push(Evidence::Missed(format!("{place} could not be had: {reason}")));
    }

    /// Whether enough was looked at. That there is more is told once.
    fn is_full(&mut self) -> bool {
        let full = self.found.len().max(self.seen.len()) >= MAX_FOUND;
        if full && !matches!(self.found.last(), Some(Evidence::Missed(reason)) if reason == MORE) {
            self.found.push(Evidence::Missed(MORE.to_owned()));
        }
        full
    }

    /// Adds what the layers of a manifest say, where there is one.
    async fn manifest(&mut self, reference: &Reference) {
        if self.is_full() {
            return;
        }
        match self.client.manifest(reference).await {
            Ok(manifest) => {
                // Others refer to plugins too.
                for layer in manifest.image().map(|image| image.layers).unwrap_or_default() {
                    self.layer(layer).await;
                }
            }
            Err(error) if error.is_not_found() && reference.digest().is_none() => {}
            Err(error) => self.missed("what refers to it", &error),
        }
    }

    async fn layer(&mut self, layer: Descriptor) {
        let kind = layer.media_type.as_str();
        let says = kind.starts_with(BUNDLES) || kind == SIMPLE || kind == ENVELOPE;
        if !says || self.is_full() || (kind != SIMPLE && !self.seen.insert(layer.digest)) {
            return;
        }
        if kind == SIMPLE {
            // One payload may be signed by several.
            self.seen.insert(layer.digest);
        }
        let bytes = match self.client.blob(self.repository, &layer, MAX_EVIDENCE_BYTES as u64).await {
            Ok(bytes) => bytes,
            Err(error) => return self.missed("a signature or an attestation", &error),
        };
        let signature = layer.annotations.get(SIGNATURE);
        match kind {
            SIMPLE => match signature {
                Some(signature) => {
                    let signature = signature.clone();
                    self.found.push(Evidence::Simple(SimpleSignature { payload: bytes, signature }));
                }
                None => self.missed("a signature", &"it is a payload without one"),
            },
            ENVELOPE => match bundled(&bytes) {
                Some(bundle) => self.found.push(Evidence::Bundle(bundle)),
                None => self.missed("an attestation", &"it is not JSON"),
            },
            _ => self.found.push(Evidence::Bundle(bytes)),
        }
    }
}

/// An envelope without a bundle, as a bundle of a key.
fn bundled(envelope: &[u8]) -> Option<Vec<u8>> {
    let envelope: &RawValue = serde_json::from_slice(envelope).ok()?;
    let bundle = format!(
        r#"{{"mediaType":"{BUNDLE}","verificationMaterial":{{"publicKey":{{"hint":""}}}},"dsseEnvelope":{envelope}}}"#
    );
    Some(bundle.into_bytes())
}

/// Signs a manifest and pushes the signature.
pub(crate) async fn attach(
    client: &Client,
    repository: &Repository,
    subject: &Descriptor,
    key: &PrivateKey,
) -> Result<(), FetchError> {
    let bundle = client.push_blob(repository, BUNDLE, key.image_bundle(&subject.digest).into()).await?;
    let mut manifest = ImageManifest::artifact(BUNDLE, vec![bundle]);
    let said = [
        ("dev.sigstore.bundle.content", "dsse-envelope"),
        ("dev.sigstore.bundle.predicateType", "https://sigstore.dev/cosign/sign/v1"),
    ];
    manifest.annotations.extend(said.map(|(name, value)| (name.to_owned(), value.to_owned())));
    client.attach(repository, subject, manifest).await?;
    attach_simple(client, repository, subject, key).await
}

/// The same in cosign's older form: a layer more under the tag that is made of the digest.
async fn attach_simple(
    client: &Client,
    repository: &Repository,
    subject: &Descriptor,
    key: &PrivateKey,
) -> Result<(), FetchError> {
    // cosign names a repository without a scheme.
    let name = format!("{}/{}", repository.registry(), repository.path());
    let SimpleSignature { payload, signature } = key.simple(&name, &subject.digest);
    let tag = repository.with_tag(&tag(&subject.digest, "sig")).map_err(OciError::from)?;
    let mut manifest = match client.manifest(&tag).await {
        Ok(manifest) => manifest.image().map_err(|found| OciError::Push {
            place: tag.to_string(),
            reason: format!("signatures belong under this tag, and there is {found}"),
        })?,
        Err(error) if error.is_not_found() => {
            let config = client.push_blob(repository, EMPTY, EMPTY_BYTES.into()).await?;
            ImageManifest::new(config, Vec::new())
        }
        Err(error) => return Err(error.into()),
    };
    let mut layer = client.push_blob(repository, SIMPLE, payload.into()).await?;
    layer.annotations.insert(SIGNATURE.to_owned(), signature);
    // The same key makes the same signature of the same, so whoever signs again changes nothing.
    if manifest.layers.contains(&layer) {
        return Ok(());
    }
    manifest.layers.push(layer);
    client.push_manifest(&tag, IMAGE_MANIFEST, manifest.to_bytes().into()).await?;
    Ok(())
}
