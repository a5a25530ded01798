//! Who is asked for tokens, with what, and how often.

mod support;

use std::os::unix::fs::PermissionsExt;

use jackfield_oci::{Credentials, OciError, Options};
use support::{Asked, Fake, Reply, client, client_with, json, status};

/// user:hunter2
const BASIC: &str = "Basic dXNlcjpodW50ZXIy";

fn demand(what: &str) -> Reply {
    Reply::Good(401, vec![("www-authenticate", what.to_owned())], vec![])
}

/// A registry that takes tokens of a realm.
async fn taking_tokens(realm: &Fake) -> Fake {
    let demanded =
        format!("Bearer realm=\"{}\",service=\"reg\",scope=\"repository:acme/etcd:pull\"", realm.url("/token"));
    Fake::http(move |asked| match asked.authorization() {
        Some("Bearer t") => json(r#"{"tags":["1"]}"#),
        _ => demand(&demanded),
    })
    .await
}

fn with_password(fake: &Fake) -> Options {
    let credentials = Credentials::password(&fake.address.to_string(), "user", "hunter2".to_owned().into()).unwrap();
    Options { credentials, ..Options::default() }
}

#[tokio::test]
async fn a_token_is_asked_for_once_with_the_password_and_the_registry_never_sees_that() {
    let realm = Fake::http(|asked| match asked.authorization() {
        Some(BASIC) => json(r#"{"access_token":"t","expires_in":300}"#),
        _ => status(401),
    })
    .await;
    let fake = taking_tokens(&realm).await;
    let client = client_with(with_password(&fake));
    for _ in 0..3 {
        assert_eq!(client.tags(&fake.repository()).await.unwrap(), ["1"]);
    }
    assert_eq!(realm.lines(), ["GET /token?service=reg&scope=repository%3Aacme%2Fetcd%3Apull"]);
    let shown: Vec<_> = fake.asked().iter().map(|asked| asked.authorization().map(str::to_owned)).collect();
    let token = Some("Bearer t".to_owned());
    assert_eq!(shown, [None, token.clone(), token.clone(), token]);
}

#[tokio::test]
async fn anybody_may_be_given_a_token() {
    let realm = Fake::http(|_| json(r#"{"token":"t"}"#)).await;
    let fake = taking_tokens(&realm).await;
    assert_eq!(client().tags(&fake.repository()).await.unwrap(), ["1"]);
    assert_eq!(realm.asked()[0].authorization(), None);
}

#[tokio::test]
async fn credentials_are_for_the_registry_that_they_are_for() {
    let fake = Fake::http(|_| demand("Basic realm=\"x\"")).await;
    let credentials = Credentials::password("127.0.0.1:1", "user", "hunter2".to_owned().into()).unwrap();
    let error = client_with(Options { credentials, ..Options::default() }).tags(&fake.repository()).await.unwrap_err();
    assert!(error.to_string().contains("docker login"), "{error}");
    assert!(fake.asked().iter().all(|asked| asked.authorization().is_none()));
}

#[tokio::test]
async fn a_password_that_is_not_taken_is_shown_once_and_never_told() {
    let fake = Fake::http(|_| demand("Basic realm=\"x\"")).await;
    let options = with_password(&fake);
    assert!(!format!("{options:?}").contains("hunter2"));
    let error = client_with(options).tags(&fake.repository()).await.unwrap_err();
    assert!(matches!(error, OciError::Unauthorized { .. }), "{error}");
    assert_eq!(fake.asked().len(), 2);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let realm = Fake::http(|_| json(r#"{"token":"t"}"#)).await;
    let demanded = format!("Bearer realm=\"{}\"", realm.url("/token"));
    let times = std::sync::atomic::AtomicUsize::new(0);
    let fake = Fake::http(move |asked: &Asked| {
        let time = times.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        // The third request comes with a token that was taken before.
        match asked.authorization() {
            Some("Bearer t") if time != 2 => json(r#"{"tags":[]}"#),
            _ => demand(&demanded),
        }
    })
    .await;
    let client = client();
    client.tags(&fake.repository()).await.unwrap();
    client.tags(&fake.repository()).await.unwrap();
    assert_eq!((fake.asked().len(), realm.asked().len()), (4, 2));
}

#[tokio::test]
async fn a_token_that_is_none_is_refused() {
    for answer in ["{}", "[]", "", r#"{"token":""}"#, r#"{"token":"a\r\nb"}"#, r#"{"token":7}"#] {
        let realm = Fake::http(move |_| json(answer)).await;
        let fake = taking_tokens(&realm).await;
        let error = client().tags(&fake.repository()).await.unwrap_err();
        assert!(matches!(error, OciError::Malformed { .. }), "{error}");
    }
    let realm = Fake::http(|_| Reply::Endless("HTTP/1.1 200 x\r\n\r\n", 1 << 16, std::time::Duration::ZERO)).await;
    let fake = taking_tokens(&realm).await;
    let error = client().tags(&fake.repository()).await.unwrap_err();
    assert!(matches!(error, OciError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_realm_does_not_lead_on() {
    let other = Fake::http(|_| json(r#"{"token":"t"}"#)).await;
    let to = other.url("/");
    let realm = Fake::http(move |_| support::redirect(307, to.clone())).await;
    let fake = taking_tokens(&realm).await;
    let error = client_with(with_password(&fake)).tags(&fake.repository()).await.unwrap_err();
    assert!(matches!(error, OciError::Status { status: 307, .. }), "{error}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_demand_that_is_not_understood_is_an_error() {
    for demanded in
        ["", "Negotiate", "Bearer", "Bearer realm=x", "Bearer realm=\"http://169.254.169.254/\"", "Basic\u{1}"]
    {
        let fake = Fake::http(move |_| demand(demanded)).await;
        let error = client_with(with_password(&fake)).tags(&fake.repository()).await;
        assert!(error.is_err(), "{demanded}");
        assert!(demanded.starts_with("Basic") || fake.asked().len() == 1, "{demanded}");
    }
}

#[tokio::test]
async fn a_refresh_token_out_of_dockers_file_is_sent_in_a_form() {
    let realm = Fake::http(|_| json(r#"{"token":"t"}"#)).await;
    let fake = taking_tokens(&realm).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    std::fs::write(&file, format!(r#"{{"auths":{{"{}":{{"identitytoken":"hunter2"}}}}}}"#, fake.address)).unwrap();
    let client = client_with(Options { credentials: Credentials::docker(file), ..Options::default() });
    client.tags(&fake.repository()).await.unwrap();
    let asked = &realm.asked()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str(), asked.authorization()), ("POST", "/token", None));
    let form = String::from_utf8(asked.body.clone()).unwrap();
    assert!(form.contains("grant_type=refresh_token") && form.contains("refresh_token=hunter2"), "{form}");
}

/// All helpers in one test: the path where they are found is the process's.
#[tokio::test]
async fn a_helper_is_asked_for_the_registry_and_bounded() {
    let fake = Fake::http(|asked| match asked.authorization() {
        Some(BASIC) => json(r#"{"tags":["1"]}"#),
        _ => demand("Basic realm=\"x\""),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let answer = r#"{"ServerURL":"x","Username":"user","Secret":"hunter2"}"#;
    for (name, script) in [
        ("good", format!("read server; [ \"$1 $server\" = 'get {}' ] && echo '{answer}'", fake.address)),
        ("none", "echo 'credentials not found in native keychain'; exit 1".to_owned()),
        ("failing", "echo hunter2; exit 1".to_owned()),
        ("garbled", "echo '{\"Secret\":\"hunter2\"}'".to_owned()),
        ("endless", "while :; do echo hunter2hunter2hunter2hunter2; done".to_owned()),
        ("slow", "exec sleep 60".to_owned()),
    ] {
        let file = folder.path().join(format!("docker-credential-{name}"));
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    // SAFETY: nothing else in this process reads or writes the environment meanwhile but by std, which locks.
    unsafe { std::env::set_var("PATH", path) };
    for (name, expected) in [
        ("good", None),
        ("none", Some("docker login")),
        ("failing", Some("docker-credential-failing")),
        ("garbled", Some("docker-credential-garbled")),
        ("endless", Some("too long")),
        ("slow", Some("in time")),
        ("../good", Some("letters, digits")),
        ("good; true", Some("letters, digits")),
    ] {
        let file = folder.path().join("config.json");
        std::fs::write(&file, format!(r#"{{"credHelpers":{{"{}":"{name}"}}}}"#, fake.address)).unwrap();
        let client = client_with(Options { credentials: Credentials::docker(file), ..Options::default() });
        match (client.tags(&fake.repository()).await, expected) {
            (Ok(tags), None) => assert_eq!(tags, ["1"]),
            (Err(error), Some(expected)) => {
                let text = error.to_string();
                assert!(text.contains(expected) && !text.contains("hunter2"), "{name}: {text}");
            }
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}
