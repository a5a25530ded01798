//! Credentials that are exchanged for tokens, with a real authorization server and a system that takes what it gives.

use std::{thread, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jackfield_peers::peer;
use jackfield_tests::{Stand, authorization_server::AuthorizationServer, text};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};

const SECRET: &str = "s3cret/of the=client&";

/// A server with a vault, a credential in it, and an integration that uses it.
fn stand(server: &AuthorizationServer, credential: &Value) -> Stand {
    let stand = Stand::start();
    stand.install("unruly");
    stand.init_vault();
    set(&stand, credential);
    let new = json!({
        "name": "wild", "plugin": "unruly", "config": {"url": server.url()},
        "endpoints": {"api": {"credential": {"name": "client", "allow-plain-http": true}}},
    });
    let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
    assert_eq!(status, 201, "{answer}");
    stand
}

fn set(stand: &Stand, credential: &Value) {
    let (status, answer) = stand.server().send("PUT", "/v1/credentials/client", credential).unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// What the plugin is told of the system: a status, headers, and who it takes the plugin for.
fn look(stand: &Stand) -> String {
    text(&stand.server().ok("wild", "unruly.look", &json!({"path": "/api/whoami"})).unwrap())
}

fn client(server: &AuthorizationServer, id: &str, more: &Value) -> Value {
    let mut fields = json!({"token-url": format!("{}/token", server.url()), "client-id": id, "scope": "read"});
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"type": "oauth2-client", "fields": fields})
}

/// Clients by secret, either way to send it, and by assertion.
fn start(key: &KeyPair) -> jackfield_peers::Result<AuthorizationServer> {
    let [x, y] = [&key.der_bytes()[1..33], &key.der_bytes()[33..]].map(|part| URL_SAFE_NO_PAD.encode(part));
    let known = |id: &str, method: &str, more: Value| {
        let mut client = json!({
            "client_id": id, "token_endpoint_auth_method": method, "grant_types": ["client_credentials"],
            "redirect_uris": [], "response_types": [], "scope": "read write",
        });
        client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client
    };
    AuthorizationServer::start(&json!([
        known("by-header", "client_secret_basic", json!({"client_secret": SECRET})),
        known("by-form", "client_secret_post", json!({"client_secret": SECRET})),
        known(
            "by-key",
            "private_key_jwt",
            json!({"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y}]}}),
        ),
    ]))
}

#[test]
fn a_client_is_known_by_its_secret_and_by_what_it_signs() {
    let key = KeyPair::generate().unwrap();
    let server = peer!(start(&key));
    let by_key = json!({"private-key": key.serialize_pem(), "key-id": "k1"});
    let stand = stand(&server, &client(&server, "by-header", &json!({"client-secret": SECRET})));
    for (id, more) in [
        ("by-header", json!({"client-secret": SECRET})),
        ("by-form", json!({"client-secret": SECRET, "client-authentication": "post"})),
        ("by-key", by_key),
    ] {
        set(&stand, &client(&server, id, &more));
        let told = look(&stand);
        assert!(told.starts_with("200\n"), "{id}: {told}");
        assert!(told.contains(&format!(r#"{{"client":"{id}","scope":"read"}}"#)), "{id}: {told}");
    }
    assert_eq!(server.forget(), 3, "a token for each of them");

    // A secret that is wrong is told by what the server says of it.
    set(
        &stand,
        &client(&server, "by-form", &json!({"client-secret": "wr0ng-secret", "client-authentication": "post"})),
    );
    let answer = stand.server().call("wild", "unruly.look", &json!({"path": "/api/whoami"})).unwrap();
    let told = format!("{answer:?}");
    assert!(told.contains("invalid_client") && !told.contains("wr0ng-secret"), "{told}");
}

#[test]
fn a_token_that_is_taken_no_more_is_asked_for_anew_and_many_callers_need_one() {
    let server = peer!(start(&KeyPair::generate().unwrap()));
    let stand = stand(&server, &client(&server, "by-header", &json!({"client-secret": SECRET})));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(look(&stand).starts_with("200\n")));
        }
    });
    assert_eq!(server.forget(), 1, "one for all of them");
    // A token that was made a moment ago is not to blame for a refusal; an older one is.
    assert!(look(&stand).starts_with("401\n"));
    thread::sleep(Duration::from_secs(11));
    assert!(look(&stand).starts_with("200\n"));
    assert_eq!(server.forget(), 1);
}
