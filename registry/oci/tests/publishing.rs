//! What is published comes back, from registries of both ages.

mod support;

use std::time::SystemTime;

use bytes::Bytes;
use jackfield_oci::{Descriptor, IMAGE_MANIFEST, ImageManifest, Mirror, OciError, Options, wasm};
use jackfield_registry::Digest;
use support::{Fake, client, client_with, json, memory, redirect, status};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn artifact() -> wasm::Artifact {
    wasm::artifact(Bytes::from_static(COMPONENT), &wasm::About::new(SystemTime::UNIX_EPOCH))
}

#[tokio::test]
async fn a_component_that_is_pushed_is_pulled_by_tag_and_by_digest() {
    let (fake, _kept) = memory::registry(true).await;
    let (client, reference) = (client(), fake.repository().with_tag("1.2.0").unwrap());
    let pushed = wasm::push(&client, &reference, &artifact()).await.unwrap();
    assert_eq!(client.resolve(&reference).await.unwrap(), pushed.digest);
    for reference in [reference.clone(), reference.pinned(pushed.digest), fake.repository().with_digest(pushed.digest)]
    {
        let pulled = wasm::pull(&client, &reference, 1000).await.unwrap();
        assert_eq!((pulled.digest, pulled.bytes.as_slice()), (pushed.digest, COMPONENT));
    }
    // The same again has the same digest, and no content is written a second time.
    let before = fake.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(wasm::push(&client, &reference, &artifact()).await.unwrap(), pushed);
    assert_eq!(fake.lines().iter().filter(|line| line.starts_with("POST")).count(), before);
}

#[tokio::test]
async fn what_is_attached_is_listed_by_registries_of_both_ages() {
    for knows_referrers in [true, false] {
        let (fake, kept) = memory::registry(knows_referrers).await;
        let (client, repository) = (client(), fake.repository());
        let subject = wasm::push(&client, &repository.with_tag("1").unwrap(), &artifact()).await.unwrap();
        assert_eq!(client.referrers(&repository, &subject.digest, None).await.unwrap(), []);

        let mut attached = Vec::new();
        for kind in ["application/a", "application/b"] {
            let layer = client.push_blob(&repository, "text/plain", Bytes::from(kind)).await.unwrap();
            let mut manifest = ImageManifest::artifact(kind, vec![layer]);
            manifest.annotations.insert("x".into(), "y".into());
            let descriptor = client.attach(&repository, &subject, manifest.clone()).await.unwrap();
            assert_eq!(client.attach(&repository, &subject, manifest).await.unwrap(), descriptor);
            attached.push(descriptor);
        }
        let mut listed = client.referrers(&repository, &subject.digest, None).await.unwrap();
        listed.sort_by_key(|found| found.artifact_type.clone());
        assert_eq!(listed, attached);
        let only = client.referrers(&repository, &subject.digest, Some("application/b")).await.unwrap();
        assert_eq!(only, attached[1..]);
        let tagged = kept.lock().unwrap().manifests.contains_key(&format!("sha256-{}", subject.digest.hex()));
        assert_eq!(tagged, !knows_referrers);
    }
}

#[tokio::test]
async fn a_manifest_is_pushed_only_as_what_it_is() {
    let (fake, _kept) = memory::registry(true).await;
    let reference = fake.repository().with_digest(Digest::of(b"another"));
    let error = client().push_manifest(&reference, IMAGE_MANIFEST, Bytes::from_static(b"{}")).await.unwrap_err();
    assert!(matches!(error, OciError::Push { .. }), "{error}");
    let large = Bytes::from(vec![b' '; (4 << 20) + 1]);
    let tag = fake.repository().with_tag("1").unwrap();
    assert!(matches!(client().push_manifest(&tag, IMAGE_MANIFEST, large).await, Err(OciError::Push { .. })));
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn a_registry_that_keeps_something_else_than_it_was_given_is_found_out() {
    let fake = Fake::http(|_| {
        let told = Digest::of(b"another").to_string();
        support::Reply::Good(201, vec![("docker-content-digest", told)], vec![])
    })
    .await;
    let tag = fake.repository().with_tag("1").unwrap();
    let error = client().push_manifest(&tag, IMAGE_MANIFEST, Bytes::from_static(b"{}")).await.unwrap_err();
    assert!(matches!(error, OciError::Digest { .. }), "{error}");
}

#[tokio::test]
async fn what_writes_is_not_led_on() {
    let other = Fake::http(|_| status(201)).await;
    let to = other.url("/x");
    let fake = Fake::http(move |_| redirect(307, to.clone())).await;
    let tag = fake.repository().with_tag("1").unwrap();
    let error = client().push_manifest(&tag, IMAGE_MANIFEST, Bytes::from_static(b"{}")).await.unwrap_err();
    assert!(matches!(error, OciError::Status { status: 307, .. }), "{error}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn tags_are_listed_over_all_pages() {
    let fake = Fake::http(|asked| match asked.target.as_str() {
        "/v2/acme/etcd/tags/list?n=1000" => {
            let link = r#"</v2/acme/etcd/tags/list?n=1000&last=b>; rel="next""#;
            support::Reply::Good(200, vec![("link", link.into())], br#"{"name":"acme/etcd","tags":["a","b"]}"#.to_vec())
        }
        "/v2/acme/etcd/tags/list?n=1000&last=b" => json(r#"{"name":"acme/etcd","tags":null}"#),
        _ => status(404),
    })
    .await;
    assert_eq!(client().tags(&fake.repository()).await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_registry_without_heads_resolves_all_the_same() {
    let bytes = ImageManifest::new(Descriptor::empty(), vec![]).to_bytes();
    let digest = Digest::of(&bytes);
    let fake = Fake::http(move |asked| match asked.method.as_str() {
        "HEAD" => status(405),
        _ => support::Reply::Good(200, vec![("content-type", IMAGE_MANIFEST.into())], bytes.clone()),
    })
    .await;
    assert_eq!(client().resolve(&fake.repository().with_tag("1").unwrap()).await.unwrap(), digest);
}

#[tokio::test]
async fn a_mirror_is_read_from_and_not_written_to() {
    let (fake, _kept) = memory::registry(true).await;
    let (mirror, _mirrored) = memory::registry(true).await;
    let mirrors =
        vec![Mirror { prefix: format!("{}/acme", fake.address), replacement: format!("{}/acme", mirror.address) }];
    let client = client_with(Options { mirrors, ..Options::default() });
    let reference = fake.repository().with_tag("1").unwrap();
    wasm::push(&client, &reference, &artifact()).await.unwrap();
    assert!(mirror.asked().is_empty());
    let error = wasm::pull(&client, &reference, 1000).await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains(&mirror.address.to_string()), "{error}");
}
