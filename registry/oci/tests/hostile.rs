//! Registries that lie, and what comes of it.

mod support;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use jackfield_oci::{Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, ImageManifest, OciError, wasm};
use jackfield_registry::Digest;
use support::{Fake, Reply, client, json, status};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn manifest_of(component: &[u8]) -> Vec<u8> {
    ImageManifest::new(Descriptor::empty(), vec![Descriptor::of(wasm::WASM, component)]).to_bytes()
}

fn manifest(bytes: Vec<u8>) -> Reply {
    Reply::Good(200, vec![("content-type", IMAGE_MANIFEST.into())], bytes)
}

fn raw(head: &str, body: &[u8]) -> Reply {
    Reply::Raw([head.as_bytes(), b"\r\n\r\n", body].concat())
}

#[tokio::test]
async fn a_tag_that_is_moved_between_two_requests_changes_nothing() {
    let other = b"\0asm other";
    let times = AtomicUsize::new(0);
    let fake = Fake::http(move |asked| match &asked.target {
        target if target.ends_with("manifests/1") => match times.fetch_add(1, Ordering::SeqCst) {
            0 => manifest(manifest_of(COMPONENT)),
            _ => manifest(manifest_of(other)),
        },
        target if target.ends_with(&Digest::of(COMPONENT).to_string()) => Reply::Good(200, vec![], COMPONENT.to_vec()),
        _ => Reply::Good(200, vec![], other.to_vec()),
    })
    .await;
    let reference = fake.repository().with_tag("1").unwrap();
    let pulled = wasm::pull(&client(), &reference, 1000).await.unwrap();
    assert_eq!((pulled.digest, pulled.bytes.as_slice()), (Digest::of(&manifest_of(COMPONENT)), COMPONENT));
    // Pinned, what the tag means now is not even asked.
    let error = wasm::pull(&client(), &reference.pinned(pulled.digest), 1000).await.unwrap_err();
    assert!(matches!(error, OciError::Malformed { .. } | OciError::Digest { .. }), "{error}");
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_digest_says_is_refused() {
    let fake = Fake::http(|_| manifest(manifest_of(COMPONENT))).await;
    let asked = Digest::of(b"another");
    let error = client().manifest(&fake.repository().with_digest(asked)).await.unwrap_err();
    assert!(matches!(error, OciError::Digest { expected, .. } if expected == asked), "{error}");

    let fake = Fake::http(|_| {
        let told = Digest::of(b"another").to_string();
        Reply::Good(
            200,
            vec![("docker-content-digest", told), ("content-type", IMAGE_MANIFEST.into())],
            manifest_of(b"x"),
        )
    })
    .await;
    let error = client().manifest(&fake.repository().with_tag("1").unwrap()).await.unwrap_err();
    assert!(matches!(error, OciError::Digest { .. }), "{error}");
}

/// What comes of a blob that is described as the component.
async fn blob(reply: fn() -> Reply) -> OciError {
    let fake = Fake::http(move |_| reply()).await;
    let described = Descriptor::of(wasm::WASM, COMPONENT);
    let before = Instant::now();
    let error = client().blob(&fake.repository(), &described, 1000).await.unwrap_err();
    assert!(before.elapsed() < Duration::from_secs(4), "{error} after {:?}", before.elapsed());
    assert!(error.to_string().contains("127.0.0.1"), "{error} names no place");
    error
}

#[tokio::test]
async fn a_blob_that_is_not_what_its_descriptor_says_is_refused() {
    let other = || Reply::Good(200, vec![], b"\0asm\x0d\0\x01\x01".to_vec());
    assert!(matches!(blob(other).await, OciError::Digest { .. }));
    let short = || Reply::Good(200, vec![], b"\0asm".to_vec());
    assert!(matches!(blob(short).await, OciError::Length { expected: 8, found: 4, .. }));
    let unannounced = || raw("HTTP/1.1 200 x\r\nconnection: close", b"\0asm");
    assert!(matches!(blob(unannounced).await, OciError::Length { expected: 8, found: 4, .. }));
    let longer = || raw("HTTP/1.1 200 x\r\nconnection: close", b"\0asm\x0d\0\x01\0more");
    assert!(matches!(blob(longer).await, OciError::TooLarge { most: 8, .. }));
}

#[tokio::test]
async fn a_body_that_ends_before_it_should_or_never_is_given_up() {
    let truncated = || raw("HTTP/1.1 200 x\r\ncontent-length: 8", b"\0asm");
    assert!(matches!(blob(truncated).await, OciError::Send { .. }));
    // A length that is a lie: what goes beyond is not of this answer, and what is in it is not what was described.
    let lying = || raw("HTTP/1.1 200 x\r\ncontent-length: 4", b"\0asm\x0d\0\x01\0");
    assert!(matches!(blob(lying).await, OciError::Length { found: 4, .. }));
    let huge = || raw("HTTP/1.1 200 x\r\ncontent-length: 18446744073709551615", b"\0asm\x0d\0\x01\0");
    assert!(matches!(blob(huge).await, OciError::Length { .. } | OciError::Send { .. }));
    let flood = || Reply::Endless("HTTP/1.1 200 x\r\n\r\n", 1 << 16, Duration::ZERO);
    assert!(matches!(blob(flood).await, OciError::TooLarge { most: 8, .. }));
    let trickle = || Reply::Endless("HTTP/1.1 200 x\r\ncontent-length: 8\r\n\r\n", 1, Duration::from_millis(350));
    assert!(matches!(blob(trickle).await, OciError::Timeout { .. }));
    let stalled = || Reply::Endless("HTTP/1.1 200 x\r\ncontent-length: 8\r\n\r\n", 1, Duration::from_secs(3600));
    assert!(matches!(blob(stalled).await, OciError::Timeout { .. }));
    assert!(matches!(blob(|| Reply::Silence).await, OciError::Timeout { .. }));
}

#[tokio::test]
async fn a_blob_that_is_too_large_is_not_even_asked_for() {
    let fake = Fake::http(|_| status(500)).await;
    let error = client().blob(&fake.repository(), &Descriptor::of("x", COMPONENT), 7).await.unwrap_err();
    assert!(matches!(error, OciError::TooLargeToPull { size: 8, most: 7, .. }), "{error}");
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn a_manifest_is_read_to_its_bound_and_not_beyond() {
    let announced = || raw("HTTP/1.1 200 x\r\ncontent-length: 4194305", b"{");
    let flood = || Reply::Endless("HTTP/1.1 200 x\r\n\r\n{", 1 << 16, Duration::ZERO);
    for reply in [announced, flood] {
        let fake = Fake::http(move |_| reply()).await;
        let error = client().manifest(&fake.repository().with_tag("1").unwrap()).await.unwrap_err();
        assert!(matches!(error, OciError::TooLarge { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_error_without_end_is_an_error_all_the_same() {
    let fake = Fake::http(|_| Reply::Endless("HTTP/1.1 400 x\r\n\r\n", 1 << 16, Duration::ZERO)).await;
    let error = client().manifest(&fake.repository().with_tag("1").unwrap()).await.unwrap_err();
    assert!(matches!(error, OciError::Status { status: 400, .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_what_it_is() {
    let layers = |n| ImageManifest::new(Descriptor::empty(), vec![Descriptor::of(wasm::WASM, b"x"); n]).to_bytes();
    let index = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    for (bytes, kind, expected) in [
        (layers(2), IMAGE_MANIFEST, "2 layers"),
        (layers(0), IMAGE_MANIFEST, "without layers"),
        (index.to_vec(), IMAGE_INDEX, "image.index"),
        (br#"{"config":7}"#.to_vec(), IMAGE_MANIFEST, "cannot be read"),
        (b"{}".to_vec(), "application/vnd.docker.distribution.manifest.v2+json", "docker.distribution"),
    ] {
        let fake = Fake::http(move |_| Reply::Good(200, vec![("content-type", kind.into())], bytes.clone())).await;
        let error = wasm::pull(&client(), &fake.repository().with_tag("1").unwrap(), 1000).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, OciError::NotWasm { .. }) && text.contains(expected), "{text}");
        assert!(text.contains("exactly one layer"), "{text}");
    }
}

#[tokio::test]
async fn one_document_cannot_be_two_things() {
    let fake = Fake::http(|_| Reply::Good(200, vec![("content-type", IMAGE_INDEX.into())], manifest_of(b"x"))).await;
    let error = client().manifest(&fake.repository().with_tag("1").unwrap()).await.unwrap_err();
    assert!(matches!(error, OciError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let fake = Fake::http(|_| {
        let link = r#"</v2/acme/etcd/tags/list?last=a>; rel="next""#;
        Reply::Good(200, vec![("link", link.into())], br#"{"tags":[]}"#.to_vec())
    })
    .await;
    let error = client().tags(&fake.repository()).await.unwrap_err();
    assert!(error.to_string().contains("does not end"), "{error}");
    assert_eq!(fake.asked().len(), 100);
}

#[tokio::test]
async fn a_list_goes_on_at_the_same_registry_only() {
    let other = Fake::http(|_| json(r#"{"tags":["2"]}"#)).await;
    let link = format!("<{}>; rel=\"next\"", other.url("/v2/acme/etcd/tags/list"));
    let fake = Fake::http(move |_| Reply::Good(200, vec![("link", link.clone())], br#"{"tags":["1"]}"#.to_vec())).await;
    let error = client().tags(&fake.repository()).await.unwrap_err();
    assert!(matches!(error, OciError::Redirect { .. }), "{error}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_tag_that_cannot_be_one_is_refused() {
    for body in [r#"{"tags":["../../x"]}"#, r#"{"tags":[1]}"#, "[]", ""] {
        let fake = Fake::http(move |_| json(body)).await;
        let error = client().tags(&fake.repository()).await.unwrap_err();
        assert!(matches!(error, OciError::Malformed { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_just_now_is_asked_three_times_and_what_writes_once() {
    let fake = Fake::http(|_| Reply::Good(503, vec![("retry-after", "0".into())], b"x".to_vec())).await;
    let error = client().manifest(&fake.repository().with_tag("1").unwrap()).await.unwrap_err();
    assert!(matches!(error, OciError::Status { status: 503, .. }), "{error}");
    assert_eq!(fake.asked().len(), 3);

    let fake = Fake::http(|_| status(503)).await;
    let reference = fake.repository().with_tag("1").unwrap();
    client().push_manifest(&reference, IMAGE_MANIFEST, b"{}".as_slice().into()).await.unwrap_err();
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again() {
    let times = AtomicUsize::new(0);
    let fake = Fake::http(move |_| match times.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Raw(Vec::new()),
        _ => manifest(manifest_of(COMPONENT)),
    })
    .await;
    client().manifest(&fake.repository().with_tag("1").unwrap()).await.unwrap();
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn a_pause_that_does_not_fit_into_the_time_is_not_made() {
    let fake = Fake::http(|_| Reply::Good(429, vec![("retry-after", "3600".into())], vec![])).await;
    let before = Instant::now();
    client().manifest(&fake.repository().with_tag("1").unwrap()).await.unwrap_err();
    assert!(before.elapsed() < Duration::from_secs(1));
    assert_eq!(fake.asked().len(), 1);
}
