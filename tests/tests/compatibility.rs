//! A capability in two versions on one host, each spoken by an integration, and clients that speak either; and what the docs say
//! of which versions everything was tested with.

use std::collections::BTreeMap;

use jackfield_peers::{
    Alertmanager, Etcd, OpenBao, Prometheus, VictoriaMetrics,
    compatibility::{Tested, rewritten},
    http, peer, prometheus,
};
use jackfield_tests::{Stand, fixture::Fixture, workspace};
use serde_json::{Value, json};

/// A host with both versions of the plugin: `old` speaks 0.1.0, `new` 0.2.0.
fn stand() -> Stand {
    let stand = Stand::start();
    for (fixture, version, integration) in [("zones-1", "1.0.0", "old"), ("zones-2", "2.0.0", "new")] {
        let fixture = Fixture::copy(fixture);
        let packed = fixture.pack();
        let (status, answer) = stand.server().install(&packed).unwrap();
        assert_eq!(status, 201, "{answer}");
        let new = json!({"name": integration, "plugin": format!("zones@{version}"), "config": {}});
        let (status, added) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
        assert_eq!((status, &added["plugin-version"]), (201, &json!(version)), "{added}");
    }
    stand
}

/// Calls an operation of `zones`, in a version or in the integration's own.
fn call(stand: &Stand, integration: &str, version: &str, operation: &str, params: &Value) -> (u16, Value) {
    let path = format!("/v1/integrations/{integration}/zones{version}/{operation}");
    stand.server().send("POST", &path, params).unwrap()
}

fn ok(stand: &Stand, integration: &str, version: &str, operation: &str, params: &Value) -> Value {
    let (status, answer) = call(stand, integration, version, operation, params);
    assert_eq!(status, 200, "{integration} {version} {operation}: {answer}");
    answer
}

#[test]
fn a_client_of_one_version_calls_an_integration_of_the_other_where_that_can_be_translated() {
    let stand = stand();
    let entry = json!({"name": "x", "kind": "a", "value": "1.2.3.4"});

    // A client of 0.2 and an integration of 0.1.
    let added = ok(&stand, "old", "@0.2.0", "add", &json!({"entry": entry, "options": {}}));
    assert_eq!(added, entry, "an option that the other version has nothing for is absent");
    let found = ok(&stand, "old", "@0.2.0", "lookup", &json!({"name": "x", "limit": null}));
    assert_eq!(found, json!([entry]));
    let (status, problem) = call(&stand, "old", "@0.2.0", "lookup", &json!({"name": "x", "limit": 1}));
    assert_eq!((status, &problem["code"]), (501, &json!("incompatible-version")), "{problem}");
    assert_eq!(problem["field"], "/limit", "{problem}");
    let service = json!({"entry": {"name": "x", "kind": "svcb", "value": "v"}, "options": {}});
    let (status, problem) = call(&stand, "old", "@0.2.0", "add", &service);
    assert_eq!((status, &problem["field"]), (501, &json!("/entry/kind")), "{problem}");
    assert_eq!(ok(&stand, "old", "", "count", &json!({})), 1, "what is refused is not carried out");
    // What is wrong in the version that the client speaks is told as anywhere.
    let (status, problem) = call(&stand, "old", "@0.2.0", "lookup", &json!({"name": "x", "limt": 1}));
    assert_eq!((status, &problem["kind"], &problem["field"]), (400, &json!("invalid"), &json!("/limt")), "{problem}");

    // A client of 0.1 and an integration of 0.2.
    let noted = json!({"name": "x", "kind": "aaaa", "value": "::1", "note": "why"});
    ok(&stand, "new", "", "add", &json!({"entry": noted, "options": {}}));
    let found = ok(&stand, "new", "@0.1.0", "lookup", &json!({"name": "x"}));
    assert_eq!(found, json!([{"name": "x", "kind": "aaaa", "value": "::1"}]), "nobody asked for the note");
    let read = stand.server().get("/v1/integrations/new/acme:zones@0.1.0/lookup?name=x").unwrap();
    assert_eq!(read, found, "a GET, and the name in full");
    ok(&stand, "new", "", "add", &json!({"entry": {"name": "s", "kind": "svcb", "value": "v"}, "options": {}}));
    let (status, problem) = call(&stand, "new", "@0.1.0", "lookup", &json!({"name": "s"}));
    assert_eq!((status, &problem["code"]), (501, &json!("incompatible-version")), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("at `/0/kind`") && detail.contains("`svcb`"), "{detail}");
}

