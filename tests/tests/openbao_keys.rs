//! Keys of a real OpenBao, through the whole host, held against what OpenBao itself says is kept.

use jackfield_peers::{OpenBao, peer};
use jackfield_tests::{Stand, base64, text};
use serde_json::{Value, json};

/// A server with an integration that may use keys below `app/`.
fn stand(bao: &OpenBao) -> Stand {
    let policy = r#"
        path "secret/data/app/*" { capabilities = ["create", "read", "update"] }
        path "secret/delete/app/*" { capabilities = ["update"] }
        path "secret/metadata/app/*" { capabilities = ["list"] }
    "#;
    bao.ask("PUT", "/v1/sys/policies/acl/app", &json!({"policy": policy}));
    let made = bao.ask("POST", "/v1/auth/token/create", &json!({"policies": ["app"]}));
    let stand = Stand::start();
    stand.init_vault();
    stand.install("openbao");
    let token = json!({"type": "bearer", "fields": {"token": made["auth"]["client_token"]}});
    assert_eq!(stand.server().send("PUT", "/v1/credentials/app", &token).unwrap().0, 200);
    let new = json!({
        "name": "bao", "plugin": "openbao", "config": {"url": bao.url()},
        "endpoints": {"api": {"credential": {"name": "app", "allow-plain-http": true}}},
    });
    let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
    assert_eq!(status, 201, "{answer}");
    stand
}

fn ok(stand: &Stand, operation: &str, params: &Value) -> Value {
    stand.server().ok("bao", &format!("key-value.{operation}"), params).unwrap()
}

fn refused(stand: &Stand, operation: &str, params: &Value) -> String {
    let (status, problem) = stand.server().call("bao", &format!("key-value.{operation}"), params).unwrap();
    assert!(status >= 400, "{operation}: {problem}");
    problem["kind"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_put_is_what_openbao_keeps_and_what_it_keeps_is_what_is_read() {
    let bao = peer!(OpenBao::start());
    let stand = stand(&bao);
    let put = ok(&stand, "put", &json!({"key": "app/db", "value": base64("p4ss")}));
    assert_eq!(put["revision"], "1", "{put}");
    let kept = bao.ask("GET", "/v1/secret/data/app/db", &Value::Null);
    assert_eq!(kept["data"]["data"], json!({"value": "p4ss"}), "text is kept as text");

    ok(&stand, "put", &json!({"key": "app/ü x+?", "value": base64([0xff, 0])}));
    let read = ok(&stand, "get", &json!({"key": "app/ü x+?"}));
    assert_eq!(read["value"], base64([0xff, 0]), "{read}");

    // One that somebody else has made, of another form.
    bao.ask("POST", "/v1/secret/data/app/pair", &json!({"data": {"user": "u", "password": "p"}}));
    let read = ok(&stand, "get", &json!({"key": "app/pair"}));
    assert_eq!(text(&read["value"]), r#"{"password":"p","user":"u"}"#);
    assert_eq!(ok(&stand, "get", &json!({"key": "app/none"})), Value::Null);
}

#[test]
fn a_write_holds_against_what_others_have_written() {
    let bao = peer!(OpenBao::start());
    let stand = stand(&bao);
    let set =
        |expected: &str, value: &str| json!({"key": "app/a", "expected": base64(expected), "value": base64(value)});
    ok(&stand, "put", &json!({"key": "app/a", "value": base64("one")}));
    bao.ask("POST", "/v1/secret/data/app/a", &json!({"data": {"value": "two"}}));
    assert_eq!(refused(&stand, "compare-and-set", &set("one", "x")), "conflict");
    assert_eq!(ok(&stand, "compare-and-set", &set("two", "three"))["revision"], "3");

    assert_eq!(ok(&stand, "delete", &json!({"key": "app/a"}))["deleted"], 1);
    assert_eq!(ok(&stand, "delete", &json!({"key": "app/a"}))["deleted"], 0);
    let again = ok(&stand, "put", &json!({"key": "app/a", "value": base64("four")}));
    assert_eq!(again["revision"], "4", "no revision comes back");
}

#[test]
fn every_key_is_on_one_page_in_order() {
    let bao = peer!(OpenBao::start());
    let stand = stand(&bao);
    let keys = ["app/a", "app/a-b", "app/a/1", "app/a/2/x", "app/b"];
    for key in keys {
        ok(&stand, "put", &json!({"key": key, "value": base64(key)}));
    }
    ok(&stand, "put", &json!({"key": "app/a/gone", "value": base64("x")}));
    ok(&stand, "delete", &json!({"key": "app/a/gone"}));
    let (mut found, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = ok(&stand, "list", &json!({"prefix": "app/", "page": {"limit": 2, "cursor": cursor}}));
        found.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()));
        cursor = page["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(found, keys);
}

#[test]
fn what_openbao_refuses_is_told_as_what_it_is() {
    let bao = peer!(OpenBao::start());
    let stand = stand(&bao);
    assert_eq!(refused(&stand, "get", &json!({"key": "other/a"})), "permission-denied");
    assert_eq!(refused(&stand, "list", &json!({"prefix": "", "page": {}})), "permission-denied");
    assert_eq!(refused(&stand, "get", &json!({"key": "app//a"})), "invalid");
    assert_eq!(refused(&stand, "poll-changes", &json!({"prefix": "app/", "wait-ms": 0})), "unsupported");
    bao.ask("POST", "/v1/sys/seal", &Value::Null);
    assert_eq!(refused(&stand, "get", &json!({"key": "app/a"})), "unavailable");
    assert_eq!(refused(&stand, "put", &json!({"key": "app/a", "value": base64("x")})), "unavailable");
}
