//! What reaches a real server of a credential, and what never does.

mod common;
#[path = "../../net/tests/support/mod.rs"]
mod support;

use std::sync::Arc;

use common::{get, soon};
use jackfield_gateway::{
    Authority, Binding, Dialer, EndpointSpec, Gateway, GatewayError, GatewayLimits, Place, Request,
};
use jackfield_store::MemoryStore;
use jackfield_vault::{CredentialKind, Material, NewSource, Vault, VersionState};
use support::{Server, answer, certificates::Ca};

/// An open vault, as long as the folder with its key lives.
async fn vault() -> (Arc<Vault>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let kek = folder.path().join("kek");
    jackfield_vault::make_key_file(&kek).unwrap();
    let vault = Vault::load(Arc::new(MemoryStore::new()), Arc::new(Dialer::new())).await.unwrap();
    vault.init(NewSource::File(kek)).await.unwrap();
    (Arc::new(vault), folder)
}

async fn set(vault: &Vault, kind: CredentialKind, fields: &[(&str, &str)]) {
    vault.set("api", kind, &Material::new(fields.iter().copied()), VersionState::Current).await.unwrap();
}

fn binding(place: Option<Place>) -> Binding {
    Binding { credential: "api".into(), place, allow_plain_http: true }
}

fn header(name: &str, prefix: Option<&str>) -> Place {
    Place::Header { name: name.into(), prefix: prefix.map(str::to_owned) }
}

fn spec(url: &str, authority: Authority) -> EndpointSpec {
    EndpointSpec {
        name: "api".into(),
        addresses: vec![url.to_owned()],
        methods: vec!["GET".into()],
        paths: vec!["/v1/*".into()],
        authority: Some(authority),
        ..EndpointSpec::default()
    }
}

fn gateway(spec: EndpointSpec) -> Result<Gateway, GatewayError> {
    Gateway::new(vec![spec], GatewayLimits::default(), Arc::new(Dialer::new()))
}