#[test]
fn what_cannot_be_translated_is_refused_with_both_types_and_what_to_do() {
    let stand = stand();
    for (integration, version, parts) in [
        (
            "old",
            "@0.2.0",
            ["acme:zones@0.2.0 has `kind`", "acme:zones@0.1.0 has no such thing", "acme:zones@0.1.0.count"],
        ),
        (
            "new",
            "@0.1.0",
            ["acme:zones@0.1.0 has no such thing", "acme:zones@0.2.0 has `kind`", "acme:zones@0.2.0.count"],
        ),
    ] {
        let (status, problem) = call(&stand, integration, version, "count", &json!({"kind": "a"}));
        assert_eq!((status, &problem["code"]), (501, &json!("incompatible-version")), "{problem}");
        assert_eq!(problem["field"], "/kind", "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(parts.iter().all(|part| detail.contains(part)), "{detail}");
    }
    let (status, problem) = call(&stand, "old", "@0.2.0", "purge", &json!({"options": {}}));
    assert_eq!((status, &problem["code"]), (501, &json!("incompatible-version")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("no such operation"), "{problem}");
    let (status, problem) = call(&stand, "old", "@0.2.0", "lokup", &json!({}));
    assert_eq!(status, 404, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("Did you mean `lookup`?"), "{problem}");
    let (status, problem) = call(&stand, "old", "@0.3.0", "lookup", &json!({"name": "x"}));
    assert_eq!((status, &problem["code"]), (404, &json!("unknown-version")), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("`0.1.0`, `0.2.0`") && detail.contains("Install a plugin"), "{detail}");
}

#[test]
fn a_write_whose_answer_cannot_be_translated_is_told_to_be_done_and_is_not_done_twice() {
    let stand = stand();
    let params = json!({
        "entry": {"name": "s", "kind": "a", "value": "service:web"},
        "options": {"idempotency-key": "once"},
    });
    for _ in 0..2 {
        // It is carried out, and what was added is of a kind that 0.1 has no word for.
        let (status, problem) = call(&stand, "new", "@0.1.0", "add", &params);
        assert_eq!((status, &problem["kind"]), (502, &json!("outcome-unknown")), "{problem}");
        assert_eq!((&problem["code"], &problem["idempotency-key"]), (&json!("incompatible-version"), &json!("once")));
        assert!(problem["detail"].as_str().unwrap().contains("was carried out"), "{problem}");
    }
    assert_eq!(ok(&stand, "new", "", "count", &json!({"kind": "svcb"})), 1);
    // In the integration's own version the same write, under its key, gives the answer.
    let answer = ok(&stand, "new", "", "add", &params);
    assert_eq!(answer["kind"], "svcb");
    assert_eq!(ok(&stand, "new", "", "count", &json!({"kind": "svcb"})), 1);
}

#[test]
fn a_feed_is_followed_in_either_version_and_goes_on_through_an_upgrade() {
    let stand = stand();
    let add = |name: &str| {
        let entry = json!({"name": name, "kind": "a", "value": "1", "note": null});
        ok(&stand, "old", "@0.2.0", "add", &json!({"entry": entry, "options": {}}));
    };
    let path = "/v1/integrations/old/zones@0.2.0/poll-changes?cursor=0";
    let headers = [("accept", "text/event-stream")];
    let open = || http::open(stand.server().address(), "GET", path, &headers, b"", std::time::Duration::from_secs(30));
    let mut stream = open().unwrap();
    assert_eq!(stream.status, 200);
    let mut change = || loop {
        let line = stream.line().unwrap().expect("the feed goes on");
        if let Some(data) = line.strip_prefix("data:") {
            return serde_json::from_str::<Value>(data).unwrap();
        }
    };
    add("first");
    assert_eq!(change()["name"], "first");
    stand.server().cli(&["integration", "upgrade", "old"]).unwrap();
    assert_eq!(stand.server().get("/v1/integrations/old").unwrap()["plugin-version"], "2.0.0");
    add("second");
    assert_eq!(change()["name"], "second");
    // Who speaks the version of before goes on as well.
    let found = ok(&stand, "old", "@0.1.0", "lookup", &json!({"name": "second"}));
    assert_eq!(found, json!([{"name": "second", "kind": "a", "value": "1"}]));
}

#[test]
fn a_deprecated_operation_is_told_in_headers_openapi_and_on_the_command_line() {
    let stand = stand();
    let server = stand.server();
    let dump = |integration: &str, method: &str| {
        let path = format!("/v1/integrations/{integration}/zones/dump");
        let headers = [("content-type", "application/json")];
        let body: &[u8] = if method == "POST" { b"{}" } else { b"" };
        http::request(server.address(), method, &path, &headers, body).unwrap()
    };
    for method in ["GET", "POST"] {
        let answer = dump("new", method);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let since: i64 = answer.header("deprecation").unwrap().strip_prefix('@').unwrap().parse().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        assert!((now - 600..=now).contains(&since), "since it was installed: {since}");
        assert_eq!(answer.header("jackfield-deprecated"), Some("since=\"0.2.0\", removal=\"0.3.0\""));
        let link = answer.header("link").unwrap();
        assert!(link.contains("rel=\"deprecation\""), "{link}");
        let target = link.split(['<', '>']).nth(1).unwrap();
        assert_eq!(server.get(target).unwrap()["id"], "acme:zones@0.2.0", "the link leads there");
        assert_eq!(dump("old", method).header("deprecation"), None, "the version before says nothing of it");
    }

    let openapi = server.get("/openapi.json").unwrap();
    let path = |integration: &str, capability: &str, operation: &str| {
        openapi["paths"][format!("/v1/integrations/{integration}/{capability}/{operation}")].clone()
    };
    for told in [&path("new", "zones", "dump")["post"], &path("old", "zones@0.2.0", "dump")["get"]] {
        assert_eq!(told["deprecated"], true, "{told}");
        assert_eq!(told["x-jackfield-deprecated"], json!({"since": "0.2.0", "removal": "0.3.0"}));
        let words = "It is deprecated since 0.2.0, removed in 0.3.0 at the earliest.";
        assert!(told["description"].as_str().unwrap().contains(words), "{told}");
    }
    assert!(path("old", "zones", "dump")["post"].get("deprecated").is_none());
    assert!(path("old", "zones@0.2.0", "lookup")["get"].is_object(), "what is translated is listed");
    assert!(path("old", "zones@0.2.0", "count").is_null(), "and what is not, is not");

    let shown = server.get("/v1/capabilities/zones").unwrap();
    let operation =
        |name: &str| shown["operations"].as_array().unwrap().iter().find(|o| o["name"] == name).unwrap().clone();
    assert_eq!(operation("dump")["deprecated"], json!({"since": "0.2.0", "removal": "0.3.0"}));
    assert_eq!((&operation("count")["since"], operation("count").get("deprecated")), (&json!("0.2.0"), None));
    assert_eq!(server.get("/v1/integrations/new").unwrap()["deprecated"], json!(["zones.dump"]));

    let told = server.run(&["capability", "show", "zones.dump"]).unwrap();
    assert!(String::from_utf8_lossy(&told.stdout).contains("deprecated since 0.2.0, removed in 0.3.0 at the earliest"));
    for format in ["json", "table"] {
        let called = server.run(&["call", "new", "zones.dump", "-o", format]).unwrap();
        assert!(called.status.success());
        let (out, error) = (String::from_utf8_lossy(&called.stdout), String::from_utf8_lossy(&called.stderr));
        let warning = "warning: zones.dump is deprecated since 0.2.0, removed in 0.3.0 at the earliest\n";
        assert!(error.contains(warning) && !out.contains("deprecated"), "{format}: {out} {error}");
    }
    let quiet = server.run(&["call", "old", "zones.dump"]).unwrap();
    assert!(!String::from_utf8_lossy(&quiet.stderr).contains("deprecated"), "{quiet:?}");
}

#[test]
fn which_integrations_understand_a_version_and_how_two_differ_is_told() {
    let stand = stand();
    let server = stand.server();
    let shown = server.get("/v1/capabilities/acme:zones@0.2.0").unwrap();
    assert_eq!(shown["integrations"], json!(["new"]));
    let translated = &shown["translated"][0];
    assert_eq!((&translated["integration"], &translated["version"]), (&json!("old"), &json!("0.1.0")), "{shown}");
    assert_eq!(translated["operations"], json!(["lookup", "dump", "poll-changes", "add"]));
    let refused: BTreeMap<&str, &str> = translated["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refused| (refused["operation"].as_str().unwrap(), refused["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(refused.keys().copied().collect::<Vec<_>>(), ["count", "purge"]);
    assert!(refused["count"].contains("`kind`"), "{refused:?}");

    let compared = server.get("/v1/capabilities/zones@0.1.0/compare/zones@0.2.0").unwrap();
    assert_eq!((&compared["gained"], &compared["lost"]), (&json!(["purge"]), &json!([])), "{compared}");
    let operation = |name: &str| {
        compared["operations"].as_array().unwrap().iter().find(|o| o["operation"] == name).unwrap().clone()
    };
    assert_eq!(operation("dump"), json!({"operation": "dump", "same": true}));
    assert_eq!(operation("lookup"), json!({"operation": "lookup", "same": false}));
    assert!(operation("count")["old-clients"].is_string() && operation("count")["new-clients"].is_string());
    let (status, problem) = server.send("GET", "/v1/capabilities/zones/compare/metrics", &Value::Null).unwrap();
    assert_eq!((status, &problem["kind"]), (400, &json!("invalid")), "two capabilities are no versions: {problem}");
    let itself = server.get("/v1/capabilities/zones@0.1.0/compare/zones@0.1.0").unwrap();
    let operations = itself["operations"].as_array().unwrap();
    assert!(operations.len() == 5 && operations.iter().all(|operation| operation["same"] == true), "{itself}");
    let diff = server.run(&["capability", "diff", "zones@0.1.0", "zones@0.2.0"]).unwrap();
    let text = String::from_utf8_lossy(&diff.stdout);
    assert_eq!(diff.status.code(), Some(1), "an operation cannot be translated: {text}");
    for line in ["purge is new\n", "dump is the same\n", "lookup differs\n", "is translated\n", "cannot: at `/kind`"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let called = server.cli(&["call", "old", "zones@0.2.0.lookup", "name=nobody"]).unwrap();
    assert_eq!(called, json!([]));
    let trail = server.get("/v1/audit?limit=100").unwrap();
    let said =
        "newly deprecated: acme:zones/zones@0.2.0.dump, deprecated since 0.2.0, removed in 0.3.0 at the earliest";
    assert!(trail.to_string().contains(said), "the installation is recorded with it: {trail}");
    let planned = server.cli(&["integration", "upgrade", "old", "--dry-run"]).unwrap();
    let deprecated = json!(["acme:zones/zones@0.2.0.dump, deprecated since 0.2.0, removed in 0.3.0 at the earliest"]);
    assert_eq!(planned["operations-deprecated"], deprecated, "{planned}");
}

#[test]
fn a_version_is_known_as_long_as_a_plugin_has_it_and_again_after_a_restart() {
    let mut stand = stand();
    stand.restart();
    let params = json!({"name": "x"});
    assert_eq!(ok(&stand, "new", "@0.1.0", "lookup", &params), json!([]));
    stand.server().cli(&["integration", "remove", "old"]).unwrap();
    assert_eq!(ok(&stand, "new", "@0.1.0", "lookup", &params), json!([]), "nothing needs to run with it");
    stand.server().cli(&["plugin", "remove", "zones@1.0.0"]).unwrap();
    let (status, problem) = call(&stand, "new", "@0.1.0", "lookup", &params);
    assert_eq!((status, &problem["code"]), (404, &json!("unknown-version")), "{problem}");
}

#[test]
fn the_matrix_in_the_docs_is_what_manifests_name_and_tests_ran_against() {
    let tested = Tested::read(&workspace()).unwrap();
    let (should_be, is) = rewritten(&workspace(), &tested).unwrap();
    assert_eq!(is, should_be, "docs/compatibility.md is not what it should be; run `cargo xtask compatibility`");
}

/// What a peer says its version is must be in the matrix.
fn is_in_the_matrix(peer: &str, version: &str) {
    let tested = Tested::read(&workspace()).unwrap();
    assert!(
        tested.has(peer, version),
        "tests run against {peer} {version}, which docs/compatibility.md does not say; run `cargo xtask test`, then `cargo xtask compatibility`"
    );
}

#[test]
fn the_versions_of_etcd_that_tests_run_against_are_in_the_matrix() {
    for version in ["3.4.", "3.5."] {
        is_in_the_matrix("etcd", peer!(Etcd::start(version)).version());
    }
}

#[test]
fn the_versions_of_prometheus_that_tests_run_against_are_in_the_matrix() {
    for version in ["2.", "3."] {
        let options = prometheus::Options { version, ..prometheus::Options::default() };
        is_in_the_matrix("prometheus", peer!(Prometheus::start(options)).version());
    }
}

#[test]
fn the_versions_of_the_other_systems_that_tests_run_against_are_in_the_matrix() {
    is_in_the_matrix("victoria-metrics", peer!(VictoriaMetrics::start()).version());
    is_in_the_matrix("alertmanager", peer!(Alertmanager::start("")).version());
    is_in_the_matrix("openbao", peer!(OpenBao::start()).version());
}
