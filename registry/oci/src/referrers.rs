//! What is said about a manifest by others: signatures, lists of what is in it. A registry of the specification's version
//! 1.1 keeps the list; for older ones it is an index under the tag `sha256-…`, which whoever attaches something extends.
//! Two who do so at once can overwrite each other's entry, since registries have no "only if unchanged": so the index is
//! read again after it was written, and extended again if need be. A registry can leave out what it likes from either
//! list; what must be there has to be demanded by whoever trusts it.

use std::collections::BTreeMap;

use bytes::Bytes;
use jackfield_registry::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Client, Descriptor, EMPTY, EMPTY_BYTES, IMAGE_INDEX, IMAGE_MANIFEST, ImageManifest, OciError, Reference,
    Repository, descriptor::written, home::Scope, listing::following,
};

/// The most referrers of one manifest that are listed.
pub const MAX_REFERRERS: usize = 1_000;
const MAX_PAGES: usize = 20;
/// How often an index is extended anew.
const TRIES: usize = 3;

/// An index. Entries stay what they are, as some may be what is not understood here.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    #[serde(default = "two")]
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    manifests: Vec<Value>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

fn two() -> u32 {
    2
}

impl Index {
    /// Its entries, those excepted whose digest or form is not understood.
    fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        self.manifests.iter().filter_map(|entry| Descriptor::deserialize(entry).ok())
    }

    fn names(&self, digest: &Digest) -> bool {
        self.descriptors().any(|found| found.digest == *digest)
    }
}

impl Client {
    /// What is attached to a manifest, only of one type if one is given. At most [`MAX_REFERRERS`]; more are an error.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, OciError> {
        let repository = self.source(repository)?;
        let mut all = match self.listed(&repository, subject, artifact_type).await {
            Ok(listed) => listed,
            // Registries before 1.1, some of which know no such path and others no such method.
            Err(OciError::NotFound { .. } | OciError::Status { status: 400 | 405 | 501, .. }) => {
                let tag = fallback(&repository, subject)?;
                match self.index(&tag).await? {
                    Some(index) => bounded(&tag.to_string(), index.descriptors().collect())?,
                    None => Vec::new(),
                }
            }
            Err(error) => return Err(error),
        };
        all.retain(|found| artifact_type.is_none_or(|wanted| found.artifact_type.as_deref() == Some(wanted)));
        Ok(all)
    }

    async fn listed(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, OciError> {
        let (scope, home) = (Scope::reading(repository), self.home(repository)?);
        let mut url = scope.url(&home, &format!("referrers/{subject}"))?;
        if let Some(artifact_type) = artifact_type {
            url.query_pairs_mut().append_pair("artifactType", artifact_type);
        }
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let (page, answer) = self.page::<Index>(&scope, &home, url, IMAGE_INDEX).await?;
            all.extend(page.descriptors());
            all = bounded(&answer.place, all)?;
            match following(&home, &answer)? {
                Some(next) => url = next,
                None => return Ok(all),
            }
        }
        Err(OciError::malformed(&repository.to_string(), "its list of referrers does not end"))
    }

    /// Pushes a manifest that says something about another one, and describes it. What it names, its config if that is
    /// the empty one excepted, must be there already. The subject is where it is attached, whether it exists there or
    /// not.
    pub async fn attach(
        &self,
        repository: &Repository,
        subject: &Descriptor,
        mut manifest: ImageManifest,
    ) -> Result<Descriptor, OciError> {
        manifest.subject = Some(Descriptor { annotations: BTreeMap::new(), artifact_type: None, ..subject.clone() });
        if manifest.config.media_type == EMPTY {
            self.push_blob(repository, EMPTY, Bytes::from_static(EMPTY_BYTES)).await?;
        }
        let bytes = manifest.to_bytes();
        let mut descriptor = Descriptor::of(IMAGE_MANIFEST, &bytes);
        let taken = self.put_manifest(&repository.with_digest(descriptor.digest), IMAGE_MANIFEST, bytes.into()).await?;
        // As a list of referrers has it.
        descriptor.artifact_type = Some(manifest.kind().to_owned());
        descriptor.annotations = manifest.annotations;
        if !taken.with_subject {
            self.extend_index(&fallback(repository, &subject.digest)?, &descriptor).await?;
        }
        Ok(descriptor)
    }

    async fn extend_index(&self, tag: &Reference, descriptor: &Descriptor) -> Result<(), OciError> {
        let entry = serde_json::to_value(descriptor).unwrap_or_default();
        for _ in 0..=TRIES {
            let mut index = self.index(tag).await?.unwrap_or_else(|| Index {
                schema_version: two(),
                media_type: None,
                manifests: Vec::new(),
                rest: BTreeMap::new(),
            });
            if index.names(&descriptor.digest) {
                return Ok(());
            }
            index.media_type = Some(IMAGE_INDEX.to_owned());
            index.manifests.push(entry.clone());
            self.push_manifest(tag, IMAGE_INDEX, written(&index).into()).await?;
        }
        let reason = format!("its list of referrers never holds {}; push it again", descriptor.digest);
        Err(OciError::Push { place: tag.to_string(), reason })
    }

    /// The index under a tag; none if there is no such tag.
    async fn index(&self, tag: &Reference) -> Result<Option<Index>, OciError> {
        let manifest = match self.manifest_at(tag).await {
            Ok(manifest) => manifest,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let unfit = || OciError::malformed(&tag.to_string(), "what is under this tag is not an index of referrers");
        if manifest.media_type != IMAGE_INDEX {
            return Err(unfit());
        }
        serde_json::from_slice(&manifest.bytes).map(Some).map_err(|_| unfit())
    }
}

/// The tag under which old registries keep what refers to a manifest.
fn fallback(repository: &Repository, subject: &Digest) -> Result<Reference, OciError> {
    Ok(repository.with_tag(&format!("sha256-{}", subject.hex()))?)
}

fn bounded(place: &str, all: Vec<Descriptor>) -> Result<Vec<Descriptor>, OciError> {
    match all.len() > MAX_REFERRERS {
        true => Err(OciError::malformed(place, format!("there are more than {MAX_REFERRERS} referrers"))),
        false => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_in_an_index_survives_its_extension() {
        let text = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"x","digest":"sha512:ab","size":1,"platform":{"os":"y"}}],"annotations":{"a":"b"}}"#;
        let index: Index = serde_json::from_str(text).unwrap();
        assert_eq!(index.descriptors().count(), 0);
        let again: Value = serde_json::from_slice(&written(&index)).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn the_fallback_tag_is_the_specifications() {
        let repository = "a.b/c".parse().unwrap();
        let tag = fallback(&repository, &Digest::of(b"abc")).unwrap();
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(tag.to_string(), format!("oci://a.b/c:sha256-{hex}"));
    }
}
