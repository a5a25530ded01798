//! Copies of plugins in a mirror: each file under its digest, with what was found beside it where it was fetched from. So a
//! site without a network judges a plugin by the same signatures, and by the same place, as everybody else.

use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jackfield_oci::wasm;
use jackfield_registry::Digest;
use jackfield_trust::{Evidence, SimpleSignature};
use serde::{Deserialize, Serialize};

use crate::{FetchError, Fetched, Fetcher, IndexPlace, Place};

/// Where copies are, below an index's place.
const FOLDER: &str = "packages/sha256";
/// The largest file of what was found beside a plugin, in bytes: each piece has a bound of its own, and few are large.
const MAX_BESIDE_BYTES: usize = 16 * 1024 * 1024;

/// What was found beside a plugin, as it is written down.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Beside {
    /// The manifest that names the file and that signatures are of, where it comes from a registry; in base64, since its digest is
    /// one of its very bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
    #[serde(default)]
    evidence: Vec<Piece>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Piece {
    /// A sigstore bundle, in base64.
    Bundle(String),
    /// cosign's older form, the payload in base64.
    Simple { payload: String, signature: String },
    /// Something that could not be had then, and why.
    Missed(String),
}

/// The paths of a plugin's copy and of what was beside it, below an index's place.
fn paths(digest: &Digest) -> (String, String) {
    let hex = digest.hex();
    (format!("{FOLDER}/{hex}.wasm"), format!("{FOLDER}/{hex}.json"))
}

impl Fetched {
    /// It as files of a mirror: their paths there, and their bytes.
    pub fn as_kept(&self) -> Vec<(String, Vec<u8>)> {
        let evidence = self.evidence.iter().map(|piece| match piece {
            Evidence::Bundle(bytes) => Piece::Bundle(STANDARD.encode(bytes)),
            Evidence::Simple(SimpleSignature { payload, signature }) => {
                Piece::Simple { payload: STANDARD.encode(payload), signature: signature.clone() }
            }
            Evidence::Missed(reason) => Piece::Missed(reason.clone()),
        });
        let manifest = self.manifest.as_ref().map(|bytes| STANDARD.encode(bytes));
        let beside = Beside { manifest, evidence: evidence.collect() };
        let (file, about) = paths(&Digest::of(&self.file));
        let beside = serde_json::to_vec(&beside).unwrap_or_default();
        vec![(file, self.file.clone()), (about, beside)]
    }
}

impl Fetcher {
    /// The copy that an index's place keeps of a plugin whose file has this digest and that is published at `place`; none where
    /// it keeps none. It may be judged as what comes from there as far as somebody vouches for it: nobody but the index's place was
    /// asked.
    pub async fn kept(
        &self,
        index: &IndexPlace,
        place: &Place,
        digest: &Digest,
        most: usize,
    ) -> Result<Option<Fetched>, FetchError> {
        let (path, about) = paths(digest);
        let file = match self.index_file(index, &path, most, None).await {
            Ok(found) => found.map(|found| found.bytes).unwrap_or_default(),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let damaged = |reason: String| FetchError::Kept { place: format!("{index}/{path}"), reason };
        let found = Digest::of(&file);
        if found != *digest {
            return Err(damaged(format!("it is {found}")));
        }
        let beside = match self.index_file(index, &about, MAX_BESIDE_BYTES, None).await {
            Ok(found) => found.map(|found| found.bytes).unwrap_or_default(),
            // A copy that somebody made by hand: nothing was found beside it.
            Err(error) if error.is_not_found() => br#"{"evidence":[]}"#.to_vec(),
            Err(error) => return Err(error),
        };
        let beside: Beside =
            serde_json::from_slice(&beside).map_err(|error| damaged(format!("what is beside it: {error}")))?;
        let decoded = |text: &str| STANDARD.decode(text).map_err(|_| damaged("what is beside it is not base64".into()));
        let manifest = beside.manifest.as_deref().map(decoded).transpose()?;
        let signed = match &manifest {
            // Who signed a manifest signed the file that it names, and no other.
            Some(manifest) => match wasm::named_by(manifest).map_err(&damaged)? {
                named if named == *digest => Digest::of(manifest),
                named => return Err(damaged(format!("the manifest beside it names {named}"))),
            },
            None => found,
        };
        let read = |piece: Piece| {
            Ok(match piece {
                Piece::Bundle(bytes) => Evidence::Bundle(decoded(&bytes)?),
                Piece::Simple { payload, signature } => {
                    Evidence::Simple(SimpleSignature { payload: decoded(&payload)?, signature })
                }
                Piece::Missed(reason) => Evidence::Missed(reason),
            })
        };
        let evidence = beside.evidence.into_iter().map(read).collect::<Result<Vec<_>, FetchError>>()?;
        let pinned = match (place, &manifest) {
            (Place::Registry(reference), Some(_)) => reference.pinned(signed).to_string(),
            _ => place.to_string(),
        };
        let copied_from = Some(index.origin_of(&path));
        Ok(Some(Fetched { file, origin: place.origin(), copied_from, pinned, tag: None, signed, manifest, evidence }))
    }
}

impl FetchError {
    /// Whether a file here is not there.
    pub(crate) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jackfield_oci::Options;
    use jackfield_trust::Origin;

