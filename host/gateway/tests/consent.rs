//! Consents of people, at servers that say what they were asked.

#[path = "../../net/tests/support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use jackfield_gateway::{CodeAnswer, CodeConsent, ConsentError, DeviceConsent, Dialer};
use jackfield_store::MemoryStore;
use jackfield_vault::{CredentialKind, Lease, Material, NewSource, Vault, VersionState};
use ring::digest::{SHA256, digest};
use support::{Server, answer};

const CALLBACK: &str = "http://127.0.0.1:7777/callback";
const GIVEN: &str = r#"{"access_token":"a","token_type":"Bearer","refresh_token":"the-refresh-token"}"#;

/// A credential whose server is at `url`.
async fn lease(url: &str, more: &[(&str, &str)]) -> Lease {
    let folder = tempfile::tempdir().unwrap();
    let kek = folder.path().join("kek");
    jackfield_vault::make_key_file(&kek).unwrap();
    let vault = Vault::load(Arc::new(MemoryStore::new()), Arc::new(Dialer::new())).await.unwrap();
    vault.init(NewSource::File(kek)).await.unwrap();
    let [token, device, page] = ["token", "device", "auth?prompt=consent"].map(|path| format!("{url}/{path}"));
    let fields = [
        ("token-url", token.as_str()),
        ("device-authorization-url", &device),
        ("authorization-url", &page),
        ("client-id", "jack field"),
        ("scope", "read offline_access"),
    ];
    let material = Material::new([&fields, more].concat());
    vault.set("me", CredentialKind::Oauth2User, &material, VersionState::Current).await.unwrap();
    vault.lease("me").unwrap()
}

fn form(text: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decode(name), decode(value))).collect()
}

/// A server that begins a consent by device code and then answers as it is told to, one after another.
async fn device(answers: &'static [(u16, &'static str)]) -> Server {
    let next = Arc::new(AtomicUsize::new(0));
    Server::http(move |request| {
        let next = next.clone();
        async move {
            if request.head.uri.path() == "/device" {
                return answer(
                    200,
                    r#"{"device_code":"the-device-code","user_code":"WDJB-MJHT","verification_uri":"https://id.example/device",
                        "verification_uri_complete":"javascript:alert(1)","expires_in":4,"interval":1}"#,
                );
            }
            let (status, body) = answers[next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
            answer(status, body)
        }
    })
    .await
}

async fn by_device(server: &Server) -> Result<String, ConsentError> {
    let consent = DeviceConsent::begin(Arc::new(Dialer::new()), lease(&server.url(), &[]).await).await?;
    assert_eq!(
        (consent.user_code.as_str(), consent.verification_uri.as_str()),
        ("WDJB-MJHT", "https://id.example/device")
    );
    assert_eq!(consent.verification_uri_complete, None, "nobody is sent there");
    consent.wait().await.map(|(_, refresh_token)| refresh_token.to_string())
}

