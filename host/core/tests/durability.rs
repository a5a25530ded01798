//! A host that ends and starts again, and folders that are not as they should be.

mod common;

use common::{builder, call, plugin, put};
use jackfield_core::{ErrorKind, Host, NewIntegration, server_of};
use serde_json::json;

async fn open(folder: &std::path::Path) -> Host {
    builder().data_dir(folder).build().await.unwrap()
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let host = open(folder.path()).await;
    host.install_plugin(plugin("playground")).await.unwrap();
    host.add_integration(NewIntegration::new("play", "playground")).await.unwrap();
    let written = put(&host, "a", "MQ==").await;
    let before = host.integration("play").unwrap();
    host.shutdown().await;
    drop(host);

    let host = open(folder.path()).await;
    let after = host.integration("play").unwrap();
    assert_eq!((after.revision, after.created_at), (before.revision, before.created_at));
    assert_eq!(call(&host, "play", "key-value.get", json!({"key": "a"})).await.unwrap(), written);
    host.shutdown().await;
}

#[tokio::test]
async fn a_second_host_on_the_same_folder_is_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let host = builder().data_dir(folder.path()).announce("127.0.0.1:7575").build().await.unwrap();
    assert_eq!(server_of(folder.path()).as_deref(), Some("127.0.0.1:7575"));
    let error = builder().data_dir(folder.path()).build().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains(&std::process::id().to_string()), "{error}");
    host.shutdown().await;
    assert_eq!(server_of(folder.path()), None);
    open(folder.path()).await.shutdown().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = builder().data_dir(file.join("data")).build().await.unwrap_err();
    assert!(error.message.contains("file"), "{error}");
}

#[tokio::test]
async fn a_host_that_has_ended_refuses_work_and_says_why() {
    let host = common::playing().await;
    host.shutdown().await;
    let error = call(&host, "play", "key-value.get", json!({"key": "a"})).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(!host.readiness().ready);
    assert!(host.add_integration(NewIntegration::new("x", "playground")).await.is_err());
    host.shutdown().await;
}
