//! Calls, feeds and management with a real plugin: the playground, which keeps keys in its own state.

mod common;

use std::time::Duration;

use axum::body::Body;
use common::Api;
use http::{Method, Request};
use serde_json::{Value, json};

const BASE: &str = "/v1/integrations/play/key-value";

async fn put(api: &Api, key: &str, value: &str) -> Value {
    api.post(&format!("{BASE}/put"), json!({"key": key, "value": value})).await.value()
}

#[tokio::test]
async fn installing_the_same_file_again_is_no_error_and_no_change() {
    let api = Api::playing().await;
    let again = api.upload(common::playground()).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(again.header("location"), "/v1/plugins/playground@0.1.0");
    assert_eq!(again.value(), api.get("/v1/plugins/playground").await.value());
    assert_eq!(again.value()["integrations"], json!(["play"]));
}

#[tokio::test]
async fn a_plugin_in_use_is_not_removed() {
    let api = Api::playing().await;
    assert!(api.delete("/v1/plugins/playground").await.detail(409, "conflict").contains("play"));
    assert_eq!(api.delete("/v1/integrations/play").await.status, 204);
    assert_eq!(api.delete("/v1/plugins/playground").await.status, 204);
    api.get("/v1/plugins/playground").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_plugin_shows_the_texts_that_were_packed_with_it_and_says_which_were_not() {
    let api = Api::playing().await;
    let readme = api.get("/v1/plugins/playground/readme").await;
    assert_eq!(readme.header("content-type"), "text/markdown; charset=utf-8", "{}", readme.text());
    assert!(readme.text().starts_with("# The playground plugin\n"), "{}", readme.text());
    let license = api.get("/v1/plugins/playground/license").await;
    assert_eq!(license.header("content-type"), "text/plain; charset=utf-8");
    assert!(license.text().contains("Apache License") && license.text().contains("MIT License"), "{}", license.text());
    assert!(api.get("/v1/plugins/playground/sbom").await.detail(404, "not-found").contains("bill of materials"));
    api.get("/v1/plugins/playground/wit").await.problem(404, "not-found");
    assert_eq!(api.delete("/v1/plugins/playground/readme").await.status, 405);
}

#[tokio::test]
async fn an_integration_is_added_once() {
    let api = Api::playing().await;
    let again = api.post("/v1/integrations", json!({"name": "play", "plugin": "playground"})).await;
    again.problem(409, "already-exists");
}

#[tokio::test]
async fn integrations_are_selected_by_plugin_and_label_and_paged() {
    let api = Api::playing().await;
    for (name, env) in [("b", "dev"), ("a", "prod"), ("c", "dev")] {
        let new = json!({"name": name, "plugin": "playground", "labels": {"env": env}});
        assert_eq!(api.post("/v1/integrations", new).await.status, 201);
    }
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&api.get("/v1/integrations?label=env%3Ddev").await.value()), ["b", "c"]);
    assert_eq!(names(&api.get("/v1/integrations?label=env=dev&label=env=prod").await.value()), [""; 0]);
    assert_eq!(names(&api.get("/v1/integrations?plugin=nope").await.value()), [""; 0]);
    let first = api.get("/v1/integrations?limit=3&plugin=playground").await.value();
    assert_eq!(names(&first), ["a", "b", "c"]);
    let next = format!("/v1/integrations?limit=3&cursor={}", first["next"].as_str().unwrap());
    assert_eq!(names(&api.get(&next).await.value()), ["play"]);
}

