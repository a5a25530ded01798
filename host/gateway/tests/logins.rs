//! Tokens that Consul and Nomad give for a token that one of their auth methods trusts.

mod common;
#[path = "../../net/tests/support/mod.rs"]
mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common::{get, soon};
use jackfield_gateway::{Authority, Binding, Dialer, EndpointSpec, Gateway, GatewayError, GatewayLimits, Login, Place};
use jackfield_store::MemoryStore;
use jackfield_vault::{CredentialKind, Material, NewSource, Vault, VersionState};
use support::{Server, answer};

async fn gateway(login: Login, url: String) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let kek = folder.path().join("kek");
    jackfield_vault::make_key_file(&kek).unwrap();
    let vault = Vault::load(Arc::new(MemoryStore::new()), Arc::new(Dialer::new())).await.unwrap();
    vault.init(NewSource::File(kek)).await.unwrap();
    let jwt = Material::new([("token", "a-projected-jwt")]);
    vault.set("me", CredentialKind::Bearer, &jwt, VersionState::Current).await.unwrap();
    let binding = Binding { credential: "me".into(), place: Some(Place::Login(login)), allow_plain_http: true };
    let spec = EndpointSpec {
        name: "api".into(),
        addresses: vec![url],
        methods: vec!["GET".into()],
        paths: vec!["/v1/*".into()],
        authority: Some(Authority::new(Arc::new(vault), binding)),
        ..EndpointSpec::default()
    };
    Gateway::new(vec![spec], GatewayLimits::default(), Arc::new(Dialer::new())).unwrap()
}

#[tokio::test]
async fn a_token_is_logged_in_with_once_and_goes_in_the_systems_own_header() {
    let method = || "jwt".to_owned();
    for (login, header, asked) in [
        (
            Login::Consul { auth_method: method() },
            "x-consul-token",
            r#"{"AuthMethod":"jwt","BearerToken":"a-projected-jwt"}"#,
        ),
        (
            Login::Nomad { auth_method: method() },
            "x-nomad-token",
            r#"{"AuthMethodName":"jwt","LoginToken":"a-projected-jwt"}"#,
        ),
    ] {
        let logins = Arc::new(AtomicUsize::new(0));
        let count = logins.clone();
        let server = Server::http(move |request| {
            let count = count.clone();
            async move {
                if request.head.uri.path() != "/v1/acl/login" {
                    return answer(200, request.header(header).unwrap_or_default().to_owned());
                }
                count.fetch_add(1, Ordering::SeqCst);
                assert_eq!(request.body, asked);
                answer(200, r#"{"SecretID":"5ec2e7","ExpirationTime":"2099-01-01T00:00:00Z"}"#)
            }
        })
        .await;
        let gateway = gateway(login, server.url()).await;
        for _ in 0..2 {
            let mut response = gateway.send(get("/v1/x"), soon()).await.unwrap();
            assert_eq!(response.body.read(100).await.unwrap().unwrap(), "5ec2e7");
        }
        assert_eq!(logins.load(Ordering::SeqCst), 1);
        assert_eq!(server.seen().last().unwrap().header("authorization"), None, "the token itself goes nowhere else");
        let mut own = get("/v1/x");
        own.headers = vec![(header.to_owned(), "mine".to_owned())];
        let error = gateway.send(own, soon()).await.unwrap_err();
        assert!(matches!(error, GatewayError::Header { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_and_nothing_is_sent() {
    let server = Server::http(|_| async { answer(403, "Permission denied") }).await;
    let gateway = gateway(Login::Consul { auth_method: "jwt".into() }, server.url()).await;
    let error = gateway.send(get("/v1/x"), soon()).await.unwrap_err().to_string();
    assert!(error.contains("auth method") && !error.contains("projected"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_login_has_the_auth_method_that_it_needs_and_no_other() {
    assert_eq!(Login::parse("etcd", None), Ok(Login::Etcd));
    assert_eq!(Login::parse("nomad", Some("jwt")), Ok(Login::Nomad { auth_method: "jwt".into() }));
    assert!(Login::parse("consul", None).unwrap_err().contains("auth-method"));
    assert!(Login::parse("etcd", Some("jwt")).is_err());
    assert!(Login::parse("vault", Some("jwt")).unwrap_err().contains("`consul`"));
}
