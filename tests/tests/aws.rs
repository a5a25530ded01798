//! Requests that are signed for AWS, at a server that checks signatures and policies, by a key and by a role.

use jackfield_peers::peer;
use jackfield_tests::{Stand, moto::Moto, text};
use serde_json::{Value, json};

const READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
const ASSUME: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;

fn set(stand: &Stand, credential: &Value) {
    let (status, answer) = stand.server().send("PUT", "/v1/credentials/aws", credential).unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// What the plugin is told of a path.
fn look(stand: &Stand, path: &str) -> String {
    text(&stand.server().ok("wild", "unruly.look", &json!({"path": path})).unwrap())
}

#[test]
fn s3_takes_what_a_key_and_a_role_sign_and_nothing_else() {
    let moto = peer!(Moto::start());
    let reader = moto.user("reader", READ);
    let nobody = moto.user("nobody", ASSUME);
    let role = moto.role("readers", READ);
    moto.ask("s3", "PUT", "/bucket", "");
    for name in ["plain", "a%20b%2Bc/d%C3%A9"] {
        moto.ask("s3", "PUT", &format!("/bucket/{name}"), "what is in it");
    }
    moto.check();

    let stand = Stand::start();
    stand.install("unruly");
    stand.init_vault();
    let key = |id: &str, secret: &str| json!({"type": "aws-access-key", "fields": {"access-key-id": id, "secret-access-key": secret}});
    set(&stand, &key(&reader.id, &reader.secret));
    let binding = json!({"name": "aws", "region": "us-east-1", "service": "s3", "allow-plain-http": true});
    let new = json!({
        "name": "wild", "plugin": "unruly", "config": {"url": moto.url()},
        "endpoints": {"api": {"credential": binding}},
    });
    let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
    assert_eq!(status, 201, "{answer}");
    for path in ["/bucket/plain", "/bucket/a%20b%2Bc/d%C3%A9"] {
        let told = look(&stand, path);
        assert!(told.starts_with("200\n") && told.ends_with("\nwhat is in it"), "{path}: {told}");
    }
    let listed = look(&stand, "/bucket?list-type=2&prefix=a%20&delimiter=%2F");
    assert!(listed.starts_with("200\n") && listed.contains("<CommonPrefixes>"), "{listed}");

    // Signed with another secret, and by a user who may do something else.
    set(&stand, &key(&reader.id, "an0ther-secret-access-key"));
    let told = look(&stand, "/bucket/plain");
    assert!(told.starts_with("403\n") && told.contains("SignatureDoesNotMatch"), "{told}");
    set(&stand, &key(&nobody.id, &nobody.secret));
    assert!(look(&stand, "/bucket/plain").contains("AccessDenied"));

    // The same user in a role; a credential of another type takes the old one's name only when that is gone.
    let (status, answer) = stand.server().send("DELETE", "/v1/integrations/wild", &Value::Null).unwrap();
    assert_eq!(status, 204, "{answer}");
    stand.server().send("DELETE", "/v1/credentials/aws", &Value::Null).unwrap();
    let assumed = |role: &str| {
        json!({"type": "aws-role", "fields": {
            "access-key-id": nobody.id, "secret-access-key": nobody.secret, "role-arn": role, "sts-url": moto.url(),
        }})
    };
    set(&stand, &assumed(&role));
    let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
    assert_eq!(status, 201, "{answer}");
    let told = look(&stand, "/bucket/plain");
    assert!(told.starts_with("200\n") && told.ends_with("\nwhat is in it"), "{told}");
    let page = stand.server().get("/v1/audit?limit=5").unwrap();
    assert!(!page.to_string().contains("ASIA"), "what STS gave is in no record");
}

#[test]
fn s3_takes_bodies_that_are_not_signed_or_signed_by_pieces() {
    let moto = peer!(Moto::start());
    let user = moto.user("writer", READ);
    moto.ask("s3", "PUT", "/bucket", "");
    for name in ["signed", "unsigned", "streaming"] {
        moto.ask("s3", "PUT", &format!("/bucket/{name}"), "what is in it");
    }
    moto.check();
    let stand = Stand::start();
    stand.install("unruly");
    stand.init_vault();
    let fields = json!({"access-key-id": user.id, "secret-access-key": user.secret});
    set(&stand, &json!({"type": "aws-access-key", "fields": fields}));
    for payload in ["signed", "unsigned", "streaming"] {
        let binding = json!({
            "name": "aws", "region": "us-east-1", "service": "s3", "payload": payload, "allow-plain-http": true,
        });
        let new = json!({
            "name": payload, "plugin": "unruly", "config": {"url": moto.url()},
            "endpoints": {"api": {"credential": binding}},
        });
        let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
        assert_eq!(status, 201, "{answer}");
        let body = format!("<Delete><Object><Key>{payload}</Key></Object></Delete>");
        let request = json!({
            "endpoint": "api", "method": "POST", "path": "/bucket?delete", "body": jackfield_tests::base64(body),
            "headers": [["content-type", "application/xml"]],
        });
        let told = text(&stand.server().ok(payload, "unruly.attempt", &json!({"request": request})).unwrap());
        assert!(told.contains(&format!("<Key>{payload}</Key>")) && !told.contains("Error"), "{payload}: {told}");
        let gone =
            text(&stand.server().ok(payload, "unruly.look", &json!({"path": format!("/bucket/{payload}")})).unwrap());
        assert!(gone.starts_with("404\n"), "{payload}: {gone}");
    }
}