#[tokio::test]
async fn each_type_of_credential_goes_where_it_belongs() {
    let server = Server::http(|_| async { answer(200, "") }).await;
    let (vault, _folder) = vault().await;
    let send = async |place: Option<Place>, path: &str| {
        let gateway = gateway(spec(&server.url(), Authority::new(vault.clone(), binding(place)))).unwrap();
        gateway.send(get(path), soon()).await.unwrap();
        server.seen().pop().unwrap()
    };
    set(&vault, CredentialKind::Basic, &[("username", "Aladdin"), ("password", "open sesame")]).await;
    let seen = send(None, "/v1/x").await;
    // The example of RFC 7617.
    assert_eq!(seen.header("authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));

    vault.delete("api").await.unwrap();
    set(&vault, CredentialKind::Bearer, &[("token", "mF_9.B5f-4.1JqM")]).await;
    assert_eq!(send(None, "/v1/x").await.header("authorization"), Some("Bearer mF_9.B5f-4.1JqM"));

    vault.delete("api").await.unwrap();
    set(&vault, CredentialKind::ApiKey, &[("key", "k 1&=")]).await;
    let seen = send(Some(header("X-Api-Key", None)), "/v1/x").await;
    assert_eq!((seen.header("x-api-key"), seen.header("authorization")), (Some("k 1&="), None));
    let seen = send(Some(header("Authorization", Some("Token token="))), "/v1/x").await;
    assert_eq!(seen.header("authorization"), Some("Token token=k 1&="));
    let seen = send(Some(Place::Query("key".into())), "/v1/x").await;
    assert_eq!(seen.head.uri.to_string(), "/v1/x?key=k%201%26%3D");
    let seen = send(Some(Place::Query("key".into())), "/v1/x?a=1").await;
    assert_eq!(seen.head.uri.to_string(), "/v1/x?a=1&key=k%201%26%3D");
}

#[tokio::test]
async fn a_guest_cannot_set_what_the_credential_sets() {
    let server = Server::http(|_| async { answer(200, "") }).await;
    let (vault, _folder) = vault().await;
    set(&vault, CredentialKind::ApiKey, &[("key", "secret-key")]).await;
    let by_header = Authority::new(vault.clone(), binding(Some(header("X-Api-Key", None))));
    let by_query = Authority::new(vault.clone(), binding(Some(Place::Query("key".into()))));
    let in_header = gateway(spec(&server.url(), by_header)).unwrap();
    for name in ["X-Api-Key", "x-api-key", "Authorization", "Cookie", "Proxy-Authorization", "Host"] {
        let request = Request { headers: vec![(name.into(), "mine".into())], ..get("/v1/x") };
        let error = in_header.send(request, soon()).await.unwrap_err();
        assert!(matches!(error, GatewayError::Header { .. }), "{name}: {error}");
    }
    let in_query = gateway(spec(&server.url(), by_query)).unwrap();
    for query in ["key=mine", "a=1&key=mine", "k%65y=mine", "KEY=mine", "a=1;key=mine", "key"] {
        let error = in_query.send(get(&format!("/v1/x?{query}")), soon()).await.unwrap_err();
        assert!(matches!(error, GatewayError::Query { .. }), "{query}: {error}");
    }
    assert!(server.seen().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_credential_travels_in_clear_only_where_that_is_allowed_and_in_no_header_that_routes() {
    let (vault, _folder) = vault().await;
    set(&vault, CredentialKind::ApiKey, &[("key", "secret-key")]).await;
    let setup = |url: &str, binding: Binding| gateway(spec(url, Authority::new(vault.clone(), binding))).map(drop);
    let strict = |place| Binding { allow_plain_http: false, ..binding(place) };
    let error = setup("http://192.0.2.1", strict(Some(header("X-Api-Key", None)))).unwrap_err();
    assert!(error.to_string().contains("allow-plain-http"), "{error}");
    assert!(setup("http://127.0.0.1:9", strict(Some(header("X-Api-Key", None)))).is_err());
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Proxy-Authorization",
        "X-Forwarded-For",
        "a b",
        "",
    ] {
        assert!(setup("http://127.0.0.1:9", binding(Some(header(name, None)))).is_err(), "{name}");
    }
    for name in ["", "a=b", "a&b", "ä"] {
        assert!(setup("http://127.0.0.1:9", binding(Some(Place::Query(name.into())))).is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_new_version_is_used_from_the_next_request_on_and_a_sealed_vault_stops_the_endpoint() {
    let server = Server::http(|_| async { answer(200, "") }).await;
    let (vault, _folder) = vault().await;
    set(&vault, CredentialKind::Bearer, &[("token", "first-token")]).await;
    let gateway = gateway(spec(&server.url(), Authority::new(vault.clone(), binding(None)))).unwrap();
    for (token, times) in [("first-token", 2), ("second-token", 1)] {
        set(&vault, CredentialKind::Bearer, &[("token", token)]).await;
        for _ in 0..times {
            gateway.send(get("/v1/x"), soon()).await.unwrap();
        }
        let expected = format!("Bearer {token}");
        assert_eq!(server.seen().pop().unwrap().header("authorization"), Some(expected.as_str()));
    }
    let versions = vault.credential("api").unwrap().versions;
    assert_eq!(versions.iter().map(|version| version.uses).collect::<Vec<_>>(), [0, 2, 1]);
    vault.seal().await.unwrap();
    let error = gateway.send(get("/v1/x"), soon()).await.unwrap_err();
    assert!(error.to_string().contains("jackfield vault unlock"), "{error}");
    assert!(!error.sent());
}

#[tokio::test]
async fn a_server_that_demands_a_certificate_is_shown_it_and_a_new_version_opens_new_connections() {
    let ca = Ca::new();
    for alpn in [&["http/1.1"][..], &["h2"]] {
        let server = Server::tls(ca.demanding("127.0.0.1", alpn), |_| async { answer(200, "") }).await;
        let url = format!("https://{}", server.address);
        let (vault, _folder) = vault().await;
        let certificate = async |name: &str| {
            let (chain, key) = ca.client(name);
            set(&vault, CredentialKind::ClientCertificate, &[("certificate", &chain), ("private-key", &key)]).await;
        };
        certificate("one").await;
        let spec = EndpointSpec {
            ca_pem: Some(ca.pem()),
            ..spec(&url, Authority::new(vault.clone(), Binding { allow_plain_http: false, ..binding(None) }))
        };
        let bare = gateway(EndpointSpec { authority: None, ..spec.clone() }).unwrap();
        assert!(bare.send(get("/v1/x"), soon()).await.is_err(), "without a certificate there is no answer");
        let gateway = gateway(spec).unwrap();
        for _ in 0..2 {
            gateway.send(get("/v1/x"), soon()).await.unwrap();
        }
        let before = server.connections();
        certificate("two").await;
        gateway.send(get("/v1/x"), soon()).await.unwrap();
        assert_eq!(server.connections(), before + 1, "a connection belongs to the certificate it was opened with");
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_is_told_without_what_was_given() {
    let ca = Ca::new();
    let (chain, _) = ca.client("one");
    let (_, other) = ca.client("two");
    let server = Server::tls(ca.demanding("127.0.0.1", &["http/1.1"]), |_| async { answer(200, "") }).await;
    let (vault, _folder) = vault().await;
    for key in [other.as_str(), "hunter2-is-no-key"] {
        set(&vault, CredentialKind::ClientCertificate, &[("certificate", &chain), ("private-key", key)]).await;
        let url = format!("https://{}", server.address);
        let spec = EndpointSpec { ca_pem: Some(ca.pem()), ..spec(&url, Authority::new(vault.clone(), binding(None))) };
        let error = gateway(spec).unwrap().send(get("/v1/x"), soon()).await.unwrap_err().to_string();
        assert!(error.contains("client certificate cannot be used") && !error.contains("hunter2"), "{error}");
    }
}
