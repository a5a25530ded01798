//! Integrations that are disabled and enabled: what stops, what stays, and what others see of it.

mod common;

use std::time::Duration;

use common::{add, builder, call, outside::Outside, playing, plugin, put, version};
use jackfield_core::{
    Apply, DesiredAction, Error, ErrorKind, EventKind, HealthState, Host, NewIntegration, UpdateIntegration,
    UpgradeIntegration, WatchRequest,
};
use jackfield_store::{Bucket, Mutation, SqliteStore, Store as _};
use serde_json::{Value, json};

async fn disabled(host: &Host, name: &str) {
    assert!(!host.disable_integration(name, None).await.unwrap().enabled);
}

fn refuses<T: std::fmt::Debug>(answer: Result<T, Error>, name: &str) {
    let error = answer.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Conflict, Some("integration-disabled")), "{error}");
    assert!(error.message.contains(&format!("`jackfield integration enable {name}`")), "{error}");
}

#[tokio::test]
async fn a_disabled_integration_refuses_everything_and_says_how_to_enable_it_and_keeps_what_it_has() {
    let host = playing().await;
    put(&host, "k", "djE=").await;
    let labels = Some([("env".to_owned(), Some("dev".to_owned()))].into());
    let labelled = UpdateIntegration { labels, ..Default::default() };
    let before = host.update_integration("play", labelled).await.unwrap();
    disabled(&host, "play").await;

    refuses(call(&host, "play", "key-value.get", json!({"key": "k"})).await, "play");
    refuses(call(&host, "play", "key-value.put", json!({"key": "k", "value": "djI="})).await, "play");
    refuses(host.check_integration("play").await, "play");
    refuses(host.operation("play", "key-value", "get"), "play");
    let request = WatchRequest {
        integration: "play".into(),
        capability: "key-value".into(),
        operation: None,
        params: serde_json::Map::new(),
        cursor: None,
    };
    refuses(host.watch(request).map(drop), "play");
    assert!(host.operations().is_empty() && host.integration("play").unwrap().capabilities.is_empty());

    let enabled = host.enable_integration("play", None).await.unwrap();
    assert!(enabled.enabled && enabled.labels == before.labels && enabled.capabilities == before.capabilities);
    assert_eq!(call(&host, "play", "key-value.get", json!({"key": "k"})).await.unwrap()["value"], "djE=");
}

#[tokio::test]
async fn to_disable_or_enable_twice_is_once_and_each_is_told_and_meant_for_a_revision() {
    let host = playing().await;
    let mut events = host.events();
    let before = host.integration("play").unwrap().revision;
    assert_eq!(host.enable_integration("play", None).await.unwrap().revision, before, "it is enabled already");
    let stale = host.disable_integration("play", Some(before + 1)).await.unwrap_err();
    assert_eq!((stale.kind, stale.code), (ErrorKind::Conflict, None));
    let off = host.disable_integration("play", Some(before)).await.unwrap();
    assert_eq!(host.disable_integration("play", None).await.unwrap().revision, off.revision);
    host.enable_integration("play", None).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        let event = events.recv().await.unwrap();
        told.extend((event.kind != EventKind::HealthChanged).then_some(event.kind));
    }
    assert_eq!(told, [EventKind::IntegrationDisabled, EventKind::IntegrationEnabled]);
    let unknown = host.disable_integration("paly", None).await.unwrap_err();
    assert!(unknown.kind == ErrorKind::NotFound && unknown.message.contains("`play`"), "{unknown}");
}

#[tokio::test]
async fn a_call_that_is_under_way_ends_as_it_would_have() {
    let outside = Outside::start().await;
    let host = common::unruly(&outside.url).await;
    let caller = host.clone();
    let under_way =
        tokio::spawn(async move { call(&caller, "wild", "unruly.submit", json!({"path": "/later"})).await });
    while outside.requests() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    disabled(&host, "wild").await;
    refuses(call(&host, "wild", "unruly.fetch", json!({"path": "/x"})).await, "wild");
    assert_eq!(under_way.await.unwrap().unwrap(), json!(201));
}

