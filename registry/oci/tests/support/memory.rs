//! A registry in good order that keeps everything in memory: one of the specification's version 1.1, or an older one
//! that knows nothing of referrers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use jackfield_oci::{Descriptor, IMAGE_INDEX, ImageManifest};
use jackfield_registry::Digest;
use serde_json::json;

use super::{Asked, Fake, Reply, status};

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// By digest and by tag.
    pub(crate) manifests: BTreeMap<String, (String, Vec<u8>)>,
}

pub(crate) type Memory = Arc<Mutex<Kept>>;

pub(crate) async fn registry(knows_referrers: bool) -> (Fake, Memory) {
    let kept = Memory::default();
    let own = kept.clone();
    let fake = Fake::http(move |asked| answer(&mut own.lock().unwrap(), asked, knows_referrers)).await;
    (fake, kept)
}

fn answer(kept: &mut Kept, asked: &Asked, knows_referrers: bool) -> Reply {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let path = path.strip_prefix("/v2/acme/etcd/").unwrap();
    let (kind, name) = path.split_once('/').unwrap();
    let query = query.replace("%3A", ":");
    match (asked.method.as_str(), kind) {
        ("POST", "blobs") => {
            Reply::Good(202, vec![("location", "/v2/acme/etcd/blobs/uploads/7?state=x".into())], vec![])
        }
        ("PUT", "blobs") => {
            let digest = query.strip_prefix("state=x&digest=").unwrap();
            assert_eq!(Digest::of(&asked.body).to_string(), digest);
            kept.blobs.insert(digest.to_owned(), asked.body.clone());
            status(201)
        }
        (_, "blobs") => match kept.blobs.get(name) {
            Some(bytes) => Reply::Good(200, vec![], bytes.clone()),
            None => status(404),
        },
        ("PUT", "manifests") => {
            let manifest = (asked.headers["content-type"].clone(), asked.body.clone());
            let digest = Digest::of(&asked.body).to_string();
            kept.manifests.insert(name.to_owned(), manifest.clone());
            kept.manifests.insert(digest.clone(), manifest);
            let mut headers = vec![("docker-content-digest", digest)];
            let image = serde_json::from_slice::<ImageManifest>(&asked.body).ok();
            if let Some(subject) = image.and_then(|image| image.subject).filter(|_| knows_referrers) {
                headers.push(("oci-subject", subject.digest.to_string()));
            }
            Reply::Good(201, headers, vec![])
        }
        (_, "manifests") => match kept.manifests.get(name) {
            Some((kind, bytes)) => {
                let headers =
                    vec![("content-type", kind.clone()), ("docker-content-digest", Digest::of(bytes).to_string())];
                Reply::Good(200, headers, bytes.clone())
            }
            None => status(404),
        },
        ("GET", "referrers") if knows_referrers => {
            let of = kept.manifests.iter().filter(|(name, _)| name.starts_with("sha256:"));
            let of = of.filter_map(|(_, (kind, bytes))| {
                let image: ImageManifest = serde_json::from_slice(bytes).ok()?;
                (image.subject.as_ref()?.digest.to_string() == name).then(|| Descriptor {
                    artifact_type: Some(image.kind().to_owned()),
                    annotations: image.annotations.clone(),
                    ..Descriptor::of(kind, bytes)
                })
            });
            let index = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": of.collect::<Vec<_>>()});
            Reply::Good(200, vec![("content-type", IMAGE_INDEX.into())], index.to_string().into())
        }
        _ => status(404),
    }
}