#[tokio::test]
async fn a_device_code_is_asked_about_until_the_person_has_decided() {
    const PENDING: (u16, &str) = (400, r#"{"error":"authorization_pending"}"#);
    let server = device(&[PENDING, (200, GIVEN)]).await;
    assert_eq!(by_device(&server).await.unwrap(), "the-refresh-token");
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    let begun = form(std::str::from_utf8(&seen[0].body).unwrap());
    assert_eq!((begun["client_id"].as_str(), begun["scope"].as_str()), ("jack field", "read offline_access"));
    let polled = form(std::str::from_utf8(&seen[2].body).unwrap());
    assert_eq!(polled["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!((polled["device_code"].as_str(), polled["client_id"].as_str()), ("the-device-code", "jack field"));
}

#[tokio::test]
async fn a_device_code_ends_when_it_is_denied_or_nobody_cares() {
    for (answers, polls, ends) in [
        (&[(400, r#"{"error":"access_denied"}"#)][..], 1, ConsentError::Denied),
        (&[(400, r#"{"error":"expired_token"}"#)], 1, ConsentError::Expired),
        (&[(400, r#"{"error":"authorization_pending"}"#)], 3, ConsentError::Expired),
        // Five seconds more is longer than it lives.
        (&[(400, r#"{"error":"slow_down"}"#)], 1, ConsentError::Expired),
        (&[(400, r#"{"error":"invalid_client"}"#)], 1, ConsentError::Refused("it answers invalid_client".into())),
    ] {
        let server = device(answers).await;
        assert_eq!(by_device(&server).await.unwrap_err(), ends);
        assert_eq!(server.seen().len(), 1 + polls, "{ends}");
    }
    let server = device(&[(200, r#"{"access_token":"a","token_type":"Bearer"}"#)]).await;
    assert!(by_device(&server).await.unwrap_err().to_string().contains("offline_access"));
}

fn begin(lease: Lease) -> (CodeConsent, BTreeMap<String, String>) {
    let (consent, url) = CodeConsent::begin(Arc::new(Dialer::new()), lease, CALLBACK).unwrap();
    let (_, query) = url.split_once('?').unwrap();
    (consent, form(query))
}

fn answered(state: &str, more: &[(&str, &str)]) -> CodeAnswer {
    let fields: serde_json::Map<_, _> =
        [&[("state", state)], more].concat().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    serde_json::from_value(fields.into()).unwrap()
}

#[tokio::test]
async fn a_code_is_redeemed_with_the_verifier_that_no_browser_saw() {
    let server = Server::http(|_| async { answer(200, GIVEN) }).await;
    let (consent, query) =
        begin(lease(&server.url(), &[("client-secret", "s"), ("client-authentication", "post")]).await);
    assert_eq!((query["prompt"].as_str(), query["response_type"].as_str()), ("consent", "code"));
    assert_eq!((query["redirect_uri"].as_str(), query["code_challenge_method"].as_str()), (CALLBACK, "S256"));
    assert!(query["state"].len() >= 43 && !query.contains_key("client_secret"));
    let (_, refresh_token) = consent.redeem(answered(&query["state"], &[("code", "c0de")])).await.unwrap();
    assert_eq!(*refresh_token, "the-refresh-token");
    let form = form(std::str::from_utf8(&server.seen()[0].body).unwrap());
    assert_eq!((form["grant_type"].as_str(), form["code"].as_str()), ("authorization_code", "c0de"));
    assert_eq!((form["redirect_uri"].as_str(), form["client_secret"].as_str()), (CALLBACK, "s"));
    assert_eq!(BASE64.encode(digest(&SHA256, form["code_verifier"].as_bytes())), query["code_challenge"]);
}

#[tokio::test]
async fn an_answer_that_is_not_to_this_consent_redeems_nothing() {
    let server = Server::http(|_| async { answer(400, r#"{"error":"invalid_grant"}"#) }).await;
    let issuer = [("issuer", "https://id.example")];
    for (more, state, answer, says) in [
        (&[][..], Some("x"), &[("code", "c")][..], "another consent"),
        (&[], Some(""), &[("code", "c")], "another consent"),
        (&[], None, &[], "no code"),
        (&[], None, &[("error", "access_denied")], "did not consent"),
        (&[], None, &[("error", "invalid_scope"), ("error-description", "no such")], "invalid_scope: no such"),
        (&issuer, None, &[("code", "c")], "RFC 9207"),
        (&issuer, None, &[("code", "c"), ("iss", "https://evil.example")], "RFC 9207"),
    ] {
        let (consent, query) = begin(lease(&server.url(), more).await);
        let state = state.unwrap_or(&query["state"]);
        let error = consent.redeem(answered(state, answer)).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    assert!(server.seen().is_empty());
    // A code that was used already is the server's to refuse.
    let (consent, query) = begin(lease(&server.url(), &issuer).await);
    let answer = answered(&query["state"], &[("code", "used"), ("iss", "https://id.example")]);
    assert!(consent.redeem(answer).await.unwrap_err().to_string().contains("invalid_grant"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_browser_comes_back_to_this_machine_or_over_tls() {
    let lease = lease("http://127.0.0.1:1", &[]).await;
    let begin = |back: &str| CodeConsent::begin(Arc::new(Dialer::new()), lease.clone(), back).is_ok();
    assert!(begin("http://127.0.0.1:5/x") && begin("http://[::1]:5/x") && begin("https://console.example/back"));
    assert!(!begin("http://console.example/back") && !begin("unix:///x") && !begin("http://127.0.0.1/?a=b"));
}
