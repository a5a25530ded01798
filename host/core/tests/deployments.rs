//! Deployments: routed to the orchestrator that a document names, once, and nobody else's are touched.

mod common;

use std::path::Path;

use common::{builder, call, playing, plugin, version};
use jackfield_core::{Applied, Apply, DesiredAction, Error, ErrorKind, Host, NewIntegration};
use serde_json::{Value, json};

async fn apply_with(host: &Host, documents: Value, dry_run: bool, prune: bool) -> Result<Applied, Error> {
    let Value::Array(documents) = documents else { panic!("documents are a list") };
    host.apply(Apply { documents, dry_run, prune }).await
}

async fn apply(host: &Host, documents: Value) -> Applied {
    apply_with(host, documents, false, false).await.unwrap()
}

fn actions(applied: &Applied) -> Vec<(&str, DesiredAction)> {
    assert!(applied.failed.is_empty(), "{:?}", applied.failed);
    applied.changes.iter().map(|change| (change.name.as_str(), change.action)).collect()
}

fn fields(applied: &Applied) -> Vec<&str> {
    applied.changes.iter().flat_map(|change| &change.fields).map(|change| change.field.as_str()).collect()
}

fn shop(replicas: u32) -> Value {
    json!({"deployment": {"name": "shop", "strategy": "rolling", "orchestrator": "play",
        "config": {"namespace": "production", "image": "shop:1", "replicas": replicas, "env": {"A": "1"}}}})
}

async fn workload(host: &Host) -> Value {
    call(host, "play", "orchestrator.get", json!({"namespace": "production", "name": "shop"})).await.unwrap()
}

async fn by_hand(host: &Host, replicas: u32) {
    let params = json!({"namespace": "production", "name": "shop", "replicas": replicas});
    call(host, "play", "orchestrator.scale", params).await.unwrap();
}

#[tokio::test]
async fn a_deployment_is_made_once_and_a_hand_change_in_the_orchestrator_shows_and_goes() {
    let host = playing().await;
    let planned = apply_with(&host, json!([shop(3)]), true, false).await.unwrap();
    assert_eq!(actions(&planned), [("play/production/shop", DesiredAction::Add)]);
    let listed = call(&host, "play", "orchestrator.list", json!({})).await.unwrap();
    assert_eq!(listed["items"], json!([]), "a dry run changes nothing");

    assert_eq!(actions(&apply(&host, json!([shop(3)])).await), [("play/production/shop", DesiredAction::Add)]);
    let first = workload(&host).await;
    assert_eq!((&first["spec"]["replicas"], &first["spec"]["env"]), (&json!(3), &json!([{"name": "A", "value": "1"}])));
    let again = apply(&host, json!([shop(3)])).await;
    assert!(again.changes.is_empty() && again.unchanged == 1, "{again:?}");
    assert_eq!(workload(&host).await, first);

    // Back and forth, so that the same wish comes several times: each is a write of its own.
    for by_others in [5, 6] {
        by_hand(&host, by_others).await;
        let drift = apply_with(&host, json!([shop(3)]), true, false).await.unwrap();
        assert_eq!(fields(&drift), ["/config/replicas"]);
        assert_eq!(drift.changes[0].fields[0].from, Some(json!(by_others)));
        assert_eq!(actions(&apply(&host, json!([shop(3)])).await), [("play/production/shop", DesiredAction::Update)]);
        assert_eq!(workload(&host).await["spec"]["replicas"], 3);
    }
    for _ in 0..2 {
        call(&host, "play", "orchestrator.delete", json!({"namespace": "production", "name": "shop"})).await.unwrap();
        assert_eq!(actions(&apply(&host, json!([shop(3)])).await), [("play/production/shop", DesiredAction::Add)]);
        assert_eq!(workload(&host).await["spec"]["replicas"], 3);
    }
    let writes = host.writes(Some("play"), false, 100).await.unwrap();
    let applied = writes.iter().filter(|write| write.action == "orchestrator.apply");
    assert_eq!(applied.clone().count(), 5, "each change is in the journal");
    assert!(applied.clone().all(|write| write.key.starts_with("deployment-")));
}

