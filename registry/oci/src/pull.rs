//! Reading manifests and blobs. What a digest pins is believed only when its bytes were hashed here; what a registry says
//! about itself, in headers or by accepting a tag, decides nothing but what to ask next. Whoever pulls by tag asks once,
//! and from then on for exactly what that answer named, so a tag that is moved in between changes nothing.

use http::{HeaderName, HeaderValue, Method, header};
use jackfield_registry::Digest;
use serde::Deserialize;

use crate::{
    Client, Descriptor, ImageManifest, OciError, Reference, Repository,
    error::shown,
    home::Scope,
    transport::{Answer, Ask, Patience},
};

/// The largest manifest, in bytes: what the specification asks registries to take.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// What is understood, or at least known well enough to say why it is not what was expected.
const ACCEPTED: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json",
);

/// A manifest as a registry keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of its bytes.
    pub digest: Digest,
    /// What it is.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Manifest {
    /// Reads it as an image manifest. The reason why it is none is of use behind "what is there is".
    pub fn image(&self) -> Result<ImageManifest, String> {
        if self.media_type != crate::IMAGE_MANIFEST {
            return Err(format!("a manifest of the type {}", shown(&self.media_type)));
        }
        let image: ImageManifest = serde_json::from_slice(&self.bytes)
            .map_err(|error| format!("an image manifest that cannot be read: {}", shown(&error.to_string())))?;
        match image.schema_version {
            2 => Ok(image),
            other => Err(format!("an image manifest of the version {other}")),
        }
    }

    /// Describes it.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(&self.media_type, &self.bytes)
    }
}

impl Client {
    /// The manifest that a reference names. Its bytes are what the reference's digest says, where it has one.
    pub async fn manifest(&self, reference: &Reference) -> Result<Manifest, OciError> {
        self.manifest_at(&reference.moved(self.source(reference.repository())?)).await
    }

    /// The same from exactly where it is named.
    pub(crate) async fn manifest_at(&self, reference: &Reference) -> Result<Manifest, OciError> {
        let patience = self.patience();
        let mut answer = self.ask_manifest(reference, Method::GET, patience).await?;
        let (bytes, found) = answer.read_hashed(MAX_MANIFEST_BYTES, patience).await?;
        for expected in [reference.digest(), told_digest(&answer)?].into_iter().flatten() {
            if expected != found {
                return Err(OciError::Digest { place: answer.place, expected, found });
            }
        }
        let media_type = media_type(answer.header(header::CONTENT_TYPE), &bytes)
            .map_err(|reason| OciError::malformed(&answer.place, reason))?;
        Ok(Manifest { digest: found, media_type, bytes })
    }

    /// What a reference stands for now. A digest stands for itself and nothing is asked; what a registry says that a tag
    /// stands for proves itself when that is pulled.
    pub async fn resolve(&self, reference: &Reference) -> Result<Digest, OciError> {
        if let Some(digest) = reference.digest() {
            return Ok(digest);
        }
        let source = reference.moved(self.source(reference.repository())?);
        match self.ask_manifest(&source, Method::HEAD, self.patience()).await {
            Ok(answer) => match told_digest(&answer)? {
                Some(digest) => Ok(digest),
                None => Ok(self.manifest_at(&source).await?.digest),
            },
            // Some do not know the method, and none can say in its answer what is wrong.
            Err(OciError::NotFound { .. } | OciError::Status { .. }) => Ok(self.manifest_at(&source).await?.digest),
            Err(error) => Err(error),
        }
    }