#[tokio::test]
async fn its_outside_system_is_asked_nothing_until_it_is_enabled_and_is_checked_then() {
    let outside = Outside::start().await;
    let host = builder().health_interval(Duration::from_millis(50)).build().await.unwrap();
    host.install_plugin(plugin("prometheus")).await.unwrap();
    add(&host, "prom", "prometheus", json!({"url": outside.url})).await.unwrap();
    let checked = async || {
        while host.integration("prom").unwrap().health.checked_at.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    checked().await;
    disabled(&host, "prom").await;
    // One that was under way may still ask.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = outside.requests();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(outside.requests(), asked);
    let health = host.integration("prom").unwrap().health;
    assert_eq!((health.state, health.message.as_str()), (HealthState::Unknown, "it is disabled"));
    let status = host.status().await.unwrap();
    assert_eq!((status.integrations["disabled"], status.integrations["unhealthy"]), (1, 0));
    assert!(status.concerns.is_empty() && status.readiness.ready, "{status:?}");
    assert!(host.metrics_text().contains(r#"integration_health{integration="prom",state="disabled"} 1"#));
    host.enable_integration("prom", None).await.unwrap();
    checked().await;
    assert!(outside.requests() > asked);
}

#[tokio::test]
async fn it_is_still_disabled_after_a_restart_and_enabled_after_another() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || builder().data_dir(folder.path()).build().await.unwrap();
    let host = open().await;
    host.install_plugin(plugin("playground")).await.unwrap();
    host.add_integration(NewIntegration::new("play", "playground")).await.unwrap();
    put(&host, "k", "djE=").await;
    disabled(&host, "play").await;
    host.shutdown().await;
    let host = open().await;
    assert_eq!(host.integration("play").unwrap().health.message, "it is disabled");
    refuses(call(&host, "play", "key-value.get", json!({"key": "k"})).await, "play");
    host.enable_integration("play", None).await.unwrap();
    host.shutdown().await;
    let host = open().await;
    assert_eq!(call(&host, "play", "key-value.get", json!({"key": "k"})).await.unwrap()["value"], "djE=");
    host.shutdown().await;
}

#[tokio::test]
async fn one_that_cannot_be_built_stays_disabled_and_can_still_be_disabled() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || builder().data_dir(folder.path()).build().await.unwrap();
    let host = open().await;
    let (plugin, _) = host.install_plugin(plugin("playground")).await.unwrap();
    for name in ["off", "on"] {
        host.add_integration(NewIntegration::new(name, "playground")).await.unwrap();
    }
    disabled(&host, "off").await;
    host.shutdown().await;
    // Its file is gone.
    let store = SqliteStore::open(folder.path(), None).unwrap();
    store.commit(vec![Mutation::delete(Bucket::Components, plugin.digest)]).await.unwrap();
    store.close().await;

    let host = open().await;
    let revision = host.integration("off").unwrap().revision;
    let error = host.enable_integration("off", None).await.unwrap_err();
    assert!(error.message.contains("cannot be loaded"), "{error}");
    let off = host.integration("off").unwrap();
    assert_eq!((off.enabled, off.revision), (false, revision));
    refuses(call(&host, "off", "key-value.get", json!({"key": "k"})).await, "off");
    assert_eq!(host.status().await.unwrap().integrations["unhealthy"], 1);
    disabled(&host, "on").await;
    assert_eq!(host.status().await.unwrap().integrations["disabled"], 2);
    host.shutdown().await;
}

#[tokio::test]
async fn a_disabled_one_is_changed_upgraded_and_judged_and_its_outside_system_is_asked_nothing() {
    let outside = Outside::start().await;
    let host = common::unruly(&outside.url).await;
    disabled(&host, "wild").await;
    let wrong = json!({"url": "ftp://x"}).as_object().cloned();
    let wrong = UpdateIntegration { config: wrong, ..Default::default() };
    let error = host.update_integration("wild", wrong).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("/config/url"), "{error}");

    host.install_plugin(version("unruly", "0.2.0", |_| {})).await.unwrap();
    outside.stop();
    let upgraded = host.upgrade_integration("wild", UpgradeIntegration::default()).await.unwrap();
    assert!(upgraded.changed && !upgraded.checked && !upgraded.integration.enabled, "{upgraded:?}");
    assert_eq!(upgraded.integration.probation_until, None, "nothing runs that could be watched");
    assert!(!host.roll_back_integration("wild", None).await.unwrap().enabled);
    refuses(call(&host, "wild", "unruly.fetch", json!({"path": "/x"})).await, "wild");
    assert_eq!(outside.requests(), 0);
    // That it cannot be reached is for the health checks to tell.
    host.enable_integration("wild", None).await.unwrap();
    assert_eq!(call(&host, "wild", "unruly.fetch", json!({"path": "/x"})).await.unwrap_err().code, None);
    host.remove_plugin("unruly@0.2.0").await.unwrap();
}