#[tokio::test]
async fn the_shape_of_the_architecture_decision_changes_what_is_there() {
    let host = playing().await;
    apply(&host, json!([shop(1)])).await;
    let block = json!({"deployment": {"strategy": "blue_green", "orchestrator": "play",
        "config": {"name": "shop", "namespace": "production", "replicas": 4}}});
    let applied = apply(&host, json!([block])).await;
    assert_eq!(actions(&applied), [("play/production/shop", DesiredAction::Update)]);
    let spec = workload(&host).await["spec"].clone();
    assert_eq!(
        (&spec["replicas"], &spec["strategy"], &spec["image"]),
        (&json!(4), &json!("blue-green"), &json!("shop:1"))
    );
}

#[tokio::test]
async fn pruning_removes_what_was_applied_and_nothing_that_others_made() {
    let host = playing().await;
    let other = json!({"workload": {"name": "theirs", "image": "a"}, "options": {}});
    call(&host, "play", "orchestrator.apply", other).await.unwrap();
    let cart = json!({"deployment": {"name": "cart", "orchestrator": "play", "config": {"image": "cart:1"}}});
    apply(&host, json!([shop(1), cart])).await;
    // The namespace that goes without saying is the same when it is said.
    let said = json!({"deployment": {"name": "cart", "orchestrator": "play",
        "config": {"image": "cart:1", "namespace": "default"}}});
    let planned = apply_with(&host, json!([said]), true, true).await.unwrap();
    assert_eq!(actions(&planned), [("play/production/shop", DesiredAction::Remove)]);
    let pruned = apply_with(&host, json!([said]), false, true).await.unwrap();
    assert_eq!(actions(&pruned), [("play/production/shop", DesiredAction::Remove)]);
    let listed = call(&host, "play", "orchestrator.list", json!({})).await.unwrap();
    let names: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|item| &item["spec"]["name"]).collect();
    assert_eq!(names, ["cart", "theirs"]);
    assert!(apply_with(&host, json!([said]), false, true).await.unwrap().changes.is_empty());
    // Applied again and pruned again, it goes again.
    apply(&host, json!([shop(1)])).await;
    let pruned = apply_with(&host, json!([said]), false, true).await.unwrap();
    assert_eq!(actions(&pruned), [("play/production/shop", DesiredAction::Remove)]);
    assert_eq!(
        call(&host, "play", "orchestrator.list", json!({})).await.unwrap()["items"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn what_is_exported_and_applied_changes_nothing_even_where_the_rest_is_pruned() {
    let host = playing().await;
    apply(&host, json!([shop(2)])).await;
    let trust = json!({"trust": {"source": [{"prefix": "file:folder", "unsigned": "allow"}]}});
    apply(&host, json!([trust])).await;
    let documents = host.export();
    assert_eq!((documents.first().unwrap(), documents.last().unwrap()), (&trust, &shop(2)));
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/documents.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    for document in &documents {
        assert!(schema.is_valid(document), "{document}: {:?}", schema.iter_errors(document).next());
    }
    let again = host.apply(Apply { documents, dry_run: false, prune: true }).await.unwrap();
    assert!(again.changes.is_empty() && again.unchanged == 4, "{again:?}");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anything_is_changed() {
    let host = playing().await;
    host.install_plugin(plugin("echo")).await.unwrap();
    host.add_integration(NewIntegration::new("echo", "echo")).await.unwrap();
    let new = json!({"integration": {"name": "new", "plugin": "playground"}});
    for (block, place, words) in [
        (json!({"orchestrator": "play", "config": {"image": "a"}}), "/name", "`name` is missing"),
        (json!({"name": "a", "orchestrator": "plya", "config": {}}), "/orchestrator", "Did you mean `play`?"),
        (
            json!({"name": "a", "orchestrator": "echo", "config": {}}),
            "/orchestrator",
            "does not offer what a deployment",
        ),
        (json!({"name": "a", "orchestrator": "new", "config": {"imag": "a"}}), "/config/imag", "Did you mean `image`?"),
        (json!({"name": "a", "orchestrator": "play", "config": {"replicas": "3"}}), "/config/replicas", "number"),
        (json!({"name": "a", "orchestrator": "play", "strategy": "slow", "config": {}}), "/strategy", "rolling"),
        (json!({"name": "a", "orchestrator": "play", "image": "b"}), "/image", "stands in `config`"),
        // What the orchestrator itself says.
        (json!({"name": "a", "orchestrator": "play", "config": {"replicas": 2}}), "/config/image", "which image"),
        (json!({"name": "A", "orchestrator": "play", "config": {"image": "a"}}), "/name", "lower-case"),
    ] {
        let error = apply_with(&host, json!([new, {"deployment": block}]), false, false).await.unwrap_err();
        let field = error.field.clone().unwrap_or_default();
        assert_eq!(field, format!("/documents/1/deployment{place}"), "{error}");
        assert!(error.message.contains(words), "{error}");
        assert!(host.integration("new").is_err(), "nothing was changed");
    }
    let twice = apply_with(&host, json!([shop(1), shop(2)]), false, false).await.unwrap_err();
    assert!(twice.message.contains("already"), "{twice}");
    let pruned = json!([new, shop(1)]);
    let error = apply_with(&host, pruned, false, true).await.unwrap_err();
    assert!(error.message.contains("would be pruned"), "{error}");
}

#[tokio::test]
async fn an_orchestrator_that_cannot_be_asked_fails_its_own_deployments_and_no_others() {
    let host = playing().await;
    host.add_integration(NewIntegration::new("other", "playground")).await.unwrap();
    let cart = json!({"deployment": {"name": "cart", "orchestrator": "other", "config": {"image": "cart:1"}}});
    apply(&host, json!([cart])).await;
    host.disable_integration("other", None).await.unwrap();
    let new = json!({"integration": {"name": "new", "plugin": "playground"}});
    let wanted =
        json!([{"deployment": {"name": "pay", "orchestrator": "other", "config": {"image": "pay:1"}}}, shop(1), new]);
    for dry_run in [true, false] {
        let applied = apply_with(&host, wanted.clone(), dry_run, false).await.unwrap();
        let done: Vec<&str> = applied.changes.iter().map(|change| change.name.as_str()).collect();
        assert_eq!(done, ["new", "play/production/shop"]);
        let [failed] = &applied.failed[..] else { panic!("{applied:?}") };
        assert_eq!((failed.name.as_str(), failed.error), ("other/pay", ErrorKind::Unavailable));
        assert!(failed.message.contains("disabled"), "{failed:?}");
        assert_eq!(failed.field.as_deref(), Some("/documents/0/deployment"));
    }
    // Nothing is pruned of an orchestrator that cannot be asked, nor is it removed.
    let play = json!({"integration": {"name": "play", "plugin": "playground"}});
    let applied = apply_with(&host, json!([play, shop(1)]), false, true).await.unwrap();
    let failed: Vec<(&str, &str)> = applied.failed.iter().map(|failed| (failed.kind, failed.name.as_str())).collect();
    assert_eq!(failed, [("deployment", "other/cart"), ("integration", "other")]);
    assert!(host.integration("other").is_ok());
    host.enable_integration("other", None).await.unwrap();
    let applied = apply_with(&host, json!([play, shop(1)]), false, true).await.unwrap();
    assert_eq!(actions(&applied), [("other/cart", DesiredAction::Remove), ("other", DesiredAction::Remove)]);
}

#[tokio::test]
async fn an_orchestrator_and_its_deployments_may_come_in_one_go() {
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("playground")).await.unwrap();
    let both = json!([shop(2), {"integration": {"name": "play", "plugin": "playground"}}]);
    let planned = apply_with(&host, both.clone(), true, false).await.unwrap();
    assert_eq!(actions(&planned), [("play", DesiredAction::Add), ("play/production/shop", DesiredAction::Add)]);
    assert_eq!(actions(&apply(&host, both.clone()).await), actions(&planned));
    assert!(apply(&host, both).await.changes.is_empty());
    host.remove_integration("play", false).await.unwrap();
    assert!(
        host.export().iter().all(|document| document.get("deployment").is_none()),
        "forgotten with its orchestrator"
    );
}

#[tokio::test]
async fn the_integration_block_of_the_architecture_decision_is_held_against_what_the_plugin_offers() {
    let host = builder().build().await.unwrap();
    let block = |capabilities: Value| json!([{"integration": {"name": "kubernetes", "version": "1.0.0", "capabilities": capabilities}}]);
    let adr = json!(["container_orchestration", "service_discovery", "ingress_management"]);
    let error = apply_with(&host, block(adr.clone()), false, false).await.unwrap_err();
    assert!(error.message.contains("no plugin `kubernetes`"), "{error}");
    host.install_plugin(version("playground", "1.0.0", |manifest| manifest.plugin.name = "kubernetes".into()))
        .await
        .unwrap();
    let error = apply_with(&host, block(adr), false, false).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("/documents/0/integration/capabilities/2"));
    assert!(error.message.contains("`traffic`"), "{error}");
    let offered = json!(["container_orchestration", "service_discovery"]);
    assert_eq!(actions(&apply(&host, block(offered)).await), [("kubernetes", DesiredAction::Add)]);
    let deployment = json!({"deployment": {"strategy": "rolling", "orchestrator": "kubernetes",
        "config": {"name": "shop", "image": "shop:1", "namespace": "production", "replicas": 3}}});
    assert_eq!(actions(&apply(&host, json!([deployment])).await), [("kubernetes/production/shop", DesiredAction::Add)]);
}

#[tokio::test]
async fn what_was_applied_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || builder().data_dir(folder.path()).build().await.unwrap();
    let host = start().await;
    host.install_plugin(plugin("playground")).await.unwrap();
    host.add_integration(NewIntegration::new("play", "playground")).await.unwrap();
    apply(&host, json!([shop(1)])).await;
    host.shutdown().await;
    drop(host);
    let host = start().await;
    assert!(host.export().contains(&shop(1)));
    let other = json!({"deployment": {"name": "cart", "orchestrator": "play", "config": {"image": "cart:1"}}});
    let applied = apply_with(&host, json!([other]), false, true).await.unwrap();
    assert_eq!(actions(&applied), [("play/cart", DesiredAction::Add), ("play/production/shop", DesiredAction::Remove)]);
}

