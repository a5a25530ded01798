//! Plugins and integrations come and go: what is refused, what stays, what goes with them.

mod common;

use common::{add, builder, call, playing, plugin, put};
use jackfield_core::{ErrorKind, ErrorSource, EventKind, HealthState, NewIntegration, UpdateIntegration};
use serde_json::{Value, json};

#[tokio::test]
async fn a_configuration_that_breaks_the_schema_is_refused_with_path_expected_and_found() {
    let host = common::unruly("http://127.0.0.1:9").await;
    for (config, place, words) in [
        (json!({"url": 7}), "/config/url", ["string", "7"]),
        (json!({"ulr": "http://x"}), "/config/ulr", ["ulr", "url"]),
        (json!({"url": "ftp://x"}), "/config/url", ["must start with", "http://"]),
    ] {
        let error = add(&host, "other", "unruly", config).await.unwrap_err();
        assert_eq!((error.kind, error.source_of_fault), (ErrorKind::Invalid, ErrorSource::Caller), "{error}");
        assert_eq!(error.field.as_deref(), Some(place), "{error}");
        assert!(words.iter().all(|word| error.message.contains(word)), "{error}");
    }
    assert_eq!(host.integrations().len(), 1, "nothing was half added");
}

#[tokio::test]
async fn an_endpoint_or_plugin_that_is_not_there_is_named_with_the_nearest() {
    let host = playing().await;
    let error = add(&host, "x", "playgruond", json!({})).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::NotFound, Some("/plugin")));
    assert!(error.message.contains("`playground`"), "{error}");
    let mut new = NewIntegration::new("x", "playground");
    new.endpoints.insert("api".into(), Default::default());
    let error = host.add_integration(new).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("/endpoints/api"));
    let error = add(&host, "Bad Name", "playground", json!({})).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::Invalid, Some("/name")));
}

#[tokio::test]
async fn an_integration_that_is_added_again_starts_empty() {
    let host = playing().await;
    put(&host, "a", "MQ==").await;
    host.remove_integration("play", false).await.unwrap();
    assert_eq!(host.remove_integration("play", false).await.unwrap_err().kind, ErrorKind::NotFound);
    host.add_integration(NewIntegration::new("play", "playground")).await.unwrap();
    assert_eq!(call(&host, "play", "key-value.get", json!({"key": "a"})).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn two_integrations_of_one_plugin_share_nothing() {
    let host = playing().await;
    host.add_integration(NewIntegration::new("other", "playground")).await.unwrap();
    put(&host, "a", "MQ==").await;
    assert_eq!(call(&host, "other", "key-value.get", json!({"key": "a"})).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn a_change_is_made_wholly_at_the_revision_it_was_meant_for_or_not_at_all() {
    let host = common::unruly("http://127.0.0.1:9").await;
    let before = host.integration("wild").unwrap();
    let change = |url: Value, revision| UpdateIntegration {
        config: json!({"url": url}).as_object().cloned(),
        labels: Some([("env".to_owned(), Some("dev".to_owned()))].into()),
        revision,
        ..UpdateIntegration::default()
    };
    let error = host.update_integration("wild", change(json!(7), None)).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::Invalid, Some("/config/url")));
    assert_eq!(host.integration("wild").unwrap().labels, before.labels);
    let after = host.update_integration("wild", change(json!("http://[::1]:9"), Some(before.revision))).await.unwrap();
    assert_eq!((after.labels["env"].as_str(), after.config["url"].as_str()), ("dev", Some("http://[::1]:9")));
    assert!(after.revision > before.revision);
    let stale = host.update_integration("wild", change(json!("http://127.0.0.1:9"), Some(before.revision))).await;
    assert_eq!(stale.unwrap_err().kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn a_plugin_is_kept_while_it_is_used_and_installed_once() {
    let host = playing().await;
    let (again, new) = host.install_plugin(plugin("playground")).await.unwrap();
    assert!(!new);
    assert_eq!(again.integrations, ["play"]);
    let error = host.remove_plugin("playground").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains("`play`"), "{error}");
    host.remove_integration("play", false).await.unwrap();
    host.remove_plugin("playground").await.unwrap();
    assert!(host.capabilities().is_empty());
}

#[tokio::test]
async fn what_is_no_plugin_is_refused_with_the_reason() {
    let host = builder().build().await.unwrap();
    let module = b"\0asm\x01\0\0\0".to_vec();
    let component = b"\0asm\x0d\0\x01\0".to_vec();
    let mut cut = plugin("playground");
    cut.truncate(cut.len() / 2);
    for file in [b"hello".to_vec(), Vec::new(), module, component, cut] {
        let error = host.install_plugin(file).await.unwrap_err();
        assert_eq!((error.kind, error.source_of_fault), (ErrorKind::Invalid, ErrorSource::Caller), "{error}");
    }
    assert!(host.plugins().is_empty());
}

#[tokio::test]
async fn a_health_check_finds_what_is_down_and_tells_the_change() {
    let outside = common::outside::Outside::start().await;
    let host = common::unruly(&outside.url).await;
    let mut events = host.events();
    let report = host.check_integration("wild").await.unwrap();
    assert_eq!(report.state, HealthState::Healthy, "{report:?}");
    assert!(report.checked_at.is_some() && report.latency_ms.is_some());
    let event = events.recv().await.unwrap();
    assert_eq!((event.kind, event.integration.as_deref()), (EventKind::HealthChanged, Some("wild")));
    assert_eq!(host.integration("wild").unwrap().health.state, HealthState::Healthy);
}

#[tokio::test]
async fn capabilities_are_found_by_each_of_their_names_with_schemas_and_wit() {
    let host = playing().await;
    for name in ["key-value", "jackfield:key-value", "jackfield:key-value@0.1.0"] {
        let info = host.capability(name).unwrap();
        assert_eq!((info.id.as_str(), info.integrations.len()), ("jackfield:key-value@0.1.0", 1));
        let put = info.operations.iter().find(|operation| operation.name == "put").unwrap();
        assert_eq!((put.kind.as_str(), put.feed), ("write", false));
        assert_eq!(put.request_schema["required"], json!(["key", "value"]));
        assert!(!put.docs.is_empty());
    }
    assert!(host.capability_wit("key-value").unwrap().contains("compare-and-set: func"));
    assert!(host.capability("key-valeu").unwrap_err().message.contains("`key-value`"));
}