#[tokio::test]
async fn its_plugin_is_kept_and_one_that_is_added_disabled_is_judged_as_any_other() {
    let outside = Outside::start().await;
    let host = common::unruly(&outside.url).await;
    disabled(&host, "wild").await;
    let error = host.remove_plugin("unruly").await.unwrap_err();
    assert!(error.kind == ErrorKind::Conflict && error.message.contains("`wild`"), "{error}");
    host.remove_integration("wild", false).await.unwrap();
    let mut new = NewIntegration { enabled: false, ..NewIntegration::new("wild", "unruly") };
    new.config.insert("url".into(), 7.into());
    let error = host.add_integration(new.clone()).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("/config/url"), "what is added disabled is judged too: {error}");
    new.config.insert("url".into(), outside.url.as_str().into());
    let added = host.add_integration(new).await.unwrap();
    assert!(!added.enabled && added.health.message == "it is disabled", "{added:?}");
    host.enable_integration("wild", None).await.unwrap();
    assert!(call(&host, "wild", "unruly.fetch", json!({"path": "/x"})).await.is_ok());
}

async fn apply(host: &Host, document: Value) -> Vec<(DesiredAction, Vec<Value>)> {
    let applied = host.apply(Apply { documents: vec![document], ..Apply::default() }).await.unwrap();
    let done = applied.changes.into_iter().map(|change| {
        let fields = change.fields.into_iter().map(|f| json!([f.field, f.from, f.to]));
        (change.action, fields.collect())
    });
    done.collect()
}

#[tokio::test]
async fn a_document_says_whether_an_integration_runs_and_without_a_word_it_does() {
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("playground")).await.unwrap();
    let document = |enabled: Option<bool>| {
        let mut it = json!({"name": "play", "plugin": "playground", "capabilities": ["key-value"]});
        enabled.into_iter().for_each(|enabled| it["enabled"] = enabled.into());
        json!({"integration": it})
    };
    assert_eq!(apply(&host, document(Some(false))).await, [(DesiredAction::Add, Vec::new())]);
    assert!(!host.integration("play").unwrap().enabled);
    assert!(apply(&host, document(Some(false))).await.is_empty(), "applied twice it is a change once");
    let mut impossible = document(Some(false));
    impossible["integration"]["capabilities"] = json!(["metrics"]);
    for labels in [json!({}), json!({"env": "dev"})] {
        impossible["integration"]["labels"] = labels;
        let documents = vec![impossible.clone()];
        let refused = host.apply(Apply { documents, ..Apply::default() }).await.unwrap_err();
        assert!(refused.message.contains("does not offer"), "{refused}");
    }

    let exported = host.export();
    assert_eq!(exported[1]["integration"]["enabled"], false, "{exported:?}");
    assert!(exported[1]["integration"]["capabilities"].as_array().unwrap().contains(&json!("key-value")));
    let again = host.apply(Apply { documents: exported, prune: true, dry_run: false }).await.unwrap();
    assert!(again.changes.is_empty(), "{again:?}");

    let mut events = host.events();
    let changed = apply(&host, document(None)).await;
    assert_eq!(changed, [(DesiredAction::Update, vec![json!(["/enabled", false, true])])]);
    assert_eq!(events.recv().await.unwrap().kind, EventKind::IntegrationEnabled);
    put(&host, "k", "djE=").await;
    assert!(apply(&host, document(Some(true))).await.is_empty());
    assert!(host.export()[1]["integration"].get("enabled").is_none(), "what goes without saying is not said");
    apply(&host, document(Some(false))).await;
    assert_eq!(events.recv().await.unwrap().kind, EventKind::IntegrationDisabled);
    refuses(call(&host, "play", "key-value.get", json!({"key": "k"})).await, "play");
}