#[tokio::test]
async fn the_trust_policy_is_a_document_and_is_never_pruned() {
    let host = playing().await;
    let trust = json!({"trust": {"source": [{"prefix": "oci://ghcr.io/acme/", "unsigned": "allow"}]}});
    let planned = apply_with(&host, json!([trust]), true, false).await.unwrap();
    assert_eq!((actions(&planned), fields(&planned)), (vec![("policy", DesiredAction::Update)], vec!["/source"]));
    assert_eq!(actions(&apply(&host, json!([trust])).await), [("policy", DesiredAction::Update)]);
    assert_eq!(apply(&host, json!([trust])).await.unchanged, 1);
    assert_eq!(host.export()[0], trust);
    let other = json!([{"integration": {"name": "play", "plugin": "playground"}}]);
    assert!(apply_with(&host, other, false, true).await.unwrap().changes.is_empty());
    assert_eq!(host.trust_policy().unwrap(), trust["trust"]);
    let wrong = json!([{"trust": {"source": [{"prefix": "oci://GHCR.io/"}]}}]);
    let error = apply_with(&host, wrong, false, false).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("/documents/0/trust"));
    let twice = apply_with(&host, json!([trust, trust]), false, false).await.unwrap_err();
    assert!(twice.message.contains("one trust policy"), "{twice}");
}
