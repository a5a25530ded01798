//! Documents: what they want is so once they were applied, and nothing else is.

mod common;

use std::path::Path;

use common::{builder, outside::Outside, plugin, version};
use jackfield_core::{Applied, Apply, DesiredAction, Error, ErrorKind, Host, UpdateIntegration};
use serde_json::{Value, json};

async fn apply(host: &Host, documents: Value) -> Result<Applied, Error> {
    let Value::Array(documents) = documents else { panic!("documents are a list") };
    host.apply(Apply { documents, ..Apply::default() }).await
}

fn actions(applied: &Applied) -> Vec<(&str, DesiredAction)> {
    applied.changes.iter().map(|change| (change.name.as_str(), change.action)).collect()
}

async fn host() -> Host {
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("playground")).await.unwrap();
    host
}

fn play(labels: Value) -> Value {
    json!({"integration": {"name": "play", "plugin": "playground", "capabilities": ["key_value"], "labels": labels}})
}

#[tokio::test]
async fn what_is_applied_twice_is_a_change_once_and_a_hand_change_shows_and_goes() {
    let host = host().await;
    let wanted = json!([play(json!({"env": "dev"})), {"integration": {"name": "playground"}}]);
    let first = apply(&host, wanted.clone()).await.unwrap();
    assert_eq!(actions(&first), [("play", DesiredAction::Add), ("playground", DesiredAction::Add)]);
    let second = apply(&host, wanted.clone()).await.unwrap();
    assert!(second.changes.is_empty() && second.unchanged == 2, "{second:?}");

    let by_hand = json!({"labels": {"env": "prod", "owner": "me"}, "limits": {"concurrency": 3}});
    let by_hand: UpdateIntegration = serde_json::from_value(by_hand).unwrap();
    host.update_integration("play", by_hand).await.unwrap();
    let documents = wanted.as_array().unwrap().clone();
    let drift = host.apply(Apply { documents, dry_run: true, prune: false }).await.unwrap();
    let fields: Vec<_> = drift.changes[0].fields.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(fields, ["/labels/env", "/labels/owner", "/limits/concurrency"]);
    assert_eq!(host.integration("play").unwrap().labels["env"], "prod", "a dry run changes nothing");
    let back = apply(&host, wanted.clone()).await.unwrap();
    assert_eq!(actions(&back), [("play", DesiredAction::Update)]);
    assert_eq!(host.integration("play").unwrap().labels, [("env".to_owned(), "dev".to_owned())].into());
    assert!(apply(&host, wanted).await.unwrap().changes.is_empty());
}

#[tokio::test]
async fn what_is_exported_and_applied_changes_nothing_even_where_the_rest_is_pruned() {
    let outside = Outside::start().await;
    let host = host().await;
    host.install_plugin(plugin("unruly")).await.unwrap();
    host.install_plugin(version("playground", "0.2.0", |_| {})).await.unwrap();
    let endpoints = json!({"api": {"allow-addresses": ["10.0.0.0/8"], "grant": {"read-only": true},
        "spend": {"per-request": 0.5, "per-day": 10.0}}});
    let wild = json!({"integration": {"name": "wild", "plugin": "unruly", "config": {"url": outside.url},
        "endpoints": endpoints, "limits": {"concurrency": 4}}});
    apply(&host, json!([play(json!({})), wild])).await.unwrap();
    host.disable_integration("wild", None).await.unwrap();
    let documents = host.export();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/documents.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    for document in &documents {
        assert!(schema.is_valid(document), "{document}: {:?}", schema.iter_errors(document).next());
    }
    assert_eq!(documents.len(), 5, "three versions of plugins and two integrations");
    let again = host.apply(Apply { documents, dry_run: false, prune: true }).await.unwrap();
    assert!(again.changes.is_empty() && again.unchanged == 5, "{again:?}");
}

