//! Writing blobs and manifests. A blob is written whole in one request, to the place that the registry gives for it; what
//! lies on another host is written to without credentials. What writes is asked once: whether a lost answer was a yes is
//! found out by asking again, from the beginning, which does no harm since content has the name of its bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use jackfield_registry::{Digest, Hashing};

use crate::{
    Client, Descriptor, OciError, Reference, Repository,
    home::{Home, Scope},
    pull::{MAX_MANIFEST_BYTES, told_digest},
    reach,
    transport::{Answer, Ask},
};

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// What a registry answers that keeps lists of referrers itself.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// A manifest that was taken.
pub(crate) struct Taken {
    pub(crate) digest: Digest,
    /// Whether the registry says that it took note of the manifest's subject.
    pub(crate) with_subject: bool,
}

impl Client {
    /// Puts content into a repository, if it is not there, and describes it.
    pub async fn push_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, OciError> {
        let (digest, size) = (digest_of(&bytes).await, bytes.len() as u64);
        let descriptor = Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
        };
        let (scope, home) = (Scope::writing(repository), self.home(repository)?);
        if self.has_blob(&scope, &home, &descriptor).await? {
            return Ok(descriptor);
        }
        let begin = self.begin_upload(&scope, &home).await?;
        let mut url = reach::follow(&begin.url, begin.header(header::LOCATION).unwrap_or_default())
            .map_err(|not| OciError::Redirect { place: begin.place.clone(), to: not.to, reason: not.reason })?;
        url.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
        let ask = Ask::new(Method::PUT).header(header::CONTENT_TYPE, OCTETS).body(bytes);
        let patience = self.transfer();
        let answer = self.ask(&scope, &home, ask, url, patience).await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::OK => Ok(descriptor),
            _ => Err(answer.failure(patience).await),
        }
    }

    /// Whether content is there, as far as the registry says so: a manifest that names it is refused if it is not.
    async fn has_blob(&self, scope: &Scope, home: &Home, descriptor: &Descriptor) -> Result<bool, OciError> {
        let url = scope.url(home, &format!("blobs/{}", descriptor.digest))?;
        let answer = self.ask(scope, home, Ask::new(Method::HEAD), url, self.patience()).await?;
        Ok(answer.status.is_success())
    }

    async fn begin_upload(&self, scope: &Scope, home: &Home) -> Result<Answer, OciError> {
        let patience = self.patience();
        // One without a query, so that the same request is told from one that mounts or writes.
        let url = scope.url(home, "blobs/uploads/")?;
        let ask = Ask::new(Method::POST).header(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let answer = self.ask(scope, home, ask, url, patience).await?;
        match answer.status {
            StatusCode::ACCEPTED if answer.header(header::LOCATION).is_some() => Ok(answer),
            StatusCode::ACCEPTED => Err(OciError::malformed(&answer.place, "it does not say where to write to")),
            _ => Err(answer.failure(patience).await),
        }
    }

    /// Puts a manifest into a repository, under the reference's tag if it has one. What it names must be there already.
    pub async fn push_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, OciError> {
        self.put_manifest(reference, media_type, bytes).await.map(|taken| taken.digest)
    }

    pub(crate) async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Taken, OciError> {
        let unfit = |reason: String| OciError::Push { place: reference.to_string(), reason };
        let digest = Digest::of(&bytes);
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(unfit(format!("a manifest has at most {MAX_MANIFEST_BYTES} bytes, this one {}", bytes.len())));
        }
        if reference.digest().is_some_and(|named| named != digest) {
            return Err(unfit(format!("the manifest's digest is {digest}; correct the reference's, or leave it out")));
        }
        let kind = HeaderValue::from_str(media_type).map_err(|_| unfit("its media type is none".into()))?;
        let (scope, home) = (Scope::writing(reference.repository()), self.home(reference.repository())?);
        let url = scope.url(&home, &format!("manifests/{}", reference.pushed_as()))?;
        let ask = Ask::new(Method::PUT).header(header::CONTENT_TYPE, kind).body(bytes);
        let patience = self.patience();
        let answer = self.ask(&scope, &home, ask, url, patience).await?;
        if !matches!(answer.status, StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED) {
            return Err(answer.failure(patience).await);
        }
        match told_digest(&answer)? {
            Some(found) if found != digest => Err(OciError::Digest { place: answer.place, expected: digest, found }),
            _ => Ok(Taken { digest, with_subject: answer.headers.contains_key(SUBJECT) }),
        }
    }
}

/// The digest of much, without keeping a thread from everything else.
async fn digest_of(bytes: &[u8]) -> Digest {
    let mut hashing = Hashing::default();
    for piece in bytes.chunks(1 << 20) {
        hashing.update(piece);
        tokio::task::yield_now().await;
    }
    hashing.digest()
}
