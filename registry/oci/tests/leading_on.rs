//! Registries that lead on, and credentials that stay.

mod support;

use jackfield_oci::{Credentials, Descriptor, OciError, Options, wasm};
use support::{Asked, Fake, Reply, client, client_with, json, redirect, status};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// user:hunter2
const BASIC: &str = "Basic dXNlcjpodW50ZXIy";

fn credentials(registry: &str) -> Credentials {
    Credentials::password(registry, "user", "hunter2".to_owned().into()).unwrap()
}

fn described() -> Descriptor {
    Descriptor::of(wasm::WASM, COMPONENT)
}

fn content() -> Reply {
    Reply::Good(200, vec![], COMPONENT.to_vec())
}

fn demand(what: &str) -> Reply {
    Reply::Good(401, vec![("www-authenticate", what.to_owned())], vec![])
}

/// What says `reply` to whoever shows the password, and demands it of others.
fn behind_basic(asked: &Asked, reply: Reply) -> Reply {
    if asked.authorization() == Some(BASIC) { reply } else { demand("Basic realm=\"x\"") }
}

#[tokio::test]
async fn a_redirect_is_followed_and_credentials_stay_behind() {
    for code in [301, 302, 307, 308] {
        let storage = Fake::http(|_| content()).await;
        let to = storage.url("/signed?signature=x");
        let fake = Fake::http(move |asked| behind_basic(asked, redirect(code, to.clone()))).await;
        let options = Options { credentials: credentials(&fake.address.to_string()), ..Options::default() };
        let client = client_with(options);
        let bytes = client.blob(&fake.repository(), &described(), 1000).await.unwrap();
        assert_eq!(bytes, COMPONENT);
        assert_eq!(storage.lines(), ["GET /signed?signature=x"]);
        assert_eq!(storage.asked()[0].authorization(), None);
    }
}

#[tokio::test]
async fn a_redirect_at_the_same_registry_keeps_credentials() {
    let fake = Fake::http(|asked| match asked.target.as_str() {
        "/elsewhere" => behind_basic(asked, content()),
        _ => behind_basic(asked, redirect(307, "/elsewhere")),
    })
    .await;
    let options = Options { credentials: credentials(&fake.address.to_string()), ..Options::default() };
    client_with(options).blob(&fake.repository(), &described(), 1000).await.unwrap();
}

#[tokio::test]
async fn whoever_was_led_away_has_no_credentials_even_when_led_back() {
    let (sender, receiver) = std::sync::mpsc::channel::<String>();
    let receiver = std::sync::Mutex::new(receiver);
    let other = Fake::http(move |_| redirect(302, receiver.lock().unwrap().recv().unwrap())).await;
    let to = other.url("/x");
    let fake = Fake::http(move |asked| match asked.target.as_str() {
        "/back" => content(),
        _ => behind_basic(asked, redirect(302, to.clone())),
    })
    .await;
    sender.send(fake.url("/back")).unwrap();
    let options = Options { credentials: credentials(&fake.address.to_string()), ..Options::default() };
    client_with(options).blob(&fake.repository(), &described(), 1000).await.unwrap();
    assert_eq!(fake.asked().last().unwrap().authorization(), None);
}

#[tokio::test]
async fn a_demand_by_a_place_that_was_led_to_is_not_answered() {
    let storage = Fake::http(|_| demand("Basic realm=\"x\"")).await;
    let to = storage.url("/x");
    let fake = Fake::http(move |asked| behind_basic(asked, redirect(307, to.clone()))).await;
    let options = Options { credentials: credentials(&fake.address.to_string()), ..Options::default() };
    let error = client_with(options).blob(&fake.repository(), &described(), 1000).await.unwrap_err();
    assert!(matches!(error, OciError::Status { status: 401, .. }), "{error}");
    assert!(storage.asked().iter().all(|asked| asked.authorization().is_none()));
}

#[tokio::test]
async fn whoever_is_led_in_circles_gives_up() {
    let fake = Fake::http(|_| redirect(307, "/v2/acme/etcd/manifests/1")).await;
    let error = client().manifest(&fake.repository().with_tag("1").unwrap()).await.unwrap_err();
    assert!(matches!(error, OciError::Redirect { .. }), "{error}");
    assert_eq!(fake.asked().len(), 6);
}