#[tokio::test]
async fn pruning_removes_what_no_document_wants_of_the_kinds_that_there_are_documents_of() {
    let host = host().await;
    host.install_plugin(version("playground", "0.2.0", |_| {})).await.unwrap();
    let many = json!([play(json!({})), {"integration": [{"name": "a", "plugin": "playground"}, {"name": "b", "plugin": "playground"}]}]);
    apply(&host, many).await.unwrap();
    let prune = async |documents: Value| {
        host.apply(Apply { documents: documents.as_array().unwrap().clone(), dry_run: false, prune: true }).await
    };
    let applied = prune(json!([play(json!({}))])).await.unwrap();
    assert_eq!(actions(&applied), [("a", DesiredAction::Remove), ("b", DesiredAction::Remove)]);
    assert_eq!(host.plugins().len(), 2, "there was no document of a plugin");
    let with_plugin = json!([play(json!({})), {"plugin": {"name": "playground", "version": "0.2.0"}}]);
    let applied = prune(with_plugin).await.unwrap();
    assert_eq!(actions(&applied), [("playground@0.1.0", DesiredAction::Remove)]);
    assert!(prune(json!([])).await.is_err(), "no documents are no wish for nothing");
}

#[tokio::test]
async fn what_an_integration_needs_or_can_go_back_to_is_not_pruned() {
    let host = host().await;
    for wanted in ["0.2.0", "0.3.0"] {
        host.install_plugin(version("playground", wanted, |_| {})).await.unwrap();
    }
    let integration =
        |version: &str| json!({"integration": {"name": "play", "plugin": "playground", "version": version}});
    apply(&host, json!([integration("0.1.0")])).await.unwrap();
    let documents = vec![integration("0.2.0"), json!({"plugin": {"name": "playground", "version": "0.2.0"}})];
    for expected in [vec![("play", DesiredAction::Upgrade), ("playground@0.3.0", DesiredAction::Remove)], Vec::new()] {
        let applied = host.apply(Apply { documents: documents.clone(), dry_run: false, prune: true }).await.unwrap();
        assert_eq!(actions(&applied), expected, "0.1.0 can be gone back to");
    }
    host.roll_back_integration("play", None).await.unwrap();
    // No document says what version it runs with, so that one is needed.
    let documents = vec![json!({"integration": {"name": "play", "plugin": "playground"}}), documents[1].clone()];
    let applied = host.apply(Apply { documents, dry_run: false, prune: true }).await.unwrap();
    assert!(applied.changes.is_empty(), "{applied:?}");
    // One that is added takes the newest, which no document names.
    host.install_plugin(version("playground", "0.4.0", |_| {})).await.unwrap();
    let first = json!({"plugin": {"name": "playground", "version": "0.1.0"}});
    let documents = vec![first, json!({"integration": {"name": "new", "plugin": "playground"}})];
    host.apply(Apply { documents, dry_run: false, prune: true }).await.unwrap();
    let installed: Vec<_> = host.plugins().into_iter().map(|plugin| plugin.id).collect();
    assert_eq!(installed, ["playground@0.1.0", "playground@0.4.0"]);
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_a_dry_run_too_and_also_where_nothing_differs() {
    let host = host().await;
    let dry_run =
        async |document: Value| host.apply(Apply { documents: vec![document], dry_run: true, prune: false }).await;
    let typo = json!({"integration": {"name": "x", "plugin": "playgruond"}});
    assert!(dry_run(typo).await.unwrap_err().message.contains("`playground`"));
    let nowhere = json!({"plugin": {"name": "etcd", "version": "0.1.0"}});
    assert!(dry_run(nowhere).await.unwrap_err().message.contains("not installed"));
    let to_come = json!({"plugin": {"name": "etcd", "version": "0.1.0", "source": "etcd.wasm"},
        "integration": {"name": "keys", "plugin": "etcd"}});
    assert_eq!(dry_run(to_come).await.unwrap().changes.len(), 2);

    apply(&host, json!([play(json!({}))])).await.unwrap();
    let mut more = play(json!({}));
    more["integration"]["capabilities"] = json!(["key-value", "metrics"]);
    let error = apply(&host, json!([more])).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("/documents/0/integration/capabilities/1"), "{error}");
}

