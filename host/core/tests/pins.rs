//! Pins: everybody keeps to a version who names none, and who names another is told how to let go.

mod common;

use common::{builder, plugin, version};
use jackfield_core::{Apply, ErrorKind, Host, NewIntegration, UpgradeIntegration};
use serde_json::json;

async fn host() -> Host {
    let host = builder().build().await.unwrap();
    for wanted in ["0.1.0", "0.2.0", "0.3.0"] {
        host.install_plugin(version("playground", wanted, |_| {})).await.unwrap();
    }
    host
}

fn runs(host: &Host, name: &str) -> String {
    host.integration(name).unwrap().plugin_version.to_string()
}

async fn pin(host: &Host, version: &str) {
    host.pin_plugin("playground", &version.parse().unwrap()).await.unwrap();
}

fn to(version: &str) -> UpgradeIntegration {
    UpgradeIntegration { version: Some(version.parse().unwrap()), ..UpgradeIntegration::default() }
}

#[tokio::test]
async fn who_names_no_version_gets_the_pinned_one_and_who_names_another_is_refused() {
    let host = host().await;
    host.add_integration(NewIntegration::new("old", "playground@0.1.0")).await.unwrap();
    pin(&host, "0.2.0").await;
    assert_eq!(host.plugin("playground").unwrap().version.to_string(), "0.2.0");
    assert!(host.plugins().iter().all(|plugin| plugin.pin == Some("0.2.0".parse().unwrap())));
    host.add_integration(NewIntegration::new("new", "playground")).await.unwrap();
    assert_eq!((runs(&host, "old"), runs(&host, "new")), ("0.1.0".to_owned(), "0.2.0".to_owned()));
    let error = host.add_integration(NewIntegration::new("newest", "playground@0.3.0")).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Conflict, Some("plugin-pinned")));
    assert!(error.message.contains("plugin unpin playground"), "{error}");
    let error = host.upgrade_integration("old", to("0.3.0")).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("plugin-pinned"));
    host.upgrade_integration("old", UpgradeIntegration::default()).await.unwrap();
    assert_eq!(runs(&host, "old"), "0.2.0");

    // Going back is always possible, and so is it to be let go.
    host.roll_back_integration("old", None).await.unwrap();
    assert_eq!(runs(&host, "old"), "0.1.0");
    host.unpin_plugin("playground").await.unwrap();
    host.unpin_plugin("playground").await.unwrap();
    host.upgrade_integration("old", UpgradeIntegration::default()).await.unwrap();
    assert_eq!(runs(&host, "old"), "0.3.0");
}

#[tokio::test]
async fn documents_keep_to_a_pin_and_name_the_place_where_they_do_not() {
    let host = host().await;
    pin(&host, "0.2.0").await;
    let document = |version: Option<&str>| {
        let mut document = json!({"integration": {"name": "play", "plugin": "playground"}});
        if let Some(version) = version {
            document["integration"]["version"] = version.into();
        }
        vec![document]
    };
    let apply = async |documents| host.apply(Apply { documents, dry_run: false, prune: false }).await;
    apply(document(None)).await.unwrap();
    assert_eq!(runs(&host, "play"), "0.2.0");
    let error = apply(document(Some("0.3.0"))).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("/documents/0/integration/version"));
    // What runs with another version already is as its document says.
    pin(&host, "0.3.0").await;
    assert_eq!(apply(document(Some("0.2.0"))).await.unwrap().unchanged, 1);
    apply(document(Some("0.3.0"))).await.unwrap();
    assert_eq!(runs(&host, "play"), "0.3.0");
}

#[tokio::test]
async fn what_is_pinned_is_installed_stays_so_and_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || builder().data_dir(folder.path()).build().await.unwrap();
    let host = start().await;
    let wanted = "0.1.0".parse().unwrap();
    let error = host.pin_plugin("playground", &wanted).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    host.install_plugin(plugin("playground")).await.unwrap();
    host.install_plugin(version("playground", "0.2.0", |_| {})).await.unwrap();
    host.pin_plugin("playground", &wanted).await.unwrap();
    host.shutdown().await;
    drop(host);
    let host = start().await;
    let error = host.remove_plugin("playground@0.1.0").await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("plugin-pinned"));
    let documents = vec![json!({"plugin": {"name": "playground", "version": "0.2.0"}})];
    let applied = host.apply(Apply { documents, dry_run: false, prune: true }).await.unwrap();
    assert!(applied.changes.is_empty(), "it is not pruned: {applied:?}");
    assert!(host.unpin_plugin("gone").await.is_err());
    host.unpin_plugin("playground").await.unwrap();
    host.remove_plugin("playground@0.1.0").await.unwrap();
}
