//! The document: it holds together, it lists what can be called, and what is answered is what it says.

mod common;

use std::collections::BTreeSet;

use common::{Answer, Api};
use http::Method;
use serde_json::{Value, json};

async fn document(api: &Api) -> Value {
    api.get("/openapi.json").await.value()
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters");
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                found.insert(target);
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Checks everything that makes a document whole.
fn assert_sound(document: &Value) {
    assert_eq!(document["openapi"], "3.1.0");
    let mut targets = BTreeSet::new();
    references(document, &mut targets);
    for target in targets {
        let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
    }
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(document) {
        let at = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{at}: its id is another's too");
        for text in ["summary", "description"] {
            assert!(operation[text].as_str().is_some_and(|text| !text.is_empty()), "{at} has no {text}");
        }
        for tag in operation["tags"].as_array().unwrap() {
            assert!(tags.contains(tag.as_str().unwrap()), "{at}: {tag}");
        }
        assert!(operation.get("problems").is_none());
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{at}");
        for status in ["400", "403", "500"] {
            assert!(responses.contains_key(status), "{at}: {status}");
        }
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{name}");
    }
}

/// Checks an answer against what the document says of it.
fn assert_told(document: &Value, method: &str, path: &str, answer: &Answer) {
    let at = format!("{method} {path} → {}", answer.status);
    let mut response = &document["paths"][path][method]["responses"][answer.status.as_str()];
    if let Some(target) = response["$ref"].as_str() {
        response = document.pointer(&target[1..]).unwrap();
    }
    assert!(response.is_object(), "{at}: the status is not told");
    let Some(content) = response.get("content") else {
        assert!(answer.body.is_empty(), "{at}");
        return;
    };
    let media = answer.header("content-type").split(';').next().unwrap();
    let schema = content.get(media).unwrap_or_else(|| panic!("{at}: {media} is not told"))["schema"].clone();
    let body = serde_json::from_slice(&answer.body).unwrap_or_else(|_| Value::String(answer.text()));
    let schema = json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&body).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{at}: {errors:#?}\n{body}");
}

#[tokio::test]
async fn the_document_of_an_empty_host_is_whole() {
    assert_sound(&document(&Api::empty().await).await);
}

#[tokio::test]
async fn the_document_lists_every_operation_of_every_integration() {
    let api = Api::playing().await;
    let document = document(&api).await;
    assert_sound(&document);
    let paths = &document["paths"];
    let get = &paths["/v1/integrations/play/key-value/get"];
    assert_eq!(get["get"]["parameters"][0]["name"], "key");
    assert_eq!(get["get"]["parameters"][0]["required"], true);
    assert_eq!(get["get"]["summary"], "Reads one key; absent when there is no such key");
    let list = &paths["/v1/integrations/play/key-value/list"]["get"]["parameters"];
    let names: Vec<_> = list.as_array().unwrap().iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["prefix", "page.cursor", "page.limit"]);
    let put = &paths["/v1/integrations/play/key-value/put"];
    assert!(put.get("get").is_none(), "a write is never a GET");
    assert_eq!(
        put["post"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/key-value.entry"
    );
    let feed = &paths["/v1/integrations/play/key-value/poll-changes"]["get"]["responses"]["200"]["content"];
    assert!(feed.get("text/event-stream").is_some());
}

#[tokio::test]
async fn two_integrations_of_one_plugin_share_their_schemas() {
    let api = Api::playing().await;
    let schemas = |document: Value| document["components"]["schemas"].as_object().unwrap().len();
    let before = schemas(document(&api).await);
    api.post("/v1/integrations", json!({"name": "second", "plugin": "playground"})).await.value();
    let after = document(&api).await;
    assert_sound(&after);
    assert_eq!(schemas(after), before);
}

#[tokio::test]
async fn what_is_answered_is_what_the_document_says() {
    let api = Api::playing().await;
    let document = document(&api).await;
    for path in
        ["/v1/plugins", "/v1/integrations", "/v1/capabilities", "/openapi.json", "/healthz", "/readyz", "/metrics"]
    {
        assert_told(&document, "get", path, &api.get(path).await);
    }
    for (template, path) in [
        ("/v1/plugins/{name}", "/v1/plugins/playground"),
        ("/v1/plugins/{name}", "/v1/plugins/nope"),
        ("/v1/plugins/{name}/readme", "/v1/plugins/playground/readme"),
        ("/v1/plugins/{name}/license", "/v1/plugins/playground@0.1.0/license"),
        ("/v1/plugins/{name}/sbom", "/v1/plugins/playground/sbom"),
        ("/v1/plugins/{name}/sbom", "/v1/plugins/playground/sbom?format=x"),
        ("/v1/plugins/{name}/readme", "/v1/plugins/nope/readme"),
        ("/v1/integrations/{name}", "/v1/integrations/play"),
        ("/v1/capabilities/{capability}", "/v1/capabilities/key-value"),
        ("/v1/capabilities/{capability}", "/v1/capabilities/key-value?format=wit"),
        ("/v1/capabilities/{capability}", "/v1/capabilities/key-value?format=x"),
    ] {
        assert_told(&document, "get", template, &api.get(path).await);
    }
    let base = "/v1/integrations/play/key-value";
    let put = api.post(&format!("{base}/put"), json!({"key": "a", "value": "MQ=="})).await;
    assert_told(&document, "post", &format!("{base}/put"), &put);
    for path in [
        "get?key=a",
        "get?key=none",
        "list?prefix=",
        "list",
        "list?prefix=&page.limit=x",
        "poll-changes?prefix=&wait-ms=0",
    ] {
        let name = path.split('?').next().unwrap();
        assert_told(&document, "get", &format!("{base}/{name}"), &api.get(&format!("{base}/{path}")).await);
    }
    let check = api.post("/v1/integrations/play/check", json!({})).await;
    assert_told(&document, "post", "/v1/integrations/{name}/check", &check);
    for verb in ["disable", "disable", "enable"] {
        let answer = api.post(&format!("/v1/integrations/play/{verb}"), json!({})).await;
        assert_told(&document, "post", &format!("/v1/integrations/{{name}}/{verb}"), &answer);
        let check = api.post("/v1/integrations/play/check", json!({})).await;
        assert_told(&document, "post", "/v1/integrations/{name}/check", &check);
        assert_told(&document, "get", "/v1/status", &api.get("/v1/status").await);
        let get = api.get(&format!("{base}/get?key=a")).await;
        assert_told(&document, "get", &format!("{base}/get"), &get);
    }
    let shadow = "/v1/integrations/{name}/shadow";
    let at = "/v1/integrations/play/shadow";
    assert_told(&document, "get", shadow, &api.get(at).await);
    for wanted in [json!({"version": "0.1.0"}), json!({"for-seconds": 0}), json!({"version": "9.9.9"})] {
        let refused = api.post(at, wanted).await;
        assert!(matches!(refused.status.as_u16(), 400 | 404 | 409), "{}", refused.text());
        assert_told(&document, "post", shadow, &refused);
    }
    assert_told(&document, "delete", shadow, &api.delete(at).await);
    let change = json!({"labels": {"env": "test"}});
    let update = api.json(Method::PATCH, "/v1/integrations/play", &[], change).await;
    assert_told(&document, "patch", "/v1/integrations/{name}", &update);
    assert_told(&document, "delete", "/v1/plugins/{name}", &api.delete("/v1/plugins/playground").await);
    assert_told(&document, "delete", "/v1/integrations/{name}", &api.delete("/v1/integrations/play").await);
}