    async fn ask_manifest(
        &self,
        reference: &Reference,
        method: Method,
        patience: Patience,
    ) -> Result<Answer, OciError> {
        let (scope, home) = (Scope::reading(reference.repository()), self.home(reference.repository())?);
        let url = scope.url(&home, &format!("manifests/{}", reference.asked_by()))?;
        let ask = Ask::new(method).header(header::ACCEPT, ACCEPTED);
        let answer = self.ask(&scope, &home, ask, url, patience).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.failure(patience).await) }
    }

    /// The content that a descriptor describes, of `most` bytes at most: neither a byte more nor less than described, and
    /// with that digest.
    pub async fn blob(&self, repository: &Repository, descriptor: &Descriptor, most: u64) -> Result<Vec<u8>, OciError> {
        let Descriptor { digest, size, .. } = *descriptor;
        if size > most {
            return Err(OciError::TooLargeToPull { digest, size, most });
        }
        let repository = self.source(repository)?;
        let (scope, home) = (Scope::reading(&repository), self.home(&repository)?);
        let url = scope.url(&home, &format!("blobs/{digest}"))?;
        let (patience, begin) = (self.transfer(), self.patience());
        let mut answer = self.ask(&scope, &home, Ask::new(Method::GET), url, begin).await?;
        if !answer.status.is_success() {
            return Err(answer.failure(patience).await);
        }
        let wrong = |found| OciError::Length { place: answer.place.clone(), expected: size, found };
        if let Some(announced) = answer.announced().filter(|announced| *announced != size) {
            return Err(wrong(announced));
        }
        let (bytes, found) = answer.read_hashed(size, patience).await?;
        if bytes.len() as u64 != size {
            let found = bytes.len() as u64;
            return Err(OciError::Length { place: answer.place, expected: size, found });
        }
        match found == digest {
            true => Ok(bytes),
            false => Err(OciError::Digest { place: answer.place, expected: digest, found }),
        }
    }
}

/// The digest that the registry says the content has. One by another algorithm says nothing that can be compared.
pub(crate) fn told_digest(answer: &Answer) -> Result<Option<Digest>, OciError> {
    let Some(told) = answer.header(CONTENT_DIGEST).filter(|told| told.starts_with("sha256:")) else { return Ok(None) };
    let digest = told.parse().map_err(|_| OciError::malformed(&answer.place, "its docker-content-digest is no digest"));
    digest.map(Some)
}

/// What a manifest is: by itself, else by what the registry says. Two that contradict each other are how one document is
/// made to mean two things.
fn media_type(header: Option<&str>, bytes: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Own {
        #[serde(default)]
        media_type: Option<String>,
    }
    let own: Own =
        serde_json::from_slice(bytes).map_err(|_| "the manifest is not JSON with a fitting mediaType".to_owned())?;
    let told = header.and_then(|text| text.split(';').next()).map(|text| text.trim().to_ascii_lowercase());
    // Anything else is what a file server says of everything.
    let told = told.filter(|told| told.starts_with("application/vnd."));
    match (own.media_type, told) {
        (Some(own), Some(told)) if own != told => Err(format!(
            "it says that the manifest is a `{}`, and the manifest that it is a `{}`",
            shown(&told),
            shown(&own)
        )),
        (Some(media_type), _) | (None, Some(media_type)) => Ok(media_type),
        (None, None) => Err("neither the manifest nor the registry says what it is".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_what_it_and_the_registry_say_alike() {
        let own = br#"{"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;
        let expected = crate::IMAGE_MANIFEST;
        for header in
            [Some(expected), Some("application/json"), None, Some("Application/vnd.OCI.image.manifest.v1+json; x=y")]
        {
            assert_eq!(media_type(header, own).as_deref(), Ok(expected), "{header:?}");
        }
        assert_eq!(media_type(Some(expected), b"{}").as_deref(), Ok(expected));
        assert!(media_type(Some(crate::IMAGE_INDEX), own).unwrap_err().contains("image.index"));
        for (header, bytes) in
            [(None, &b"{}"[..]), (Some("text/html"), b"{}"), (Some(expected), b"<"), (None, br#"{"mediaType":1}"#)]
        {
            assert!(media_type(header, bytes).is_err(), "{header:?}");
        }
    }
}