#[tokio::test]
async fn documents_of_which_one_cannot_be_had_change_nothing_and_it_is_named() {
    let host = host().await;
    let at = async |documents: Value| {
        let error = apply(&host, documents).await.unwrap_err();
        (error.field.clone().unwrap_or_default(), error.message)
    };
    let good = play(json!({}));
    for (bad, place, word) in [
        (
            json!({"integration": {"name": "x", "plugin": "playgruond"}}),
            "/documents/1/integration/plugin",
            "playground",
        ),
        (json!({"integration": {"name": "x", "plugin": "playground", "config": {"a": 1}}}), "/config/a", "no such key"),
        (
            json!({"integration": {"name": "x", "plugin": "playground", "capabilities": ["metrics"]}}),
            "/capabilities/0",
            "metrics",
        ),
        (json!({"integration": {"name": "x", "plugin": "playground", "version": "0.9.0"}}), "/plugin", "0.9.0"),
        (json!({"plugin": {"name": "etcd", "version": "0.1.0"}}), "/documents/1/plugin", "not installed"),
        (
            json!({"plugin": {"name": "playground", "version": "0.1.0", "digest": format!("sha256:{}", "0".repeat(64))}}),
            "/digest",
            "another file",
        ),
    ] {
        let (field, message) = at(json!([good, bad])).await;
        assert!(field.ends_with(place) && message.contains(word), "{field}: {message}");
        assert!(host.integrations().is_empty(), "nothing was changed");
    }
    apply(&host, json!([good])).await.unwrap();
    host.install_plugin(plugin("echo")).await.unwrap();
    let error = apply(&host, json!([{"integration": {"name": "play", "plugin": "echo"}}])).await.unwrap_err();
    assert!(error.kind == ErrorKind::Conflict && error.message.contains("integration of `playground`"), "{error}");
}

#[tokio::test]
async fn a_version_that_finds_its_outside_system_not_well_is_told_with_what_helps_who_applies() {
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("prometheus")).await.unwrap();
    host.install_plugin(version("prometheus", "0.2.0", |_| {})).await.unwrap();
    // Nobody listens there.
    let document = |version: &str| {
        json!([{"integration": {"name": "prom", "plugin": "prometheus", "version": version,
            "config": {"url": "http://127.0.0.1:9"}}}])
    };
    apply(&host, document("0.1.0")).await.unwrap();
    let error = apply(&host, document("0.2.0")).await.unwrap_err();
    assert!(error.message.contains("stays at 0.1.0") && error.message.contains("Apply it again"), "{error}");
    assert!(!error.message.contains("--unchecked"), "`apply` has no such option: {error}");
}

#[tokio::test]
async fn another_version_in_a_document_is_an_upgrade_with_the_documents_configuration() {
    let outside = Outside::start().await;
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("unruly")).await.unwrap();
    let document = |version: &str, config: Value| json!([{"integration": {"name": "wild", "plugin": "unruly", "version": version, "config": config}}]);
    apply(&host, document("0.1.0", json!({"url": outside.url}))).await.unwrap();
    let renamed = version("unruly", "0.2.0", |manifest| {
        let url = manifest.config["properties"].as_object_mut().unwrap().remove("url").unwrap();
        manifest.config["properties"]["address"] = url;
        manifest.endpoints[0].address = "address".into();
    });
    host.install_plugin(renamed).await.unwrap();
    // Without a version it stays what it runs with.
    let mut stays = document("0.1.0", json!({"url": outside.url}));
    stays[0]["integration"].as_object_mut().unwrap().remove("version");
    assert!(apply(&host, stays).await.unwrap().changes.is_empty());
    let applied = apply(&host, document("0.2.0", json!({"address": outside.url}))).await.unwrap();
    assert_eq!(actions(&applied), [("wild", DesiredAction::Upgrade)]);
    let there = host.integration("wild").unwrap();
    assert_eq!((there.plugin_version.to_string(), &there.config["address"]), ("0.2.0".to_owned(), &json!(outside.url)));
    assert_eq!(there.previous.unwrap().plugin_version.to_string(), "0.1.0");
}
