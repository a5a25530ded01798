//! Signatures in a registry, where cosign has them.
//!
//! Since version 3 cosign pushes a bundle that refers to what it signs, before that a layer under the tag `sha256-….sig`, and
//! attestations under `sha256-….att`. All are looked for; what is pushed is in both forms of signatures, so that either
//! version finds one.

use jackfield_oci::{Client, Descriptor, EMPTY, EMPTY_BYTES, IMAGE_MANIFEST, ImageManifest, OciError, Repository};
use jackfield_registry::Digest;
use jackfield_trust::{Evidence, MAX_EVIDENCE_BYTES, PrivateKey, SimpleSignature};
use serde_json::value::RawValue;

use crate::FetchError;

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
const MAX_FOUND: usize = 64;

/// What is said of a manifest: every signature and attestation that there is, none of it believed.
pub(crate) async fn find(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
) -> Result<Vec<Evidence>, FetchError> {
    let mut found = Vec::new();
    // cosign lists its bundles under another type than they have, so each is looked into.
    for referrer in client.referrers(repository, digest, None).await?.into_iter().take(MAX_FOUND) {
        let manifest = client.manifest(&repository.with_digest(referrer.digest)).await?;
        if let Ok(image) = manifest.image() {
            layers(client, repository, image, &mut found).await?;
        }
    }
    for suffix in ["sig", "att"] {
        let tag = repository.with_tag(&tag(digest, suffix)).map_err(OciError::from)?;
        match client.manifest(&tag).await {
            Ok(manifest) => {
                if let Ok(image) = manifest.image() {
                    layers(client, repository, image, &mut found).await?;
                }
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

fn tag(digest: &Digest, suffix: &str) -> String {
    format!("sha256-{}.{suffix}", digest.hex())
}

/// Adds what a manifest's layers say.
async fn layers(
    client: &Client,
    repository: &Repository,
    image: ImageManifest,
    found: &mut Vec<Evidence>,
) -> Result<(), FetchError> {
    for layer in image.layers {
        let kind = layer.media_type.as_str();
        let says = kind.starts_with(BUNDLES) || kind == SIMPLE || kind == ENVELOPE;
        if !says || found.len() >= MAX_FOUND {
            continue;
        }
        let bytes = client.blob(repository, &layer, MAX_EVIDENCE_BYTES as u64).await?;
        let evidence = match kind {
            SIMPLE => layer
                .annotations
                .get(SIGNATURE)
                .map(|signature| Evidence::Simple(SimpleSignature { payload: bytes, signature: signature.clone() })),
            ENVELOPE => bundled(&bytes).map(Evidence::Bundle),
            _ => Some(Evidence::Bundle(bytes)),
        };
        found.extend(evidence);
    }
    Ok(())
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
    manifest.layers.push(layer);
    client.push_manifest(&tag, IMAGE_MANIFEST, manifest.to_bytes().into()).await?;
    Ok(())
}