#[tokio::test]
async fn a_change_goes_through_only_at_the_revision_the_caller_has_seen() {
    let api = Api::playing().await;
    let seen = api.get("/v1/integrations/play").await;
    let tag = seen.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", seen.value()["revision"]));
    let change = json!({"labels": {"env": "dev"}});
    let first = api.json(Method::PATCH, "/v1/integrations/play", &[("if-match", &tag)], change.clone()).await;
    assert_eq!(first.value()["labels"], json!({"env": "dev"}));
    assert_ne!(first.header("etag"), tag);
    let second = api.json(Method::PATCH, "/v1/integrations/play", &[("if-match", &tag)], change).await;
    assert!(second.detail(412, "conflict").contains(first.header("etag")), "{}", second.text());
    let stale = Request::delete("/v1/integrations/play").header("if-match", &tag).body(Body::empty()).unwrap();
    api.send(stale).await.problem(412, "conflict");
    let stale = json!({"labels": {"env": "prod"}, "revision": seen.value()["revision"]});
    api.json(Method::PATCH, "/v1/integrations/play", &[], stale).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_capability_is_found_by_each_of_its_names_and_told_as_json_or_wit() {
    let api = Api::playing().await;
    for name in ["key-value", "jackfield:key-value", "jackfield:key-value@0.1.0"] {
        assert_eq!(api.get(&format!("/v1/capabilities/{name}")).await.value()["id"], "jackfield:key-value@0.1.0");
    }
    let wit = api.get("/v1/capabilities/key-value?format=wit").await;
    assert!(wit.header("content-type").starts_with("text/plain"));
    assert!(wit.text().contains("compare-and-set: func"), "{}", wit.text());
    let asked = Request::get("/v1/capabilities/key-value").header("accept", "text/plain").body(Body::empty()).unwrap();
    assert_eq!(api.send(asked).await.text(), wit.text());
}

#[tokio::test]
async fn a_read_answers_the_same_by_get_and_by_post() {
    let api = Api::playing().await;
    let entry = put(&api, "a/b c&d", "aGVsbG8=").await;
    assert_eq!(entry["value"], "aGVsbG8=");
    let by_post = api.post(&format!("{BASE}/get"), json!({"key": "a/b c&d"})).await;
    let by_get = api.get(&format!("{BASE}/get?key=a/b%20c%26d")).await;
    assert_eq!(by_post.value(), entry);
    assert_eq!(by_get.body, by_post.body);
    assert_eq!(api.get(&format!("{BASE}/get?key=none")).await.value(), Value::Null);
    let listed = api.get(&format!("{BASE}/list?prefix=a/&page.limit=5")).await.value();
    assert_eq!(listed["items"], json!([entry]));
}

#[tokio::test]
async fn a_write_by_get_is_refused_with_the_method_that_does_it() {
    let api = Api::playing().await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
        let request = Request::builder().method(method.clone()).uri(format!("{BASE}/put")).body(Body::empty()).unwrap();
        let answer = api.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"), "{method}");
    }
    let request = Request::put(format!("{BASE}/get")).body(Body::empty()).unwrap();
    assert_eq!(api.send(request).await.header("allow"), "GET, HEAD, POST");
}

#[tokio::test]
async fn a_slip_in_a_name_is_answered_with_the_name_meant() {
    let api = Api::playing().await;
    for (path, meant) in [
        ("/v1/integrations/plya/key-value/get", "`play`"),
        ("/v1/integrations/play/keyvalue/get", "`key-value`"),
        ("/v1/integrations/play/key-value/gte", "`get`"),
    ] {
        assert!(api.get(path).await.detail(404, "not-found").contains(meant), "{path}");
        assert!(api.post(path, json!({})).await.detail(404, "not-found").contains(meant), "{path}");
    }
}

#[tokio::test]
async fn wrong_parameters_are_told_with_their_place() {
    let api = Api::playing().await;
    for (body, field) in [(json!({"key": 7}), "/key"), (json!({}), "/key"), (json!({"key": "a", "kye": "b"}), "/kye")] {
        let problem = api.post(&format!("{BASE}/get"), body.clone()).await.problem(400, "invalid");
        assert_eq!(problem["field"], field, "{body}: {problem}");
        assert_eq!(problem["source"], "caller");
    }
    for (query, field) in [("kye=a", "/kye"), ("key=a&key=b", "/key"), ("", "/key")] {
        let problem = api.get(&format!("{BASE}/get?{query}")).await.problem(400, "invalid");
        assert_eq!(problem["field"], field, "{query}: {problem}");
    }
    let broken = Request::post(format!("{BASE}/get")).header("content-type", "application/json");
    api.send(broken.body(Body::from("{\"key\": ")).unwrap()).await.problem(400, "invalid");
    let both = Request::post(format!("{BASE}/get?key=a")).body(Body::empty()).unwrap();
    assert!(api.send(both).await.detail(400, "invalid").contains("in the body"));
}

#[tokio::test]
async fn an_idempotency_key_in_the_header_has_a_write_done_once() {
    let api = Api::playing().await;
    let key = [("idempotency-key", "key-1")];
    let cas = |from: Value, to: &str| json!({"key": "once", "expected": from, "value": to});
    let path = format!("{BASE}/compare-and-set");
    let first = api.json(Method::POST, &path, &key, cas(Value::Null, "MQ==")).await;
    let again = api.json(Method::POST, &path, &key, cas(Value::Null, "MQ==")).await;
    assert_eq!(again.value(), first.value(), "the second is answered as the first, not refused as a second creation");
    api.post(&path, cas(Value::Null, "MQ==")).await.problem(409, "conflict");
    let bad = api.json(Method::POST, &path, &[("idempotency-key", "")], cas(Value::Null, "MQ==")).await;
    assert!(bad.detail(400, "invalid").contains("Idempotency-Key"));
}

#[tokio::test]
async fn a_timeout_that_is_no_number_is_refused() {
    let api = Api::playing().await;
    let answer =
        api.json(Method::POST, &format!("{BASE}/get"), &[("jackfield-timeout-ms", "soon")], json!({"key": "a"})).await;
    assert!(answer.detail(400, "invalid").contains("Jackfield-Timeout-Ms"));
    let answer =
        api.json(Method::POST, &format!("{BASE}/get"), &[("jackfield-timeout-ms", "5000")], json!({"key": "a"})).await;
    assert_eq!(answer.value(), Value::Null);
}