    use super::*;

    fn fetched() -> Fetched {
        let file = b"a plugin's file".to_vec();
        let simple = SimpleSignature { payload: b"{}".to_vec(), signature: "c2ln".into() };
        Fetched {
            signed: Digest::of(&file),
            file,
            origin: Origin::place("https://plugins.example/etcd.wasm"),
            pinned: "https://plugins.example/etcd.wasm".into(),
            tag: None,
            manifest: None,
            copied_from: None,
            evidence: vec![Evidence::Bundle(b"{}".to_vec()), Evidence::Simple(simple), Evidence::Missed("gone".into())],
        }
    }

    fn mirror(fetched: &Fetched) -> (tempfile::TempDir, IndexPlace) {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in fetched.as_kept() {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let place = folder.path().to_str().unwrap().parse().unwrap();
        (folder, place)
    }

    async fn kept(index: &IndexPlace, digest: &Digest) -> Result<Option<Fetched>, FetchError> {
        let place: Place = "https://plugins.example/etcd.wasm".parse().unwrap();
        Fetcher::alone(Options::default()).unwrap().kept(index, &place, digest, 1_000).await
    }

    #[tokio::test]
    async fn a_copy_is_what_was_fetched_with_all_that_was_beside_it() {
        let fetched = fetched();
        let (_folder, index) = mirror(&fetched);
        let copy = kept(&index, &fetched.signed).await.unwrap().unwrap();
        assert_eq!((copy.file, copy.evidence, copy.origin), (fetched.file, fetched.evidence, fetched.origin));
        assert_eq!((copy.pinned, copy.signed), (fetched.pinned, fetched.signed));
        let (path, _) = paths(&fetched.signed);
        assert_eq!(copy.copied_from, Some(Origin::file(&format!("{index}/{path}"))));
        assert!(kept(&index, &Digest::of(b"another")).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_copy_that_was_changed_is_refused() {
        let fetched = fetched();
        let (folder, index) = mirror(&fetched);
        let (file, about) = paths(&fetched.signed);
        let manifest = br#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/wasm","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}]}"#;
        let other = format!(r#"{{"manifest":"{}"}}"#, STANDARD.encode(manifest));
        fs::write(folder.path().join(&about), other).unwrap();
        let error = kept(&index, &fetched.signed).await.unwrap_err().to_string();
        assert!(error.contains("the manifest beside it names sha256:44136f"), "{error}");
        fs::write(folder.path().join(&file), "another file").unwrap();
        let error = kept(&index, &fetched.signed).await.unwrap_err().to_string();
        assert!(error.contains(&format!("it is {}", Digest::of(b"another file"))), "{error}");
    }
}