#[tokio::test]
async fn a_redirect_to_where_a_registry_may_not_lead_is_refused() {
    for to in
        ["http://169.254.169.254/latest/meta-data", "https://100.100.100.200/", "http://[fe80::1]/", "http://0.0.0.0/"]
    {
        let fake = Fake::http(move |_| redirect(307, to)).await;
        let error = client().blob(&fake.repository(), &described(), 1000).await.unwrap_err();
        assert!(matches!(error, OciError::Redirect { .. }), "{to}: {error}");
    }
    for to in ["ftp://127.0.0.1/", "http://user:hunter2@127.0.0.1/", "http://", "\u{1}"] {
        let fake = Fake::http(move |_| redirect(307, to)).await;
        let error = client().blob(&fake.repository(), &described(), 1000).await.unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let fake = Fake::http(|_| status(307)).await;
    let error = client().blob(&fake.repository(), &described(), 1000).await.unwrap_err();
    assert!(error.to_string().contains("no location"), "{error}");
}

#[tokio::test]
async fn a_public_registry_leads_nobody_into_this_machine() {
    let inside = Fake::http(|_| content()).await;
    let port = inside.address.port();
    // The last is a name whose address is found out when it is dialled.
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "inside.test"] {
        let to = format!("http://{host}:{port}/x");
        for demanding in [false, true] {
            let realm = format!("Bearer realm=\"{to}\"");
            let reply = move |to: &str| if demanding { demand(&realm) } else { redirect(307, to) };
            let leading = to.clone();
            let fake = Fake::http(move |_| reply(&leading)).await;
            let registry = format!("public.test:{}", fake.address.port());
            let client = client_with(Options { plain_http: vec![registry.clone()], ..Options::default() });
            let repository = format!("oci://{registry}/acme/etcd").parse().unwrap();
            let error = client.blob(&repository, &described(), 1000).await.unwrap_err();
            assert!(error.to_string().contains("this machine"), "{to}: {error}");
            assert_eq!(fake.asked().len(), 1);
        }
    }
    assert!(inside.asked().is_empty());
}

#[tokio::test]
async fn what_began_with_tls_does_not_go_on_without() {
    let plain = Fake::http(|_| content()).await;
    let to = plain.url("/x");
    let (fake, ca) = Fake::tls("registry.test", move |_| redirect(307, to.clone())).await;
    let client = client_with(Options { ca_pem: Some(ca), ..Options::default() });
    let repository = format!("oci://registry.test:{}/acme/etcd", fake.address.port()).parse().unwrap();
    let error = client.blob(&repository, &described(), 1000).await.unwrap_err();
    assert!(matches!(&error, OciError::Redirect { reason, .. } if reason.contains("TLS")), "{error}");
    assert!(plain.asked().is_empty());
}

#[tokio::test]
async fn credentials_are_not_shown_where_tokens_are_given_without_tls() {
    let realm = Fake::http(|_| json(r#"{"token":"t"}"#)).await;
    let demanded = format!("Bearer realm=\"{}\",service=\"x\"", realm.url("/token"));
    let (fake, ca) = Fake::tls("registry.test", move |_| demand(&demanded)).await;
    let registry = format!("registry.test:{}", fake.address.port());
    let options = Options { ca_pem: Some(ca), credentials: credentials(&registry), ..Options::default() };
    let reference = format!("oci://{registry}/acme/etcd:1").parse().unwrap();
    let error = client_with(options).manifest(&reference).await.unwrap_err();
    assert!(matches!(error, OciError::Challenge { .. }), "{error}");
    assert!(realm.asked().is_empty());
}

#[tokio::test]
async fn a_registry_that_is_not_on_loopback_is_asked_with_tls_unless_it_is_listed() {
    let fake = Fake::http(|_| json(r#"{"tags":["1"]}"#)).await;
    let registry = format!("registry.test:{}", fake.address.port());
    let repository = format!("oci://{registry}/acme/etcd").parse().unwrap();
    // Whoever waits for a request waits on: what comes is the beginning of TLS.
    let error = client().tags(&repository).await.unwrap_err();
    assert!(matches!(error, OciError::Send { .. } | OciError::Timeout { .. }), "{error}");
    assert!(error.to_string().contains("https://") && fake.asked().is_empty(), "{error}");
    let listed = client_with(Options { plain_http: vec![registry], ..Options::default() });
    assert_eq!(listed.tags(&repository).await.unwrap(), ["1"]);
}

#[tokio::test]
async fn an_upload_elsewhere_is_written_without_credentials() {
    let storage = Fake::http(|_| status(201)).await;
    let to = storage.url("/upload?x=y");
    let fake = Fake::http(move |asked| {
        let reply = match asked.method.as_str() {
            "POST" => Reply::Good(202, vec![("location", to.clone())], vec![]),
            _ => status(404),
        };
        behind_basic(asked, reply)
    })
    .await;
    let options = Options { credentials: credentials(&fake.address.to_string()), ..Options::default() };
    client_with(options).push_blob(&fake.repository(), wasm::WASM, COMPONENT.into()).await.unwrap();
    let written = &storage.asked()[0];
    assert_eq!((written.authorization(), written.body.as_slice()), (None, COMPONENT));
    assert!(written.target.starts_with("/upload?x=y&digest=sha256%3A"), "{}", written.target);
}