#[tokio::test]
async fn a_stream_shows_changes_and_is_resumed_where_it_was_cut_off() {
    let api = Api::playing().await;
    let before = api.get(&format!("{BASE}/poll-changes?prefix=w/&wait-ms=0")).await.value();
    let cursor = before["next"].as_str().unwrap().to_owned();

    let mut stream = api.stream(&format!("{BASE}/poll-changes?prefix=w/&cursor={cursor}"), &[]).await;
    put(&api, "w/1", "MQ==").await;
    put(&api, "other", "MQ==").await;
    let (name, id, change) = stream.event().await.unwrap();
    assert_eq!((name.as_str(), &change["put"]["key"]), ("change", &json!("w/1")));
    let id = id.expect("the last change of a batch carries the cursor");
    drop(stream);

    put(&api, "w/2", "Mg==").await;
    api.post(&format!("{BASE}/delete"), json!({"key": "w/1"})).await.value();
    // The address is the first one: what the client saw last goes before it.
    let path = format!("{BASE}/poll-changes?prefix=w/&cursor={cursor}");
    let mut stream = api.stream(&path, &[("last-event-id", &id)]).await;
    assert_eq!(stream.event().await.unwrap().2["put"]["key"], "w/2");
    assert_eq!(stream.event().await.unwrap().2["deleted"]["key"], "w/1");
}

#[tokio::test]
async fn a_stream_that_fails_says_why_and_ends() {
    let api = Api::playing().await;
    let mut stream = api.stream(&format!("{BASE}/poll-changes?prefix=&cursor=not-a-cursor"), &[]).await;
    let (name, _, problem) = stream.event().await.unwrap();
    assert_eq!((name.as_str(), &problem["kind"]), ("error", &json!("invalid")), "{problem}");
    assert_eq!(stream.block().await, None);
}

#[tokio::test]
async fn a_feed_that_is_not_asked_for_as_a_stream_is_an_ordinary_read() {
    let api = Api::playing().await;
    let answer = api.get(&format!("{BASE}/poll-changes?prefix=&wait-ms=1")).await.value();
    assert_eq!(answer["changes"], json!([]));
    let unknown = Request::get(format!("{BASE}/poll-changes?prefx=")).header("accept", "text/event-stream");
    let problem = api.send(unknown.body(Body::empty()).unwrap()).await.problem(400, "invalid");
    assert_eq!(problem["field"], "/prefx");
}

#[tokio::test]
async fn what_happens_in_the_host_is_streamed() {
    let api = Api::playing().await;
    let mut events = api.stream("/v1/events", &[]).await;
    assert_eq!(events.block().await.unwrap(), "retry: 1000");
    let change = json!({"labels": {"a": "b"}});
    api.json(Method::PATCH, "/v1/integrations/play", &[], change).await.value();
    let seen = async {
        loop {
            let (name, _, event) = events.event().await.unwrap();
            assert_eq!(name, "event");
            if event["kind"] == "integration-updated" {
                break event;
            }
        }
    };
    let event = tokio::time::timeout(Duration::from_secs(5), seen).await.unwrap();
    assert_eq!(event["integration"], "play");
}

#[tokio::test]
async fn a_disabled_integration_answers_409_with_a_code_and_how_to_enable_it() {
    let api = Api::playing().await;
    let revision = api.get("/v1/integrations/play").await.value()["revision"].clone();
    let stale = api.post("/v1/integrations/play/disable", json!({"revision": 0})).await;
    assert_eq!(stale.problem(409, "conflict")["field"], "/revision");
    let bodiless = Request::post("/v1/integrations/play/disable").body(Body::empty()).unwrap();
    let disabled = api.send(bodiless).await.value();
    assert_eq!((&disabled["enabled"], &disabled["health"]["state"]), (&json!(false), &json!("unknown")));
    assert_ne!(disabled["revision"], revision);
    let again = api.post("/v1/integrations/play/disable", json!({})).await;
    assert_eq!(again.header("etag"), format!("\"{}\"", disabled["revision"]));
    let put = api.post("/v1/integrations/play/key-value/put", json!({"key": "a", "value": "MQ=="})).await;
    for refused in [put, api.get("/v1/integrations/play/key-value/get?key=a").await] {
        let problem = refused.problem(409, "conflict");
        assert_eq!(problem["code"], "integration-disabled");
        assert!(problem["detail"].as_str().unwrap().contains("integration enable play"), "{problem}");
    }
    let paths = api.get("/openapi.json").await.value()["paths"].clone();
    assert!(paths.get("/v1/integrations/play/key-value/get").is_none(), "it lists what can be called now");
    assert_eq!(api.get("/v1/status").await.value()["integrations"]["disabled"], 1);
    assert_eq!(api.post("/v1/integrations/play/enable", json!({})).await.value()["enabled"], true);
    assert!(api.get("/v1/integrations/play/key-value/get?key=a").await.status.is_success());
}
